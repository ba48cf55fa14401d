"""What the records hold about one person, in one file for that person: everything, or listed with the reason why not.

Every table of the records is either in ``PARTS`` or in ``LEFT_OUT``, and every column of a part is either written or in
``WITHHELD``: a table or a column that somebody adds later fails a test until it is in one of them.
"""

import json
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Table, false, or_, select
from sqlalchemy.orm import Session

from grader.errors import EnvironmentProblem, UsageProblem
from grader.records import Account, Base, BlobLost, Job, Person, Records, Seat, Submission
from grader.records.blobs import chunks_of
from grader.reports.catalogue import LANGS, label
from grader.services.accounts.people import account_of_person, find, normal

DATA: Final = "data.json"
README: Final = "README.txt"
OTHER: Final = "[other]"
"""Stands for somebody else's name: who decided is their data, that it was decided is the person's."""
ACTORS: Final = frozenset({"by", "decided_by", "revoked_by", "withdrawn_by"})
"""Columns that name who did something."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Whom an export is about, and the ids by which tables refer to them; ``names`` are what they act under."""

    account: str
    person: str
    names: frozenset[str]
    units: tuple[str, ...]
    seats: tuple[str, ...]
    rounds: tuple[str, ...]
    submissions: tuple[str, ...]
    jobs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written: rows of each table, and how many archives."""

    rows: Mapping[str, int]
    archives: int


Mine: TypeAlias = Callable[[Subject, Table], ColumnElement[bool]]


def _of(column: str, values: Callable[[Subject], Sequence[str]]) -> Mine:
    return lambda who, table: table.c[column].in_([one for one in values(who) if one])


_ACCOUNT: Final = _of("account_id", lambda who: (who.account,))
_SEAT: Final = _of("seat_id", lambda who: who.seats)
_SUBMISSION: Final = _of("submission_id", lambda who: who.submissions)
_JOB: Final = _of("job_id", lambda who: who.jobs)

PARTS: Final[Mapping[str, Mine]] = {
    "account": _of("id", lambda who: (who.account,)),
    "account_role": _ACCOUNT,
    "role_grant": _of("who", lambda who: tuple(who.names)),
    "identity": _ACCOUNT,
    "portal_session": _ACCOUNT,
    "half_sign_in": _ACCOUNT,
    "second_factor": _ACCOUNT,
    "recovery_code": _ACCOUNT,
    "one_time_link": _ACCOUNT,
    "api_token": _ACCOUNT,
    "person": _of("id", lambda who: (who.person,)),
    "unit": _of("id", lambda who: who.units),
    "seat": _of("id", lambda who: who.seats),
    "seat_event": _SEAT,
    "seat_standing": _SEAT,
    "extension": _SEAT,
    "training_round": _of("id", lambda who: who.rounds),
    "assignment": _of("round_id", lambda who: who.rounds),
    "fetch": _SEAT,
    "submission": _of("id", lambda who: who.submissions),
    "job": _of("id", lambda who: who.jobs),
    "run": _JOB,
    "progress_event": _JOB,
    "grading": lambda who, table: _SUBMISSION(who, table) & table.c.standing.in_(("final", "superseded")),
    "override": _SUBMISSION,
    "appeal": _SUBMISSION,
    "remark": _SUBMISSION,
    "certificate": _of("person_id", lambda who: (who.person,)),
}
"""Tables that are written, with the rows that are the person's; the audit is written too, by :func:`_audit`."""

LEFT_OUT: Final[Mapping[str, str]] = {
    "throttle": "counters under hashes of logins and networks, gone after a day; nothing leads from a row to a person",
    "regrade": "decisions about an exercise as a whole; what one changed for a person is in their gradings",
    "exercise_version": "exercises, which are about no person",
    "indicator_version": "definitions of the indicator, which are about no person",
    "settings_version": "settings of the indicator, which are about no person",
    "reporting_round": "days of reporting, which are about no person",
    "kpi_snapshot": "frozen figures, evidence of a report; what they count of a person is in seat and seat_standing",
    "kpi_report": "texts of reports about all people together",
    "worker": "machines that grade",
    "audit_checkpoint": "signatures over the whole audit",
    "audit_head": "where the audit ends",
}
"""Tables that are not written, and why."""

WITHHELD: Final[Mapping[tuple[str, str], str]] = {
    ("account", "password_hash"): "proves who somebody is",
    ("portal_session", "hash"): "proves who somebody is",
    ("half_sign_in", "hash"): "proves who somebody is",
    ("second_factor", "secret"): "proves who somebody is",
    ("recovery_code", "hash"): "proves who somebody is",
    ("one_time_link", "hash"): "proves who somebody is",
    ("api_token", "hash"): "proves who somebody is",
    ("fetch", "worker"): "the name of a machine of the office",
    ("job", "worker"): "the name of a machine of the office",
    ("run", "worker"): "the name of a machine of the office",
    ("audit", "hash"): "joins entries of different people; the whole chain is checked by the office",
}
"""Columns of written tables that are not written, and why."""


def subject_of(session: Session, name: str) -> Subject:
    """Somebody by the login of their account or, without an account, by the code of the roster.

    Raises:
        UsageProblem: ``account.unknown``.
    """
    account = find(session, name)
    person = session.get(Person, account.person_id) if account and account.person_id else None
    if account is None:
        person = session.scalars(select(Person).where(Person.code == name.strip())).one_or_none()
        account = account_of_person(session, person.id) if person else None
    if account is None and person is None:
        raise UsageProblem("account.unknown", login=normal(name))
    return _subject(session, account, person)


def write(records: Records, subject: Subject, stream: IO[bytes], *, by: str) -> Exported:
    """Write everything about somebody as a ZIP; that it was asked for is in the audit, also of what is written."""
    with records.change(by=by) as change:
        change.audit("account.exported", subject.account or subject.person)
    with records.reading() as session, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        writing = _Writing(file=file)
        for name in PARTS:
            writing.tables[name] = _rows(session, Base.metadata.tables[name], subject)
        writing.tables["audit"] = _audit(session, subject, writing.tables)
        for row in writing.tables["grading"]:
            row["verdict"] = writing.document(f"verdicts/{row['id']}.json", row["verdict"])
        for row in writing.tables["submission"]:
            row["archive"] = writing.archive(records, row)
        about = {
            "as_of": records.database.now(session),
            "left_out": LEFT_OUT,
            "withheld": {".".join(place): why for place, why in WITHHELD.items()},
            "tables": writing.tables,
        }
        writing.document(DATA, about)
        file.writestr(README, "\n\n".join(label("my_data_readme", lang) for lang in LANGS) + "\n")
    rows = {name: len(found) for name, found in writing.tables.items()}
    return Exported(rows=rows, archives=writing.archives)


def write_file(records: Records, subject: Subject, path: Path, *, by: str) -> Exported:
    """The same into a new file, which only whoever made it can read.

    Raises:
        UsageProblem: ``account.export_exists``.
        EnvironmentProblem: ``account.export_failed``; nothing is left of the file.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as problem:
        raise UsageProblem("account.export_exists", file=str(path)) from problem
    except OSError as problem:
        raise EnvironmentProblem("account.export_failed", file=str(path), problem=problem.strerror) from problem
    try:
        with os.fdopen(descriptor, "w+b") as stream:
            return write(records, subject, stream, by=by)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


# -- inside -----------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class _Writing:
    file: zipfile.ZipFile
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    archives: int = 0

    def document(self, name: str, value: Any) -> str:
        told = json.dumps(value, ensure_ascii=False, indent=1, default=_plain)
        self.file.writestr(name, told.encode("utf-8", "backslashreplace"))  # half a letter, as JSON escapes it
        return name

    def archive(self, records: Records, row: Mapping[str, Any]) -> str | None:
        """The work as it was handed in, under a name of ours; None when it was removed, or is not what it was."""
        if row["purged_at"] is not None:
            return None
        try:
            content = records.blobs.open(row["sha256"])
        except BlobLost:  # ``grader verify`` names it to the office; the person still gets all the rest
            return None
        name = f"work/{row['id']}.zip"
        with self.file.open(zipfile.ZipInfo(name), "w", force_zip64=True) as target:
            for chunk in chunks_of(content):
                target.write(chunk)
        self.archives += 1
        return name


def _subject(session: Session, account: Account | None, person: Person | None) -> Subject:
    seats = session.scalars(select(Seat).where(Seat.person_id == person.id if person else false())).all()
    work = session.scalars(select(Submission.id).where(Submission.seat_id.in_([one.id for one in seats]))).all()
    jobs = session.scalars(select(Job.id).where(Job.submission_id.in_(work))).all()
    names = {account.id, account.login} if account else set()
    return Subject(
        account=account.id if account else "",
        person=person.id if person else "",
        names=frozenset(names | ({person.id, person.code} if person else set())),
        units=tuple({one.unit_id for one in seats} | ({person.unit_id} if person else set())),
        seats=tuple(one.id for one in seats),
        rounds=tuple({one.round_id for one in seats}),
        submissions=tuple(work),
        jobs=tuple(jobs),
    )


def _rows(session: Session, table: Table, subject: Subject) -> list[dict[str, Any]]:
    found = session.execute(
        select(*_written(table)).where(PARTS[table.name](subject, table)).order_by(*table.primary_key.columns)
    )
    return [_own(dict(row), subject) for row in found.mappings()]


def _audit(
    session: Session, subject: Subject, tables: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[dict[str, Any]]:
    """Entries about the person or anything of theirs, and what they did; to others they did it, which stays out."""
    shared = {"unit", "training_round", "assignment"}
    mine = {row["id"] for name, rows in tables.items() if name not in shared for row in rows if "id" in row}
    table = Base.metadata.tables["audit"]
    about = or_(table.c.object.in_(mine), table.c.by.in_(subject.names))
    found = session.execute(select(*_written(table)).where(about).order_by(table.c.number))
    lines = list[dict[str, Any]]()
    for row in found.mappings():
        line = _own(dict(row), subject)
        if line["object"] not in mine:
            line |= {"before": None, "after": None}
        lines.append(line)
    return lines


def _written(table: Table) -> Iterator[ColumnElement[Any]]:
    return (column for column in table.columns if (table.name, column.name) not in WITHHELD)


def _own(row: dict[str, Any], subject: Subject) -> dict[str, Any]:
    for name in ACTORS & set(row):
        if row[name] and row[name] not in subject.names:
            row[name] = OTHER
    return row


def _plain(value: Any) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    message = f"{type(value).__name__} has no plain form"
    raise TypeError(message)
