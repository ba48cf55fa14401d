"""How long the figure of a hundred thousand people takes: counted by the database, and placed person by person.

``python -m tests.bench.kpi`` fills fresh records on the embedded database with made-up people and measures; the number
of people can be given. Figures are the best of several runs, by the clock and in CPU time, which on the embedded
database is all of the work and does not depend on what else the machine does. Both ways must come to the same A and B.
"""

import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Insert, Table

from grader.kpi import KpiSettings, by_unit, figure_of, period_of, place, preset_rounds
from grader.records import (
    Assignment,
    Base,
    ExerciseVersion,
    Grading,
    Job,
    Person,
    Records,
    Seat,
    SeatEvent,
    SettingsVersion,
    Submission,
    TrainingRound,
    Unit,
    create_records,
)
from grader.services import figures, standings

PEOPLE: Final = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
RUNS: Final = 7
BATCH: Final = 5_000
UNITS: Final = 40
ROUNDS: Final = 20
SESSIONS: Final = 3
EXERCISES: Final = ("x1", "x2")
REPEATS: Final = 0.05
"""Of all people, who have a second seat; a fifth of them in another unit."""
ABSENT: Final = 0.08
NOTED: Final = 0.04
PASSED: Final = 0.75
"""Of all seats: who never came, about whom something was noted, and who passed."""
BEGUN: Final = datetime(2026, 10, 5, 2, tzinfo=UTC)
SETTINGS: Final = KpiSettings().revise({"course.pass_rule": {"groups": [{"at_least": 2, "of": list(EXERCISES)}]}})

T = TypeVar("T")


class Took(NamedTuple):
    """Seconds by the clock, and seconds of a core."""

    wall: float
    cpu: float


def main() -> int:
    """Fill, measure and print; 1 when the two ways come to different figures."""
    with tempfile.TemporaryDirectory() as folder:
        records = create_records(Path(folder) / "data")
        _say("rows written", _once(lambda: fill(records))[0])
        return measure(records)


def measure(records: Records) -> int:
    """Measure and print."""
    rules = SETTINGS.rules
    calendar = preset_rounds("five_five", 2570)
    when = period_of(
        calendar[1], calendar=calendar, cumulative=True, carry_over_years=True, as_of=BEGUN + timedelta(days=300)
    )
    earlier = when.model_copy(update={"cutoff": BEGUN + timedelta(days=120)})
    with records.upkeep() as session:
        _say("all standings made", _once(lambda: standings.refresh_all(session))[0])
    with records.upkeep() as session:
        seat = standings.facts(session, ["sea_0"])[0].id
        _say("one standing made again", _best(lambda: standings.refresh(session, seat))[0])
    with records.reading() as session:
        reading, everybody = _once(lambda: standings.facts(session))
        _say("facts read", reading)
        placing, placed = _best(lambda: place(everybody, rules, when))
        counting, counted = _best(lambda: figures.figure(session, rules, when))
        past, counted_past = _best(lambda: figures.figure(session, rules, earlier))
        each, units = _best(lambda: figures.by_unit(session, rules, when))
        placed_past = figure_of(place(everybody, rules, earlier))
    of = figure_of(placed)
    _say("place()", placing)
    _say("figure by the database", counting)
    _say("figure at an earlier cut-off", past)
    _say("figure of each unit", each)
    for what, cpu in (("place()", placing.cpu), ("facts and place()", reading.cpu + placing.cpu)):
        print(f"{what} takes {cpu / counting.cpu:.0f} × the CPU of the figure by the database")  # noqa: T201 - a program
    same = (of.a, of.b) == (counted.a, counted.b) and (placed_past.a, placed_past.b) == (counted_past.a, counted_past.b)
    rows = {row.unit: (row.figure.a, row.figure.b) for row in by_unit(placed).rows if row.figure and row.figure.b}
    same &= rows == {name: (one.a, one.b) for name, one in units.items()}
    told = "the same both ways" if same else "DIFFERENT"
    print(f"{PEOPLE} people, {len(everybody)} seats, A/B {of.a}/{of.b}: {told}")  # noqa: T201 - a program
    return 0 if same else 1


# -- people who exist nowhere -----------------------------------------------------------------------------------------


def fill(records: Records) -> None:
    """Write everything but the standings."""
    dice = random.Random(2570)
    with records.upkeep() as session:
        session.add(SettingsVersion(version=2, settings=SETTINGS.model_dump(mode="json"), by="x", at=BEGUN))
        session.add_all([Unit(id=f"u{one}", code=f"u{one}", name="x") for one in range(UNITS)])
        session.add_all([_exercise(one) for one in EXERCISES])
        for one in range(ROUNDS):
            day = _day_of(one)
            session.add(TrainingRound(id=f"r{one}", code=f"r{one}", name="x", starts_on=day, sessions=SESSIONS,
                                      created_at=BEGUN))  # fmt: skip
        session.flush()
        for one in range(ROUNDS):
            for exercise in EXERCISES:
                session.add(Assignment(id=f"a{one}{exercise}", round_id=f"r{one}", exercise=exercise, digest=exercise))
    people = (
        {
            "id": f"per_{one}",
            "code": f"c{one}",
            "name": "x",
            "email": "",
            "unit_id": f"u{one % UNITS}",
            "created_at": BEGUN,
        }
        for one in range(PEOPLE)
    )
    _write(records, {Person: people})
    numbers = iter(range(PEOPLE * 2))
    seats = (seat for person in range(PEOPLE) for seat in _seats(dice, person, numbers))
    while some := list(islice(seats, BATCH)):
        rows: dict[type[Base], list[dict[str, Any]]] = {
            model: [] for model in (Seat, SeatEvent, Submission, Job, Grading)
        }
        for one in some:
            _lesson(dice, one, rows)
        with records.upkeep() as session:
            for model, listed in rows.items():
                session.execute(_into(model), listed)


def _day_of(one: int) -> date:
    return (BEGUN + timedelta(days=14 * one)).date()


def _exercise(name: str) -> ExerciseVersion:
    return ExerciseVersion(
        digest=name, exercise=name, version="1", title={}, checks={}, pass_points=1, archive="0" * 64, added_at=BEGUN
    )


def _into(model: type[Base]) -> Insert:
    assert isinstance(model.__table__, Table)
    return model.__table__.insert()  # of the table and not of the model, which takes twice as long


def _write(records: Records, tables: dict[type[Base], Iterator[dict[str, Any]]]) -> None:
    for model, rows in tables.items():
        while some := list(islice(rows, BATCH)):
            with records.upkeep() as session:
                session.execute(_into(model), some)


def _seats(dice: random.Random, person: int, numbers: Iterator[int]) -> Iterator[dict[str, Any]]:
    first = dice.randrange(ROUNDS)
    for turn in range(2 if dice.random() < REPEATS else 1):
        moved = turn == 1 and dice.random() < 0.2
        yield {
            "id": f"sea_{next(numbers)}",
            "round_id": f"r{(first + 3 * turn) % ROUNDS}",
            "person_id": f"per_{person}",
            "unit_id": f"u{(person + moved) % UNITS}",
            "part": dice.choices(("trainee", "external", "observer"), (95, 3, 2))[0],
            "note": "",
            "created_at": BEGUN,
        }


def _lesson(dice: random.Random, seat: dict[str, Any], rows: dict[type[Base], list[dict[str, Any]]]) -> None:
    """What happened to one seat."""
    rows[Seat].append(seat)
    begun = BEGUN + timedelta(days=14 * int(seat["round_id"][1:]))
    happened: list[tuple[datetime, str, int | None]] = [(begun - timedelta(days=5), "registered", None)]
    if dice.random() >= ABSENT:
        happened += [(begun + timedelta(days=one), "check_in", one + 1) for one in range(SESSIONS)]
        for exercise in EXERCISES:
            outcome = "pass" if dice.random() < PASSED**0.5 else "fail"
            _submission(seat, exercise, begun + timedelta(hours=dice.randint(5, 900)), outcome, rows)
    if dice.random() < NOTED:
        kinds = ("withdrew",) if dice.random() < 0.7 else ("withdrew", "cleared")
        days = [dice.randint(1, 30) + 30 * turn for turn in range(len(kinds))]
        happened += [(begun + timedelta(days=day), kind, None) for day, kind in zip(days, kinds, strict=True)]
    rows[SeatEvent] += [
        {
            "id": f"e{seat['id']}-{number}", "seat_id": seat["id"], "kind": kind, "at": at, "session": session,
            "by": "x", "reason": "x", "document": "x", "recorded_at": at, "number": number,
        }
        for number, (at, kind, session) in enumerate(happened)
    ]  # fmt: skip


def _submission(
    seat: dict[str, Any], exercise: str, at: datetime, outcome: str, rows: dict[type[Base], list[dict[str, Any]]]
) -> None:
    name = f"{seat['id']}{exercise}"
    rows[Submission].append(
        {
            "id": name, "seat_id": seat["id"], "assignment_id": f"a{seat['round_id'][1:]}{exercise}",
            "digest": exercise, "number": 1, "filename": "x", "sha256": "0" * 64, "size": 1, "received_at": at,
            "late": False, "idempotency_key": name, "receipt": {},
        }
    )  # fmt: skip
    rows[Job].append(
        {
            "id": name, "submission_id": name, "digest": exercise, "seed": 1, "state": "done", "priority": 0, "turn": 0,
            "whose": name, "queued_at": at, "not_before": at, "attempt": 1, "tries": 0, "worker": "", "code": "",
        }
    )  # fmt: skip
    rows[Grading].append(
        {
            "id": name, "job_id": name, "submission_id": name, "digest": exercise, "attempt": 1, "standing": "final",
            "outcome": outcome, "code": "", "points": 0, "max": 1, "seed": 1, "grader_version": "1", "verdict": {},
            "recorded_at": at,
        }
    )  # fmt: skip


# -- the clock --------------------------------------------------------------------------------------------------------


def _once(work: Callable[[], T]) -> tuple[Took, T]:
    begun, cpu = perf_counter(), process_time()
    result = work()
    return Took(perf_counter() - begun, process_time() - cpu), result


def _best(work: Callable[[], T]) -> tuple[Took, T]:
    runs = [_once(work) for _ in range(RUNS)]
    return Took(min(took.wall for took, _ in runs), min(took.cpu for took, _ in runs)), runs[-1][1]


def _say(what: str, took: Took) -> None:
    print(f"{what:32} {took.wall * 1000:10.1f} ms {took.cpu * 1000:10.1f} ms CPU", flush=True)  # noqa: T201 - a program


if __name__ == "__main__":
    sys.exit(main())
