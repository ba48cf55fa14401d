"""Between the password and the session: somebody whose password was right, and who owes a code or has to enrol.

What such a browser holds is looked up in a table of its own. No session is found by it, so nothing else is possible
with it than the second step, for ten minutes.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.records import Account, Change, HalfSignIn, Records, SecondFactor
from grader.services.accounts import second_factor, sessions
from grader.services.accounts.identifiers import digest, fresh

LASTS: Final = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True, slots=True)
class Half:
    """Whose password was right; ``enrolled``: they have a second factor and owe a code, else they get one now."""

    account_id: str
    login: str
    enrolled: bool


def begin(change: Change, account: Account, *, agent: str) -> str:
    """Remember within the change that made sure of the password that it was right; returns what the browser keeps."""
    secret = fresh()
    made = HalfSignIn(
        hash=digest(secret), account_id=account.id, expires_at=change.at + LASTS, agent=agent[: sessions.AGENT]
    )
    change.session.add(made)
    change.audit("account.password_right", account.id)
    return secret


def half_of(records: Records, secret: str) -> Half | None:
    """Who owes the second step; None: nobody, or nobody any more."""
    with records.reading() as session:
        found = _found(session, secret, records.database.now(session))
        if found is None:
            return None
        _, account = found
        enrolled = session.get(SecondFactor, account.id) is not None
        return Half(account_id=account.id, login=account.login, enrolled=enrolled)


def finish(records: Records, *, secret: str, code: str, network: str) -> str:
    """Open the session of somebody whose code is right, with a fresh identifier, which is returned.

    Raises:
        UsageProblem: ``account.half_over``, ``account.code_wrong``, ``account.slow_down``.
    """
    account = _need(records, secret).account_id
    second_factor.begin(records, account=account, network=network)
    with records.change(by=account) as change:
        half, found = _held(change, secret)
        proof = second_factor.need_right(change, records, account, code)
        return _open(change, half, found, network=network, second=proof)


def enrol(records: Records, *, secret: str, sealed: str, code: str, network: str) -> tuple[str, list[str]]:
    """Give a second factor to somebody who has none, and open the session; returns its identifier and the codes.

    Raises:
        UsageProblem: ``account.half_over``: also when there is a second factor, which only its owner replaces;
            ``account.code_wrong``, ``account.offer_over``, ``account.slow_down``.
    """
    account = _need(records, secret).account_id
    second_factor.begin(records, account=account, network=network)
    with records.change(by=account) as change:
        half, found = _held(change, secret)
        if change.session.get(SecondFactor, account, with_for_update=True) is not None:
            raise UsageProblem("account.half_over")
        codes = second_factor.take(change, records, account, sealed=sealed, code=code)
        return _open(change, half, found, network=network, second="enrolled"), codes


def tidy(session: Session, now: datetime) -> None:
    """Remove what nobody finished."""
    session.execute(delete(HalfSignIn).where(HalfSignIn.expires_at < now))


def _open(change: Change, half: HalfSignIn, account: Account, *, network: str, second: str) -> str:
    second_factor.passed(change.session, account=account.id, network=network)
    agent = half.agent
    change.session.delete(half)
    return sessions.begin(change, account, agent=agent, way="password", confirmed_at=change.at, second=second)


def _need(records: Records, secret: str) -> Half:
    found = half_of(records, secret)
    if found is None:
        raise UsageProblem("account.half_over")
    return found


def _held(change: Change, secret: str) -> tuple[HalfSignIn, Account]:
    """The row as it is now, and held: of two requests with the same one the later finds nothing."""
    session = change.session
    session.get(HalfSignIn, digest(secret), with_for_update=True)
    found = _found(session, secret, change.at)
    if found is None:
        raise UsageProblem("account.half_over")
    return found


def _found(session: Session, secret: str, now: datetime) -> tuple[HalfSignIn, Account] | None:
    row = session.execute(
        select(HalfSignIn, Account)
        .join(Account, Account.id == HalfSignIn.account_id)
        .where(HalfSignIn.hash == digest(secret), HalfSignIn.expires_at > now, Account.disabled_at.is_(None))
    ).one_or_none()
    return None if row is None else (row[0], row[1])
