"""From the rows of a grading's progress to what a page says: each phase with its state. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from grader.services.following import PHASES, Event, Followed

PhaseState: TypeAlias = Literal["waiting", "running", "pass", "fail", "not_run", "fault"]
"""Names of status words: ``pass`` says that the phase is over, not what was found in it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseLine:
    """One phase; ``seconds`` is how long it took, None while it has not ended. ``what`` is what it is doing now."""

    key: str
    state: PhaseState
    seconds: float | None
    what: str
    again: bool


BROKEN_IN = {"rejected": "intake", "build_failed": "build", "start_failed": "start"}
"""Outcome -> the phase that a grading ended in."""


def phase_lines(seen: Followed) -> tuple[PhaseLine, ...]:
    """Every phase in order; what came before a worker began again does not count."""
    attempt = max((event.attempt for event in seen.events), default=0)
    events = [event for event in seen.events if event.attempt == attempt]
    begun: dict[str, datetime] = {}
    what: dict[str, str] = {}
    again: set[str] = set()
    for event in events:
        key, _, repeat = event.phase.partition("-again")
        if event.phase.endswith("-again") and not repeat:
            again.add(key)
        begun.setdefault(key, event.at)
        what[key] = event.what
    order = [key for key in PHASES if key in begun]
    current = order[-1] if order else ""
    broken = BROKEN_IN.get(seen.outcome, "")
    return tuple(
        PhaseLine(
            key=key,
            state=_state(key, order, current, broken, seen),
            seconds=_seconds(key, order, begun, events),
            what=what.get(key, "") if key == current and not seen.finished else "",
            again=key in again,
        )
        for key in PHASES
    )


def _state(key: str, order: Sequence[str], current: str, broken: str, seen: Followed) -> PhaseState:
    if seen.finished:
        if seen.state == "needs_operator":
            return "fault" if key == current else "pass" if key in order else "not_run"
        return "fail" if key == broken else "pass" if key in order else "not_run"
    if seen.state == "queued" or key not in order:
        return "waiting"
    return "running" if key == current else "pass"


def _seconds(key: str, order: Sequence[str], begun: dict[str, datetime], events: Sequence[Event]) -> float | None:
    if key not in begun:
        return None
    later = [begun[other] for other in order if begun[other] > begun[key]]
    ends = later or [event.at for event in events if event.at > begun[key] and event.phase in {"stop", "teardown"}]
    return (min(ends) - begun[key]).total_seconds() if ends else None


def done_of(lines: Sequence[PhaseLine]) -> int:
    """How many phases are over, for the bar."""
    return sum(line.state in {"pass", "fail", "fault"} for line in lines)
