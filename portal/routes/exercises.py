"""Exercises as their authors see them: what is in a folder, what trainees would read, and what a change would mean.

Nothing of an exercise runs in this process: the lint has a process of its own, and the samples are graded by the
command, because only it may start containers.
"""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException
from starlette.responses import RedirectResponse, Response

from grader.errors import EnvironmentProblem, GraderError, PackInvalid
from grader.packs import Pack, samples
from grader.packs.lint import sentences
from grader.packs.lint.texts import MAX_HINT_WORDS
from grader.services import authoring, sampling
from grader.services.linting import LintDesk
from portal.access.door import Allow, Door
from portal.errors import status_of
from portal.previews import PARTS, messages
from portal.shelf import Shelf

router = APIRouter(prefix="/exercises")

Author = Annotated[Door, Depends(Allow("exercise.author"))]

TABS: Final = ("overview", "checks", "samples", "messages", "versions")
ROUND_ROLES: Final = frozenset({"instructor", "coordinator"})


@router.get("")
def exercises(door: Author) -> Response:
    """Every folder, with its lint and the rounds that use it."""
    found = authoring.folders(door.visit.settings.base.exercises)
    lints = _lints(door)
    with door.records.reading() as session:
        used = {one.name: authoring.uses(session, _id(one), _rounds(door)) for one in found}
        kept = {one.name: len(authoring.kept(session, _id(one))) for one in found}
    return door.page(
        "exercises/list.html",
        found=found,
        used=used,
        kept=kept,
        lints={one.name: lints.last(one.path) for one in found},
    )


@router.get("/{exercise}")
def overview(door: Author, exercise: str) -> Response:
    """The facts, and what the lint found."""
    return _page(door, exercise, "overview")


@router.post("/{exercise}/lint")
def lint(door: Author, exercise: str) -> Response:
    """Lint the folder now, unless nothing changed since the last time."""
    folder = _folder(door, exercise)
    with door.records.reading() as session:
        now = door.records.database.now(session)
    try:
        _lints(door).run(folder.path, now)
    except EnvironmentProblem as problem:
        return _page(door, exercise, "overview", status=status_of(problem), problem=problem)
    return RedirectResponse(f"/exercises/{exercise}#lint", status_code=303)


@router.get("/{exercise}/checks")
def checks(door: Author, exercise: str) -> Response:
    """Every check with its points, titles and hints."""
    pack = _pack(door, exercise)
    return _page(
        door,
        exercise,
        "checks",
        words={name: authoring.hint_words(check) for name, check in pack.checks.items()},
        most_words=MAX_HINT_WORDS,
        total=sum(check.points for check in pack.checks.values()),
    )


@router.get("/{exercise}/samples")
def sample_page(door: Author, exercise: str) -> Response:
    """Submissions whose verdict is known, and the command that grades them."""
    pack = _pack(door, exercise)
    seen = sampling.last(door.visit.settings.base.data, pack.id)
    try:
        found, invalid = samples(pack), None
    except PackInvalid as problem:
        found, invalid = (), problem
    return _page(
        door,
        exercise,
        "samples",
        samples=found,
        invalid_samples=invalid,
        seen=seen,
        got={one.sample: one for one in seen.samples} if seen else {},
    )


@router.get("/{exercise}/messages")
def message_page(door: Author, exercise: str, part: str = "") -> Response:
    """What trainees would read, one part of a grading at a time."""
    chosen = part if part in PARTS else next(iter(PARTS))
    found = messages(_pack(door, exercise), chosen)
    return _page(door, exercise, "messages", parts=tuple(PARTS), part=chosen, messages=found)


@router.get("/{exercise}/versions")
def versions(door: Author, exercise: str) -> Response:
    """What was published, and how the folder differs from what rounds were given."""
    pack = _pack(door, exercise)
    with door.records.reading() as session:
        used = authoring.uses(session, pack.id, _rounds(door))
        kept = authoring.kept(session, pack.id)
    shelf: Shelf = door.visit.request.app.state.shelf
    other = dict.fromkeys(one.digest for one in used if one.digest != pack.digest)
    return _page(
        door,
        exercise,
        "versions",
        used=used,
        kept=kept,
        changes={digest: _differences(shelf, digest, pack) for digest in other},
    )


def _differences(shelf: Shelf, digest: str, pack: Pack) -> list[authoring.Change] | None:
    """None: the kept version cannot be read by this version of the program."""
    try:
        return authoring.differences(shelf.pack(digest), pack)
    except GraderError:
        return None


def _page(door: Door, exercise: str, tab: str, *, status: int = 200, **values: Any) -> Response:
    folder = _folder(door, exercise)
    pack = folder.pack
    return door.page(
        f"exercises/{tab if pack else 'overview'}.html",
        status=status,
        folder=folder,
        pack=pack,
        tab=tab,
        tabs=TABS if pack else TABS[:1],
        base=f"/exercises/{exercise}",
        lint=_lints(door).last(folder.path),
        rules=sentences(),
        untranslated=authoring.untranslated(pack) if pack else [],
        **{"problem": None, **values},
    )


def _folder(door: Door, exercise: str) -> authoring.Folder:
    found = authoring.folder(door.visit.settings.base.exercises, exercise)
    if found is None:
        raise HTTPException(404)
    return found


def _pack(door: Door, exercise: str) -> Pack:
    """The exercise; a folder that does not load has no other page than the one that says why."""
    pack = _folder(door, exercise).pack
    if pack is None:
        raise HTTPException(404)
    return pack


def _lints(door: Door) -> LintDesk:
    desk: LintDesk = door.visit.request.app.state.lints
    return desk


def _id(folder: authoring.Folder) -> str:
    return folder.pack.id if folder.pack else folder.name


def _rounds(door: Door) -> frozenset[str] | None:
    """The rounds that the visitor works for; None: all of them."""
    me = door.visit.me
    assert me is not None
    held = [training for role, training in me.roles if role in ROUND_ROLES]
    return None if None in held else frozenset(one for one in held if one)
