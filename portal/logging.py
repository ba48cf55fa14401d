"""What the portal writes about itself: one JSON object a line, with ids and never with what somebody typed.

What must never be in a log is taken out here as well, whoever wrote it there by mistake: passwords, tokens, cookies,
the secrets of one-time links.
"""

import json
import logging
import re
import sys
import time
from collections.abc import Mapping
from typing import Any, Final, TextIO

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from grader.services.accounts.throttling import network_of
from portal.clients import client_of

HIDDEN: Final = "[hidden]"
_SECRET_KEYS: Final = re.compile(r"password|secret|token|cookie|authorization|credential", re.IGNORECASE)
_SECRETS: Final = re.compile(
    r"gt_[\w-]{16,}"  # tokens of programs
    r"|(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"  # 256 random bits: sessions, links
    r"|\$argon2\w*\$\S+"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)",  # user and password in an address
)
_CONTROL: Final = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
"""Signs beyond those that JSON escapes by itself which move a terminal's cursor or turn the writing round."""

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
STATIC: Final = "/static"
UNMATCHED: Final = "unmatched"
"""What requests count as that no route took: their paths are any that a stranger thinks of."""

log = structlog.get_logger("portal.requests")


def configure(stream: TextIO | None = None, *, level: int = logging.WARNING) -> None:
    """Let everything that this process logs, libraries included, leave as lines of JSON."""
    target = sys.stderr if stream is None else stream
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    last: list[Any] = [hidden, structlog.processors.JSONRenderer(serializer=_line)]
    structlog.configure(
        processors=[*shared, *last],
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def hidden(_logger: Any, _method: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """The event without anything that opens a door."""
    return {key: HIDDEN if _SECRET_KEYS.search(key) else _clean(value) for key, value in event.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): HIDDEN if _SECRET_KEYS.search(str(key)) else _clean(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(one) for one in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _SECRETS.sub(HIDDEN, str(value))


def _line(value: Any, **_options: Any) -> str:
    """One line, whatever is in it; Thai stays readable."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return _CONTROL.sub(lambda sign: f"\\u{ord(sign.group()):04x}", text)


def template_of(scope: Scope) -> str:
    """The route that a request took, as it is written in the program: what a visitor typed is no part of it."""
    route = scope.get("route")
    path = getattr(route, "path", "")
    if isinstance(path, str) and path:
        return path
    return STATIC if scope.get("root_path") == STATIC else UNMATCHED


class AccessLog:
    """Writes one line for every request when its answer is complete."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and note what became of it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, begun = 500, time.perf_counter()

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, seen)
        finally:
            state = scope.get("state", {})
            me = getattr(state.get("visit"), "me", None)
            log.info(
                "request",
                method=known_method(scope["method"]),
                route=template_of(scope),
                status=status,
                ms=round((time.perf_counter() - begun) * 1000, 1),
                request=state.get("request", ""),
                account=me.account_id if me else "",
            )


def denied(request: Request, *, status: int, **facts: str) -> None:
    """Note that somebody was kept from something: who, from which network, at which route; ``facts`` are ids of ours.

    The line that every request has says that, too. This one says it alone, for whoever watches for it.
    """
    visit = getattr(request.state, "visit", None)
    me = getattr(visit, "me", None)
    log.warning(
        "denied",
        status=status,
        method=known_method(request.method),
        route=template_of(request.scope),
        account=me.account_id if me else "",
        network=network_of(client_of(visit)) if visit else "",
        request=getattr(request.state, "request", ""),
        **facts,
    )


def known_method(method: str) -> str:
    """A method that there is, or "other": a client may send any word."""
    return method if method in METHODS else "other"
