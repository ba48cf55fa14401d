"""The facts about one person in one training round (รุ่น), as they are known; nothing is concluded here.

All moments have a zone and are kept in UTC. What happened is kept with its time and never overwritten, so that the
state at any cut-off can be found from the same facts.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal, TypeAlias

from grader.errors import UsageProblem

Part: TypeAlias = Literal["trainee", "external", "observer"]
"""``external``: from outside the department; ``observer``: observers, instructors and test accounts."""

MarkKind: TypeAlias = Literal["declined", "replaced", "withdrew", "excluded", "cleared"]
"""What a coordinator notes about a seat; ``cleared`` takes the note before it back."""

AttemptOutcome: TypeAlias = Literal["pass", "fail", "grading", "grader_fault"]
"""``grading``: there is no result yet; ``grader_fault``: the platform failed and the attempt must be graded again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A note of the coordinator, from the moment ``at`` on. An exclusion must say who approved it, why and where.

    Raises:
        UsageProblem: ``kpi.exclusion_incomplete``.
    """

    at: datetime
    kind: MarkKind
    by: str = ""
    reason: str = ""
    document: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", _utc(self.at))
        missing = [name for name in ("by", "reason", "document") if not getattr(self, name).strip()]
        if self.kind == "excluded" and missing:
            raise UsageProblem("kpi.exclusion_incomplete", missing=", ".join(missing))


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """An accepted submission to an exercise with its result as it is known; ``received_at`` is what a deadline sees."""

    exercise: str
    received_at: datetime
    outcome: AttemptOutcome

    def __post_init__(self) -> None:
        object.__setattr__(self, "received_at", _utc(self.received_at))


@dataclass(frozen=True, kw_only=True, slots=True)
class Enrolment:
    """One seat of one training round.

    ``person`` is the same in every round of a person, ``unit`` the unit at that time. ``starts_on`` is the first
    training day (None: not set yet), ``sessions`` how many sessions had a check-in; ``check_ins`` holds one moment for
    each session that the person came to.
    """

    id: str
    person: str
    unit: str
    part: Part = "trainee"
    starts_on: date | None = None
    sessions: int = 0
    registered_at: datetime | None = None
    check_ins: tuple[datetime, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    marks: tuple[Mark, ...] = ()

    def __post_init__(self) -> None:
        if self.registered_at is not None:
            object.__setattr__(self, "registered_at", _utc(self.registered_at))
        object.__setattr__(self, "check_ins", tuple(_utc(moment) for moment in self.check_ins))


def _utc(moment: datetime) -> datetime:
    """The moment in UTC: two moments with the same zone are compared several times as fast as others."""
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        message = "a moment of a roster needs a zone"
        raise ValueError(message)
    return moment.astimezone(UTC)
