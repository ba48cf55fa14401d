"""What an account holds stops working: sessions, links and tokens, within a change that says why."""

from datetime import datetime

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from grader.records import ApiToken, HalfSignIn, OneTimeLink, PortalSession


def end_sessions(session: Session, account: str, *, at: datetime, but: str = "") -> list[str]:
    """End every open session of an account except ``but``; returns the ids of those that ended.

    Whoever owes the second step begins again with the password: what ends sessions ends what would become one.
    """
    session.execute(delete(HalfSignIn).where(HalfSignIn.account_id == account))
    ended = (
        update(PortalSession)
        .where(PortalSession.account_id == account, PortalSession.ended_at.is_(None), PortalSession.id != but)
        .values(ended_at=at)
        .returning(PortalSession.id)
    )
    return sorted(session.scalars(ended))


def void_links(session: Session, account: str) -> None:
    """Take back every link of an account that nobody used."""
    session.execute(delete(OneTimeLink).where(OneTimeLink.account_id == account, OneTimeLink.used_at.is_(None)))


def revoke_tokens(session: Session, account: str, *, at: datetime) -> list[str]:
    """Revoke every token of an account; returns the ids of those that were good."""
    revoked = (
        update(ApiToken)
        .where(ApiToken.account_id == account, ApiToken.revoked_at.is_(None))
        .values(revoked_at=at)
        .returning(ApiToken.id)
    )
    return sorted(session.scalars(revoked))
