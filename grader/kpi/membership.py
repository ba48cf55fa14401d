"""Who is in B and in A, and why: a pure function of the roster's facts, the settings and the period.

B holds the people who entered (``เข้ารับ``), A those of B who passed; A is always a part of B. The status of a person
(what happened to the seat) and the result (what the work showed) are two things; together they give one reason. The
table with words is in ``docs/kpi.md``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Final, Literal, TypeAlias, get_args

from grader.kpi.fiscal import Period, bangkok_date, last_moment, midnight
from grader.kpi.passing import Assessment, Result, assess
from grader.kpi.roster import Enrolment, Mark
from grader.kpi.settings import Rules

Status: TypeAlias = Literal[
    "not_started",
    "no_reply",
    "declined",
    "no_show",
    "replaced",
    "attended",
    "withdrew",
    "excluded",
    "external",
    "observer",
]
"""What happened to a seat by the cut-off; ``not_started``: nobody came yet, and nobody had to."""

Reason: TypeAlias = Literal[
    "passed",
    "carried",
    "grader_fault",
    "grading",
    "passed_late",
    "failed",
    "no_submission",
    "withdrew",
    "excluded",
    "no_show",
    "declined",
    "replaced",
    "no_reply",
    "not_started",
    "outside_period",
    "external",
    "observer",
]
"""Why a person is where they are; the code of a report is ``membership.<reason>``.

The order is the precedence: of several seats of one person, the first reason is the one that is shown. What may still
change stands before what is final, so that a person who still waits for us is not listed as one who failed.
``carried``: entered before this period and passed in it. ``outside_period``: entered in another period.
"""

REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
_RANK: Final = {reason: rank for rank, reason in enumerate(REASONS)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """Where one person stands in a figure, or one seat when seats are counted.

    ``key`` is the person or the seat that is counted, ``enrolment`` the seat that decided, ``unit`` the unit of that
    seat. ``seats`` is how many seats of the person are in B: above 1 is อบรมซ้ำ. ``result`` is None for those who did
    not enter. ``entered_at`` and ``passed_at`` are what is known, also beyond the cut-off for a late pass.
    """

    key: str
    person: str
    enrolment: str
    unit: str
    status: Status
    result: Result | None
    reason: Reason
    in_b: bool
    in_a: bool
    seats: int
    entered_at: datetime | None
    passed_at: datetime | None

    @property
    def code(self) -> str:
        """The code of the reason, for the catalogue of words."""
        return f"membership.{self.reason}"


def place(enrolments: Iterable[Enrolment], rules: Rules, period: Period) -> tuple[Placement, ...]:
    """Everybody on the roster with their place, in the order of their keys; whether people or seats is a setting."""
    if rules.membership_count_by == "seat":
        return place_seats(enrolments, rules, period)
    clock = _Clock.of(period)
    by_person: dict[str, list[Placement]] = {}
    for enrolment in enrolments:
        by_person.setdefault(enrolment.person, []).append(_seat(enrolment, rules, period, clock, key=enrolment.person))
    return tuple(_best(by_person[person]) for person in sorted(by_person))


def place_seats(enrolments: Iterable[Enrolment], rules: Rules, period: Period) -> tuple[Placement, ...]:
    """Every seat with its place, in the order of their ids: the details behind the place of a person."""
    clock = _Clock.of(period)
    return tuple(
        sorted(
            (_seat(enrolment, rules, period, clock, key=enrolment.id) for enrolment in enrolments),
            key=lambda seat: seat.key,
        )
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Clock:
    """The days of a period as moments, worked out once for all seats."""

    begins: datetime
    ends: datetime
    carried_from: datetime | None
    cutoff_day: date

    @classmethod
    def of(cls, period: Period) -> "_Clock":
        return cls(
            begins=midnight(period.first).astimezone(UTC),
            ends=last_moment(period.last).astimezone(UTC),
            carried_from=None if period.carried_from is None else midnight(period.carried_from).astimezone(UTC),
            cutoff_day=bangkok_date(period.cutoff),
        )


def entered_at(enrolment: Enrolment) -> datetime | None:
    """When the person entered: the first check-in or the first accepted submission, whichever came first."""
    first = min(enrolment.check_ins, default=None)
    for attempt in enrolment.attempts:
        if first is None or attempt.received_at < first:
            first = attempt.received_at
    return first


def status_at(enrolment: Enrolment, *, cutoff: datetime, external_counts: bool = False) -> Status:
    """The status of a seat at the cut-off; later facts are not looked at."""
    entered = entered_at(enrolment)
    came = entered if entered is not None and entered <= cutoff else None
    return _status(enrolment, came, cutoff, bangkok_date(cutoff), external_counts=external_counts)


def _status(
    enrolment: Enrolment, came: datetime | None, cutoff: datetime, cutoff_day: date, *, external_counts: bool
) -> Status:
    """The status of a seat whose person came at ``came`` (None: not by the cut-off)."""
    if enrolment.part == "observer" or (enrolment.part == "external" and not external_counts):
        return enrolment.part
    mark = _mark_at(enrolment.marks, cutoff) if enrolment.marks else None
    if came is None:
        return _status_of_absent(enrolment, mark, cutoff, cutoff_day)
    if mark is None or mark.at < came:
        return "attended"  # who came after a note that they would not, came
    return "excluded" if mark.kind == "excluded" else "withdrew"


def _status_of_absent(enrolment: Enrolment, mark: Mark | None, cutoff: datetime, cutoff_day: date) -> Status:
    """The status of somebody who did not come. Only notice before day 1 keeps a seat from being a no-show."""
    starts = enrolment.starts_on
    if mark is not None:
        if mark.kind == "replaced":
            return "replaced"
        if mark.kind == "excluded" or starts is None or bangkok_date(mark.at) < starts:
            return "declined"
    if starts is None or starts > cutoff_day:
        return "not_started"
    registered = enrolment.registered_at is not None and enrolment.registered_at <= cutoff
    return "no_show" if registered else "no_reply"


def _mark_at(marks: Iterable[Mark], cutoff: datetime) -> Mark | None:
    """The note that stood at the cut-off, if any; of two at the same moment the later in the list."""
    latest = None
    for mark in marks:
        if mark.at <= cutoff and (latest is None or mark.at >= latest.at):
            latest = mark
    return None if latest is None or latest.kind == "cleared" else latest


def _seat(enrolment: Enrolment, rules: Rules, period: Period, clock: _Clock, *, key: str) -> Placement:
    cutoff = period.cutoff
    entered = entered_at(enrolment)
    came = entered if entered is not None and entered <= cutoff else None
    status = _status(enrolment, came, cutoff, clock.cutoff_day, external_counts=rules.membership_external)
    assessment = None
    if came is not None and status not in {"external", "observer"}:
        assessment = assess(
            enrolment, rule=rules.course_pass_rule, min_attendance_pct=rules.course_min_attendance_pct, cutoff=cutoff
        )
    reason = _reason(enrolment, status, came=came, assessment=assessment, period=period, clock=clock)
    in_b = _in_b(reason, rules)
    return Placement(
        key=key,
        person=enrolment.person,
        enrolment=enrolment.id,
        unit=enrolment.unit,
        status=status,
        result=assessment.result if assessment else None,
        reason=reason,
        in_b=in_b,
        in_a=reason in _IN_A,
        seats=int(in_b),
        entered_at=came,
        passed_at=assessment.passed_at if assessment else None,
    )


def _reason(
    enrolment: Enrolment,
    status: Status,
    *,
    came: datetime | None,
    assessment: Assessment | None,
    period: Period,
    clock: _Clock,
) -> Reason:
    if came is None or assessment is None:
        assert status != "attended"
        day = enrolment.starts_on
        elsewhere = status in _IN_A_PERIOD and day is not None and not period.first <= day <= period.last
        return "outside_period" if elsewhere else status
    if not clock.begins <= came <= clock.ends:
        return "carried" if _is_carried(status, came, assessment, period, clock) else "outside_period"
    return assessment.result if status == "attended" else status


def _is_carried(status: Status, came: datetime, assessment: Assessment, period: Period, clock: _Clock) -> bool:
    """Somebody of an earlier period whose late pass is in no figure yet: it belongs to this one, in B and in A."""
    return (
        status == "attended"
        and assessment.result == "passed"
        and assessment.passed_at is not None
        and assessment.passed_at > period.passed_after
        and came < clock.begins
        and (clock.carried_from is None or came >= clock.carried_from)
    )


_IN_A_PERIOD: Final = frozenset[Status](get_args(Status)) - {"external", "observer"}
"""Statuses that belong to the period of the first training day; outsiders are outside of every period."""

_IN_A: Final = frozenset[Reason]({"passed", "carried"})
"""A part of what is always in B, whatever the settings."""

_ALWAYS_IN_B: Final = frozenset[Reason](
    _IN_A
    | {
        "grader_fault",
        "grading",
        "passed_late",
        "failed",
        "no_submission",
    }
)


def _in_b(reason: Reason, rules: Rules) -> bool:
    if reason == "withdrew":
        return rules.membership_withdrew
    if reason == "excluded":
        return rules.membership_excluded
    return reason in _ALWAYS_IN_B


def _best(seats: list[Placement]) -> Placement:
    """The place of a person: the best of the seats, so that a pass in any of them is a pass of the person."""
    if len(seats) == 1:
        return seats[0]
    return replace(min(seats, key=_preference), seats=sum(seat.in_b for seat in seats))


def _preference(seat: Placement) -> tuple[bool, bool, int, float, str]:
    """In A before in B before out; then by reason; then the first pass, or the first entry; then the id."""
    moment = seat.passed_at or seat.entered_at
    return (not seat.in_a, not seat.in_b, _RANK[seat.reason], moment.timestamp() if moment else 0.0, seat.enrolment)
