"""What an operator oversees: the queue job by job, who grades, and what is counted about all of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from grader.queue.leases import LEASE
from grader.records import Account, Assignment, Grading, Job, Person, Seat, Submission, TrainingRound, WorkerRecord

PAGE: Final = 50
REMEMBERED: Final = timedelta(days=7)
"""How long a slot that stopped is still listed."""
NEWEST_FIRST: Final = frozenset({"done", "cancelled"})
"""States in which a job stays: the latest matter. Of the others those that have waited longest do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobLine:
    """One job. ``person`` is a code, ``number`` counts their submissions; ``regrade``: a submission is graded again."""

    id: str
    submission: str
    person: str
    exercise: str
    round_code: str
    number: int
    regrade: bool
    state: str
    tries: int
    attempt: int
    code: str
    queued_at: datetime
    not_before: datetime
    finished_at: datetime | None
    worker: str


@dataclass(frozen=True, kw_only=True, slots=True)
class JobPage:
    """Some jobs of one state; ``after`` leads on, "" where there are no more."""

    lines: tuple[JobLine, ...]
    after: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerLine:
    """One slot of a worker. ``alive``: it gave a sign of life lately; ``waits_for`` is why it takes nothing."""

    id: str
    host: str
    started_at: datetime
    seen_at: datetime
    alive: bool
    stopped_at: datetime | None
    waits_for: str
    grader_version: str
    job: str


def jobs(session: Session, state: str, *, after: str = "", limit: int = PAGE) -> JobPage:
    """Jobs of one state; ``after`` is the cursor of an earlier page, and one that names nothing begins anew."""
    statement = (
        select(Job, Submission.number, Person.code, Assignment.exercise, TrainingRound.code)
        .join(Submission, Submission.id == Job.submission_id)
        .join(Seat, Seat.id == Submission.seat_id)
        .join(Person, Person.id == Seat.person_id)
        .join(Assignment, Assignment.id == Submission.assignment_id)
        .join(TrainingRound, TrainingRound.id == Assignment.round_id)
        .where(Job.state == state)
    )
    newest, mark = state in NEWEST_FIRST, session.get(Job, after) if after else None
    if mark is not None:
        same = Job.queued_at == mark.queued_at
        older = or_(Job.queued_at < mark.queued_at, and_(same, Job.id < mark.id))
        younger = or_(Job.queued_at > mark.queued_at, and_(same, Job.id > mark.id))
        statement = statement.where(older if newest else younger)
    order = (Job.queued_at.desc(), Job.id.desc()) if newest else (Job.queued_at, Job.id)
    rows = session.execute(statement.order_by(*order).limit(limit + 1)).all()
    lines = tuple(
        JobLine(
            id=job.id,
            submission=job.submission_id,
            person=person,
            exercise=exercise,
            round_code=training,
            number=number,
            regrade=job.regrade_id is not None,
            state=job.state,
            tries=job.tries,
            attempt=job.attempt,
            code=job.code,
            queued_at=job.queued_at,
            not_before=job.not_before,
            finished_at=job.finished_at,
            worker=job.worker,
        )
        for job, number, person, exercise, training in rows[:limit]
    )
    return JobPage(lines=lines, after=lines[-1].id if len(rows) > limit else "")


def counts(session: Session) -> Mapping[str, int]:
    """How many jobs there are of each state."""
    return dict(session.execute(select(Job.state, func.count()).group_by(Job.state)).all())


def workers(session: Session, now: datetime) -> tuple[WorkerLine, ...]:
    """Every slot that lives or stopped lately, the living first."""
    held = dict(session.execute(select(Job.worker, Job.id).where(Job.state == "running", Job.lease_until > now)).all())
    rows = session.scalars(select(WorkerRecord).where(WorkerRecord.seen_at > now - REMEMBERED)).all()
    lines = [
        WorkerLine(
            id=one.id,
            host=one.host,
            started_at=one.started_at,
            seen_at=one.seen_at,
            alive=one.stopped_at is None and (one.seen_at > now - LEASE or one.id in held),
            stopped_at=one.stopped_at,
            waits_for=one.waits_for,
            grader_version=one.grader_version,
            job=held.get(one.id, ""),
        )
        for one in rows
    ]
    return tuple(sorted(lines, key=lambda one: (not one.alive, one.id)))


def gradings_by_outcome(session: Session) -> Mapping[str, int]:
    """How many verdicts of each outcome were ever recorded, regrades included."""
    return dict(session.execute(select(Grading.outcome, func.count()).group_by(Grading.outcome)).all())


def accounts_counted(session: Session) -> tuple[int, int]:
    """How many accounts there are, and how many of them are disabled."""
    whole, disabled = session.execute(select(func.count(Account.id), func.count(Account.disabled_at))).one()
    return whole, disabled
