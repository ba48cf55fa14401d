"""Training rounds and their rosters, for the staff."""

from typing import Annotated

from fastapi import Depends, Request, Response

from grader.services import listing
from grader.services.listing import ListedRound
from portal.access.door import Allow, Door
from portal.api import cursors
from portal.api.assignments import LINK
from portal.api.entrance import RoundCode, answers, staff_of
from portal.api.entrance import router as api_router
from portal.api.models import Page, RoundOut, SeatOut
from portal.api.problems import Refused

router = api_router("rounds")


@router.get("/rounds", responses=answers(401, 403, 404, 422, on_200=LINK))
def rounds(
    request: Request,
    response: Response,
    door: Annotated[Door, Depends(Allow("rounds.list"))],
    limit: cursors.Limit = cursors.USUAL,
    cursor: cursors.Cursor = "",
) -> Page[RoundOut]:
    """The rounds whose staff one belongs to, by their codes."""
    place = cursors.unpack("rounds", cursor, 1)
    with door.records.reading() as session:
        rows = listing.training_rounds(session, within=staff_of(door), limit=limit, after=place[0] if place else "")
        items = tuple(_out(one) for one in rows[:limit])
    following = cursors.pack("rounds", items[-1].code) if cursors.cut(rows, limit) else None
    cursors.link(request, response, following, limit)
    return Page(items=items, next_cursor=following)


@router.get("/rounds/{round}", responses=answers(401, 403, 404))
def one_round(round: RoundCode, door: Annotated[Door, Depends(Allow("round.read"))]) -> RoundOut:  # noqa: A002 - a kind
    """One round."""
    with door.records.reading() as session:
        return _out(listing.training_rounds(session, within=None, limit=1, code=round)[0])


@router.get("/rounds/{round}/roster", responses=answers(401, 403, 404, 422, on_200=LINK))
def roster(
    *,
    round: RoundCode,  # noqa: A002 - a kind
    request: Request,
    response: Response,
    door: Annotated[Door, Depends(Allow("roster.read", of="round"))],
    limit: cursors.Limit = cursors.USUAL,
    cursor: cursors.Cursor = "",
) -> Page[SeatOut]:
    """Who has a seat in a round, by the codes of the people."""
    place = cursors.unpack("roster", cursor, 2)
    if place and place[0] != round:
        raise Refused(404, "api.cursor")
    with door.records.reading() as session:
        rows = listing.roster(session, round_code=round, limit=limit, after=place[1] if place else "")
        items = tuple(
            SeatOut(
                person=one.person.code,
                name=one.person.name,
                unit=one.unit.code,
                unit_name=one.unit.name,
                part=one.part,
            )
            for one in rows[:limit]
        )
    following = cursors.pack("roster", round, items[-1].person) if cursors.cut(rows, limit) else None
    cursors.link(request, response, following, limit)
    return Page(items=items, next_cursor=following)


def _out(one: ListedRound) -> RoundOut:
    row = one.training
    return RoundOut(
        code=row.code,
        name=row.name,
        starts_on=row.starts_on,
        ends_on=row.ends_on,
        sessions=row.sessions,
        seats=one.seats,
        exercises=one.exercises,
    )
