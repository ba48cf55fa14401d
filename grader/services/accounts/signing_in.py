"""Signing in with a password, and proving it again later. All ways to be wrong look alike and cost the same work."""

import logging
from dataclasses import dataclass, field
from typing import Final

from grader.errors import UsageProblem
from grader.records import Account, Change, Records
from grader.services.accounts import passwords, second_factor, second_step, sessions, throttling
from grader.services.accounts.ending import end_sessions, void_links
from grader.services.accounts.people import find
from grader.services.rounds import need

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrived:
    """What the browser keeps from now on: the identifier of a session, or (``half``) what the second step needs."""

    secret: str = field(repr=False)
    half: bool


def sign_in(
    records: Records, *, login: str, password: str, network: str, agent: str = "", required: bool = True
) -> Arrived:
    """Open a session, always with a fresh identifier, or ask for the second step; ``network`` is the client's address.

    ``required``: whoever can change results or the figure needs a second factor, and enrols now if there is none.

    Raises:
        UsageProblem: ``account.wrong``: unknown, wrong, disabled or without a password, which is not said.
            ``account.slow_down`` with the ``seconds`` to wait.
    """
    found, fresh = _proved(records, login=login, password=password, network=network)
    with records.change(by=found.id) as change:
        account = _unchanged(change, found)
        account.password_hash = fresh or account.password_hash
        throttling.passed(change.session, login=login, network=network)
        if second_factor.wanted(change.session, account.id, required=required):
            return Arrived(secret=second_step.begin(change, account, agent=agent), half=True)
        made = sessions.begin(change, account, agent=agent, way="password", confirmed_at=change.at)
        return Arrived(secret=made, half=False)


def confirm(records: Records, *, account: str, password: str, network: str) -> None:
    """Prove the password once more, before something that cannot be taken back.

    Raises:
        UsageProblem: ``account.wrong``, ``account.slow_down``, ``records.not_found``.
    """
    with records.reading() as session:
        login = need(session.get(Account, account), account).login
    _proved(records, login=login, password=password, network=network)
    with records.upkeep() as session:
        throttling.passed(session, login=login, network=network)


def change_password(
    records: Records, *, account: str, password: str, new: str, network: str, session_id: str = ""
) -> None:
    """Replace one's own password; every other session than ``session_id`` ends.

    Raises:
        UsageProblem: ``account.wrong``, ``account.slow_down``, ``records.not_found`` and what
            :func:`passwords.need_good` refuses.
    """
    with records.reading() as session:
        known = need(session.get(Account, account), account)
        passwords.need_good(new, login=known.login, name=known.shown_name)
    found, _ = _proved(records, login=known.login, password=password, network=network)
    kept = passwords.hashed(new)
    with records.change(by=account) as change:
        mine = _unchanged(change, found)
        throttling.passed(change.session, login=known.login, network=network)
        keep(change, mine, kept, but=session_id)


def keep(change: Change, account: Account, kept: str, *, but: str = "") -> None:
    """Put a hash in place of the password; sessions (except ``but``) and links of the account stop working."""
    account.password_hash, account.password_changed_at = kept, change.at
    void_links(change.session, account.id)
    ended = end_sessions(change.session, account.id, at=change.at, but=but)
    change.audit("account.password_set", account.id, after={"sessions_ended": ended})


def _proved(records: Records, *, login: str, password: str, network: str) -> tuple[Account, str | None]:
    """The account whose password this is, and what to keep of it when it was hashed with other parameters."""
    throttling.begin(records, login=login, network=network)
    with records.reading() as session:
        found = find(session, login)
    usable = found is not None and found.disabled_at is None
    right, fresh = passwords.verify(password, found.password_hash if found and usable else "")
    if found is None or not right:
        # No login here: people type their password into the wrong field. The account's id, where there is one.
        facts = {"account": found.id if found else "", "network": throttling.network_of(network)}
        _log.warning("sign-in failed", extra=facts)
        raise UsageProblem("account.wrong")
    return found, fresh


def _unchanged(change: Change, found: Account) -> Account:
    """The account as it is now, if what was proved a moment ago still holds."""
    now = change.session.get(Account, found.id, with_for_update=True)
    if now is None or now.disabled_at is not None or now.password_hash != found.password_hash:
        raise UsageProblem("account.wrong")
    return now
