"""The first page: a trainee's desk; for the staff, the way to what their roles are for."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from grader.errors import GraderError
from grader.reports.cards import Card
from grader.services.desk import desk
from grader.services.fetching import fetches_of
from portal.access.door import Allow, Door
from portal.latest import GRADED, Latest, latest_of
from portal.shelf import Shelf

router = APIRouter()


@router.get("/")
def home(door: Annotated[Door, Depends(Allow("home.read"))]) -> Response:
    """What is to be done, what is being graded, and the latest result."""
    me = door.visit.me
    assert me is not None
    if me.person_id is None:
        return door.page("home/staff.html")
    with door.records.reading() as session:
        now = door.records.database.now(session)
        rounds = desk(session, me.person_id, now)
        fetches = fetches_of(session, me.person_id, now)
        everything = [one for found in rounds for one in found.given]
        graded = [(handed.received_at, one) for one in everything for handed in one.handed if handed.outcome in GRADED]
        newest = max(graded, key=lambda pair: pair[0])[1] if graded else None
        latest = latest_of(session, newest.handed) if newest else None
    running = [(one, handed) for one in everything for handed in one.handed if handed.state in {"queued", "running"}]
    due = [
        (closes, one) for one in everything if one.state in {"to_do", "fail"} and (closes := one.allowance.closes_at)
    ]
    return door.page(
        "home/trainee.html",
        rounds=rounds,
        newest=newest,
        latest=latest,
        to_mend=_to_mend(door, latest) if latest else (),
        running=running,
        fetches=[(one, found) for one in fetches for found in everything if found.assignment == one.assignment_id],
        due=min(due, key=lambda pair: pair[0])[1] if due else None,
    )


def _to_mend(door: Door, latest: Latest) -> tuple[Card, ...]:
    shelf: Shelf = door.visit.request.app.state.shelf
    try:
        pack = shelf.pack(latest.verdict.exercise.digest)
    except GraderError:
        return ()  # the desk opens without a version that cannot be read; the report says what is wrong with it
    return latest.to_mend(pack, door.visit.lang)
