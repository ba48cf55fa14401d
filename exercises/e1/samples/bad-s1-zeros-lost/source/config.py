"""What the service reads from its environment, and when."""

import os
from datetime import date, datetime, timedelta, timezone

BANGKOK = timezone(timedelta(hours=7))


def facility_url() -> str:
    """The DSN of the facility register; asked for when it is needed, so that the service starts without one."""
    return os.environ.get("AGENCY_FACILITY_URL", "")


def as_of() -> datetime:
    """The frozen "now" in Thai time; the real time only where no AS_OF is set, as on a developer's machine."""
    frozen = os.environ.get("AS_OF")
    moment = datetime.fromisoformat(frozen) if frozen else datetime.now(BANGKOK)
    return moment.astimezone(BANGKOK)


def today() -> date:
    """The date that "open" means when nobody names a day."""
    return as_of().date()
