"""Accounts and their roles. What an account may do is read from here at every request; nothing else remembers it."""

import unicodedata
from collections.abc import Sequence
from typing import Final, TypeAlias, get_args

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.records import (
    Account,
    AccountRole,
    ApiToken,
    Change,
    HalfSignIn,
    Identity,
    OneTimeLink,
    Person,
    PortalSession,
    Records,
    RecoveryCode,
    Role,
    SecondFactor,
    new_id,
)
from grader.services.accounts.ending import end_sessions, revoke_tokens, void_links
from grader.services.rounds import need, round_of

ROLES: Final[tuple[Role, ...]] = get_args(Role)
LIMITED: Final = frozenset[Role]({"instructor", "coordinator"})
"""The roles that can be given for one training round; the work of the others is not about a round."""
LANGUAGES: Final = ("th", "en")
OWN_TABLES: Final = frozenset(
    one.__tablename__
    for one in (Account, ApiToken, HalfSignIn, Identity, OneTimeLink, PortalSession, RecoveryCode, SecondFactor)
)
"""Tables with rows that :func:`forget` changes or removes."""
_LONGEST_LOGIN: Final = 64

Held: TypeAlias = tuple[str, str | None]
"""A role, and the id of the round that it is limited to (None: all rounds)."""


def normal(login: str) -> str:
    """A login as it is kept and compared: blanks and capitals make no difference."""
    return " ".join(unicodedata.normalize("NFKC", login).casefold().split())


def create(
    records: Records,
    *,
    login: str,
    name: str,
    by: str,
    email: str = "",
    person: str | None = None,
    language: str = "th",
) -> Account:
    """Make an account, without a password and without a role. ``person`` is the id of somebody on a roster.

    Raises:
        UsageProblem: ``account.login``, ``account.exists``, ``account.person_taken``, ``usage.bad_language``,
            ``records.not_found``.
    """
    try:
        with records.change(by=by) as change:
            return add(change, login=login, name=name, email=email, person=person, language=language)
    except IntegrityError as problem:  # somebody made the same one at the same moment
        raise UsageProblem("account.exists", login=normal(login)) from problem


def add(
    change: Change, *, login: str, name: str = "", email: str = "", person: str | None = None, language: str = "th"
) -> Account:
    """Make an account within a change that may do more; refuses as :func:`create` does."""
    session, login = change.session, normal(login)
    if not login or len(login) > _LONGEST_LOGIN or not login.isprintable():
        raise UsageProblem("account.login", most=_LONGEST_LOGIN)
    if language not in LANGUAGES:
        raise UsageProblem("usage.bad_language", value=language)
    if find(session, login) is not None:
        raise UsageProblem("account.exists", login=login)
    if person is not None:
        known = need(session.get(Person, person), person)
        if known.erased_at is not None or session.scalar(select(Account.id).where(Account.person_id == person)):
            raise UsageProblem("account.person_taken", person=person)
    made = Account(
        id=new_id("acc"),
        login=login,
        name=name.strip()[:255],
        email=email.strip()[:255],
        person_id=person,
        language=language,
        created_at=change.at,
    )
    session.add(made)
    session.flush()
    change.audit("account.created", made.id, after={"person": person, "language": language})
    return made


def find(session: Session, login: str) -> Account | None:
    """The account with this login, if there is one."""
    return session.scalars(select(Account).where(Account.login == normal(login))).one_or_none()


def account_by_login(session: Session, login: str) -> Account:
    """The account with this login.

    Raises:
        UsageProblem: ``account.unknown``.
    """
    found = find(session, login)
    if found is None:
        raise UsageProblem("account.unknown", login=normal(login))
    return found


def accounts(session: Session) -> Sequence[Account]:
    """All accounts, in the order of their logins."""
    return session.scalars(select(Account).order_by(Account.login)).all()


def account_of_person(session: Session, person: str) -> Account | None:
    """The account of somebody on a roster."""
    return session.scalars(select(Account).where(Account.person_id == person)).one_or_none()


# -- roles ------------------------------------------------------------------------------------------------------------


def roles_of(session: Session, account: str) -> tuple[Held, ...]:
    """What an account may be, and in which round."""
    held = session.execute(select(AccountRole.role, AccountRole.round_id).where(AccountRole.account_id == account))
    return tuple(sorted(((role, training) for role, training in held), key=lambda one: (one[0], one[1] or "")))


def grant(records: Records, *, account: str, role: str, by: str, round_code: str = "") -> AccountRole:
    """Give a role, in all rounds or in one; the account signs in again, so that no old identifier may do more.

    Raises:
        UsageProblem: ``account.role``, ``account.role_whole``, ``account.has_role``, ``round.unknown``,
            ``records.not_found``.
    """
    try:
        with records.change(by=by) as change:
            return give(change, account, role, round_code)
    except IntegrityError as problem:  # somebody gave the same one at the same moment
        raise UsageProblem("account.has_role", role=role, round=round_code) from problem


def give(change: Change, account: str, role: str, round_code: str = "") -> AccountRole:
    """Give a role within a change that may do more; refuses as :func:`grant` does."""
    session = change.session
    need(session.get(Account, account), account)
    training = _round_id(session, role, round_code)
    if _held(session, account, role, training) is not None:
        raise UsageProblem("account.has_role", role=role, round=round_code)
    given = AccountRole(id=new_id("grt"), account_id=account, role=role, round_id=training, by=change.by, at=change.at)
    session.add(given)
    session.flush()
    ended = end_sessions(session, account, at=change.at)
    change.audit("account.granted", account, after={"role": role, "round": training, "sessions_ended": ended})
    return given


def revoke(records: Records, *, account: str, role: str, by: str, round_code: str = "") -> None:
    """Take a role away; it is gone at the next request, and with it all sessions of the account.

    Raises:
        UsageProblem: ``account.role``, ``account.role_whole``, ``account.has_no_role``, ``account.last_admin``,
            ``round.unknown``, ``records.not_found``.
    """
    with records.change(by=by) as change:
        session = change.session
        if role == "admin":
            _need_another_admin(session, account)
        need(session.get(Account, account), account)
        training = _round_id(session, role, round_code)
        held = _held(session, account, role, training)
        if held is None:
            raise UsageProblem("account.has_no_role", role=role, round=round_code)
        session.delete(held)
        ended = end_sessions(session, account, at=change.at)
        change.audit(
            "account.revoked", account, before={"role": role, "round": training}, after={"sessions_ended": ended}
        )


def _need_another_admin(session: Session, account: str) -> None:
    """Somebody must stay who can give roles, also when two administrators take each other's away at the same moment.

    The rows are locked before any other, always in the same order, so that the two cannot wait for each other.
    """
    able = session.scalars(
        select(AccountRole.account_id)
        .join(Account, Account.id == AccountRole.account_id)
        .where(AccountRole.role == "admin", Account.disabled_at.is_(None))
        .order_by(AccountRole.id)
        .with_for_update()
    ).all()
    if set(able) == {account}:
        raise UsageProblem("account.last_admin", login=session.get_one(Account, account).login)


def _round_id(session: Session, role: str, round_code: str) -> str | None:
    if role not in ROLES:
        raise UsageProblem("account.role", role=role, known=", ".join(ROLES))
    if not round_code:
        return None
    if role not in LIMITED:
        raise UsageProblem("account.role_whole", role=role)
    return round_of(session, round_code).id


def _held(session: Session, account: str, role: str, training: str | None) -> AccountRole | None:
    mine = (AccountRole.account_id == account, AccountRole.role == role)
    where = AccountRole.round_id.is_(None) if training is None else AccountRole.round_id == training
    return session.scalars(select(AccountRole).where(*mine, where).with_for_update()).one_or_none()


# -- who may no longer come in ----------------------------------------------------------------------------------------


def disable(records: Records, *, account: str, by: str) -> None:
    """Let nobody in any more; sessions, links and tokens stop working at once. Roles stay, for who is let in again.

    Raises:
        UsageProblem: ``account.disabled_already``, ``account.last_admin``, ``records.not_found``.
    """
    with records.change(by=by) as change:
        session = change.session
        _need_another_admin(session, account)
        found = need(session.get(Account, account, with_for_update=True), account)
        if found.disabled_at is not None:
            raise UsageProblem("account.disabled_already", login=found.login)
        found.disabled_at = change.at
        void_links(session, account)
        after = {
            "sessions_ended": end_sessions(session, account, at=change.at),
            "tokens_revoked": revoke_tokens(session, account, at=change.at),
        }
        change.audit("account.disabled", account, after=after)


def enable(records: Records, *, account: str, by: str) -> None:
    """Let somebody in again; what stopped working stays so.

    Raises:
        UsageProblem: ``account.not_disabled``, ``account.person_taken``: the person was erased, ``records.not_found``.
    """
    with records.change(by=by) as change:
        found = need(change.session.get(Account, account, with_for_update=True), account)
        if found.disabled_at is None:
            raise UsageProblem("account.not_disabled", login=found.login)
        if found.person is not None and found.person.erased_at is not None:
            raise UsageProblem("account.person_taken", person=found.person.id)
        found.disabled_at = None
        change.audit("account.enabled", account)


def forget(change: Change, person: Person) -> None:
    """The account of a person who is being erased: it stays as a row that says nothing and that nobody comes in by.

    The login is the person's code, so it becomes what the code became.
    """
    session = change.session
    found = account_of_person(session, person.id)
    if found is None:
        return
    for table in (ApiToken, HalfSignIn, Identity, OneTimeLink, PortalSession, RecoveryCode, SecondFactor):
        session.execute(delete(table).where(table.account_id == found.id))
    found.login, found.name, found.email, found.password_hash = person.code, "", "", ""
    found.disabled_at = found.disabled_at or change.at
    change.audit("account.forgotten", found.id)
