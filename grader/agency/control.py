"""The control side of an agency: how the probe plays faults, reads the ledger and, at a REST agency, changes rows.

It listens on the address of the verify network only, and every call carries the token that the grading made up for this
agency. What is wrong in a call is told with status 400 and ``{"problem", "where"}``: it is the exercise's mistake.
"""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import unquote

from grader.agency.faults import FaultClock, FaultInvalid, Kind, read_script
from grader.agency.ledger import Ledger
from grader.agency.server import HttpServer
from grader.agency.wire import Head, Limits, Reply

CONTROL_PORT = 9000
TOKEN_HEADER = "x-control-token"  # noqa: S105 - the name of a header
_LIMITS = Limits(connections=16, body_bytes=64_000_000, body_seconds=60.0)
"""The other side is ours; it may send all rows of a world at once."""


class NoSuchCall(Exception):
    """A call that this agency does not have."""


class Misuse(Exception):
    """A call that cannot be done as it is; ``where`` is the key or table it is about."""

    def __init__(self, problem: str, *, where: str = "") -> None:
        super().__init__(problem)
        self.problem, self.where = problem, where


Handler: TypeAlias = Callable[[str, Any], Any]
"""Called with the rest of the path (unquoted, without its leading slash) and the parsed body; gives the JSON answer."""


class Control:
    """Serves the control protocol for one agency and moves its faults on in time."""

    def __init__(
        self,
        *,
        kind: Kind,
        token: str,
        clock: FaultClock,
        ledger: Ledger,
        apply: Callable[[], Awaitable[None]],
        more: Mapping[tuple[str, str], Handler] | None = None,
    ) -> None:
        """``apply`` makes the agency's doors agree with ``clock.current()``; called whenever that may have changed.

        ``more`` adds calls: (method, first part of the path) -> handler.
        """
        self._kind, self._token, self._clock, self._ledger = kind, token.encode(), clock, ledger
        self._apply = apply
        self._more = more or {}
        self._played = asyncio.Event()
        self._server = HttpServer(self, limits=_LIMITS)

    async def serve(self, host: str, port: int = CONTROL_PORT) -> None:
        """Listen and serve until cancelled. Raises OSError when the address cannot be listened on."""
        await self.open(host, port)
        await self.follow()

    async def open(self, host: str, port: int) -> int:
        """Listen; gives the port, which is a free one for 0."""
        return await self._server.open(host, port)

    def close(self) -> None:
        """Stop listening and reset every connection."""
        self._server.refuse()

    async def follow(self) -> None:
        """Call ``apply`` at each step of the script that is played; never ends."""
        while True:
            self._played.clear()
            await self._apply()
            try:
                async with asyncio.timeout(self._clock.changes_in()):
                    await self._played.wait()
            except TimeoutError:
                continue

    # -- what the server asks for -----------------------------------------------------------------------------------

    def connected(self) -> None:
        """Nothing of the control side is counted."""

    def asked(self, head: Head) -> "_Call":
        """A call came."""
        return _Call(head=head, control=self)

    def allows(self, head: Head) -> bool:
        """Whether the call has the token; takes the same time for every wrong one."""
        return hmac.compare_digest((head.header(TOKEN_HEADER) or "").encode(), self._token)

    async def perform(self, method: str, path: str, body: Any) -> Any:
        """Do one call and give its JSON answer.

        Raises:
            NoSuchCall: this kind of agency does not have it.
            Misuse: it cannot be done as it is.
            FaultInvalid: a script cannot be played.
        """
        first, _, rest = path.strip("/").partition("/")
        answer: Any = {}
        match method, first:
            case "GET", "health":
                answer = {"kind": self._kind}
            case "PUT", "faults":
                script = read_script(body.get("script") if isinstance(body, dict) else None, self._kind)
                self._clock.play(script)
                await self._change()
            case "DELETE", "faults":
                self._clock.heal()
                await self._change()
            case "GET", "ledger":
                answer = self._ledger.as_json()
            case "DELETE", "ledger":
                self._ledger.forget()
            case _ if (method, first) in self._more:
                answer = self._more[method, first](unquote(rest), body)
            case _:
                raise NoSuchCall(path)
        return answer

    async def _change(self) -> None:
        """The doors agree with the script before the call is answered: the answer is the start signal."""
        await self._apply()
        self._played.set()


@dataclass(frozen=True, kw_only=True)
class _Call:
    """One call of the control side."""

    head: Head
    control: Control = field(repr=False)

    async def answer(self, body: bytes) -> Reply:
        """Do the call, unless it lacks the token."""
        if not self.control.allows(self.head):
            return _json(401, {"problem": "the token is missing or wrong"})
        try:
            parsed = json.loads(body) if body else None
        except (ValueError, RecursionError) as problem:
            return _json(400, {"problem": f"the body is no JSON: {problem}", "where": ""})
        try:
            return _json(200, await self.control.perform(self.head.method, self.head.target, parsed))
        except (FaultInvalid, Misuse) as problem:
            return _json(400, {"problem": problem.problem, "where": problem.where})
        except NoSuchCall:
            return _json(404, {"problem": "there is no such call", "where": ""})

    def done(self, status: int | None) -> None:
        """Nothing of the control side is recorded."""


def _json(status: int, value: Any) -> Reply:
    text = json.dumps(value, ensure_ascii=False)
    return Reply(
        status=status, body=text.encode("utf-8", "backslashreplace"), headers=(("Content-Type", "application/json"),)
    )
