"""Sessions of the portal: opened with a fresh identifier, looked up at every request, and ended by many things.

Only an identifier that was issued here is ever a session: what a browser sends is looked up by its hash, and nothing is
made of what is not found.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.records import Account, Change, PortalSession, Records, Way, new_id
from grader.services.accounts.ending import end_sessions
from grader.services.accounts.identifiers import digest, fresh
from grader.services.accounts.people import Held, roles_of
from grader.services.rounds import need

LONGEST: Final = timedelta(hours=12)
"""A session ends then, however busy it is."""
IDLE: Final = timedelta(minutes=60)
SEEN: Final = timedelta(minutes=1)
"""How old "last seen" may get before it is written again: not every request should write."""
KEPT: Final = timedelta(days=30)
"""How long people may still look at sessions that ended."""
AGENT: Final = 255


@dataclass(frozen=True, kw_only=True, slots=True)
class Signed:
    """Somebody who is signed in, as the records are now. ``roles`` are (role, id of the round or None for all).

    ``way`` is by what they signed in, ``confirmed_at`` when they last proved who they are, as far as that is known.
    """

    session_id: str
    account_id: str
    login: str
    name: str
    language: str
    person_id: str | None
    roles: tuple[Held, ...]
    way: str = ""
    confirmed_at: datetime | None = None


def open(  # noqa: A001 - what one does with a session
    records: Records, *, account: str, agent: str = "", proved_at: datetime | None = None
) -> str:
    """Sign somebody in whom a sign-in service vouched for; returns the identifier, which is kept nowhere.

    ``proved_at`` is when they proved to the service who they are, if it says so: it may have known them for hours.

    Raises:
        UsageProblem: ``account.wrong``: the account is disabled, ``records.not_found``.
    """
    with records.change(by=account) as change:
        found = need(change.session.get(Account, account, with_for_update=True), account)
        if found.disabled_at is not None:
            raise UsageProblem("account.wrong")
        proved = None if proved_at is None else min(proved_at, change.at)
        return begin(change, found, agent=agent, way="identity", confirmed_at=proved)


def begin(
    change: Change, account: Account, *, agent: str, way: Way, confirmed_at: datetime | None, second: str = ""
) -> str:
    """Open a session within the change that made sure of who it is; ``second`` is what was the second factor."""
    secret = fresh()
    opened = PortalSession(
        hash=digest(secret),
        id=new_id("ses"),
        account_id=account.id,
        created_at=change.at,
        seen_at=change.at,
        expires_at=change.at + LONGEST,
        agent=agent[:AGENT],
        way=way,
        confirmed_at=confirmed_at,
    )
    change.session.add(opened)
    change.audit("account.signed_in", account.id, after={"session": opened.id, "way": way, "second": second})
    return secret


def session_of(records: Records, secret: str) -> Signed | None:
    """Who is signed in by this identifier; None: nobody, or nobody any more."""
    key = digest(secret)
    with records.reading() as session:
        now = records.database.now(session)
        found = session.execute(
            select(PortalSession, Account)
            .join(Account, Account.id == PortalSession.account_id)
            .where(PortalSession.hash == key, _good(now), Account.disabled_at.is_(None))
        ).one_or_none()
        if found is None:
            return None
        held, account = found
        signed = Signed(
            session_id=held.id,
            account_id=account.id,
            login=account.login,
            name=account.shown_name,
            language=account.language,
            person_id=account.person_id,
            roles=roles_of(session, account.id),
            way=held.way,
            confirmed_at=held.confirmed_at,
        )
    if now - held.seen_at >= SEEN:
        with records.upkeep() as session:
            mine = (PortalSession.hash == key, PortalSession.seen_at < now)
            session.execute(update(PortalSession).where(*mine).values(seen_at=now))
    return signed


def end(records: Records, secret: str) -> None:
    """Sign out; an identifier that is of no use already stays so."""
    with records.reading() as session:
        mine = (PortalSession.hash == digest(secret), PortalSession.ended_at.is_(None))
        held = session.scalars(select(PortalSession).where(*mine)).one_or_none()
    if held is not None:
        with records.change(by=held.account_id) as change:
            _end(change, held.id)
            change.audit("account.signed_out", held.account_id, after={"session": held.id})


def end_one(records: Records, *, account: str, session_id: str, by: str) -> None:
    """End one session of an account, by the id that the list shows.

    Raises:
        UsageProblem: ``records.not_found``: it is none of this account's.
    """
    with records.change(by=by) as change:
        mine = (PortalSession.id == session_id, PortalSession.account_id == account)
        need(change.session.scalars(select(PortalSession).where(*mine)).one_or_none(), session_id)
        _end(change, session_id)
        change.audit("account.session_ended", account, after={"session": session_id})


def end_all(records: Records, *, account: str, by: str, but: str = "") -> int:
    """End every session of an account except ``but`` (an id, as the list shows it); returns how many ended.

    Raises:
        UsageProblem: ``records.not_found``.
    """
    with records.change(by=by) as change:
        need(change.session.get(Account, account), account)
        ended = end_sessions(change.session, account, at=change.at, but=but)
        change.audit("account.sessions_ended", account, after={"sessions": ended})
    return len(ended)


def sessions_of(records: Records, account: str) -> Sequence[PortalSession]:
    """Where an account is signed in now, the latest first."""
    with records.reading() as session:
        mine = (PortalSession.account_id == account, _good(records.database.now(session)))
        return session.scalars(select(PortalSession).where(*mine).order_by(PortalSession.seen_at.desc())).all()


def tidy(session: Session, now: datetime) -> None:
    """Remove sessions that ended long ago."""
    ended = or_(PortalSession.ended_at < now - KEPT, PortalSession.expires_at < now - KEPT)
    session.execute(delete(PortalSession).where(ended))


def _good(now: datetime) -> ColumnElement[bool]:
    return and_(PortalSession.ended_at.is_(None), PortalSession.expires_at > now, PortalSession.seen_at > now - IDLE)


def _end(change: Change, session_id: str) -> None:
    mine = (PortalSession.id == session_id, PortalSession.ended_at.is_(None))
    change.session.execute(update(PortalSession).where(*mine).values(ended_at=change.at))
