"""Names for pregnancies that say nothing about the woman."""

import base64
import hmac

BYTES = 10  # 16 letters of base32


def pseudonym(key: bytes, message: str) -> str:
    """The same message has the same name for as long as the key stays; nobody without the key can work it out."""
    return base64.b32encode(hmac.digest(key, message.encode(), "sha256")[:BYTES]).decode()
