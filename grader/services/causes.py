"""What many people stumble over: causes that are common in a round, and how each check of an exercise does.

A cause is told by the fingerprint of its findings, so the same defect of different apps is one.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any, Final

from sqlalchemy.orm import Session

from grader.services.gists import Reason, gists
from grader.services.overview import Line

SUSPECT_SHARE: Final = 0.9
"""When so many fail one check, it may be the exercise and not the people."""
SUSPECT_PEOPLE: Final = 5
"""Fewer people say nothing about an exercise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """One cause in one exercise; ``check`` is "" where a grading stopped before any check.

    ``people`` of ``of`` have it in their latest graded work; ``example`` is the latest such submission.
    """

    exercise: str
    check: str
    code: str
    params: Mapping[str, Any]
    operation: str
    people: int
    of: int
    first_seen: datetime
    last_seen: datetime
    example: str
    suspect: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckLine:
    """One check of an exercise: who passed it with the first graded try, with the best one, and after how many tries.

    ``tries`` is the median number of graded tries until it passed first, None while nobody passed it.
    """

    check: str
    of: int
    first: int
    best: int
    tries: float | None
    suspect: bool


@dataclass(kw_only=True, slots=True)
class _Seen:
    reason: Reason
    seats: set[str] = field(default_factory=set)
    moments: list[tuple[datetime, str]] = field(default_factory=list)


def causes(session: Session, lines: Sequence[Line], exercise: str) -> list[Cause]:
    """The causes in everybody's latest graded work of an exercise, those of most people first."""
    latest: dict[str, str] = {}
    for line in lines:
        for cell in line.cells:
            if cell.exercise == exercise and (graded := [one for one in cell.handed if _judged(one.outcome)]):
                latest[graded[-1].id] = line.seat
    seen: dict[str, _Seen] = {}
    failing: dict[str, set[str]] = defaultdict(set)
    for submission, at, gist in gists(session, latest):
        seat = latest[submission]
        for check in gist.failed:
            failing[check].add(seat)
        for reason in gist.reasons:
            one = seen.setdefault(reason.fingerprint, _Seen(reason=reason))
            one.seats.add(seat)
            one.moments.append((at, submission))
    suspects = {check for check, seats in failing.items() if _suspect(len(seats), len(latest))}
    return sorted(
        (
            Cause(
                exercise=exercise, check=one.reason.check, code=one.reason.code, params=one.reason.params,
                operation=one.reason.operation,
                people=len(one.seats), of=len(latest), first_seen=min(one.moments)[0], last_seen=max(one.moments)[0],
                example=max(one.moments)[1], suspect=one.reason.check in suspects,
            )
            for one in seen.values()
        ),
        key=lambda one: (-one.people, one.check, one.code, one.operation),
    )  # fmt: skip


def checks(session: Session, lines: Sequence[Line], exercise: str, ids: Sequence[str]) -> list[CheckLine]:
    """How the checks with these ids did, over everybody with graded work."""
    tried: dict[str, list[tuple[str, str]]] = {}
    for line in lines:
        for cell in line.cells:
            graded = [one for one in cell.handed if _judged(one.outcome)]
            if cell.exercise == exercise and graded and cell.best:
                tried[line.seat] = [(one.id, "best" if one.id == cell.best.id else "") for one in graded]
    wanted = [submission for tries in tried.values() for submission, _ in tries]
    passed: dict[str, frozenset[str]] = {submission: gist.passed for submission, _, gist in gists(session, wanted)}
    return [_check_line(check, tried, passed) for check in ids]


def _check_line(
    check: str, tried: Mapping[str, Sequence[tuple[str, str]]], passed: Mapping[str, frozenset[str]]
) -> CheckLine:
    nothing: frozenset[str] = frozenset()
    until = []
    first = best = 0
    for tries in tried.values():
        outcomes = [check in passed.get(submission, nothing) for submission, _ in tries]
        first += outcomes[0]
        best += any(outcome for outcome, (_, which) in zip(outcomes, tries, strict=True) if which == "best")
        if True in outcomes:
            until.append(outcomes.index(True) + 1)
    return CheckLine(
        check=check,
        of=len(tried),
        first=first,
        best=best,
        tries=float(median(until)) if until else None,
        suspect=_suspect(len(tried) - best, len(tried)),
    )


def _judged(outcome: str) -> bool:
    """Whether there is a result that says something about the work: our own faults do not."""
    return outcome not in {"", "infrastructure"}


def _suspect(failed: int, of: int) -> bool:
    return of >= SUSPECT_PEOPLE and failed >= SUSPECT_SHARE * of
