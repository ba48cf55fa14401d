"""Who may sign in, how they prove it, and what they hold afterwards; the portal and ``grader account`` call the same.

An account is named by its id everywhere but where somebody types a login. Whatever lets somebody in (identifier of a
session, link, token) is shown once, to its holder, and kept as a hash.
"""

from grader.services.accounts import (
    confirming,
    links,
    oidc,
    passwords,
    people,
    second_factor,
    second_step,
    sessions,
    signing_in,
    throttling,
    tokens,
)
from grader.services.accounts.links import Invited
from grader.services.accounts.sessions import Signed
from grader.services.accounts.tokens import SCOPES, Bearer, Scope

__all__ = [
    "SCOPES",
    "Bearer",
    "Invited",
    "Scope",
    "Signed",
    "confirming",
    "links",
    "oidc",
    "passwords",
    "people",
    "second_factor",
    "second_step",
    "sessions",
    "signing_in",
    "throttling",
    "tokens",
]
