"""Work that is being fetched from a git address: watched until it is handed in, or it is said why not."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import HTMLResponse, RedirectResponse, Response

from grader.errors import UsageProblem
from grader.services import fetching
from portal.access.door import Allow, Door
from portal.pages import Pages

router = APIRouter(prefix="/fetches/{fetch}")

Read = Annotated[Door, Depends(Allow("fetch.read"))]


@router.get("")
def fetch_page(door: Read) -> Response:
    """Where it is; without scripts the page loads itself again."""
    return door.page("fetches/fetch.html", may_cancel=door.allows("fetch.cancel"), **_now(door))


@router.get("/now")
def state(door: Read) -> Response:
    """The part of the page that changes; it asks for itself again while there is something to wait for."""
    pages: Pages = door.visit.request.app.state.pages
    return HTMLResponse(pages.render("fetches/now.html", visit=door.visit, **_now(door)))


@router.post("/cancel")
def cancel(door: Annotated[Door, Depends(Allow("fetch.cancel"))]) -> Response:
    """Want it no more."""
    back = RedirectResponse(f"/fetches/{door.id}", status_code=303)
    try:
        fetching.cancel_fetch(door.records, fetch=door.id, by=door.by, request=door.visit.request.state.request)
    except UsageProblem as problem:
        if problem.code != "git.nothing_to_cancel":
            raise
        return back  # it ended in the meantime, and the page says how
    return door.visit.say(back, "said.fetch_cancelled")


def _now(door: Door) -> dict[str, Any]:
    with door.records.reading() as session:
        found = fetching.fetch_of(session, door.id)
        exercise = found.assignment.exercise
    return {"fetch": found, "exercise": exercise, "under_way": found.state in {"waiting", "running"}}
