"""Exercises as they are given to rounds."""

from typing import Annotated

from fastapi import Depends, Request, Response

from grader.services import listing
from grader.services.listing import ListedAssignment
from portal.access.door import Allow, Door
from portal.api import cursors
from portal.api.entrance import AssignmentId, answers, header, staff_of
from portal.api.entrance import router as api_router
from portal.api.models import AssignmentOut, Page, Titles

router = api_router("assignments")

LINK = {"Link": header("The next page, rel=next; absent on the last.")}


@router.get("/assignments", responses=answers(401, 403, 404, 422, on_200=LINK))
def assignments(
    request: Request,
    response: Response,
    door: Annotated[Door, Depends(Allow("home.read"))],
    limit: cursors.Limit = cursors.USUAL,
    cursor: cursors.Cursor = "",
) -> Page[AssignmentOut]:
    """What one was given as a trainee, and what the rounds were given whose staff one belongs to."""
    me = door.visit.me
    assert me is not None
    place = cursors.unpack("assignments", cursor, 2)
    with door.records.reading() as session:
        rows = listing.assignments(
            session,
            person=me.person_id,
            staff_of=staff_of(door),
            at=door.records.database.now(session),
            limit=limit,
            after=(place[0], place[1]) if place else None,
        )
        items = tuple(_out(one) for one in rows[:limit])
    more = cursors.cut(rows, limit)
    following = cursors.pack("assignments", items[-1].round, items[-1].exercise) if more else None
    cursors.link(request, response, following, limit)
    return Page(items=items, next_cursor=following)


@router.get("/assignments/{assignment}", responses=answers(401, 403, 404))
def assignment(assignment: AssignmentId, door: Annotated[Door, Depends(Allow("assignment.read"))]) -> AssignmentOut:
    """One exercise in a round."""
    me = door.visit.me
    assert me is not None
    with door.records.reading() as session:
        now = door.records.database.now(session)
        return _out(listing.assignment(session, assignment, person=me.person_id, at=now))


def _out(one: ListedAssignment) -> AssignmentOut:
    given, row = one.mine, one.assignment
    allowance = given.allowance if given else None
    return AssignmentOut(
        id=row.id,
        exercise=row.exercise,
        version=row.version.version,
        digest=row.digest,
        title=Titles(th=row.version.title["th"], en=row.version.title["en"]),
        round=row.round.code,
        mandatory=row.mandatory,
        pass_points=row.version.pass_points,
        opens_at=row.opens_at,
        closes_at=allowance.closes_at if allowance else row.closes_at,
        attempts=allowance.attempts if allowance else row.attempts,
        state=given.state if given else None,
        used=allowance.used if allowance else None,
        left=allowance.left if allowance else None,
        refusal=allowance.refusal.code if allowance and allowance.refusal else None,
    )
