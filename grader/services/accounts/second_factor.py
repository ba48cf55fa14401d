"""The second factor: codes of a device by time (RFC 6238), ten codes on paper, and what each of them is good for.

The device's secret is sealed with a key that no table holds (``grader/records/seals.py``). A code counts once: the step
that it was made for is kept, and nothing up to that step counts again.
"""

import base64
import hmac
import os
import secrets
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from grader.errors import EnvironmentProblem, UsageProblem
from grader.records import Account, Change, Records, RecoveryCode, SecondFactor
from grader.records.seals import Unsealable
from grader.services.accounts import throttling
from grader.services.accounts.ending import end_sessions
from grader.services.accounts.identifiers import digest
from grader.services.accounts.people import roles_of
from grader.services.rounds import need

DECIDING: Final = frozenset({"instructor", "coordinator", "executive", "admin"})
"""Roles that can change results or the public figure."""
STEP_SECONDS: Final = 30
DIGITS: Final = 6
AROUND: Final = 1
"""So many steps before and after the present one count as well: clocks differ, and people type slowly."""
CODES: Final = 10
OFFERED: Final = timedelta(minutes=15)
"""How long a secret that is offered can be taken."""
_SECRET_BYTES: Final = 20
_CODE_BYTES: Final = 15
"""120 bits, 24 characters: with so many, a fast hash is enough, because nobody can try them all."""
_GROUP: Final = 4

Proof = Literal["code", "recovery"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """The second factor of an account; without one both are empty."""

    enrolled_at: datetime | None
    codes_left: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """A secret to be put into a device: as an address for a QR code and as text, and sealed, to be brought back."""

    address: str = field(repr=False)
    secret: str = field(repr=False)
    sealed: str = field(repr=False)


def standing(session: Session, account: str) -> Standing:
    """Whether an account has a second factor, and how many codes on paper are left."""
    found = session.get(SecondFactor, account)
    left = (RecoveryCode.account_id == account, RecoveryCode.used_at.is_(None))
    return Standing(
        enrolled_at=found.enrolled_at if found else None,
        codes_left=session.scalar(select(func.count()).select_from(RecoveryCode).where(*left)) or 0,
    )


def wanted(session: Session, account: str, *, required: bool) -> bool:
    """Whether a password alone does not let this account in; ``required``: nobody decides with a password alone."""
    if session.get(SecondFactor, account) is not None:
        return True
    return required and decides(session, account)


def decides(session: Session, account: str) -> bool:
    """Whether an account can change results or the public figure."""
    return any(role in DECIDING for role, _ in roles_of(session, account))


def offer(records: Records, *, account: str, issuer: str) -> Offer:
    """A fresh secret for an account; nothing is kept of it until a code shows that the device has it.

    Raises:
        EnvironmentProblem: ``records.seal_unusable``.
        UsageProblem: ``records.not_found``.
    """
    with records.reading() as session:
        login = need(session.get(Account, account), account).login
        now = records.database.now(session)
    secret = base64.b32encode(os.urandom(_SECRET_BYTES)).decode()
    sealed = records.seals.seal(secret, purpose="offer", owner=account, at=now)
    return _offered(secret, sealed, login, issuer)


def offered(records: Records, *, account: str, sealed: str, issuer: str) -> Offer | None:
    """An offer as it was made, for who typed the code wrongly; None: it cannot be taken any more."""
    with records.reading() as session:
        login = need(session.get(Account, account), account).login
        now = records.database.now(session)
    try:
        secret = records.seals.open(sealed, purpose="offer", owner=account, lasts=OFFERED, at=now)
    except Unsealable:
        return None
    return _offered(secret, sealed, login, issuer)


def enrol(records: Records, *, account: str, sealed: str, code: str, network: str, session_id: str) -> list[str]:
    """Take an offer from within a session; every other session ends. Returns the codes on paper, kept nowhere.

    Raises:
        UsageProblem: ``account.code_wrong``, ``account.offer_over``, ``account.slow_down``, ``records.not_found``.
    """
    begin(records, account=account, network=network)
    with records.change(by=account) as change:
        codes = take(change, records, account, sealed=sealed, code=code)
        passed(change.session, account=account, network=network)
        end_sessions(change.session, account, at=change.at, but=session_id)
    return codes


def take(change: Change, records: Records, account: str, *, sealed: str, code: str) -> list[str]:
    """Take an offer within a change that may do more; refuses as :func:`enrol` does."""
    session = change.session
    need(session.get(Account, account, with_for_update=True), account)
    try:
        secret = records.seals.open(sealed, purpose="offer", owner=account, lasts=OFFERED, at=change.at)
    except Unsealable as problem:
        raise UsageProblem("account.offer_over") from problem
    step = _step_of(secret, _plain(code), change.at, after=0)
    if step is None:
        raise UsageProblem("account.code_wrong")
    before = session.get(SecondFactor, account)
    kept = records.seals.seal(secret, purpose="factor", owner=account, at=change.at)
    if before is None:
        session.add(SecondFactor(account_id=account, secret=kept, last_step=step, enrolled_at=change.at))
    else:
        before.secret, before.last_step, before.enrolled_at = kept, step, change.at
    session.flush()
    change.audit("account.second_factor_set", account, after={"replaced": before is not None})
    return _fresh_codes(change, account)


def renew_codes(records: Records, *, account: str) -> list[str]:
    """Ten fresh codes on paper; the earlier ones stop working.

    Raises:
        UsageProblem: ``account.no_second_factor``.
    """
    with records.change(by=account) as change:
        if change.session.get(SecondFactor, account, with_for_update=True) is None:
            raise UsageProblem("account.no_second_factor")
        codes = _fresh_codes(change, account)
        change.audit("account.recovery_codes_set", account, after={"codes": len(codes)})
    return codes


def reset(records: Records, *, account: str, by: str) -> None:
    """Forget the second factor of somebody who lost it; all their sessions end, and they enrol anew.

    Raises:
        UsageProblem: ``account.no_second_factor``, ``records.not_found``.
    """
    with records.change(by=by) as change:
        session = change.session
        found = need(session.get(Account, account, with_for_update=True), account)
        if session.get(SecondFactor, account) is None:
            raise UsageProblem("account.no_second_factor", login=found.login)
        forget(session, account)
        ended = end_sessions(session, account, at=change.at)
        change.audit("account.second_factor_reset", account, after={"sessions_ended": ended})


def forget(session: Session, account: str) -> None:
    """Remove everything that is kept of a second factor."""
    for table in (SecondFactor, RecoveryCode):
        session.execute(delete(table).where(table.account_id == account))


# -- proving it -------------------------------------------------------------------------------------------------------


def begin(records: Records, *, account: str, network: str) -> None:
    """Count one try, before it is judged. Codes are counted apart from passwords: a right password forgives none.

    Raises:
        UsageProblem: ``account.slow_down`` with the ``seconds`` to wait.
    """
    throttling.begin(records, login=_counter(account), network=network)


def passed(session: Session, *, account: str, network: str) -> None:
    """The try was right."""
    throttling.passed(session, login=_counter(account), network=network)


def need_right(change: Change, records: Records, account: str, code: str) -> Proof:
    """Refuse a code that is not the account's, or that was used; one that is right is used from now on.

    Raises:
        UsageProblem: ``account.code_wrong``.
        EnvironmentProblem: ``records.seal_unusable``.
    """
    session, typed = change.session, _plain(code)
    found = session.get(SecondFactor, account, with_for_update=True)
    if found is None:
        raise UsageProblem("account.code_wrong")
    try:
        secret = records.seals.open(found.secret, purpose="factor", owner=account, at=change.at)
    except Unsealable as problem:
        raise EnvironmentProblem("records.seal_unusable") from problem
    step = _step_of(secret, typed, change.at, after=found.last_step)
    if step is not None:
        found.last_step = step
        return "code"
    on_paper = session.get(RecoveryCode, digest(typed), with_for_update=True)
    if on_paper is None or on_paper.account_id != account or on_paper.used_at is not None:
        raise UsageProblem("account.code_wrong")
    on_paper.used_at = change.at
    return "recovery"


def code_at(secret: str, moment: datetime) -> str:
    """What a device with this secret shows at a moment."""
    return _code(secret, _step(moment))


# -- inside -----------------------------------------------------------------------------------------------------------


def _offered(secret: str, sealed: str, login: str, issuer: str) -> Offer:
    address = _totp(secret).get_provisioning_uri(login, issuer)
    return Offer(address=address, secret=_grouped(secret), sealed=sealed)


def _fresh_codes(change: Change, account: str) -> list[str]:
    session = change.session
    session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account))
    codes = [base64.b32encode(secrets.token_bytes(_CODE_BYTES)).decode().casefold() for _ in range(CODES)]
    session.add_all(RecoveryCode(hash=digest(code), account_id=account) for code in codes)
    session.flush()
    return [_grouped(code) for code in codes]


def _grouped(text: str) -> str:
    return " ".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def _plain(typed: str) -> str:
    """A code as it was meant: without blanks and dashes, capitals alike, Thai digits as digits."""
    kept = "".join(one for one in unicodedata.normalize("NFKC", typed[:100]).casefold() if not one.isspace())
    return "".join(str(unicodedata.decimal(one, one)) for one in kept.replace("-", ""))


def _step(moment: datetime) -> int:
    return int(moment.timestamp()) // STEP_SECONDS


def _step_of(secret: str, typed: str, now: datetime, *, after: int) -> int | None:
    """The step that a code was made for, if it is near enough and later than ``after``."""
    present, found = _step(now), None
    for step in range(present - AROUND, present + AROUND + 1):
        right = hmac.compare_digest(_code(secret, step).encode(), typed.encode("utf-8", "surrogatepass"))
        found = step if right and step > after else found
    return found


def _code(secret: str, step: int) -> str:
    return _totp(secret).generate(step * STEP_SECONDS).decode()


def _totp(secret: str) -> TOTP:
    return TOTP(base64.b32decode(secret), DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303 - what devices know; RFC 6238


def _counter(account: str) -> str:
    return f"second factor of {account}"
