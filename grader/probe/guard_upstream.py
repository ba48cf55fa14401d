"""One question to the app and its answer, within limits: the hostile side of the guard.

Every question opens a new connection and asks the app to close it. That costs a fraction of a millisecond, needs no
retry (an idle connection that the app just closed can never look like a missing answer) and does not hold up apps that
serve one connection at a time.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import h11

from grader.probe.jsontext import excess, looks_like_json

Headers = list[tuple[bytes, bytes]]

_READ_BYTES = 65_536
_CLOSE_GRACE_SECONDS = 0.05
"""How long we wait for the end of a connection that the app said it would close, to see bytes after the answer."""
_REDIRECTS = frozenset({300, 301, 302, 303, 305, 307, 308})
_HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an answer may cost. Sizes in bytes of the decoded transfer, times in seconds.

    The tester's own HTTP client refuses more than 100 headers or a line of 65,536 bytes, hence ``header_count`` and
    ``header_bytes``. ``exchanges`` and ``run_bytes`` hold for one run; ``slow_strikes`` time violations of one method
    and path template end the questions to it.
    """

    connect_seconds: float = 2.0
    header_bytes: int = 64_000
    header_count: int = 90
    header_seconds: float = 10.0
    body_bytes: int = 2_000_000
    total_seconds: float = 15.0
    json_depth: int = 100
    exchanges: int = 2_000
    run_bytes: int = 256_000_000
    slow_strikes: int = 2


@dataclass(frozen=True, kw_only=True)
class Question:
    """A request as the app will see it; ``headers`` are complete but for the framing of the body."""

    method: bytes
    target: bytes
    headers: Headers
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A whole answer within limits; ``headers`` are without those that belong to one connection only.

    ``finished`` is the reading of ``time.perf_counter`` at its last byte. ``reason`` is the text beside the status; the
    tester is not told.
    """

    status: int
    headers: Headers
    body: bytes
    finished: float
    reason: bytes = b""


class Violation(Exception):
    """The app broke a limit or the protocol. ``status`` is the answer's where it had one, else 0."""

    def __init__(self, code: str, detail: str, *, status: int = 0) -> None:
        super().__init__(code, detail)
        self.code, self.detail, self.status = code, detail, status


async def ask(address: tuple[str, int], question: Question, limits: Limits) -> Reply:
    """The app's answer; raises Violation."""
    async with _connection(address, limits) as (reader, writer):
        conversation = _Conversation(question, reader, limits)
        try:
            async with asyncio.timeout(limits.total_seconds):
                writer.write(conversation.opening)
                return await conversation.answer()
        except TimeoutError:
            raise Violation("response.slow", "body", status=conversation.status) from None
        except OSError:
            raise conversation.broken("reset") from None


@asynccontextmanager
async def _connection(
    address: tuple[str, int], limits: Limits
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    try:
        async with asyncio.timeout(limits.connect_seconds):
            reader, writer = await asyncio.open_connection(*address, limit=_READ_BYTES)
    except TimeoutError:
        raise Violation("app.no_answer", "connect_timeout") from None
    except ConnectionRefusedError:
        raise Violation("app.no_answer", "refused") from None
    except OSError:
        raise Violation("app.no_answer", "unreachable") from None
    try:
        yield reader, writer
    finally:
        # Not a polite close: bytes that a hostile app still sends must not keep anything alive.
        writer.transport.abort()


class _Conversation:
    """The state of one question: h11 on our side, and what has been counted so far."""

    def __init__(self, question: Question, reader: asyncio.StreamReader, limits: Limits) -> None:
        self._question, self._reader, self._limits = question, reader, limits
        self._parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=limits.header_bytes + _READ_BYTES)
        self._received = 0
        self.status = 0
        headers = [*question.headers, (b"Connection", b"close")]
        if question.body or question.method in {b"POST", b"PUT", b"PATCH"}:
            headers.append((b"Content-Length", b"%d" % len(question.body)))
        parts = [self._parser.send(h11.Request(method=question.method, target=question.target, headers=headers))]
        if question.body:
            parts.append(self._parser.send(h11.Data(data=question.body)))
        parts.append(self._parser.send(h11.EndOfMessage()))
        self.opening = b"".join(part for part in parts if part)

    async def answer(self) -> Reply:
        try:
            head = await self._head()
            self._check_head(head)
            body = await self._body()
        except h11.ProtocolError:
            raise self.broken("malformed") from None
        finished = time.perf_counter()
        await self._check_end()
        self._check_body(head, body)
        kept = [(name, value) for name, value in head.headers.raw_items() if name.lower() not in _HOP_BY_HOP]
        if not self._has_no_body:
            kept = [(name, value) for name, value in kept if name.lower() != b"content-length"]
            kept.append((b"Content-Length", b"%d" % len(body)))
        return Reply(status=head.status_code, headers=kept, body=body, finished=finished, reason=bytes(head.reason))

    def broken(self, detail: str) -> Violation:
        """A connection that ended or went wrong: before the first byte that is no answer, later a broken one."""
        if self._received == 0:
            return Violation("app.no_answer", "reset" if detail == "reset" else "closed")
        return Violation("response.protocol", detail, status=self.status)

    async def _head(self) -> h11.Response:
        try:
            async with asyncio.timeout(self._limits.header_seconds):
                while True:
                    event = self._parser.next_event()
                    if isinstance(event, h11.Response):
                        return event
                    if self._received > self._limits.header_bytes:
                        raise Violation("response.headers_too_large", "bytes")
                    if event is h11.NEED_DATA:
                        await self._receive()
                    elif not isinstance(event, h11.InformationalResponse):
                        raise self.broken("malformed")
        except TimeoutError:
            raise Violation("response.slow", "headers") from None

    def _check_head(self, head: h11.Response) -> None:
        self.status = head.status_code
        items = head.headers.raw_items()
        size = sum(len(name) + len(value) + 4 for name, value in items)
        if size > self._limits.header_bytes:
            raise Violation("response.headers_too_large", "bytes", status=self.status)
        if len(items) > self._limits.header_count:
            raise Violation("response.headers_too_large", "count", status=self.status)
        if head.http_version not in {b"1.0", b"1.1"}:
            raise Violation("response.protocol", "version", status=self.status)
        names = [name.lower() for name, _ in items]
        if b"transfer-encoding" in names and b"content-length" in names:
            raise Violation("response.protocol", "two_lengths", status=self.status)
        if self.status in _REDIRECTS:
            raise Violation("response.redirect", str(self.status), status=self.status)
        encodings = b",".join(value for name, value in items if name.lower() == b"content-encoding")
        if any(one.strip().lower() not in {b"", b"identity"} for one in encodings.split(b",")):
            raise Violation("response.encoded", encodings[:40].decode("latin-1"), status=self.status)
        if not self._has_no_body:
            declared = next((value for name, value in items if name.lower() == b"content-length"), b"0")
            if int(declared.split(b",")[0]) > self._limits.body_bytes:
                raise Violation("response.too_large", "declared", status=self.status)

    @property
    def _has_no_body(self) -> bool:
        return self._question.method == b"HEAD" or self.status in {204, 304}

    async def _body(self) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            event = self._parser.next_event()
            if event is h11.NEED_DATA:
                await self._receive()
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size > self._limits.body_bytes:
                    raise Violation("response.too_large", "body", status=self.status)
                parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                return b"".join(parts)
            else:
                raise self.broken("malformed")

    async def _receive(self) -> None:
        data = await self._reader.read(_READ_BYTES)
        if not data and self._received == 0:
            raise self.broken("closed")
        self._received += len(data)
        self._parser.receive_data(data)

    async def _check_end(self) -> None:
        """Bytes after the answer mean that its length was wrong; HEAD is excused, many small servers get that wrong."""
        if self._question.method == b"HEAD":
            return
        extra = self._parser.trailing_data[0]
        if not extra and self._parser.their_state is not h11.CLOSED:
            try:
                async with asyncio.timeout(_CLOSE_GRACE_SECONDS):
                    extra = await self._reader.read(1)
            except (TimeoutError, OSError):
                return
        if extra:
            raise Violation("response.protocol", "bytes_after_end", status=self.status)

    def _check_body(self, head: h11.Response, body: bytes) -> None:
        kind = b",".join(value for name, value in head.headers.raw_items() if name.lower() == b"content-type")
        if not looks_like_json(kind.decode("latin-1"), body):
            return
        problem = excess(body, max_depth=self._limits.json_depth)
        if problem == "too_deep":
            raise Violation("response.too_deep", "json", status=self.status)
        if problem:
            raise Violation("response.too_large", problem, status=self.status)
