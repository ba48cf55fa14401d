"""What opens a door: 256 random bits that are given to their holder once, and the hash that is kept of them."""

import hashlib
import secrets
from typing import Final

_BYTES: Final = 32


def fresh(kind: str = "") -> str:
    """A new secret for a cookie, an address or a header; ``kind`` stands before it where people must recognise it."""
    return kind + secrets.token_urlsafe(_BYTES)


def digest(secret: str) -> str:
    """What is kept of it. Fast on purpose: 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
