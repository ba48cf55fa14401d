"""Accounts and sign-in services (OpenID Connect). The service's own id of a person is the key, never an address."""

import secrets
from typing import Final

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.records import Account, Identity, Records
from grader.services.accounts.people import add
from grader.services.rounds import need

_BYTES: Final = 6
_LONGEST: Final = 255


def account_of_identity(session: Session, issuer: str, subject: str) -> Account | None:
    """The account that is known to a sign-in service by this id."""
    found = session.get(Identity, (issuer, subject))
    return None if found is None else session.get_one(Account, found.account_id)


def link_identity(records: Records, *, account: str, issuer: str, subject: str, by: str) -> None:
    """Let somebody come in by a sign-in service from now on.

    Raises:
        UsageProblem: ``account.identity``, ``account.identity_taken``, ``records.not_found``.
    """
    _need_usable(issuer, subject)
    try:
        with records.change(by=by) as change:
            need(change.session.get(Account, account), account)
            if change.session.get(Identity, (issuer, subject)) is not None:
                raise UsageProblem("account.identity_taken")
            change.session.add(Identity(issuer=issuer, subject=subject, account_id=account, at=change.at))
            change.session.flush()
            change.audit("account.identity_linked", account, after={"issuer": issuer})
    except IntegrityError as problem:  # somebody linked the same one at the same moment
        raise UsageProblem("account.identity_taken") from problem


def arrive(records: Records, *, issuer: str, subject: str, name: str) -> Account:
    """The account of somebody whom a sign-in service vouches for; made when it is missing, without any role.

    Raises:
        UsageProblem: ``account.identity``.
    """
    _need_usable(issuer, subject)
    with records.reading() as session:
        if (known := account_of_identity(session, issuer, subject)) is not None:
            return known
    try:
        with records.change(by=f"identity {issuer}"[:_LONGEST]) as change:
            made = add(change, login=f"sso-{secrets.token_hex(_BYTES)}", name=name)
            change.session.add(Identity(issuer=issuer, subject=subject, account_id=made.id, at=change.at))
            change.session.flush()
            change.audit("account.identity_linked", made.id, after={"issuer": issuer})
            return made
    except IntegrityError:  # the same person arrived at the same moment
        with records.reading() as session:
            if (known := account_of_identity(session, issuer, subject)) is not None:
                return known
        raise


def _need_usable(issuer: str, subject: str) -> None:
    if not issuer or not subject or max(len(issuer), len(subject)) > _LONGEST:
        raise UsageProblem("account.identity")
