"""The exercises of a round: given, changed, and graded again as a whole."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, HTTPException
from starlette.responses import RedirectResponse, Response

from grader.errors import UsageProblem
from grader.packs import Pack
from grader.services import authoring, reviewing, rounds, selecting
from grader.services.overview import Column, Overview, overview
from portal import typed
from portal.access.door import Allow, Door
from portal.errors import status_of
from portal.shelf import Shelf

router = APIRouter(prefix="/rounds/{round}/assignments")

Read = Annotated[Door, Depends(Allow("round.read"))]
Change = Annotated[Door, Depends(Allow("round.change"))]
Regrade = Annotated[Door, Depends(Allow("regrade.begin", of="round"))]
Begin = Annotated[Door, Depends(Allow("regrade.begin", of="round", limit="regrades"))]
Typed = Annotated[str, Form()]

LATE: Final = ("mark", "count")


@router.get("")
def assignments(door: Read) -> Response:
    """What the round was given, and what it could be given."""
    seen = overview_of(door)
    given, may_change = {column.exercise for column in seen.columns}, door.allows("round.change")
    with door.records.reading() as session:
        regrades = reviewing.regrades_of(session, door.place.round)
    return door.page(
        "rounds/assignments.html",
        tab="assignments",
        seen=seen,
        others=[pack for pack in _newest(door).values() if pack.id not in given] if may_change else [],
        regrades=regrades,
        may_change=may_change,
        may_regrade=door.allows("regrade.begin"),
    )


@router.get("/{exercise}")
def assignment(door: Change, exercise: str) -> Response:
    """The form of one exercise."""
    seen, column, pack = _given(door, exercise)
    given = {"opens_at": "", "closes_at": "", "attempts": "", "late": "mark", "mandatory": "1"}
    if column is not None:
        given = {
            "opens_at": typed.shown(column.opens_at),
            "closes_at": typed.shown(column.closes_at),
            "attempts": str(column.attempts or ""),
            "late": column.late,
            "mandatory": "1" if column.mandatory else "",
        }
    return _assignment(door, seen, column, pack, given=given)


@router.post("/{exercise}")
def assign(
    door: Change,
    exercise: str,
    *,
    opens_at: Typed = "",
    closes_at: Typed = "",
    attempts: Typed = "",
    late: Typed = "mark",
    mandatory: Typed = "",
) -> Response:
    """Give an exercise, or change how it is given; its version stays, because a new one is what regrades are for."""
    seen, column, pack = _given(door, exercise)
    given = {
        "opens_at": opens_at, "closes_at": closes_at, "attempts": attempts, "late": late, "mandatory": mandatory,
    }  # fmt: skip
    try:
        rounds.assign(
            door.records, round_code=seen.code, pack=pack, by=door.by, opens_at=typed.moment(opens_at),
            closes_at=typed.moment(closes_at), attempts=typed.number(attempts), late=late if late in LATE else LATE[0],
            mandatory=bool(mandatory),
        )  # fmt: skip
    except UsageProblem as problem:
        return _assignment(door, seen, column, pack, given=given, problem=problem)
    answer = RedirectResponse(f"/rounds/{seen.code}/assignments", status_code=303)
    return door.visit.say(answer, "said.staff.assigned")


@router.get("/{exercise}/regrade")
def regrade_form(door: Regrade, exercise: str) -> Response:
    """Before everything of an exercise is graded again: what for, and with which version."""
    return regrade_page(door, exercise)


@router.post("/{exercise}/regrade")
def regrade(door: Begin, exercise: str, *, reason: Typed = "", seats: Typed = "") -> Response:
    """Grade again, in the shadow, with the version that is here now: everything, or what ``seats`` handed in."""
    seen, column, _ = _given(door, exercise)
    newest = _newest(door).get(exercise)
    if column is None or newest is None:
        raise HTTPException(404)
    chosen = seats.split() if seats.strip() else None
    try:
        begun = selecting.regrade(
            door.records, assignment=column.assignment, pack=newest, by=door.by, reason=reason,
            works=None if chosen is None else selecting.works_of(seen.lines, chosen, exercise),
        )  # fmt: skip
    except UsageProblem as problem:
        return regrade_page(door, exercise, problem=problem, reason=reason, chosen=chosen)
    return door.visit.say(RedirectResponse(f"/regrades/{begun.id}", status_code=303), "said.staff.regrade_begun")


def regrade_page(
    door: Door, exercise: str, *, chosen: list[str] | None = None, problem: UsageProblem | None = None,
    reason: str = "",
) -> Response:  # fmt: skip
    """The page before a regrade; ``chosen`` are the seats that it is about, None for everybody."""
    seen, column, _ = _given(door, exercise)
    newest = _newest(door).get(exercise)
    if column is None or newest is None:
        raise HTTPException(404)
    people = [line for line in seen.lines if chosen is None or line.seat in chosen]
    works = selecting.works_of(people, {line.seat for line in people}, exercise)
    with door.records.reading() as session:
        minutes = selecting.minutes_for(session, column.assignment, len(works), door.records.database.now(session))
    return door.page(
        "rounds/regrade.html",
        status=status_of(problem) if problem else 200,
        tab="assignments",
        seen=seen,
        column=column,
        newest=newest,
        works=len(works),
        minutes=minutes,
        chosen=None if chosen is None else people,
        problem=problem,
        reason=reason,
    )


def overview_of(door: Door) -> Overview:
    """The round of the door as it is now."""
    with door.records.reading() as session:
        return overview(session, door.id, door.records.database.now(session))


def shelf_of(door: Door) -> Shelf:
    """The exercises as they were given."""
    shelf: Shelf = door.visit.request.app.state.shelf
    return shelf


def _given(door: Door, exercise: str) -> tuple[Overview, Column | None, Pack]:
    """An exercise that the round has, or could have; an id is looked for among what is here, never used as a path."""
    seen = overview_of(door)
    column = next((one for one in seen.columns if one.exercise == exercise), None)
    pack = shelf_of(door).pack(column.digest) if column else _newest(door).get(exercise)
    if pack is None:
        raise HTTPException(404)
    return seen, column, pack


def _newest(door: Door) -> dict[str, Pack]:
    """The exercises in the folder of the installation, by id; one that does not load hides no other."""
    found = authoring.folders(door.visit.settings.base.exercises)
    return {one.pack.id: one.pack for one in found if one.pack is not None}


def _assignment(
    door: Door, seen: Overview, column: Column | None, pack: Pack, *, given: dict[str, str],
    problem: UsageProblem | None = None,
) -> Response:  # fmt: skip
    return door.page(
        "rounds/assignment.html",
        status=status_of(problem) if problem else 200,
        tab="assignments", seen=seen, column=column, pack=pack, given=given, late=LATE, problem=problem,
    )  # fmt: skip
