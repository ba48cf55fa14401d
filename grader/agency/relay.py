"""One connection of an app through the door: its own end, the server's end, and every byte between them.

A relay knows what acts on the answer that was asked for last; which fault that is, the door says.
"""

import asyncio
import contextlib
import socket
import struct
from typing import Protocol

from grader.agency.faults import WELL, Fault

BUFFER_BYTES = 65_536
"""What is read at once, and how much may wait for a slow reader before its other side is no longer read."""
_LINGER_SECONDS = 1.0
"""How long a connection that is cut may take to deliver the half answer."""

_scratch = bytearray(BUFFER_BYTES)
"""Every read lands here and is handed on before the next one."""


class Keeper(Protocol):
    """What a relay asks of its door."""

    @property
    def server(self) -> str:
        """Path of the server's unix socket."""

    @property
    def paused(self) -> bool:
        """Whether nothing may move."""

    def entered(self, relay: "Relay") -> bool:
        """Count a connection that was accepted; False when it cannot be served."""

    def left(self, relay: "Relay") -> None:
        """The connection is over."""

    def take(self, relay: "Relay") -> Fault:
        """What acts on the answer that was just asked for on ``relay``; may end it at once."""


class _Side(asyncio.BufferedProtocol):
    """One end of a relay. ``full`` while more waits to be written than its reader takes."""

    def __init__(self, relay: "Relay") -> None:
        self._relay = relay
        self.transport: asyncio.Transport | None = None
        self.full, self.ended = False, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=BUFFER_BYTES)
        self._relay.made(self)

    def get_buffer(self, sizehint: int) -> bytearray:
        del sizehint
        return _scratch

    def buffer_updated(self, nbytes: int) -> None:
        self._relay.came(self, bytes(memoryview(_scratch)[:nbytes]))

    def eof_received(self) -> bool:
        self.ended = True
        self._relay.ended(self)
        return True  # the other direction goes on

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._relay.lost(self)

    def pause_writing(self) -> None:
        self.full = True
        self._relay.settle()

    def resume_writing(self) -> None:
        self.full = False
        self._relay.settle()

    # -- what the relay tells it --------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Hand on."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def write_end(self) -> None:
        """Hand on that nothing more comes."""
        if self.transport is not None and not self.transport.is_closing():
            with contextlib.suppress(OSError):
                self.transport.write_eof()

    def read(self, *, wanted: bool) -> None:
        """Take what comes, or leave it with its sender."""
        if self.transport is None or self.transport.is_closing() or self.ended:
            return
        if wanted != self.transport.is_reading():
            (self.transport.resume_reading if wanted else self.transport.pause_reading)()

    def close(self) -> None:
        """End, once everything that waits is written."""
        if self.transport is not None:
            self.transport.close()

    def reset(self) -> None:
        """End at once, so that the other end notices an error and no orderly end."""
        if self.transport is None:
            return
        raw = self.transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            if raw is not None and raw.family != socket.AF_UNIX:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


class Relay:
    """One connection of the app and its connection to the server."""

    def __init__(self, door: Keeper) -> None:
        self._door = door
        self.client, self._server = _Side(self), _Side(self)
        self._entered = False
        self._connecting: asyncio.Task[None] | None = None
        self._asked = False
        self._fault = WELL
        self._held: bytes | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._cutting = False

    # -- what the two sides tell --------------------------------------------------------------------------------------

    def made(self, side: _Side) -> None:
        """A side is connected."""
        if side is self._server:
            asyncio.get_running_loop().call_soon(self.settle)
            return
        if not self._door.entered(self):
            self.client.reset()
            return
        self._entered = True
        # Not here: until Python 3.12 a transport that is paused in connection_made begins to read all the same, and
        # what came before the server was reached would be lost.
        asyncio.get_running_loop().call_soon(self.settle)
        self._ask()
        self._connect()

    def came(self, side: _Side, data: bytes) -> None:
        """A side sent something."""
        if side is self.client:
            if not self._asked:
                self._ask()
            if self._entered:
                self._server.write(data)
            return
        fault, first = self._fault, self._asked
        self._asked = False
        if first and fault.mode == "cut":
            self._cut(data)
        elif first and fault.mode == "latency" and fault.ms:
            self._held = data
            self._timer = asyncio.get_running_loop().call_later(fault.ms / 1000, self._release)
            self.settle()
        else:
            self.client.write(data)

    def ended(self, side: _Side) -> None:
        """A side sends nothing more, but may still be sent something."""
        other = self._other(side)
        other.write_end()
        if other.ended:
            self.client.close()
            self._server.close()

    def lost(self, side: _Side) -> None:
        """A side is gone; what the server said last still reaches the client."""
        if side is self.client:
            self._leave()
            self._server.reset()
        else:
            self._release()
            self.client.close()

    def settle(self) -> None:
        """Read from the sides that may be read from now."""
        moving = self._entered and not self._door.paused and not self._cutting
        ready = self._server.transport is not None
        self.client.read(wanted=moving and ready and not self._server.full)
        self._server.read(wanted=moving and self._held is None and not self.client.full)

    # -- what the door tells ------------------------------------------------------------------------------------------

    def agree(self, fault: Fault) -> None:
        """Another fault may act from now on."""
        if self._timer is None or fault.mode not in {"latency", "pause"}:
            self._release()
        if fault.mode == "ok":
            self._fault = fault
        if self._connecting is None and not self._door.paused:
            self._connect()
        self.settle()

    def reset(self) -> None:
        """End at once."""
        self._leave()
        self.client.reset()
        self._server.reset()

    # -- inside -------------------------------------------------------------------------------------------------------

    def _other(self, side: _Side) -> _Side:
        return self._server if side is self.client else self.client

    def _ask(self) -> None:
        self._asked = True
        self._fault = self._door.take(self)

    def _connect(self) -> None:
        """Reach for the server, but not while paused: it would close a login that makes no progress."""
        if self._entered and not self._door.paused:
            self._connecting = asyncio.get_running_loop().create_task(self._reach())

    async def _reach(self) -> None:
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: self._server, self._door.server)
        except OSError:
            self.reset()

    def _release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._held is not None and not self._door.paused:
            data, self._held = self._held, None
            self.client.write(data)
            self.settle()

    def _cut(self, data: bytes) -> None:
        """Deliver half of an answer and end."""
        self._cutting = True
        self.settle()
        self.client.write(data[: len(data) // 2])
        self.client.close()
        asyncio.get_running_loop().call_later(_LINGER_SECONDS, self.reset)

    def _leave(self) -> None:
        self._entered = False
        self._door.left(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
