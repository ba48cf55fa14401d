"""Opaque cursors: the sort key of the last row shown, tied to the filters it was made for."""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping


class UnknownCursor(ValueError):
    """Not a cursor of ours, or one that belongs to another search."""


def _mark(filters: Mapping[str, str | None]) -> str:
    canonical = json.dumps(filters, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def encode(areacode: str, hoscode: str, filters: Mapping[str, str | None]) -> str:
    payload = json.dumps([areacode, hoscode, _mark(filters)], separators=(",", ":"))
    return base64.urlsafe_b64encode(payload.encode()).decode().rstrip("=")


def decode(cursor: str, filters: Mapping[str, str | None]) -> tuple[str, str]:
    """The (areacode, hoscode) to continue after; raises UnknownCursor."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeError, binascii.Error, ValueError, RecursionError) as error:
        raise UnknownCursor from error
    if not isinstance(parts, list) or len(parts) != 3 or not all(isinstance(part, str) for part in parts):
        raise UnknownCursor
    areacode, hoscode, mark = parts
    # Encoding it again must give the same text: one row has one cursor, and a changed letter is noticed.
    if mark != _mark(filters) or encode(areacode, hoscode, filters) != cursor or "\x00" in areacode + hoscode:
        raise UnknownCursor
    return areacode, hoscode
