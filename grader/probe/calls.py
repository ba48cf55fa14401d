"""What one can call: the operations of a contract with their parameters, and the requests of a world's examples.

Every check family builds its requests here, so that an example means the same request everywhere.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

Node = Mapping[str, Any]

BODY = "body"
"""The reserved key of an example that holds the JSON body of its request."""

OPAQUE_NAME = "cursor"
"""The one name that stands for an opaque token by the house style; others say ``x-opaque: true`` in the contract."""

UNKNOWN_PATH = "/__unknown"
"""A path that no contract has: asking for it must give 404."""

JSON_MEDIA = "application/json"
METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
MAX_HOPS = 32
"""How many references in a row are followed before a contract counts as circular."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One declared input of an operation; ``where`` is path, query, header or cookie."""

    name: str
    where: str
    schema: Node
    required: bool
    opaque: bool
    """True for a token that only the app can make (a cursor): refusing an invented one is right."""


@dataclass(frozen=True, kw_only=True)
class Described:
    """One operation as the contract describes it; ``responses`` maps a status such as "200", "4XX", "default"."""

    operation_id: str
    method: str
    path: str
    parameters: tuple[Parameter, ...] = ()
    body: Node | None = None
    """The schema of the JSON request body, or None when there is none."""
    body_required: bool = False
    responses: Mapping[str, Node] = field(default_factory=dict)
    own_time_limit: bool = False
    """True (``x-own-time-limit``) when a check of the exercise has its own time limit for this operation."""

    @property
    def safe(self) -> bool:
        """Whether the operation only reads, so that it may be sent any number of times."""
        return self.method in {"GET", "HEAD"}

    def response(self, status: int) -> Node | None:
        """What the contract says about an answer with ``status``, or None when it is not documented."""
        for key in (str(status), f"{status // 100}XX", f"{status // 100}xx", "default"):
            if key in self.responses:
                return self.responses[key]
        return None


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request of one operation, ready for ``Target.send(method, path, query=, headers=, json=)``."""

    operation_id: str
    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None


def resolve(contract: Node, node: Any) -> Any:
    """Follow ``$ref`` of ``node`` inside ``contract`` (local references only) until something else is there."""
    for _ in range(MAX_HOPS):
        if not isinstance(node, Mapping) or not isinstance(node.get("$ref"), str):
            return node
        reference, target = node["$ref"], contract
        if not reference.startswith("#/"):
            return {}
        for part in reference[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            target = target.get(name, {}) if isinstance(target, Mapping) else {}
        node = target
    return {}


def describe(contract: Node) -> tuple[Described, ...]:
    """Every operation of ``contract`` in the order of the document."""
    return tuple(_operations(contract))


def _operations(contract: Node) -> Iterator[Described]:
    for path, raw in contract.get("paths", {}).items():
        item = resolve(contract, raw)
        for method in METHODS:
            operation = resolve(contract, item.get(method))
            if not isinstance(operation, Mapping):
                continue
            request = resolve(contract, operation.get("requestBody") or {})
            media = request.get("content", {}).get(JSON_MEDIA)
            yield Described(
                operation_id=operation.get("operationId", f"{method.upper()} {path}"),
                method=method.upper(),
                path=path,
                parameters=_parameters(contract, item, operation),
                body=media.get("schema", {}) if media is not None else None,
                body_required=bool(request.get("required", False)),
                own_time_limit=bool(operation.get("x-own-time-limit", False)),
                responses={
                    str(status): resolve(contract, response)
                    for status, response in operation.get("responses", {}).items()
                },
            )


def _parameters(contract: Node, item: Node, operation: Node) -> tuple[Parameter, ...]:
    found: dict[tuple[str, str], Parameter] = {}
    for raw in (*item.get("parameters", ()), *operation.get("parameters", ())):
        parameter = resolve(contract, raw)
        name, where = parameter["name"], parameter["in"]
        found[name, where] = Parameter(
            name=name,
            where=where,
            schema=resolve(contract, parameter.get("schema", {})),
            required=bool(parameter.get("required", where == "path")),
            opaque=bool(parameter.get("x-opaque", name == OPAQUE_NAME)),
        )
    return tuple(found.values())


def call_of(operation: Described, example: Mapping[str, Any]) -> Call:
    """The request that ``example`` (parameter name -> value, ``body`` -> JSON body) stands for."""
    path, query, headers = operation.path, {}, {}
    for parameter in operation.parameters:
        if parameter.name not in example:
            continue
        value = example[parameter.name]
        if parameter.where == "path":
            path = path.replace("{" + parameter.name + "}", quote(wire(value), safe=""))
        elif parameter.where == "query":
            query[parameter.name] = wire(value)
        elif parameter.where == "header":
            headers[parameter.name] = wire(value)
    json = example.get(BODY) if operation.body is not None else None
    return Call(
        operation_id=operation.operation_id,
        method=operation.method,
        path=path,
        query=query,
        headers=headers,
        json=json,
    )


def wire(value: Any) -> str:
    """A parameter value as text in a URL or header: booleans are lower case, everything else as Python prints it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def example_calls(
    contract: Node, examples: Mapping[str, Any], only: frozenset[str] | None = None
) -> Iterator[tuple[Described, Call]]:
    """Each example of a world as a request, in the order of the contract; ``only`` names operations to keep."""
    for operation in describe(contract):
        if only is not None and operation.operation_id not in only:
            continue
        for example in examples.get(operation.operation_id, ()):
            yield operation, call_of(operation, example)
