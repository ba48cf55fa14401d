"""One submission as its owner follows it: where it stands in the queue, what its grading is doing, what was found."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from grader.queue import place
from grader.records import Appeal, Assignment, Grading, Job, Override, ProgressEvent, Seat, Submission
from grader.services.desk import Handed, handed_in
from grader.services.rounds import need

PHASES: Final = ("intake", "build", "sandbox", "start", "contract", "scenarios", "universal", "privacy")
"""What a grading goes through, in order; a phase that an exercise does not have is passed over."""
HIDDEN: Final = frozenset({"teardown", "stop", "restart"})
"""What it does besides, and nobody waits for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One row of progress; ``number`` grows within a job, ``attempt`` when another worker began again."""

    number: int
    attempt: int
    at: datetime
    phase: str
    what: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Followed:
    """Where a submission is. ``place`` is how many are claimed before it while it waits, None when it does not.

    ``finished``: nothing more will happen by itself; there is a result, or somebody has to look.
    """

    submission: str
    job: str
    state: str
    code: str
    place: int | None
    tries: int
    events: tuple[Event, ...]
    finished: bool
    outcome: str
    points: int | None
    max: int | None


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A submission with all that is known of it. ``verdict`` is the recorded JSON of the final grading, or None."""

    submission: Submission
    assignment: Assignment
    seat: Seat
    handed: Handed
    verdict: dict[str, Any] | None
    grading: Grading | None
    overrides: tuple[Override, ...]
    appeals: tuple[Appeal, ...]
    attempts: tuple[Handed, ...]
    """All submissions of the same seat to the same exercise, by number."""


def follow(session: Session, submission: str, *, after: int = 0) -> Followed:
    """Where a submission is, with the events after a number.

    Raises:
        UsageProblem: ``records.not_found``.
    """
    job = session.scalars(
        select(Job)
        .where(Job.submission_id == submission, Job.regrade_id.is_(None))
        .order_by(Job.queued_at.desc())
        .limit(1)
    ).one_or_none()
    job = need(job, submission)
    columns = Grading.outcome, Grading.points, Grading.max
    final = session.execute(
        select(*columns).where(Grading.submission_id == submission, Grading.standing == "final")
    ).one_or_none()
    rows = session.scalars(
        select(ProgressEvent)
        .where(ProgressEvent.job_id == job.id, ProgressEvent.number > after)
        .order_by(ProgressEvent.number)
    )
    return Followed(
        submission=submission,
        job=job.id,
        state=job.state,
        code=job.code,
        place=place(session, job) if job.state == "queued" else None,
        tries=job.tries,
        events=tuple(
            Event(number=row.number, attempt=row.attempt, at=row.at, phase=row.phase, what=row.what) for row in rows
        ),
        finished=job.state not in {"queued", "running"},
        outcome=final.outcome if final else "",
        points=final.points if final else None,
        max=final.max if final else None,
    )


def signs(session: Session, submissions: Collection[str]) -> dict[str, str]:
    """Of each submission a text that changes whenever :func:`follow` tells something else; three statements for all.

    Who waits learns of a better place in the queue by it, too. Submissions that nobody knows are left out.
    """
    wanted = Job.submission_id.in_(submissions), Job.regrade_id.is_(None)
    last = (
        select(ProgressEvent.job_id, func.max(ProgressEvent.number).label("number"))
        .join(Job, Job.id == ProgressEvent.job_id)
        .where(*wanted)
        .group_by(ProgressEvent.job_id)
        .subquery()
    )
    columns = Job.id, Job.submission_id, Job.state, Job.attempt, Job.tries, last.c.number
    rows = session.execute(
        select(*columns).outerjoin(last, last.c.job_id == Job.id).where(*wanted).order_by(Job.queued_at)
    ).all()
    order: dict[str, int] = {}
    if any(row.state == "queued" for row in rows):
        ahead = select(Job.id).where(Job.state == "queued").order_by(Job.priority, Job.turn, Job.queued_at)
        order = {job: place for place, job in enumerate(session.scalars(ahead))}
    return {
        row.submission_id: f"{row.state}-{row.attempt}-{row.tries}-{row.number or 0}-{order.get(row.id, '')}"
        for row in rows
    }


def open_submission(session: Session, submission: str) -> Opened:
    """Everything about one submission.

    Raises:
        UsageProblem: ``records.not_found``.
    """
    found = need(session.get(Submission, submission), submission)
    siblings = session.scalars(
        select(Submission)
        .where(Submission.seat_id == found.seat_id, Submission.assignment_id == found.assignment_id)
        .order_by(Submission.number)
    ).all()
    attempts = handed_in(session, siblings)
    grading = session.scalars(
        select(Grading).where(Grading.submission_id == found.id, Grading.standing == "final")
    ).one_or_none()
    overrides = select(Override).where(Override.submission_id == found.id).order_by(Override.number)
    appeals = select(Appeal).where(Appeal.submission_id == found.id).order_by(Appeal.at)
    return Opened(
        submission=found,
        assignment=found.assignment,
        seat=found.seat,
        handed=next(one for one in attempts if one.id == found.id),
        verdict=grading.verdict if grading else None,
        grading=grading,
        overrides=tuple(session.scalars(overrides)),
        appeals=tuple(session.scalars(appeals)),
        attempts=attempts,
    )


def verdicts_of(session: Session, submissions: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """The recorded verdicts of these submissions, by submission; those without a result are left out."""
    final = Grading.submission_id.in_(submissions), Grading.standing == "final"
    rows = session.execute(select(Grading.submission_id, Grading.verdict).where(*final))
    return {row.submission_id: row.verdict for row in rows}
