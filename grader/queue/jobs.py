"""Jobs from enqueueing to the end. Every function is one step that a database keeps whole, on either engine.

The job's row is the queue: enqueueing is part of the transaction that accepts a submission, and there is no second
place that could know something else. Nothing here grades, and nothing here knows what a container is.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from grader.faultpoints import reached
from grader.queue.leases import BACKOFF, LEASE, MOST_TRIES, Claim
from grader.records import Grading, Job, ProgressEvent, Records, Run, Submission, Unaudited, new_id
from grader.records.work import LIVE

_RACES: Final = 8
"""How often a claim is tried again when another worker took the same trainee's job at the same moment."""


class Superseded(Exception):
    """This claim was given to another worker, or the job was cancelled: nothing may be recorded with it."""


def enqueue(
    session: Session,
    *,
    submission: str,
    person: str,
    digest: str,
    seed: int,
    priority: int,
    at: datetime,
    regrade: str | None = None,
) -> Job:
    """Owe a grading. It joins the caller's transaction: without the commit there is no job."""
    whose = person if regrade is None else f"{person}:regrade"
    waiting = session.scalar(
        select(func.count()).select_from(Job).where(Job.whose == whose, Job.state.in_(LIVE), Job.priority == priority)
    )
    job = Job(
        id=new_id("job"),
        submission_id=submission,
        regrade_id=regrade,
        digest=digest,
        seed=seed,
        state="queued",
        priority=priority,
        turn=waiting or 0,
        whose=whose,
        queued_at=at,
        not_before=at,
    )
    session.add(job)
    return job


def claim(records: Records, worker: str) -> Claim | None:
    """Take the next job that is due; None when there is none.

    First by priority, then by turn (everybody's first before anybody's second), then by arrival; of one trainee one
    job runs at a time. A wait longer than one given now was given before the clock was set back: it is over.
    """
    for _ in range(_RACES):
        try:
            with records.upkeep() as session:
                reached("lease.pre")
                taken = _take(session, worker, records.database.now(session))
        except IntegrityError:
            continue  # another worker has just taken a job of the same trainee
        if taken is not None:
            reached("lease.post")
        return taken
    return None


def _take(session: Session, worker: str, now: datetime) -> Claim | None:
    other = aliased(Job)
    runs_already = select(1).where(other.whose == Job.whose, other.state == "running").exists()
    due = (
        select(Job)
        .where(Job.state == "queued", or_(Job.not_before <= now, Job.not_before > now + 2 * BACKOFF[-1]), ~runs_already)
        .order_by(Job.priority, Job.turn, Job.queued_at, Job.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    job = session.scalars(due).one_or_none()
    if job is None:
        return None
    job.state, job.attempt, job.worker, job.lease_until = "running", job.attempt + 1, worker, now + LEASE
    session.add(Run(id=new_id("run"), job_id=job.id, attempt=job.attempt, worker=worker, started_at=now))
    session.flush()
    submission = session.get_one(Submission, job.submission_id)
    return Claim(
        job=job.id,
        attempt=job.attempt,
        worker=worker,
        submission=submission.id,
        regrade=job.regrade_id,
        digest=job.digest,
        seed=job.seed,
        sha256=submission.sha256,
        filename=submission.filename,
    )


def beat(records: Records, held: Claim) -> bool:
    """Renew the lease; False when the job is no longer this claim's, and its work should end."""
    with records.upkeep() as session:
        now = records.database.now(session)
        return _fenced(session, held, lease_until=now + LEASE)


def progress(records: Records, held: Claim, phase: str, what: str) -> bool:
    """Say what the grading is doing, for people who wait; False as in :func:`beat`."""
    with records.upkeep() as session:
        now = records.database.now(session)
        if not _fenced(session, held, lease_until=now + LEASE):
            return False
        last = session.scalar(select(func.max(ProgressEvent.number)).where(ProgressEvent.job_id == held.job)) or 0
        clean = what.replace("\0", "")[:500]
        session.add(
            ProgressEvent(job_id=held.job, number=last + 1, attempt=held.attempt, at=now, phase=phase[:32], what=clean)
        )
        return True


def record(
    records: Records,
    held: Claim,
    *,
    outcome: str,
    code: str,
    points: int,
    maximum: int,
    grader_version: str,
    verdict: Mapping[str, Any],
    also: Callable[[Session, Grading], None] = lambda _session, _grading: None,
) -> bool:
    """Record a result, once and for all. False: the claim was superseded, and nothing was recorded.

    ``also`` is done in the same transaction.
    """
    try:
        with records.change(by=f"worker:{held.worker}") as change:
            session = change.session
            _need(_fenced(session, held, state="done", finished_at=change.at, lease_until=None, code=""))
            _end_run(session, held, "recorded", change.at)
            grading = Grading(
                id=new_id("grd"),
                job_id=held.job,
                submission_id=held.submission,
                regrade_id=held.regrade,
                digest=held.digest,
                attempt=held.attempt,
                standing="final" if held.regrade is None else "shadow",
                outcome=outcome,
                code=code,
                points=points,
                max=maximum,
                seed=held.seed,
                grader_version=grader_version,
                verdict=dict(verdict),
                recorded_at=change.at,
            )
            session.add(grading)
            also(session, grading)
            result = {"outcome": outcome, "code": code, "points": points, "attempt": held.attempt, "job": held.job}
            change.audit("grading.recorded", held.submission, after=result)
            reached("record.pre_commit")
    except Superseded:
        with records.upkeep() as session:
            _end_run(session, held, "refused", records.database.now(session))
        return False
    reached("record.post_commit")
    return True


def fault(records: Records, held: Claim, code: str) -> bool:
    """Our own fault ended the grading: try again later, or ask for a person. False as in :func:`record`."""
    try:
        with records.change(by=f"worker:{held.worker}") as change:
            job = _held(change.session, held)
            _need(job is not None)
            assert job is not None
            _end_run(change.session, held, "fault", change.at, code)
            _used_up(job, code, change.at)
            change.audit(f"job.{_event(job)}", job.id, after={"code": code, "tries": job.tries})
    except Superseded:
        return False
    return True


def release(records: Records, held: Claim) -> bool:
    """Give a job back untouched, because this worker stops; it uses up no try."""
    with records.upkeep() as session:
        job = _held(session, held)
        if job is None:
            return False
        now = records.database.now(session)
        _end_run(session, held, "released", now)
        _queue(job, now)
        reached("release.pre_commit")
    reached("release.post_commit")
    return True


def sweep(records: Records) -> int:
    """Give the jobs of silent workers back; returns how many. Any worker may do it, at any time.

    A lease that ends later than one given now can end was given before the clock was set back: it is over, too.
    """
    with records.reading() as session:
        if session.scalars(_expired(records.database.now(session)).limit(1)).first() is None:
            return 0
    swept = 0
    with suppress(Unaudited), records.change(by="sweep") as change:
        for job in change.session.scalars(_expired(change.at).with_for_update(skip_locked=True)):
            held = (Run.job_id == job.id, Run.attempt == job.attempt)
            change.session.execute(update(Run).where(*held).values(ended="expired", ended_at=change.at))
            _used_up(job, "infrastructure.worker_lost", change.at, waited=True)
            change.audit(f"job.{_event(job)}", job.id, after={"code": job.code, "tries": job.tries})
            swept += 1
        reached("sweep.pre_commit")
    reached("sweep.post_commit")
    return swept


def _expired(now: datetime) -> Select[Job]:
    over = or_(Job.lease_until < now, Job.lease_until > now + 2 * LEASE)
    return select(Job).where(Job.state == "running", over)


def retry(job: Job, at: datetime) -> None:
    """An operator lets a job that ran out of tries try again."""
    job.tries = 0
    _queue(job, at)


def cancel(session: Session, job: Job, at: datetime, code: str) -> None:
    """Nobody waits for this job any more; a worker that holds it cannot record, and its claim ends here."""
    job.state, job.code, job.finished_at, job.lease_until = "cancelled", code, at, None
    mine = (Run.job_id == job.id, Run.attempt == job.attempt, Run.ended == "")
    session.execute(update(Run).where(*mine).values(ended="refused", ended_at=at, code=code))


# -- inside -----------------------------------------------------------------------------------------------------------


def _need(held: bool) -> None:  # noqa: FBT001 - a condition
    if not held:
        raise Superseded


def _fenced(session: Session, held: Claim, **values: Any) -> bool:
    """Change the job if it still is this claim's."""
    done = session.execute(
        update(Job)
        .where(Job.id == held.job, Job.attempt == held.attempt, Job.state == "running")
        .values(**values)
        .returning(Job.id)
    )
    return done.scalar_one_or_none() is not None


def _held(session: Session, held: Claim) -> Job | None:
    return session.scalars(
        select(Job).where(Job.id == held.job, Job.attempt == held.attempt, Job.state == "running").with_for_update()
    ).one_or_none()


def _end_run(session: Session, held: Claim, ended: str, at: datetime, code: str = "") -> None:
    session.execute(
        update(Run)
        .where(Run.job_id == held.job, Run.attempt == held.attempt, Run.ended.in_(("", "expired")))
        .values(ended=ended, ended_at=at, code=code)
    )


def _queue(job: Job, at: datetime, wait: timedelta = timedelta(0)) -> None:
    job.state, job.lease_until, job.worker, job.not_before = "queued", None, "", at + wait


def _used_up(job: Job, code: str, at: datetime, *, waited: bool = False) -> None:
    job.tries += 1
    job.code = code
    if job.tries >= MOST_TRIES:
        job.state, job.lease_until, job.worker = "needs_operator", None, ""
    else:
        _queue(job, at, timedelta(0) if waited else BACKOFF[min(job.tries, len(BACKOFF)) - 1])


def _event(job: Job) -> str:
    return "needs_operator" if job.state == "needs_operator" else "fault"
