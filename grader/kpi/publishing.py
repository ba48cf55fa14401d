"""The three states of a round's report: draft, awaiting certification, certified; nothing changes after that.

What stands against certifying is data, all of it at once, so that a screen can list it before anybody presses a button.
"""

from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Final, Literal, TypeAlias

from grader.errors import GraderError, UsageProblem
from grader.evidence import Frozen
from grader.kpi.fiscal import Moment
from grader.kpi.snapshot import Snapshot

State: TypeAlias = Literal["draft", "awaiting", "certified"]

ObstacleCode: TypeAlias = Literal[
    "kpi.not_granted", "kpi.certifier_overrode", "kpi.round_running", "kpi.still_grading", "kpi.grader_faults"
]

NEEDS_REASON: Final = frozenset[ObstacleCode]({"kpi.round_running", "kpi.still_grading", "kpi.grader_faults"})
"""What the certifier may pass over with a recorded reason; the others cannot be passed over."""


class Obstacle(Frozen):
    """Something that stands against certifying; ``count`` is how many people it concerns, where it is people."""

    code: ObstacleCode
    count: int | None = None


class Report(Frozen):
    """The report of one snapshot and how far it is. ``unconfirmed`` are the settings that the report must name.

    ``despite`` is what stood against certifying when it was done, ``reason`` why it was done all the same.
    """

    snapshot: str
    unconfirmed: tuple[str, ...] = ()
    state: State = "draft"
    prepared_by: str
    submitted_at: Moment | None = None
    sent_back_because: str = ""
    certified_by: str | None = None
    certified_at: Moment | None = None
    reason: str = ""
    despite: tuple[Obstacle, ...] = ()


def draft(snapshot: Snapshot, *, by: str) -> Report:
    """A new report of a snapshot."""
    return Report(snapshot=snapshot.sha256, unconfirmed=snapshot.unconfirmed, prepared_by=by)


def submit(report: Report, *, at: datetime) -> Report:
    """A draft that now waits for the certifier.

    Raises:
        UsageProblem: ``kpi.wrong_state``.
    """
    _need_state(report, "draft")
    return _with(report, state="awaiting", submitted_at=at, sent_back_because="")


def send_back(report: Report, *, reason: str) -> Report:
    """A report that the certifier gives back to be prepared again, with a reason.

    Raises:
        UsageProblem: ``kpi.wrong_state``, ``kpi.reason_missing``.
    """
    _need_state(report, "awaiting")
    if not reason.strip():
        raise UsageProblem("kpi.reason_missing")
    return _with(report, state="draft", submitted_at=None, sent_back_because=reason)


def obstacles(
    snapshot: Snapshot, *, by: str, certifiers: AbstractSet[str], overrode: AbstractSet[str]
) -> tuple[Obstacle, ...]:
    """What stands against certifying by this person, the gravest first.

    ``certifiers`` are they who hold the grant (nobody, until it is given), ``overrode`` they who overrode a result of
    this round.
    """
    counted = snapshot.figure
    found: list[tuple[bool, Obstacle]] = [
        (by not in certifiers, Obstacle(code="kpi.not_granted")),
        (by in overrode, Obstacle(code="kpi.certifier_overrode")),
        (not snapshot.final, Obstacle(code="kpi.round_running")),
        (counted.count("grading") > 0, Obstacle(code="kpi.still_grading", count=counted.count("grading"))),
        (counted.count("grader_fault") > 0, Obstacle(code="kpi.grader_faults", count=counted.count("grader_fault"))),
    ]
    return tuple(obstacle for holds, obstacle in found if holds)


def certify(
    report: Report,
    snapshot: Snapshot,
    *,
    by: str,
    at: datetime,
    certifiers: AbstractSet[str],
    overrode: AbstractSet[str],
    reason: str = "",
) -> Report:
    """The certified report. Settings that nobody confirmed do not stand against it; the report names them.

    Raises:
        UsageProblem: ``kpi.wrong_state``; ``kpi.other_snapshot``: the report is of another one.
        GraderError: the code of the first obstacle that ``reason`` does not pass over.
    """
    _need_state(report, "awaiting")
    if report.snapshot != snapshot.sha256:
        raise UsageProblem("kpi.other_snapshot", expected=report.snapshot, found=snapshot.sha256)
    found = obstacles(snapshot, by=by, certifiers=certifiers, overrode=overrode)
    for obstacle in found:
        if obstacle.code not in NEEDS_REASON or not reason.strip():
            raise GraderError(obstacle.code, count=obstacle.count)
    return _with(report, state="certified", certified_by=by, certified_at=at, reason=reason, despite=found)


def _need_state(report: Report, state: State) -> None:
    if report.state != state:
        raise UsageProblem("kpi.wrong_state", state=report.state, wanted=state)


def _with(report: Report, **values: object) -> Report:
    return Report.model_validate(dict(report) | values)
