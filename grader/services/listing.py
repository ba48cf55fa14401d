"""Lists, a page at a time: each page begins behind a thing of the page before, so that what is new moves nothing.

One row more than asked for is given, where there is one: it tells that there is a next page.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select, tuple_
from sqlalchemy.orm import Session

from grader.records import Assignment, Person, Seat, Submission, TrainingRound, Unit
from grader.services.desk import Given, Handed, given, handed_in
from grader.services.following import Opened


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedAssignment:
    """An exercise in a round; ``mine`` is what it is to the person who asks, None without a seat."""

    assignment: Assignment
    mine: Given | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedSubmission:
    """A submission with its result, and the assignment that it is for."""

    handed: Handed
    assignment: Assignment

    @classmethod
    def of(cls, opened: Opened) -> "ListedSubmission":
        """One that was opened, as a list shows it."""
        return cls(handed=opened.handed, assignment=opened.assignment)


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedRound:
    """A training round with how many seats it has, and the ids of its exercises."""

    training: TrainingRound
    seats: int
    exercises: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedSeat:
    """A seat with its person and unit."""

    person: Person
    unit: Unit
    part: str


def assignments(
    session: Session,
    *,
    person: str | None,
    staff_of: Collection[str] | None,
    at: datetime,
    limit: int,
    after: tuple[str, str] | None = None,
) -> list[ListedAssignment]:
    """What a person was given, and what the rounds of their staff were; by code of the round, then by exercise.

    ``staff_of`` are ids of rounds, None for all; ``after`` are code and exercise of the last one seen.
    """
    query = select(Assignment).join(TrainingRound, TrainingRound.id == Assignment.round_id)
    seats = select(Seat.round_id).where(Seat.person_id == person)
    if staff_of is not None:
        query = query.where(or_(Assignment.round_id.in_(seats), Assignment.round_id.in_(staff_of)))
    if after is not None:
        query = query.where(tuple_(TrainingRound.code, Assignment.exercise) > after)
    rows = session.scalars(query.order_by(TrainingRound.code, Assignment.exercise).limit(limit + 1)).all()
    return [
        ListedAssignment(assignment=one, mine=given(session, person, one.id, at) if person else None) for one in rows
    ]


def assignment(session: Session, name: str, *, person: str | None, at: datetime) -> ListedAssignment:
    """One of them, for somebody who may see it."""
    found = session.get_one(Assignment, name)
    return ListedAssignment(assignment=found, mine=given(session, person, name, at) if person else None)


def submissions(
    session: Session, *, person: str, limit: int, after: tuple[datetime, str] | None = None
) -> list[ListedSubmission]:
    """What a person handed in, the latest first; ``after`` are moment and id of the last one seen."""
    query = select(Submission).join(Seat, Seat.id == Submission.seat_id).where(Seat.person_id == person)
    if after is not None:
        query = query.where(tuple_(Submission.received_at, Submission.id) < after)
    rows = session.scalars(query.order_by(Submission.received_at.desc(), Submission.id.desc()).limit(limit + 1)).all()
    handed = handed_in(session, rows)
    return [ListedSubmission(handed=one, assignment=row.assignment) for row, one in zip(rows, handed, strict=True)]


def training_rounds(
    session: Session, *, within: Collection[str] | None, limit: int, after: str = "", code: str = ""
) -> list[ListedRound]:
    """Rounds by their codes; ``within`` are ids of those that may be seen, None for all; ``code`` wants just one."""
    query = select(TrainingRound).where(TrainingRound.code > after)
    if within is not None:
        query = query.where(TrainingRound.id.in_(within))
    if code:
        query = query.where(TrainingRound.code == code)
    rows = session.scalars(query.order_by(TrainingRound.code).limit(limit + 1)).all()
    ids = [one.id for one in rows]
    counts = select(Seat.round_id, func.count().label("seats")).where(Seat.round_id.in_(ids)).group_by(Seat.round_id)
    seats = {row.round_id: row.seats for row in session.execute(counts)}
    pairs = select(Assignment.round_id, Assignment.exercise).where(Assignment.round_id.in_(ids))
    exercises: dict[str, list[str]] = {}
    for round_id, exercise in session.execute(pairs):
        exercises.setdefault(round_id, []).append(exercise)
    return [
        ListedRound(training=one, seats=seats.get(one.id, 0), exercises=tuple(sorted(exercises.get(one.id, ()))))
        for one in rows
    ]


def codes_of(session: Session, ids: Collection[str]) -> dict[str, str]:
    """The codes of these rounds, by id."""
    pairs = session.execute(select(TrainingRound.id, TrainingRound.code).where(TrainingRound.id.in_(ids)))
    return {row.id: row.code for row in pairs}


def roster(session: Session, *, round_code: str, limit: int, after: str = "") -> list[ListedSeat]:
    """The seats of a round by the codes of their people."""
    rows = session.execute(
        select(Person, Unit, Seat.part)
        .join(Seat, Seat.person_id == Person.id)
        .join(Unit, Unit.id == Seat.unit_id)
        .join(TrainingRound, TrainingRound.id == Seat.round_id)
        .where(TrainingRound.code == round_code, Person.code > after)
        .order_by(Person.code)
        .limit(limit + 1)
    )
    return [ListedSeat(person=person, unit=unit, part=part) for person, unit, part in rows]
