"""Signing in through the identity provider of the settings; without one these addresses do not exist."""

import base64
import json
from dataclasses import asdict
from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from grader.errors import UsageProblem
from grader.services.accounts import oidc as identities
from grader.services.accounts import sessions
from portal.access.door import Allow, Door
from portal.errors import status_of
from portal.oidc import Journey, Provider, ProviderFault
from portal.routes.accounts import agent_of, arrive
from portal.routes.general import local

router = APIRouter(prefix="/sign-in/oidc")

Begin = Annotated[Door, Depends(Allow("session.begin"))]

COOKIE: Final = "__Host-journey"
MINUTES: Final = 10


@router.get("")
def begin(door: Begin, next: str = "") -> Response:  # noqa: A002 - a field's name
    """To the provider; the browser keeps what it must bring back."""
    try:
        url, journey = _provider(door).begin(local(next))
    except UsageProblem as problem:
        return _refused(door, problem)
    answer = RedirectResponse(url, status_code=303)
    packed = base64.urlsafe_b64encode(json.dumps(asdict(journey)).encode()).decode()
    answer.set_cookie(COOKIE, packed, max_age=60 * MINUTES, secure=True, httponly=True, samesite="lax", path="/")
    return answer


@router.get("/callback")
def finish(door: Begin, code: str = "", state: str = "") -> Response:
    """Back from the provider: whoever it vouches for has an account, with no role until somebody grants one."""
    provider = _provider(door)
    try:
        journey = _journey(door.visit.request)
        vouched = provider.finish(journey, code=code, state=state)
        account = identities.arrive(door.records, issuer=vouched.issuer, subject=vouched.subject, name=vouched.name)
        secret = sessions.open(door.records, account=account.id, agent=agent_of(door.visit.request))
    except UsageProblem as problem:
        answer = _refused(door, problem)
        answer.delete_cookie(COOKIE, secure=True, httponly=True, path="/")
        return answer
    answer = arrive(door.visit, secret, local(journey.next))
    answer.delete_cookie(COOKIE, secure=True, httponly=True, path="/")
    return answer


def _provider(door: Door) -> Provider:
    provider: Provider | None = door.visit.request.app.state.provider
    if provider is None:
        raise HTTPException(404)
    return provider


def _journey(request: Request) -> Journey:
    """What the browser kept; anything else is a journey that nobody began here."""
    try:
        kept = json.loads(base64.urlsafe_b64decode(request.cookies.get(COOKIE, "")))
        return Journey(**{name: str(kept[name]) for name in ("state", "nonce", "verifier", "next")})
    except (ValueError, KeyError, TypeError) as problem:
        raise ProviderFault("account.sso_refused") from problem


def _refused(door: Door, problem: UsageProblem) -> Response:
    return door.page("accounts/sign_in.html", status=status_of(problem), next="/", login="", problem=problem)
