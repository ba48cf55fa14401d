"""Work at a git address is asked for here, and fetched by a worker: this process opens no connection.

The moment of asking is the moment that counts for a deadline. What is fetched then goes through the same door as a
file, with the same rules; which commit it was is in the receipt.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.records import Change, Fetch, Records, Seat, Submission, new_id
from grader.records.fetches import UNDER_WAY
from grader.services.addresses import GitHosts, git_address, git_ref
from grader.services.admitting import NotAccepted, need_room
from grader.services.rounds import need

SHOWN: Final = timedelta(hours=24)
"""How long a desk tells of a fetch of which nothing came."""


def ask(
    records: Records,
    *,
    seat: str,
    assignment: str,
    git_url: str,
    ref: str,
    hosts: GitHosts,
    by: str,
    idempotency_key: str = "",
    request: str = "",
    queue_limit: int | None = None,
) -> Fetch:
    """Ask for the work at an address. The same key of the same seat is the same asking, until the key is forgotten.

    Raises:
        NotFetched: ``git.off``, ``git.no_address``, ``git.credentials``, ``git.host``, ``git.no_ref``.
        NotAccepted: as in :func:`grader.services.receiving.submit`, and ``submission.key_reused``.
    """
    address, wanted, key = git_address(git_url, hosts), git_ref(ref), idempotency_key or secrets.token_hex(16)
    asked = (assignment, address.url, wanted)
    try:
        with records.change(by=by, request=request) as change:
            return _ask(change, seat, key, asked, address.host, queue_limit)
    except _AskedBefore as before:
        return before.fetch
    except IntegrityError:
        with records.reading() as session:
            if known := _known(session, seat, key, asked):
                return known
        raise


def asked_before(
    records: Records,
    *,
    seat: str,
    assignment: str,
    git_url: str,
    ref: str,
    hosts: GitHosts,
    idempotency_key: str,
    queue_limit: int | None = None,
) -> Fetch | None:
    """What :func:`ask` gives for a key that was used; None: it would take a new one now.

    Raises:
        NotFetched, NotAccepted: as in :func:`ask`.
    """
    address, wanted = git_address(git_url, hosts), git_ref(ref)
    with records.reading() as session:
        known = _known(session, seat, idempotency_key, (assignment, address.url, wanted))
        if known is None:
            need_room(session, seat, assignment, records.database.now(session), queue_limit=queue_limit)
    return known


def _ask(  # noqa: PLR0917 - private
    change: Change, seat: str, key: str, asked: tuple[str, str, str], host: str, queue_limit: int | None
) -> Fetch:
    session, (assignment, url, ref) = change.session, asked
    session.scalars(select(Seat).where(Seat.id == seat).with_for_update()).one()  # one at a time for each seat
    if known := _known(session, seat, key, asked):
        raise _AskedBefore(known)
    need_room(session, seat, assignment, change.at, queue_limit=queue_limit)
    made = Fetch(
        id=new_id("fet"),
        seat_id=seat,
        assignment_id=assignment,
        git_url=url,
        git_ref=ref,
        idempotency_key=key,
        by=change.by,
        asked_at=change.at,
        not_before=change.at,
    )
    session.add(made)
    session.flush()
    change.audit("fetch.asked", made.id, after={"assignment": assignment, "seat": seat, "host": host})
    return made


class _AskedBefore(Exception):
    """The same key asked for the same: that fetch is the answer."""

    def __init__(self, fetch: Fetch) -> None:
        super().__init__(fetch.id)
        self.fetch = fetch


def _known(session: Session, seat: str, key: str, asked: tuple[str, str, str]) -> Fetch | None:
    mine = select(Fetch).where(Fetch.seat_id == seat, Fetch.idempotency_key == key)
    found = session.scalars(mine).one_or_none()
    if found is not None and (found.assignment_id, found.git_url, found.git_ref) != asked:
        raise NotAccepted("submission.key_reused", submission=found.id)
    file = select(Submission.id).where(Submission.seat_id == seat, Submission.idempotency_key == key)
    if found is None and (other := session.scalar(file)):
        raise NotAccepted("submission.key_reused", submission=other)
    return found


def fetch_of(session: Session, fetch: str) -> Fetch:
    """One fetch.

    Raises:
        UsageProblem: ``records.not_found``.
    """
    return need(session.get(Fetch, fetch), fetch)


def source_of(session: Session, submission: str) -> Fetch | None:
    """The fetch that a submission came from; None: it came as a file."""
    return session.scalars(select(Fetch).where(Fetch.submission_id == submission)).one_or_none()


def fetches_of(session: Session, person: str, at: datetime) -> Sequence[Fetch]:
    """What a person asked for and has not got: what is under way, and what ended without work a short time ago."""
    ended = Fetch.state.in_(("refused", "failed")) & (Fetch.finished_at > at - SHOWN)
    mine = (
        select(Fetch)
        .join(Seat, Seat.id == Fetch.seat_id)
        .where(Seat.person_id == person, or_(Fetch.state.in_(UNDER_WAY), ended))
        .order_by(Fetch.asked_at.desc())
    )
    newest: dict[str, Fetch] = {}
    for one in session.scalars(mine):
        if one.state in UNDER_WAY:
            newest[one.id] = one
        else:
            newest.setdefault(one.assignment_id, one)
    return tuple(newest.values())


def cancel_fetch(records: Records, *, fetch: str, by: str, request: str = "") -> Fetch:
    """Want it no more, while it waits or runs; a worker that holds it can make no submission of it.

    Raises:
        UsageProblem: ``git.nothing_to_cancel``, ``records.not_found``.
    """
    with records.change(by=by, request=request) as change:
        found = need(change.session.get(Fetch, fetch, with_for_update=True), fetch)
        if found.state not in UNDER_WAY:
            raise UsageProblem("git.nothing_to_cancel")
        before = found.state
        found.state, found.code, found.finished_at, found.lease_until = "cancelled", "git.cancelled", change.at, None
        change.audit("fetch.cancelled", fetch, before=before, after="cancelled")
    return found
