"""The door to the database: SQLite in a file, or PostgreSQL. What the engines do differently is decided here.

Errors of the engine become ours at this one place. Transactions are short, and belong to whoever opened them.
"""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, func, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from grader.errors import EnvironmentProblem, UsageProblem

BUSY_SECONDS: Final = 30
"""How long a writer of another process is waited for (SQLite)."""
CONNECT_SECONDS: Final = 5
STATEMENT_SECONDS: Final = 60
"""A statement that takes longer is a fault, not work (PostgreSQL)."""

LEAST_SQLITE: Final = (3, 35, 0)
"""The first with RETURNING."""

MOUNTS: Final = Path("/proc/self/mountinfo")
REMOTE: Final = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "davfs", "fuse.glusterfs", "fuse.sshfs", "gfs2", "glusterfs", "lustre"}
    | {"ncpfs", "nfs", "nfs4", "smb3", "smbfs"}
)
"""File systems of other machines: their locks and shared memory do not hold what SQLite needs."""

_OCTAL: Final = re.compile(r"\\([0-7]{3})")
"""How a blank in the name of a mount is written."""

_WRITES: Final = "grader_writes"


class RecordsUnavailable(EnvironmentProblem):
    """The records cannot be read or written now; nothing was changed. Codes ``records.*``."""


class Database:
    """An open database. Threads may share it.

    ``clock`` replaces the database's clock where a test wants to say what time it is. ``statement_seconds`` is how long
    one statement may take (PostgreSQL).
    """

    def __init__(
        self, url: str, *, clock: Callable[[], datetime] | None = None, statement_seconds: int = STATEMENT_SECONDS
    ) -> None:
        self._clock = clock
        self._turn = threading.Lock()
        self.engine = _engine(url, statement_seconds)
        self._writer = self.engine.execution_options(**{_WRITES: True})

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.engine.dialect.name

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one state of the records and changes nothing."""
        with translated(), Session(self.engine, expire_on_commit=False) as session:
            if self.dialect == "postgresql":
                session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose changes are kept together at the end of the block, or not at all."""
        with translated(), self._one_at_a_time(), Session(self._writer, expire_on_commit=False) as session:
            yield session
            session.commit()

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """SQLite has one writer. Threads queue up here, in order, instead of polling for the file's lock."""
        if self.dialect == "sqlite":
            with self._turn:
                yield
        else:
            yield

    def now(self, session: Session) -> datetime:
        """The time on the database's clock, which all workers share."""
        if self._clock is not None:
            return self._clock()
        if self.dialect == "postgresql":
            moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
            return moment.astimezone(UTC)
        return datetime.now(UTC)  # the clock of an embedded database is that of its process

    def need_whole(self) -> None:
        """Refuse a damaged file before anything is served from it; a server looks after its own files.

        Raises:
            RecordsUnavailable: ``records.damaged``.
        """
        if self.dialect != "sqlite":
            return
        with translated(), self.engine.connect() as connection:
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if found != "ok":
            raise RecordsUnavailable("records.damaged", problem=str(found)[:200])

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def _engine(url: str, statement_seconds: int) -> Engine:
    try:
        parsed = make_url(url)
        name = parsed.get_backend_name()
        if name == "sqlite":
            return _sqlite(url)
        if name == "postgresql":
            full = parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
            return _postgresql(full, statement_seconds)
    except ArgumentError as problem:
        raise UsageProblem("records.bad_url", problem="no URL") from problem
    except (ModuleNotFoundError, NoSuchModuleError) as problem:
        raise EnvironmentProblem("records.driver_missing", module=str(getattr(problem, "name", problem))) from problem
    raise UsageProblem("records.bad_url", problem=name)


def _sqlite(url: str) -> Engine:
    engine = create_engine(
        url,
        connect_args={"timeout": BUSY_SECONDS},
        pool_size=20,
        max_overflow=40,
        hide_parameters=True,  # a fault is logged with its statement, and what people typed is no part of it
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves: the module would start no transaction for DDL
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",  # NORMAL may lose a committed transaction when the power fails
            "foreign_keys=ON",
            f"busy_timeout={BUSY_SECONDS * 1000}",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _postgresql(url: str, statement_seconds: int) -> Engine:
    return create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,  # a connection that a restart cut is replaced without anybody noticing
        pool_size=10,
        max_overflow=20,
        pool_timeout=CONNECT_SECONDS,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "grader",
            "options": f"-c statement_timeout={statement_seconds}s -c timezone=UTC -c synchronous_commit=on",
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
        },
    )


def need_local(folder: Path) -> None:
    """Refuse a folder for an embedded database that lies on another machine.

    Raises:
        EnvironmentProblem: ``records.not_local``, with the kind of file system.
    """
    kind = _kind_of_files(folder.resolve())
    if kind in REMOTE:
        raise EnvironmentProblem("records.not_local", folder=str(folder), kind=kind)


def _kind_of_files(folder: Path) -> str:
    """The file system of a folder: that of the deepest mount above it, of several there the last; "" for unknown."""
    deepest, kind = -1, ""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        before, _, after = line.partition(" - ")
        mount = Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), before.split()[4]))
        if folder.is_relative_to(mount) and len(mount.parts) >= deepest:
            deepest, kind = len(mount.parts), after.split()[0]
    return kind


@contextmanager
def translated() -> Iterator[None]:
    """Turn what an engine says into our words. A broken constraint is no fault of the engine and passes as it is."""
    try:
        yield
    except IntegrityError:
        raise
    except PoolTimeout as problem:
        raise RecordsUnavailable("records.busy") from problem
    except DBAPIError as problem:
        raise RecordsUnavailable(_code(problem), problem=str(problem.orig).strip().splitlines()[0][:200]) from problem


def _code(problem: DBAPIError) -> str:
    said = str(problem.orig).lower()
    if "disk is full" in said or "no space left" in said or "could not extend" in said:
        return "records.disk_full"
    if "locked" in said or "deadlock" in said or "statement timeout" in said:
        return "records.busy"
    if "readonly" in said or "read-only" in said or "permission denied" in said:
        return "records.not_writable"
    if "no such table" in said or "does not exist" in said:
        return "records.not_initialised"
    if "malformed" in said or "not a database" in said:
        return "records.damaged"
    return "records.unavailable" if isinstance(problem, OperationalError) else "records.fault"
