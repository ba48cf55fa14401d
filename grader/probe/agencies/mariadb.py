"""A MariaDB agency: its rows and what is counted of its app, over a connection of the module beside this one."""
# ruff: noqa: D102, S608 - AgencyHandle documents these methods; names are quoted, values are bound

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any

import pymysql
from pymysql.cursors import DictCursor

from grader.errors import InfrastructureFault
from grader.packs.world import Row
from grader.probe.agencies.control import START_SECONDS, AgencyControl
from grader.probe.agencies.handle import Tables
from grader.probe.agencies.kept import KEPT, KeptRows
from grader.probe.agencies.mariadb_session import LOCKED, MariadbSession

_METER_FILES = tuple(f"/data/audit/statements.log{suffix}" for suffix in ("", ".1", ".2", ".3"))
"""What agency.cnf of the image lets the server's audit plugin write; the newest first."""
_METER_FIELDS = 9
"""Of a line: time, server, user, host, connection, number, READ or WRITE, database, table; a last one is empty."""

_BATCH_CHARACTERS = 500_000
_COLUMNS = """
    SELECT c.TABLE_NAME AS place, c.COLUMN_NAME AS name
    FROM information_schema.COLUMNS c JOIN information_schema.TABLES t USING (TABLE_SCHEMA, TABLE_NAME)
    WHERE c.TABLE_SCHEMA = DATABASE() AND t.TABLE_TYPE = 'BASE TABLE' AND c.IS_GENERATED = 'NEVER'
    ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION
"""


class MariadbAgency(KeptRows):
    """A MariaDB agency, reached as an administrator.

    Statements are counted from the lines of the server's audit plugin, one for each table that a statement opens: exact
    for text and prepared statements, whether the app fetched the answer or not, up to about 200,000 since the last
    forget. A busier app is counted too low, because the plugin's files are bounded.
    """

    def __init__(
        self,
        name: str,
        *,
        dsn: str,
        app_role: str,
        start_seconds: float = START_SECONDS,
        control: AgencyControl | None = None,
    ) -> None:
        super().__init__(control)
        self.name = name
        self._app_role = app_role
        self._session = MariadbSession(name, dsn=dsn, start_seconds=start_seconds)
        self._mark = 0

    def create_schema(self, script: str) -> None:
        with self._session.cursor("create_schema") as cursor:
            cursor.execute("SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() LIMIT 1")
            if cursor.fetchone() is None:
                self._session.run_script(script)

    def insert(self, table: str, row: Row) -> None:
        statement = f"INSERT INTO {_formatted(table)} ({', '.join(map(_formatted, row))}) VALUES {_marks(list(row))}"
        self._change("insert", table, statement, list(row.values()))

    def update(self, table: str, values: Row, *, where: Row) -> int:
        changes = ", ".join(f"{_formatted(column)} = %s" for column in values)
        statement = f"UPDATE {_formatted(table)} SET {changes} WHERE {_equal(where)}"
        return self._change("update", table, statement, [*values.values(), *where.values()])

    def delete(self, table: str, *, where: Row) -> int:
        statement = f"DELETE FROM {_formatted(table)} WHERE {_equal(where)}"
        return self._change("delete", table, statement, list(where.values()))

    def fetch(self, query: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        with self._session.cursor("fetch") as cursor:
            cursor.execute(_written(cursor, query, tuple(params)) if params else query)
            return list(cursor.fetchall())

    def statements(self) -> int:
        return sum(self.statements_by_connection().values())

    def statements_by_connection(self) -> dict[int, int]:
        """The same by the server's number of the connection that they came over."""
        return dict(Counter(connection for connection, _ in self._metered()))

    def forget(self) -> None:
        with self._session.cursor("forget", ours=True) as cursor:
            cursor.execute("SET GLOBAL server_audit_file_rotate_now = ON")
            # Every statement of the server gets a number greater than all before it; this one is the border.
            cursor.execute("SELECT QUERY_ID FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()")
            row = cursor.fetchone()
        self._mark = int(row["QUERY_ID"]) if row else 0
        self._forget_connections()

    def close(self) -> None:
        self._session.close()

    # -- counting -----------------------------------------------------------------------------------------------------

    def _metered(self) -> set[tuple[int, int]]:
        """Connection and number of each statement of the app since the last forget that opened one of our tables.

        The plugin writes before a statement runs, so what an app has an answer to is in the files.
        """
        found: set[tuple[int, int]] = set()
        with self._session.cursor("statements", ours=True) as cursor:
            for place in _METER_FILES:
                cursor.execute("SELECT DATABASE() AS here, LOAD_FILE(%s) AS log", [place])
                row = cursor.fetchone() or {"log": None}
                if row["log"] is None and place == _METER_FILES[0]:
                    raise InfrastructureFault("infrastructure.agency_meter", agency=self.name)
                if row["log"] is not None:
                    found |= set(_opened_tables(row["log"], self._app_role, row["here"]))
        return {(connection, number) for connection, number in found if number > self._mark}

    # -- rows ---------------------------------------------------------------------------------------------------------

    def _change(self, action: str, table: str, statement: str, params: Sequence[Any]) -> int:
        rows = 0

        def work(cursor: DictCursor) -> None:
            nonlocal rows
            rows = cursor.execute(_written(cursor, statement, params))

        self._touched.add(table)
        with self._translated(action):
            self._at_once(work)
        return rows

    # DELETE everywhere and not TRUNCATE: an app that holds a transaction open neither blocks it nor sees a table empty.

    def _store(self, tables: Tables) -> None:
        def work(cursor: DictCursor) -> None:
            cursor.execute("SET SESSION foreign_key_checks = 0")
            for table in tables:
                cursor.execute(f"DELETE FROM {_quoted(table)}")
            cursor.execute("SET SESSION foreign_key_checks = 1")
            for table, rows in tables.items():
                columns = list(dict.fromkeys(column for row in rows for column in row))
                if columns:
                    _fill(cursor, table, columns, [[row.get(column) for column in columns] for row in rows])

        self._at_once(work)

    def _keep(self) -> None:
        with self._opened().cursor() as cursor:
            cursor.execute(f"CREATE DATABASE IF NOT EXISTS {KEPT}")
            for table, columns in self._columns().items():
                copy, original = f"{KEPT}.{_quoted(table)}", _quoted(table)
                cursor.execute(f"DROP TABLE IF EXISTS {copy}")
                cursor.execute(f"CREATE TABLE {copy} AS SELECT {columns} FROM {original}")

    def _measured(self) -> Mapping[str, str]:
        tables = list(self._columns())
        if not tables:
            return {}
        with self._opened().cursor() as cursor:
            cursor.execute(f"CHECKSUM TABLE {', '.join(map(_quoted, tables))}")
            return {table: str(row["Checksum"]) for table, row in zip(tables, cursor.fetchall(), strict=True)}

    def _restore(self, names: Collection[str]) -> None:
        columns = self._columns()

        def work(cursor: DictCursor) -> None:
            cursor.execute("SET SESSION foreign_key_checks = 0")
            for name in names:
                table, what = _quoted(name), columns[name]
                cursor.execute(f"DELETE FROM {table}")
                cursor.execute(f"INSERT INTO {table} ({what}) SELECT {what} FROM {KEPT}.{table}")

        self._at_once(work)

    def _columns(self) -> dict[str, str]:
        """Each table with those of its columns that are not computed, as SQL."""
        found: dict[str, list[str]] = {}
        with self._opened().cursor() as cursor:
            cursor.execute(_COLUMNS)
            for row in cursor.fetchall():
                found.setdefault(row["place"], []).append(_quoted(row["name"]))
        return {table: ", ".join(columns) for table, columns in found.items()}

    def _at_once(self, work: Callable[[DictCursor], None]) -> None:
        """One transaction; only an app that locked rows by hand is in its way, and is shown out."""
        try:
            self._session.transact(work)
        except pymysql.OperationalError as problem:
            if problem.args[0] not in LOCKED:
                raise
            self._end_lock_holders()
            self._session.transact(work)

    def _end_lock_holders(self) -> None:
        query = """
            SELECT p.ID AS id FROM information_schema.PROCESSLIST p
            JOIN information_schema.INNODB_TRX t ON t.trx_mysql_thread_id = p.ID
            WHERE p.USER = %s AND t.trx_rows_locked + t.trx_tables_locked > 0
        """
        with self._opened().cursor() as cursor:
            cursor.execute(query, [self._app_role])
            for row in cursor.fetchall():
                with suppress(pymysql.OperationalError):  # it has gone by itself
                    cursor.execute("KILL CONNECTION %s", [row["id"]])

    # -- the connection -----------------------------------------------------------------------------------------------

    def _opened(self) -> "pymysql.Connection[DictCursor]":
        return self._session.opened()

    def _translated(self, action: str, *, ours: bool = False) -> AbstractContextManager[None]:
        return self._session.translated(action, ours=ours)


def _opened_tables(log: bytes, user: str, database: str) -> Iterator[tuple[int, int]]:
    """Connection and number of each statement of ``user`` that a file of the plugin says opened a table there."""
    for line in log.decode("utf-8", "replace").splitlines():
        fields = line.split(",")
        # A line that is still being written is short; its statement has no answer yet, and is read the next time.
        if len(fields) >= _METER_FIELDS and (fields[2], fields[7]) == (user, database):
            yield int(fields[4]), int(fields[5])


def _written(cursor: DictCursor, statement: str, params: Sequence[Any]) -> str:
    """The statement with its values; the driver tells of a value that it cannot write in several ways."""
    try:
        return cursor.mogrify(statement, tuple(params))
    except (TypeError, ValueError, AttributeError, KeyError) as problem:
        raise pymysql.ProgrammingError(f"{type(problem).__name__}: {problem}") from problem


def _fill(cursor: DictCursor, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Insert many rows in few statements."""
    head = f"INSERT INTO {_quoted(table)} ({', '.join(map(_quoted, columns))}) VALUES "
    marks = _marks(columns)
    batch: list[str] = []
    size = 0
    for row in rows:
        batch.append(_written(cursor, marks, row))
        size += len(batch[-1])
        if size > _BATCH_CHARACTERS:
            cursor.execute(head + ",".join(batch))
            batch, size = [], 0
    if batch:
        cursor.execute(head + ",".join(batch))


def _marks(columns: Sequence[str]) -> str:
    return f"({', '.join(['%s'] * len(columns))})"


def _equal(where: Row) -> str:
    return " AND ".join(f"{_formatted(column)} = %s" for column in where)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _formatted(name: str) -> str:
    """A name in a statement that the driver puts values into: there a percent sign counts double."""
    return _quoted(name).replace("%", "%%")
