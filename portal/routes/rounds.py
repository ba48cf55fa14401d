"""Training rounds: who is where, what is common, and how exercises are given."""

from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from grader.errors import UsageProblem
from grader.reports.sorting import thai_key
from grader.services import causes, listing, reviewing, rounds, spread
from portal import typed
from portal.access.door import Allow, Door
from portal.errors import status_of
from portal.people_table import STATES, Wanted
from portal.routes.round_assignments import overview_of, shelf_of

router = APIRouter(prefix="/rounds")
one = APIRouter(prefix="/rounds/{round}")

Read = Annotated[Door, Depends(Allow("round.read"))]
Typed = Annotated[str, Form()]

PER_PAGE: Final = 100
MOST_CAUSES: Final = 5
"""On the first page of a round; the tab of an exercise has all."""


@router.get("")
def all_rounds(door: Annotated[Door, Depends(Allow("rounds.list"))], after: str = "") -> Response:
    """The rounds whose staff one belongs to."""
    return _rounds(door, after=after[:64])


@router.post("")
def create(
    door: Annotated[Door, Depends(Allow("round.create", of="rounds"))],
    *,
    code: Typed = "",
    name: Typed = "",
    starts_on: Typed = "",
    ends_on: Typed = "",
    sessions: Typed = "",
) -> Response:
    """Make a round: for coordinators of all rounds, because nobody could be coordinator of it before it is there."""
    given = {"code": code, "name": name, "starts_on": starts_on, "ends_on": ends_on, "sessions": sessions}
    try:
        made = rounds.create_round(
            door.records, code=code.strip(), name=name.strip()[:255], by=door.by, starts_on=typed.day(starts_on),
            ends_on=typed.day(ends_on), sessions=typed.number(sessions) or 0,
        )  # fmt: skip
    except UsageProblem as problem:
        return _rounds(door, problem=problem, given=given)
    return door.visit.say(RedirectResponse(f"/rounds/{made.code}", status_code=303), "said.staff.round_created")


@one.get("")
def one_round(door: Read, page: str = "1") -> Response:
    """People by exercises, who needs somebody, and what is common."""
    seen = overview_of(door)
    wanted = Wanted.of(seen, door.visit.request.query_params)
    columns, lines = wanted.columns(seen), wanted.lines(seen)
    number = max(int(page), 1) if page.isascii() and page.isdecimal() and len(page) < 6 else 1  # noqa: PLR2004 - digits
    first = min((number - 1) * PER_PAGE, max(len(lines) - 1, 0) // PER_PAGE * PER_PAGE)
    with door.records.reading() as session:
        common = [one for column in columns for one in causes.causes(session, seen.lines, column.exercise)]
        regrades = reviewing.regrades_of(session, door.place.round)
    common.sort(key=lambda one: -one.people)
    base = f"/rounds/{seen.code}"
    return door.page(
        "rounds/round.html",
        tab="",
        seen=seen,
        columns=columns,
        lines=lines[first : first + PER_PAGE],
        first=first + 1,
        total=len(lines),
        previous=wanted.address(base, page=first // PER_PAGE) if first else "",
        following=wanted.address(base, page=first // PER_PAGE + 2) if first + PER_PAGE < len(lines) else "",
        sort_address=lambda value: wanted.address(base, sort=value),
        wanted=wanted,
        units=sorted({(line.unit_code, line.unit) for line in seen.lines}, key=lambda one: thai_key(one[1])),
        states=STATES,
        causes=common[:MOST_CAUSES],
        regrades=regrades,
        may_change=door.allows("round.change"),
        may_regrade=door.allows("regrade.begin"),
    )


@one.get("/checks")
def checks(door: Read, exercise: str = "") -> Response:
    """One exercise: every cause, and how each check did."""
    seen = overview_of(door)
    column = next((one for one in seen.columns if one.exercise == exercise), seen.columns[0] if seen.columns else None)
    if column is None:
        return door.page("rounds/checks.html", tab="checks", seen=seen, column=None)
    pack = shelf_of(door).pack(column.digest)
    with door.records.reading() as session:
        return door.page(
            "rounds/checks.html",
            tab="checks",
            seen=seen,
            column=column,
            pack=pack,
            causes=causes.causes(session, seen.lines, column.exercise),
            checks=causes.checks(session, seen.lines, column.exercise, tuple(pack.checks)),
            bands=spread.histogram(seen.lines, column.exercise),
            discriminations=spread.discriminations(session, seen.lines, column.exercise, tuple(pack.checks)),
        )


def _rounds(
    door: Door, *, after: str = "", problem: UsageProblem | None = None, given: dict[str, str] | None = None
) -> Response:
    me = door.visit.me
    assert me is not None
    within = {round_id for role, round_id in me.roles if role in {"instructor", "coordinator"} and round_id}
    everywhere = any(role in {"instructor", "coordinator"} and not round_id for role, round_id in me.roles)
    with door.records.reading() as session:
        rows = listing.training_rounds(session, within=None if everywhere else within, limit=PER_PAGE, after=after)
    return door.page(
        "rounds/rounds.html",
        status=status_of(problem) if problem else 200,
        rounds=rows[:PER_PAGE],
        after=after,
        following=f"/rounds?{urlencode({'after': rows[PER_PAGE - 1].training.code})}" if len(rows) > PER_PAGE else "",
        may_create=door.allows("round.create"),
        problem=problem,
        given=given or {},
    )
