"""Validation of values against schemas of the exercise's contract, and where exactly a value breaks one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from grader.probe.calls import Node

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MAX_TEXT = 200
"""Characters of a value that a finding shows."""
MAX_ITEMS = 20


@dataclass(frozen=True, kw_only=True)
class Breach:
    """One place where a value breaks its schema: ``at`` such as ``data[].beds``, ``rule`` the schema keyword."""

    at: str
    rule: str
    expected: Any
    got: Any


class Schemas:
    """Validators for schemas of one contract; local references are followed, formats are checked."""

    def __init__(self, contract: Node) -> None:
        self._components = contract.get("components", {})
        self._known: dict[int, tuple[Node, jsonschema_rs.Draft202012Validator]] = {}

    def valid(self, schema: Node, value: Any) -> bool:
        """Whether ``value`` keeps ``schema``."""
        return self._validator(schema).is_valid(value)

    def breaches(self, schema: Node, value: Any) -> Iterator[Breach]:
        """Every place where ``value`` breaks ``schema``, in the order of the schema."""
        for error in self._validator(schema).iter_errors(value):
            path, rule = list(error.instance_path), error.kind.name
            if rule == "required":
                path.append(str(error.kind.value))
            yield Breach(at=json_path(path), rule=rule, expected=brief(error.kind.value), got=brief(_at(value, path)))

    def _validator(self, schema: Node) -> jsonschema_rs.Draft202012Validator:
        key = id(schema)
        if key not in self._known:
            whole: dict[str, Any] = {"$schema": DIALECT, "components": self._components, **schema}
            # The schema is kept beside its validator so that its id is not given to another one.
            self._known[key] = (schema, jsonschema_rs.Draft202012Validator(whole, validate_formats=True))
        return self._known[key][1]


def json_path(parts: Sequence[str | int]) -> str:
    """``["data", 3, "beds"]`` as ``data[].beds``: which row it was differs between runs of the same defect."""
    text = ""
    for part in parts:
        text += "[]" if isinstance(part, int) else f".{part}" if text else part
    return text


def brief(value: Any) -> Any:
    """``value`` as a finding shows it: scalars as they are, texts and lists of them cut, anything else by its type."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value[:MAX_TEXT]
    if isinstance(value, list):
        shown = sorted((str(one)[:MAX_TEXT] for one in value), key=str)[:MAX_ITEMS]
        return shown if all(isinstance(one, str | int | float | None) for one in value) else "array"
    return {dict: "object"}.get(type(value), type(value).__name__)


def _at(value: Any, path: Sequence[str | int]) -> Any:
    for part in path:
        if isinstance(value, Mapping) and part in value:
            value = value[str(part)]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value
