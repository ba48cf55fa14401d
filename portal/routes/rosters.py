"""The roster of a round: the list, the way in with a look before, the way out, and what is noted about a seat.

Between the look and the import nothing is kept here: what was read goes to the browser and comes back, sealed with the
session's own secret, and is read and checked again as if it were a new file. So nothing personal is left over when
somebody only looks, and nothing is believed that came back.
"""

import base64
import hashlib
import hmac
import zlib
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, UploadFile
from starlette.responses import RedirectResponse, Response

from grader.errors import UsageProblem
from grader.records.rounds import SEAT_EVENT_KINDS
from grader.reports.sorting import thai_key
from grader.rosters import RosterPreview, read_roster, write_csv, write_xlsx
from grader.services import rostering, seating
from grader.services.rostering import RosterPlan
from grader.services.rounds import round_of
from portal import typed
from portal.access.door import Allow, Door
from portal.downloads import attachment
from portal.errors import NOT_FOUND, status_of
from portal.visit import Visit

router = APIRouter(prefix="/rounds/{round}/roster")

Read = Annotated[Door, Depends(Allow("roster.read", of="round"))]
Export = Annotated[Door, Depends(Allow("roster.read", of="round", limit="exports"))]
Change = Annotated[Door, Depends(Allow("roster.change", of="round"))]
Extend = Annotated[Door, Depends(Allow("round.change"))]
Typed = Annotated[str, Form()]

FILE_LIMIT: Final = 2_000_000
"""Bytes of a roster that is sent here; the command line takes larger ones."""
SEALED_LIMIT: Final = 900_000
"""Letters of what goes to the browser and back: a field of a form holds 1 MiB."""
SHOWN: Final = 200
"""Of each list of a preview; the counts say how many there are."""
KINDS: Final = ("check_in", "registered", "declined", "replaced", "withdrew", "excluded", "cleared")
assert set(KINDS) == SEAT_EVENT_KINDS


@router.get("")
def roster(door: Read) -> Response:
    """Everybody, in the order of a Thai dictionary."""
    return _roster(door)


@router.get("/export")
def export(door: Export, format: str = "xlsx") -> Response:  # noqa: A002 - a field's name
    """The roster as a file that can be imported again."""
    lang = door.visit.lang
    with door.records.reading() as session:
        rows = rostering.export(session, round_code=door.id)
    if format == "csv":
        return attachment(write_csv(rows, lang=lang), f"roster-{door.id}.csv", "text/csv; charset=utf-8")
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return attachment(write_xlsx(rows, lang=lang), f"roster-{door.id}.xlsx", kind)


@router.get("/import")
def import_form(door: Change) -> Response:
    """Choose a file."""
    return _wizard(door)


@router.post("/import")
def preview(door: Change, file: UploadFile | None = None) -> Response:
    """What importing the file would do, and everything that is wrong with it; nothing is stored."""
    try:
        name, data = _chosen(file)
        return _preview(door, read_roster(data, name), name)
    except UsageProblem as problem:
        return _wizard(door, problem=problem)


@router.post("/commit")
def commit(door: Change, rows: Typed = "", seal: Typed = "", plan: Typed = "", renames: Typed = "") -> Response:
    """Import what was looked at: all of it or nothing, and only if it still would do what was shown."""
    try:
        data = _unsealed(door.visit, door.id, rows, seal)
    except UsageProblem as problem:
        return _wizard(door, problem=problem)
    read = read_roster(data, "roster.csv")
    if not read.ok:
        return _preview(door, read, "")
    with door.records.reading() as session:
        now = _stamp(rostering.plan(session, round_code=door.id, rows=read.rows))
    try:
        _need_same(now, plan)
        rostering.import_roster(
            door.records, round_code=door.id, rows=read.rows, by=door.by, accept_renames=bool(renames)
        )
    except UsageProblem as problem:
        return _preview(door, read, "", problem=problem)
    return door.visit.say(RedirectResponse(f"/rounds/{door.id}/roster", status_code=303), "said.staff.roster_imported")


@router.get("/{seat}")
def seat_page(door: Read, seat: str) -> Response:
    """One seat: what happened, and the forms to note or give something."""
    return _seat(door, seat)


@router.post("/{seat}/note")
def note(
    door: Change,
    seat: str,
    *,
    kind: Typed = "",
    at: Typed = "",
    reason: Typed = "",
    document: Typed = "",
    session: Typed = "",
) -> Response:
    """Note what happened to somebody."""
    given = {"kind": kind, "at": at, "reason": reason, "document": document, "session": session}
    try:
        seating.note(
            door.records, training=door.place.round, seat=seat, kind=kind, by=door.by, at=typed.moment(at),
            reason=reason, document=document, session_number=typed.number(session),
        )  # fmt: skip
    except UsageProblem as problem:
        return _seat(door, seat, problem=problem, form="note", given=given)
    return _back(door, seat, "said.staff.noted")


@router.post("/{seat}/extension")
def extend(
    door: Extend, seat: str, *, assignment: Typed = "", closes_at: Typed = "", attempts: Typed = "", why: Typed = ""
) -> Response:
    """Give somebody more time, or more attempts."""
    given = {"assignment": assignment, "closes_at": closes_at, "attempts": attempts, "why": why}
    try:
        seating.extend(
            door.records, training=door.place.round, seat=seat, assignment=assignment, by=door.by, reason=why.strip(),
            closes_at=typed.moment(closes_at), attempts=typed.number(attempts),
        )  # fmt: skip
    except UsageProblem as problem:
        return _seat(door, seat, problem=problem, form="extension", given=given)
    return _back(door, seat, "said.staff.extended")


def _back(door: Door, seat: str, said: str) -> Response:
    return door.visit.say(RedirectResponse(f"/rounds/{door.id}/roster/{seat}", status_code=303), said)


def _roster(door: Door) -> Response:
    with door.records.reading() as session:
        training = round_of(session, door.id)
        rows = rostering.export(session, round_code=door.id)
        seats = seating.seats_by_code(session, training.id)
    return door.page(
        "rosters/roster.html",
        tab="roster",
        seen=training,
        rows=[(row, *seats[row.code]) for row in sorted(rows, key=lambda row: thai_key(row.name))],
        may_change=door.allows("roster.change"),
    )


def _wizard(door: Door, *, problem: UsageProblem | None = None) -> Response:
    with door.records.reading() as session:
        training = round_of(session, door.id)
    return door.page(
        "rosters/import.html", status=status_of(problem) if problem else 200, tab="roster", seen=training,
        problem=problem, limit=FILE_LIMIT // 1_000_000,
    )  # fmt: skip


def _preview(door: Door, read: RosterPreview, filename: str, *, problem: UsageProblem | None = None) -> Response:
    with door.records.reading() as session:
        training = round_of(session, door.id)
        planned = rostering.plan(session, round_code=door.id, rows=read.rows)
        there = {row.code: row.name for row in rostering.export(session, round_code=door.id)}
    packed = _packed(read) if read.ok else ""
    if len(packed) > SEALED_LIMIT:
        raise UsageProblem("roster.too_large", limit_mb=FILE_LIMIT // 1_000_000)
    status = status_of(problem) if problem else 200 if read.ok else 422
    return door.page(
        "rosters/preview.html", status=status, tab="roster", seen=training, read=read, planned=planned,
        names={**there, **{row.code: row.name for row in read.rows}},
        filename=filename, shown=SHOWN, problem=problem, rows=packed,
        seal=_seal(door.visit, door.id, packed), plan=_stamp(planned),
    )  # fmt: skip


def _packed(read: RosterPreview) -> str:
    """The rows as our own CSV, which reads back as the same rows, small enough for a field."""
    return base64.urlsafe_b64encode(zlib.compress(write_csv(read.rows), 9)).decode()


def _seal(visit: Visit, training: str, packed: str) -> str:
    """Ours, for this session and this round: without it nothing that comes back is even unpacked."""
    return hmac.new(visit.secret.encode(), f"{training}\n{packed}".encode(), hashlib.sha256).hexdigest()


def _unsealed(visit: Visit, training: str, packed: str, seal: str) -> bytes:
    if not packed or not seal.isascii() or not hmac.compare_digest(_seal(visit, training, packed), seal):
        raise UsageProblem("round.preview_lost")
    return zlib.decompress(base64.urlsafe_b64decode(packed))


def _chosen(file: UploadFile | None) -> tuple[str, bytes]:
    """The name and the bytes of the file that was sent."""
    if file is None or not file.filename:
        raise UsageProblem("round.no_file")
    data = file.file.read(FILE_LIMIT + 1)
    if len(data) > FILE_LIMIT:
        raise UsageProblem("roster.too_large", limit_mb=FILE_LIMIT // 1_000_000)
    return file.filename, data


def _need_same(now: str, shown: str) -> None:
    if now != shown:
        raise UsageProblem("round.plan_changed")


def _stamp(planned: RosterPlan) -> str:
    """What an import would do, to see whether it still is what was shown."""
    return hashlib.sha256(repr(planned).encode()).hexdigest()


def _seat(
    door: Door, seat: str, *, problem: UsageProblem | None = None, form: str = "", given: dict[str, str] | None = None
) -> Response:
    if problem is not None and problem.code in NOT_FOUND:
        raise problem
    values: dict[str, Any] = {"note": {}, "extension": {}}
    if form:
        values[form] = given or {}
    with door.records.reading() as session:
        opened = seating.opened_seat(session, door.place.round, seat)
        training = round_of(session, door.id)
    return door.page(
        "rosters/seat.html", status=status_of(problem) if problem else 200, tab="roster", seen=training, opened=opened,
        kinds=KINDS, problem=problem, form_name=form, given=values, may_note=door.allows("roster.change"),
        may_extend=door.allows("round.change"),
    )  # fmt: skip
