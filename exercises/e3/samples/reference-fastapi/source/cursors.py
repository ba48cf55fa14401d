"""Opaque cursors: the last case id shown, sealed together with the filter it was made for."""

import hashlib
import hmac
import re

SEAL_LENGTH = 16


class UnknownCursor(ValueError):
    """Not a cursor of ours, or one that belongs to another filter."""


def encode(key: bytes, case_id: str, outcome: str | None) -> str:
    return f"{case_id}-{_seal(key, case_id, outcome)}"


def decode(key: bytes, cursor: str, outcome: str | None) -> str:
    """The case id to continue after; raises UnknownCursor."""
    found = re.fullmatch(r"([A-Z2-7]{16})-([0-9a-f]{16})", cursor)
    if found is None or not hmac.compare_digest(found[2], _seal(key, found[1], outcome)):
        raise UnknownCursor
    return found[1]


def _seal(key: bytes, case_id: str, outcome: str | None) -> str:
    message = f"cursor:{case_id}:{outcome or ''}"
    return hmac.new(key, message.encode(), hashlib.sha256).hexdigest()[:SEAL_LENGTH]
