"""One's own account: another password, ending all other sessions, and everything that is known about oneself."""

from collections.abc import Iterator
from datetime import timedelta
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated, Final

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response, StreamingResponse

from grader.errors import UsageProblem
from grader.services import exporting
from grader.services.accounts import Signed, sessions, signing_in, throttling
from portal.access.door import Allow, Door
from portal.clients import client_of
from portal.downloads import safe_name
from portal.errors import status_of

router = APIRouter()

Own = Annotated[Door, Depends(Allow("account.own"))]
Secure = Annotated[Door, Depends(Allow("account.secure"))]
"""What would be worth most to whoever found a browser open: it is confirmed once more."""

EXPORTS_AN_HOUR: Final = 4
"""Files of one account: each reads all work that was ever handed in."""
_IN_MEMORY: Final = 4 * 1024 * 1024
"""Bytes of an export before it goes to a file that has no name."""
_PIECE: Final = 256 * 1024


@router.get("/password")
def password_page(door: Own) -> Response:
    """The form for another password."""
    return door.page("accounts/password.html", problem=None)


@router.post("/password")
def change_password(door: Secure, password: Annotated[str, Form()] = "", new: Annotated[str, Form()] = "") -> Response:
    """Replace the password; whoever is signed in elsewhere with it is not any more."""
    me = _me(door)
    try:
        signing_in.change_password(
            door.records,
            account=me.account_id,
            password=password,
            new=new,
            network=client_of(door.visit),
            session_id=me.session_id,
        )
    except UsageProblem as problem:
        page = door.page("accounts/password.html", status=status_of(problem), problem=problem)
        if seconds := problem.params.get("seconds"):
            page.headers["Retry-After"] = str(seconds)
        return page
    return door.visit.say(RedirectResponse("/sessions", status_code=303), "said.password_changed")


@router.post("/sessions/end-others")
def end_others(door: Own) -> Response:
    """End all of one's own sessions but this one."""
    me = _me(door)
    sessions.end_all(door.records, account=me.account_id, by=door.by, but=me.session_id)
    return door.visit.say(RedirectResponse("/sessions", status_code=303), "said.others_ended")


@router.get("/my-data")
def my_data(door: Own) -> Response:
    """What there is about oneself, and the button that gives all of it."""
    return door.page("accounts/my_data.html", hourly=EXPORTS_AN_HOUR)


@router.post("/my-data/export")
def export(door: Secure) -> Response:
    """Everything as one file. It leaves an audit entry, so it is no page that is merely looked at."""
    me = _me(door)
    throttling.limit(door.records, key=f"my-data:{me.account_id}", most=EXPORTS_AN_HOUR, per=timedelta(hours=1))
    with door.records.reading() as session:
        subject = exporting.subject_of(session, me.login)
    file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - given back by what sends it
    try:
        exporting.write(door.records, subject, file, by=door.by)
    except BaseException:
        file.close()
        raise
    length = file.tell()
    return StreamingResponse(
        _pieces(file),
        media_type="application/zip",
        headers={**safe_name(f"my-data-{me.account_id}.zip"), "Content-Length": str(length)},
    )


def _me(door: Door) -> Signed:
    me = door.visit.me
    assert me is not None
    return me


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while piece := file.read(_PIECE):
            yield piece
