"""The records as a whole: database, blobs and key under one folder, and the two ways to change them.

A *change* is done by somebody and leaves an audit entry in the same transaction; without one it is refused. *Upkeep*
is what machines do between changes (leases, beats, progress), of which nothing is a decision.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from sqlalchemy.orm import Session

from grader.errors import EnvironmentProblem
from grader.faultpoints import reached
from grader.records import audit, schema
from grader.records.blobs import BlobStore
from grader.records.database import STATEMENT_SECONDS, Database, RecordsUnavailable, need_local
from grader.records.keys import Keys
from grader.records.seals import Seals

BLOBS: Final = "blobs"
SQLITE_FILE: Final = "records.sqlite3"
CHECKPOINT_FILE: Final = "audit-checkpoints.txt"


class Unaudited(Exception):
    """A change ended without saying what it did: a fault of the program, and nothing was changed."""


@dataclass(kw_only=True)
class Change:
    """One change that is being made; everything in it happens at ``at``, on the database's clock."""

    session: Session
    by: str
    at: datetime
    entries: list[audit.Entry] = field(default_factory=list)

    def audit(self, action: str, what: str, *, before: Any = None, after: Any = None) -> None:
        """Say what was done: ``round.created``, ``rnd_5d0c…``. Values are plain JSON with ids, never names."""
        self.entries.append(audit.Entry(action=action, object=what, before=before, after=after))


class Records:
    """Open records."""

    def __init__(self, folder: Path, database: Database, blobs: BlobStore, keys: Keys) -> None:
        self.folder, self.database, self.blobs, self.keys = folder, database, blobs, keys

    @cached_property
    def seals(self) -> Seals:
        """The key of second factors, read when it is needed first: only the portal and resets ever do.

        Raises:
            EnvironmentProblem: ``records.seal_unusable``.
        """
        return Seals.read(self.folder)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """See :meth:`Database.reading`."""
        with self.database.reading() as session:
            yield session

    @contextmanager
    def change(self, *, by: str, request: str = "") -> Iterator[Change]:
        """A transaction in which somebody changes something.

        Raises:
            Unaudited: the block added no audit entry.
        """
        with self.database.writing() as session:
            made = Change(session=session, by=by, at=self.database.now(session))
            yield made
            if not made.entries:
                raise Unaudited
            session.flush()
            audit.append(session, made.entries, by=by, request=request, at=made.at, keys=self.keys)

    @contextmanager
    def upkeep(self) -> Iterator[Session]:
        """A transaction of the machinery: leases, beats and progress."""
        with self.database.writing() as session:
            yield session

    def checkpoint(self) -> None:
        """Sign the audit chain as it is, and write all checkpoints to the file that is to be copied away.

        Raises:
            RecordsUnavailable: also when the file cannot be written; the signature is kept all the same.
        """
        with self.database.writing() as session:
            audit.add_checkpoint(session, at=self.database.now(session), keys=self.keys)
        reached("audit.checkpoint")
        try:
            with self.database.reading() as session:
                audit.export_checkpoints(session, self.folder / CHECKPOINT_FILE)
        except OSError as problem:
            raise RecordsUnavailable(
                "records.not_writable", problem=f"{CHECKPOINT_FILE}: {problem.strerror}"
            ) from problem

    def close(self) -> None:
        """Give everything back."""
        self.database.close()


def default_url(folder: Path) -> str:
    """The embedded database of a folder."""
    return f"sqlite:///{folder / SQLITE_FILE}"


def create_records(folder: Path, url: str = "", *, clock: Callable[[], datetime] | None = None) -> Records:
    """Make the records of an installation, or bring those that are there to this version; nothing is lost by it.

    Raises:
        EnvironmentProblem: ``records.not_writable``, ``records.not_local``, ``records.schema_newer`` and what a
            database may say, as ``records.damaged``.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        blobs = BlobStore(folder / BLOBS)
        blobs.create()
        keys = Keys.create(folder)
        Seals.create(folder)
    except OSError as problem:
        raise EnvironmentProblem("records.not_writable", problem=f"{folder}: {problem.strerror}") from problem
    database = _database(folder, url, clock)
    with _closed_on_failure(database):
        database.need_whole()
        schema.upgrade(database)
    return Records(folder, database, blobs, keys)


def open_records(
    folder: Path,
    url: str = "",
    *,
    clock: Callable[[], datetime] | None = None,
    statement_seconds: int = STATEMENT_SECONDS,
) -> Records:
    """Open the records of an installation; see :class:`Database` for ``statement_seconds``.

    Raises:
        EnvironmentProblem: ``records.not_initialised``, ``records.schema_older``, ``records.schema_newer``,
            ``records.key_missing``, ``records.not_local`` and what a database may say.
    """
    if not folder.is_dir() or (not url and not (folder / SQLITE_FILE).is_file()):
        raise EnvironmentProblem("records.not_initialised", folder=str(folder))
    database = _database(folder, url, clock, statement_seconds)
    with _closed_on_failure(database):
        schema.require_current(database)
        return Records(folder, database, BlobStore(folder / BLOBS), Keys.read(folder))


def _database(
    folder: Path, url: str, clock: Callable[[], datetime] | None, statement_seconds: int = STATEMENT_SECONDS
) -> Database:
    if not url:
        need_local(folder)
    return Database(url or default_url(folder), clock=clock, statement_seconds=statement_seconds)


@contextmanager
def _closed_on_failure(database: Database) -> Iterator[None]:
    try:
        yield
    except BaseException:
        database.close()
        raise
