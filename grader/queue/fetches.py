"""Fetches from asking to the end: claimed by a lease, as jobs are, and ended once, whoever is killed on the way."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session

from grader.queue.leases import BACKOFF, LEASE, MOST_TRIES
from grader.records import Change, Fetch, Records
from grader.records.fetches import UNDER_WAY

LOST: Final = "git.worker_lost"
"""A fetch whose worker fell silent, too often."""


class FetchSuperseded(Exception):
    """This fetch was given to another worker, or cancelled: nothing may come of it by this claim."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchClaim:
    """A fetch that this worker holds until the lease ends; ``attempt`` is the token to end it with."""

    fetch: str
    attempt: int
    worker: str
    seat: str
    assignment: str
    git_url: str
    git_ref: str
    by: str
    asked_at: datetime


def claim_fetch(records: Records, worker: str) -> FetchClaim | None:
    """Take the fetch that waited longest; None when there is none. One whose worker fell silent is taken over.

    A fetch that used up its tries with silent workers ends here, so that it cannot take down one worker after another.
    """
    with records.reading() as session:
        if session.scalars(_due(records.database.now(session))).first() is None:
            return None
    with records.upkeep() as session:
        now = records.database.now(session)
        found = session.scalars(_due(now).with_for_update(skip_locked=True)).first()
        if found is None:
            return None
        if found.state == "running":
            found.tries += 1
        found.state, found.worker, found.attempt, found.lease_until = "running", worker, found.attempt + 1, now + LEASE
        held = FetchClaim(
            fetch=found.id,
            attempt=found.attempt,
            worker=worker,
            seat=found.seat_id,
            assignment=found.assignment_id,
            git_url=found.git_url,
            git_ref=found.git_ref,
            by=found.by,
            asked_at=found.asked_at,
        )
        spent = found.tries >= MOST_TRIES
    if spent:
        end_fetch(records, held, state="failed", code=LOST)
        return None
    return held


def beat_fetch(records: Records, held: FetchClaim) -> bool:
    """Renew the lease; False when the fetch is no longer this claim's, and its work should end."""
    with records.upkeep() as session:
        return _fenced(session, held, lease_until=records.database.now(session) + LEASE)


def release_fetch(records: Records, held: FetchClaim) -> bool:
    """Give a fetch back untouched, because this worker stops; it uses up no try. False as in :func:`beat_fetch`."""
    with records.upkeep() as session:
        now = records.database.now(session)
        return _fenced(session, held, state="waiting", worker="", lease_until=None, not_before=now)


def fault_fetch(records: Records, held: FetchClaim, code: str) -> bool:
    """The network or we ourselves failed: try again later, or give up and say so. False as in :func:`beat_fetch`."""
    with records.upkeep() as session:
        now = records.database.now(session)
        tries = session.scalar(select(Fetch.tries).where(Fetch.id == held.fetch)) or 0
        if tries + 1 < MOST_TRIES:
            due = now + BACKOFF[min(tries, len(BACKOFF) - 1)]
            return _fenced(
                session, held, state="waiting", worker="", lease_until=None, not_before=due, tries=tries + 1, code=code
            )
    return end_fetch(records, held, state="failed", code=code)


def end_fetch(
    records: Records, held: FetchClaim, *, state: str, code: str, params: Mapping[str, Any] | None = None
) -> bool:
    """Nothing comes of it: ``refused`` or ``failed``, and why. False as in :func:`beat_fetch`."""
    try:
        with records.change(by=f"worker:{held.worker}") as change:
            ended = {"state": state, "code": code, "params": dict(params or {}), "finished_at": change.at}
            _need(_fenced(change.session, held, lease_until=None, **ended))
            change.audit("fetch.ended", held.fetch, after={"state": state, "code": code})
    except FetchSuperseded:
        return False
    return True


def settle_fetch(change: Change, held: FetchClaim, submission: str, *, commit: str, fetched_at: datetime) -> None:
    """It became a submission; joins the transaction in which the work is accepted.

    Raises:
        FetchSuperseded: the fetch is no longer this claim's, so there must be no submission either.
    """
    done = {"state": "done", "code": "", "params": {}, "finished_at": change.at, "lease_until": None}
    facts = {"submission_id": submission, "commit_hash": commit, "fetched_at": fetched_at}
    _need(_fenced(change.session, held, **done, **facts))


def fetches_under_way(session: Session) -> int:
    """How many are not ended yet."""
    return session.scalar(select(func.count()).select_from(Fetch).where(Fetch.state.in_(UNDER_WAY))) or 0


def _need(held: bool) -> None:  # noqa: FBT001 - a condition
    if not held:
        raise FetchSuperseded


def _due(now: datetime) -> Any:
    """Those that wait, and those whose lease is over; a wait longer than any was given before the clock went back."""
    waits = and_(Fetch.state == "waiting", or_(Fetch.not_before <= now, Fetch.not_before > now + 2 * BACKOFF[-1]))
    silent = and_(Fetch.state == "running", or_(Fetch.lease_until < now, Fetch.lease_until > now + 2 * LEASE))
    return select(Fetch).where(or_(waits, silent)).order_by(Fetch.asked_at, Fetch.id).limit(1)


def _fenced(session: Session, held: FetchClaim, **values: Any) -> bool:
    """Change the fetch if it still is this claim's."""
    mine = (Fetch.id == held.fetch, Fetch.attempt == held.attempt, Fetch.state == "running")
    return session.scalar(update(Fetch).where(*mine).values(**values).returning(Fetch.id)) is not None
