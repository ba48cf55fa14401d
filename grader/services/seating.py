"""One seat of a round as its staff see it: what happened to it, and what it was given beyond the others."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.records import Assignment, Extension, Person, Records, Seat, SeatEvent
from grader.services import rounds
from grader.services.rounds import need


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenedSeat:
    """A seat with its events in order and its extensions with their exercises."""

    id: str
    code: str
    name: str
    unit: str
    part: str
    note: str
    round_code: str
    round_name: str
    sessions: int
    events: tuple[SeatEvent, ...]
    extensions: tuple[tuple[Extension, str], ...]
    exercises: tuple[tuple[str, str], ...]
    """(assignment, exercise) of the round."""


def opened_seat(session: Session, training: str, seat: str) -> OpenedSeat:
    """A seat of this round.

    Raises:
        UsageProblem: ``records.not_found``, also for a seat of another round.
    """
    found = _seat(session, training, seat)
    events = select(SeatEvent).where(SeatEvent.seat_id == seat).order_by(SeatEvent.number)
    extensions = (
        select(Extension, Assignment.exercise)
        .join(Assignment, Assignment.id == Extension.assignment_id)
        .where(Extension.seat_id == seat)
        .order_by(Extension.at, Extension.number)
    )
    given = select(Assignment.id, Assignment.exercise).where(Assignment.round_id == training)
    return OpenedSeat(
        id=found.id,
        code=found.person.code,
        name=found.person.name,
        unit=found.unit.name,
        part=found.part,
        note=found.note,
        round_code=found.round.code,
        round_name=found.round.name,
        sessions=found.round.sessions,
        events=tuple(session.scalars(events)),
        extensions=tuple((one, exercise) for one, exercise in session.execute(extensions)),
        exercises=tuple((row.id, row.exercise) for row in session.execute(given.order_by(Assignment.exercise))),
    )


def seats_by_code(session: Session, training: str) -> dict[str, tuple[str, str]]:
    """Code of a person -> (seat, latest event's kind or "")."""
    latest: dict[str, str] = {}
    events = select(SeatEvent.seat_id, SeatEvent.kind).join(Seat, Seat.id == SeatEvent.seat_id)
    for row in session.execute(events.where(Seat.round_id == training).order_by(SeatEvent.at, SeatEvent.number)):
        latest[row.seat_id] = row.kind
    pairs = select(Person.code, Seat.id).join(Seat, Seat.person_id == Person.id).where(Seat.round_id == training)
    return {row.code: (row.id, latest.get(row.id, "")) for row in session.execute(pairs)}


def note(
    records: Records,
    *,
    training: str,
    seat: str,
    kind: str,
    by: str,
    at: datetime | None,
    reason: str,
    document: str,
    session_number: int | None,
) -> None:
    """Note what happened to a seat of this round; see :func:`grader.services.rounds.note`.

    Raises:
        UsageProblem: those of ``rounds.note``.
    """
    with records.reading() as session:
        _seat(session, training, seat)
    rounds.note(
        records, seat=seat, kind=kind, by=by, at=at, reason=reason.strip(), document=document.strip(),
        session_number=session_number if kind == "check_in" else None,
    )  # fmt: skip


def extend(
    records: Records,
    *,
    training: str,
    seat: str,
    assignment: str,
    by: str,
    reason: str,
    closes_at: datetime | None,
    attempts: int | None,
) -> None:
    """Give a seat of this round more time or more attempts; see :func:`grader.services.rounds.extend`.

    Raises:
        UsageProblem: ``round.nothing_given``, and those of ``rounds.extend``.
    """
    with records.reading() as session:
        _seat(session, training, seat)
        found = session.get(Assignment, assignment)
        need(found if found is not None and found.round_id == training else None, assignment)
    if closes_at is None and attempts is None:
        raise UsageProblem("round.nothing_given")
    rounds.extend(
        records, assignment=assignment, seat=seat, by=by, reason=reason, closes_at=closes_at, attempts=attempts
    )


def _seat(session: Session, training: str, seat: str) -> Seat:
    found = session.get(Seat, seat)
    return need(found if found is not None and found.round_id == training else None, seat)
