"""What a monitor reads: how many requests, how long they take, how the queue stands, what came of gradings.

Every application has a registry of its own. Labels hold names of the program's: routes as they are written in it,
methods and outcomes that there are; nothing that a visitor can make up, and no person.
"""

import time
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from grader.errors import EnvironmentProblem
from grader.queue import outlook
from grader.records import Records
from grader.services.overseeing import gradings_by_outcome
from portal.logging import known_method, template_of

SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
"""Borders of the histogram; the longest are live pages, which stay open while somebody watches."""


class Queued(Collector):
    """The queue and the verdicts, read from the records when somebody asks; what cannot be read is left out."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def describe(self) -> Iterator[Metric]:
        """Nothing is asked of the records when the application is made."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The numbers as they are now."""
        up = GaugeMetricFamily("grader_records_up", "Whether the records can be read.")
        try:
            with self._records.reading() as session:
                seen = outlook(session, self._records.database.now(session))
                outcomes = gradings_by_outcome(session)
        except EnvironmentProblem:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        jobs = GaugeMetricFamily("grader_jobs", "Gradings that are owed, by state.", labels=["state"])
        for state, count in (
            ("waiting", seen.waiting), ("running", seen.running), ("needs_operator", seen.needs_operator)
        ):  # fmt: skip
            jobs.add_metric([state], count)
        yield jobs
        oldest = seen.oldest.total_seconds() if seen.oldest else 0.0
        yield GaugeMetricFamily("grader_queue_oldest_seconds", "How long the oldest has waited.", value=oldest)
        yield GaugeMetricFamily("grader_workers", "Slots of workers that live.", value=seen.workers)
        held = GaugeMetricFamily("grader_workers_held_back", "Reasons for which workers take nothing.", labels=["code"])
        for code in seen.held_back:
            held.add_metric([code], 1)
        yield held
        gradings = CounterMetricFamily("grader_gradings", "Verdicts that were recorded.", labels=["outcome"])
        for outcome, count in sorted(outcomes.items()):
            gradings.add_metric([outcome], count)
        yield gradings


class Metrics:
    """What one application measures."""

    def __init__(self, records: Records) -> None:
        self._registry = CollectorRegistry()
        labels = ["route", "method"]
        self._requests = Counter(
            "portal_requests", "Requests that were answered.", [*labels, "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "portal_request_seconds", "How long answers took.", labels, buckets=SECONDS, registry=self._registry
        )
        self._registry.register(Queued(records))

    def count(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self._registry)


class Measured:
    """Counts every request when its answer is complete."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count what became of it."""
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
            self.metrics.count(
                route=template_of(scope),
                method=known_method(scope["method"]),
                status=status,
                seconds=time.perf_counter() - begun,
            )
