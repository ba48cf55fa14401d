"""What the office decides about the indicator, changed where it is read: its words, and the days of its rounds.

Each form carries the state that it was made from; when somebody else changed that meanwhile, nothing is written.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from grader.errors import UsageProblem
from grader.kpi import Round
from grader.services import indicator
from portal.access.door import Allow, Door
from portal.errors import NOT_FOUND, status_of
from portal.routes.kpi import version_in
from portal.typed import day, moment, shown

router = APIRouter(prefix="/kpi")

Read = Annotated[Door, Depends(Allow("kpi.read"))]
Change = Annotated[Door, Depends(Allow("kpi.change"))]
Confirm = Annotated[Door, Depends(Allow("kpi.confirm"))]
Text = Annotated[str, Form()]


@router.get("/definition/{year:int}")
def definition(door: Read, year: int, passage: str = "") -> Response:
    """The texts of a year's definition with who confirmed each, all earlier versions, and one text to change."""
    return _definition(door, year, passage)


@router.post("/definition/{year:int}")
def define(door: Change, year: int, passage: Text = "", text: Text = "", seen: Text = "") -> Response:
    """Write a text anew; the version before stays as it is."""
    try:
        indicator.define(door.records, year, {passage: text}, by=door.by, seen=version_in(seen))
    except UsageProblem as problem:
        return _definition(door, year, passage, problem=problem, typed={"text": text})
    return door.visit.say(RedirectResponse(f"/kpi/definition/{year}", 303), "said.definition_changed")


@router.post("/definition/{year:int}/confirm")
def confirm(
    door: Confirm, year: int, *, passage: Text = "", source: Text = "", confirmed_by: Text = "", seen: Text = ""
) -> Response:
    """Note that a text is right: who said so, in which document."""
    told = {"source": source.strip(), "confirmed_by": confirmed_by.strip()}
    try:
        indicator.confirm_definition(door.records, year, passage, by=door.by, seen=version_in(seen), **told)
    except UsageProblem as problem:
        return _definition(door, year, passage, problem=problem, typed=told)
    return door.visit.say(RedirectResponse(f"/kpi/definition/{year}", 303), "said.setting_confirmed")


@router.get("/{year:int}/{code}/dates")
def dates(door: Change, year: int, code: str) -> Response:
    """When a round is cut off, when its report is due, and what it is called."""
    return _dates(door, year, code)


@router.post("/{year:int}/{code}/dates")
def set_dates(
    door: Change, year: int, code: str, *, label: Text = "", cutoff: Text = "", due: Text = "", seen: Text = ""
) -> Response:
    """Set them; snapshots keep those that they were taken with."""
    typed = {"label": label, "cutoff": cutoff, "due": due}
    with door.records.reading() as session:
        known = indicator.reporting_round(session, year, code)
    try:
        # A clock of minutes must not cut off the seconds of what nobody touched.
        cutoff_at = known.cutoff_at if cutoff.strip() == shown(known.cutoff_at) else moment(cutoff)
        days = {"cutoff_at": cutoff_at, "report_due": day(due), "label": label.strip()[:255]}
        wanted = Round(**{**dict(known), **days})
        indicator.set_round(door.records, wanted, by=door.by, seen=seen or "none")
    except UsageProblem as problem:
        return _dates(door, year, code, problem=problem, typed=typed)
    return door.visit.say(RedirectResponse(f"/kpi/{year}/{code}", 303), "said.round_dates")


def _definition(door: Door, year: int, passage: str, *, problem: Any = None, typed: Any = None) -> Response:
    if problem is not None and problem.code in NOT_FOUND:
        raise problem
    with door.records.reading() as session:
        now = indicator.definition_of(session, year)
        history = indicator.history_of(session, year)
    chosen = passage if passage in indicator.PASSAGES else ""
    return door.page(
        "kpi/definition.html",
        status=200 if problem is None else status_of(problem),
        year=year,
        latest=now,
        passages=indicator.PASSAGES,
        chosen=chosen,
        history=[one for one in history if chosen in {"", *one.changed}],
        may_change=door.allows("kpi.change"),
        may_confirm=door.allows("kpi.confirm"),
        problem=problem,
        typed=typed or {},
    )


def _dates(door: Door, year: int, code: str, *, problem: Any = None, typed: Any = None) -> Response:
    with door.records.reading() as session:
        found = indicator.reporting_round(session, year, code)
        kept = indicator.kept_reports(session, year, code)
    return door.page(
        "kpi/dates.html",
        status=200 if problem is None else status_of(problem),
        found=found,
        kept=kept,
        values={
            "label": found.label,
            "cutoff": shown(found.cutoff_at),
            "due": found.report_due.isoformat() if found.report_due else "",
            **(typed or {}),
        },
        seen=indicator.stamp_of(found),
        year=year,
        code=code,
        base=f"/kpi/{year}/{code}",
        problem=problem,
    )
