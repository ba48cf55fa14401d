"""The one table of permissions: which relation to a thing lets somebody do what.

A relation is what a person is to a thing: its owner, a member of its round, a member of its round's staff. Roles come
from the records at every request, never from a cookie. What is not in the table cannot be done, and a route whose
action is not in the table cannot be built.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from grader.services.accounts import Scope

Relation: TypeAlias = Literal[
    "anyone",
    "signed_in",
    "owner",
    "member",
    "instructor",
    "coordinator",
    "coordinator_of_all",
    "finance",
    "executive",
    "admin",
]
"""``coordinator_of_all`` holds the role for all rounds: what concerns the office is not for who has one of them."""

_STAFF: Final = frozenset[Relation]({"instructor", "coordinator"})
_COUNTING: Final = frozenset[Relation]({"coordinator", "executive"})


def _only(*relations: Relation) -> frozenset[Relation]:
    return frozenset(relations)


POLICY: Final[Mapping[str, frozenset[Relation]]] = {
    # pages that belong to nobody
    "page.read": _only("anyone"),
    "session.begin": _only("anyone"),
    "account.own": _only("signed_in"),
    "account.secure": _only("signed_in"),
    "home.read": _only("signed_in"),
    # exercises as they are given to a round
    "assignment.read": _only("member") | _STAFF,
    "assignment.submit": _only("member"),
    # handed-in work and what was found
    "submission.create": _only("signed_in"),
    "submission.read": _only("owner") | _STAFF,
    "submission.appeal": _only("owner"),
    "submission.cancel": _only("owner"),
    "submission.review": _STAFF,
    "submission.remark": _STAFF,
    "submission.decide": _only("instructor"),
    "submission.download": _only("owner") | _STAFF,
    # what is being fetched from a git address, and is no work yet
    "fetch.create": _only("signed_in"),
    "fetch.read": _only("owner") | _STAFF,
    "fetch.cancel": _only("owner"),
    # training rounds
    "rounds.list": _STAFF,
    "round.read": _STAFF,
    "round.change": _only("coordinator"),
    "round.create": _only("coordinator_of_all"),
    "round.export": _STAFF,
    "roster.read": _STAFF,
    "roster.change": _only("coordinator"),
    "regrade.begin": _only("instructor"),
    "regrade.read": _STAFF,
    "regrade.decide": _only("instructor"),
    "appeal.read": _STAFF,
    "appeal.decide": _only("instructor"),
    # the indicator
    "kpi.read": _COUNTING,
    "kpi.people": _only("coordinator"),
    "kpi.export": _COUNTING,
    "kpi.change": _only("coordinator_of_all"),
    "kpi.freeze": _only("coordinator_of_all"),
    "kpi.confirm": _only("coordinator_of_all", "executive"),
    "kpi.certify": _COUNTING,
    "kpi.grant": _only("admin"),
    # certificates of those who passed
    "certificate.read": _only("owner") | _STAFF,
    "certificate.list": _STAFF,
    "certificate.issue": _only("coordinator"),
    "certificate.revoke": _only("coordinator"),
    # exercises as their authors see them
    "exercise.author": _STAFF,
    # the installation
    "admin.read": _only("admin"),
    "account.change": _only("admin"),
    "queue.read": _only("admin", "coordinator", "instructor"),
    "queue.change": _only("admin"),
    "audit.read": _only("admin"),
    "metrics.read": _only("anyone"),
}

FRESH: Final = frozenset({
    "account.secure",
    "account.change",
    "submission.decide",
    "appeal.decide",
    "regrade.decide",
    "round.export",
    "kpi.export",
    "kpi.freeze",
    "kpi.confirm",
    "kpi.certify",
    "kpi.grant",
    "certificate.issue",
    "certificate.revoke",
})  # fmt: skip
"""What cannot be taken back, or takes people's data away: whoever does it has proved lately who they are.

A browser that somebody left open, or a stolen cookie, is not enough."""

SEES: Final[Mapping[str, str]] = {
    "assignment": "assignment.read",
    "submission": "submission.read",
    "fetch": "fetch.read",
    "round": "round.read",
    "roster": "round.read",
    "regrade": "regrade.read",
    "appeal": "appeal.read",
    "certificate": "certificate.read",
}
"""What somebody must be allowed to do to know that a thing exists; to all others it does not."""

SCOPES: Final[Mapping[str, Scope]] = {
    "home.read": "read",
    "assignment.read": "read",
    "assignment.submit": "submit",
    "submission.create": "submit",
    "submission.read": "read",
    "submission.appeal": "submit",
    "submission.cancel": "submit",
    "fetch.create": "submit",
    "fetch.read": "read",
    "fetch.cancel": "submit",
    "rounds.list": "read",
    "round.read": "read",
    "roster.read": "read",
    "queue.read": "read",
    "kpi.read": "kpi.read",
}
"""What a token may be used for, and the scope that it needs. All else is done by people who are signed in: deciding a
result, changing a round, or making another token are not for a file that lies on somebody's disk."""
