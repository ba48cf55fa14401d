"""Keeping the records safe: a backup of one moment while people go on working, and looking for files that changed.

A backup only reads. Every row is of one snapshot, and every content was on the disk before its row was committed: so
what the snapshot names can be copied afterwards, as long as nobody removes it meanwhile. Backups and purges therefore
exclude each other.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Final

from sqlalchemy import Table as SqlTable
from sqlalchemy import select
from sqlalchemy.orm import Session

from grader import __version__
from grader.errors import EnvironmentProblem, UsageProblem
from grader.records import Base, BlobLost, ExerciseVersion, Records, Submission, audit, schema
from grader.records.blobs import digest_of
from grader.records.keys import KEY_FILE
from grader.records.seals import SEAL_FILE
from grader.records.store import CHECKPOINT_FILE
from grader.services.backups import Kind, Manifest, Part, Row, Table, Writer, kind_of
from grader.services.proving import Proof, prove

BLOBS: Final = "blobs/"
_BATCH: Final = 200
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, kw_only=True, slots=True)
class BackupReport:
    """What was written. ``seconds`` it took, ``bytes`` of the file, ``rows`` of each table.

    Everything that was acknowledged before ``as_of`` is in it: what a loss of the machine would cost is what came
    after. ``digest`` is that of the manifest, ``key`` names the installation's key.
    """

    file: Path
    as_of: datetime
    seconds: float
    bytes: int
    rows: dict[str, int]
    blobs: int
    audit_number: int
    digest: str
    key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Damage:
    """A content that is ``missing`` or ``changed``; ``needed_by`` are submissions and exercise versions."""

    sha256: str
    problem: str
    needed_by: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ScrubReport:
    """What was found among all files: how many were read, their bytes, and what is wrong."""

    checked: int
    bytes: int
    seconds: float
    damaged: tuple[Damage, ...]


def backup(records: Records, target: Path) -> BackupReport:
    """Write a backup into a new file, or under a name of its own into a folder; it holds the keys.

    Raises:
        UsageProblem: ``backup.exists``.
        EnvironmentProblem: ``backup.busy``: another backup or a purge is at work. ``backup.disk_full``,
            ``backup.not_writable``: nothing is left of the file.
        BlobLost: the records themselves are not whole, see :func:`scrub`; nothing is left of the file.
    """
    begun = time.monotonic()
    with records.reading() as session:
        as_of = records.database.now(session)  # before the snapshot: so nothing older than it can be missing
    file = target / f"backup-{as_of:%Y%m%dT%H%M%SZ}.tar" if target.is_dir() else target
    if file.exists():
        raise UsageProblem("backup.exists", file=str(file))
    with hold(records, "backup.busy"), _written_whole(file) as stream:
        writer = Writer(stream, at=as_of)
        with records.reading() as session:
            tables, head = _write_rows(session, writer)
            needed = sorted(needed_blobs(session))
            writer.add(CHECKPOINT_FILE, _checkpoints(session))
        for sha256 in needed:
            _write_blob(records, writer, sha256)
        for name in (KEY_FILE, SEAL_FILE):
            writer.add(name, (records.folder / name).read_bytes())
        unsigned = Manifest(
            revision=schema.head(),
            program=__version__,
            engine=records.database.dialect,
            as_of=as_of,
            tables=tables,
            blobs=len(needed),
            audit_number=head.number,
            audit_hash=head.hash,
            parts=tuple(writer.parts),
            key=records.keys.id,
        )
        manifest = unsigned.model_copy(update={"signature": records.keys.sign(unsigned.signed())})
        writer.finish(manifest)
    return BackupReport(
        file=file,
        as_of=as_of,
        seconds=time.monotonic() - begun,
        bytes=file.stat().st_size,
        rows={name: table.rows for name, table in tables.items()},
        blobs=manifest.blobs,
        audit_number=manifest.audit_number,
        digest=manifest.digest,
        key=manifest.key,
    )


def check_backup(path: Path, *, key: str = "") -> Proof:
    """Read a whole backup and prove its hashes and its signature; nothing is restored.

    The key lies in the backup: that the signature holds shows that nothing was changed by accident. ``key``, the id
    that was noted elsewhere, shows that nobody made a backup of their own.

    Raises:
        UsageProblem: ``backup.not_found``.
    """
    if not path.is_file():
        raise UsageProblem("backup.not_found", file=str(path))
    proof = prove(path)
    if key and proof.manifest is not None and proof.manifest.key != key:
        return Proof(manifest=proof.manifest, wrong=(*proof.wrong, f"{KEY_FILE} other_key"), bytes=proof.bytes)
    return proof


def scrub(records: Records) -> ScrubReport:
    """Read every file that is kept, and find all that are missing or not what they were; nothing is mended."""
    begun = time.monotonic()
    wrong, checked, size = dict[str, str](), 0, 0
    with records.reading() as session:
        needed = needed_blobs(session)
    for name in records.blobs.names():
        path = records.blobs.path(name)
        try:
            checked, size = checked + 1, size + path.stat().st_size
            if digest_of(path) != name:
                wrong[name] = "changed"
        except OSError as problem:  # removed by a purge just now, or a disk that cannot read it
            wrong |= {} if isinstance(problem, FileNotFoundError) else {name: "unreadable"}
    wrong |= {name: "missing" for name in needed if not records.blobs.path(name).is_file()}
    damaged = [
        Damage(sha256=name, problem=problem, needed_by=tuple(needed.get(name, ()))) for name, problem in wrong.items()
    ]
    return ScrubReport(
        checked=checked,
        bytes=size,
        seconds=time.monotonic() - begun,
        damaged=tuple(sorted(damaged, key=lambda one: one.sha256)),
    )


def needed_blobs(session: Session) -> dict[str, list[str]]:
    """Every content that must be there, with the ids of the submissions and exercise versions that need it."""
    needed = dict[str, list[str]]()
    work = select(Submission.sha256, Submission.id).where(Submission.purged_at.is_(None)).order_by(Submission.id)
    for statement in (work, select(ExerciseVersion.archive, ExerciseVersion.digest)):
        for sha256, what in session.execute(statement):
            needed.setdefault(sha256, []).append(what)
    return needed


@contextmanager
def hold(records: Records, code: str) -> Iterator[None]:
    """Keep everybody else from copying or removing contents meanwhile; accepting and grading work is not held up.

    The lock lies on the folder of the contents and ends with the process, however it ends.

    Raises:
        EnvironmentProblem: with this code: a backup or a purge is at work.
    """
    descriptor = os.open(records.blobs.folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            raise EnvironmentProblem(code) from problem
        yield
    finally:
        os.close(descriptor)


def columns_of(table: SqlTable) -> dict[str, Kind]:
    """The columns of a table with their kinds."""
    return {column.name: kind_of(column) for column in table.columns}


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# -- inside -----------------------------------------------------------------------------------------------------------


def _write_rows(session: Session, writer: Writer) -> tuple[dict[str, Table], audit.AuditHead]:
    """All tables, those that others refer to first, and where the chain ends."""
    head = session.scalars(select(audit.AuditHead).where(audit.AuditHead.id == 1)).one()
    tables = dict[str, Table]()
    for table in Base.metadata.sorted_tables:
        columns = columns_of(table)
        count = writer.rows(table.name, _rows(session, table), columns)
        tables[table.name] = Table(columns=columns, rows=count)
    return tables, head


def _rows(session: Session, table: SqlTable) -> Iterator[Row]:
    statement = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=_BATCH)
    result = session.execute(statement)
    try:
        for row in result.mappings():
            yield dict(row)
    finally:
        result.close()


def _checkpoints(session: Session) -> bytes:
    """The file that is to be copied away, as it was at the snapshot."""
    with TemporaryDirectory(prefix="backup-") as folder:
        file = Path(folder) / CHECKPOINT_FILE
        audit.export_checkpoints(session, file)
        return file.read_bytes()


def _write_blob(records: Records, writer: Writer, sha256: str) -> Part:
    """A content, proved while it is copied: a backup of something that changed would be found out too late."""
    path = records.blobs.path(sha256)
    try:
        source = path.open("rb")
    except OSError as problem:
        raise BlobLost("records.blob_missing", sha256=sha256) from problem
    with source:
        size = os.fstat(source.fileno()).st_size
        part = writer.stream(BLOBS + sha256, source, size)
    if part.sha256 != sha256:
        raise BlobLost("records.blob_damaged", sha256=sha256)
    return part


@contextmanager
def _written_whole(file: Path) -> Iterator[BinaryIO]:
    """A new file that appears under its name when all of it is durable; after a failure nothing is left of it."""
    partial = file.with_name(f"{file.name}.partial")
    try:
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor with the mode it must have
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        partial.rename(file)
        sync_folder(file.parent)
    except OSError as problem:
        code = "backup.disk_full" if problem.errno in _FULL else "backup.not_writable"
        raise EnvironmentProblem(code, file=str(file), problem=problem.strerror or str(problem)) from problem
    finally:
        with suppress(OSError):  # whatever is wrong with the folder was said already
            partial.unlink(missing_ok=True)
