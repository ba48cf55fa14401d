"""Work at a git address: asked for here, fetched by a worker, and followed until it is a submission."""

from typing import Annotated

from fastapi import Depends, Request, Response

from grader.records import Fetch
from grader.reports.catalogue import explain
from grader.services import fetching
from grader.services.desk import given
from portal.access.door import Allow, Door, further
from portal.api.entrance import FetchId, answers, header
from portal.api.entrance import router as api_router
from portal.api.models import FetchIn, FetchOut
from portal.api.problems import Refused
from portal.api.submissions import POLL_SECONDS, RETRY, Key
from portal.languages import language_of_client
from portal.uploads import ask_for

router = api_router("fetches")

LOCATION = {"Location": header("Where to follow the fetch.", required=True)}


@router.post(
    "/fetches", status_code=202, responses=answers(400, 401, 403, 404, 408, 409, 422, 429, 503, on_202=LOCATION)
)
def ask(
    *,
    request: Request,
    response: Response,
    door: Annotated[Door, Depends(Allow("fetch.create"))],
    wanted: FetchIn,
    idempotency_key: Key,
) -> FetchOut:
    """Hand work in from a git address. The moment of asking counts; it is handed in when the fetch is ``done``."""
    further(door, "assignment.submit", wanted.assignment)
    me = door.visit.me
    assert me is not None
    if me.person_id is None:  # nobody without a person is a member of a round
        raise Refused(403, "api.forbidden")
    with door.records.reading() as session:
        mine = given(session, me.person_id, wanted.assignment, door.records.database.now(session))
    assert mine is not None  # the door let only members in
    asked = ask_for(
        door,
        seat=mine.seat,
        assignment=wanted.assignment,
        git_url=wanted.git_url,
        ref=wanted.git_ref,
        key=idempotency_key,
    )
    response.headers["Location"] = f"{router.prefix}/fetches/{asked.id}"
    return _told(request, asked)


@router.get("/fetches/{fetch}", responses=answers(401, 403, 404, on_200=RETRY))
def fetch(
    request: Request, response: Response, fetch: FetchId, door: Annotated[Door, Depends(Allow("fetch.read"))]
) -> FetchOut:
    """Where it is, and what came of it."""
    with door.records.reading() as session:
        told = _told(request, fetching.fetch_of(session, fetch))
    if not told.finished:
        response.headers["Retry-After"] = POLL_SECONDS
    return told


@router.post("/fetches/{fetch}/cancel", responses=answers(400, 401, 403, 404, 409))
def cancel(request: Request, fetch: FetchId, door: Annotated[Door, Depends(Allow("fetch.cancel"))]) -> FetchOut:
    """Want it no more, while it waits or runs; no attempt is used up."""
    ended = fetching.cancel_fetch(door.records, fetch=fetch, by=door.by, request=request.state.request)
    return _told(request, ended)


def _told(request: Request, one: Fetch) -> FetchOut:
    words = explain(one.code, one.params, language_of_client(request)) if one.code else None
    return FetchOut(
        id=one.id,
        assignment=one.assignment_id,
        git_url=one.git_url,
        git_ref=one.git_ref,
        asked_at=one.asked_at,
        state=one.state,  # type: ignore[arg-type]  # the table holds no other
        finished=one.state not in {"waiting", "running"},
        code=one.code or None,
        reason=f"{words.sentence} {words.next_step}".strip() if words else None,
        commit=one.commit_hash or None,
        fetched_at=one.fetched_at,
        submission=one.submission_id,
        page=f"/fetches/{one.id}",
    )
