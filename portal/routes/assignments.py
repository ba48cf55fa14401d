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
from grader.services.addresses import NotFetched
from grader.services.admitting import NotAccepted
from grader.services.desk import Given, given
from portal.access.door import Allow, Door
from portal.downloads import attachment
from portal.errors import FULL, SLOW_DOWN, status_of, told_when
from portal.latest import Latest, latest_of
from portal.limits import TooOften
from portal.markdown import html_of, parted
from portal.shelf import Shelf
from portal.uploads import ask_for, hand_over

router = APIRouter(prefix="/assignments/{assignment}")

Read = Annotated[Door, Depends(Allow("assignment.read"))]
Download = Annotated[Door, Depends(Allow("assignment.read", limit="downloads"))]
Submit = Annotated[Door, Depends(Allow("assignment.submit"))]

TABS: Final = ("brief", "checks", "requests", "history")


@router.get("")
def brief(door: Read) -> Response:
    """What is asked for."""
    pack = _pack(door)
    text = (pack.root / f"brief.{door.visit.lang}.md").read_text(encoding="utf-8")
    html = html_of(text, door.visit.word("exercise.table"))
    latest = _latest(door)
    marks = latest.tasks(pack) if latest else {}
    return _page(door, pack, "brief", parts=parted(html, marks), marks=marks, latest=latest)


@router.get("/checks")
def checks(door: Read) -> Response:
    """How it is graded: every check with its points, before anything was handed in."""
    return _page(door, _pack(door), "checks", latest=_latest(door))


@router.get("/requests")
def requests(door: Read) -> Response:
    """The operations of the contract, with a request to try for each."""
    return _page(door, _pack(door), "requests")


@router.get("/history")
def history(door: Read) -> Response:
    """Everything that was handed in."""
    return _page(door, _pack(door), "history")


@router.get("/contract.yaml")
def contract(door: Download) -> Response:
    """The contract to implement, as OpenAPI."""
    pack = _pack(door)
    text = yaml.safe_dump(pack.contract, allow_unicode=True, sort_keys=False)
    return attachment(text.encode(), f"{pack.id}-contract.yaml", "application/yaml")


@router.get("/starter/{runtime}.zip")
def starter(door: Download, runtime: str) -> Response:
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
    return _form(door, _pack(door))


@router.post("/submit")
def submit(
    door: Submit,
    work: Annotated[UploadFile | None, File()] = None,
    git_url: Annotated[str, Form()] = "",
    git_ref: Annotated[str, Form()] = "",
    key: Annotated[str, Form()] = "",
) -> Response:
    """Look at the file, then accept it: what could not be graded is said at once, and counts for nothing.

    Work at a git address is only asked for here; a worker fetches it.
    """
    pack, mine = _pack(door), _given(door)
    assert mine is not None  # the door let only members in
    typed = {"git_url": git_url.strip(), "git_ref": git_ref.strip()}
    try:
        if typed["git_url"]:
            _need_no_file(work)
            asked = ask_for(door, seat=mine.seat, assignment=door.id, git_url=git_url, ref=git_ref, key=key)
            return RedirectResponse(f"/fetches/{asked.id}", status_code=303)
        file = _chosen(work)
        name = (work and work.filename) or ""
        receipt = hand_over(door, seat=mine.seat, assignment=door.id, file=file, filename=name, key=key)
    except (NotAccepted, SubmissionRejected, NotFetched, TooOften) as problem:
        status = status_of(problem) if problem.code in SLOW_DOWN | FULL else 422
        return told_when(_form(door, pack, status=status, problem=problem, **typed), problem)
    return RedirectResponse(f"/submissions/{receipt.submission}/live", status_code=303)


def _need_no_file(work: UploadFile | None) -> None:
    if work is not None and work.filename:
        raise NotAccepted("submission.two_sources")


def _chosen(work: UploadFile | None) -> IO[bytes]:
    if work is None or not work.filename:
        raise NotAccepted("submission.no_file")
    return work.file


def _form(
    door: Door,
    pack: Pack,
    *,
    status: int = 200,
    problem: GraderError | None = None,
    git_url: str = "",
    git_ref: str = "",
) -> Response:
    """The form, with what was typed; ``field`` is the one that has to be mended."""
    field = "work"
    if problem is not None and problem.code.startswith("git."):
        field = "git_ref" if problem.code == "git.no_ref" else "git_url"
    return _page(
        door,
        pack,
        "submit",
        status=status,
        problem=problem,
        field=field,
        hosts=door.visit.settings.base.git.names,
        git_url=git_url,
        git_ref=git_ref,
    )


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
        now = door.records.database.now(session)
        return given(session, me.person_id, door.id, now, queue_limit=door.visit.settings.limits.queue)


def _latest(door: Door) -> Latest | None:
    mine = _given(door)
    if mine is None:
        return None
    with door.records.reading() as session:
        return latest_of(session, mine.handed)


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
