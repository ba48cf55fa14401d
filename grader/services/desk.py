"""What a trainee has on the desk: the exercises of their rounds, what was handed in, and what came of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.records import Assignment, Grading, Job, Override, Seat, Submission, TrainingRound
from grader.services.admitting import Allowance, allowance

State: TypeAlias = Literal["not_open", "to_do", "waiting", "running", "needs_operator", "pass", "fail"]
"""Of an exercise, for one person: what matters most now. A pass stays a pass while another attempt is graded."""

UNFINISHED: Final = ("running", "queued", "needs_operator")


@dataclass(frozen=True, kw_only=True, slots=True)
class Handed:
    """One submission. ``state`` is that of its job; ``outcome`` is "" without a result, ``result`` is what stands."""

    id: str
    number: int
    filename: str
    size: int
    received_at: datetime
    late: bool
    state: str
    outcome: str
    code: str
    points: int | None
    max: int | None
    result: str
    decided: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """One exercise in one round, for one seat; ``title`` by language, ``best`` the attempt with the most points."""

    assignment: str
    seat: str
    exercise: str
    digest: str
    title: Mapping[str, Any]
    round_code: str
    round_name: str
    mandatory: bool
    opens_at: datetime | None
    pass_points: int
    allowance: Allowance
    handed: tuple[Handed, ...]
    state: State

    @property
    def latest(self) -> Handed | None:
        """The newest submission."""
        return self.handed[-1] if self.handed else None

    @property
    def best(self) -> Handed | None:
        """The graded submission that counts: one that passes before one that does not, then the most points."""
        graded = [one for one in self.handed if one.outcome]
        return max(graded, key=lambda one: (one.result == "pass", one.points or 0, one.number), default=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundDesk:
    """The exercises of one round, in the order of their ids."""

    code: str
    name: str
    starts_on: Any
    given: tuple[Given, ...]

    @property
    def passed(self) -> int:
        """How many of them are passed."""
        return sum(one.state == "pass" for one in self.given)


def desk(session: Session, person: str, at: datetime) -> tuple[RoundDesk, ...]:
    """Everything of one person, the newest round first."""
    seats = session.execute(
        select(Seat, TrainingRound)
        .join(TrainingRound, TrainingRound.id == Seat.round_id)
        .where(Seat.person_id == person)
        .order_by(TrainingRound.starts_on.desc(), TrainingRound.code.desc())
    ).all()
    return tuple(
        RoundDesk(
            code=found.code,
            name=found.name,
            starts_on=found.starts_on,
            given=tuple(_given(session, seat, assignment, at) for assignment in _assignments(session, found.id)),
        )
        for seat, found in seats
    )


def given(
    session: Session, person: str, assignment: str, at: datetime, *, queue_limit: int | None = None
) -> Given | None:
    """One exercise for one person; None when the person has no seat in its round."""
    found = session.get(Assignment, assignment)
    if found is None:
        return None
    seat = session.scalars(select(Seat).where(Seat.round_id == found.round_id, Seat.person_id == person)).one_or_none()
    return None if seat is None else _given(session, seat, found, at, queue_limit)


def handed_in(session: Session, submissions: Iterable[Submission]) -> tuple[Handed, ...]:
    """These submissions with their results, in the order in which they are given."""
    rows = list(submissions)
    ids = [one.id for one in rows]
    jobs = {
        job.submission_id: job
        for job in session.scalars(
            select(Job).where(Job.submission_id.in_(ids), Job.regrade_id.is_(None)).order_by(Job.queued_at)
        )
    }
    final = Grading.submission_id.in_(ids), Grading.standing == "final"
    columns = Grading.submission_id, Grading.outcome, Grading.code, Grading.points, Grading.max
    gradings = {row.submission_id: row for row in session.execute(select(*columns).where(*final))}
    overrides = {
        one.submission_id: one
        for one in session.scalars(select(Override).where(Override.submission_id.in_(ids)).order_by(Override.number))
    }
    return tuple(_handed(one, jobs.get(one.id), gradings.get(one.id), overrides.get(one.id)) for one in rows)


def _handed(one: Submission, job: Job | None, grading: Any, override: Override | None) -> Handed:
    outcome = grading.outcome if grading else ""
    return Handed(
        id=one.id,
        number=one.number,
        filename=one.filename,
        size=one.size,
        received_at=one.received_at,
        late=one.late,
        state=job.state if job else "done",
        outcome=outcome,
        code=grading.code if grading else job.code if job else "",
        points=grading.points if grading else None,
        max=grading.max if grading else None,
        result=override.to_outcome if override else outcome,
        decided=override is not None,
    )


def _assignments(session: Session, round_id: str) -> list[Assignment]:
    return list(
        session.scalars(select(Assignment).where(Assignment.round_id == round_id).order_by(Assignment.exercise))
    )


def _given(session: Session, seat: Seat, assignment: Assignment, at: datetime, queue_limit: int | None = None) -> Given:
    rows = session.scalars(
        select(Submission)
        .where(Submission.seat_id == seat.id, Submission.assignment_id == assignment.id)
        .order_by(Submission.number)
    ).all()
    handed = handed_in(session, rows)
    return Given(
        assignment=assignment.id,
        seat=seat.id,
        exercise=assignment.exercise,
        digest=assignment.digest,
        title=assignment.version.title,
        round_code=assignment.round.code,
        round_name=assignment.round.name,
        mandatory=assignment.mandatory,
        opens_at=assignment.opens_at,
        pass_points=assignment.version.pass_points,
        allowance=allowance(session, seat.id, assignment.id, at, queue_limit=queue_limit),
        handed=handed,
        state=state_of(handed, assignment.opens_at, at),
    )


def state_of(handed: tuple[Handed, ...], opens_at: datetime | None, at: datetime) -> State:
    """What matters most now about an exercise for one person."""
    if any(one.result == "pass" for one in handed):
        return "pass"
    states: dict[str, State] = {"running": "running", "queued": "waiting", "needs_operator": "needs_operator"}
    for state in UNFINISHED:
        if any(one.state == state for one in handed):
            return states[state]
    if any(one.result for one in handed):
        return "fail"
    return "not_open" if opens_at is not None and at < opens_at else "to_do"
