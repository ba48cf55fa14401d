"""Tokens: how a program of an account comes in, for what it was allowed and no more."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, TypeAlias, get_args

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.records import Account, ApiToken, Records, new_id
from grader.services.accounts.identifiers import digest, fresh
from grader.services.accounts.people import Held, roles_of
from grader.services.rounds import need

Scope: TypeAlias = Literal["submit", "read", "kpi.read"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
MARK: Final = "gt_"
"""How a token begins, so that people and scanners of source code recognise one."""
SEEN: Final = timedelta(minutes=1)
_LONGEST_NAME: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Bearer:
    """Whose program shows a token, as the records are now, and what it may do at most."""

    token_id: str
    account_id: str
    login: str
    language: str
    person_id: str | None
    roles: tuple[Held, ...]
    scopes: frozenset[str]


def make(
    records: Records, *, account: str, name: str, scopes: Collection[str], by: str, days: float | None = None
) -> str:
    """A fresh token, good for so many days (None: until it is revoked); returned once and kept nowhere.

    Raises:
        UsageProblem: ``token.name``, ``token.scopes``, ``token.lasts``, ``account.disabled``, ``records.not_found``.
    """
    if not 0 < len(name.strip()) <= _LONGEST_NAME:
        raise UsageProblem("token.name", most=_LONGEST_NAME)
    if not scopes or not set(scopes) <= set(SCOPES):
        raise UsageProblem("token.scopes", known=", ".join(SCOPES))
    if days is not None and days <= 0:
        raise UsageProblem("token.lasts")
    secret = fresh(MARK)
    with records.change(by=by) as change:
        found = need(change.session.get(Account, account, with_for_update=True), account)
        if found.disabled_at is not None:
            raise UsageProblem("account.disabled", login=found.login)
        made = ApiToken(
            id=new_id("tok"),
            account_id=account,
            hash=digest(secret),
            name=name.strip(),
            scopes=sorted(set(scopes)),
            created_at=change.at,
            expires_at=None if days is None else change.at + timedelta(days=days),
        )
        change.session.add(made)
        change.audit("token.made", made.id, after={"account": account, "scopes": made.scopes})
    return secret


def verify(records: Records, secret: str) -> Bearer | None:
    """Whose token this is; None: nobody's, or nobody's any more. The caller looks at ``scopes``."""
    if not secret.startswith(MARK):
        return None
    key = digest(secret)
    with records.reading() as session:
        now = records.database.now(session)
        lasts = or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > now)
        found = session.execute(
            select(ApiToken, Account)
            .join(Account, Account.id == ApiToken.account_id)
            .where(ApiToken.hash == key, ApiToken.revoked_at.is_(None), lasts, Account.disabled_at.is_(None))
        ).one_or_none()
        if found is None:
            return None
        token, account = found
        bearer = Bearer(
            token_id=token.id,
            account_id=account.id,
            login=account.login,
            language=account.language,
            person_id=account.person_id,
            roles=roles_of(session, account.id),
            scopes=frozenset(token.scopes) & set(SCOPES),
        )
    if token.last_used_at is None or now - token.last_used_at >= SEEN:
        with records.upkeep() as session:
            session.execute(update(ApiToken).where(ApiToken.id == token.id).values(last_used_at=now))
    return bearer


def revoke(records: Records, *, account: str, token_id: str, by: str) -> None:
    """Let a token open nothing any more.

    Raises:
        UsageProblem: ``records.not_found``: it is none of this account's; ``token.revoked``.
    """
    with records.change(by=by) as change:
        mine = (ApiToken.id == token_id, ApiToken.account_id == account)
        found = need(change.session.scalars(select(ApiToken).where(*mine).with_for_update()).one_or_none(), token_id)
        if found.revoked_at is not None:
            raise UsageProblem("token.revoked")
        found.revoked_at = change.at
        change.audit("token.revoked", token_id, after={"account": account})


def tokens_of(session: Session, account: str) -> Sequence[ApiToken]:
    """All tokens of an account that were not revoked, the latest first."""
    mine = (ApiToken.account_id == account, ApiToken.revoked_at.is_(None))
    return session.scalars(select(ApiToken).where(*mine).order_by(ApiToken.created_at.desc(), ApiToken.id)).all()
