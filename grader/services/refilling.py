"""All rows of a backup into an empty database, in one transaction: they are there at its end, or there is nothing."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, TableClause, column, delete, func, insert, inspect, select, table, update
from sqlalchemy.orm import Session

from grader.records import APPEND_ONLY, Database, Records, schema
from grader.records.database import translated
from grader.services.backups import KINDS, Manifest, from_line
from grader.services.proving import BackupUnusable, parts_of

_BATCH: Final = 500
"""Rows of one statement."""
_TYPES: Final = dict(KINDS)


class Whole(Database):
    """A database all of whose transactions are parts of one, which is committed at the end or never."""

    def __init__(self, url: str, *, clock: Callable[[], datetime] | None) -> None:
        super().__init__(url, clock=clock)
        with translated():
            self.connection: Connection = self._writer.connect()
            self._all = self.connection.begin()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Sees what was done so far."""
        with translated(), self._part() as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Does a part, or none of it; nobody else sees it yet."""
        with translated(), self._part() as session:
            yield session
            session.commit()

    def _part(self) -> Session:
        return Session(self.connection, join_transaction_mode="create_savepoint", expire_on_commit=False)

    def commit(self) -> None:
        """Let everybody see all of it.

        Raises:
            RecordsUnavailable: it may have happened, or not: a connection can be lost after the commit.
        """
        with translated():
            self._all.commit()

    def close(self) -> None:
        """Give everything back; what was not committed was never there."""
        with suppress(Exception):  # a connection that was lost has nothing left to take back
            self.connection.close()
        super().close()


def refill(path: Path, manifest: Manifest, records: Records) -> None:
    """All rows, in the schema that they were written with, which is then brought to ours.

    Raises:
        BackupUnusable: ``backup.damaged``: the file changed since it was proved.
        RecordsUnavailable: what the database says.
    """
    schema.upgrade(records.database, manifest.revision)
    with records.upkeep() as session:
        connection = session.connection()
        _make_room(connection, manifest)
        tables = {name: table(name, *_columns(manifest, name)) for name in manifest.tables}
        later = _Later(connection, tables)
        promised = {part.name: part.sha256 for part in manifest.parts}
        for part, chunks in parts_of(path):
            folder, _, rest = part.partition("/")
            name = rest.partition("/")[0]
            if folder == "tables" and name in tables:
                content = b"".join(chunks)
                if hashlib.sha256(content).hexdigest() != promised[part]:  # it was whole a moment ago
                    raise BackupUnusable("backup.damaged", part=part, count=1)
                lines = content.splitlines()
                later.insert(name, [from_line(line, manifest.tables[name].columns) for line in lines])
        later.finish()
        for name, one in manifest.tables.items():
            found = connection.scalar(select(func.count()).select_from(tables[name]))
            if found != one.rows:
                raise BackupUnusable("backup.damaged", part=f"tables/{name}", count=1)
    schema.upgrade(records.database)


def _columns(manifest: Manifest, name: str) -> Iterator[Any]:
    for one, kind in manifest.tables[name].columns.items():
        yield column(one, _TYPES[kind])


def _make_room(connection: Connection, manifest: Manifest) -> None:
    """Rows that a migration put there give way to those of the backup."""
    for name in set(manifest.tables) - APPEND_ONLY:
        connection.execute(delete(table(name)))


class _Later:
    """Inserts rows; what refers to a row of the same table, which may come later, is filled in at the end."""

    def __init__(self, connection: Connection, tables: dict[str, TableClause]) -> None:
        self._connection, self._tables = connection, tables
        self._owed = defaultdict[str, list[tuple[str, Any, str, Any]]](list)
        inspector = inspect(connection)
        self._own = {
            name: (
                inspector.get_pk_constraint(name)["constrained_columns"],
                [
                    key["constrained_columns"][0]
                    for key in inspector.get_foreign_keys(name)
                    if key["referred_table"] == name
                ],
            )
            for name in tables
        }

    def insert(self, name: str, rows: Sequence[dict[str, Any]]) -> None:
        keys, own = self._own[name]
        for row in rows:
            for column_name in own:
                if row[column_name] is not None:
                    self._owed[name].append((keys[0], row[keys[0]], column_name, row[column_name]))
                    row[column_name] = None
        for start in range(0, len(rows), _BATCH):
            self._connection.execute(insert(self._tables[name]), list(rows[start : start + _BATCH]))

    def finish(self) -> None:
        for name, owed in self._owed.items():
            target = self._tables[name]
            for key, value, column_name, refers_to in owed:
                self._connection.execute(update(target).where(target.c[key] == value).values({column_name: refers_to}))
