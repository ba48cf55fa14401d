"""Reading JSON that a stranger wrote, within limits (security rule S40).

The scan works on bytes and never recurses, so that it can stand in front of parsers that do.
"""

import json
import re
from typing import Any, NoReturn

MAX_DEPTH = 100
MAX_DIGITS = 1_000
"""Digits in a row; Python refuses to read integers of more than 4,300 and takes quadratic time below that."""
MAX_NODES = 250_000
"""Values in one document: Python needs up to 100 bytes for each, so this bounds memory to about 25 MB."""

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]|[0-9]{%d,}+' % (MAX_DIGITS + 1), re.DOTALL)
_LEADING = b" \t\r\n\xef\xbb\xbf"


class UnreadableJson(ValueError):
    """A body that is no acceptable JSON.

    ``reason`` is one of ``empty``, ``encoding``, ``syntax``, ``duplicate_key``, ``constant`` (NaN, Infinity),
    ``too_deep``, ``long_number``, ``too_many_values``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def looks_like_json(content_type: str, body: bytes) -> bool:
    """Whether some client might try to read this as JSON (or as YAML, which nests the same way)."""
    kind = content_type.lower()
    return "json" in kind or "yaml" in kind or body[:64].lstrip(_LEADING)[:1] in {b"[", b"{"}


def excess(body: bytes, *, max_depth: int = MAX_DEPTH) -> str:
    """``too_deep`` or ``long_number`` when a document would hurt its reader, else an empty string."""
    depth = 0
    for token in _TOKEN.finditer(body):
        first = body[token.start()]
        if first in b"[{":
            depth += 1
            if depth > max_depth:
                return "too_deep"
        elif first in b"]}":
            depth -= 1
        elif first not in b'"':  # what stands in a string nests nothing
            return "long_number"
    return ""


def parse_json(body: bytes) -> Any:
    """The document's value; raises UnreadableJson."""
    if not body.strip():
        raise UnreadableJson("empty")
    if problem := excess(body):
        raise UnreadableJson(problem)
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MAX_NODES:
        raise UnreadableJson("too_many_values")
    try:
        return json.loads(body.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise UnreadableJson("encoding") from None
    except json.JSONDecodeError:
        raise UnreadableJson("syntax") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise UnreadableJson("duplicate_key")
    return found


def _no_constant(_: str) -> NoReturn:
    raise UnreadableJson("constant")
