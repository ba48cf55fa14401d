"""What the text of a URL, header or lenient body can mean: strictly, and to the parsers that people really use."""

import datetime as dt
import math
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

from grader.probe.calls import Node

MAX_DIGITS = 400
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
_TRUE = {"true", "1", "yes", "y", "on", "t"}
_FALSE = {"false", "0", "no", "n", "off", "f"}
_INVISIBLE = "\ufeff\u200b"
"""Trimmed by some languages and kept by others."""
_BMP = 0xFFFF

_NUMBERS: tuple[Callable[[str], float], ...] = (int, float, lambda text: int(text, 0))
_MOMENTS: tuple[Callable[[str], object], ...] = (dt.date.fromisoformat, dt.datetime.fromisoformat, float)


def types_of(schema: Node) -> set[str]:
    """The JSON types that a schema names, also in its alternatives; empty when any type will do."""
    kind = schema.get("type", ())
    found = {kind} if isinstance(kind, str) else set(kind)
    for name in ("anyOf", "oneOf", "allOf"):
        for branch in schema.get(name, ()):
            found |= types_of(branch)
    return found


def typed(schema: Node, text: str) -> Iterator[Any]:
    """What a text of a URL or header can mean, read strictly."""
    types = types_of(schema)
    if not types or "string" in types:
        yield text
    if types & {"integer", "number"} and _INTEGER.fullmatch(text):
        yield int(text[:MAX_DIGITS])
    if "number" in types and _NUMBER.fullmatch(text):
        yield float(text)
    if "boolean" in types and text in {"true", "false"}:
        yield text == "true"


def readings(schema: Node, text: str) -> Iterator[Any]:
    """What a lenient parser can make of a text: trimmed, digits of any script, numbers and dates in other spellings."""
    types = types_of(schema)
    trimmed = text.strip()
    digits = "".join(str(int(one)) if one.isdecimal() else one for one in trimmed)
    for spelling in (text, trimmed, digits):
        yield from typed(schema, spelling)
        yield spelling
    if types & {"integer", "number"}:
        for parse in _NUMBERS:
            try:
                number = parse(digits[:MAX_DIGITS])
            except (ValueError, OverflowError):
                continue
            if not math.isfinite(number):
                continue
            yield number
            if isinstance(number, float) and number.is_integer():
                yield int(number)
    if "boolean" in types and digits.lower() in _TRUE | _FALSE:
        yield digits.lower() in _TRUE
    if schema.get("format") in {"date", "date-time"} and _date_like(digits):
        # One value that is valid for the format stands for whatever moment the parser understood.
        yield "2026-11-22" if schema["format"] == "date" else "2026-11-22T00:00:00Z"


def spellings(text: str) -> Iterator[str]:
    """A text as different languages keep it: trimmed more or less, counted in UTF-16 units instead of characters."""
    yield text.strip()
    yield text.strip().strip(_INVISIBLE).strip()
    yield "".join(one if ord(one) <= _BMP else "xx" for one in text)


def has_controls(text: str) -> bool:
    """Whether a text holds control characters or line separators, which patterns and parsers treat unlike."""
    return any(unicodedata.category(one) in {"Cc", "Zl", "Zp"} for one in text)


def _date_like(text: str) -> bool:
    if text.strip("+-").lower() in {"nan", "inf", "infinity"}:
        return False
    for parse in _MOMENTS:
        try:
            parse(text)
        except ValueError:
            continue
        return True
    return False


def exists(form: Any, text: str) -> bool:
    """False for a moment that the format allows and calendars do not, such as year 0 or second 60."""
    try:
        if form == "date":
            dt.date.fromisoformat(text)
        elif form == "date-time":
            dt.datetime.fromisoformat(text.upper())
    except ValueError:
        return False
    return True
