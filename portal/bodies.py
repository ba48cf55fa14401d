"""The bodies of requests: how large they may be, how long they may take, and what becomes of what nobody reads.

All of it is plain ASGI, around ``receive``: a form is otherwise on the disk before any route is asked.
"""

import re
import time
from dataclasses import dataclass
from typing import Any, Final

import anyio
from anyio.to_thread import run_sync
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from grader.errors import EnvironmentProblem
from grader.services.receiving import UPLOAD_LIMIT
from portal.api.problems import CHALLENGE, WAIT_SECONDS
from portal.visit import TokenRefused, visit_of

SMALL_BODY: Final = 256 * 1024
"""Bytes of an ordinary form."""
FILE_BODY: Final = UPLOAD_LIMIT + 1024 * 1024
"""Bytes of a form with a file: the file and what frames it."""
_WITH_FILE: Final = re.compile(r"^/assignments/[^/]+/submit$|^/api/v1/submissions$")
ROSTER_BODY: Final = 3 * 1024 * 1024
"""Bytes of a form with a roster, which may have two million."""
_WITH_ROSTER: Final = re.compile(r"^/rounds/[^/]+/roster/(import|commit)$")

MOST_LARGE: Final = 40
"""Bodies beyond :data:`SMALL_BODY` that one process takes at a time: each may lie on the disk with 51 MB."""
UNREAD_BYTES: Final = 64 * 1024
"""What is left of a body that is shorter is thrown away by the server, and the connection goes on."""
LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 8 * 1024 * 1024
"""How long, and how much, who still sends is listened to after the answer: who is cut off at once never reads it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How slow a body may be: seconds without a byte, the bytes of a second after ``grace``, and seconds of all of it.

    50 MB in half an hour need a line of 230 kbit/s.
    """

    silence: float = 20.0
    grace: float = 20.0
    least: float = 4096.0
    whole: float = 1800.0

    def left(self, *, passed: float, came: int) -> float:
        """How many seconds the next piece may take."""
        return min(self.silence, self.grace + came / self.least - passed, self.whole - passed)


PACE: Final = Pace()


class BodyLimits:
    """Counts the bytes of a body as they come, and stops reading at the limit of the address or when they crawl.

    A length that is announced is believed only when it is too large. What is large is taken only of somebody who is
    known, and of so many at a time. What refuses is an ordinary answer, so that people get the page that says what to
    do.
    """

    def __init__(self, app: ASGIApp, *, pace: Pace = PACE) -> None:
        self.app, self.pace = app, pace
        self.large = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = _limit(scope["path"])
        announced = Headers(scope=scope).get("content-length", "")
        came = int(announced) if announced.isdecimal() and int(announced) > limit else 0
        begun, done, large = time.monotonic(), False, False

        async def counted() -> Message:
            nonlocal came, done, large
            if done:  # what comes now is only that somebody went away, for which streams wait
                return await receive()
            if came <= limit:
                message = await self._next(receive, passed=time.monotonic() - begun, came=came)
                came += len(message.get("body", b""))
                done = not message.get("more_body", False)
            if came > limit:
                raise HTTPException(413)
            if came > SMALL_BODY and not large:
                self._need_room()
                large = True
                self.large += 1
                await run_sync(_need_somebody, scope)
            return message

        try:
            await self.app(scope, counted, send)
        finally:
            self.large -= large

    async def _next(self, receive: Receive, *, passed: float, came: int) -> Message:
        left = self.pace.left(passed=passed, came=came)
        if left > 0:
            with anyio.move_on_after(left):
                return await receive()
        raise HTTPException(408)

    def _need_room(self) -> None:
        if self.large >= MOST_LARGE:
            raise HTTPException(503, headers={"Retry-After": WAIT_SECONDS})


def _need_somebody(scope: Scope) -> None:
    """Whoever sends something large shows a session or a token that is good; what it may do is asked by the door."""
    try:
        known = visit_of(Request(scope)).me is not None
    except TokenRefused:
        known = False
    except EnvironmentProblem as problem:
        raise HTTPException(503, headers={"Retry-After": WAIT_SECONDS}) from problem
    if not known:
        raise HTTPException(401, headers={"WWW-Authenticate": CHALLENGE})


def _limit(path: str) -> int:
    """How many bytes the body of a request to this address may have."""
    if _WITH_FILE.match(path):
        return FILE_BODY
    return ROSTER_BODY if _WITH_ROSTER.match(path) else SMALL_BODY


class UnreadBodies:
    """Ends the connection of who still sends when the answer is out, after time enough to read the answer.

    The server would go on throwing away what comes for as long as it comes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or not _long(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        done = False

        async def watched() -> Message:
            nonlocal done
            message = await receive()
            done = done or not message.get("more_body", False)
            return message

        async def last(message: Message) -> None:
            if message["type"] == "http.response.start" and not done:
                MutableHeaders(scope=message)["Connection"] = "close"
            if message["type"] == "http.response.body" and not message.get("more_body", False) and not done:
                await send({**message, "more_body": True})
                came = 0
                with anyio.move_on_after(LINGER_SECONDS):
                    while not done and came < LINGER_BYTES:
                        came += len((await watched()).get("body", b""))
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        await self.app(scope, watched, last)


def _long(headers: Headers) -> bool:
    announced: Any = headers.get("content-length", "")
    return "transfer-encoding" in headers or (announced.isdecimal() and int(announced) > UNREAD_BYTES)
