"""Proving once more who sits there, before something that cannot be taken back; a session remembers when."""

from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from sqlalchemy import update
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.records import Change, PortalSession, Records, SecondFactor
from grader.services.accounts import second_factor, signing_in
from grader.services.accounts.oidc import account_of_identity
from grader.services.accounts.sessions import Signed

How: TypeAlias = Literal["password", "code", "identity"]

JUST_NOW: Final = timedelta(minutes=5)
"""How long ago somebody may have proved themselves to a sign-in service that was asked to let them do so now."""


def how(session: Session, me: Signed) -> How:
    """By what somebody confirms: the service that they came by, their second factor, or else their password."""
    if me.way == "identity":
        return "identity"
    return "password" if session.get(SecondFactor, me.account_id) is None else "code"


def confirm(records: Records, me: Signed, *, typed: str, network: str) -> None:
    """Confirm a session with what :func:`how` asks for.

    Raises:
        UsageProblem: ``account.wrong``, ``account.code_wrong``, ``account.slow_down``; ``account.confirm_elsewhere``:
            that is for the sign-in service to do.
    """
    with records.reading() as session:
        by = how(session, me)
    if by == "identity":
        raise UsageProblem("account.confirm_elsewhere")
    if by == "password":
        signing_in.confirm(records, account=me.account_id, password=typed, network=network)
        with records.change(by=me.account_id) as change:
            _confirmed(change, me, change.at, by)
        return
    second_factor.begin(records, account=me.account_id, network=network)
    with records.change(by=me.account_id) as change:
        proof = second_factor.need_right(change, records, me.account_id, typed)
        second_factor.passed(change.session, account=me.account_id, network=network)
        _confirmed(change, me, change.at, proof)


def confirm_identity(records: Records, me: Signed, *, issuer: str, subject: str, proved_at: datetime | None) -> None:
    """Confirm a session by what a sign-in service says: who it was, and when they last proved it there.

    Raises:
        UsageProblem: ``account.sso_other``: it was somebody else; ``account.sso_not_fresh``: the service does not say
            when, or too long ago.
    """
    with records.change(by=me.account_id) as change:
        found = account_of_identity(change.session, issuer, subject)
        if found is None or found.id != me.account_id:
            raise UsageProblem("account.sso_other")
        if proved_at is None or proved_at < change.at - JUST_NOW:
            raise UsageProblem("account.sso_not_fresh")
        _confirmed(change, me, min(proved_at, change.at), "identity")


def _confirmed(change: Change, me: Signed, at: datetime, by: str) -> None:
    mine = (PortalSession.id == me.session_id, PortalSession.ended_at.is_(None))
    change.session.execute(update(PortalSession).where(*mine).values(confirmed_at=at))
    change.audit("account.confirmed", me.account_id, after={"session": me.session_id, "by": by})
