"""What many people stumble over: causes that are common in a round, and how each check of an exercise does.

A cause is told by the fingerprint of its findings, so the same defect of different apps is one. Verdicts are read one
at a time and forgotten again: a round has thousands.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.records import Grading, Submission
from grader.services.overview import Line
from grader.verdict import Verdict

SUSPECT_SHARE: Final = 0.9
"""When so many fail one check, it may be the exercise and not the people."""
SUSPECT_PEOPLE: Final = 5
"""Fewer people say nothing about an exercise."""
_AT_ONCE: Final = 50


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
    check: str
    code: str
    params: Mapping[str, Any]
    operation: str
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
    for submission, at, verdict in verdicts(session, latest):
        seat = latest[submission]
        for check in verdict.checks:
            if check.outcome == "fail":
                failing[check.id].add(seat)
        for name, found in _found(verdict):
            one = seen.setdefault(name, found)
            one.seats.add(seat)
            one.moments.append((at, submission))
    suspects = {check for check, seats in failing.items() if _suspect(len(seats), len(latest))}
    return sorted(
        (
            Cause(
                exercise=exercise, check=one.check, code=one.code, params=one.params, operation=one.operation,
                people=len(one.seats), of=len(latest), first_seen=min(one.moments)[0], last_seen=max(one.moments)[0],
                example=max(one.moments)[1], suspect=one.check in suspects,
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
    passed: dict[str, frozenset[str]] = {
        submission: frozenset(check.id for check in verdict.checks if check.outcome == "pass")
        for submission, _, verdict in verdicts(session, wanted)
    }
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


def verdicts(session: Session, submissions: Iterable[str]) -> Iterator[tuple[str, datetime, Verdict]]:
    """The final verdicts of these submissions with the moments at which they came, some at a time."""
    ids = list(submissions)
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        rows = session.execute(
            select(Grading.submission_id, Submission.received_at, Grading.verdict)
            .join(Submission, Submission.id == Grading.submission_id)
            .where(Grading.submission_id.in_(some), Grading.standing == "final")
            .order_by(Submission.received_at, Submission.id)
        ).all()
        for row in rows:
            yield row.submission_id, row.received_at, Verdict.from_json(row.verdict)


def _found(verdict: Verdict) -> Iterator[tuple[str, _Seen]]:
    """The causes in one verdict by fingerprint; a grading that stopped early has its own code for one."""
    if verdict.outcome not in {"pass", "fail"} and verdict.code:
        yield verdict.code, _Seen(check="", code=verdict.code, params=verdict.params, operation="")
    for check in verdict.checks:
        for one in check.findings if check.outcome == "fail" else ():
            yield one.fingerprint, _Seen(check=check.id, code=one.code, params=one.params, operation=one.operation)


def _judged(outcome: str) -> bool:
    """Whether there is a result that says something about the work: our own faults do not."""
    return outcome not in {"", "infrastructure"}


def _suspect(failed: int, of: int) -> bool:
    return of >= SUSPECT_PEOPLE and failed >= SUSPECT_SHARE * of
