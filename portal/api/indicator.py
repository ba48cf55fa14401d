"""The figure of a reporting round, for systems that show it elsewhere."""

from typing import Annotated, Literal, TypeAlias

from fastapi import Depends, Path

from grader import kpi
from grader.services import indicator
from grader.services.figures import Tally
from portal.access.door import Allow, Door
from portal.api.entrance import answers
from portal.api.entrance import router as api_router
from portal.api.indicator_models import ExerciseOut, ProgressOut, Trend, TrendPoint, UnitOut
from portal.api.models import Counted, Figure, UnitCount

router = api_router("indicator")

Year = Annotated[int, Path(ge=2500, le=2700, description="Fiscal year, B.E.")]
Code = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="Code of a reporting round, such as q1.")]
Read = Annotated[Door, Depends(Allow("kpi.read"))]
Hidden: TypeAlias = Literal["small", "protects"] | None


@router.get("/kpi/{year}/{code}", responses=answers(401, 403, 404, 422))
def figure(
    year: Year,
    code: Code,
    door: Read,
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


@router.get("/kpi/{year}/{code}/progress", responses=answers(401, 403, 404, 422))
def progress(year: Year, code: Code, door: Read) -> ProgressOut:
    """Who handed in, who passed at the first attempt, and how long it took; counted of the people in B."""
    told = indicator.progress(door.records, year, code)
    return ProgressOut(
        fiscal_year_be=year,
        code=code,
        as_of=told.as_of,
        handed_in=_counted(told.handed),
        passed_first=_counted(told.first),
        median_days=told.days,
        passed=told.passed,
    )


@router.get("/kpi/{year}/{code}/trend", responses=answers(401, 403, 404, 422))
def trend(year: Year, code: Code, door: Read) -> Trend:
    """The rounds up to this one: what was certified as it was certified, all else as the facts are now."""
    seen = indicator.overview(door.records, year, code)
    points = tuple(_point(one.round, one.tally, None, one.sha256) for one in seen.trend)
    return Trend(fiscal_year_be=year, code=code, as_of=seen.as_of, points=points)


@router.get("/kpi/{year}/{code}/units/{unit}", responses=answers(401, 403, 404, 422))
def unit_figure(
    year: Year,
    code: Code,
    unit: Annotated[str, Path(pattern=r"^unt_[0-9a-f]{16}$", description="Id of a unit, as the figure lists it.")],
    door: Read,
) -> UnitOut:
    """One unit with its rounds and exercises; a small number is hidden wherever it would stand."""
    seen = indicator.unit_page(door.records, year, code, unit)
    return UnitOut(
        fiscal_year_be=year,
        code=code,
        as_of=seen.as_of,
        points=tuple(_point(one.round, one.tally, one.hidden, one.sha256) for one in seen.trend),
        unit=seen.unit,
        name=seen.name,
        figure=_counted(seen.now.tally) if seen.now.tally else None,
        hidden=seen.now.hidden,
        more_passes_needed=seen.needed,
        exercises=tuple(
            ExerciseOut(exercise=one.exercise, handed_in=one.handed, passed=one.passed) for one in seen.exercises
        ),
    )


def _point(one: kpi.Round, tally: Tally | None, hidden: Hidden, sha256: str) -> TrendPoint:
    return TrendPoint(
        fiscal_year_be=one.fy_be,
        code=one.code,
        figure=_counted(tally) if tally else None,
        hidden=hidden,
        sha256=sha256 or None,
    )


def _counted(one: kpi.Figure | Tally) -> Counted:
    return Counted(a=one.a, b=one.b, percent=one.percent)
