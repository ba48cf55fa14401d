"""Three numbers beside the figure: who handed in, who passed at once, and how long it took.

They are counted from the facts of everybody in B, as the figure itself is, and name nobody.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from statistics import median
from typing import Any

from grader.kpi import Enrolment, Placement, bangkok_date, place
from grader.records import Records
from grader.services import standings
from grader.services.figures import Tally
from grader.services.indicator.calendar import counted_period
from grader.services.standings import settings_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """``handed``: of B, who handed anything in by the cut-off. ``first``: of these, who passed at the first attempt.

    ``days`` is the median number of days from entering to passing, of ``passed`` people; None where nobody passed.
    """

    as_of: datetime
    handed: Tally
    first: Tally
    days: Decimal | None
    passed: int


def progress(records: Records, fy_be: int, code: str) -> Progress:
    """The three of a round, as the facts are now.

    Raises:
        UsageProblem: ``indicator.round_unknown``.
    """
    with records.reading() as session:
        now = records.database.now(session)
        rules = settings_of(session).rules
        period = counted_period(session, rules, fy_be, code, as_of=now)
        facts = standings.facts(session)
    placed = place(facts, rules, period)
    return Progress(as_of=now, **counted(placed, facts, cutoff=period.cutoff, decimals=rules.kpi_decimals))


def counted(
    placements: Iterable[Placement], enrolments: Iterable[Enrolment], *, cutoff: datetime, decimals: int
) -> Mapping[str, Any]:
    """The three from the places of people and the facts of the seat that decided about each."""
    seats = {one.id: one for one in enrolments}
    inside = [(one, seats[one.enrolment]) for one in placements if one.in_b]
    handed = [pair for pair in inside if any(one.received_at <= cutoff for one in pair[1].attempts)]
    first = sum(place.in_a and _at_once(place, facts) for place, facts in handed)
    took = [_days(one.entered_at, one.passed_at) for one, _ in inside if one.in_a and one.entered_at and one.passed_at]
    return {
        "handed": Tally(a=len(handed), b=len(inside), decimals=decimals),
        "first": Tally(a=first, b=len(handed), decimals=decimals),
        "days": median(Decimal(one) for one in took) if took else None,
        "passed": len(took),
    }


def _at_once(placed: Placement, facts: Enrolment) -> bool:
    """Whether each exercise that was handed in up to the pass was passed by the first attempt that has a result.

    An attempt that the grader failed, or that is still being graded, says nothing about the work.
    """
    assert placed.passed_at is not None  # whoever is in A passed
    until = placed.passed_at
    told = [one for one in facts.attempts if one.received_at <= until and one.outcome in {"pass", "fail"}]
    first: dict[str, str] = {}
    for one in sorted(told, key=lambda attempt: attempt.received_at):
        first.setdefault(one.exercise, one.outcome)
    return bool(first) and set(first.values()) == {"pass"}


def _days(entered: datetime, passed: datetime) -> int:
    """Days of the calendar: who came and passed on one day needed none."""
    return (bangkok_date(passed) - bangkok_date(entered)).days
