"""Signing in and out, one-time links, and the sessions of one's own account."""

from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from grader.errors import UsageProblem
from grader.services.accounts import links, second_step, sessions, signing_in
from portal.access.door import Allow, Door
from portal.clients import client_of
from portal.errors import status_of
from portal.routes.general import local
from portal.visit import SESSION_COOKIE, Visit

router = APIRouter()

Begin = Annotated[Door, Depends(Allow("session.begin"))]
Own = Annotated[Door, Depends(Allow("account.own"))]

HALF_COOKIE: Final = "__Host-half"
"""What the browser keeps between the password and the second step; it opens nothing."""


@router.get("/sign-in")
def sign_in_page(door: Begin, next: str = "") -> Response:  # noqa: A002 - a field's name
    """The form; who is signed in already goes on."""
    if door.visit.me is not None:
        return RedirectResponse(local(next), status_code=303)
    return door.page("accounts/sign_in.html", next=local(next), login="", problem=None)


@router.post("/sign-in")
def sign_in(
    door: Begin,
    login: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "",  # noqa: A002 - a field's name
) -> Response:
    """Open a session, always with a fresh identifier, or lead to the second step."""
    visit = door.visit
    try:
        arrived = signing_in.sign_in(
            visit.records,
            login=login,
            password=password,
            network=client_of(visit),
            agent=agent_of(visit.request),
            required=visit.settings.second_factor == "required",
        )
    except UsageProblem as problem:
        page = door.page(
            "accounts/sign_in.html", status=status_of(problem), next=local(next), login=login, problem=problem
        )
        if seconds := problem.params.get("seconds"):
            page.headers["Retry-After"] = str(seconds)
        return page
    if not arrived.half:
        return arrive(visit, arrived.secret, local(next))
    answer = RedirectResponse(f"/sign-in/second?next={quote(local(next))}", status_code=303)
    answer.set_cookie(
        HALF_COOKIE,
        arrived.secret,
        max_age=int(second_step.LASTS.total_seconds()),
        secure=True,
        httponly=True,
        samesite="lax",
        path="/",
    )
    return answer


@router.post("/sign-out")
def sign_out(door: Begin) -> Response:
    """End the session on the server; the cookie is of no use to anybody afterwards."""
    if door.visit.secret:
        sessions.end(door.records, door.visit.secret)
    answer = RedirectResponse("/sign-in", status_code=303)
    _forget(answer)
    # Pages are never kept, but a browser may hold the last ones in memory for its button "back".
    answer.headers["Clear-Site-Data"] = '"cache"'
    return door.visit.say(answer, "said.signed_out")


@router.get("/link/{secret}")
def link_page(door: Begin, secret: str) -> Response:
    """Where a one-time link leads: to choosing a password."""
    found = links.peek(door.records, secret)
    return door.page("accounts/link.html", status=200 if found else 404, found=found, secret=secret, problem=None)


@router.post("/link/{secret}")
def link(door: Begin, secret: str, password: Annotated[str, Form()] = "") -> Response:
    """Set the password, once."""
    try:
        links.use(door.records, secret=secret, password=password)
    except UsageProblem as problem:
        found = links.peek(door.records, secret)
        return door.page("accounts/link.html", status=422, found=found, secret=secret, problem=problem)
    return door.visit.say(RedirectResponse("/sign-in", status_code=303), "said.password_set")


@router.get("/sessions")
def sessions_page(door: Own) -> Response:
    """Where this account is signed in."""
    assert door.visit.me is not None
    mine = sessions.sessions_of(door.records, door.visit.me.account_id)
    return door.page("accounts/sessions.html", sessions=mine)


@router.post("/sessions/{session}/end")
def end_session(door: Own, session: str) -> Response:
    """End one of one's own sessions."""
    me = door.visit.me
    assert me is not None
    sessions.end_one(door.records, account=me.account_id, session_id=session, by=door.by)
    return door.visit.say(RedirectResponse("/sessions", status_code=303), "said.session_ended")


def arrive(visit: Visit, secret: str, address: str, answer: Response | None = None) -> Response:
    """Go on signed in (by ``answer``, where there is something to say first); the session of before ends."""
    answer = answer or RedirectResponse(address, status_code=303)
    if visit.secret:
        sessions.end(visit.records, visit.secret)
    answer.set_cookie(SESSION_COOKIE, secret, secure=True, httponly=True, samesite="lax", path="/")
    return answer


def forget_half(answer: Response) -> Response:
    """The second step is done, or cannot be done any more."""
    answer.delete_cookie(HALF_COOKIE, secure=True, httponly=True, samesite="lax", path="/")
    return answer


def _forget(answer: Response) -> None:
    answer.delete_cookie(SESSION_COOKIE, secure=True, httponly=True, samesite="lax", path="/")


def agent_of(request: Request) -> str:
    """What the browser calls itself, for the list of sessions."""
    return request.headers.get("user-agent", "")[:255]
