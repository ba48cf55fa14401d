"""A PostgreSQL agency; the only module that imports psycopg."""
# ruff: noqa: D102 - AgencyHandle documents these methods

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from grader.errors import InfrastructureFault
from grader.packs.world import Row
from grader.probe.agencies.handle import Tables, authors_mistake

_CONNECT_SECONDS = 5
START_SECONDS = 40.0
"""How long an agency that is still starting is waited for."""

_RETRY_SECONDS = 0.05
_METER = "pg_stat_statements"
_SESSION = "-c statement_timeout=60000 -c lock_timeout=2000 -c search_path=public -c client_encoding=UTF8"
_AUTHORS_ERRORS = (psycopg.ProgrammingError, psycopg.IntegrityError, psycopg.DataError)


class PostgresAgency:
    """A PostgreSQL agency, reached as the owner of its tables.

    Needs the extension pg_stat_statements for ``statements``. Values are loaded as the world gives them; what a column
    type does to them (padding of CHAR) is part of the exercise.
    """

    def __init__(self, name: str, *, dsn: str, app_role: str, start_seconds: float = START_SECONDS) -> None:
        self.name = name
        self._dsn, self._app_role, self._start_seconds = dsn, app_role, start_seconds
        self._connection: psycopg.Connection[dict[str, Any]] | None = None
        self._dirty = False
        self._counted = 0

    @property
    def dirty(self) -> bool:
        return self._dirty

    def create_schema(self, script: str) -> None:
        with self._cursor("create_schema") as cursor:
            cursor.execute("SELECT 1 FROM pg_tables WHERE schemaname = current_schema() LIMIT 1")
            if cursor.fetchone() is None:
                cursor.execute(script.encode())

    def load(self, tables: Tables) -> None:
        self.reset(tables)
        with self._cursor("load") as cursor:
            role = sql.Identifier(self._app_role)
            for grant in ("GRANT USAGE ON SCHEMA public TO {}", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}"):
                cursor.execute(sql.SQL(grant).format(role))
            cursor.execute("ANALYZE")

    def reset(self, tables: Tables) -> None:
        with self._translated("reset"):
            try:
                self._replace(tables)
            except psycopg.errors.LockNotAvailable:
                # Only an app that took a lock by hand comes here: DELETE waits for nobody who merely reads.
                self._end_lock_holders()
                self._replace(tables)
        self._dirty = False

    def insert(self, table: str, row: Row) -> None:
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(sql.Placeholder() * len(row)),
        )
        self._change("insert", statement, list(row.values()))

    def update(self, table: str, values: Row, *, where: Row) -> int:
        statement = sql.SQL("UPDATE {} SET {} WHERE {}").format(
            sql.Identifier(table),
            sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(column)) for column in values),
            _equal(where),
        )
        return self._change("update", statement, [*values.values(), *where.values()])

    def delete(self, table: str, *, where: Row) -> int:
        statement = sql.SQL("DELETE FROM {} WHERE {}").format(sql.Identifier(table), _equal(where))
        return self._change("delete", statement, list(where.values()))

    def fetch(self, query: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        with self._cursor("fetch") as cursor:
            cursor.execute(query.encode(), tuple(params) or None)
            return cursor.fetchall()

    def statements(self) -> int:
        return self._total() - self._counted

    def reset_statements(self) -> None:
        self._counted = self._total()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _total(self) -> int:
        # Statements that name none of the agency's tables are connection set-up, transactions and type look-ups of the
        # trainee's driver: they say nothing about how the app reads its agency.
        query = r"""
            SELECT coalesce(sum(s.calls), 0)::bigint AS calls
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

    def _change(self, action: str, statement: sql.Composed, params: Sequence[Any]) -> int:
        with self._cursor(action) as cursor:
            cursor.execute(statement, params)
            self._dirty = True
            return cursor.rowcount

    def _replace(self, tables: Tables) -> None:
        # DELETE, not TRUNCATE: an app that holds a transaction open neither blocks it nor sees an empty table.
        with self._opened().transaction(), self._opened().cursor() as cursor:
            for table in reversed(list(tables)):
                cursor.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
            self._copy(cursor, tables)

    @staticmethod
    def _copy(cursor: psycopg.Cursor[dict[str, Any]], tables: Tables) -> None:
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
