"""One connection of an HTTP/1.1 client that may be hostile, served with asyncio and h11.

Everything a client may do is bounded: head, body, idle time, time to read an answer. What it sends ends its connection
at most.
"""

import asyncio
import contextlib
import fcntl
import logging
import socket
import struct
import termios
import time
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import h11

_log = logging.getLogger(__name__)

READ_BYTES = 16_384
"""Little at a time: a body in chunks of one byte costs so much to read that the others must get their turn."""
_LEFTOVER_BYTES = 1_000_000
"""How much of a refused body is still read, so that its sender sees the answer and not a reset."""
_LEFTOVER_SECONDS = 1.0
_POLL_SECONDS = 0.005
_PAYLOAD_TOO_LARGE, _SERVER_ERROR = 413, 500


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one client may cost. Bytes, seconds, and connections at a time."""

    connections: int = 64
    head_bytes: int = 16_384
    body_bytes: int = 1_000_000
    idle_seconds: float = 60.0
    head_seconds: float = 10.0
    body_seconds: float = 10.0
    send_seconds: float = 30.0
    silence_seconds: float = 60.0


@dataclass(frozen=True, kw_only=True)
class Head:
    """A request whose head came completely. ``target`` as it was sent; header names in lower case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str | None:
        """The first value of the header ``name`` (lower case), or None."""
        return next((value for key, value in self.headers if key == name), None)


class Manner(Enum):
    """How an answer is given."""

    WHOLE = "whole"
    HALF = "half"
    """The head announces the whole body; half of it comes, then the connection is reset."""
    SILENCE = "silence"
    """Nothing comes until the client leaves or ``silence_seconds`` are over; then the connection is reset."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer. Content-Length, Date and Connection are added when it is sent."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    manner: Manner = field(default=Manner.WHOLE)


class Turn(Protocol):
    """One request from its head to its end."""

    async def answer(self, body: bytes) -> Reply:
        """The answer, once the body came."""

    def done(self, status: int | None) -> None:
        """It is over: ``status`` was sent completely, or None when the client did not get an answer."""


class Service(Protocol):
    """What a server serves."""

    def connected(self) -> None:
        """A connection was accepted."""

    def asked(self, head: Head) -> Turn:
        """A head came completely."""


class _Refused(Exception):
    """A body that is not taken."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Connection:
    """One client's connection.

    ``busy`` from a complete head to the end of its answer; ``since`` is when that changed last. ``last`` means that no
    request follows the one in progress.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, service: Service, limits: Limits
    ) -> None:
        self._reader, self._writer, self._service, self._limits = reader, writer, service, limits
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head_bytes)
        self._task = asyncio.current_task()
        writer.transport.set_write_buffer_limits(high=0)  # so that what was written is with the kernel
        self.busy, self.last = False, False
        self.since = time.monotonic()

    async def serve(self) -> None:
        """Answer requests, one after the other, until either side has enough."""
        try:
            while await self._one():
                self._http.start_next_cycle()
                await asyncio.sleep(0)  # a client that sends many requests at once takes turns with the others
        except h11.RemoteProtocolError as problem:
            await self._refuse(problem.error_status_hint)
        except TimeoutError:
            self.reset()

    def reset(self) -> None:
        """End the connection at once, so that the client notices."""
        with contextlib.suppress(OSError, ValueError):
            raw = self._writer.get_extra_info("socket")
            if raw is not None and raw.fileno() >= 0:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    def close(self) -> None:
        """Let go of the socket; nothing waits for the client."""
        self._writer.transport.abort()

    async def _one(self) -> bool:
        """Answer one request; gives whether another may follow."""
        head = await self._head()
        if head is None:
            return False
        turn = self._service.asked(head)
        self.busy, self.since = True, time.monotonic()
        sent: int | None = None
        try:
            refused = 0
            try:
                async with asyncio.timeout(self._limits.body_seconds):
                    body = await self._body()
            except _Refused as problem:
                refused = problem.status
            except h11.RemoteProtocolError as problem:
                refused = problem.error_status_hint
            reply = _plain(refused) if refused else await self._answered(turn, body)
            async with asyncio.timeout(self._limits.send_seconds + self._limits.silence_seconds):
                if await self._send(head, reply, closing=bool(refused) or self.last):
                    sent = reply.status
        finally:
            turn.done(sent)
        if sent is not None and self._http.our_state is h11.MUST_CLOSE:
            await self._hang_up()
        self.busy, self.since = False, time.monotonic()
        return sent is not None and self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _head(self) -> Head | None:
        """The next request's head; None when the client left or said nothing for too long."""
        started = False
        deadline = time.monotonic() + self._limits.idle_seconds
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                return Head(
                    method=event.method.decode("latin-1"),
                    target=event.target.decode("latin-1"),
                    headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers),
                )
            if event is not h11.NEED_DATA:
                return None  # the client closed, or wants to speak another protocol
            if not started and self._http.trailing_data[0]:
                started = True
                deadline = min(deadline, time.monotonic() + self._limits.head_seconds)
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    data = await self._reader.read(READ_BYTES)
            except TimeoutError:
                return None
            self._http.receive_data(data)

    async def _body(self) -> bytes:
        if self._http.they_are_waiting_for_100_continue:
            await self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))
        found = bytearray()
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Data):
                found += event.data
                if len(found) > self._limits.body_bytes:
                    raise _Refused(_PAYLOAD_TOO_LARGE)
            elif isinstance(event, h11.EndOfMessage):
                return bytes(found)
            elif data := await self._reader.read(READ_BYTES):
                self._http.receive_data(data)
                await asyncio.sleep(0)
            else:
                raise ConnectionAbortedError

    @staticmethod
    async def _answered(turn: Turn, body: bytes) -> Reply:
        try:
            return await turn.answer(body)
        except Exception:  # noqa: BLE001 - a mistake of ours is told as such and ends nothing
            _log.exception("a request failed")
            return _plain(_SERVER_ERROR)

    async def _send(self, head: Head, reply: Reply, *, closing: bool) -> bool:
        """Send the answer in its manner; gives whether the client was sent all of it."""
        if reply.manner is Manner.SILENCE:
            await self._until_the_client_leaves()
            self.reset()
            return False
        headers = [*reply.headers, ("Content-Length", str(len(reply.body)))]
        if closing:
            headers.append(("Connection", "close"))
        start = self._http.send(h11.Response(status_code=reply.status, headers=headers)) or b""
        if reply.manner is Manner.HALF:
            await self._write(start + reply.body[: len(reply.body) // 2])
            await self._until_delivered()
            self.reset()
            return False
        if head.method != "HEAD":
            start += self._http.send(h11.Data(data=reply.body)) or b""
        await self._write(start + (self._http.send(h11.EndOfMessage()) or b""))
        return True

    async def _write(self, data: bytes | None) -> None:
        self._writer.write(data or b"")
        async with asyncio.timeout(self._limits.send_seconds):
            await self._writer.drain()

    async def _until_the_client_leaves(self) -> None:
        """Wait, and read no more than a little of what the client goes on sending."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.silence_seconds):
                for _ in range(_LEFTOVER_BYTES // READ_BYTES):
                    if not await self._reader.read(READ_BYTES):
                        return
                await asyncio.sleep(self._limits.silence_seconds)

    async def _until_delivered(self) -> None:
        """Wait until the client's side has everything that was written, because a reset throws away the rest."""
        raw = self._writer.get_extra_info("socket")
        while _unacknowledged(raw):  # noqa: ASYNC110 - the kernel has no event for it
            await asyncio.sleep(_POLL_SECONDS)

    async def _refuse(self, status: int) -> None:
        """Tell a client that what it sent is no HTTP, if it can still be told."""
        if self._http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            reply = _plain(status)
            headers = [*reply.headers, ("Content-Length", str(len(reply.body))), ("Connection", "close")]
            with contextlib.suppress(h11.LocalProtocolError, TimeoutError):
                start = self._http.send(h11.Response(status_code=reply.status, headers=headers)) or b""
                await self._write(start + (self._http.send(h11.Data(data=reply.body)) or b""))
                await self._hang_up()

    async def _hang_up(self) -> None:
        """Close our side and read a little more: unread bytes would turn the end into a reset that eats the answer."""
        with contextlib.suppress(TimeoutError, OSError):
            self._writer.write_eof()
            async with asyncio.timeout(_LEFTOVER_SECONDS):
                for _ in range(_LEFTOVER_BYTES // READ_BYTES):
                    if not await self._reader.read(READ_BYTES):
                        return


def _unacknowledged(raw: socket.socket) -> int:
    """Bytes in the socket's send queue that the other side has not acknowledged."""
    if raw.fileno() < 0:
        return 0
    packed = fcntl.ioctl(raw.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
    return int(struct.unpack("i", packed)[0])


def _plain(status: int) -> Reply:
    return Reply(
        status=status,
        body=f'{{"title": "{status}", "status": {status}}}'.encode(),
        headers=(("Content-Type", "application/problem+json"),),
    )
