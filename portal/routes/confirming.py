"""The page on which somebody proves once more who they are, before something that cannot be taken back."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from grader.errors import UsageProblem
from grader.services.accounts import confirming
from portal.access.door import Allow, Door
from portal.clients import client_of
from portal.confirmation import Fields, ask, fields_of
from portal.errors import status_of
from portal.routes.general import local

router = APIRouter(prefix="/confirm")

Own = Annotated[Door, Depends(Allow("account.own"))]
Text = Annotated[str, Form()]


@router.get("")
def confirm_page(door: Own, next: str = "") -> Response:  # noqa: A002 - a field's name
    """The form, on the way to a page."""
    return ask(door.visit, to=local(next), kept=None, status=200)


@router.post("")
def confirm(door: Own, confirm_typed: Text = "", confirm_to: Text = "") -> Response:
    """Proved: on to the page."""
    to = local(confirm_to)
    try:
        _prove(door, confirm_typed)
    except UsageProblem as problem:
        return ask(door.visit, to=to, kept=None, problem=problem, status=status_of(problem))
    return RedirectResponse(to, status_code=303)


@router.post("/again")
def confirm_form(
    door: Own, kept: Annotated[Fields, Depends(fields_of)], confirm_typed: Text = "", confirm_to: Text = ""
) -> Response:
    """Proved: the browser sends the form again to where it belonged."""
    to = local(confirm_to)
    try:
        _prove(door, confirm_typed)
    except UsageProblem as problem:
        return ask(door.visit, to=to, kept=kept, problem=problem, status=status_of(problem))
    return RedirectResponse(to, status_code=307)


@router.get("/done")
def done(door: Own) -> Response:
    """Where the sign-in service leads when a form waits in another tab."""
    return door.page("accounts/confirmed.html")


def _prove(door: Door, typed: str) -> None:
    me = door.visit.me
    assert me is not None
    confirming.confirm(door.records, me, typed=typed, network=client_of(door.visit))
