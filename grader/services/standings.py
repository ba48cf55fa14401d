"""From the records to the figure: the facts of each seat as the indicator reads them, and what follows from them, kept.

The definition is ``grader.kpi``; nothing here concludes anything by itself. A row of ``seat_standing`` is made again
whenever a fact of its seat changes, in the same transaction, and whenever a setting changes that it depends on. It
holds nothing that a fault or the end of a grading could change without a result, so that the queue need not know it.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, TypeAlias, get_args

from sqlalchemy import Insert, Select, and_, case, exists, func, literal, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, aliased

from grader.kpi import Attempt, Enrolment, KpiSettings, Mark, MarkKind, Rules, assess, entered_at
from grader.records import (
    Assignment,
    Extension,
    Grading,
    Job,
    Override,
    Seat,
    SeatEvent,
    SeatStanding,
    SettingsVersion,
    Submission,
    TrainingRound,
)
from grader.records.work import CANCELLED, CANCELLED_IN_TEST

_Rows: TypeAlias = Select[*tuple[Any, ...]]
"""A statement whose rows are taken apart where it is used."""

MARKS: Final[tuple[str, ...]] = get_args(MarkKind)
FAILED: Final = ("fail", "build_failed", "start_failed", "rejected")
"""Outcomes of a grading that say that the work does not pass; only "pass" says that it does."""
GAVE_UP: Final = ("needs_operator", "cancelled")
"""States of a job from which no result comes by itself."""

_PASSING: Final = {"course_pass_rule", "course_attempt", "course_min_attendance_pct"}
"""The settings that ``passed_at`` depends on."""
_MEANING: Final = "standing/1"
"""Raised when the same facts and settings come to be read in another way: rows from before are then made again."""
_BATCH: Final = 2_000
"""Seats of one statement: engines limit how many values one may have."""
_TABLE: Final = SeatStanding.metadata.tables[SeatStanding.__tablename__]
_END_OF_TIME: Final = datetime.max.replace(tzinfo=UTC)


def settings_of(session: Session) -> KpiSettings:
    """The settings as they are now; version 1 is the defaults, which nobody confirmed and no row holds."""
    latest = select(SettingsVersion.settings).order_by(SettingsVersion.version.desc()).limit(1)
    found = session.scalar(latest)
    return KpiSettings() if found is None else KpiSettings.model_validate(found)


def fingerprint(rules: Rules) -> str:
    """What ``passed_at`` depends on beside the facts, as 64 hex digits."""
    content = [_MEANING, rules.model_dump(mode="json", include=_PASSING)]
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


# -- facts ------------------------------------------------------------------------------------------------------------

_ROSTER: Final[_Rows] = select(
    Seat.id, Seat.person_id, Seat.unit_id, Seat.part, TrainingRound.starts_on, TrainingRound.sessions
).join(TrainingRound, TrainingRound.id == Seat.round_id)

_EVENTS: Final[_Rows] = select(
    *(SeatEvent.seat_id, SeatEvent.kind, SeatEvent.at, SeatEvent.session, SeatEvent.number),
    *(SeatEvent.by, SeatEvent.reason, SeatEvent.document),
)


def _submissions() -> _Rows:
    """Each submission: seat, exercise, when it was received, and the outcome that stands.

    That is what a person decided last, else the final grading, else what became of the job. Work that came after the
    closing time which holds for the seat **now** was handed in and cannot pass, whatever was found or decided about
    it, unless late work counts: whoever is to be given more time is given an extension.
    """
    last_override, other = aliased(Override), aliased(Extension)
    overrides = select(func.max(Override.number)).where(Override.submission_id == Submission.id)
    extensions = (
        select(other.id)
        .where(other.seat_id == Submission.seat_id, other.assignment_id == Submission.assignment_id)
        .order_by(other.number.desc())
        .limit(1)
    )
    all_gave_up = select(func.min(case((Job.state.in_(GAVE_UP), 1), else_=0))).where(
        Job.submission_id == Submission.id, Job.regrade_id.is_(None)
    )
    own_wish = Job.code.in_((CANCELLED, CANCELLED_IN_TEST))
    withdrawn = select(1).where(Job.submission_id == Submission.id, Job.regrade_id.is_(None), own_wish).exists()
    closes_at = func.coalesce(Extension.closes_at, Assignment.closes_at)
    outcome = case(
        (and_(Assignment.late == "mark", Submission.received_at > closes_at), literal("fail")),
        (last_override.id.is_not(None), last_override.to_outcome),
        (Grading.outcome == "pass", literal("pass")),
        (or_(Grading.outcome.in_(FAILED), and_(Grading.id.is_(None), withdrawn)), literal("fail")),
        (or_(Grading.id.is_not(None), all_gave_up.scalar_subquery() == 1), literal("grader_fault")),
        else_=literal("grading"),
    )
    return (
        select(Submission.seat_id, Assignment.exercise, Submission.received_at, outcome)
        .join(Assignment, Assignment.id == Submission.assignment_id)
        .outerjoin(Extension, Extension.id == extensions.scalar_subquery())
        .outerjoin(Grading, and_(Grading.submission_id == Submission.id, Grading.standing == "final"))
        .outerjoin(
            last_override,
            and_(last_override.submission_id == Submission.id, last_override.number == overrides.scalar_subquery()),
        )
    )


_SUBMISSIONS: Final[_Rows] = _submissions()


@dataclass(slots=True)
class _Events:
    """What happened to one seat; ``marks`` with their numbers, because rows come in no order."""

    registered_at: datetime | None = None
    check_ins: dict[int | None, datetime] = field(default_factory=dict)
    marks: list[tuple[int, Mark]] = field(default_factory=list)


_NOTHING: Final = _Events()


def facts(session: Session, seats: Iterable[str] | None = None) -> list[Enrolment]:
    """The facts of these seats (default: of all), in the order of their ids; three statements, however many seats.

    Registration is the first one; check-ins of one session are one, the earliest, and those without a number are one
    session together.

    Raises:
        UsageProblem: ``kpi.exclusion_incomplete``: an exclusion was recorded without who, why and where.
    """
    if seats is None:
        return _facts(session, None)
    return [one for some in batches(sorted(set(seats))) for one in _facts(session, some)]


def _facts(session: Session, seats: Sequence[str] | None) -> list[Enrolment]:
    roster = session.execute(_of(_ROSTER, Seat.id, seats)).all()
    happened = _happened(session, seats)
    attempts: dict[str, list[Attempt]] = {}
    for seat, exercise, received_at, outcome in session.execute(_of(_SUBMISSIONS, Submission.seat_id, seats)):
        attempts.setdefault(seat, []).append(Attempt(exercise=exercise, received_at=received_at, outcome=outcome))
    found = []
    for seat, person, unit, part, starts_on, sessions in sorted(roster, key=lambda row: str(row[0])):
        events = happened.get(seat, _NOTHING)
        found.append(
            Enrolment(
                id=seat,
                person=person,
                unit=unit,
                part=part,
                starts_on=starts_on,
                sessions=sessions,
                registered_at=events.registered_at,
                check_ins=tuple(sorted(events.check_ins.values())),
                attempts=tuple(attempts.get(seat, ())),
                marks=tuple(mark for _, mark in sorted(events.marks, key=lambda one: one[0])),
            )
        )
    return found


def _happened(session: Session, seats: Sequence[str] | None) -> dict[str, _Events]:
    found: dict[str, _Events] = {}
    for seat, kind, at, session_number, number, by, reason, document in session.execute(
        _of(_EVENTS, SeatEvent.seat_id, seats)
    ):
        if (events := found.get(seat)) is None:
            events = found[seat] = _Events()
        if kind == "check_in":
            events.check_ins[session_number] = min(at, events.check_ins.get(session_number, at))
        elif kind == "registered":
            events.registered_at = min(at, events.registered_at or at)
        else:
            events.marks.append((number, Mark(at=at, kind=kind, by=by, reason=reason, document=document)))
    return found


# -- standings --------------------------------------------------------------------------------------------------------


def refresh(session: Session, *seats: str) -> None:
    """Make the standings of these seats again from what this transaction sees, also of what it has not flushed yet.

    The seats are locked in the order of their ids first: two transactions that change facts of the same seat come one
    after the other here, and the second one reads what the first one wrote.
    """
    session.flush()
    for some in batches(sorted(set(seats))):
        if _dialect(session) != "sqlite":  # which has one writer anyhow
            session.execute(select(Seat.id).where(Seat.id.in_(some)).order_by(Seat.id).with_for_update(key_share=True))
        rules = settings_of(session).rules  # read after the lock, as the facts are
        made = fingerprint(rules)
        _write(session, [_row(one, rules) | {"rules": made} for one in facts(session, some)])


def refresh_all(session: Session) -> None:
    """Make all standings again; ten seconds for a hundred thousand seats, in which nobody else can write them."""
    session.flush()
    refresh(session, *session.scalars(select(Seat.id)))


def mend(session: Session) -> int:
    """Make those standings again that are missing, or were made with other settings or by an earlier program."""
    session.flush()
    made = fingerprint(settings_of(session).rules)
    stale = (
        select(Seat.id)
        .outerjoin(SeatStanding, SeatStanding.seat_id == Seat.id)
        .where(or_(SeatStanding.rules.is_(None), SeatStanding.rules != made))
    )
    seats = session.scalars(stale).all()
    refresh(session, *seats)
    return len(seats)


def current(session: Session, rules: Rules) -> bool:
    """Whether every seat has a standing that was made with these rules."""
    made = fingerprint(rules)
    # Two looks into an index instead of a walk through all rows, which is what "!=" would be.
    other = or_(exists().where(SeatStanding.rules < made), exists().where(SeatStanding.rules > made))
    missing = select(func.count(Seat.id)).scalar_subquery() - select(func.count(SeatStanding.seat_id)).scalar_subquery()
    return tuple(session.execute(select(other, missing)).one()) == (False, 0)


def differing(session: Session) -> list[str]:
    """The seats whose standing is not what their facts say now; there are none, unless the program forgot to refresh.

    For somebody who checks the records: it reads everything.
    """
    rules = settings_of(session).rules
    made = fingerprint(rules)
    kept = {row.seat_id: row._asdict() for row in session.execute(select(_TABLE))}
    found = [one.id for one in facts(session) if kept.pop(one.id, None) != _row(one, rules) | {"rules": made}]
    return sorted([*found, *kept])


def _row(enrolment: Enrolment, rules: Rules) -> dict[str, Any]:
    came = entered_at(enrolment)
    valid = [mark for mark in enrolment.marks if came is not None and mark.at >= came]
    latest = max(reversed(valid), key=lambda mark: mark.at, default=None)  # of two at one moment the later number
    passed_at = assess(
        enrolment,
        rule=rules.course_pass_rule,
        min_attendance_pct=rules.course_min_attendance_pct,
        cutoff=_END_OF_TIME,
    ).passed_at
    return {
        "seat_id": enrolment.id,
        "person_id": enrolment.person,
        "unit_id": enrolment.unit,
        "part": enrolment.part,
        "starts_on": enrolment.starts_on,
        "registered_at": enrolment.registered_at,
        "entered_at": came,
        "passed_at": passed_at,
        "marks": len(enrolment.marks),
        "mark": latest.kind if latest else None,
        "mark_at": latest.at if latest else None,
    }


def _upsert(insert: sqlite.Insert | postgresql.Insert) -> Insert:
    fresh = {column.name: insert.excluded[column.name] for column in _TABLE.columns if not column.primary_key}
    return insert.on_conflict_do_update(index_elements=_TABLE.primary_key.columns, set_=fresh)


_UPSERT: Final = {"sqlite": _upsert(sqlite.insert(_TABLE)), "postgresql": _upsert(postgresql.insert(_TABLE))}
"""Into the table and not the model: for rows with different gaps a model makes a statement for each kind of row."""


def _write(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        session.execute(_UPSERT[_dialect(session)], rows)


def _dialect(session: Session) -> str:
    return session.get_bind().dialect.name


def _of(statement: _Rows, column: Any, seats: Sequence[str] | None) -> _Rows:
    return statement if seats is None else statement.where(column.in_(seats))


def batches(ids: Iterable[str]) -> Iterator[list[str]]:
    """Ids in portions that one statement may hold."""
    rest = iter(ids)
    while some := list(islice(rest, _BATCH)):
        yield some
