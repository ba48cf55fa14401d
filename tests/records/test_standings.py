"""The figure that the database counts, against the definition and against a count with a pencil, over random histories.

The count with a pencil knows no enrolments, standings or statements: it walks through the plain lists of a history.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select, update
from sqlalchemy.orm import Session

from grader import kpi
from grader.kpi import KpiSettings, Period, Round, Rules, figure_of, period_of, place
from grader.kpi.fiscal import BANGKOK
from grader.queue import MOST_TRIES, claim, fault
from grader.records import Records, SeatStanding
from grader.services import figures, indicator, overriding, regrading, rounds, standings
from tests.fixtures.histories import DAYS, UNITS, ZERO, Course, Handed, History, Place, history, moment, write
from tests.fixtures.records import CODE, MINI, Classroom, Clock, furnish, recorded

RULES: tuple[dict[str, Any], ...] = (
    {"groups": [{"at_least": 1, "of": ["a", "b"]}]},
    {"groups": [{"at_least": 1, "of": ["a"]}, {"at_least": 1, "of": ["b", "c"]}]},
)
CALENDAR = (
    Round(fy_be=2569, code="r2", start=date(2026, 3, 1), end=date(2026, 7, 31), cutoff_at=ZERO + timedelta(days=20)),
    Round(fy_be=2570, code="r1", start=date(2026, 10, 1), end=date(2027, 2, 28), cutoff_at=ZERO + timedelta(days=220)),
    Round(fy_be=2570, code="r2", start=date(2027, 3, 1), end=date(2027, 7, 31), cutoff_at=ZERO + timedelta(days=300)),
)

switches = st.fixed_dictionaries(
    {
        "kpi.cumulative": st.booleans(),
        "membership.count_by": st.sampled_from(("person", "seat")),
        "membership.withdrew": st.booleans(),
        "membership.excluded": st.booleans(),
        "membership.external": st.booleans(),
        "membership.passed_late": st.sampled_from(("next_round", "same_year")),
        "course.pass_rule": st.sampled_from(RULES),
        "course.min_attendance_pct": st.sampled_from((None, "0", "50", "80", "100")),
    }
)
reporting = st.sampled_from(CALENDAR[1:])
as_of = st.integers(0, DAYS * 4 + 80)
seeds = st.integers(0, 2**32)


def period(of: Round, rules: Rules, step: int) -> Period:
    """The period of a round, from data of a step."""
    return period_of(
        of,
        calendar=CALENDAR,
        cumulative=rules.kpi_cumulative,
        carry_over_years=rules.membership_passed_late == "next_round",
        as_of=moment(step),
    )


def on_the_edge(past: History, step: int) -> int:
    """This step; or mostly one at which somebody passed, was noted or came: what falls on a cut-off still counts."""
    passed = {one.at for one in past.work if passes(past, one)}
    noted = {at for seat in past.seats for at, kind, _ in seat.events if kind in standings.MARKS}
    came = {at for seat in past.seats for at, kind, _ in seat.events if kind == "check_in"}
    busy = sorted((set(), passed, noted, came)[step % 4])
    return busy[step // 4 % len(busy)] if busy else step


@contextmanager
def told(records: Records, past: History, values: dict[str, Any]) -> Iterator[tuple[Session, Rules]]:
    """The records with a history and settings in them, and their standings; nothing of it stays."""
    chosen = KpiSettings().revise(values)
    with records.database.writing() as session:
        write(session, past, chosen)
        standings.refresh_all(session)
        yield session, chosen.rules
        session.rollback()


# -- with a pencil ----------------------------------------------------------------------------------------------------


def passes(past: History, work: Handed) -> bool:
    """Whether this work is a pass, as far as is known in the end."""
    closes, late = past.courses[work.course].closes[work.exercise]
    for _, _, _, longer in [one for one in past.extensions if one[:2] == (work.seat, work.exercise)][-1:]:
        closes = closes if longer is None else longer
    if late == "mark" and closes is not None and work.at > closes:
        return False
    if work.overrides:
        return work.overrides[-1] == "pass"
    return ("final", "pass") in work.results


def done(past: History, seat: Place, rules: Rules, cutoff: datetime) -> datetime | None:
    """The moment at which the course was passed, if that was by the cut-off: step after step."""
    owed = math.ceil(Fraction(rules.course_min_attendance_pct or 0) * past.courses[seat.course].sessions / 100)
    work = [one for one in past.work if one.seat == seat.id and passes(past, one)]
    for step in sorted({one.at for one in work} | {step for step, kind, _ in seat.events if kind == "check_in"}):
        exercises = {one.exercise for one in work if one.at <= step}
        attended = {session for at, kind, session in seat.events if kind == "check_in" and at <= step}
        met = all(len(exercises & set(group.of)) >= group.at_least for group in rules.course_pass_rule.groups)
        if met and len(attended) >= owed:
            return moment(step) if moment(step) <= cutoff else None
    return None


def counted(past: History, seat: Place, rules: Rules, when: Period) -> tuple[bool, bool]:
    """Whether a seat is in B and in A."""
    came = min(
        [
            *(step for step, kind, _ in seat.events if kind == "check_in"),
            *(one.at for one in past.work if one.seat == seat.id),
        ],
        default=None,
    )
    target_group = seat.part == "trainee" or (seat.part == "external" and rules.membership_external)
    if came is None or moment(came) > when.cutoff or not target_group:
        return False, False
    note = "cleared"
    for step, kind, _ in sorted(seat.events, key=lambda one: one[0]):  # stable: of two at one step the later stands
        if kind not in {"registered", "check_in"} and moment(step) <= when.cutoff and step >= came:
            note = kind
    passed = done(past, seat, rules, when.cutoff)
    day = moment(came).date()
    if when.first <= day <= when.last:
        if note == "cleared":
            return True, passed is not None
        return (rules.membership_excluded if note == "excluded" else rules.membership_withdrew), False
    old_enough = when.carried_from is None or day >= when.carried_from
    carried = day < when.first and old_enough and note == "cleared" and passed is not None
    carried = carried and passed is not None and passed > when.passed_after
    return carried, carried


def pencil(past: History, rules: Rules, when: Period) -> tuple[int, int]:
    """A and B."""
    people: dict[str, tuple[bool, bool]] = {}
    for seat in past.seats:
        key = seat.id if rules.membership_count_by == "seat" else seat.person
        in_b, in_a = people.get(key, (False, False))
        b, a = counted(past, seat, rules, when)
        people[key] = (in_b or b, in_a or a)
    return sum(a for _, a in people.values()), sum(b for b, _ in people.values())


# -- the property -----------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=seeds, values=switches, of=reporting, steps=st.lists(as_of, min_size=2, max_size=6))
def test_the_database_counts_what_the_definition_counts(
    records: Records, seed: int, values: dict[str, Any], of: Round, steps: list[int]
) -> None:
    """A and B, whole and by unit, for any history, settings, round and moment of the data; so does a pencil."""
    past = history(seed)
    with told(records, past, values) as (session, rules):
        assert standings.current(session, rules)
        assert standings.differing(session) == []
        everybody = standings.facts(session)
        for step in steps:
            when = period(of, rules, on_the_edge(past, step))
            placements = place(everybody, rules, when)
            expected = figure_of(placements)
            found = figures.figure(session, rules, when)
            assert (found.a, found.b) == (expected.a, expected.b)
            assert (found.a, found.b) == pencil(past, rules, when)
            assert found.percent == expected.percent
            units = {row.unit: row.figure for row in kpi.by_unit(placements).rows if row.figure and row.figure.b}
            tallies = figures.by_unit(session, rules, when)
            assert {name: (one.a, one.b) for name, one in tallies.items()} == {
                name: (one.a, one.b) for name, one in units.items()
            }
            assert list(tallies) == sorted(tallies)


def test_notes_at_one_moment_and_at_the_cut_off(records: Records) -> None:
    """A note at the cut-off stands; of two at one moment the later number does, also when a later note is not seen."""
    first = (300, "check_in", 1)
    notes = (
        ((400, "withdrew", None),),
        ((400, "withdrew", None), (400, "cleared", None), (500, "excluded", None)),
        ((400, "cleared", None), (400, "withdrew", None), (500, "cleared", None)),
        ((300, "declined", None), (299, "withdrew", None)),
    )
    past = History(courses=[Course(starts=300, sessions=1, closes={"a": (None, "mark")})])
    for number, mine in enumerate(notes):
        seat = f"sea_0{number}"
        past.seats.append(
            Place(
                id=seat, person=f"per_{number}", unit=UNITS[number % 3], part="trainee", course=0, events=(first, *mine)
            )
        )
        past.work.append(
            Handed(id=f"sub_{number}", seat=seat, course=0, exercise="a", at=350, job="done",
                   results=(("final", "pass"),), overrides=())
        )  # fmt: skip
    with told(records, past, {"course.pass_rule": RULES[0]}) as (session, rules):
        everybody = standings.facts(session)
        for step, passed in ((399, 3), (400, 1), (499, 1), (500, 1)):
            when = period(CALENDAR[1], rules, step)
            assert pencil(past, rules, when) == (passed, 4)
            found = figures.figure(session, rules, when)
            assert (found.a, found.b) == (passed, 4)
            units = {row.unit: row.figure.a for row in kpi.by_unit(place(everybody, rules, when)).rows if row.figure}
            assert {name: one.a for name, one in figures.by_unit(session, rules, when).items()} == units


def test_the_histories_reach_what_is_hard() -> None:
    """The property is worth what its histories hold: late work, given time, earlier notes, two units."""
    rules = KpiSettings().revise({"course.pass_rule": RULES[0]}).rules
    found: dict[str, int] = {}

    def saw(what: str, *, held: bool) -> None:
        found[what] = found.get(what, 0) + held

    for seed in range(150):
        past = history(seed)
        for one in past.work:
            closes, late = past.courses[one.course].closes[one.exercise]
            too_late = late == "mark" and closes is not None and one.at > closes
            saw("late", held=too_late and ("final", "pass") in one.results)
            saw("given time", held=too_late and passes(past, one))
            saw("overridden", held=bool(one.overrides) and passes(past, one) != (("final", "pass") in one.results))
            saw("regraded", held=("superseded", "fail") in one.results and ("final", "pass") in one.results)
        for of in CALENDAR[1:]:
            when = period(of, rules, DAYS * 4)
            members: dict[str, set[tuple[str, bool]]] = {}
            for seat in past.seats:
                in_b, in_a = counted(past, seat, rules, when)
                if in_b:
                    members.setdefault(seat.person, set()).add((seat.unit, in_a))
                if in_b and sum(kind in standings.MARKS for _, kind, _ in seat.events) > 1:
                    notes = [step for step, kind, _ in seat.events if kind in standings.MARKS]
                    saw("earlier note", held=moment(min(notes)) <= when.cutoff < moment(max(notes)))
                saw("carried", held=in_a and moment(0) < when.passed_after and _came_before(past, seat, when))
            for several in members.values():
                units = {unit for unit, _ in several}
                saw("two units", held=len(units) > 1 and not any(in_a for _, in_a in several))
    assert {what for what, count in found.items() if count >= 10} == {
        *("late", "given time", "overridden", "regraded", "earlier note", "carried", "two units"),
    }, found


def _came_before(past: History, seat: Place, when: Period) -> bool:
    steps = [step for step, kind, _ in seat.events if kind == "check_in"]
    steps += [one.at for one in past.work if one.seat == seat.id]
    return moment(min(steps)).astimezone(BANGKOK).date() < when.first


@example(seed=1)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=seeds)
def test_what_is_stale_is_not_counted(records: Records, seed: int) -> None:
    """With a standing missing, or made with other settings, the facts are counted; mending makes just those again."""
    past = history(seed)
    with told(records, past, {"course.pass_rule": RULES[0]}) as (session, rules):
        when = period(CALENDAR[2], rules, DAYS * 4)
        right = figures.figure(session, rules, when)
        units = figures.by_unit(session, rules, when)
        seats = session.scalars(select(SeatStanding.seat_id).order_by(SeatStanding.seat_id)).all()
        wrong = {"entered_at": None, "passed_at": None, "rules": "0" * 64}
        session.execute(update(SeatStanding).where(SeatStanding.seat_id.in_(seats[:2])).values(wrong))
        assert standings.current(session, rules) == (not seats)
        assert standings.differing(session) == list(seats[:2])
        session.execute(SeatStanding.__table__.delete().where(SeatStanding.seat_id.in_(seats[2:3])))  # type: ignore[attr-defined]
        assert figures.figure(session, rules, when) == right
        assert figures.by_unit(session, rules, when) == units
        assert standings.mend(session) == len(seats[:3])
        assert standings.current(session, rules)
        assert standings.differing(session) == []
        assert standings.mend(session) == 0
        other = KpiSettings().revise({"course.pass_rule": RULES[1]}).rules
        expected = figure_of(place(standings.facts(session), other, when))
        found = figures.figure(session, other, when)
        assert (found.a, found.b) == (expected.a, expected.b), "rules that no standing was made with"


# -- through the services ---------------------------------------------------------------------------------------------


def kept_up(records: Records) -> None:
    """Every standing is what its facts say."""
    with records.reading() as session:
        assert standings.differing(session) == []
        assert standings.current(session, standings.settings_of(session).rules)


def rows(room: Classroom) -> dict[str, SeatStanding]:
    """The standings by seat."""
    return {one.seat_id: one for one in room.all(SeatStanding)}


def passing(records: Records) -> None:
    """Let the small exercise be the course."""
    indicator.revise(records, {"course.pass_rule": {"groups": [{"at_least": 1, "of": [MINI.exercise.id]}]}}, by="o")


def grade(room: Classroom, outcome: str) -> None:
    """Record this outcome for everything that waits."""
    while (held := claim(room.records, "w")) is not None:
        assert recorded(room.records, held, outcome, 0)


def test_every_step_of_a_course_keeps_the_standings_up(timed: Classroom, clock: Clock) -> None:
    """Whatever is done through the services, each standing is what the facts say, in the same transaction."""
    records, seat = timed.records, timed.seats[0]
    passing(records)
    kept_up(records)
    rounds.note(records, seat=seat, kind="registered", by="c")
    clock.pass_by(60)
    first = timed.submit().submission
    came = clock()
    kept_up(records)
    assert (rows(timed)[seat].entered_at, rows(timed)[seat].passed_at) == (came, None)
    clock.pass_by(60)
    grade(timed, "fail")
    overriding.override(records, submission=first, to="pass", by="i", reason="x")
    kept_up(records)
    assert rows(timed)[seat].passed_at == came, "the work counts from when it came in, not from the decision"
    rounds.note(records, seat=seat, kind="withdrew", by="c")
    kept_up(records)
    assert (rows(timed)[seat].mark, rows(timed)[seat].mark_at) == ("withdrew", clock())
    rounds.change_round(records, code=CODE, by="c", sessions=4, starts_on=date(2026, 11, 3))
    kept_up(records)
    regrade = regrading.begin(records, assignment=timed.assignment, pack=MINI, by="i", reason="x")
    grade(timed, "pass")
    kept_up(records)
    regrading.apply(records, regrade=regrade.id, by="i")
    kept_up(records)
    overriding.override(records, submission=first, to="fail", by="i", reason="x")
    kept_up(records)
    assert rows(timed)[seat].passed_at is None


def test_late_work_passes_once_time_is_given(timed: Classroom, clock: Clock) -> None:
    """Late work is handed in and cannot pass, whatever is found or decided, until an extension covers it."""
    records, seat = timed.records, timed.seats[0]
    passing(records)
    rounds.assign(records, round_code=CODE, pack=MINI, by="c", closes_at=clock() + timedelta(hours=1))
    clock.pass_by(3601)
    late = timed.submit().submission
    grade(timed, "pass")
    overriding.override(records, submission=late, to="fail", by="i", reason="x")
    overriding.override(records, submission=late, to="pass", by="i", reason="x")
    assert (rows(timed)[seat].entered_at, rows(timed)[seat].passed_at) == (clock(), None)
    with records.reading() as session:
        (found,) = standings.facts(session, [seat])
    assert [one.outcome for one in found.attempts] == ["fail"]
    rounds.extend(records, assignment=timed.assignment, seat=seat, by="c", reason="x", closes_at=clock())
    assert rows(timed)[seat].passed_at == clock()
    kept_up(records)
    clock.pass_by(1)
    rounds.extend(records, assignment=timed.assignment, seat=seat, by="c", reason="x", attempts=1)
    assert rows(timed)[seat].passed_at is None, "the latest extension stands for itself"
    kept_up(records)
    rounds.assign(records, round_code=CODE, pack=MINI, by="c", closes_at=clock() + timedelta(hours=-1), late="count")
    assert rows(timed)[seat].passed_at is not None
    kept_up(records)


def test_what_our_faults_ended_is_a_fault_of_ours(timed: Classroom, clock: Clock) -> None:
    """Waiting and running work is being graded; work whose tries are used up is never a fail."""
    timed.submit()
    outcome = lambda: _attempts(timed)[0].outcome  # noqa: E731
    for _ in range(MOST_TRIES):
        assert outcome() == "grading"
        clock.pass_by(100)
        held = claim(timed.records, "w")
        assert held is not None
        assert outcome() == "grading"
        assert fault(timed.records, held, "infrastructure.engine")
    assert outcome() == "grader_fault"
    kept_up(timed.records)


def _attempts(room: Classroom) -> tuple[kpi.Attempt, ...]:
    with room.records.reading() as session:
        return standings.facts(session, room.seats[:1])[0].attempts


def test_changes_of_one_seat_at_the_same_moment_are_all_in_its_standing(
    records: Records, in_parallel: Callable[..., list[object]]
) -> None:
    """Two people who change the same seat do not overwrite what the other one's change led to."""
    room = furnish(records, people=2)
    passing(records)
    first = [room.submit(0).submission for _ in range(2)]
    grade(room, "fail")

    def act(number: int) -> None:
        if number < 2:
            overriding.override(records, submission=first[number], to="pass", by=f"i{number}", reason="x")
        else:
            kind = ("withdrew", "cleared", "registered", "check_in")[number % 4]
            rounds.note(records, seat=room.seats[0], kind=kind, by="c", session_number=number)

    in_parallel(act, range(16), threads=8)
    kept_up(records)


def test_reading_facts_takes_three_statements(records: Records) -> None:
    """For one seat or for all; making one standing again takes two or three more."""
    room = furnish(records, people=6)
    said: list[str] = []
    event.listen(records.database.engine, "before_cursor_execute", lambda *args: said.append(args[2]))
    with records.reading() as session:
        for seats in (None, room.seats[:1]):
            said.clear()
            standings.facts(session, seats)
            assert sum(one.startswith("SELECT") for one in said) == 3
    with records.upkeep() as session:
        session.scalar(select(func.count()))
        said.clear()
        standings.refresh(session, room.seats[0])
        assert len(said) == (5 if records.database.dialect == "sqlite" else 6)
