"""Somebody new on the staff: an account, a role and the link that lets them choose a password, all or nothing."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.exc import IntegrityError

from grader.errors import UsageProblem
from grader.records import Records
from grader.services.accounts.links import add_link
from grader.services.accounts.people import add, give, normal


@dataclass(frozen=True, kw_only=True, slots=True)
class Invitation:
    """A new account and the secret of its link, which is kept nowhere."""

    account: str
    secret: str


def invite(
    records: Records,
    *,
    login: str,
    name: str,
    by: str,
    hours: float,
    email: str = "",
    language: str = "th",
    role: str = "",
    round_code: str = "",
) -> Invitation:
    """Make an account with at most one role ("": none yet) and a link that lasts so many hours.

    Raises:
        UsageProblem: what :func:`people.create`, :func:`people.grant` and :func:`links.make` refuse.
    """
    try:
        with records.change(by=by) as change:
            made = add(change, login=login, name=name, email=email, language=language)
            if role:
                give(change, made.id, role, round_code)
            secret = add_link(change, made.id, purpose="set_password", lasts=timedelta(hours=hours))
    except IntegrityError as problem:  # somebody made the same one at the same moment
        raise UsageProblem("account.exists", login=normal(login)) from problem
    return Invitation(account=made.id, secret=secret)
