"""A small HTTP/1.1 server for clients that may be hostile.

When all connections are taken, a new one replaces the one that has been idle longest, so a client that only holds
connections open shuts out nobody but itself. Nothing that a client sends ends the server.
"""

import asyncio
import logging

from grader.agency.wire import READ_BYTES, Connection, Limits, Service

_log = logging.getLogger(__name__)


class HttpServer:
    """Listens on one address; can stop listening and start again."""

    def __init__(self, service: Service, *, limits: Limits | None = None) -> None:
        self._service, self._limits = service, limits or Limits()
        self._server: asyncio.Server | None = None
        self._address = ("", 0)
        self._open: set[Connection] = set()

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._open)

    async def open(self, host: str, port: int) -> int:
        """Listen there; gives the port, which is a free one for 0. Raises OSError when the address is not ours."""
        self._server = await asyncio.start_server(self._accept, host, port, limit=READ_BYTES)
        self._address = host, self._server.sockets[0].getsockname()[1]
        return self._address[1]

    def refuse(self) -> None:
        """Stop listening, so that connecting is refused, and reset every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._open):
            connection.reset()

    def stop_listening(self) -> None:
        """Refuse new connections, and reset those that have no request in progress; the others end after it."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._open):
            connection.last = True
            if not connection.busy:
                connection.reset()

    async def accept_again(self) -> None:
        """Listen where it listened before; does nothing while it listens."""
        if self._server is None:
            await self.open(*self._address)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._service.connected()
        connection = Connection(reader, writer, self._service, self._limits)
        if self._server is None or not self._make_room():
            connection.reset()
            return
        self._open.add(connection)
        try:
            await connection.serve()
        except (OSError, asyncio.CancelledError):
            _log.debug("a connection ended in the middle")
        except Exception:  # noqa: BLE001 - whatever a client did, the others are served on
            _log.exception("a connection failed")
        finally:
            self._open.discard(connection)
            connection.close()

    def _make_room(self) -> bool:
        """Whether one more connection fits, if need be in place of the one that is idle longest."""
        if len(self._open) < self._limits.connections:
            return True
        idle = [one for one in self._open if not one.busy]
        if not idle:
            return False
        victim = min(idle, key=lambda one: one.since)
        self._open.discard(victim)
        victim.reset()
        return True
