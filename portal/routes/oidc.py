"""Signing in through the identity provider of the settings; without one these addresses do not exist."""

import base64
import json
from dataclasses import asdict
from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from grader.errors import UsageProblem
from grader.services.accounts import confirming, second_factor, sessions
from grader.services.accounts import oidc as identities
from portal.access.door import Allow, Door
from portal.errors import refusal, status_of
from portal.oidc import Journey, Provider, ProviderFault, Vouched
from portal.routes.accounts import agent_of, arrive
from portal.routes.general import local
from portal.visit import SignInNeeded

router = APIRouter()

Begin = Annotated[Door, Depends(Allow("session.begin"))]
Own = Annotated[Door, Depends(Allow("account.own"))]

COOKIE: Final = "__Host-journey"
MINUTES: Final = 10


@router.get("/sign-in/oidc")
def begin(door: Begin, next: str = "") -> Response:  # noqa: A002 - a field's name
    """To the provider; the browser keeps what it must bring back."""
    return _depart(door, local(next))


def _depart(door: Door, address: str, *, again: bool = False) -> Response:
    try:
        url, journey = _provider(door).begin(address, again=again)
    except UsageProblem as problem:
        return _refused(door, problem)
    answer = RedirectResponse(url, status_code=303)
    packed = base64.urlsafe_b64encode(json.dumps(asdict(journey)).encode()).decode()
    answer.set_cookie(COOKIE, packed, max_age=60 * MINUTES, secure=True, httponly=True, samesite="lax", path="/")
    return answer


@router.get("/confirm/identity")
def confirm(door: Own, next: str = "") -> Response:  # noqa: A002 - a field's name
    """To the provider, which asks even whom it knows, and back to the page that needs it."""
    return _depart(door, local(next), again=True)


@router.get("/sign-in/oidc/callback")
def finish(door: Begin, code: str = "", state: str = "") -> Response:
    """Back from the provider: whoever it vouches for has an account, with no role until somebody grants one."""
    provider = _provider(door)
    try:
        journey = _journey(door.visit.request)
        vouched = provider.finish(journey, code=code, state=state)
        answer = _confirmed(door, journey, vouched) if journey.why == "confirm" else _signed_in(door, journey, vouched)
    except UsageProblem as problem:
        answer = _refused(door, problem)
    answer.delete_cookie(COOKIE, secure=True, httponly=True, path="/")
    return answer


def _signed_in(door: Door, journey: Journey, vouched: Vouched) -> Response:
    """A session; it counts as confirmed only when the provider says that they proved themselves just then."""
    account = identities.arrive(door.records, issuer=vouched.issuer, subject=vouched.subject, name=vouched.name)
    if vouched.one_factor and door.visit.settings.second_factor == "required":
        with door.records.reading() as session:
            if second_factor.decides(session, account.id):
                raise UsageProblem("account.sso_one_factor")
    secret = sessions.open(
        door.records, account=account.id, agent=agent_of(door.visit.request), proved_at=vouched.proved_at
    )
    return arrive(door.visit, secret, local(journey.next))


def _confirmed(door: Door, journey: Journey, vouched: Vouched) -> Response:
    """The same session goes on, confirmed; what the browser kept is not believed, only what the provider signed."""
    me = door.visit.me
    if me is None:
        raise SignInNeeded
    confirming.confirm_identity(
        door.records, me, issuer=vouched.issuer, subject=vouched.subject, proved_at=vouched.proved_at
    )
    return RedirectResponse(local(journey.next), status_code=303)


def _provider(door: Door) -> Provider:
    provider: Provider | None = door.visit.request.app.state.provider
    if provider is None:
        raise HTTPException(404)
    return provider


def _journey(request: Request) -> Journey:
    """What the browser kept; anything else is a journey that nobody began here."""
    try:
        kept = json.loads(base64.urlsafe_b64decode(request.cookies.get(COOKIE, "")))
        return Journey(**{name: str(kept[name]) for name in ("state", "nonce", "verifier", "next", "why")})
    except (ValueError, KeyError, TypeError) as problem:
        raise ProviderFault("account.sso_refused") from problem


def _refused(door: Door, problem: UsageProblem) -> Response:
    if door.visit.me is not None:  # who is signed in needs no sign-in page
        return refusal(door.visit, status_of(problem), problem=problem)
    return door.page("accounts/sign_in.html", status=status_of(problem), next="/", login="", problem=problem)
