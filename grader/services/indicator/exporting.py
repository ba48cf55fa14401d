"""The report of a round for one reader: as a document on the screen, as a file to take away, as a list of people.

Names are looked up only for people of training rounds that the reader coordinates. Whoever read names, or took a file
away, is written into the audit, with how many rows it had and never with a name.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.kpi import Report, Snapshot
from grader.kpi import draft as drafted
from grader.records import Records, Seat
from grader.reports import kpi as report
from grader.reports.catalogue import Lang
from grader.reports.kpi import KpiDocument, PersonRow
from grader.services.indicator.certifying import report_of
from grader.services.indicator.people import particulars
from grader.services.indicator.snapshots import live, read


@dataclass(frozen=True, kw_only=True, slots=True)
class Reader:
    """Who reads, in which language. ``rounds`` are the training rounds whose people may be named; None: all."""

    by: str
    lang: Lang
    rounds: frozenset[str] | None = frozenset()

    @property
    def names(self) -> bool:
        """Whether anybody may be named."""
        return self.rounds is None or bool(self.rounds)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """The round as it is now, or the stored snapshot of that digest."""

    fy_be: int = 0
    code: str = ""
    sha256: str = ""

    @property
    def shown(self) -> str:
        """How the audit calls it."""
        return self.sha256 or f"{self.fy_be} {self.code}"


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """A file to take away. ``rows`` is how many units and people it lists, with the total."""

    name: str
    content: bytes
    media_type: str
    rows: int


_TYPES: Final[Mapping[str, str]] = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
    "pdf": "application/pdf",
    "json": "application/json",
}
FORMATS: Final = tuple(_TYPES)
"""What a report can be taken away as."""
_WITH_PEOPLE: Final = frozenset({"xlsx", "json"})
"""The others go to readers outside, and list nobody."""


def document_of(records: Records, wanted: Wanted, reader: Reader) -> KpiDocument:
    """The report without any name, whoever reads it.

    Raises:
        UsageProblem: ``indicator.round_unknown``, ``records.not_found``.
        GraderError: ``kpi.snapshot_changed``.
    """
    return _document(records, wanted, reader, names=False)


def people_of(records: Records, wanted: Wanted, reader: Reader) -> KpiDocument:
    """The report with the people whom the reader may see by name; the audit says that they were read.

    Raises:
        UsageProblem: ``indicator.round_unknown``, ``records.not_found``.
        GraderError: ``kpi.snapshot_changed``.
    """
    document = _document(records, wanted, reader, names=True)
    with records.change(by=reader.by) as change:
        change.audit("kpi.people_read", wanted.shown, after={"people": len(document.people or ())})
    return document


def export(records: Records, wanted: Wanted, reader: Reader, form: str) -> File:
    """The report as a file, with the people whom the reader may see; the audit says that it was taken away.

    Raises:
        UsageProblem: ``kpi.format_unknown``, ``indicator.round_unknown``, ``records.not_found``.
        GraderError: ``kpi.snapshot_changed``.
        EnvironmentProblem: a PDF cannot be made on this machine.
    """
    if form not in _TYPES:
        raise UsageProblem("kpi.format_unknown", format=form, known=", ".join(FORMATS))
    document = _document(records, wanted, reader, names=reader.names and form in _WITH_PEOPLE)
    people = len(document.people or ())
    made = File(
        name=report.file_name(document, form),
        content=_WRITERS[form](document) if form != "json" else _json(document, reader),
        media_type=_TYPES[form],
        rows=len(document.units) + 1 + people,
    )
    told = {"format": form, "rows": made.rows, "people": people, "snapshot": document.sha256}
    with records.change(by=reader.by) as change:
        change.audit("kpi.exported", wanted.shown, after=told)
    return made


_WRITERS: Final[Mapping[str, Callable[[KpiDocument], bytes]]] = {
    "xlsx": report.to_xlsx,
    "csv": report.to_csv,
    "pdf": report.to_pdf,
}


def _json(document: KpiDocument, reader: Reader) -> bytes:
    """The whole document only for a reader who may see everybody: the snapshot in it lists the whole roster by id."""
    hidden = set[str]() if reader.rounds is None else {"snapshot"}
    told: dict[str, Any] = document.model_dump(mode="json", exclude=hidden)
    return (json.dumps(told, ensure_ascii=False, indent=2) + "\n").encode()


def _document(records: Records, wanted: Wanted, reader: Reader, *, names: bool) -> KpiDocument:
    if wanted.sha256:
        with records.reading() as session:
            taken = read(session, wanted.sha256)
    else:
        taken = live(records, wanted.fy_be, wanted.code)
    with records.reading() as session:
        told = particulars(session, taken, names=names)
        begun = report_of(session, taken.sha256)
        visible = _visible(session, taken, reader) if names else frozenset()
    of: Report = begun or drafted(taken, by="–")
    if told.names is not None:
        told = told.model_copy(update={"names": {key: name for key, name in told.names.items() if key in visible}})
    document = report.kpi_document(taken, told, of, reader.lang)
    if document.people is None:
        return document
    return document.model_copy(update={"people": _only(document.people, visible)})


def _only(people: tuple[PersonRow, ...], visible: frozenset[str]) -> tuple[PersonRow, ...]:
    return tuple(row for row in people if row.key in visible)


def _visible(session: Session, taken: Snapshot, reader: Reader) -> frozenset[str]:
    """The keys of people, or of seats, that the reader may see one by one."""
    everybody = frozenset(member.key for member in taken.members)
    if reader.rounds is None:
        return everybody
    column = Seat.id if taken.rules.membership_count_by == "seat" else Seat.person_id
    theirs = session.scalars(select(column).where(Seat.round_id.in_(reader.rounds)))
    return everybody & frozenset(theirs)
