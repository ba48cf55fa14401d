"""One administrator's connection to a MariaDB server: opened when it is needed, what it raises sorted by whose it is.

With :mod:`grader.probe.agencies.mariadb` the only module that imports pymysql.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

import pymysql
from pymysql.constants import CLIENT, ER
from pymysql.cursors import DictCursor

from grader.errors import InfrastructureFault
from grader.probe.agencies.handle import authors_mistake

_Connection: TypeAlias = "pymysql.Connection[DictCursor]"

_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 90
_RETRY_SECONDS = 0.05
_SESSION = (
    "SET SESSION max_statement_time = 60, innodb_lock_wait_timeout = 2, lock_wait_timeout = 2,"
    " sql_mode = CONCAT(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO')"  # a 0 that the world has stays a 0
)

_STATEMENT_KILLED, _STATEMENT_TIMEOUT, _CONNECTION_KILLED = 1317, 1969, 1927
_OURS = frozenset(
    {
        *(ER.CON_COUNT_ERROR, ER.OUT_OF_RESOURCES, ER.OUTOFMEMORY, ER.OUT_OF_SORTMEMORY, ER.DISK_FULL),
        *(ER.RECORD_FILE_FULL, ER.GET_ERRNO, ER.SERVER_SHUTDOWN, ER.HOST_NOT_PRIVILEGED, ER.HOST_IS_BLOCKED),
        *(ER.ACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR, ER.TABLEACCESS_DENIED_ERROR),
        *(ER.SPECIFIC_ACCESS_DENIED_ERROR, ER.LOCK_WAIT_TIMEOUT, ER.LOCK_DEADLOCK),
        *(_STATEMENT_KILLED, _STATEMENT_TIMEOUT, _CONNECTION_KILLED),
    }
)
"""What the server says and the exercise did not cause."""
_CLIENTS_OWN = range(2000, 3000)
"""Numbers that the driver gives: no connection, or it was lost."""
LOCKED = frozenset({ER.LOCK_WAIT_TIMEOUT, ER.LOCK_DEADLOCK})
"""Numbers of a transaction that another one stood in the way of."""


class MariadbSession:
    """The connection of agency ``name`` at ``dsn`` (``mysql://account:password@host:port/database``)."""

    def __init__(self, name: str, *, dsn: str, start_seconds: float) -> None:
        """``start_seconds`` is how long a server that is still starting is waited for."""
        self._name, self._place, self._start_seconds = name, urlsplit(dsn), start_seconds
        self._connection: _Connection | None = None

    def opened(self) -> _Connection:
        """The connection; raises what the driver raises when there is no server."""
        if self._connection is None or not self._connection.open:
            give_up = time.monotonic() + self._start_seconds
            while True:
                try:
                    self._connection = self._connect(0)
                    break
                except pymysql.OperationalError:
                    if time.monotonic() > give_up:
                        raise
                    time.sleep(_RETRY_SECONDS)
        return self._connection

    def close(self) -> None:
        """Drop the connection; the next use opens a new one."""
        if self._connection is not None:
            with suppress(pymysql.Error):
                self._connection.close()
        self._connection = None

    @contextmanager
    def cursor(self, action: str, *, ours: bool = False) -> Iterator[DictCursor]:
        """A cursor for one ``action`` of the handle; each statement is a transaction of its own."""
        with self.translated(action, ours=ours), self.opened().cursor() as cursor:
            yield cursor

    def transact(self, work: Callable[[DictCursor], None]) -> None:
        """Do ``work`` in one transaction. It may switch foreign keys off: they are on again afterwards."""
        connection = self.opened()
        connection.begin()
        try:
            with connection.cursor() as cursor:
                work(cursor)
            connection.commit()
        except BaseException:
            with suppress(pymysql.Error):
                connection.rollback()
            raise
        finally:
            with suppress(pymysql.Error), connection.cursor() as cursor:
                cursor.execute("SET SESSION foreign_key_checks = 1")

    def run_script(self, script: str) -> None:
        """Several statements at once, which no other connection of ours may send."""
        connection = self._connect(CLIENT.MULTI_STATEMENTS)
        try:
            with connection.cursor() as cursor:
                cursor.execute(script)
                while cursor.nextset():
                    pass
        finally:
            connection.close()

    @contextmanager
    def translated(self, action: str, *, ours: bool = False) -> Iterator[None]:
        """Turn what the driver raises into PackInvalid or, always when ``ours``, InfrastructureFault."""
        try:
            yield
        except pymysql.Error as problem:
            number = problem.args[0] if problem.args and isinstance(problem.args[0], int) else 0
            if not ours and _is_authors(problem, number):
                raise authors_mistake(self._name, action, problem) from problem
            raise InfrastructureFault(
                "infrastructure.agency",
                agency=self._name,
                action=action,
                problem=type(problem).__name__,
                sqlstate=number or None,
            ) from problem

    def _connect(self, flags: int) -> _Connection:
        return pymysql.connect(
            host=self._place.hostname,
            port=self._place.port or 0,
            user=unquote(self._place.username or ""),
            password=unquote(self._place.password or ""),
            database=self._place.path.lstrip("/"),
            charset="utf8mb4",
            ssl_disabled=True,  # the server has none, and asking for it costs a connection 30 ms
            autocommit=True,
            cursorclass=DictCursor,
            client_flag=CLIENT.FOUND_ROWS | flags,  # an update counts rows that it found, as PostgreSQL does
            init_command=_SESSION,
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_ANSWER_SECONDS,
            write_timeout=_ANSWER_SECONDS,
        )


def _is_authors(problem: pymysql.Error, number: int) -> bool:
    """Whether what the server refused was wrong by itself."""
    if number == 0:  # the driver: a value that it cannot send, or a connection that is no more
        return isinstance(problem, pymysql.ProgrammingError)
    return number not in _OURS and number not in _CLIENTS_OWN
