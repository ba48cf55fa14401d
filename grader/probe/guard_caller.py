"""The tester's side of the guard: what a request looks like when it leaves, and how an outcome is told."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import h11

from grader.probe.guard_upstream import Headers, Question, Reply, Violation

VIOLATION_STATUS = 599
CODE_HEADER = "x-guard-code"
DETAIL_HEADER = "x-guard-detail"
ELAPSED_HEADER = "x-guard-elapsed-ms"
USER_AGENT = b"api-client/1.0"

Exchange: TypeAlias = Callable[[Question], Awaitable[tuple[Reply | Violation, float]]]

_HEADER_BYTES = 262_144
_BODY_BYTES = 8_000_000
_DROPPED = frozenset(
    {
        *(b"host", b"user-agent", b"accept-encoding", b"content-length", b"connection", b"keep-alive", b"te"),
        *(b"proxy-connection", b"proxy-authorization", b"transfer-encoding", b"trailer", b"upgrade", b"expect"),
    }
)
_DROPPED_PREFIXES = (b"x-schemathesis-", b"x-guard-")


class Caller:
    """One tester's connection: reads requests, hands out answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, exchange: Exchange) -> None:
        self._reader, self._writer, self._exchange = reader, writer, exchange
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEADER_BYTES)

    async def serve(self) -> None:
        """Answer requests until the tester goes away or sends something that is no request."""
        while True:
            try:
                question = await self._question()
            except h11.RemoteProtocolError:
                await self._send(
                    400, [(CODE_HEADER.encode(), b"guard.request_refused"), (b"Content-Length", b"0")], b""
                )
                return
            if question is None:
                return
            outcome, elapsed_ms = await self._exchange(question)
            status, headers, body = _told(outcome)
            headers.append((ELAPSED_HEADER.encode(), b"%.3f" % elapsed_ms))
            await self._send(status, headers, body)
            if self._parser.our_state is not h11.DONE or self._parser.their_state is not h11.DONE:
                return
            self._parser.start_next_cycle()

    async def _question(self) -> Question | None:
        """The next request with its body, or None at the end of the connection."""
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = self._parser.next_event()
            if event is h11.NEED_DATA:
                self._parser.receive_data(await self._reader.read(65_536))
            elif isinstance(event, h11.Request):
                if event.method == b"CONNECT":
                    raise h11.RemoteProtocolError("CONNECT is not for testers")
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > _BODY_BYTES:
                    raise h11.RemoteProtocolError("request body too large")
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return Question(method=head.method, target=head.target, headers=_outgoing(head), body=bytes(body))
            else:
                return None

    async def _send(self, status: int, headers: Headers, body: bytes) -> None:
        parts = [self._parser.send(h11.Response(status_code=status, headers=headers))]
        if body:
            parts.append(self._parser.send(h11.Data(data=body)))
        parts.append(self._parser.send(h11.EndOfMessage()))
        self._writer.write(b"".join(part for part in parts if part))
        await self._writer.drain()


def _outgoing(head: h11.Request) -> Headers:
    """What an ordinary client would send: our own fixed head first, then the tester's headers without its marks."""
    kept = [
        (name.title(), value)
        for name, value in head.headers
        if name not in _DROPPED and not name.startswith(_DROPPED_PREFIXES)
    ]
    fixed: Headers = [(b"User-Agent", USER_AGENT), (b"Accept-Encoding", b"identity")]
    return fixed + sorted(kept, key=lambda pair: pair[0] != b"Accept")


def _told(outcome: Reply | Violation) -> tuple[int, Headers, bytes]:
    if isinstance(outcome, Violation):
        detail = "".join(one for one in outcome.detail if one.isascii() and one.isprintable())
        headers = [
            (CODE_HEADER.encode(), outcome.code.encode()),
            (DETAIL_HEADER.encode(), detail.strip().encode()),
            (b"Content-Length", b"0"),
        ]
        return VIOLATION_STATUS, headers, b""
    headers = [(name, value) for name, value in outcome.headers if not name.lower().startswith(b"x-guard-")]
    return outcome.status, headers, outcome.body
