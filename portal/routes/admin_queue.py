"""The queue as operators see it: jobs by state, and what may be done about them."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from grader.errors import UsageProblem
from grader.queue import outlook
from grader.services import operating, overseeing
from portal.access.door import Allow, Door
from portal.errors import NOT_FOUND, status_of

router = APIRouter(prefix="/admin/queue")

Read = Annotated[Door, Depends(Allow("admin.read"))]
Change = Annotated[Door, Depends(Allow("queue.change"))]

STATES: Final = ("needs_operator", "running", "queued", "done", "cancelled")
"""In the order in which they matter to somebody who looks after the queue."""


@router.get("")
def queue(door: Read, state: str = "", after: str = "") -> Response:
    """Jobs of one state; without a choice, the first state that has any."""
    return _page(door, state, after=after)


@router.post("/{job}/retry")
def retry(door: Change, job: str) -> Response:
    """Let a job that used up its tries try again."""
    try:
        operating.retry(door.records, job=job, by=door.by)
    except UsageProblem as problem:
        return _refused(door, "needs_operator", problem)
    return _back(door, "queued", "said.admin.retried")


@router.post("/{job}/cancel")
def cancel(door: Change, job: str, reason: Annotated[str, Form()] = "", state: Annotated[str, Form()] = "") -> Response:
    """Let nobody wait for a job any more; the submission stays."""
    try:
        operating.cancel(door.records, job=job, by=door.by, reason=reason)
    except UsageProblem as problem:
        return _refused(door, state, problem, tried=job, reason=reason)
    return _back(door, "cancelled", "said.admin.cancelled")


def _back(door: Door, state: str, said: str) -> Response:
    return door.visit.say(RedirectResponse(f"/admin/queue?state={state}", status_code=303), said)


def _refused(door: Door, state: str, problem: UsageProblem, **typed: str) -> Response:
    if problem.code in NOT_FOUND:
        raise problem
    return _page(door, state, status=status_of(problem), problem=problem, **typed)


def _page(door: Door, state: str, *, status: int = 200, after: str = "", **values: Any) -> Response:
    with door.records.reading() as session:
        now = door.records.database.now(session)
        counts = overseeing.counts(session)
        chosen = state if state in STATES else next((one for one in STATES if counts.get(one)), "queued")
        found = overseeing.jobs(session, chosen, after=after)
        seen = outlook(session, now)
        workers = overseeing.workers(session, now)
    return door.page(
        "admin/queue.html",
        status=status,
        states=STATES,
        state=chosen,
        counts=counts,
        found=found,
        seen=seen,
        workers=workers,
        after=after,
        **{"problem": None, "tried": "", "reason": "", **values},
    )
