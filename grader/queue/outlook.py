"""What the queue looks like from outside: how much waits, for how long, who works, and when it is somebody's turn."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from grader.queue.leases import LEASE
from grader.records import Job, WorkerRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """``oldest`` is how long the job that waits longest has waited; ``workers`` are slots that gave a sign of life.

    One that grades gives it by the lease of its job.
    """

    waiting: int
    running: int
    needs_operator: int
    oldest: timedelta | None
    workers: int
    held_back: tuple[str, ...] = ()
    """Why workers take nothing, once for each reason."""


def outlook(session: Session, now: datetime) -> Outlook:
    """The queue as it is."""
    states = session.execute(select(Job.state, func.count()).group_by(Job.state))
    counts = dict(states.all())
    oldest = session.scalar(select(func.min(Job.queued_at)).where(Job.state == "queued"))
    alive = session.scalars(
        select(WorkerRecord).where(WorkerRecord.stopped_at.is_(None), WorkerRecord.seen_at > now - LEASE)
    ).all()
    busy = session.scalars(select(Job.worker).where(Job.state == "running", Job.lease_until > now))
    return Outlook(
        waiting=counts.get("queued", 0),
        running=counts.get("running", 0),
        needs_operator=counts.get("needs_operator", 0),
        oldest=None if oldest is None else max(now - oldest, timedelta(0)),
        workers=len({one.id for one in alive} | set(busy)),
        held_back=tuple(sorted({one.waits_for for one in alive if one.waits_for})),
    )


def place(session: Session, job: Job) -> int:
    """How many jobs are claimed before this one that waits: 0 is next."""
    before = or_(
        Job.priority < job.priority,
        and_(Job.priority == job.priority, Job.turn < job.turn),
        and_(Job.priority == job.priority, Job.turn == job.turn, Job.queued_at < job.queued_at),
    )
    return session.scalar(select(func.count()).select_from(Job).where(Job.state == "queued", before)) or 0
