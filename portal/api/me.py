"""Who asks, how the queue stands, and what a code means."""

from typing import Annotated

from fastapi import Depends, Path, Request

from grader.queue import outlook
from grader.reports.catalogue import catalogue
from grader.services import listing
from portal.access.door import Allow, Door
from portal.api.entrance import answers
from portal.api.entrance import router as api_router
from portal.api.models import Me, Meaning, QueueOut, RoleOut
from portal.api.problems import Refused, worded
from portal.languages import language_of_client

router = api_router("installation")


@router.get("/me", responses=answers(401, 403))
def me(door: Annotated[Door, Depends(Allow("home.read"))]) -> Me:
    """Whose token this is, and what it may do."""
    mine = door.visit.me
    assert mine is not None
    with door.records.reading() as session:
        codes = listing.codes_of(session, [round_id for _, round_id in mine.roles if round_id])
    token = door.visit.token
    return Me(
        login=mine.login,
        name=mine.name,
        language=mine.language,
        trainee=mine.person_id is not None,
        roles=tuple(RoleOut(role=role, round=codes.get(round_id or "")) for role, round_id in mine.roles),
        scopes=None if token is None else tuple(sorted(token.scopes)),
    )


@router.get("/queue", responses=answers(401, 403))
def queue(door: Annotated[Door, Depends(Allow("queue.read"))]) -> QueueOut:
    """What waits, what runs, and who works."""
    with door.records.reading() as session:
        seen = outlook(session, door.records.database.now(session))
    return QueueOut(
        waiting=seen.waiting,
        running=seen.running,
        needs_operator=seen.needs_operator,
        oldest_seconds=seen.oldest.total_seconds() if seen.oldest else None,
        workers=seen.workers,
        held_back=seen.held_back,
    )


@router.get("/problems/{code}", responses=answers(404), openapi_extra={"security": []})
def problem(
    request: Request,
    door: Annotated[Door, Depends(Allow("page.read"))],  # noqa: ARG001 - every route has one
    code: Annotated[str, Path(pattern=r"^[a-z]+\.[a-z0-9_]+$", max_length=80)],
) -> Meaning:
    """What a code means, in the language of Accept-Language; the ``type`` of a problem leads here."""
    lang = language_of_client(request)
    if code not in catalogue(lang):
        raise Refused(404, "api.not_found")
    title, text, todo = worded(code, lang)
    return Meaning(code=code, title=title, text=text, todo=todo)
