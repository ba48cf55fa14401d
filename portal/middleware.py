"""What every request passes before any route: its name, where it goes and comes from, and what answers may carry.

All of it is plain ASGI, outermost first, so that nothing of a request is read before it was looked at; how its body is
read is in :mod:`portal.bodies`.
"""

import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from portal.api import problems

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
"""The header ``Host``: a name or an address, and perhaps a port."""

Refuse: TypeAlias = Callable[[Request, int, str], Response]
"""What words a refusal for whoever asked: the request, a status and a code."""

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

        with bound_contextvars(request=name):  # whatever is logged on the way names it, too
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


class KnownHosts:
    """Answers under our own names only: an address with another one was made up by somebody."""

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str], refuse: Refuse) -> None:
        self.app, self.hosts, self.refuse = app, frozenset(one.lower() for one in hosts), refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] == "http":
            request = Request(scope)
            named = _HOST.fullmatch(request.headers.get("host", ""))
            if named is None or named[1].lower() not in self.hosts:
                await self.refuse(request, 400, "portal.host")(scope, receive, send)
                return
        await self.app(scope, receive, send)


class OwnRequests:
    """Refuses what another site made a browser send: by Fetch Metadata, else by Origin, else not at all.

    A client with a token sends no cookie, so nobody can borrow its session, and it passes; so does one that sends
    neither to the API, which then says what is missing.
    """

    def __init__(self, app: ASGIApp, *, origin: str, refuse: Refuse) -> None:
        self.app, self.origin, self.refuse = app, origin, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] == "http" and scope["method"] not in SAFE:
            request = Request(scope)
            program = problems.is_api(request)
            if not self._own(request.headers, program=program):
                code = "api.elsewhere" if program else "portal.elsewhere"
                await self.refuse(request, 403, code)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _own(self, headers: Headers, *, program: bool) -> bool:
        if "cookie" not in headers and (program or "authorization" in headers):
            return True
        if site := headers.get("sec-fetch-site"):
            return site == "same-origin"
        return headers.get("origin") == self.origin
