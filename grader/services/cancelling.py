"""A trainee takes own work back while it waits or is graded.

The submission and its receipt stay; nobody grades it any more. It uses up no attempt unless its testing had begun.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from grader import queue
from grader.errors import UsageProblem
from grader.records import Job, ProgressEvent, Records, Submission
from grader.records.work import CANCELLED, CANCELLED_IN_TEST, LIVE
from grader.services import standings
from grader.services.rounds import need

TESTING: Final = ("contract", "scenarios", "universal", "privacy")
"""Phases in which requests are sent to the app; until the first of them a grading says nothing about the work."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cancelling:
    """What cancelling would do now. ``counts``: it would use up an attempt."""

    possible: bool
    counts: bool


def cancelling(session: Session, submission: str) -> Cancelling:
    """Whether a submission can be cancelled, and at what price.

    Raises:
        UsageProblem: ``records.not_found``.
    """
    job = need(session.scalars(_job_of(submission)).first(), submission)
    return Cancelling(possible=job.state in LIVE, counts=job.state in LIVE and _tested(session, job))


def cancel_submission(
    records: Records, *, submission: str, by: str, counts: bool | None = None, request: str = ""
) -> Cancelling:
    """Cancel. ``counts`` is the price that its owner was told; a higher one is not taken without asking again.

    The job is locked: a result that is recorded at the same moment was first, and stands, or comes too late.

    Raises:
        UsageProblem: ``submission.nothing_to_cancel``, ``submission.cancel_counts``, ``records.not_found``.
    """
    with records.change(by=by, request=request) as change:
        session = change.session
        job = need(session.scalars(_job_of(submission).with_for_update()).first(), submission)
        if job.state not in LIVE:
            raise UsageProblem("submission.nothing_to_cancel")
        before, tested = job.state, _tested(session, job)
        if tested and counts is False:
            raise UsageProblem("submission.cancel_counts")
        queue.cancel(session, job, change.at, CANCELLED_IN_TEST if tested else CANCELLED)
        change.audit(
            "submission.cancelled",
            submission,
            before=before,
            after={"state": job.state, "counts": tested, "job": job.id},
        )
        standings.refresh(session, session.get_one(Submission, submission).seat_id)
    return Cancelling(possible=True, counts=tested)


def _job_of(submission: str) -> Select[Job]:
    """The grading that is owed for the submission itself, and not for a regrade."""
    return (
        select(Job)
        .where(Job.submission_id == submission, Job.regrade_id.is_(None))
        .order_by(Job.queued_at.desc())
        .limit(1)
    )


def _tested(session: Session, job: Job) -> bool:
    """Whether the grading that runs has sent requests; one that a fault of ours ended before does not count."""
    if job.state != "running":
        return False
    mine = (ProgressEvent.job_id == job.id, ProgressEvent.attempt == job.attempt, ProgressEvent.phase.in_(TESTING))
    return session.scalar(select(ProgressEvent.number).where(*mine).limit(1)) is not None
