"""One-time links: how somebody gets a password who has none, or forgot it. The secret of a link is shown once."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.records import Account, AccountRole, Change, OneTimeLink, Person, Records, Seat, Unaudited
from grader.records.accounts import Purpose
from grader.services.accounts import passwords, signing_in, throttling
from grader.services.accounts.ending import void_links
from grader.services.accounts.identifiers import digest, fresh
from grader.services.accounts.people import account_of_person, add, find, give
from grader.services.rounds import need, round_of

LASTS: Final[dict[Purpose, timedelta]] = {"first_admin": timedelta(hours=24), "set_password": timedelta(minutes=15)}
INVITATION: Final = timedelta(days=7)
"""How long the links of a roster last: they are handed out on paper before the first day."""
LONGEST: Final = timedelta(days=60)
KEPT: Final = timedelta(days=30)
"""How long it can still be seen that a link was used or ran out."""
FIRST_LOGIN: Final = "admin"


@dataclass(frozen=True, kw_only=True, slots=True)
class Invited:
    """Whom a link that can be used is for."""

    account_id: str
    login: str
    name: str
    language: str
    purpose: str
    expires_at: datetime


def make(
    records: Records, *, account: str, by: str, purpose: Purpose = "set_password", hours: float | None = None
) -> str:
    """A fresh link for an account; earlier ones that nobody used stop working. Returns its secret.

    Raises:
        UsageProblem: ``account.link_lasts``, ``account.disabled``, ``records.not_found``.
    """
    lasts = LASTS[purpose] if hours is None else timedelta(hours=hours)
    with records.change(by=by) as change:
        return add_link(change, account, purpose=purpose, lasts=lasts)


def add_link(change: Change, account: str, *, purpose: Purpose, lasts: timedelta) -> str:
    """A fresh link within a change that may do more; refuses as :func:`make` does."""
    if not timedelta(0) < lasts <= LONGEST:
        raise UsageProblem("account.link_lasts", days=LONGEST.days)
    found = need(change.session.get(Account, account, with_for_update=True), account)
    if found.disabled_at is not None:
        raise UsageProblem("account.disabled", login=found.login)
    void_links(change.session, account)
    secret, expires = fresh(), change.at + lasts
    change.session.add(
        OneTimeLink(hash=digest(secret), account_id=account, purpose=purpose, expires_at=expires, by=change.by)
    )
    change.session.flush()
    change.audit("account.link_made", account, after={"purpose": purpose, "expires_at": expires.isoformat()})
    return secret


def peek(records: Records, secret: str) -> Invited | None:
    """Whom a link is for, without using it; None: nobody, or nobody any more."""
    with records.reading() as session:
        found = _usable(session, secret, records.database.now(session))
        if found is None:
            return None
        link, account = found
        return Invited(
            account_id=account.id,
            login=account.login,
            name=account.shown_name,
            language=account.language,
            purpose=link.purpose,
            expires_at=link.expires_at,
        )


def use(records: Records, *, secret: str, password: str) -> str:
    """Set the password of the account that the link is for, once; all its sessions end. Returns the account's id.

    Raises:
        UsageProblem: ``account.link_over``, and what :func:`passwords.need_good` refuses: the link can still be used.
    """
    invited = peek(records, secret)
    if invited is None:
        raise UsageProblem("account.link_over")
    passwords.need_good(password, login=invited.login, name=invited.name)
    kept = passwords.hashed(password)  # slow on purpose, so nobody waits for it in a transaction
    with records.change(by=invited.account_id) as change:
        session = change.session
        session.get(OneTimeLink, digest(secret), with_for_update=True)
        found = _usable(session, secret, change.at)
        if found is None:
            raise UsageProblem("account.link_over")
        link, account = found
        link.used_at = change.at
        session.flush()
        signing_in.keep(change, account, kept)
        throttling.clear(session, account.login)
    return invited.account_id


def _usable(session: Session, secret: str, now: datetime) -> tuple[OneTimeLink, Account] | None:
    good = (OneTimeLink.used_at.is_(None), OneTimeLink.expires_at > now, Account.disabled_at.is_(None))
    row = session.execute(
        select(OneTimeLink, Account)
        .join(Account, Account.id == OneTimeLink.account_id)
        .where(OneTimeLink.hash == digest(secret), *good)
    ).one_or_none()
    return None if row is None else (row[0], row[1])


def tidy(session: Session, now: datetime) -> None:
    """Remove links that ran out long ago."""
    session.execute(delete(OneTimeLink).where(OneTimeLink.expires_at < now - KEPT))


# -- who gets the first ones ------------------------------------------------------------------------------------------


def first_admin(records: Records, *, by: str) -> str | None:
    """Make the account ``admin`` of a new installation; returns the secret of its link, None when somebody is admin.

    Raises:
        UsageProblem: ``account.exists``: the login is that of somebody on a roster; ``account.disabled``.
    """
    with records.reading() as session:
        if _somebody_is(session):
            return None
    try:
        with suppress(Unaudited), records.change(by=by) as change:
            return _first_admin(change)
    except IntegrityError:  # two asked at the same moment: the other one has the link
        pass
    except UsageProblem as problem:  # the same, seen one step later
        if problem.code != "account.has_role":
            raise
    return None


def _first_admin(change: Change) -> str | None:
    session = change.session
    if _somebody_is(session):
        return None
    found = find(session, FIRST_LOGIN)
    if found is not None and found.person_id is not None:
        raise UsageProblem("account.exists", login=FIRST_LOGIN)
    account = found or add(change, login=FIRST_LOGIN)
    give(change, account.id, "admin")
    return add_link(change, account.id, purpose="first_admin", lasts=LASTS["first_admin"])


def _somebody_is(session: Session) -> bool:
    return bool(session.scalar(select(exists().where(AccountRole.role == "admin"))))


def accounts_for_roster(
    records: Records, *, round_code: str, by: str, days: float = INVITATION.days, again: bool = False
) -> list[tuple[str, str]]:
    """Make an account for every trainee of a round who has none; returns (login, secret of a link) of each.

    May be repeated: who has an account is passed over. ``again`` makes fresh links for those who have an account and
    never set a password; the links that they had stop working.

    Raises:
        UsageProblem: ``round.unknown``, ``account.link_lasts``, ``account.exists``: a login is taken by somebody else.
    """
    made = list[tuple[str, str]]()
    with records.reading() as session:
        training = round_of(session, round_code).id
        seated = (
            select(Person.id)
            .join(Seat, Seat.person_id == Person.id)
            .where(Seat.round_id == training, Seat.part == "trainee", Person.erased_at.is_(None))
            .order_by(Person.code)
        )
        wanted = [one for one in session.scalars(seated) if _wants(account_of_person(session, one), again=again)]
    if not wanted:
        return made
    with records.change(by=by) as change:
        for person in wanted:
            found = account_of_person(change.session, person)
            if not _wants(found, again=again):  # somebody else saw to it meanwhile
                continue
            account = found or add(change, login=change.session.get_one(Person, person).code, person=person)
            secret = add_link(change, account.id, purpose="set_password", lasts=timedelta(days=days))
            made.append((account.login, secret))
        change.audit("account.roster_invited", training, after={"accounts": len(made)})
    return made


def _wants(account: Account | None, *, again: bool) -> bool:
    return account is None or (again and not account.password_hash and account.disabled_at is None)
