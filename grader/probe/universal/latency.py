"""U7: 95 of 100 answers within 500 ms, and none above 1 MB.

A busy machine must not fail an honest app: an operation is slow only when it is slow in every one of several rounds
that are spread over time and interleaved with the other operations.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle

from grader.evidence import Exchange, Finding
from grader.probe.calls import Call, example_calls
from grader.probe.session import Session
from grader.probe.target import Answer, NoAnswer

CHECK = "U7"
LIMIT_MS = 500.0
LIMIT_BYTES = 1 << 20
PERCENTILE = 0.95
REQUESTS = 20
"""Requests of one operation in one round; the 95th percentile of 20 allows one outlier."""
ROUNDS = 5
BUDGET_SECONDS = 60.0
OK_LIMIT = 300
_NEVER_MS = 10_000.0
"""What an answer counts that the guard gave up waiting for."""


@dataclass
class Watched:
    """One operation under the stopwatch. ``rounds`` holds the 95th percentile of each finished round, in ms."""

    operation_id: str
    calls: Iterator[Call]
    rounds: list[float] = field(default_factory=list)
    samples: list[float] = field(default_factory=list)
    slowest: tuple[float, Exchange | None] = (0.0, None)
    fastest: float = math.inf
    largest: tuple[int, Exchange | None] = (0, None)

    @property
    def decided(self) -> bool:
        """One quick round is enough: the verdict is the minimum over the rounds."""
        return bool(self.rounds) and self.rounds[-1] <= LIMIT_MS

    @property
    def round_is_over(self) -> bool:
        """The round is full, or so many answers were slow that its percentile can only be above the limit."""
        allowed = REQUESTS - math.ceil(REQUESTS * PERCENTILE)
        return len(self.samples) >= REQUESTS or sum(one > LIMIT_MS for one in self.samples) > allowed

    @property
    def slow(self) -> bool:
        """Slow in every round, or time ran out before a single answer was quick."""
        if self.decided:
            return False
        return len(self.rounds) >= ROUNDS or (len(self.rounds) > 0 and self.fastest > LIMIT_MS)

    def take(self, milliseconds: float, size: int, exchange: Exchange) -> None:
        """Note one answer."""
        self.samples.append(milliseconds)
        self.fastest = min(self.fastest, milliseconds)
        if milliseconds > self.slowest[0]:
            self.slowest = milliseconds, exchange
        if size > self.largest[0]:
            self.largest = size, exchange

    def close_round(self) -> None:
        """Turn the samples of a round into its percentile (of the slow ones alone when it was cut short)."""
        if self.samples:
            self.rounds.append(percentile(self.samples, PERCENTILE))
            self.samples = []


def latencies(session: Session, *, clock: Callable[[], float] = time.monotonic) -> tuple[list[Finding], int]:
    """Findings, and how many operations could be measured."""
    watched = list(_warmed(session))
    deadline = clock() + BUDGET_SECONDS
    for _ in range(ROUNDS):
        for _ in range(REQUESTS):
            for one in watched:
                if not one.decided and not one.round_is_over and clock() < deadline:
                    _sample(session, one)
        for one in watched:
            if not one.decided:
                one.close_round()
        if all(one.decided for one in watched):
            break
    return [finding for one in watched for finding in _findings(one)], len(watched)


def percentile(samples: list[float], share: float) -> float:
    """The nearest-rank percentile."""
    return sorted(samples)[math.ceil(len(samples) * share) - 1]


def _warmed(session: Session) -> Iterator[Watched]:
    """Operations that answer a first request well; the others are for other checks to judge."""
    calls: dict[str, list[Call]] = {}
    for operation, call in example_calls(session.pack.contract, session.world.examples):
        if operation.safe and not operation.own_time_limit:
            calls.setdefault(operation.operation_id, []).append(call)
    for operation_id, own in calls.items():
        answer = _ask(session, own[0])
        if answer is not None and (answer.status < OK_LIMIT or answer.guard_code == "response.slow"):
            yield Watched(operation_id=operation_id, calls=cycle(own))


def _sample(session: Session, watched: Watched) -> None:
    answer = _ask(session, next(watched.calls))
    if answer is None:
        return
    if answer.guard_code == "response.slow":
        watched.take(_NEVER_MS, 0, answer.exchange)
    elif answer.guard_code is None and answer.exchange.response is not None:
        watched.take(answer.exchange.response.elapsed_ms, len(answer.body), answer.exchange)


def _ask(session: Session, call: Call) -> Answer | None:
    try:
        return session.target.send(call.method, call.path, query=call.query, headers=call.headers)
    except NoAnswer:
        return None


def _findings(watched: Watched) -> Iterator[Finding]:
    if watched.slow:
        best = round(min(watched.rounds))
        yield Finding(
            check=CHECK,
            code="latency.slow",
            operation=watched.operation_id,
            params={"limit_ms": round(LIMIT_MS), "p95_ms": best, "rounds": len(watched.rounds)},
            expected=round(LIMIT_MS),
            got=best,
            exchange=watched.slowest[1],
        )
    if watched.largest[0] > LIMIT_BYTES:
        yield Finding(
            check=CHECK,
            code="latency.too_big",
            operation=watched.operation_id,
            params={"limit_bytes": LIMIT_BYTES, "size": watched.largest[0]},
            expected=LIMIT_BYTES,
            got=watched.largest[0],
            exchange=watched.largest[1],
        )
