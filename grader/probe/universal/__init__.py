"""The universal family: what is asked of every app (U4 problem+json, U6 repeatable data, U7 quick answers)."""

import time

from grader.evidence import CheckEvidence, Finding, Outcome
from grader.probe.events import Progress
from grader.probe.session import Emit, Session
from grader.probe.universal import latency, problems, repeat

__all__ = ["examine"]

STEPS = 4


def examine(session: Session, emit: Emit) -> None:
    """Give evidence for U4, U6 and U7; the two passes of U6 stand at both ends, with the others between them.

    A check that found nothing to measure because no example was answered well is ``not_run``.
    """
    asked = {check for check in (problems.CHECK, repeat.CHECK, latency.CHECK) if session.wants(check)}
    readable = any(session.world.examples.values())
    started = time.monotonic()

    def say(check: str, findings: list[Finding], *, measured: int = 1) -> None:
        outcome: Outcome = "fail" if findings else "pass" if measured or not readable else "not_run"
        seconds = round(time.monotonic() - started, 3)
        emit(CheckEvidence(check=check, outcome=outcome, findings=tuple(findings), seconds=seconds))

    def step(done: int) -> None:
        emit(Progress(phase="universal", done=done, total=STEPS))

    step(0)
    before = repeat.listen(session) if repeat.CHECK in asked else []
    step(1)
    if problems.CHECK in asked:
        say(problems.CHECK, problems.problems(session))
    step(2)
    if latency.CHECK in asked:
        found, measured = latency.latencies(session)
        say(latency.CHECK, found, measured=measured)
    step(3)
    if repeat.CHECK in asked:
        found, measured = repeat.compare(before, repeat.listen(session))
        say(repeat.CHECK, found, measured=measured)
    step(STEPS)
