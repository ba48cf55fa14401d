"""One regrade: how far it is, what it would change, and the decision about it."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, HTTPException
from starlette.responses import RedirectResponse, Response

from grader.errors import UsageProblem
from grader.services import regrading
from grader.services.reviewing import regrade_seen
from portal.access.door import Allow, Door
from portal.errors import status_of

router = APIRouter(prefix="/regrades/{regrade}")

Read = Annotated[Door, Depends(Allow("regrade.read"))]
Decide = Annotated[Door, Depends(Allow("regrade.decide"))]

DECISIONS: Final = ("apply", "drop")


@router.get("")
def progress(door: Read) -> Response:
    """How far it is, and who would get what."""
    return _page(door)


@router.get("/{decision}")
def confirm(door: Decide, decision: str) -> Response:
    """Before a regrade is applied or dropped: what that does, said once more."""
    if decision not in DECISIONS:
        raise HTTPException(404)
    with door.records.reading() as session:
        seen = regrade_seen(session, door.id)
    if seen.state != "running":
        return RedirectResponse(f"/regrades/{door.id}", status_code=303)
    return door.page("regrades/confirm.html", seen=seen, decision=decision)


@router.post("/{decision}")
def decide(door: Decide, decision: str, changes: Annotated[str, Form()] = "") -> Response:
    """Let the new results stand, or forget them. ``changes`` is how many the page had shown."""
    if decision not in DECISIONS:
        raise HTTPException(404)
    try:
        if decision == "apply":
            _as_shown(door, changes)
            regrading.apply(door.records, regrade=door.id, by=door.by)
        else:
            regrading.drop(door.records, regrade=door.id, by=door.by)
    except UsageProblem as problem:
        return _page(door, problem=problem)
    answer = RedirectResponse(f"/regrades/{door.id}", status_code=303)
    return door.visit.say(answer, "said.staff.regrade_applied" if decision == "apply" else "said.staff.regrade_dropped")


def _as_shown(door: Door, changes: str) -> None:
    """Nobody applies differences that they did not see: what was graded after the page is looked at first."""
    with door.records.reading() as session:
        seen = regrade_seen(session, door.id)
    if seen.state == "running" and seen.done == seen.total and changes != str(len(seen.changes)):
        raise UsageProblem("regrade.changed_meanwhile", seen=changes[:9] or "0", found=len(seen.changes))


def _page(door: Door, *, problem: UsageProblem | None = None) -> Response:
    with door.records.reading() as session:
        seen = regrade_seen(session, door.id)
    return door.page(
        "regrades/regrade.html",
        status=status_of(problem) if problem else 200,
        seen=seen,
        may_decide=door.allows("regrade.decide"),
        problem=problem,
    )
