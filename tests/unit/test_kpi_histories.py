"""The figure against a naive re-computation that replays random histories, event after event.

The replay knows nothing of enrolments, statuses and periods as the program has them: it walks through a log of what
happened and keeps notes, as a person with a pencil would.
"""

import random
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.kpi import (
    Attempt,
    Decision,
    Enrolment,
    Group,
    Mark,
    PassRule,
    Period,
    Placement,
    Round,
    Rules,
    by_unit,
    decided,
    figure_of,
    period_of,
    place,
    place_seats,
)
from grader.kpi.fiscal import BANGKOK

ZERO = datetime(2026, 8, 1, tzinfo=BANGKOK)
"""Hour 0 of every history; two fiscal years meet after 61 days."""
DAYS = 330
EXERCISES = ("a", "b", "c", "d")
RULE = PassRule(groups=(Group(at_least=2, of=("a", "b")), Group(at_least=1, of=("c", "d"))))
CALENDAR = (
    Round(fy_be=2569, code="r2", start=date(2026, 3, 1), end=date(2026, 7, 31)),
    Round(fy_be=2570, code="r1", start=date(2026, 10, 1), end=date(2027, 2, 28), cutoff_at=ZERO + timedelta(days=220)),
    Round(fy_be=2570, code="r2", start=date(2027, 3, 1), end=date(2027, 7, 31), cutoff_at=ZERO + timedelta(days=300)),
)


def clock(hour: int) -> datetime:
    """The moment of an hour of the history."""
    return ZERO + timedelta(hours=hour)


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to a seat; ``what`` and ``value`` as the replay reads them."""

    hour: int
    seat: str
    what: str
    value: Any = None


@dataclass(frozen=True, kw_only=True)
class Seat:
    """What never changes about a seat."""

    id: str
    person: str
    unit: str
    part: str
    first_day: int


@dataclass(frozen=True, kw_only=True)
class History:
    """Seats and everything that happened, in the order of time."""

    seats: tuple[Seat, ...]
    log: tuple[Event, ...]


def history(seed: int) -> History:
    """A random history: enrolments, check-ins, notes, submissions, gradings, overrides, regrades, repeats."""
    dice = random.Random(seed)
    seats, log = [], []
    for number in range(dice.randint(1, 8)):
        seat = Seat(
            id=f"s{number}",
            person=f"p{dice.randint(0, 5)}",
            unit=f"u{dice.randint(0, 2)}",
            part=dice.choices(("trainee", "external", "observer"), (8, 1, 1))[0],
            first_day=dice.randint(40, DAYS - 30),
        )
        seats.append(seat)
        log += seat_events(dice, seat)
    return History(seats=tuple(seats), log=tuple(sorted(log, key=lambda event: event.hour)))


def seat_events(dice: random.Random, seat: Seat) -> list[Event]:
    """What happens to one seat; the end of a history may come long after every cut-off."""
    start = seat.first_day * 24
    log = []

    def add(hour: int, what: str, value: Any = None) -> None:
        log.append(Event(hour=hour, seat=seat.id, what=what, value=value))

    if dice.random() < 0.8:
        add(start - dice.randint(1, 300), "register")
    for session in range(dice.choice((0, 0, 1, 3))):
        add(start + 24 * session + 9, "check_in")
    for _ in range(dice.choice((0, 0, 0, 1, 2))):
        add(
            start + dice.randint(-100, 1500),
            "note",
            dice.choice(("declined", "replaced", "withdrew", "excluded", "cleared")),
        )
    good = dice.random()
    for number in range(dice.choice((0, 2, 5, 8))):
        attempt = f"{seat.id}.{number}"
        received = start + dice.randint(10, 24 * 150)
        add(received, "submit", (attempt, dice.choice(EXERCISES)))
        for by in ("grading", *dice.choice(((), (), ("regrade",), ("override",), ("override", "regrade")))):
            if by != "grading" or dice.random() < 0.95:
                outcome = "pass" if dice.random() < good else dice.choice(("fail", "fail", "grader_fault"))
                outcome = "fail" if by == "override" and outcome == "grader_fault" else outcome
                add(received + dice.randint(1, 900), "decide", (attempt, by, outcome))
    return log


def facts(of: History) -> list[Enrolment]:
    """The history as the program gets it."""
    found = []
    for seat in of.seats:
        mine = [event for event in of.log if event.seat == seat.id]
        decisions: dict[str, list[Decision]] = {}
        for event in mine:
            if event.what == "decide":
                attempt, by, outcome = event.value
                decisions.setdefault(attempt, []).append(Decision(at=clock(event.hour), by=by, outcome=outcome))
        registered = [clock(event.hour) for event in mine if event.what == "register"]
        found.append(
            Enrolment(
                id=seat.id,
                person=seat.person,
                unit=seat.unit,
                part=seat.part,
                starts_on=clock(seat.first_day * 24).date(),
                registered_at=registered[0] if registered else None,
                check_ins=tuple(clock(event.hour) for event in mine if event.what == "check_in"),
                attempts=tuple(
                    Attempt(
                        exercise=event.value[1],
                        received_at=clock(event.hour),
                        outcome=decided(decisions.get(event.value[0], ())),
                    )
                    for event in mine
                    if event.what == "submit"
                ),
                marks=tuple(
                    Mark(at=clock(event.hour), kind=event.value, by="x", reason="x", document="x")
                    for event in mine
                    if event.what == "note"
                ),
            )
        )
    return found


# -- the replay -------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Page:
    """The pencil notes about one seat."""

    came: int | None = None
    left: str | None = None
    passed: set[str] = field(default_factory=set)
    done: int | None = None
    """The hour at which the course was passed, at the cut-off."""


def last_word(of: History) -> dict[str, str]:
    """What was decided about each attempt in the end."""
    automatic: dict[str, str] = {}
    human: dict[str, str] = {}
    for event in of.log:
        if event.what == "decide":
            attempt, by, outcome = event.value
            if by == "override":
                human[attempt] = outcome
            elif outcome != "grader_fault" or automatic.get(attempt, outcome) == "grader_fault":
                automatic[attempt] = outcome
    return automatic | human


def replay(of: History, cutoff: datetime) -> dict[str, Page]:
    """Go through the log up to the cut-off and note who came, who left and who passed."""
    words = last_word(of)
    pages = {seat.id: Page() for seat in of.seats}
    for event in of.log:
        page = pages[event.seat]
        if clock(event.hour) > cutoff:
            break
        if event.what in {"check_in", "submit"} and page.came is None:
            page.came, page.left = event.hour, None
            same_hour = [one for one in of.log if (one.seat, one.hour, one.what) == (event.seat, event.hour, "note")]
            page.left = next((None if one.value == "cleared" else one.value for one in reversed(same_hour)), None)
        if event.what == "note":
            page.left = None if event.value == "cleared" else event.value
        if event.what == "submit" and words.get(event.value[0]) == "pass":
            page.passed.add(event.value[1])
            if page.done is None and {"a", "b"} <= page.passed and page.passed & {"c", "d"}:
                page.done = event.hour
    return pages


def naive(of: History, rules: Rules, period: Period) -> dict[str, tuple[bool, bool]]:
    """In B and in A, for each person or seat."""
    pages = replay(of, period.cutoff)
    found: dict[str, tuple[bool, bool]] = {}
    for seat in of.seats:
        page = pages[seat.id]
        in_b = in_a = False
        target_group = seat.part == "trainee" or (seat.part == "external" and rules.membership_external)
        if target_group and page.came is not None:
            day = clock(page.came).astimezone(BANGKOK).date()
            stays = page.left is None
            in_a = stays and page.done is not None
            if period.first <= day <= period.last:
                in_b = page.left != "excluded" or rules.membership_excluded
                if page.left not in {None, "excluded"}:
                    in_b = rules.membership_withdrew
            elif day < period.first:
                too_old = period.carried_from is not None and day < period.carried_from
                in_b = in_a and page.done is not None and clock(page.done) > period.passed_after and not too_old
            in_a = in_a and in_b
        key = seat.id if rules.membership_count_by == "seat" else seat.person
        was_in_b, was_in_a = found.get(key, (False, False))
        found[key] = (was_in_b or in_b, was_in_a or in_a)
    return found


# -- properties -------------------------------------------------------------------------------------------------------

many = settings(max_examples=200, deadline=None)
seeds = st.integers(0, 2**32)
switches = st.fixed_dictionaries(
    {
        "kpi_cumulative": st.booleans(),
        "membership_count_by": st.sampled_from(("person", "seat")),
        "membership_withdrew": st.booleans(),
        "membership_excluded": st.booleans(),
        "membership_external": st.booleans(),
        "membership_passed_late": st.sampled_from(("next_round", "same_year")),
    }
)
rounds = st.sampled_from(CALENDAR[1:])
offsets = st.integers(-60, 400)


def rules_of(switched: dict[str, Any]) -> Rules:
    """The rules with these switches."""
    return Rules(course_pass_rule=RULE, **switched)


def period(of: Round, rules: Rules, days: int = 400) -> Period:
    """The period of a round, from data taken so many days after the beginning of the year."""
    return period_of(
        of,
        calendar=CALENDAR,
        cumulative=rules.kpi_cumulative,
        carry_over_years=rules.membership_passed_late == "next_round",
        as_of=ZERO + timedelta(days=61 + days),
    )


def membership(placements: tuple[Placement, ...]) -> dict[str, tuple[bool, bool]]:
    """In B and in A by key."""
    return {one.key: (one.in_b, one.in_a) for one in placements}


@many
@given(seeds, switches, rounds, offsets)
def test_the_figure_is_that_of_the_replay(seed: int, switched: dict[str, Any], of: Round, days: int) -> None:
    """Over random histories, settings, rounds and moments of the data, person by person."""
    past, rules = history(seed), rules_of(switched)
    when = period(of, rules, days)
    expected = naive(past, rules, when)
    placements = place(facts(past), rules, when)
    assert membership(placements) == expected
    counted = figure_of(placements)
    assert (counted.a, counted.b) == (sum(a for _, a in expected.values()), sum(b for b, _ in expected.values()))


def test_the_histories_reach_every_reason() -> None:
    """The property above is worth what its histories hold: each reason occurs, and often enough."""
    rules = rules_of({})
    seen: dict[str, int] = {}
    for seed in range(600):
        for one in place_seats(facts(history(seed)), rules, period(CALENDAR[2], rules, days=200)):
            seen[one.reason] = seen.get(one.reason, 0) + 1
    assert {reason for reason, count in seen.items() if count >= 5} == {
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
    }


@many
@given(seeds, switches, rounds)
def test_a_is_a_part_of_b_and_everybody_has_one_reason(seed: int, switched: dict[str, Any], of: Round) -> None:
    """Reasons add up to the roster, and nobody is in A who is not in B."""
    past, rules = history(seed), rules_of(switched)
    placements = place(facts(past), rules, period(of, rules))
    assert all(one.in_b for one in placements if one.in_a)
    keys = {seat.id if rules.membership_count_by == "seat" else seat.person for seat in past.seats}
    assert [one.key for one in placements] == sorted(keys)
    assert sum(figure_of(placements).counts.values()) == len(keys)


@many
@given(seeds, switches, rounds, st.randoms(use_true_random=False))
def test_the_order_of_the_facts_is_nothing(seed: int, switched: dict[str, Any], of: Round, dice: random.Random) -> None:
    """Seats, check-ins and attempts in any order give the same placements."""
    rules = rules_of(switched)
    seats = facts(history(seed))
    shuffled = [
        replace(
            seat,
            check_ins=tuple(dice.sample(seat.check_ins, len(seat.check_ins))),
            attempts=tuple(dice.sample(seat.attempts, len(seat.attempts))),
        )
        for seat in dice.sample(seats, len(seats))
    ]
    when = period(of, rules)
    assert place(shuffled, rules, when) == place(seats, rules, when)


@many
@given(seeds, switches, rounds)
def test_units_add_up_to_the_whole(seed: int, switched: dict[str, Any], of: Round) -> None:
    """A person is in one unit only, so that A and B of all units are A and B of the office."""
    rules = rules_of(switched)
    placements = place(facts(history(seed)), rules, period(of, rules))
    table, whole = by_unit(placements), figure_of(placements)
    units = [row.figure for row in table.rows if row.figure]
    assert (sum(one.a for one in units), sum(one.b for one in units)) == (whole.a, whole.b)
    assert table.total == whole


@many
@given(seeds, switches, rounds)
def test_people_are_at_most_seats(seed: int, switched: dict[str, Any], of: Round) -> None:
    """Counting people never gives more than counting seats, and gives somebody where seats do."""
    rules = rules_of(switched)
    when = period(of, rules)
    seats = facts(history(seed))
    by = {
        count_by: figure_of(place(seats, rules.model_copy(update={"membership_count_by": count_by}), when))
        for count_by in ("person", "seat")
    }
    for people, places in ((by["person"].a, by["seat"].a), (by["person"].b, by["seat"].b)):
        assert people <= places
        assert bool(people) == bool(places)


@many
@given(seeds, switches, rounds)
def test_what_is_received_after_the_cut_off_changes_nothing(seed: int, switched: dict[str, Any], of: Round) -> None:
    """Without any later fact the same people are in A and B: later events belong to the next snapshot."""
    rules = rules_of(switched)
    when = period(of, rules)
    seats = facts(history(seed))
    earlier = [
        replace(
            seat,
            registered_at=seat.registered_at if seat.registered_at and seat.registered_at <= when.cutoff else None,
            check_ins=tuple(one for one in seat.check_ins if one <= when.cutoff),
            attempts=tuple(one for one in seat.attempts if one.received_at <= when.cutoff),
            marks=tuple(one for one in seat.marks if one.at <= when.cutoff),
        )
        for seat in seats
    ]
    assert membership(place(earlier, rules, when)) == membership(place(seats, rules, when))


@many
@given(seeds, switches)
def test_in_round_nobody_passes_twice(seed: int, switched: dict[str, Any]) -> None:
    """A seat is in A of one round at most: late passes are carried over, and not counted again."""
    rules = rules_of(switched | {"kpi_cumulative": False})
    seats = facts(history(seed))
    passed = [{one.key for one in place_seats(seats, rules, period(of, rules)) if one.in_a} for of in CALENDAR[1:]]
    assert not passed[0] & passed[1]


@many
@given(seeds, rounds)
def test_a_pass_that_comes_in_time_is_never_lost(seed: int, of: Round) -> None:
    """One more attempt that passes can only move people into A, whatever happened before it."""
    rules = rules_of({})
    when = period(of, rules)
    seats = facts(history(seed))
    more = [
        replace(
            seat,
            attempts=seat.attempts
            + tuple(Attempt(exercise=one, received_at=when.cutoff, outcome="pass") for one in ("a", "b", "c")),
        )
        if seat.attempts
        else seat
        for seat in seats
    ]
    before, after = membership(place(seats, rules, when)), membership(place(more, rules, when))
    assert all(after[key][1] for key, (_, in_a) in before.items() if in_a)


def test_the_replay_would_see_a_difference() -> None:
    """The naive figure is not the program's in disguise: another rule gives another figure."""
    rules, other = rules_of({}), rules_of({"membership_withdrew": False})
    when = period(CALENDAR[1], rules)
    unlike = [
        seed
        for seed in range(60)
        if naive(history(seed), rules, when) != membership(place(facts(history(seed)), other, when))
    ]
    assert unlike


@pytest.mark.parametrize("seed", range(3))
def test_a_history_is_the_same_every_time(seed: int) -> None:
    """A failing seed can be looked at again."""
    assert history(seed) == history(seed)
