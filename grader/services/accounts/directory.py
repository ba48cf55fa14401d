"""Accounts as an administrator sees them: who there is, with which roles, and since when nobody came in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from grader.records import Account, AccountRole, ApiToken, OneTimeLink, Person, PortalSession, TrainingRound
from grader.services.accounts import second_factor
from grader.services.accounts.people import normal
from grader.services.rounds import need

PAGE: Final = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldRole:
    """A role of an account; ``round_code`` is "" for one that holds in all rounds."""

    role: str
    round_code: str = ""
    round_name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One account. ``person`` is the code of the trainee that it belongs to, "" for somebody on no roster.

    ``seen_at`` is the last sign of life of any of its sessions, as far back as sessions are kept.
    """

    id: str
    login: str
    name: str
    person: str
    roles: tuple[HeldRole, ...]
    has_password: bool
    created_at: datetime
    disabled_at: datetime | None
    seen_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """Some accounts in the order of their logins; ``after`` leads on to the next ones, "" where there are none."""

    lines: tuple[Line, ...]
    total: int
    after: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """One account with what it holds: programs that may come in, and until when a link waits to be used.

    ``second_factor`` is since when it has one, None where a password is all.
    """

    line: Line
    tokens: int
    link_until: datetime | None
    second_factor: datetime | None


def listing(session: Session, *, text: str = "", role: str = "", after: str = "", limit: int = PAGE) -> Listing:
    """Accounts whose login or name holds ``text`` and who have this role (trainee: on a roster); "" asks for all."""
    wanted = select(Account).outerjoin(Person, Person.id == Account.person_id)
    if text.strip():
        wanted = wanted.where(
            or_(
                Account.login.contains(normal(text), autoescape=True),
                *(one.icontains(text.strip(), autoescape=True) for one in (Account.name, Person.name)),
            )
        )
    if role == "trainee":
        wanted = wanted.where(Account.person_id.is_not(None))
    elif role:
        wanted = wanted.where(Account.id.in_(select(AccountRole.account_id).where(AccountRole.role == role)))
    total = session.scalar(select(func.count()).select_from(wanted.subquery())) or 0
    rows = session.scalars(wanted.where(Account.login > after).order_by(Account.login).limit(limit + 1)).all()
    shown = rows[:limit]
    return Listing(
        lines=_lines(session, shown), total=total, after=shown[-1].login if len(rows) > limit and shown else ""
    )


def opened(session: Session, account: str, at: datetime) -> Opened:
    """One account.

    Raises:
        UsageProblem: ``records.not_found``.
    """
    found = need(session.get(Account, account), account)
    good = (ApiToken.account_id == account, ApiToken.revoked_at.is_(None))
    lasts = or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > at)
    waiting = (OneTimeLink.account_id == account, OneTimeLink.used_at.is_(None), OneTimeLink.expires_at > at)
    return Opened(
        line=_lines(session, [found])[0],
        tokens=session.scalar(select(func.count()).select_from(ApiToken).where(*good, lasts)) or 0,
        link_until=session.scalars(
            select(OneTimeLink.expires_at).where(*waiting).order_by(OneTimeLink.expires_at.desc())
        ).first(),
        second_factor=second_factor.standing(session, account).enrolled_at,
    )


def rounds_to_choose(session: Session) -> list[tuple[str, str]]:
    """Code and name of every training round, the newest first: a role may be given for one of them."""
    rows = session.execute(
        select(TrainingRound.code, TrainingRound.name).order_by(TrainingRound.created_at.desc(), TrainingRound.code)
    )
    return [(code, name) for code, name in rows]


def _lines(session: Session, rows: Sequence[Account]) -> tuple[Line, ...]:
    ids = [one.id for one in rows]
    roles: dict[str, list[HeldRole]] = {}
    held = (
        select(AccountRole.account_id, AccountRole.role, TrainingRound.code, TrainingRound.name)
        .outerjoin(TrainingRound, TrainingRound.id == AccountRole.round_id)
        .where(AccountRole.account_id.in_(ids))
        .order_by(AccountRole.role, TrainingRound.code)
    )
    for account, role, code, name in session.execute(held):
        roles.setdefault(account, []).append(HeldRole(role=role, round_code=code or "", round_name=name or ""))
    last = (
        select(PortalSession.account_id, func.max(PortalSession.seen_at))
        .where(PortalSession.account_id.in_(ids))
        .group_by(PortalSession.account_id)
    )
    seen = dict(session.execute(last).all())
    return tuple(
        Line(
            id=one.id,
            login=one.login,
            name=one.shown_name,
            person=one.person.code if one.person else "",
            roles=tuple(roles.get(one.id, ())),
            has_password=bool(one.password_hash),
            created_at=one.created_at,
            disabled_at=one.disabled_at,
            seen_at=seen.get(one.id),
        )
        for one in rows
    )
