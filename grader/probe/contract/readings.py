"""How a request may be read: strictly by the contract, or in any of the ways that the house style allows.

Frameworks differ in how they read text: some trim it, some take ``1.0`` or ``true`` for a number, some the first and
some the last of repeated values. None of that is a defect. So accepting bad data counts only when the request is bad in
every reading, and refusing good data only when it is good in every reading.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from grader.probe.calls import Described, Node, Parameter, resolve
from grader.probe.contract.schemas import Breach, Schemas
from grader.probe.contract.texts import exists, has_controls, readings, spellings, typed, types_of

MAX_DEPTH = 24
_UNKNOWN_BODY = object()


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A request as it went over the wire; ``uri`` is path and query, header names are lower case."""

    method: str
    uri: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """One input that breaks the contract: ``where`` is path, query, header or body."""

    where: str
    name: str
    breach: Breach


class Reader:
    """Reads requests of one operation."""

    def __init__(self, contract: Node, operation: Described) -> None:
        self._contract, self._operation, self._schemas = contract, operation, Schemas(contract)
        names = re.findall(r"\{([^/{}]+)\}", operation.path)
        pattern = re.sub(r"\\\{[^/{}]+\\\}", "([^/]*)", re.escape(operation.path))
        self._names, self._pattern = names, re.compile(pattern)

    def wrong(self, sent: Sent) -> Iterator[Wrong]:
        """Every declared input of ``sent`` that breaks the contract, read strictly."""
        texts = self._texts(sent)
        for parameter in self._operation.parameters:
            given = texts(parameter)
            if given is None or any(self._schemas.valid(parameter.schema, one) for one in _strict(parameter, given)):
                continue
            value = given[0] if len(given) == 1 else list(given)
            breach = next(iter(self._schemas.breaches(parameter.schema, _likely(parameter, value))), None)
            missing = Breach(at="", rule="required", expected=parameter.name, got=None)
            yield Wrong(where=parameter.where, name=parameter.name, breach=(breach or missing) if given else missing)
        schema = self._operation.body
        if schema is None:
            return
        body = _body(sent)
        if body is None and not sent.body:
            if self._operation.body_required:
                yield Wrong(where="body", name="", breach=Breach(at="", rule="required", expected="object", got=None))
        elif body is _UNKNOWN_BODY:
            yield Wrong(where="body", name="", breach=Breach(at="", rule="json", expected="object", got=None))
        else:
            for breach in self._schemas.breaches(schema, body):
                yield Wrong(where="body", name="", breach=breach)

    def acceptable(self, sent: Sent) -> bool:
        """Whether some reading that the house style allows makes ``sent`` good."""
        texts = self._texts(sent)
        for parameter in self._operation.parameters:
            given = texts(parameter)
            if given is None or (not parameter.required and all(not text.strip() for text in given)):
                continue
            if not any(self._schemas.valid(parameter.schema, one) for one in _loose(parameter, given)):
                return False
        schema = self._operation.body
        if schema is None:
            return True
        body = _body(sent)
        if body is None and not sent.body:
            return not self._operation.body_required
        if body is _UNKNOWN_BODY:
            return False
        return self._schemas.valid(schema, body) or self._schemas.valid(schema, self._coerced(schema, body))

    def unambiguous(self, sent: Sent) -> bool:
        """Whether every reading makes ``sent`` good, so that refusing it is wrong."""
        if next(self.wrong(sent), None) is not None:
            return False
        texts = self._texts(sent)
        for parameter in self._operation.parameters:
            given = texts(parameter)
            if not given:
                continue
            if parameter.opaque or len(given) > 1:
                return False
            if not self._stays_good(parameter.schema, given[0]):
                return False
        schema, body = self._operation.body, _body(sent)
        return schema is None or body is None or self._whole(schema, body)

    def _texts(self, sent: Sent) -> Any:
        parts = urlsplit(sent.uri)
        query = parse_qsl(parts.query, keep_blank_values=True)
        match = self._pattern.fullmatch(parts.path)
        path = dict(zip(self._names, match.groups(), strict=True)) if match else {}

        def texts(parameter: Parameter) -> Sequence[str] | None:
            """The texts given for a parameter, or None when it is absent and may be."""
            found: list[str] = []
            if parameter.where == "query":
                found = [value for name, value in query if name in {parameter.name, f"{parameter.name}[]"}]
            elif parameter.where == "path" and parameter.name in path:
                found = [unquote(path[parameter.name])]
            elif parameter.where == "header" and parameter.name.lower() in sent.headers:
                found = [sent.headers[parameter.name.lower()]]
            return found if found or parameter.required else None

        return texts

    def _stays_good(self, schema: Node, text: str) -> bool:
        """Whether a text is as good in every spelling, and is a date that exists when it should be one."""
        if has_controls(text) or not exists(schema.get("format"), text):
            return False
        return all(any(self._schemas.valid(schema, one) for one in typed(schema, other)) for other in spellings(text))

    def _whole(self, schema: Node, value: Any) -> bool:
        for path, text in _leaves(value):
            if has_controls(text) or not all(exists(one, text) for one in _formats(self._contract, schema, path)):
                return False
        ways = len(list(spellings("")))
        return all(self._schemas.valid(schema, _respelled(value, way)) for way in range(ways))

    def _coerced(self, schema: Any, value: Any, depth: int = 0) -> Any:
        """``value`` with its scalars turned into what ``schema`` asks for, where a lenient parser would do so."""
        schema = resolve(self._contract, schema)
        if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
            return value
        for name in ("anyOf", "oneOf"):
            for branch in schema.get(name, ()):
                tried = self._coerced(branch, value, depth + 1)
                if self._schemas.valid(branch, tried):
                    return tried
        for branch in schema.get("allOf", ()):
            value = self._coerced(branch, value, depth + 1)
        if isinstance(value, dict):
            properties = schema.get("properties", {})
            known = {key: one for key, one in value.items() if key in properties or not properties}
            return {key: self._coerced(properties.get(key), one, depth + 1) for key, one in known.items()}
        if isinstance(value, list):
            return [self._coerced(schema.get("items"), one, depth + 1) for one in value]
        if value is None or self._schemas.valid(schema, value):
            return value
        text = str(value).lower() if isinstance(value, bool) else str(value)
        candidates = [int(value)] if isinstance(value, bool) else []
        return next((one for one in (*candidates, *readings(schema, text)) if self._schemas.valid(schema, one)), value)


def _strict(parameter: Parameter, given: Sequence[str]) -> Iterator[Any]:
    if "array" in types_of(parameter.schema):
        items = parameter.schema.get("items", {})
        for texts in ([*given], given[0].split(",") if len(given) == 1 else []):
            yield [next(iter(typed(items, text)), text) for text in texts]
    if len(given) == 1:
        yield from typed(parameter.schema, given[0])


def _likely(parameter: Parameter, value: Any) -> Any:
    """The value to name in a breach: a number when the text is one and a number is wanted."""
    if isinstance(value, str):
        return next(iter(typed(parameter.schema, value)), value)
    return value


def _loose(parameter: Parameter, given: Sequence[str]) -> Iterator[Any]:
    yield from _strict(parameter, given)
    items = parameter.schema.get("items")
    if "array" in types_of(parameter.schema) and items is not None:
        for texts in ([*given], [part for text in given for part in text.split(",")]):
            yield [next(iter(readings(items, text)), text) for text in texts]
    for text in given:
        yield from readings(parameter.schema, text)


def _body(sent: Sent) -> Any:
    if not sent.body:
        return None
    try:
        return json.loads(sent.body)
    except (ValueError, RecursionError):
        return _UNKNOWN_BODY


def _respelled(value: Any, way: int) -> Any:
    if isinstance(value, str):
        return list(spellings(value))[way]
    if isinstance(value, list):
        return [_respelled(one, way) for one in value]
    if isinstance(value, dict):
        return {key: _respelled(one, way) for key, one in value.items()}
    return value


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one, (*path, "[]"))
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _leaves(one, (*path, key))


def _formats(contract: Node, schema: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """The formats that ``schema`` gives the value at ``path``, through references and alternatives."""
    schema = resolve(contract, schema)
    if not isinstance(schema, Mapping):
        return
    for name in ("anyOf", "oneOf", "allOf"):
        for branch in schema.get(name, ()):
            yield from _formats(contract, branch, path)
    if not path:
        yield schema.get("format")
    elif path[0] == "[]":
        yield from _formats(contract, schema.get("items"), path[1:])
    else:
        yield from _formats(contract, schema.get("properties", {}).get(path[0]), path[1:])
