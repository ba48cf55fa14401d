"""The frozen "now" of the service."""

import os
from datetime import datetime, timedelta, timezone

THAILAND = timezone(timedelta(hours=7), "+07")


def wall_clock():
    """The real time; only for telling when something was fetched."""
    return datetime.now(THAILAND)


def as_of():
    """``AS_OF`` in Thai time. Without one (on a laptop) the service lives in the present."""
    text = os.environ.get("AS_OF", "")
    return datetime.fromisoformat(text).astimezone(THAILAND) if text else wall_clock()


def today():
    return as_of().date()
