"""The tokens of one's own programs: made, shown once, and revoked. Only somebody who is signed in gets here."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from grader.errors import UsageProblem
from grader.services.accounts import SCOPES, tokens
from portal.access.door import Allow, Door

router = APIRouter(prefix="/tokens")

Own = Annotated[Door, Depends(Allow("account.own"))]

LASTS: Final = (30, 90, 180, 365)
"""Days that a token may last; none lasts for ever."""
USUAL: Final = 90
BEGINNING: Final = ("submit", "read")
"""What the command needs."""

FIELD: Final = {"token.name": "name", "token.scopes": "scopes", "token.lasts": "days"}


@router.get("")
def tokens_page(door: Own) -> Response:
    """Those that are in use, and the form for another."""
    return _page(door)


@router.post("")
def make(
    door: Own,
    name: Annotated[str, Form()] = "",
    scopes: Annotated[list[str] | None, Form()] = None,
    days: Annotated[str, Form()] = "",
) -> Response:
    """Make one. The answer is the only place where it ever stands."""
    me = door.visit.me
    assert me is not None
    lasts = next((one for one in LASTS if str(one) == days), 0)  # what is not on the list is refused by the service
    try:
        secret = tokens.make(
            door.records, account=me.account_id, name=name, scopes=scopes or [], by=door.by, days=lasts
        )
    except UsageProblem as problem:
        return _page(door, status=422, problem=problem, name=name, scopes=scopes or [], days=lasts)
    return _page(door, status=201, secret=secret)


@router.post("/{token}/revoke")
def revoke(door: Own, token: str) -> Response:
    """Let one of one's own open nothing any more."""
    me = door.visit.me
    assert me is not None
    tokens.revoke(door.records, account=me.account_id, token_id=token, by=door.by)
    return door.visit.say(RedirectResponse("/tokens", status_code=303), "said.token_revoked")


def _page(door: Door, *, status: int = 200, **values: Any) -> Response:
    me = door.visit.me
    assert me is not None
    with door.records.reading() as session:
        mine = tokens.tokens_of(session, me.account_id)
    form = {"name": "", "scopes": BEGINNING, "days": USUAL, "problem": None, "secret": ""}
    return door.page(
        "accounts/tokens.html",
        status=status,
        tokens=mine,
        known=SCOPES,
        lasts=LASTS,
        fields=FIELD,
        origin=door.visit.settings.origin,
        **{**form, **values},
    )
