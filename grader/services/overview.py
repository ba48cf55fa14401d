"""One training round as its staff see it: people by exercises, what is counted, and who needs somebody.

Everything of a round is read with a handful of statements, however many people it has.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from grader.records import Appeal, Assignment, Extension, Job, Person, Seat, Submission, TrainingRound, Unit
from grader.records.work import LIVE
from grader.services.desk import Handed, State, handed_in, state_of
from grader.services.rounds import round_of

SOON: Final = timedelta(hours=48)
"""Before the closing time, when somebody who has not begun needs to be asked."""
TRIES_WITHOUT_GAIN: Final = 5
"""Graded tries since the best one, that one included, after which trying again alone seems not to help."""

Need: TypeAlias = Literal["not_started", "no_gain", "alike"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One exercise of the round as it is given."""

    assignment: str
    exercise: str
    title: Mapping[str, Any]
    digest: str
    version: str
    opens_at: datetime | None
    closes_at: datetime | None
    attempts: int | None
    late: str
    mandatory: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One person and one exercise."""

    exercise: str
    handed: tuple[Handed, ...]
    state: State

    @property
    def latest(self) -> Handed | None:
        """The newest submission."""
        return self.handed[-1] if self.handed else None

    @property
    def best(self) -> Handed | None:
        """The graded submission that counts, as on the trainee's desk."""
        graded = [one for one in self.handed if one.outcome]
        return max(graded, key=lambda one: (one.result == "pass", one.points or 0, one.number), default=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One seat with a cell for each exercise, in the order of the columns."""

    seat: str
    code: str
    name: str
    unit_code: str
    unit: str
    part: str
    cells: tuple[Cell, ...]

    @property
    def points(self) -> int:
        """The best points of all exercises together."""
        return sum((cell.best.points or 0) for cell in self.cells if cell.best)

    @property
    def passed(self) -> int:
        """How many exercises are passed."""
        return sum(cell.state == "pass" for cell in self.cells)


@dataclass(frozen=True, kw_only=True, slots=True)
class Attention:
    """Why somebody should look; ``closes_at`` and ``tries`` stand where they belong to it."""

    need: Need
    exercise: str
    people: tuple[tuple[str, str, str], ...]
    """(seat, name, latest submission or "")."""
    closes_at: datetime | None = None
    tries: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """Seats of trainees, those who handed in, who passed every mandatory exercise, and what waits."""

    enrolled: int
    handed_in: int
    passed: int
    appeals: int
    faults: int
    queue: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """The whole page."""

    code: str
    name: str
    starts_on: Any
    ends_on: Any
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    counts: Counts
    attention: tuple[Attention, ...]


def overview(session: Session, code: str, at: datetime) -> Overview:
    """A round by its code, everybody in it.

    Raises:
        UsageProblem: ``round.unknown``.
    """
    training = round_of(session, code)
    columns = columns_of(session, training.id)
    submissions = _submissions(session, columns)
    handed = handed_in(session, submissions)
    mine: dict[tuple[str, str], list[Handed]] = defaultdict(list)
    for row, one in zip(submissions, handed, strict=True):
        mine[row.seat_id, row.assignment_id].append(one)
    lines = tuple(
        Line(
            seat=seat.id, code=person.code, name=person.name, unit_code=unit.code, unit=unit.name, part=seat.part,
            cells=tuple(_cell(column, mine[seat.id, column.assignment], at) for column in columns),
        )
        for seat, person, unit in _seats(session, training)
    )  # fmt: skip
    return Overview(
        code=training.code,
        name=training.name,
        starts_on=training.starts_on,
        ends_on=training.ends_on,
        columns=columns,
        lines=lines,
        counts=_counts(session, columns, lines),
        attention=(
            *_not_started(session, columns, lines, at),
            *_no_gain(columns, lines),
            *_alike(columns, lines, submissions),
        ),
    )


def columns_of(session: Session, training: str) -> tuple[Column, ...]:
    """The exercises of a round, in the order of their ids."""
    rows = session.scalars(select(Assignment).where(Assignment.round_id == training).order_by(Assignment.exercise))
    return tuple(
        Column(
            assignment=one.id, exercise=one.exercise, title=one.version.title, digest=one.digest,
            version=one.version.version, opens_at=one.opens_at, closes_at=one.closes_at, attempts=one.attempts,
            late=one.late, mandatory=one.mandatory,
        )
        for one in rows
    )  # fmt: skip


def _seats(session: Session, training: TrainingRound) -> Sequence[Any]:
    statement = (
        select(Seat, Person, Unit)
        .join(Person, Person.id == Seat.person_id)
        .join(Unit, Unit.id == Seat.unit_id)
        .where(Seat.round_id == training.id)
        .order_by(Person.code)
    )
    return session.execute(statement).all()


def _submissions(session: Session, columns: Iterable[Column]) -> Sequence[Submission]:
    ids = [column.assignment for column in columns]
    return session.scalars(
        select(Submission)
        .where(Submission.assignment_id.in_(ids))
        .order_by(Submission.seat_id, Submission.assignment_id, Submission.number)
    ).all()


def _cell(column: Column, handed: Collection[Handed], at: datetime) -> Cell:
    given = tuple(handed)
    return Cell(exercise=column.exercise, handed=given, state=state_of(given, column.opens_at, at))


def _counts(session: Session, columns: Sequence[Column], lines: Iterable[Line]) -> Counts:
    trainees = [line for line in lines if line.part == "trainee"]
    needed = [place for place, column in enumerate(columns) if column.mandatory]
    mine = Submission.assignment_id.in_([column.assignment for column in columns])
    open_ones = select(func.count()).select_from(Appeal).join(Submission, Submission.id == Appeal.submission_id)
    jobs = select(Job.state, func.count()).join(Submission, Submission.id == Job.submission_id).where(mine)
    states = dict(session.execute(jobs.group_by(Job.state)).all())
    return Counts(
        enrolled=len(trainees),
        handed_in=sum(any(cell.handed for cell in line.cells) for line in trainees),
        passed=sum(bool(needed) and all(line.cells[one].state == "pass" for one in needed) for line in trainees),
        appeals=session.scalar(open_ones.where(mine, Appeal.state == "open")) or 0,
        faults=states.get("needs_operator", 0),
        queue=sum(states.get(state, 0) for state in LIVE),
    )


def _not_started(
    session: Session, columns: Sequence[Column], lines: Sequence[Line], at: datetime
) -> Iterable[Attention]:
    """Trainees who handed in nothing of what closes soon; more time that somebody was given counts."""
    extended = {
        (one.assignment_id, one.seat_id): one.closes_at
        for one in session.scalars(
            select(Extension)
            .where(Extension.assignment_id.in_([column.assignment for column in columns]))
            .order_by(Extension.number)
        )
    }
    for place, column in enumerate(columns):
        if column.closes_at is None or (column.opens_at is not None and at < column.opens_at):
            continue
        late = tuple(
            (line.seat, line.name, "")
            for line in lines
            if line.part == "trainee"
            and not line.cells[place].handed
            and timedelta() < (extended.get((column.assignment, line.seat)) or column.closes_at) - at < SOON
        )
        if late:
            yield Attention(need="not_started", exercise=column.exercise, people=late, closes_at=column.closes_at)


def _no_gain(columns: Sequence[Column], lines: Sequence[Line]) -> Iterable[Attention]:
    """People whose last tries brought nothing: each for itself, because each needs another answer."""
    for place, column in enumerate(columns):
        for line in lines:
            cell = line.cells[place]
            points = [one.points or 0 for one in cell.handed if one.outcome and one.outcome != "infrastructure"]
            since = len(points) - points.index(max(points)) if points else 0
            if cell.state != "pass" and since >= TRIES_WITHOUT_GAIN and cell.latest:
                found = ((line.seat, line.name, cell.latest.id),)
                yield Attention(need="no_gain", exercise=column.exercise, people=found, tries=since)


def _alike(columns: Sequence[Column], lines: Sequence[Line], submissions: Iterable[Submission]) -> Iterable[Attention]:
    """The very same file from different people."""
    names = {line.seat: line.name for line in lines}
    groups: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for one in submissions:
        groups[one.assignment_id, one.sha256][one.seat_id] = one.id
    exercises = {column.assignment: column.exercise for column in columns}
    for (assignment, _), found in groups.items():
        if len(found) > 1:
            people = tuple((seat, names[seat], submission) for seat, submission in found.items())
            yield Attention(need="alike", exercise=exercises[assignment], people=people)
