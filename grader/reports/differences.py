"""What differs between the expected and the received value: only the places that are unlike, a few of them, short."""

import json
from collections.abc import Iterator
from typing import Any, Final

from grader.evidence import Frozen
from grader.reports.plain import clean_line, shorten

MAX_DIFFERENCES = 8
MAX_DEPTH = 4
MAX_SHOWN = 160
"""Characters of one value in a comparison."""

_ABSENT: Final = object()


class Difference(Frozen):
    """One unlike place: a JSON path ("" for the whole) and both values as JSON; None where there is no value."""

    at: str
    expected: str | None
    got: str | None


def differences(expected: Any, got: Any, at: str = "") -> tuple[tuple[Difference, ...], int]:
    """The first unlike places and how many more there are; nothing when neither value is known."""
    if expected is None and got is None:
        return (), 0
    found = list(_walk(expected, got, at, MAX_DEPTH))
    return tuple(found[:MAX_DIFFERENCES]), max(0, len(found) - MAX_DIFFERENCES)


def brief(value: Any) -> str:
    """A value inside a sentence: a scalar, the scalar of a one-key object, or a short list; else empty."""
    if isinstance(value, dict) and len(value) == 1:
        value = next(iter(value.values()))
    if isinstance(value, list | tuple) and value and all(isinstance(item, str | int | float) for item in value):
        return shorten(", ".join(_scalar(item) for item in value), MAX_SHOWN)
    return _scalar(value) if isinstance(value, str | int | float) else ""


def as_json(value: Any) -> str:
    """A value as one line of JSON, safe and short."""
    return shorten(clean_line(json.dumps(value, ensure_ascii=False, default=str)), MAX_SHOWN)


def json_type(value: Any) -> str:
    """The name of a value's type as JSON Schema says it."""
    names = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _scalar(value: Any) -> str:
    return as_json(value) if isinstance(value, bool) else str(value)


def _walk(expected: Any, got: Any, at: str, depth: int) -> Iterator[Difference]:
    """Objects are compared key by key. Keys that only the answer has matter only when nothing else differs."""
    if depth and isinstance(expected, dict) and isinstance(got, dict):
        wanted = [_walk(value, got.get(key, _ABSENT), _join(at, key), depth - 1) for key, value in expected.items()]
        unlike = [difference for part in wanted for difference in part]
        yield from unlike
        if not unlike:
            for key in got.keys() - expected.keys():
                yield from _walk(_ABSENT, got[key], _join(at, key), 0)
    elif depth and isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for index, pair in enumerate(zip(expected, got, strict=True)):
            yield from _walk(*pair, f"{at}[{index}]", depth - 1)
    elif type(expected) is not type(got) or expected != got:
        yield Difference(at=clean_line(at), expected=_json_or_none(expected), got=_json_or_none(got))


def _json_or_none(value: Any) -> str | None:
    return None if value is _ABSENT else as_json(value)


def _join(at: str, key: str) -> str:
    return f"{at}.{key}" if at else str(key)
