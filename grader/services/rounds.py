"""Training rounds: made, given exercises, and what is noted about the seats in them."""

import re
from datetime import date, datetime
from typing import Any, Final, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.kpi import Mark
from grader.packs import Pack
from grader.records import Assignment, Change, Extension, Records, Seat, SeatEvent, TrainingRound, new_id
from grader.records.rounds import SEAT_EVENT_KINDS
from grader.services import standings
from grader.services.publishing import publish

_Row = TypeVar("_Row")
_CODE: Final = re.compile(r"[\w.\-]{1,64}")


def create_round(
    records: Records,
    *,
    code: str,
    name: str,
    by: str,
    starts_on: date | None = None,
    ends_on: date | None = None,
    sessions: int = 0,
) -> TrainingRound:
    """Make a training round.

    Raises:
        UsageProblem: ``round.code``, ``round.exists``, ``round.dates``.
    """
    if not _CODE.fullmatch(code):
        raise UsageProblem("round.code", round=code)
    if starts_on and ends_on and ends_on < starts_on:
        raise UsageProblem("round.dates", starts=str(starts_on), ends=str(ends_on))
    with records.change(by=by) as change:
        if _find(change.session, code) is not None:
            raise UsageProblem("round.exists", round=code)
        made = TrainingRound(
            id=new_id("rnd"),
            code=code,
            name=name or code,
            starts_on=starts_on,
            ends_on=ends_on,
            sessions=sessions,
            created_at=change.at,
        )
        change.session.add(made)
        change.audit("round.created", made.id, after={"code": code, "starts_on": _day(starts_on), "sessions": sessions})
    return made


def change_round(records: Records, *, code: str, by: str, **values: Any) -> TrainingRound:
    """Change ``name``, ``starts_on``, ``ends_on`` or ``sessions`` of a round; its seats' standings follow.

    Raises:
        UsageProblem: ``round.unknown``, ``round.dates``.
    """
    with records.change(by=by) as change:
        found = round_of(change.session, code)
        before = {key: _day(getattr(found, key)) for key in values}
        for key, value in values.items():
            setattr(found, key, value)
        if found.starts_on and found.ends_on and found.ends_on < found.starts_on:
            raise UsageProblem("round.dates", starts=str(found.starts_on), ends=str(found.ends_on))
        change.session.flush()
        standings.refresh(change.session, *change.session.scalars(select(Seat.id).where(Seat.round_id == found.id)))
        after = {key: _day(value) for key, value in values.items()}
        change.audit("round.changed", found.id, before=before, after=after)
    return found


def assign(
    records: Records,
    *,
    round_code: str,
    pack: Pack,
    by: str,
    opens_at: datetime | None = None,
    closes_at: datetime | None = None,
    attempts: int | None = None,
    late: str = "mark",
    mandatory: bool = True,
) -> Assignment:
    """Give an exercise to a round, or change how it is given; work that was handed in keeps its version.

    Raises:
        UsageProblem: ``round.unknown``, ``round.dates``.
    """
    if opens_at and closes_at and closes_at <= opens_at:
        raise UsageProblem("round.dates", starts=opens_at.isoformat(), ends=closes_at.isoformat())
    values: dict[str, Any] = {
        "digest": pack.digest,
        "opens_at": opens_at,
        "closes_at": closes_at,
        "attempts": attempts,
        "late": late,
        "mandatory": mandatory,
    }
    with records.change(by=by) as change:
        session = change.session
        training = round_of(session, round_code)
        publish(records, change, pack)
        session.flush()
        found = _assigned(session, training.id, pack.exercise.id)
        before = None if found is None else {key: _day(getattr(found, key)) for key in values}
        if found is None:
            found = Assignment(id=new_id("asg"), round_id=training.id, exercise=pack.exercise.id, **values)
            session.add(found)
        for key, value in values.items():
            setattr(found, key, value)
        session.flush()
        standings.refresh(session, *session.scalars(select(Seat.id).where(Seat.round_id == training.id)))
        after = {"exercise": found.exercise, **{key: _day(value) for key, value in values.items()}}
        change.audit("assignment.set", found.id, before=before, after=after)
    return found


def extend(
    records: Records,
    *,
    assignment: str,
    seat: str,
    by: str,
    reason: str,
    closes_at: datetime | None = None,
    attempts: int | None = None,
) -> Extension:
    """Give one seat more time, or so many more attempts. The latest extension of a seat stands for itself.

    Raises:
        UsageProblem: ``round.reason_missing``, ``records.not_found``.
    """
    if not reason.strip():
        raise UsageProblem("round.reason_missing")
    with records.change(by=by) as change:
        return give(change, assignment=assignment, seat=seat, reason=reason, closes_at=closes_at, attempts=attempts)


def give(
    change: Change, *, assignment: str, seat: str, reason: str, closes_at: datetime | None, attempts: int | None
) -> Extension:
    """Give an extension within a change that is being made.

    Raises:
        UsageProblem: ``records.not_found``.
    """
    session = change.session
    need(session.get(Assignment, assignment), assignment)
    need(session.get(Seat, seat, with_for_update=True), seat)  # two that come together are numbered in turn
    mine = (Extension.assignment_id == assignment, Extension.seat_id == seat)
    given = Extension(
        id=new_id("ext"),
        assignment_id=assignment,
        seat_id=seat,
        number=(session.scalar(select(func.max(Extension.number)).where(*mine)) or 0) + 1,
        closes_at=closes_at,
        attempts=attempts,
        by=change.by,
        reason=reason,
        at=change.at,
    )
    session.add(given)
    session.flush()
    standings.refresh(session, seat)
    after = {"assignment": assignment, "closes_at": _day(closes_at), "attempts": attempts, "reason": reason}
    change.audit("extension.given", seat, after=after)
    return given


def note(
    records: Records,
    *,
    seat: str,
    kind: str,
    by: str,
    at: datetime | None = None,
    reason: str = "",
    document: str = "",
    session_number: int | None = None,
) -> SeatEvent:
    """Note what happened to a seat: registered, check_in, declined, replaced, withdrew, excluded, cleared.

    ``at`` is when it happened (default: now). An exclusion must name who approved it, why and in which document.

    Raises:
        UsageProblem: ``round.note_kind``, ``round.future``, ``kpi.exclusion_incomplete``, ``records.not_found``.
    """
    if kind not in SEAT_EVENT_KINDS:
        raise UsageProblem("round.note_kind", kind=kind, known=", ".join(sorted(SEAT_EVENT_KINDS)))
    with records.change(by=by) as change:
        need(change.session.get(Seat, seat), seat)
        moment = at or change.at
        if moment > change.at:
            raise UsageProblem("round.future", at=moment.isoformat())
        if kind not in {"registered", "check_in"}:
            Mark(at=moment, kind=kind, by=by, reason=reason, document=document)  # type: ignore[arg-type]
        event = add_event(
            change,
            seat=seat,
            kind=kind,
            at=moment,
            by=by,
            reason=reason,
            document=document,
            session_number=session_number,
        )
        standings.refresh(change.session, seat)
        after = {"kind": kind, "at": moment.isoformat(), "reason": reason, "document": document}
        change.audit("seat.noted", seat, after=after)
    return event


def add_event(
    change: Change,
    *,
    seat: str,
    kind: str,
    at: datetime,
    by: str = "",
    reason: str = "",
    document: str = "",
    session_number: int | None = None,
) -> SeatEvent:
    """Add an event to a seat within a change that says more."""
    last = change.session.scalar(select(func.max(SeatEvent.number)).where(SeatEvent.seat_id == seat))
    event = SeatEvent(
        id=new_id("evt"),
        seat_id=seat,
        kind=kind,
        at=at,
        session=session_number,
        by=by,
        reason=reason,
        document=document,
        recorded_at=change.at,
        number=(last or 0) + 1,
    )
    change.session.add(event)
    change.session.flush()
    return event


def round_of(session: Session, code: str) -> TrainingRound:
    """A round by its code.

    Raises:
        UsageProblem: ``round.unknown``, with those that exist.
    """
    found = _find(session, code)
    if found is None:
        known = session.scalars(select(TrainingRound.code).order_by(TrainingRound.code)).all()
        raise UsageProblem("round.unknown", round=code, known=", ".join(known))
    return found


def assignment_of(session: Session, round_code: str, exercise: str) -> Assignment:
    """What a round was given of an exercise.

    Raises:
        UsageProblem: ``round.unknown``, ``round.not_assigned`` with what the round was given.
    """
    training = round_of(session, round_code)
    found = _assigned(session, training.id, exercise)
    if found is None:
        given = session.scalars(select(Assignment.exercise).where(Assignment.round_id == training.id)).all()
        raise UsageProblem("round.not_assigned", round=round_code, exercise=exercise, known=", ".join(sorted(given)))
    return found


def need(found: _Row | None, what: str) -> _Row:
    """What was found; an id that nothing has is refused.

    Raises:
        UsageProblem: ``records.not_found``.
    """
    if found is None:
        raise UsageProblem("records.not_found", what=what)
    return found


def _find(session: Session, code: str) -> TrainingRound | None:
    return session.scalars(select(TrainingRound).where(TrainingRound.code == code)).one_or_none()


def _assigned(session: Session, training: str, exercise: str) -> Assignment | None:
    return session.scalars(
        select(Assignment).where(Assignment.round_id == training, Assignment.exercise == exercise)
    ).one_or_none()


def _day(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | datetime) else value
