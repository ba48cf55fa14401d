"""The first page: a trainee's desk; for the staff, the way to what their roles are for."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from grader.services.desk import desk
from portal.access.door import Allow, Door

router = APIRouter()


@router.get("/")
def home(door: Annotated[Door, Depends(Allow("home.read"))]) -> Response:
    """What is to be done, what is being graded, and the latest result."""
    me = door.visit.me
    assert me is not None
    if me.person_id is None:
        return door.page("home/staff.html")
    with door.records.reading() as session:
        rounds = desk(session, me.person_id, door.records.database.now(session))
    everything = [one for found in rounds for one in found.given]
    graded = [(one, handed) for one in everything for handed in one.handed if handed.outcome]
    latest = max(graded, key=lambda pair: pair[1].received_at, default=None)
    running = [(one, handed) for one in everything for handed in one.handed if handed.state in {"queued", "running"}]
    due = [
        (closes, one) for one in everything if one.state in {"to_do", "fail"} and (closes := one.allowance.closes_at)
    ]
    return door.page(
        "home/trainee.html",
        rounds=rounds,
        latest=latest,
        running=running,
        due=min(due, key=lambda pair: pair[0])[1] if due else None,
    )
