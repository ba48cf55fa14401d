"""The figure of a reporting round, for systems that show it elsewhere."""

from typing import Annotated

from fastapi import Depends, Path

from grader import kpi
from grader.services import indicator
from portal.access.door import Allow, Door
from portal.api.entrance import answers
from portal.api.entrance import router as api_router
from portal.api.models import Counted, Figure, UnitCount

router = api_router("indicator")


@router.get("/kpi/{year}/{code}", responses=answers(401, 403, 404, 422))
def figure(
    year: Annotated[int, Path(ge=2500, le=2700, description="Fiscal year, B.E.")],
    code: Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="Code of a reporting round, such as q1.")],
    door: Annotated[Door, Depends(Allow("kpi.read"))],
) -> Figure:
    """A and B as the facts are now, with their units; small ones are hidden, and nobody is named."""
    now = indicator.live(door.records, year, code)
    return Figure(
        fiscal_year_be=year,
        code=code,
        a=now.a,
        b=now.b,
        percent=now.percent,
        score=now.score,
        first_day=now.period.first,
        last_day=now.period.last,
        cutoff=now.round.cutoff,
        as_of=now.as_of,
        final=now.final,
        unconfirmed=now.unconfirmed,
        settings_version=now.settings_version,
        definition_version=now.definition_version,
        units=tuple(
            UnitCount(unit=one.unit, figure=_counted(one.figure) if one.figure else None, hidden=one.hidden)
            for one in now.units.rows
        ),
    )


def _counted(one: kpi.Figure) -> Counted:
    return Counted(a=one.a, b=one.b, percent=one.percent)
