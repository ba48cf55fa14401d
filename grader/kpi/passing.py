"""From results of attempts to the result of a person at the cut-off.

An attempt counts by the moment it was received, however long the grading took: a full queue or a fault of ours takes
nothing from a trainee. The best attempt at an exercise counts.
"""

import math
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from importlib.resources import files
from typing import Final, Literal, NamedTuple, Self, TypeAlias

from pydantic import Field, model_validator

from grader.errors import UsageProblem
from grader.evidence import Frozen
from grader.kpi.roster import AttemptOutcome, Enrolment

Result: TypeAlias = Literal["passed", "grader_fault", "grading", "passed_late", "failed", "no_submission"]
"""The result of a person who entered. ``passed_late``: not passed at the cut-off, but by something received later."""


class Group(Frozen):
    """So many exercises of these must be passed."""

    at_least: int = Field(ge=1)
    of: tuple[str, ...] = Field(min_length=1)


class PassRule(Frozen):
    """When the course is passed: every group is. An exercise stands in one group only.

    Raises:
        UsageProblem: ``kpi.pass_rule``.
    """

    groups: tuple[Group, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        named = [exercise for group in self.groups for exercise in group.of]
        if len(named) != len(set(named)) or any(group.at_least > len(group.of) for group in self.groups):
            raise UsageProblem("kpi.pass_rule", rule=" + ".join(f"{one.at_least}/{len(one.of)}" for one in self.groups))
        return self


COURSE_RULE: Final = PassRule.model_validate(
    tomllib.loads(files("grader.kpi").joinpath("course.toml").read_text(encoding="utf-8"))
)
"""The default that the office has not confirmed; it names exercises, and so is data beside this module."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What was decided about an attempt. ``regrade`` is one that was applied; one that was dropped is no decision."""

    at: datetime
    by: Literal["grading", "regrade", "override"]
    outcome: Literal["pass", "fail", "grader_fault"]


def decided(decisions: Iterable[Decision]) -> AttemptOutcome:
    """The outcome of an attempt, from everything that was decided about it, in any order.

    The latest override stands, whatever a machine said before or after it. Without one the latest automatic result
    counts; a fault of ours never replaces a result. Of two decisions at the same moment the later in the list counts.
    """
    outcome: AttemptOutcome = "grading"
    rank: tuple[int, datetime] | None = None
    for decision in decisions:
        weight = 0 if decision.outcome == "grader_fault" else 2 if decision.by == "override" else 1
        if rank is None or (weight, decision.at) >= rank:
            rank, outcome = (weight, decision.at), decision.outcome
    return outcome


class Assessment(NamedTuple):
    """The result of an enrolment at a cut-off, and since when the course is passed (None: it is not)."""

    result: Result
    passed_at: datetime | None


def assess(enrolment: Enrolment, *, rule: PassRule, min_attendance_pct: Decimal | None, cutoff: datetime) -> Assessment:
    """The result of an enrolment at the cut-off."""
    passes: dict[str, datetime] = {}
    pending: list[tuple[str, AttemptOutcome]] = []
    submitted = False
    for attempt in enrolment.attempts:
        in_time = attempt.received_at <= cutoff
        submitted |= in_time
        if attempt.outcome == "pass":
            first = passes.get(attempt.exercise)
            if first is None or attempt.received_at < first:
                passes[attempt.exercise] = attempt.received_at
        elif in_time and attempt.outcome != "fail":
            pending.append((attempt.exercise, attempt.outcome))
    passed_at = _passed_at(passes, rule) if passes else None
    if passed_at is not None and min_attendance_pct is not None:
        passed_at = _attended_at(enrolment, min_attendance_pct, passed_at)
    if passed_at is not None and passed_at <= cutoff:
        return Assessment("passed", passed_at)
    if pending and (open_outcomes := _still_open(pending, passes, rule, cutoff)):
        return Assessment("grader_fault" if "grader_fault" in open_outcomes else "grading", passed_at)
    if passed_at is not None:
        return Assessment("passed_late", passed_at)
    return Assessment("failed" if submitted else "no_submission", None)


def _passed_at(passes: dict[str, datetime], rule: PassRule) -> datetime | None:
    """The moment at which the last exercise that was needed came in."""
    moments = []
    for group in rule.groups:
        mine = sorted(passes[exercise] for exercise in group.of if exercise in passes)
        if len(mine) < group.at_least:
            return None
        moments.append(mine[group.at_least - 1])
    return max(moments)


def _attended_at(enrolment: Enrolment, min_pct: Decimal, passed_at: datetime) -> datetime | None:
    """The moment at which also enough sessions were attended; where none was held, none is owed."""
    owed = math.ceil(min_pct * enrolment.sessions / 100)  # 80 % of 6 sessions are 5
    if owed == 0:
        return passed_at
    came = sorted(enrolment.check_ins)
    return max(passed_at, came[owed - 1]) if len(came) >= owed else None


def _still_open(
    pending: Iterable[tuple[str, AttemptOutcome]], passes: dict[str, datetime], rule: PassRule, cutoff: datetime
) -> set[AttemptOutcome]:
    """Unfinished gradings that may still change the result: of exercises that the course asks for, not yet passed."""
    asked = {exercise for group in rule.groups for exercise in group.of}
    return {
        outcome
        for exercise, outcome in pending
        if exercise in asked and not (exercise in passes and passes[exercise] <= cutoff)
    }
