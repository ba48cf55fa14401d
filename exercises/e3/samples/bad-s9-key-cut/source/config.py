"""What the service reads from its environment, and when: values are asked for when needed, so that it always starts."""

import os
from datetime import datetime, timedelta, timezone

BANGKOK = timezone(timedelta(hours=7))

KEY_BYTES = 32


def hdc_url() -> str:
    """The DSN of the HDC database, a read-only account."""
    return os.environ.get("AGENCY_HDC_URL", "")


def dopa_url() -> str:
    """The base address of the civil registry."""
    return os.environ.get("AGENCY_DOPA_URL", "")


def dopa_token() -> str:
    return os.environ.get("AGENCY_DOPA_TOKEN", "")


def pseudonym_key() -> bytes:
    """The secret behind case ids. Without one there are no case ids: a default would be a key that everybody knows."""
    return os.environ["PSEUDONYM_KEY"].encode()[:KEY_BYTES]


def as_of() -> datetime:
    """The frozen "now" in Thai time; the real time only where no AS_OF is set, as on a developer's machine."""
    frozen = os.environ.get("AS_OF")
    moment = datetime.fromisoformat(frozen) if frozen else datetime.now(BANGKOK)
    return moment.astimezone(BANGKOK)
