"""One submission as the staff of its round see it: the same findings, and beside them what only the staff decide."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from grader.errors import SubmissionRejected, UsageProblem
from grader.reports.summary import summarise
from grader.services import contents, reviewing
from grader.services.following import open_submission
from grader.verdict import Verdict
from portal.access.door import Allow, Door
from portal.blind import as_seen, decided, is_blind
from portal.errors import NOT_FOUND, status_of
from portal.remarks import preview_of, shown_remarks
from portal.shelf import Shelf

router = APIRouter(prefix="/review/{submission}")

Review = Annotated[Door, Depends(Allow("submission.review"))]
Decide = Annotated[Door, Depends(Allow("submission.decide"))]
Answer = Annotated[Door, Depends(Allow("appeal.decide", of="submission"))]
Regrade = Annotated[Door, Depends(Allow("regrade.begin", of="submission", limit="regrades"))]
Typed = Annotated[str, Form()]


@router.get("")
def review(door: Review) -> Response:
    """Everything about one submission."""
    return review_page(door)


@router.post("/decision")
def decide(door: Decide, to: Typed = "", reason: Typed = "", expected: Typed = "") -> Response:
    """Decide the result as a person; ``expected`` is what the form was shown with."""
    given = {"to": to, "reason": reason}
    try:
        reviewing.decide(door.records, submission=door.id, to=to, by=door.by, reason=reason, expected=expected[:32])
    except UsageProblem as problem:
        return review_page(door, problem=problem, form="decision", given=given, expected=expected[:32])
    return _back(door, "said.staff.decided")


@router.post("/answer")
def answer(door: Answer, appeal: Typed = "", verdict: Typed = "", text: Typed = "") -> Response:
    """Answer what the trainee asked."""
    given = {"verdict": verdict, "text": text}
    try:
        reviewing.answer(door.records, submission=door.id, appeal=appeal, verdict=verdict, text=text, by=door.by)
    except UsageProblem as problem:
        return review_page(door, problem=problem, form="answer", given=given)
    return _back(door, "said.staff.answered")


@router.post("/regrade")
def regrade(door: Regrade, why: Typed = "") -> Response:
    """Grade this one again with the version that it was graded with, in the shadow."""
    with door.records.reading() as session:
        opened = open_submission(session, door.id)
    try:
        begun = reviewing.begin_regrade(
            door.records,
            assignment=opened.assignment.id,
            pack=_shelf(door).pack(opened.assignment.digest),
            by=door.by,
            reason=why,
            submissions=(door.id,),
        )
    except UsageProblem as problem:
        return review_page(door, problem=problem, form="regrade", given={"why": why})
    return door.visit.say(RedirectResponse(f"/regrades/{begun.id}", status_code=303), "said.staff.regrade_begun")


@router.get("/files")
def files(door: Review, name: str = "") -> Response:
    """The files that were handed in, and one of them as plain text."""
    return files_page(door, name)


def files_page(
    door: Door, name: str, *, problem: UsageProblem | None = None, given: dict[str, str] | None = None,
    preview: bool = False,
) -> Response:  # fmt: skip
    """The files, and a form to say something about a line of the one that is read."""
    found, refused = None, None
    try:
        found = contents.contents(door.records, door.id, name)
    except (SubmissionRejected, UsageProblem) as wrong:
        if wrong.code in NOT_FOUND:
            raise
        refused = wrong  # it was accepted and is as it is: that it cannot be opened is what this page says
    with door.records.reading() as session:
        opened = open_submission(session, door.id)
        seen = as_seen(door.visit, opened, reviewing.reviewed(session, door.id))
        remarks = [one for one in shown_remarks(session, door, withdrawn=True) if name and one.remark.file == name]
    return door.page(
        "review/files.html",
        status=status_of(problem) if problem else 200,
        opened=opened,
        seen=seen,
        found=found,
        refused=refused,
        remarks=remarks,
        problem=problem,
        given=given or {},
        preview=preview_of(door, (given or {}).get("remark", "")) if preview else None,
    )


def _back(door: Door, said: str) -> Response:
    return door.visit.say(RedirectResponse(f"/review/{door.id}", status_code=303), said)


def review_page(
    door: Door,
    *,
    problem: UsageProblem | None = None,
    form: str = "",
    given: dict[str, str] | None = None,
    expected: str = "",
    preview: bool = False,
) -> Response:
    """The whole page; ``form`` is the one that was sent with what is ``given``, to be shown again."""
    if problem is not None and problem.code in NOT_FOUND:
        raise problem
    with door.records.reading() as session:
        opened = open_submission(session, door.id)
        seen = as_seen(door.visit, opened, reviewing.reviewed(session, door.id))
        remarks = shown_remarks(session, door, withdrawn=True)
    pack = _shelf(door).pack(opened.submission.digest)
    verdict = Verdict.from_json(opened.verdict) if opened.verdict else None
    typed: dict[str, Any] = {"decision": {}, "answer": {}, "regrade": {}, "remark": {}}
    if form:
        typed[form] = given or {}
    return door.page(
        "review/review.html",
        status=status_of(problem) if problem else 200,
        opened=opened,
        seen=seen,
        pack=pack,
        verdict=verdict,
        report=summarise(verdict, pack, door.visit.lang) if verdict else None,
        remarks=remarks,
        preview=preview_of(door, typed["remark"].get("remark", "")) if preview else None,
        blind=is_blind(door.visit),
        shown_because_decided=is_blind(door.visit) and decided(opened),
        may_decide=door.allows("submission.decide"),
        may_answer=door.allows("appeal.decide"),
        may_regrade=door.allows("regrade.begin"),
        problem=problem,
        form_name=form,
        given=typed,
        expected=expected,
        letters=reviewing.REASON_LENGTH,
    )


def _shelf(door: Door) -> Shelf:
    shelf: Shelf = door.visit.request.app.state.shelf
    return shelf
