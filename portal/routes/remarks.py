"""What the staff say about a submission, and whether they read whose it is."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from grader.errors import SubmissionRejected, UsageProblem
from grader.services import remarking
from portal import typed
from portal.access.door import Allow, Door
from portal.blind import BLIND_COOKIE, ON
from portal.errors import NOT_FOUND
from portal.routes.review import files_page, review_page

router = APIRouter(prefix="/review/{submission}")

Remark = Annotated[Door, Depends(Allow("submission.remark"))]
Review = Annotated[Door, Depends(Allow("submission.review"))]
Typed = Annotated[str, Form()]


@router.post("/remarks")
def remark(door: Remark, *, file: Typed = "", line: Typed = "", remark: Typed = "", do: Typed = "") -> Response:
    """Say something about the work, or about a line of a file; or look first at how it will read."""
    given = {"file": file, "line": line, "remark": remark}
    try:
        if do == "preview":
            remarking.need_sayable(remark)
            return _again(door, given, preview=True)
        number = typed.number(line) if file else None
        remarking.remark(door.records, submission=door.id, text=remark, by=door.by, file=file, line=number)
    except (UsageProblem, SubmissionRejected) as problem:
        if problem.code in NOT_FOUND or isinstance(problem, SubmissionRejected):
            raise
        return _again(door, given, problem=problem)
    return _done(door, "said.review.remarked")


@router.post("/remarks/{remark}/withdrawal")
def withdraw(door: Remark, remark: str) -> Response:
    """Take a remark back."""
    remarking.withdraw(door.records, submission=door.id, remark_id=remark, by=door.by)
    return _done(door, "said.review.withdrawn")


@router.post("/blind")
def blind(door: Review, on: Typed = "") -> Response:
    """Hide or show names on the pages of reviews, in this browser."""
    answer = _done(door, "said.review.blind_on" if on else "said.review.blind_off")
    door.visit.keep(answer, BLIND_COOKIE, ON if on else "")
    return answer


def _done(door: Door, said: str) -> Response:
    return door.visit.say(RedirectResponse(f"/review/{door.id}", status_code=303), said)


def _again(
    door: Door, given: dict[str, str], *, problem: UsageProblem | None = None, preview: bool = False
) -> Response:
    if given["file"]:
        return files_page(door, given["file"], problem=problem, given=given, preview=preview)
    return review_page(door, problem=problem, form="remark", given=given, preview=preview)
