"""The door of a database agency: the app's only way to the server, and the place where it can be made to fail.

It listens on the agency network, hands every byte on to the server's unix socket and back, and knows nothing of the
protocol but whose turn it is: what the server sends after the client said something is one *answer*. ``latency`` holds
back each answer, ``after`` counts answers (a login takes two to four).

* ``pause``: nothing moves in either direction, nothing is lost, connecting still works; it goes on after healing.
* ``cut``: every connection ends at once; a new one ends in the middle of its first answer.
* ``unreachable``: every connection ends at once, and connecting is refused.
"""

import asyncio
from collections.abc import Mapping

from grader.agency.control import Control
from grader.agency.faults import WELL, Fault, FaultClock
from grader.agency.ledger import Ledger
from grader.agency.relay import Relay

MAX_CONNECTIONS = 64
"""More at the same time are reset. The app's account may hold 20; the rest are logins that are not finished."""
_BACKLOG = 128


class Door:
    """Relays connections to the unix socket ``server``; ``clock`` says what acts, ``ledger`` counts connections."""

    def __init__(
        self, *, server: str, clock: FaultClock, ledger: Ledger, max_connections: int = MAX_CONNECTIONS
    ) -> None:
        self._server, self._clock, self._ledger, self._most = server, clock, ledger, max_connections
        self._open: set[Relay] = set()
        self._listening: asyncio.Server | None = None
        self._address = ("", 0)
        self._opening = asyncio.Lock()
        self._acting = WELL

    async def open(self, host: str, port: int) -> int:
        """Listen there; gives the port, which is a free one for 0. Raises OSError when the address is not ours."""
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(lambda: Relay(self).client, host, port, backlog=_BACKLOG)
        self._address = host, self._listening.sockets[0].getsockname()[1]
        return self._address[1]

    async def obey(self) -> None:
        """Make everything agree with what the clock says now; called whenever that may have changed."""
        async with self._opening:
            self._act(self._clock.current())
            if self._listening is None and self._acting.mode != "unreachable":
                await self.open(*self._address)
                if self._acting.mode == "unreachable":  # it began while the address was being opened
                    self._refuse()

    def close(self) -> None:
        """Stop listening and reset everything."""
        self._refuse()

    # -- what a relay asks for ----------------------------------------------------------------------------------------

    @property
    def server(self) -> str:
        """Path of the server's unix socket."""
        return self._server

    @property
    def paused(self) -> bool:
        """Whether nothing may move."""
        return self._acting.mode == "pause"

    def entered(self, relay: Relay) -> bool:
        """Count a connection that was accepted; False when it cannot be served."""
        self._ledger.connected()
        self._act(self._clock.current())
        if self._listening is None or len(self._open) >= self._most:
            return False
        self._open.add(relay)
        return True

    def left(self, relay: Relay) -> None:
        """The connection is over."""
        self._open.discard(relay)

    def take(self, relay: Relay) -> Fault:
        """What acts on the answer that was just asked for on ``relay``."""
        fault = self._clock.take()
        self._act(fault, asking=relay)
        return fault

    # -- faults -------------------------------------------------------------------------------------------------------

    def _act(self, fault: Fault, *, asking: Relay | None = None) -> None:
        """Let a fault begin; ``asking`` is the connection whose question began it, and gets its half answer."""
        if fault is self._acting:
            return
        self._acting = fault
        if fault.mode == "unreachable":
            self._refuse()
        elif fault.mode == "cut":
            self._reset(spare=asking)
        for relay in list(self._open):
            relay.agree(fault)

    def _refuse(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        self._reset()

    def _reset(self, *, spare: Relay | None = None) -> None:
        for relay in self._open - {spare}:
            relay.reset()


async def serve(environment: Mapping[str, str]) -> None:
    """Open the door and its control side; never returns.

    Needs AGENCY_ADDRESS and DOOR_PORT (where the app connects), DOOR_SOCKET (the server's unix socket), VERIFY_ADDRESS
    and GRADER_PASSWORD (the control side and its token).
    """
    clock, ledger = FaultClock(), Ledger()
    door = Door(server=environment["DOOR_SOCKET"], clock=clock, ledger=ledger)
    control = Control(kind="door", token=environment["GRADER_PASSWORD"], clock=clock, ledger=ledger, apply=door.obey)
    await door.open(environment["AGENCY_ADDRESS"], int(environment["DOOR_PORT"]))
    await control.serve(environment["VERIFY_ADDRESS"])
