"""Opaque cursors: how many rows were shown, tied to the filters the cursor was made for."""

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


def encode(shown: int, filters: Mapping[str, str | None]) -> str:
    payload = json.dumps([shown, _mark(filters)], separators=(",", ":"))
    return base64.urlsafe_b64encode(payload.encode()).decode().rstrip("=")


def decode(cursor: str, filters: Mapping[str, str | None]) -> int:
    """How many rows to leave out; raises UnknownCursor."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeError, binascii.Error, ValueError, RecursionError) as error:
        raise UnknownCursor from error
    if not isinstance(parts, list) or len(parts) != 2 or not isinstance(parts[0], int):
        raise UnknownCursor
    shown, mark = parts
    # Encoding it again must give the same text: one place has one cursor, and a changed letter is noticed.
    if mark != _mark(filters) or encode(shown, filters) != cursor or not 0 < shown < 1_000_000:
        raise UnknownCursor
    return shown
