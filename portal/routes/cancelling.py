"""Taking own work back while it waits or is graded: first what it costs, then doing it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from grader.errors import UsageProblem
from grader.services.cancelling import cancel_submission, cancelling
from grader.services.following import open_submission
from portal.access.door import Allow, Door

router = APIRouter(prefix="/submissions/{submission}/cancel")

Cancel = Annotated[Door, Depends(Allow("submission.cancel"))]


@router.get("")
def confirm_page(door: Cancel) -> Response:
    """What cancelling would cost now."""
    return _page(door)


@router.post("")
def cancel(door: Cancel, counts: Annotated[str, Form()] = "") -> Response:
    """Cancel at the price that the page named; a higher one is asked for again."""
    try:
        done = cancel_submission(
            door.records,
            submission=door.id,
            by=door.by,
            counts=counts == "1",
            request=door.visit.request.state.request,
        )
    except UsageProblem as problem:
        if problem.code not in {"submission.nothing_to_cancel", "submission.cancel_counts"}:
            raise
        return _page(door, problem=problem)
    answer = RedirectResponse(f"/submissions/{door.id}/live", status_code=303)
    return door.visit.say(answer, "said.cancelled_counts" if done.counts else "said.cancelled")


def _page(door: Door, problem: UsageProblem | None = None) -> Response:
    with door.records.reading() as session:
        opened = open_submission(session, door.id)
        price = cancelling(session, door.id)
    if not price.possible:
        problem = problem or UsageProblem("submission.nothing_to_cancel")
    return door.page(
        "submissions/cancel.html", status=422 if problem and price.possible else 200, opened=opened, price=price,
        problem=problem,
    )  # fmt: skip
