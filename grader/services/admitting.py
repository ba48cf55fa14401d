"""Whether work may be handed in at a moment: when an exercise is open, how many attempts there are, how much may wait.

Nothing is kept here. It is asked before anything is sent, and once more in the transaction that accepts.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.records import Assignment, Extension, Fetch, Grading, Job, Seat, Submission
from grader.records.fetches import UNDER_WAY
from grader.records.work import CANCELLED_IN_TEST, LIVE

MOST_WAITING: Final = 3
"""Submissions of one person that may wait at a time; the next one is refused, and says so."""
QUEUE_SECONDS: Final = 120
"""How long to stay away from a full queue: about what a worker needs for one submission of each of its slots."""
COUNTED: Final = ("pass", "fail", "build_failed", "start_failed")
"""Outcomes that use up an attempt: what was refused before it ran, and our own faults, use up none."""


class NotAccepted(UsageProblem):
    """The submission was not accepted, nothing was kept of it, and it used up no attempt. Codes ``submission.*``."""


class Rules:
    """What holds for one seat and assignment now."""

    def __init__(self, session: Session, seat: Seat, assignment: Assignment) -> None:
        self.session, self.seat, self.assignment = session, seat, assignment
        extension = session.scalars(
            select(Extension)
            .where(Extension.assignment_id == assignment.id, Extension.seat_id == seat.id)
            .order_by(Extension.number.desc())
            .limit(1)
        ).one_or_none()
        self.closes_at = (extension and extension.closes_at) or assignment.closes_at
        more = (extension and extension.attempts) or 0
        self.attempts = None if assignment.attempts is None else assignment.attempts + more
        mine = select(Submission).where(Submission.seat_id == seat.id, Submission.assignment_id == assignment.id)
        numbers = session.scalars(mine.with_only_columns(Submission.number)).all()
        self.submitted = max(numbers, default=0)
        self.used = session.scalar(_uses(seat.id, assignment.id)) or 0
        self.waiting = (
            session.scalar(
                select(func.count())
                .select_from(Job)
                .where(Job.whose == seat.person_id, Job.state.in_(LIVE), Job.regrade_id.is_(None))
            )
            or 0
        ) + (
            session.scalar(
                select(func.count())
                .select_from(Fetch)
                .join(Seat, Seat.id == Fetch.seat_id)
                .where(Seat.person_id == seat.person_id, Fetch.state.in_(UNDER_WAY))
            )
            or 0
        )

    def late(self, at: datetime) -> bool:
        """Whether work of this moment comes after the deadline."""
        return self.closes_at is not None and at > self.closes_at

    def need_acceptable(self, at: datetime, *, waited: bool = False, queue_limit: int | None = None) -> None:
        """Refuse what may not be handed in at this moment; who ``waited`` for a turn already is not asked to again."""
        opens = self.assignment.opens_at
        if self.seat.round_id != self.assignment.round_id:
            raise NotAccepted("submission.wrong_round")
        if opens is not None and at < opens:
            raise NotAccepted("submission.not_open", opens_at=opens.isoformat())
        if self.attempts is not None and self.used >= self.attempts:
            raise NotAccepted("submission.no_attempts_left", attempts=self.attempts)
        if self.waiting >= MOST_WAITING and not waited:
            raise NotAccepted("submission.too_many_waiting", waiting=self.waiting, most=MOST_WAITING)
        if queue_limit is not None and not waited and _all_waiting(self.session) >= queue_limit:
            raise NotAccepted("submission.queue_full", seconds=QUEUE_SECONDS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """What one seat may still hand in. ``refusal`` is why the next submission would not be accepted, or None.

    ``closes_at`` and ``attempts`` have the seat's extension in them; ``used`` counts attempts, ``waiting`` the
    submissions of the person, to any exercise, that are not graded yet.
    """

    closes_at: datetime | None
    attempts: int | None
    used: int
    waiting: int
    late: bool
    refusal: NotAccepted | None

    @property
    def left(self) -> int | None:
        """Attempts that are left; None: as many as anybody likes."""
        return None if self.attempts is None else max(0, self.attempts - self.used)


def allowance(
    session: Session, seat: str, assignment: str, at: datetime, *, queue_limit: int | None = None
) -> Allowance:
    """What holds for a seat at a moment, before anything is sent.

    Raises:
        UsageProblem: ``records.not_found``.
    """
    rules = rules_of(session, seat, assignment)
    refusal = None
    try:
        rules.need_acceptable(at, queue_limit=queue_limit)
    except NotAccepted as problem:
        refusal = problem
    return Allowance(
        closes_at=rules.closes_at,
        attempts=rules.attempts,
        used=rules.used,
        waiting=rules.waiting,
        late=rules.late(at),
        refusal=refusal,
    )


def need_room(session: Session, seat: str, assignment: str, at: datetime, *, queue_limit: int | None = None) -> None:
    """Refuse what would not be accepted at a moment, before anything is sent or fetched.

    Raises:
        NotAccepted: as in :func:`submit`.
    """
    rules_of(session, seat, assignment).need_acceptable(at, queue_limit=queue_limit)


def _all_waiting(session: Session) -> int:
    """First gradings that are owed to anybody, and fetches that may become one.

    It is counted and not locked: on PostgreSQL people who hand in at the same moment may pass the limit by a few.
    """
    jobs = select(func.count()).select_from(Job).where(Job.state.in_(LIVE), Job.regrade_id.is_(None))
    fetches = select(func.count()).select_from(Fetch).where(Fetch.state.in_(UNDER_WAY))
    return (session.scalar(jobs) or 0) + (session.scalar(fetches) or 0)


def _uses(seat: str, assignment: str) -> Any:
    """How many attempts are used up: what was judged, what still waits to be, and what its owner cancelled too late."""
    counts = Job.state.in_(LIVE) | (Job.code == CANCELLED_IN_TEST)
    return (
        select(func.count(Submission.id.distinct()))
        .select_from(Submission)
        .outerjoin(Grading, (Grading.submission_id == Submission.id) & (Grading.standing == "final"))
        .outerjoin(Job, (Job.submission_id == Submission.id) & Job.regrade_id.is_(None) & counts)
        .where(Submission.seat_id == seat, Submission.assignment_id == assignment)
        .where(Grading.outcome.in_(COUNTED) | Job.id.is_not(None))
    )


def rules_of(session: Session, seat: str, assignment: str) -> Rules:
    """What holds now.

    Raises:
        UsageProblem: ``records.not_found``.
    """
    found_seat, found = session.get(Seat, seat), session.get(Assignment, assignment)
    if found_seat is None or found is None:
        raise UsageProblem("records.not_found", what=seat if found_seat is None else assignment)
    return Rules(session, found_seat, found)
