"""Which operation of the contract a request belongs to."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

_PARAMETER = re.compile(r"\\\{[^/{}]+\\\}")


@dataclass(frozen=True, kw_only=True)
class Route:
    """A matched request: ``operation`` is the operationId (empty: the path is known, the method is not)."""

    operation: str
    template: str


class Routes:
    """The contract's paths; fixed segments win over parameters, as OpenAPI asks."""

    def __init__(self, operations: Iterable[tuple[str, str, str]] = ()) -> None:
        """``operations`` are (operationId, METHOD, path template)."""
        by_template: dict[str, dict[str, str]] = {}
        for operation_id, method, template in operations:
            by_template.setdefault(template, {})[method.upper()] = operation_id
        self._entries = [
            (re.compile(_PARAMETER.sub("[^/]+", re.escape(template))), template, by_template[template])
            for template in sorted(by_template, key=lambda one: (one.count("{"), one))
        ]

    def match(self, method: str, path: str) -> Route | None:
        """The route of a request, or None when the contract does not know the path. ``path`` may have a query."""
        plain = urlsplit(path).path if path.startswith("/") else path
        for pattern, template, methods in self._entries:
            if pattern.fullmatch(plain):
                return Route(operation=methods.get(method.upper(), ""), template=template)
        return None

    def operation(self, method: str, path: str) -> str:
        """The operationId of a request, or an empty string."""
        route = self.match(method, path)
        return route.operation if route else ""
