"""The guard: a reverse proxy in a thread that every byte between probe and app passes (security rule S31).

A tester is given either the app's answer, whole and within limits, or a synthesised ``599`` with ``x-guard-code``.
Codes that begin with ``guard.`` are about us (the tester's own request was refused, the run's budget is spent, a bug
here) and never about the app.
"""

import asyncio
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import h11

from grader.errors import InfrastructureFault
from grader.packs.world import Person
from grader.people import People
from grader.probe.guard_caller import CODE_HEADER, DETAIL_HEADER, ELAPSED_HEADER, VIOLATION_STATUS, Caller
from grader.probe.guard_upstream import Limits, Question, Reply, Violation, ask
from grader.probe.guard_watch import Watch
from grader.probe.routes import Routes

__all__ = ["CODE_HEADER", "DETAIL_HEADER", "ELAPSED_HEADER", "VIOLATION_STATUS", "Guard", "GuardRecord", "Limits"]

HEALTH_PATH = "/healthz"

_TIME_CODES = frozenset({"response.slow"})
_TIME_DETAILS = frozenset({"connect_timeout"})
_LONG_MS = 1_000
"""No answer after longer than this is a violation of time, too: an app that is too busy may just hang up."""
_PARALLEL = 8
_START_SECONDS = 5.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class GuardRecord:
    """One exchange as the guard saw it. ``route`` is the operationId or empty; ``violation`` a code or empty.

    ``status`` is what the tester was told (599 for a violation). ``elapsed_ms`` runs from the connection attempt to the
    last byte. ``asked`` is False when the guard answered by itself because the operation had used up its strikes.
    """

    method: str
    path: str
    route: str
    status: int
    elapsed_ms: float
    size: int = 0
    violation: str = ""
    detail: str = ""
    asked: bool = True
    at: float = 0.0


class Guard:
    """``with Guard("http://app:8080", routes=Routes([(id, METHOD, template)])) as guard: guard.base_url``."""

    def __init__(
        self, app: str, *, routes: Routes | None = None, limits: Limits | None = None, people: Iterable[Person] = ()
    ) -> None:
        """``app`` is the only place the guard ever talks to; its name is resolved once.

        ``watch`` looks for ``people`` in every answer that is handed on, whoever asked.
        """
        self.watch = Watch(People(people))
        parts = urlsplit(app)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._address: tuple[str, int] | None = None
        self._routes, self._limits = routes or Routes(), limits or Limits()
        self._lock = threading.Lock()
        self._records: deque[GuardRecord] = deque(maxlen=2 * self._limits.exchanges)
        self._strikes: Counter[tuple[str, str]] = Counter()
        self._stalling: set[tuple[str, str]] = set()
        self._last_strike: dict[tuple[str, str], str] = {}
        self._asked = self._bytes = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready, self._stopped = threading.Event(), asyncio.Event()
        self._thread: threading.Thread | None = None
        self._turns, self._open = asyncio.Semaphore(_PARALLEL), set[asyncio.Task[None]]()
        self._port_here = 0

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._port_here}"

    def start(self) -> None:
        """Listen on a free loopback port; raises InfrastructureFault when that does not work."""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="guard", daemon=True)
        self._thread.start()
        if not self._ready.wait(_START_SECONDS) or not self._port_here:
            raise InfrastructureFault("infrastructure.guard_not_started")

    def stop(self) -> None:
        """Close the port and every connection. Safe to call twice."""
        if self._thread is not None and self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join(_START_SECONDS)
        self._thread = None

    def begin_run(self) -> None:
        """Forget records, strikes and budgets: called before every command, so that no family starves another.

        What used up its strikes once is asked again, but gets one strike from then on: an operation that stalls costs
        one deadline a command and not all its strikes.
        """
        with self._lock:
            self._stalling |= {who for who, count in self._strikes.items() if count >= self._limits.slow_strikes}
            self._records.clear()
            self._strikes.clear()
            self._asked = self._bytes = 0

    @property
    def exchanges(self) -> tuple[GuardRecord, ...]:
        """Snapshot of this run's records, oldest first (bounded)."""
        with self._lock:
            return tuple(self._records)

    @property
    def counts(self) -> Mapping[str, int]:
        """Exchanges of this run that really asked the app, per operationId ("": no operation of the contract)."""
        return Counter(record.route for record in self.exchanges if record.asked)

    @property
    def latencies(self) -> Mapping[str, tuple[float, ...]]:
        """Milliseconds of this run's answers without violation, per operationId."""
        found: dict[str, list[float]] = {}
        for record in self.exchanges:
            if record.route and not record.violation:
                found.setdefault(record.route, []).append(record.elapsed_ms)
        return {route: tuple(times) for route, times in found.items()}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
            self._port_here = server.sockets[0].getsockname()[1]
        finally:
            self._ready.set()
        async with server:
            await self._stopped.wait()
            server.close()
            for task in self._open:
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await Caller(reader, writer, self._exchange).serve()
        except (OSError, h11.ProtocolError):
            _log.debug("a tester's connection ended in the middle")
        except asyncio.CancelledError:
            pass  # the guard stops
        finally:
            self._open.discard(task)
            writer.transport.abort()

    async def _exchange(self, question: Question) -> tuple[Reply | Violation, float]:
        """Ask the app unless a budget says no; returns what came of it and the milliseconds it took."""
        method, path = question.method.decode("ascii"), question.target.decode("ascii")
        route = self._routes.match(method, path)
        at, started = time.time(), time.perf_counter()
        # Unknown paths share one budget per method; readiness has its own timeout and must not run out of tries.
        strike = None if path == HEALTH_PATH else (method, route.template if route else "")
        refusal = self._refusal(strike)
        asked = refusal is None
        outcome: Reply | Violation
        if refusal is not None:
            outcome = refusal
        else:
            async with self._turns:
                started = time.perf_counter()
                outcome = await self._ask(question)
        violation = outcome if isinstance(outcome, Violation) else None
        reply = outcome if isinstance(outcome, Reply) else None
        elapsed_ms = ((reply.finished if reply else time.perf_counter()) - started) * 1000
        record = GuardRecord(
            method=method,
            path=path[:2_000],
            route=route.operation if route else "",
            status=reply.status if reply else VIOLATION_STATUS,
            elapsed_ms=round(elapsed_ms, 3),
            size=len(reply.body) if reply else 0,
            violation=violation.code if violation else "",
            detail=violation.detail if violation else "",
            asked=asked,
            at=at,
        )
        if reply is not None:
            # Before the tester is told: whoever has an answer knows that it was looked at, and no clock runs meanwhile.
            self.watch.saw(question, reply, operation=record.route, elapsed_ms=record.elapsed_ms, at=at)
        with self._lock:
            self._records.append(record)
            self._asked += asked
            self._bytes += record.size
            if asked and strike and _took_time(record):
                self._strikes[strike] += 1
                self._last_strike[strike] = record.violation
        return outcome, elapsed_ms

    def _refusal(self, strike: tuple[str, str] | None) -> Violation | None:
        with self._lock:
            if self._asked >= self._limits.exchanges:
                return Violation("guard.exhausted", "exchanges")
            if self._bytes >= self._limits.run_bytes:
                return Violation("response.too_large", "run")
            if strike and self._strikes[strike] >= (1 if strike in self._stalling else self._limits.slow_strikes):
                return Violation(self._last_strike[strike], "repeatedly")
        return None

    async def _ask(self, question: Question) -> Reply | Violation:
        headers = [(b"Host", b"localhost:%d" % self._port), *question.headers]
        try:
            return await ask(
                await self._resolved(),
                Question(method=question.method, target=question.target, headers=headers, body=question.body),
                self._limits,
            )
        except Violation as violation:
            return violation
        except Exception as problem:  # noqa: BLE001 - a bug of ours must never look like the app's
            _log.error("the guard failed", exc_info=problem)
            return Violation("guard.failed", type(problem).__name__)

    async def _resolved(self) -> tuple[str, int]:
        if self._address is None:
            assert self._loop is not None
            try:
                async with asyncio.timeout(self._limits.connect_seconds):
                    found = await self._loop.getaddrinfo(self._host, self._port, type=1)
            except (OSError, TimeoutError):
                raise Violation("app.no_answer", "unreachable") from None
            self._address = (str(found[0][4][0]), self._port)
        return self._address


def _took_time(record: GuardRecord) -> bool:
    """Whether an exchange went wrong and cost time that the run cannot spend on every question."""
    if record.violation in _TIME_CODES or record.detail in _TIME_DETAILS:
        return True
    return record.violation == "app.no_answer" and record.elapsed_ms > _LONG_MS
