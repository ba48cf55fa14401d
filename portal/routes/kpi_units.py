"""The way into the indicator: choosing a year, a round and a unit, one unit by itself, and the numbers beside it."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import RedirectResponse, Response

from grader.services import indicator
from portal.access.door import Allow, Door

router = APIRouter(prefix="/kpi")

Read = Annotated[Door, Depends(Allow("kpi.read"))]


@router.get("/choose")
def choose(door: Read, year: str = "", code: str = "", unit: str = "") -> Response:
    """The page of what was chosen in the bar; a round that the year does not have leads to the year."""
    if not (year.isascii() and year.isdigit() and len(year) == 4):  # noqa: PLR2004 - digits of a year
        return RedirectResponse("/kpi", status_code=303)
    with door.records.reading() as session:
        known = {one.code for one in indicator.reporting_rounds(session, int(year))}
    if code not in known:
        return RedirectResponse(f"/kpi/{year}", status_code=303)
    below = f"/units/{unit}" if unit.isascii() and unit.isidentifier() else ""
    return RedirectResponse(f"/kpi/{year}/{code}{below}", status_code=303)


@router.get("/{year:int}/{code}/progress")
def progress(door: Read, year: int, code: str) -> Response:
    """Who handed in, who passed at once and how long it took, each with what it means."""
    told = indicator.progress(door.records, year, code)
    return door.page("kpi/progress.html", told=told, year=year, code=code, base=f"/kpi/{year}/{code}")


@router.get("/{year:int}/{code}/units/{unit}")
def unit_page(door: Read, year: int, code: str, unit: str) -> Response:
    """One unit: its A and B, how it stood before, and its exercises; the people are one link further."""
    seen = indicator.unit_page(door.records, year, code, unit)
    return door.page(
        "kpi/unit.html",
        seen=seen,
        year=year,
        code=code,
        base=f"/kpi/{year}/{code}",
        may_people=door.allows("kpi.people"),
    )
