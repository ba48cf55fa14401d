"""What people type into fields of forms: days, moments of a clock in Bangkok, whole numbers. "" is none."""

from datetime import UTC, date, datetime

from grader.errors import UsageProblem
from grader.kpi.fiscal import BANGKOK

MOST: int = 10_000


def day(text: str) -> date | None:
    """A day, as a browser sends it.

    Raises:
        UsageProblem: ``round.date_unreadable``.
    """
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError as problem:
        raise UsageProblem("round.date_unreadable", value=text[:40]) from problem


def moment(text: str) -> datetime | None:
    """A moment, as ``datetime-local`` sends it: on a clock in Bangkok, whatever the clock of the browser says.

    Raises:
        UsageProblem: ``round.date_unreadable``.
    """
    try:
        found = datetime.fromisoformat(text.strip()) if text.strip() else None
    except ValueError as problem:
        raise UsageProblem("round.date_unreadable", value=text[:40]) from problem
    if found is None:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=BANGKOK)).astimezone(UTC)


def shown(value: datetime | None) -> str:
    """A moment as ``datetime-local`` wants it."""
    return value.astimezone(BANGKOK).strftime("%Y-%m-%dT%H:%M") if value else ""


def number(text: str) -> int | None:
    """A whole number from 1.

    Raises:
        UsageProblem: ``round.number_unreadable``.
    """
    typed = text.strip()
    if not typed:
        return None
    if not (typed.isascii() and typed.isdecimal()) or not 0 < int(typed[:9]) <= MOST:
        raise UsageProblem("round.number_unreadable", value=text[:40])
    return int(typed)
