"""The second step of signing in, and the page on which people look after their own second factor."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from grader.errors import UsageProblem
from grader.reports import qr
from grader.services.accounts import Signed, second_factor, second_step
from grader.services.accounts.second_step import Half
from portal.access.door import Allow, Door
from portal.clients import client_of
from portal.errors import status_of
from portal.routes.accounts import HALF_COOKIE, arrive, forget_half
from portal.routes.general import local

router = APIRouter()
step = APIRouter(prefix="/sign-in/second")
own = APIRouter(prefix="/second-factor")

Begin = Annotated[Door, Depends(Allow("session.begin"))]
Secure = Annotated[Door, Depends(Allow("account.secure"))]
Text = Annotated[str, Form()]

PRODUCT: Final = "Anamai API Grader"
"""What a device calls the account, with the name of this installation behind it."""


# -- the second step --------------------------------------------------------------------------------------------------


@step.get("")
def step_page(door: Begin, next: str = "") -> Response:  # noqa: A002 - a field's name
    """The code; for who has no second factor yet, how to get one."""
    half = _half(door)
    if half is None:
        return RedirectResponse("/sign-in", status_code=303)
    return _code_page(door, local(next)) if half.enrolled else _first_page(door, half, local(next))


@step.post("")
def step_code(door: Begin, code: Text = "", next: Text = "") -> Response:  # noqa: A002 - a field's name
    """The code is right: a session, under an identifier that nobody knew before."""
    visit = door.visit
    try:
        secret = second_step.finish(visit.records, secret=_kept(door), code=code, network=client_of(visit))
    except UsageProblem as problem:
        if problem.code == "account.half_over":
            return _begin_again(door, problem)
        return _code_page(door, local(next), problem=problem)
    return forget_half(arrive(visit, secret, local(next)))


@step.post("/enrol")
def step_enrol(door: Begin, offer: Text = "", code: Text = "", next: Text = "") -> Response:  # noqa: A002 - same
    """The device shows the right code: a session, and the codes for paper, which are shown this once."""
    visit, half = door.visit, _half(door)
    if half is None or half.enrolled:
        return _begin_again(door, UsageProblem("account.half_over"))
    try:
        secret, codes = second_step.enrol(
            visit.records, secret=_kept(door), sealed=offer, code=code, network=client_of(visit)
        )
    except UsageProblem as problem:
        if problem.code == "account.half_over":
            return _begin_again(door, problem)
        return _first_page(door, half, local(next), sealed=offer, problem=problem)
    page = door.page("second_factor/codes.html", codes=codes, next=local(next), first=True)
    return forget_half(arrive(visit, secret, local(next), page))


# -- one's own --------------------------------------------------------------------------------------------------------


@own.get("")
def own_page(door: Secure) -> Response:
    """What one has, and what can be done about it."""
    with door.records.reading() as session:
        standing = second_factor.standing(session, _me(door).account_id)
        decides = second_factor.decides(session, _me(door).account_id)
    required = decides and door.visit.settings.second_factor == "required"
    return door.page("second_factor/own.html", standing=standing, required=required)


@own.get("/new")
def new_page(door: Secure) -> Response:
    """A fresh secret for a device: the first one, or one in place of another."""
    return _offer_page(door, _me(door).account_id, action="/second-factor/new", next="/second-factor")


@own.post("/new")
def enrol(door: Secure, offer: Text = "", code: Text = "") -> Response:
    """The device shows the right code: it is the second factor from now on."""
    me = _me(door)
    try:
        codes = second_factor.enrol(
            door.records,
            account=me.account_id,
            sealed=offer,
            code=code,
            network=client_of(door.visit),
            session_id=me.session_id,
        )
    except UsageProblem as problem:
        return _offer_page(
            door, me.account_id, action="/second-factor/new", next="/second-factor", sealed=offer, problem=problem
        )
    return door.page("second_factor/codes.html", codes=codes, next="/second-factor", first=False)


@own.post("/codes")
def renew_codes(door: Secure) -> Response:
    """Fresh codes for paper, shown this once."""
    codes = second_factor.renew_codes(door.records, account=_me(door).account_id)
    return door.page("second_factor/codes.html", codes=codes, next="/second-factor", first=False)


router.include_router(step)
router.include_router(own)


# -- inside -----------------------------------------------------------------------------------------------------------


def _me(door: Door) -> Signed:
    me = door.visit.me
    assert me is not None
    return me


def _kept(door: Door) -> str:
    return door.visit.request.cookies.get(HALF_COOKIE, "")


def _half(door: Door) -> Half | None:
    return second_step.half_of(door.records, _kept(door))


def _begin_again(door: Door, problem: UsageProblem) -> Response:
    page = door.page("accounts/sign_in.html", status=status_of(problem), next="/", login="", problem=problem)
    return forget_half(page)


def _code_page(door: Door, address: str, *, problem: UsageProblem | None = None) -> Response:
    status = 200 if problem is None else status_of(problem)
    return _paused(door.page("second_factor/step.html", status=status, next=address, problem=problem), problem)


def _first_page(door: Door, half: Half, address: str, **values: Any) -> Response:
    return _offer_page(door, half.account_id, action="/sign-in/second/enrol", next=address, first=True, **values)


def _offer_page(
    door: Door,
    account: str,
    *,
    action: str,
    next: str,  # noqa: A002 - a field's name
    first: bool = False,
    sealed: str = "",
    problem: UsageProblem | None = None,
) -> Response:
    """The QR code and the secret in letters; after a wrong code the same ones, which the device has already."""
    issuer = f"{PRODUCT} {door.visit.settings.host}"
    kept = second_factor.offered(door.records, account=account, sealed=sealed, issuer=issuer) if sealed else None
    offer = kept or second_factor.offer(door.records, account=account, issuer=issuer)
    drawn = qr.data_uri(offer.address)
    status = 200 if problem is None else status_of(problem)
    page = door.page(
        "second_factor/enrol.html",
        status=status,
        action=action,
        next=next,
        first=first,
        offer=offer,
        drawn=drawn,
        problem=problem,
    )
    return _paused(page, problem)


def _paused(page: Response, problem: UsageProblem | None) -> Response:
    if problem is not None and (seconds := problem.params.get("seconds")):
        page.headers["Retry-After"] = str(seconds)
    return page
