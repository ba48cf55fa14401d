"""The one HTTP client of the probe, bound to the guard. Nothing else imports httpx."""

import json as json_text
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from grader.errors import InfrastructureFault
from grader.evidence import Exchange
from grader.probe import exchanges
from grader.probe.guard import CODE_HEADER, DETAIL_HEADER, ELAPSED_HEADER
from grader.probe.jsontext import UnreadableJson, parse_json
from grader.probe.routes import Routes

__all__ = ["Answer", "NoAnswer", "Target", "UnreadableJson"]

TIMEOUT_SECONDS = 20.0
"""More than the guard ever takes (2 s to connect, 10 s for an answer): the guard decides, this only prevents a hang."""

_OURS = {
    "guard.exhausted": "infrastructure.guard_exhausted",
    "guard.failed": "infrastructure.guard_failed",
    "guard.request_refused": "infrastructure.guard_request_refused",
}

_PATH_SAFE = "/%:@!$&'()*+,;=~-._"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer as it came through the guard.

    ``headers`` have lower-case names, repeated ones joined by ", ". ``guard_code`` is set (and ``status`` is 599) when
    the guard refused the app's answer; ``guard_detail`` says more. ``operation`` is the operationId that was asked, or
    empty.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    exchange: Exchange
    guard_code: str | None = None
    guard_detail: str = ""
    operation: str = ""

    def json(self) -> Any:
        """The body as JSON; raises UnreadableJson (duplicate keys, NaN, huge numbers and deep nesting included)."""
        return parse_json(self.body)


class NoAnswer(Exception):
    """The app did not answer at all: it refused, reset or closed the connection before the first byte.

    ``detail`` is the guard's word for it: ``refused``, ``reset``, ``closed``, ``connect_timeout``, ``unreachable``.
    """

    def __init__(self, exchange: Exchange, *, operation: str, detail: str) -> None:
        super().__init__(detail)
        self.exchange, self.operation, self.detail = exchange, operation, detail


class Target:
    """Sends requests through the guard and keeps what was said. Keeps no cookies: every request stands alone."""

    def __init__(self, base_url: str, *, routes: Routes | None = None) -> None:
        """``base_url`` is the guard's; ``routes`` names the operation of each request."""
        self._routes = routes or Routes()
        self._base_url = base_url
        # A context that trusts nobody: no TLS is spoken here, and loading certificates would take 0.1 s.
        nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._client = httpx.Client(trust_env=False, follow_redirects=False, timeout=TIMEOUT_SECONDS, verify=nobody)

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        body: bytes | None = None,
    ) -> Answer:
        """One request, one answer.

        ``path`` is plain text or already percent-encoded; None values of ``query`` are left out and lists are repeated.
        ``json`` is sent as UTF-8 with its media type, ``body`` as it is. Raises NoAnswer when the app gave none and
        InfrastructureFault when the guard itself fails.
        """
        address = _address(path, query)
        sent = dict(headers or {})
        content = body or b""
        if json is not None:
            content = json_text.dumps(json, ensure_ascii=False).encode()
            sent = {"content-type": "application/json", **sent}
        at, started = time.time(), time.perf_counter()
        try:
            request = self._client.build_request(
                method, f"{self._base_url}{address}", headers=sent, content=content or None
            )
            reply = self._client.send(request)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as problem:
            raise InfrastructureFault("infrastructure.guard_lost", problem=type(problem).__name__) from problem
        finally:
            self._client.cookies.clear()
        elapsed_ms = float(reply.headers.get(ELAPSED_HEADER, (time.perf_counter() - started) * 1000))
        return self._answer(method, address, sent=sent, content=content, reply=reply, elapsed_ms=elapsed_ms, at=at)

    def close(self) -> None:
        """Close the connections to the guard."""
        self._client.close()

    def _answer(
        self,
        method: str,
        address: str,
        *,
        sent: Mapping[str, str],
        content: bytes,
        reply: httpx.Response,
        elapsed_ms: float,
        at: float,
    ) -> Answer:
        code, detail = reply.headers.get(CODE_HEADER), reply.headers.get(DETAIL_HEADER, "")
        operation = self._routes.operation(method, address)
        if code in _OURS:
            raise InfrastructureFault(_OURS[code], method=method, path=address[:200], detail=detail)
        headers = {
            name.lower(): value for name, value in reply.headers.items() if not name.lower().startswith("x-guard-")
        }
        told = (
            None
            if code is not None
            else exchanges.response(reply.status_code, headers=headers, body=reply.content, elapsed_ms=elapsed_ms)
        )
        exchange = exchanges.exchange(method, address, headers=sent, body=content, response=told, at=at)
        if code == "app.no_answer":
            raise NoAnswer(exchange, operation=operation, detail=detail)
        return Answer(
            status=reply.status_code,
            headers=headers,
            body=reply.content,
            exchange=exchange,
            guard_code=code,
            guard_detail=detail,
            operation=operation,
        )


def _address(path: str, query: Mapping[str, Any] | None) -> str:
    encoded = quote(path, safe=f"{_PATH_SAFE}?" if query is None else _PATH_SAFE)
    wanted = {name: value for name, value in (query or {}).items() if value is not None}
    if not wanted:
        return encoded
    text = {
        name: [_plain(one) for one in value] if isinstance(value, list | tuple) else _plain(value)
        for name, value in wanted.items()
    }
    return f"{encoded}?{urlencode(text, doseq=True, quote_via=quote, safe='')}"


def _plain(value: Any) -> str:
    # JSON spells booleans in lower case, and so does every contract.
    return str(value).lower() if isinstance(value, bool) else str(value)
