"""The same agency on SQLite: for tests, and for trying an exercise without a database server."""
# ruff: noqa: D102, S608 - AgencyHandle documents these methods; names are quoted, values are bound

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

from grader.packs.world import Row
from grader.probe.agencies.handle import AgencyRequest, Script, Tables, authors_mistake

_Run: TypeAlias = Callable[[str, Sequence[Any]], sqlite3.Cursor]


class InMemoryAgency:
    """An agency whose rows live in this process.

    With ``file`` the rows live there instead, so that another process (an app, a forked test run) sees the same.
    ``app_query`` stands for the app's own read-only account, ``app_request`` for its requests to a REST agency. Faults
    are kept and not acted out: ``script`` is what is played, and the app of a test may do with it what it likes.
    """

    def __init__(self, name: str, *, file: Path | None = None) -> None:
        self.name = name
        self._file = file
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._dirty = False
        self._counted = 0
        self._run("CREATE TABLE IF NOT EXISTS _calls (calls INTEGER)")
        self._run("CREATE TABLE IF NOT EXISTS _requests (request TEXT)")
        self._run("CREATE TABLE IF NOT EXISTS _script (script TEXT)")

    @property
    def dirty(self) -> bool:
        return self._dirty

    def create_schema(self, script: str) -> None:
        with self._translated("create_schema"):
            if not self._table_names():
                self._opened().executescript(script)

    def load(self, tables: Tables) -> None:
        self.reset(tables)

    def reset(self, tables: Tables) -> None:
        with self._transaction("reset") as run:
            for table in reversed(list(tables)):
                run(f"DELETE FROM {_quoted(table)}", ())
            self._fill(run, tables)
        self._dirty = False

    def insert(self, table: str, row: Row) -> None:
        with self._transaction("insert") as run:
            _insert(run, table, row)
            self._dirty = True

    def update(self, table: str, values: Row, *, where: Row) -> int:
        changes = ", ".join(f"{_quoted(column)} = ?" for column in values)
        statement = f"UPDATE {_quoted(table)} SET {changes} WHERE {_matches(where)}"
        with self._transaction("update") as run:
            self._dirty = True
            return run(statement, [*values.values(), *where.values()]).rowcount

    def delete(self, table: str, *, where: Row) -> int:
        with self._transaction("delete") as run:
            self._dirty = True
            return run(f"DELETE FROM {_quoted(table)} WHERE {_matches(where)}", list(where.values())).rowcount

    def fetch(self, query: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        with self._translated("fetch"):
            return self._run(query.replace("%s", "?"), params)

    def app_query(self, query: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """What the app reads: counted when it names a table of the agency."""
        if any(table in query for table in self._table_names()):
            self._run("INSERT INTO _calls VALUES (1)")
        return self._run(query, params)

    def statements(self) -> int:
        return self._total() - self._counted

    def app_request(self, request: AgencyRequest) -> None:
        """What the app asked over HTTP; each request comes over a connection of its own."""
        self._run("INSERT INTO _requests VALUES (?)", [json.dumps(asdict(request))])

    def requests(self, route: str | None = None) -> list[AgencyRequest]:
        found = [AgencyRequest(**json.loads(row["request"])) for row in self._run("SELECT request FROM _requests")]
        return [one for one in found if route is None or one.route == route]

    def connections(self) -> int:
        return len(self.requests())

    def forget(self) -> None:
        self._counted = self._total()
        self._run("DELETE FROM _requests")

    def faults(self, script: Script) -> None:
        self.heal()
        self._run("INSERT INTO _script VALUES (?)", [json.dumps([dict(step) for step in script])])

    def heal(self) -> None:
        self._run("DELETE FROM _script")

    @property
    def script(self) -> list[dict[str, Any]]:
        """The faults that are played now; none when the agency is well."""
        return [step for row in self._run("SELECT script FROM _script") for step in json.loads(row["script"])]

    def close(self) -> None:
        with self._lock:
            if self._connection is not None and self._file is not None:
                self._connection.close()
                self._connection = None

    def _total(self) -> int:
        return int(self._run("SELECT count(*) AS calls FROM _calls")[0]["calls"])

    def _table_names(self) -> list[str]:
        rows = self._run("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '[_]*'")
        return [str(row["name"]) for row in rows]

    @staticmethod
    def _fill(run: _Run, tables: Tables) -> None:
        for table, rows in tables.items():
            for row in rows:
                _insert(run, table, row)

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            place = ":memory:" if self._file is None else str(self._file)
            self._connection = sqlite3.connect(place, isolation_level=None, check_same_thread=False)
        return self._connection

    def _run(self, query: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        with self._lock:
            cursor = self._opened().execute(query, tuple(params))
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    @contextmanager
    def _transaction(self, action: str) -> Iterator[_Run]:
        with self._lock, self._translated(action):
            connection = self._opened()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield lambda query, params: connection.execute(query, tuple(params))
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def _translated(self, action: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as problem:
            raise authors_mistake(self.name, action, problem) from problem


def _matches(where: Row) -> str:
    return " AND ".join(f"{_quoted(column)} = ?" for column in where)


def _insert(run: _Run, table: str, row: Row) -> None:
    columns, marks = ", ".join(map(_quoted, row)), ", ".join("?" * len(row))
    run(f"INSERT INTO {_quoted(table)} ({columns}) VALUES ({marks})", list(row.values()))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
