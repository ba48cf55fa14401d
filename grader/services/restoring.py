"""Records come back from a backup: whole and proved, or not at all.

Nothing is an installation before the last step. Files wait in a folder that says so (``restoring``), rows in one
transaction; everything that ``grader verify`` can find is looked for there. Then the files get their places, and at
last the database appears, by a rename (SQLite) or by its commit (PostgreSQL). Killed before that, there is no
installation, and the next restore removes what was left.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import inspect, make_url, select, update

from grader.errors import EnvironmentProblem, UsageProblem
from grader.records import Base, BlobStore, Database, Job, Keys, Records, Run, WorkerRecord, schema
from grader.records.database import need_local, translated
from grader.records.keys import KEY_FILE
from grader.records.seals import SEAL_FILE, Seals
from grader.records.store import BLOBS, CHECKPOINT_FILE, SQLITE_FILE, default_url
from grader.services import keeping
from grader.services.backups import Manifest
from grader.services.proving import BackupUnusable, prove
from grader.services.refilling import Whole, refill
from grader.services.verifying import verify

WAITING: Final = "restoring"
"""The folder whose presence says that the files beside it are no installation yet."""
PLACED: Final = (BLOBS, KEY_FILE, SEAL_FILE, CHECKPOINT_FILE)


@dataclass(frozen=True, kw_only=True, slots=True)
class RestoreReport:
    """What came back. ``as_of`` is the moment of the backup; what was done in ``lost``, from then to now, is not here.

    ``seconds`` until the installation could be used, ``queued_again`` jobs that were running at that moment, ``digest``
    of the manifest.
    """

    folder: Path
    as_of: datetime
    lost: timedelta
    seconds: float
    rows: int
    blobs: int
    bytes: int
    queued_again: int
    digest: str


def restore(
    path: Path, folder: Path, url: str = "", *, by: str, clock: Callable[[], datetime] | None = None
) -> RestoreReport:
    """Bring a backup back, into a folder without records and a database without our tables ("": one in the folder).

    Raises:
        UsageProblem: ``restore.not_empty``, ``backup.not_found``.
        BackupUnusable: ``backup.damaged``; ``restore.newer``: a later version of the program wrote it;
            ``restore.promise_broken``: what it holds is not what records promise.
        EnvironmentProblem: ``restore.busy``, ``restore.not_writable``, ``records.not_local``, and what a database or
            disk may say.
    """
    begun = time.monotonic()
    if not path.is_file():
        raise UsageProblem("backup.not_found", file=str(path))
    with _writable(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not url:
            need_local(folder)
        with _alone(folder):
            _need_empty(folder, url)
            return _restore(path, folder, url, by=by, clock=clock, begun=begun)


def _restore(
    path: Path, folder: Path, url: str, *, by: str, clock: Callable[[], datetime] | None, begun: float
) -> RestoreReport:
    waiting, database_file = folder / WAITING, _file_of(folder, url)
    database = None
    try:
        manifest, size = _take_files(path, waiting)
        fresh = url if database_file is None else f"sqlite:///{_unfinished(database_file)}"
        database = Whole(fresh, clock=clock)
        records = Records(waiting, database, BlobStore(waiting / BLOBS), Keys.read(waiting))
        refill(path, manifest, records)
        again, now = _go_on(records, manifest, by)
        _need_promises(records)
        for name in PLACED:
            (waiting / name).rename(folder / name)
        keeping.sync_folder(folder)
    except BaseException:
        if database is not None:
            database.close()
        _clear(folder, database_file)
        raise
    database.commit()  # a failure here may come after the commit itself: then nothing may be removed
    database.close()
    if database_file is not None:
        _appear(database_file)
    waiting.rmdir()
    return RestoreReport(
        folder=folder,
        as_of=manifest.as_of,
        lost=max(now - manifest.as_of, timedelta(0)),
        seconds=time.monotonic() - begun,
        rows=sum(one.rows for one in manifest.tables.values()),
        blobs=manifest.blobs,
        bytes=size,
        queued_again=again,
        digest=manifest.digest,
    )


# -- places -----------------------------------------------------------------------------------------------------------


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise EnvironmentProblem("restore.not_writable", folder=str(folder), problem=str(problem)) from problem


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two restores into one folder at the same time are one too many."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            raise EnvironmentProblem("restore.busy", folder=str(folder)) from problem
        yield
    finally:
        os.close(descriptor)


def _need_empty(folder: Path, url: str) -> None:
    """Refuse anything that could be somebody's records; what an interrupted restore left is removed."""
    database_file = _file_of(folder, url)
    if _has_database(url, database_file):
        raise UsageProblem("restore.not_empty", place=_shown(url, database_file))
    if (folder / WAITING).is_dir():
        _clear(folder, database_file)
    for name in (*PLACED, SQLITE_FILE):
        if (folder / name).exists():
            raise UsageProblem("restore.not_empty", place=str(folder / name))


def _file_of(folder: Path, url: str) -> Path | None:
    """The file of an embedded database; None: it is on a server."""
    database = Database(url or default_url(folder))  # it connects to nothing yet, but says what is wrong with a URL
    database.close()
    return Path(database.engine.url.database or "") if database.dialect == "sqlite" else None


def _unfinished(database_file: Path) -> Path:
    return database_file.with_name(f"{database_file.name}.{WAITING}")


def _appear(database_file: Path) -> None:
    unfinished = _unfinished(database_file)
    log = unfinished.with_name(f"{unfinished.name}-wal")
    if (
        log.exists() and log.stat().st_size
    ):  # the last connection writes it back when it is closed; else it is not whole
        raise EnvironmentProblem("restore.not_writable", folder=str(log.parent), problem=log.name)
    unfinished.rename(database_file)
    keeping.sync_folder(database_file.parent)


def _has_database(url: str, database_file: Path | None) -> bool:
    if database_file is not None:
        return database_file.exists()
    database = Database(url)
    try:
        with translated():
            ours = {*Base.metadata.tables, "alembic_version"}
            return not ours.isdisjoint(inspect(database.engine).get_table_names())
    finally:
        database.close()


def _shown(url: str, database_file: Path | None) -> str:
    return str(database_file) if database_file else make_url(url).render_as_string(hide_password=True)


def _clear(folder: Path, database_file: Path | None) -> None:
    """Remove what a restore put there; it had found the folder empty."""
    if database_file is not None:
        for name in ("", "-wal", "-shm"):
            unfinished = _unfinished(database_file)
            unfinished.with_name(unfinished.name + name).unlink(missing_ok=True)
    shutil.rmtree(folder / BLOBS, ignore_errors=True)
    for name in (KEY_FILE, SEAL_FILE, CHECKPOINT_FILE):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / WAITING, ignore_errors=True)  # at last: as long as it is there, the next one goes on


# -- content ----------------------------------------------------------------------------------------------------------


def _take_files(path: Path, waiting: Path) -> tuple[Manifest, int]:
    """Prove the backup and, in the same pass, put its files where they wait; returns the bytes that were read."""
    waiting.mkdir(mode=0o700)
    blobs = BlobStore(waiting / BLOBS)
    blobs.create()

    def keep(name: str, chunks: Iterator[bytes]) -> None:
        if name.startswith(keeping.BLOBS):
            blobs.put(chunks)  # under the name of what it really is: a name in a backup is no path
        elif name in {KEY_FILE, SEAL_FILE, CHECKPOINT_FILE}:
            descriptor = os.open(waiting / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor with the mode it must have
                file.writelines(chunks)
                file.flush()
                os.fsync(file.fileno())

    proof = prove(path, keep)
    manifest = proof.need()
    if manifest.revision not in schema.revisions():
        raise BackupUnusable("restore.newer", found=manifest.revision, wanted=schema.head(), program=manifest.program)
    Seals.create(waiting)  # backups of before there were second factors hold none
    return manifest, proof.bytes


def _go_on(records: Records, manifest: Manifest, by: str) -> tuple[int, datetime]:
    """Let the work go on where it was: what was being graded waits again, and uses up no try. Returns how much."""
    with records.change(by=by) as change:
        session = change.session
        running = session.scalars(select(Job).where(Job.state == "running").order_by(Job.id)).all()
        for job in running:
            job.state, job.lease_until, job.worker, job.not_before = "queued", None, "", change.at
        session.execute(update(Run).where(Run.ended == "").values(ended="released", ended_at=change.at))
        session.execute(update(WorkerRecord).where(WorkerRecord.stopped_at.is_(None)).values(stopped_at=change.at))
        after = {
            "manifest": manifest.digest,
            "as_of": manifest.as_of.isoformat(),
            "entry": manifest.audit_number,
            "queued_again": [job.id for job in running],
        }
        change.audit("records.restored", manifest.digest, after=after)
    records.checkpoint()
    return len(running), change.at


def _need_promises(records: Records) -> None:
    for promise in verify(records):
        if not promise.holds:
            raise BackupUnusable("restore.promise_broken", promise=promise.id, example=promise.examples[0])
