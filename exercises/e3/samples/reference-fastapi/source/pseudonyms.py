"""Names for pregnancies that say nothing about the woman."""

import base64
import hashlib
import hmac

LENGTH = 16


def pseudonym(key: bytes, message: str) -> str:
    """The same message has the same name for as long as the key stays; nobody without the key can work it out."""
    digest = hmac.new(key, message.encode(), hashlib.sha256).digest()
    return base64.b32encode(digest).decode()[:LENGTH]
