"""A PostgreSQL agency; the only module that imports psycopg."""
# ruff: noqa: D102 - AgencyHandle documents these methods

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from grader.errors import InfrastructureFault
from grader.packs.world import Row
from grader.probe.agencies.control import START_SECONDS, AgencyControl
from grader.probe.agencies.handle import Tables, authors_mistake
from grader.probe.agencies.kept import KEPT, KeptRows

_CONNECT_SECONDS = 5
_RETRY_SECONDS = 0.05
_METER = "pg_stat_statements"
_SESSION = "-c statement_timeout=60000 -c lock_timeout=2000 -c search_path=public -c client_encoding=UTF8"
_AUTHORS_ERRORS = (psycopg.ProgrammingError, psycopg.IntegrityError, psycopg.DataError)
_COLUMNS = """
    SELECT c.table_name AS place, c.column_name AS name
    FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
    WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.is_generated = 'NEVER'
    ORDER BY c.table_name, c.ordinal_position
"""

_Cursor: TypeAlias = psycopg.Cursor[dict[str, Any]]


class PostgresAgency(KeptRows):
    """A PostgreSQL agency, reached as the owner of its tables.

    Needs the extension pg_stat_statements for ``statements``. Values are loaded as the world gives them; what a column
    type does to them (padding of CHAR) is part of the exercise.
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
        self._dsn, self._app_role, self._start_seconds = dsn, app_role, start_seconds
        self._connection: psycopg.Connection[dict[str, Any]] | None = None
        self._counted = 0

    def create_schema(self, script: str) -> None:
        with self._cursor("create_schema") as cursor:
            cursor.execute("SELECT 1 FROM pg_tables WHERE schemaname = current_schema() LIMIT 1")
            if cursor.fetchone() is None:
                cursor.execute(script.encode())

    def insert(self, table: str, row: Row) -> None:
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(sql.Placeholder() * len(row)),
        )
        self._change("insert", table, statement, list(row.values()))

    def update(self, table: str, values: Row, *, where: Row) -> int:
        statement = sql.SQL("UPDATE {} SET {} WHERE {}").format(
            sql.Identifier(table),
            sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(column)) for column in values),
            _equal(where),
        )
        return self._change("update", table, statement, [*values.values(), *where.values()])

    def delete(self, table: str, *, where: Row) -> int:
        statement = sql.SQL("DELETE FROM {} WHERE {}").format(sql.Identifier(table), _equal(where))
        return self._change("delete", table, statement, list(where.values()))

    def fetch(self, query: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        with self._cursor("fetch") as cursor:
            cursor.execute(query.encode(), tuple(params) or None)
            return cursor.fetchall()

    def statements(self) -> int:
        return max(0, self._total() - self._counted)

    def forget(self) -> None:
        self._counted = self._total()
        self._forget_connections()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _total(self) -> int:
        # Statements that name none of the agency's tables are connection set-up, transactions and type look-ups of the
        # trainee's driver: they say nothing about how the app reads its agency. Plans are counted when a statement
        # begins, calls when its cursor is closed, which in an open transaction is at the next statement; a statement
        # that was prepared by name and has no parameters is planned once, and a change is planned before it is refused.
        query = r"""
            SELECT coalesce(sum(CASE WHEN s.query ~* '^\s*(insert|update|delete|merge)\M' THEN s.calls
                                     ELSE greatest(s.calls, s.plans) END), 0)::bigint AS calls
            FROM {}.pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid JOIN pg_database d ON d.oid = s.dbid
            WHERE r.rolname = %s AND d.datname = current_database() AND EXISTS (
                SELECT FROM pg_tables t
                WHERE t.schemaname = current_schema() AND s.query ~* ('\m' || t.tablename || '\M'))
        """
        with self._cursor("statements", authors=()) as cursor:
            cursor.execute(
                "SELECT extnamespace::regnamespace::text AS place FROM pg_extension WHERE extname = %s", [_METER]
            )
            place = cursor.fetchone()
            if place is None:
                raise InfrastructureFault("infrastructure.agency_meter", agency=self.name)
            cursor.execute(sql.SQL(query).format(sql.Identifier(place["place"])), [self._app_role])
            row = cursor.fetchone()
        return int(row["calls"]) if row else 0

    def _change(self, action: str, table: str, statement: sql.Composed, params: Sequence[Any]) -> int:
        with self._cursor(action) as cursor:
            self._touched.add(table)
            cursor.execute(statement, params)
            return cursor.rowcount

    # DELETE everywhere and not TRUNCATE: an app that holds a transaction open neither blocks it nor sees a table empty.

    def _store(self, tables: Tables) -> None:
        def work(cursor: _Cursor) -> None:
            for table in reversed(list(tables)):
                cursor.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
            self._copy(cursor, tables)

        self._at_once(work)
        with self._opened().cursor() as cursor:
            role = sql.Identifier(self._app_role)
            for grant in ("GRANT USAGE ON SCHEMA public TO {}", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}"):
                cursor.execute(sql.SQL(grant).format(role))
        self._tidy(self._columns())

    def _keep(self) -> None:
        with self._opened().transaction(), self._opened().cursor() as cursor:
            cursor.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(KEPT)))
            for table, columns in self._columns().items():
                copy, original = sql.Identifier(KEPT, table), sql.Identifier("public", table)
                cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(copy))
                cursor.execute(sql.SQL("CREATE UNLOGGED TABLE {} AS SELECT {} FROM {}").format(copy, columns, original))

    def _measured(self) -> Mapping[str, str]:
        found = {}
        with self._opened().cursor() as cursor:
            for table in self._columns():
                cursor.execute(
                    sql.SQL("SELECT concat(count(*), ' ', sum(hashtextextended(t::text, 0))) AS sum FROM {} t").format(
                        sql.Identifier("public", table)
                    )
                )
                row = cursor.fetchone()
                found[table] = str(row["sum"]) if row else ""
        return found

    def _restore(self, names: Collection[str]) -> None:
        columns = self._columns()

        def work(cursor: _Cursor) -> None:
            # Without triggers: a row that others refer to is gone for a moment.
            cursor.execute("SET LOCAL session_replication_role = replica")
            for name in names:
                table = sql.Identifier("public", name)
                cursor.execute(sql.SQL("DELETE FROM {}").format(table))
                cursor.execute(
                    sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}").format(
                        table, columns[name], columns[name], sql.Identifier(KEPT, name)
                    )
                )

        self._at_once(work)
        self._tidy(names)

    def _tidy(self, names: Collection[str]) -> None:
        """Nobody else does it, and rows that were replaced would fill the disk."""
        with self._opened().cursor() as cursor:
            for name in names:
                cursor.execute(sql.SQL("VACUUM (ANALYZE, TRUNCATE false) {}").format(sql.Identifier("public", name)))

    def _columns(self) -> dict[str, sql.Composed]:
        """Each table with those of its columns that are not computed."""
        found: dict[str, list[str]] = {}
        with self._opened().cursor() as cursor:
            cursor.execute(_COLUMNS)
            for row in cursor.fetchall():
                found.setdefault(row["place"], []).append(row["name"])
        return {table: sql.SQL(", ").join(map(sql.Identifier, columns)) for table, columns in found.items()}

    def _at_once(self, work: Callable[[_Cursor], None]) -> None:
        """One transaction; only an app that locked a table by hand is in its way, and is shown out."""
        try:
            self._transact(work)
        except psycopg.errors.LockNotAvailable:
            self._end_lock_holders()
            self._transact(work)

    def _transact(self, work: Callable[[_Cursor], None]) -> None:
        with self._opened().transaction(), self._opened().cursor() as cursor:
            work(cursor)

    @staticmethod
    def _copy(cursor: _Cursor, tables: Tables) -> None:
        for table, rows in tables.items():
            columns = list(dict.fromkeys(column for row in rows for column in row))
            if not columns:
                continue
            statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
                sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
            )
            with cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row([row.get(column) for column in columns])

    def _end_lock_holders(self) -> None:
        query = """
            SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a
            WHERE a.usename = %s AND a.datname = current_database()
              AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.relation IS NOT NULL AND l.granted)
        """
        self._opened().execute(query, (self._app_role,))

    def _opened(self) -> psycopg.Connection[dict[str, Any]]:
        if self._connection is None or self._connection.closed:
            self._connection = self._connected(time.monotonic() + self._start_seconds)
        return self._connection

    def _connected(self, give_up: float) -> psycopg.Connection[dict[str, Any]]:
        """Connect; an agency that is still starting is waited for."""
        while True:
            try:
                return psycopg.connect(
                    self._dsn,
                    autocommit=True,
                    row_factory=dict_row,
                    connect_timeout=_CONNECT_SECONDS,
                    options=_SESSION,
                    application_name="agency-admin",
                )
            except psycopg.OperationalError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(_RETRY_SECONDS)

    @contextmanager
    def _cursor(
        self, action: str, *, authors: tuple[type[psycopg.Error], ...] = _AUTHORS_ERRORS
    ) -> Iterator[psycopg.Cursor[dict[str, Any]]]:
        with self._translated(action, authors=authors):
            connection = self._opened()
            with connection.transaction(), connection.cursor() as cursor:
                yield cursor

    @contextmanager
    def _translated(self, action: str, *, authors: tuple[type[psycopg.Error], ...] = _AUTHORS_ERRORS) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as problem:
            privilege = isinstance(problem, psycopg.errors.InsufficientPrivilege)
            if isinstance(problem, authors) and not privilege:
                raise authors_mistake(self.name, action, problem) from problem
            raise InfrastructureFault(
                "infrastructure.agency",
                agency=self.name,
                action=action,
                problem=type(problem).__name__,
                sqlstate=problem.sqlstate,
            ) from problem


def _equal(where: Row) -> sql.Composed:
    return sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(column)) for column in where)
