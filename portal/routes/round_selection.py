"""Several people of a round at once: their results as a file, more time, or everything of an exercise graded again.

Who is meant comes from the boxes of the table (``seat``), or is everybody whom its filters show (``everyone``).
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, HTTPException
from starlette.responses import RedirectResponse, Response

from grader.errors import UsageProblem
from grader.services import results, selecting
from grader.services.overview import Line, Overview
from portal import typed
from portal.access.door import Allow, Door
from portal.downloads import attachment
from portal.errors import NOT_FOUND, status_of
from portal.people_table import Wanted
from portal.routes.round_assignments import overview_of, regrade_page

router = APIRouter(prefix="/rounds/{round}/selection")

Export = Annotated[Door, Depends(Allow("round.export", limit="exports"))]
Change = Annotated[Door, Depends(Allow("round.change"))]
Regrade = Annotated[Door, Depends(Allow("regrade.begin", of="round"))]
Typed = Annotated[str, Form()]


@router.get("/results")
def export(door: Export, format: str = "xlsx") -> Response:  # noqa: A002 - a field's name
    """Their results, for a spreadsheet; it is noted who took how many."""
    seen = overview_of(door)
    chosen = [line.seat for line in _chosen(door, seen)]
    if not chosen:
        return _nobody(door, seen)
    kind: results.Format = "csv" if format == "csv" else "xlsx"
    lang = door.visit.lang
    made = results.export(door.records, code=door.id, seats=chosen, by=door.by, form=kind, lang=lang)
    types = {"csv": "text/csv; charset=utf-8"}
    spreadsheet = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return attachment(made, f"results-{door.id}.{kind}", types.get(kind, spreadsheet))


@router.get("/regrade")
def regrade_form(door: Regrade, target: str = "") -> Response:
    """The page before a regrade, for these people only."""
    seen = overview_of(door)
    chosen = _chosen(door, seen)
    if not chosen:
        return _nobody(door, seen)
    return regrade_page(door, _exercise(seen, target), chosen=[line.seat for line in chosen])


@router.get("/extension")
def extension_form(door: Change, target: str = "") -> Response:
    """Who would get more time, and until when they have now."""
    seen = overview_of(door)
    chosen = _chosen(door, seen)
    if not chosen:
        return _nobody(door, seen)
    return _extension(door, seen, _exercise(seen, target), [line.seat for line in chosen])


@router.post("/extension")
def extend(
    door: Change, *, target: Typed = "", seats: Typed = "", closes_at: Typed = "", reason: Typed = ""
) -> Response:
    """Give all of them more time, or nobody."""
    seen = overview_of(door)
    exercise, chosen = _exercise(seen, target), seats.split()
    column = next(one for one in seen.columns if one.exercise == exercise)
    try:
        selecting.extend(
            door.records, training=door.place.round, assignment=column.assignment, seats=chosen, by=door.by,
            reason=reason, closes_at=typed.moment(closes_at),
        )  # fmt: skip
    except UsageProblem as problem:
        if problem.code == "selection.nobody":
            return _nobody(door, seen)
        given = {"closes_at": closes_at, "reason": reason}
        return _extension(door, seen, exercise, chosen, problem=problem, given=given)
    return door.visit.say(RedirectResponse(f"/rounds/{door.id}", status_code=303), "said.selection.extended")


def _chosen(door: Door, seen: Overview) -> list[Line]:
    """The people who are meant, as the table had them."""
    asked = door.visit.request.query_params
    if asked.get("everyone"):
        return Wanted.of(seen, asked).lines(seen)
    ticked = set(asked.getlist("seat"))
    return [line for line in Wanted.of(seen, asked).lines(seen) if line.seat in ticked]


def _exercise(seen: Overview, target: str) -> str:
    if target not in {column.exercise for column in seen.columns}:
        raise HTTPException(404)
    return target


def _nobody(door: Door, seen: Overview) -> Response:
    problem = UsageProblem("selection.nobody")
    return door.page("rounds/nobody.html", status=status_of(problem), tab="", seen=seen, problem=problem)


def _extension(
    door: Door, seen: Overview, exercise: str, chosen: list[str], *, problem: UsageProblem | None = None,
    given: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    if problem is not None and problem.code in NOT_FOUND:
        raise problem
    column = next(one for one in seen.columns if one.exercise == exercise)
    planned: tuple[Any, ...] = ()
    try:
        until = typed.moment((given or {}).get("closes_at", ""))
    except UsageProblem:  # the form says so already
        until = None
    try:
        with door.records.reading() as session:
            planned = selecting.plan_extension(
                session, training=door.place.round, assignment=column.assignment, seats=chosen, closes_at=until
            )
    except UsageProblem as found:
        problem = found
    return door.page(
        "rounds/extension.html", status=status_of(problem) if problem else 200, tab="", seen=seen, column=column,
        planned=planned, seats=" ".join(chosen), given=given or {"closes_at": "", "reason": ""}, problem=problem,
    )  # fmt: skip
