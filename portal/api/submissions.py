"""Work that is handed in, followed while it is graded, and what was found."""

import json
from typing import Annotated, Any

from fastapi import Depends, File, Form, Header, Query, Request, Response, UploadFile
from starlette.responses import PlainTextResponse

from grader.reports import terminal
from grader.services import listing, overriding, receiving
from grader.services.cancelling import cancel_submission
from grader.services.desk import given
from grader.services.following import Opened, follow, open_submission
from grader.services.listing import ListedSubmission
from grader.verdict import Verdict
from portal.access.door import Allow, Door, further
from portal.api import cursors, matching
from portal.api.assignments import LINK
from portal.api.entrance import SubmissionId, answers, header
from portal.api.entrance import router as api_router
from portal.api.models import (
    AppealIn,
    AppealOut,
    CancelledOut,
    HandedOut,
    OverrideIn,
    OverrideOut,
    Page,
    ReceiptOut,
    SubmissionOut,
    VerdictOut,
)
from portal.api.problems import WAIT_SECONDS, Refused
from portal.api.submission_views import handed_out, moment_of, submission_out
from portal.languages import language_of_client
from portal.uploads import hand_over

router = api_router("submissions")

Read = Annotated[Door, Depends(Allow("submission.read"))]
Key = Annotated[
    str,
    Header(
        pattern=r"^[!-~]{1,255}$",
        description="Chosen by the client, once for each submission; the same key again gives the same receipt.",
    ),
]

POLL_SECONDS = "2"

ETAG = {"ETag": header("Changes with the content.", required=True)}
RETRY = {"Retry-After": header("Seconds to wait before asking again; absent once it is finished.")}
LOCATION = {"Location": header("Where to follow the submission.", required=True)}


@router.post(
    "/submissions",
    status_code=202,
    responses=answers(400, 401, 403, 404, 408, 409, 413, 422, 429, 503, on_202=LOCATION),
)
def hand_in(
    *,
    response: Response,
    door: Annotated[Door, Depends(Allow("submission.create"))],
    assignment: Annotated[str, Form(pattern=r"^asg_[0-9a-f]{16}$", description="Id of the assignment.")],
    work: Annotated[UploadFile, File(description="The project as a zip archive.")],
    idempotency_key: Key,
) -> ReceiptOut:
    """Hand work in. It is accepted when the receipt comes, and never before; grading follows by itself."""
    further(door, "assignment.submit", assignment)
    me = door.visit.me
    assert me is not None
    if me.person_id is None:  # nobody without a person is a member of a round
        raise Refused(403, "api.forbidden")
    with door.records.reading() as session:
        mine = given(session, me.person_id, assignment, door.records.database.now(session))
    assert mine is not None  # the door let only members in
    receipt = hand_over(
        door, seat=mine.seat, assignment=assignment, file=work.file, filename=work.filename or "", key=idempotency_key
    )
    response.headers["Location"] = f"{router.prefix}/submissions/{receipt.submission}"
    return ReceiptOut.model_validate(receipt.model_dump())


@router.get("/submissions", responses=answers(401, 403, 404, 422, on_200=LINK))
def mine(
    request: Request,
    response: Response,
    door: Annotated[Door, Depends(Allow("home.read"))],
    limit: cursors.Limit = cursors.USUAL,
    cursor: cursors.Cursor = "",
) -> Page[HandedOut]:
    """What one handed in oneself, the latest first."""
    me = door.visit.me
    assert me is not None
    place = cursors.unpack("submissions", cursor, 2)
    after = (moment_of(place[0]), place[1]) if place else None
    if me.person_id is None:
        return Page(items=(), next_cursor=None)
    with door.records.reading() as session:
        rows = listing.submissions(session, person=me.person_id, limit=limit, after=after)
        items = tuple(handed_out(one) for one in rows[:limit])
    more = cursors.cut(rows, limit)
    following = cursors.pack("submissions", items[-1].received_at.isoformat(), items[-1].id) if more else None
    cursors.link(request, response, following, limit)
    return Page(items=items, next_cursor=following)


@router.get(
    "/submissions/{submission}",
    response_model=SubmissionOut,
    responses={**answers(401, 403, 404, on_200=ETAG | RETRY), 304: {"description": "It is as you have it."}},
)
def submission(
    submission: SubmissionId,  # noqa: ARG001 - the door has read it
    door: Read,
    if_none_match: Annotated[str, Header(description="ETag of an earlier answer.")] = "",
) -> Response:
    """Where it is: its place while it waits, the phases of its grading, and its result."""
    found = _seen(door)
    text = found.model_dump_json()
    tag = matching.tag_of(text)
    headers = {"ETag": tag} | ({} if found.finished else {"Retry-After": POLL_SECONDS})
    if matching.named(if_none_match, tag, weak=True):
        return Response(status_code=304, headers=headers)
    return Response(text, media_type="application/json", headers=headers)


@router.get("/submissions/{submission}/verdict", response_model=VerdictOut, responses=answers(401, 403, 404, 409))
def verdict(submission: SubmissionId, door: Read) -> Response:  # noqa: ARG001 - the door has read it
    """What was found, as it was recorded."""
    _, recorded = _graded(door)
    # Half a letter, which an answer of an app may hold, goes out as JSON writes it: no encoding has bytes for it.
    text = json.dumps(recorded, ensure_ascii=False).encode("utf-8", "backslashreplace")
    return Response(text, media_type="application/json")


@router.get(
    "/submissions/{submission}/report",
    response_class=PlainTextResponse,
    responses={**answers(401, 403, 404, 409), 200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def report(request: Request, submission: SubmissionId, door: Read) -> Response:  # noqa: ARG001 - the door has read it
    """The verdict in words, as the command prints it; in the language of Accept-Language."""
    opened, recorded = _graded(door)
    pack = request.app.state.shelf.pack(opened.submission.digest)
    return PlainTextResponse(terminal.text(Verdict.from_json(recorded), pack, language_of_client(request)))


@router.get("/submissions/{submission}/receipt", responses=answers(401, 403, 404))
def receipt(submission: SubmissionId, door: Read) -> ReceiptOut:
    """The receipt, as it was given."""
    with door.records.reading() as session:
        return ReceiptOut.model_validate(receiving.receipt_of(session, submission).model_dump())


@router.post("/submissions/{submission}/cancel", responses=answers(400, 401, 403, 404, 409, 422))
def cancel(
    *,
    request: Request,
    submission: SubmissionId,
    door: Annotated[Door, Depends(Allow("submission.cancel"))],
    counts: Annotated[
        bool, Query(description="Cancel also when testing has begun, which uses up an attempt; else that is 409.")
    ] = False,
) -> CancelledOut:
    """Take own work back while it waits or is graded."""
    done = cancel_submission(
        door.records, submission=submission, by=door.by, counts=counts, request=request.state.request
    )
    return CancelledOut(submission=submission, counts=done.counts)


@router.post("/submissions/{submission}/appeals", status_code=201, responses=answers(400, 401, 403, 404, 409, 422))
def appeal(
    submission: SubmissionId, door: Annotated[Door, Depends(Allow("submission.appeal"))], asked: AppealIn
) -> AppealOut:
    """Ask that somebody looks at the result again."""
    made = overriding.appeal(door.records, submission=submission, text=asked.text, by=door.by)
    return AppealOut(id=made.id, at=made.at, text=made.text, state=made.state, answer="", decided_at=None)


@router.post(
    "/submissions/{submission}/overrides", status_code=201, responses=answers(400, 401, 403, 404, 409, 412, 422, 428)
)
def override(
    submission: SubmissionId,
    door: Annotated[Door, Depends(Allow("submission.decide"))],
    decided: OverrideIn,
    if_match: Annotated[
        str, Header(description="ETag of the submission as it was read; without it the answer is 428.")
    ] = "",
) -> OverrideOut:
    """Decide a result as a person, knowing what stands."""
    if not if_match:
        raise Refused(428, "api.match_missing")
    found = _seen(door)
    if not matching.named(if_match, matching.tag_of(found.model_dump_json())):
        raise Refused(412, "api.changed")
    made = overriding.override(
        door.records,
        submission=submission,
        to=decided.outcome,
        by=door.by,
        reason=decided.reason,
        expected=found.result or overriding.NO_RESULT,
    )
    return OverrideOut(
        id=made.id,
        submission=submission,
        number=made.number,
        before=made.from_outcome,
        outcome=made.to_outcome,
        at=made.at,
    )


def _seen(door: Door) -> SubmissionOut:
    with door.records.reading() as session:
        opened = open_submission(session, door.id)
        return submission_out(opened, follow(session, door.id), ListedSubmission.of(opened))


def _graded(door: Door) -> tuple[Opened, dict[str, Any]]:
    with door.records.reading() as session:
        opened = open_submission(session, door.id)
    if opened.verdict is None:
        waits = opened.handed.state in {"queued", "running"}
        raise Refused(409, "api.not_ready", headers={"Retry-After": WAIT_SECONDS} if waits else None)
    return opened, opened.verdict
