"""Units of a round: the rows of the table, one unit by itself, and how both stood in the round before.

A small number is hidden wherever it would stand, and sorting never tells where it lies: hidden rows come last, by name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.kpi import (
    Enrolment,
    Figure,
    KpiSettings,
    Period,
    Placement,
    Round,
    Rules,
    gap,
    hidden_units,
    more_passes_needed,
    place,
)
from grader.records import Assignment, ExerciseVersion, Records, Seat, Unit
from grader.reports.sorting import thai_key
from grader.services import figures, standings
from grader.services.figures import Tally
from grader.services.indicator.calendar import counted_period, reporting_round, reporting_rounds
from grader.services.indicator.published import published_of
from grader.services.standings import settings_of

TREND: Final = 8
"""Rounds of the row of earlier figures, this one among them."""
SORTS: Final = ("name", "a", "b", "percent", "gap", "change")
"""Columns that the table can be sorted by; "-" before one turns it round."""

Hidden: TypeAlias = Literal["small", "protects"] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitCount:
    """A unit of the roster. ``tally`` is None where its number is hidden, and ``hidden`` says why.

    ``gap`` is from the target and ``change`` from the round before, in points; None where there is nothing to compare.
    """

    unit: str
    name: str
    tally: Tally | None
    hidden: Hidden = None
    gap: Decimal | None = None
    change: Decimal | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitRound:
    """A unit in one round; ``tally`` is None where it is hidden. ``sha256``: as in ``RoundFigure``."""

    round: Round
    tally: Tally | None
    hidden: Hidden = None
    sha256: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExerciseCount:
    """An exercise of the people of a unit who are in B: how many handed something in, and how many passed it."""

    exercise: str
    title: Mapping[str, str]
    handed: int
    passed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitPage:
    """One unit in one round. ``exercises`` is empty where the unit is hidden; ``trend`` ends with this round."""

    unit: str
    name: str
    round: Round
    as_of: datetime
    now: UnitRound
    target: Decimal | None
    gap: Decimal | None
    needed: int | None
    trend: tuple[UnitRound, ...]
    exercises: tuple[ExerciseCount, ...]
    settings: KpiSettings


def unit_page(records: Records, fy_be: int, code: str, unit: str) -> UnitPage:
    """One unit of the roster.

    Raises:
        UsageProblem: ``indicator.round_unknown``, ``records.not_found``.
    """
    with records.reading() as session:
        now = records.database.now(session)
        settings = settings_of(session)
        rules = settings.rules
        found = reporting_round(session, fy_be, code)
        name = dict(_roster(session)).get(unit)
        if name is None:
            raise UsageProblem("records.not_found", what=unit)
        period = counted_period(session, rules, fy_be, code, as_of=now)
        rounds = [_as_published(session, rules, one, now) for one in before(session, found)[1 - TREND :]]
        shown = _counted(found, figures.by_unit(session, rules, period), rules)
        own = _row(shown, unit, rules)
        counted = Figure(a=own.tally.a, b=own.tally.b, decimals=own.tally.decimals) if own.tally else None
        return UnitPage(
            unit=unit,
            name=name,
            round=found,
            as_of=now,
            now=own,
            target=rules.kpi_target,
            gap=gap(counted, rules.kpi_target) if counted else None,
            needed=more_passes_needed(counted, rules.kpi_target) if counted else None,
            trend=(*(_row(one, unit, rules) for one in rounds), own),
            exercises=() if counted is None else exercises_of(session, rules, period, unit),
            settings=settings,
        )


def unit_rows(
    session: Session, rules: Rules, tallies: Mapping[str, Tally], earlier: Mapping[str, UnitRound]
) -> tuple[UnitCount, ...]:
    """Every unit of the roster in the order of a dictionary, small numbers hidden; one without anybody in B has 0."""
    nothing = Tally(a=0, b=0, decimals=rules.kpi_decimals)
    hidden = _hidden(tallies, rules)
    found = []
    for unit, name in _roster(session):
        tally = None if unit in hidden else tallies.get(unit, nothing)
        was = earlier[unit].tally if unit in earlier else None
        now, then = tally.percent if tally else None, was.percent if was else None
        found.append(
            UnitCount(
                unit=unit,
                name=name,
                tally=tally,
                hidden=hidden.get(unit),
                gap=None if now is None or rules.kpi_target is None else now - rules.kpi_target,
                change=None if now is None or then is None else now - then,
            )
        )
    return tuple(sorted(found, key=lambda one: (thai_key(one.name), one.unit)))


def in_order(rows: Sequence[UnitCount], sort: str) -> tuple[UnitCount, ...]:
    """The rows by one of :data:`SORTS` (with "-" from the end); any other word leaves them as they are."""
    key, down = sort.removeprefix("-"), sort.startswith("-")
    if key not in SORTS:
        return tuple(rows)
    if key == "name":
        return tuple(reversed(rows)) if down else tuple(rows)
    values = [(one, _value(one, key)) for one in rows]
    known = [(one, value) for one, value in values if value is not None]
    known.sort(key=lambda pair: pair[1], reverse=down)
    return (*(one for one, _ in known), *(one for one, value in values if value is None))


def rounds_before(session: Session, rules: Rules, found: Round, now: datetime) -> Mapping[str, UnitRound]:
    """Each unit in the last round that ended before this one did; empty where there is none."""
    last = before(session, found)[-1:]
    return _as_published(session, rules, last[0], now)[1] if last else {}


def before(session: Session, found: Round) -> list[Round]:
    """The rounds that ended before this one did, the oldest first."""
    earlier = [one for one in reporting_rounds(session) if (one.end, one.start) < (found.end, found.start)]
    return sorted(earlier, key=lambda one: (one.end, one.start))


def exercises_of(session: Session, rules: Rules, period: Period, unit: str) -> tuple[ExerciseCount, ...]:
    """How far the people of a unit who are in B came with each exercise that their training rounds have."""
    people = select(Seat.person_id).where(Seat.unit_id == unit).distinct()
    seats = session.scalars(select(Seat.id).where(Seat.person_id.in_(people))).all()
    facts = {one.id: one for one in standings.facts(session, seats)}
    placed = place(facts.values(), rules, period)
    inside = [(one, facts[one.enrolment]) for one in placed if one.in_b and one.unit == unit]
    rounds = select(Seat.round_id).where(Seat.unit_id == unit)
    given = (
        select(Assignment.exercise, ExerciseVersion.title)
        .join(ExerciseVersion, ExerciseVersion.digest == Assignment.digest)
        .where(Assignment.round_id.in_(rounds))
        .order_by(Assignment.exercise)
    )
    titles = {row.exercise: row.title for row in session.execute(given)}
    return tuple(_exercise(exercise, title, inside, period.cutoff) for exercise, title in titles.items())


def _exercise(
    exercise: str, title: Mapping[str, str], inside: Sequence[tuple[Placement, Enrolment]], cutoff: datetime
) -> ExerciseCount:
    outcomes = [
        {one.outcome for one in facts.attempts if one.exercise == exercise and one.received_at <= cutoff}
        for _, facts in inside
    ]
    handed, passed = sum(bool(one) for one in outcomes), sum("pass" in one for one in outcomes)
    return ExerciseCount(exercise=exercise, title=title, handed=handed, passed=passed)


def _as_published(session: Session, rules: Rules, one: Round, now: datetime) -> tuple[Round, Mapping[str, UnitRound]]:
    snapshot = published_of(session, one)
    if snapshot is None:
        period = counted_period(session, rules, one.fy_be, one.code, as_of=now)
        return _counted(one, figures.by_unit(session, rules, period), rules)
    decimals = snapshot.rules.kpi_decimals
    return one, {
        row.unit: UnitRound(
            round=one,
            tally=Tally(a=row.figure.a, b=row.figure.b, decimals=decimals) if row.figure else None,
            hidden=row.hidden,
            sha256=snapshot.sha256,
        )
        for row in snapshot.units.rows
    }


def _counted(one: Round, tallies: Mapping[str, Tally], rules: Rules) -> tuple[Round, Mapping[str, UnitRound]]:
    hidden = _hidden(tallies, rules)
    return one, {
        unit: UnitRound(round=one, tally=None if unit in hidden else tally, hidden=hidden.get(unit))
        for unit, tally in tallies.items()
    }


def _row(of: tuple[Round, Mapping[str, UnitRound]], unit: str, rules: Rules) -> UnitRound:
    one, rows = of
    return rows.get(unit) or UnitRound(round=one, tally=Tally(a=0, b=0, decimals=rules.kpi_decimals))


def _hidden(tallies: Mapping[str, Tally], rules: Rules) -> dict[str, Literal["small", "protects"]]:
    return hidden_units({unit: one.b for unit, one in tallies.items()}, rules.kpi_small_number)


def _roster(session: Session) -> list[tuple[str, str]]:
    rows = session.execute(select(Unit.id, Unit.name).where(Unit.id.in_(select(Seat.unit_id).distinct())))
    return [(row.id, row.name) for row in rows]


def _value(row: UnitCount, key: str) -> Decimal | int | None:
    if row.tally is None or key in {"gap", "change"}:
        return None if row.tally is None else row.gap if key == "gap" else row.change
    return {"a": row.tally.a, "b": row.tally.b, "percent": row.tally.percent}[key]
