"""An exercise in a training round: the brief, how it is graded, examples, what was handed in, and handing in."""

from typing import IO, Annotated, Any, Final

import yaml
from fastapi import APIRouter, Depends, File, Form, HTTPException, UploadFile
from sqlalchemy.orm import Session
from starlette.responses import RedirectResponse, Response

from grader.errors import GraderError, SubmissionRejected
from grader.intake import as_archive
from grader.packs import Pack
from grader.records import Assignment
from grader.services import receiving
from grader.services.desk import Given, given
from portal.access.door import Allow, Door
from portal.downloads import attachment
from portal.markdown import html_of
from portal.shelf import Shelf
from portal.uploads import look_at, pieces

router = APIRouter(prefix="/assignments/{assignment}")

Read = Annotated[Door, Depends(Allow("assignment.read"))]
Submit = Annotated[Door, Depends(Allow("assignment.submit"))]

TABS: Final = ("brief", "checks", "requests", "history")


@router.get("")
def brief(door: Read) -> Response:
    """What is asked for."""
    pack = _pack(door)
    text = (pack.root / f"brief.{door.visit.lang}.md").read_text(encoding="utf-8")
    return _page(door, pack, "brief", brief=html_of(text, door.visit.word("exercise.table")))


@router.get("/checks")
def checks(door: Read) -> Response:
    """How it is graded: every check with its points, before anything was handed in."""
    return _page(door, _pack(door), "checks")


@router.get("/requests")
def requests(door: Read) -> Response:
    """The operations of the contract, with a request to try for each."""
    return _page(door, _pack(door), "requests")


@router.get("/history")
def history(door: Read) -> Response:
    """Everything that was handed in."""
    return _page(door, _pack(door), "history")


@router.get("/contract.yaml")
def contract(door: Read) -> Response:
    """The contract to implement, as OpenAPI."""
    pack = _pack(door)
    text = yaml.safe_dump(pack.contract, allow_unicode=True, sort_keys=False)
    return attachment(text.encode(), f"{pack.id}-contract.yaml", "application/yaml")


@router.get("/starter/{runtime}.zip")
def starter(door: Read, runtime: str) -> Response:
    """What to begin with, for one runtime."""
    pack = _pack(door)
    folder = pack.root / "starter" / runtime
    if runtime not in _runtimes(pack):
        raise HTTPException(404)
    with as_archive(folder) as archive:
        return attachment(archive.read(), f"{pack.id}-{runtime}.zip", "application/zip")


@router.get("/submit")
def submit_page(door: Submit) -> Response:
    """The form."""
    return _page(door, _pack(door), "submit", problem=None)


@router.post("/submit")
def submit(
    door: Submit, work: Annotated[UploadFile | None, File()] = None, key: Annotated[str, Form()] = ""
) -> Response:
    """Look at the file, then accept it: what could not be graded is said at once, and counts for nothing."""
    pack, mine = _pack(door), _given(door)
    assert mine is not None  # the door let only members in
    try:
        file = _chosen(work)
        look_at(file)
        receipt = receiving.submit(
            door.records,
            seat=mine.seat,
            assignment=door.id,
            filename=(work and work.filename) or "",
            chunks=pieces(file),
            by=door.by,
            idempotency_key=key,
            request=door.visit.request.state.request,
        )
    except (receiving.NotAccepted, SubmissionRejected) as problem:
        return _page(door, pack, "submit", status=422, problem=problem)
    return RedirectResponse(f"/submissions/{receipt.submission}/live", status_code=303)


def _chosen(work: UploadFile | None) -> IO[bytes]:
    if work is None or not work.filename:
        raise receiving.NotAccepted("submission.no_file")
    return work.file


def _pack(door: Door) -> Pack:
    shelf: Shelf = door.visit.request.app.state.shelf
    with door.records.reading() as session:
        digest = _assignment(session, door.id).digest
    return shelf.pack(digest)


def _assignment(session: Session, name: str) -> Assignment:
    found = session.get(Assignment, name)
    if found is None:
        raise GraderError("records.not_found", what=name)
    return found


def _given(door: Door) -> Given | None:
    """The exercise for the visitor; None for the staff, who have no seat."""
    me = door.visit.me
    if me is None or me.person_id is None:
        return None
    with door.records.reading() as session:
        return given(session, me.person_id, door.id, door.records.database.now(session))


def _runtimes(pack: Pack) -> list[str]:
    folder = pack.root / "starter"
    return sorted(one.name for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []


def _page(door: Door, pack: Pack, tab: str, *, status: int = 200, **values: Any) -> Response:
    with door.records.reading() as session:
        found = _assignment(session, door.id)
        about = {"round_name": found.round.name, "opens_at": found.opens_at, "closes_at": found.closes_at}
    return door.page(
        f"assignments/{tab}.html",
        status=status,
        tab=tab,
        tabs=TABS,
        pack=pack,
        mine=_given(door),
        about=about,
        runtimes=_runtimes(pack),
        base=f"/assignments/{door.id}",
        upload_limit=receiving.UPLOAD_LIMIT,
        **values,
    )
