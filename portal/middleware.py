"""What every request passes before any route: its name, its size, where it comes from, and what answers may carry.

All of it is plain ASGI, outermost first, so that nothing of a request is read before it was looked at.
"""

import re
import secrets
from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from grader.services.receiving import UPLOAD_LIMIT
from portal.api import problems

SMALL_BODY: Final = 256 * 1024
"""Bytes of an ordinary form."""
FILE_BODY: Final = UPLOAD_LIMIT + 1024 * 1024
"""Bytes of a form with a file: the file and what frames it."""
_WITH_FILE: Final = re.compile(r"^/assignments/[^/]+/submit$|^/api/v1/submissions$")
ROSTER_BODY: Final = 3 * 1024 * 1024
"""Bytes of a form with a roster, which may have two million."""
_WITH_ROSTER: Final = re.compile(r"^/rounds/[^/]+/roster/(import|commit)$")

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
)

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
STRICT_TRANSPORT: Final = "max-age=31536000; includeSubDomains"


def safe_headers(*, secure: bool) -> dict[str, str]:
    """What an answer carries unless it says otherwise; ``secure``: browsers come over TLS."""
    kept = {"Strict-Transport-Security": STRICT_TRANSPORT} if secure else {}
    return {**HEADERS, "Cache-Control": "no-store", **kept}


class RequestName:
    """Names every request, also in its answer and in the log; a name that a client sends is never adopted."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        name = f"req_{secrets.token_hex(8)}"
        scope.setdefault("state", {})["request"] = name

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-Id"] = name
            await send(message)

        await self.app(scope, receive, named)


class SafeAnswers:
    """What no answer may leave without. Private pages are never kept by a browser or a proxy."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self.app = app
        self.headers = safe_headers(secure=secure)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, dressed)


class BodyLimits:
    """Counts the bytes of a body as they come, and stops reading at the limit of the address.

    A length that is announced is believed only when it is too large. What refuses is an ordinary 413, so that people
    get the page that says what to do.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = _limit(scope["path"])
        announced = Headers(scope=scope).get("content-length", "")
        came = int(announced) if announced.isdecimal() and int(announced) > limit else 0

        async def counted() -> Message:
            nonlocal came
            if came <= limit:
                message = await receive()
                came += len(message.get("body", b""))
            if came > limit:
                raise HTTPException(413)
            return message

        await self.app(scope, counted, send)


def _limit(path: str) -> int:
    """How many bytes the body of a request to this address may have."""
    if _WITH_FILE.match(path):
        return FILE_BODY
    return ROSTER_BODY if _WITH_ROSTER.match(path) else SMALL_BODY


class OwnRequests:
    """Refuses what another site made a browser send: by Fetch Metadata, else by Origin, else not at all.

    A client with a token sends no cookie, so nobody can borrow its session, and it passes; so does one that sends
    neither to the API, which then says what is missing.
    """

    def __init__(self, app: ASGIApp, *, origin: str) -> None:
        self.app, self.origin = app, origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] == "http" and scope["method"] not in SAFE:
            request = Request(scope)
            program = problems.is_api(request)
            if not self._own(request.headers, program=program):
                refusal: Response = PlainTextResponse("This request came from another site.\n", status_code=403)
                if program:
                    refusal = problems.answer(request, 403, "api.elsewhere")
                await refusal(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _own(self, headers: Headers, *, program: bool) -> bool:
        if "cookie" not in headers and (program or "authorization" in headers):
            return True
        if site := headers.get("sec-fetch-site"):
            return site == "same-origin"
        return headers.get("origin") == self.origin
