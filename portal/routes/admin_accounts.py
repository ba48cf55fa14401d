"""Accounts: who there is, what they may do, and letting somebody in or out."""

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from grader.errors import UsageProblem
from grader.services.accounts import directory, inviting, links, people, second_factor, sessions
from portal.access.door import Allow, Door
from portal.errors import NOT_FOUND, status_of

router = APIRouter(prefix="/admin/accounts")

Change = Annotated[Door, Depends(Allow("account.change"))]
Typed = Annotated[str, Form()]

LASTS: Final = {"short": 0.25, "day": 24.0, "week": 168.0}
"""How long a link may last, in hours."""
FIELDS: Final = {"account.login": "login", "account.exists": "login", "round.unknown": "round"}
"""Code of a refusal -> the field that it is about."""


@router.get("")
def accounts(door: Change, q: str = "", role: str = "", after: str = "") -> Response:
    """All accounts, or those that were looked for."""
    wanted = role if role in {*people.ROLES, "trainee"} else ""
    with door.records.reading() as session:
        found = directory.listing(session, text=q[:100], role=wanted, after=after[:100])
    query = {"q": q, "role": wanted}
    return door.page(
        "admin/accounts.html",
        found=found,
        q=q,
        role=wanted,
        roles=(*people.ROLES, "trainee"),
        after=after,
        next_page=f"?{urlencode({**query, 'after': found.after})}" if found.after else "",
        first_page=f"?{urlencode(query)}" if after else "",
    )


@router.get("/new")
def new_account(door: Change) -> Response:
    """The form."""
    return _form(door, {"language": "th", "lasts": "day"})


@router.post("")
def create(
    door: Change,
    *,
    login: Typed = "",
    name: Typed = "",
    email: Typed = "",
    language: Typed = "th",
    role: Typed = "",
    round: Typed = "",  # noqa: A002 - a field's name
    lasts: Typed = "day",
) -> Response:
    """Make an account; its link is shown on the answer to this, and never again."""
    typed = {
        "login": login,
        "name": name,
        "email": email,
        "language": language,
        "role": role,
        "round": round,
        "lasts": lasts,
    }
    try:
        made = inviting.invite(
            door.records,
            login=login,
            name=name,
            by=door.by,
            hours=LASTS.get(lasts, LASTS["day"]),
            email=email,
            language=language,
            role=role,
            round_code=round,
        )
    except UsageProblem as problem:
        return _form(door, typed, problem=problem)
    return _page(door, made.account, secret=made.secret)


@router.get("/{account}")
def account_page(door: Change, account: str) -> Response:
    """One account."""
    return _page(door, account)


@router.post("/{account}/roles")
def grant(door: Change, account: str, role: Typed = "", round: Typed = "") -> Response:  # noqa: A002 - a field's name
    """Give a role."""
    try:
        people.grant(door.records, account=account, role=role, by=door.by, round_code=round)
    except UsageProblem as problem:
        return _refused(door, account, problem, field="role", role=role, round=round)
    return _back(door, account, "said.admin.granted")


@router.post("/{account}/roles/remove")
def revoke(door: Change, account: str, role: Typed = "", round: Typed = "") -> Response:  # noqa: A002 - a field's name
    """Take a role away."""
    try:
        people.revoke(door.records, account=account, role=role, by=door.by, round_code=round)
    except UsageProblem as problem:
        return _refused(door, account, problem, field="roles")
    return _back(door, account, "said.admin.revoked")


@router.post("/{account}/disable")
def disable(door: Change, account: str) -> Response:
    """Let nobody in by this account any more, from the next request on."""
    try:
        people.disable(door.records, account=account, by=door.by)
    except UsageProblem as problem:
        return _refused(door, account, problem, field="access")
    return _back(door, account, "said.admin.disabled")


@router.post("/{account}/enable")
def enable(door: Change, account: str) -> Response:
    """Let somebody in again."""
    try:
        people.enable(door.records, account=account, by=door.by)
    except UsageProblem as problem:
        return _refused(door, account, problem, field="access")
    return _back(door, account, "said.admin.enabled")


@router.post("/{account}/link")
def link(door: Change, account: str, lasts: Typed = "short") -> Response:
    """A new link; it is shown on the answer to this, and never again."""
    try:
        secret = links.make(door.records, account=account, by=door.by, hours=LASTS.get(lasts, LASTS["short"]))
    except UsageProblem as problem:
        return _refused(door, account, problem, field="lasts", lasts=lasts)
    return _page(door, account, secret=secret)


@router.post("/{account}/sessions/end")
def end_sessions(door: Change, account: str) -> Response:
    """Sign somebody out everywhere; oneself everywhere else."""
    me = door.visit.me
    assert me is not None
    but = me.session_id if account == me.account_id else ""
    sessions.end_all(door.records, account=account, by=door.by, but=but)
    return _back(door, account, "said.admin.sessions_ended")


@router.post("/{account}/second-factor/reset")
def reset_second_factor(door: Change, account: str) -> Response:
    """Forget the second factor of somebody who lost it."""
    try:
        second_factor.reset(door.records, account=account, by=door.by)
    except UsageProblem as problem:
        return _refused(door, account, problem, field="second-factor")
    return _back(door, account, "said.second_factor_reset")


def _back(door: Door, account: str, said: str) -> Response:
    return door.visit.say(RedirectResponse(f"/admin/accounts/{account}", status_code=303), said)


def _refused(door: Door, account: str, problem: UsageProblem, *, field: str, **typed: str) -> Response:
    if problem.code in NOT_FOUND:
        raise problem
    return _page(door, account, status=status_of(problem), problem=problem, wrong=field, typed=typed)


def _page(door: Door, account: str, *, status: int = 200, secret: str = "", **values: Any) -> Response:
    with door.records.reading() as session:
        opened = directory.opened(session, account, door.records.database.now(session))
        rounds = directory.rounds_to_choose(session)
    return door.page(
        "admin/account.html",
        status=status,
        opened=opened,
        held=sessions.sessions_of(door.records, account),
        rounds=rounds,
        roles=people.ROLES,
        lasts=tuple(LASTS),
        link=f"{door.visit.settings.origin}/link/{secret}" if secret else "",
        **{"problem": None, "wrong": "", "typed": {}, **values},
    )


def _form(door: Door, typed: dict[str, str], *, problem: UsageProblem | None = None) -> Response:
    with door.records.reading() as session:
        rounds = directory.rounds_to_choose(session)
    return door.page(
        "admin/account_new.html",
        status=status_of(problem) if problem else 200,
        typed={"login": "", "name": "", "email": "", "language": "th", "role": "", "round": "", **typed},
        problem=problem,
        wrong=FIELDS.get(problem.code, "role") if problem else "",
        rounds=rounds,
        roles=people.ROLES,
        lasts=tuple(LASTS),
        languages=people.LANGUAGES,
    )
