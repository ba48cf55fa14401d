"""A and B of a period, counted by the database from the standings of seats: for screens that ask all the time.

It is a second way to the figure of ``grader.kpi.place`` and ``figure_of``, and to the same numbers: tests hold one
against the other over random histories. Where a standing is missing or was made with other settings, the facts are
counted instead. A snapshot is never made from here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, null, or_, select
from sqlalchemy.orm import Session

from grader import kpi
from grader.kpi import Figure, Period, Placement, Rules, figure_of, percentage, place
from grader.kpi.fiscal import last_moment, midnight
from grader.records import SeatEvent, SeatStanding
from grader.services import standings

_Rows: TypeAlias = Select[*tuple[Any, ...]]

_NOT_NOTED: Final = "cleared"
"""The note of a seat about which nothing stands."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """A and B. Unlike a ``grader.kpi.Figure`` it has no reasons, and so knows nothing of who is still being graded."""

    a: int
    b: int
    decimals: int

    @property
    def percent(self) -> Decimal | None:
        """The printed percentage; None: no data."""
        return percentage(self.a, self.b, self.decimals)


def figure(session: Session, rules: Rules, period: Period) -> Tally:
    """A and B of a period: exactly those of ``figure_of(place(facts(session), rules, period))``."""
    if not standings.current(session, rules):
        return _tally(figure_of(_placed(session, rules, period)), rules)
    keys = _keys(rules, period, units=False).subquery()
    b, a = session.execute(select(func.count(), func.sum(keys.c.in_a)).select_from(keys)).one()
    return Tally(a=int(a or 0), b=b, decimals=rules.kpi_decimals)


def by_unit(session: Session, rules: Rules, period: Period) -> dict[str, Tally]:
    """A and B of each unit that has anybody in B, by unit id and in that order; they add up to :func:`figure`.

    A person is in the unit of the seat that decided. Nothing is hidden: small numbers are for whoever shows them.
    """
    if not standings.current(session, rules):
        return _tallies(_placed(session, rules, period), rules)
    keys = _keys(rules, period, units=True).subquery()
    # Which of several seats decided may depend on results that no standing has. Where all of them are of one unit that
    # does not matter; the few people who are left are placed one by one.
    one_unit = keys.c.unit == keys.c.last_unit
    unit, person = case((one_unit, keys.c.unit)), case((~one_unit, keys.c.key))
    counted = session.execute(select(unit, person, func.count(), func.sum(keys.c.in_a)).group_by(unit, person)).all()
    found = _tallies(_placed(session, rules, period, [who for _, who, *_ in counted if who is not None]), rules)
    for where, who, b, a in counted:
        if who is None:
            more = found.get(where, Tally(a=0, b=0, decimals=rules.kpi_decimals))
            found[where] = Tally(a=more.a + int(a), b=more.b + b, decimals=rules.kpi_decimals)
    return dict(sorted(found.items()))


# -- in the database --------------------------------------------------------------------------------------------------


def _keys(rules: Rules, period: Period, *, units: bool) -> _Rows:
    """Who is in B: the person or seat, whether in A (1 or 0), and if wanted the first and last unit of seats in B."""
    seats = _seats(rules, period).subquery()
    if rules.membership_count_by == "seat":
        return select(seats.c.seat.label("key"), seats.c.in_a, seats.c.unit, seats.c.unit.label("last_unit"))
    people = select(seats.c.person.label("key"), func.max(seats.c.in_a).label("in_a")).group_by(seats.c.person)
    if units:
        first, last = func.min(seats.c.unit), func.max(seats.c.unit)
        people = people.add_columns(first.label("unit"), last.label("last_unit"))
    return people


def _seats(rules: Rules, period: Period) -> _Rows:
    """The seats in B: person, seat, unit, and whether in A (1 or 0)."""
    begins, ends = midnight(period.first).astimezone(UTC), last_moment(period.last).astimezone(UTC)
    entered, passed_at, note = SeatStanding.entered_at, SeatStanding.passed_at, _note(period)
    passed = and_(passed_at <= period.cutoff, note == _NOT_NOTED)
    inside = [entered >= begins, entered <= min(ends, period.cutoff)]
    left_out = {"excluded"} if not rules.membership_excluded else set()
    left_out |= {"withdrew", "declined", "replaced"} if not rules.membership_withdrew else set()
    if left_out:
        inside.append(note.not_in(sorted(left_out)))
    carried = [entered < begins, passed_at > period.passed_after, passed]
    if period.carried_from is not None:
        carried.append(entered >= midnight(period.carried_from).astimezone(UTC))
    parts = ["trainee", "external"] if rules.membership_external else ["trainee"]
    return select(
        SeatStanding.person_id.label("person"),
        SeatStanding.seat_id.label("seat"),
        SeatStanding.unit_id.label("unit"),
        case((passed, 1), else_=0).label("in_a"),
    ).where(SeatStanding.part.in_(parts), or_(and_(*inside), and_(*carried)))


def _note(period: Period) -> ColumnElement[str]:
    """The note that stood at the cut-off for somebody who had come by then; a note from before coming is void.

    The latest note is usually from before the cut-off, and is in the standing. Otherwise the one that stood is looked
    up, which costs something for those seats only.
    """
    earlier = (
        select(SeatEvent.kind)
        .where(
            SeatEvent.seat_id == SeatStanding.seat_id,
            SeatEvent.kind.in_(standings.MARKS),
            SeatEvent.at >= SeatStanding.entered_at,
            SeatEvent.at <= period.cutoff,
        )
        .order_by(SeatEvent.at.desc(), SeatEvent.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    stood = case(
        (SeatStanding.mark_at.is_(None), null()),
        (SeatStanding.mark_at <= period.cutoff, SeatStanding.mark),
        (SeatStanding.marks == 1, null()),
        else_=earlier,
    )
    return func.coalesce(stood, literal(_NOT_NOTED))


# -- from the facts ---------------------------------------------------------------------------------------------------


def _placed(
    session: Session, rules: Rules, period: Period, people: Iterable[str] | None = None
) -> tuple[Placement, ...]:
    """The place of these people (default: of all), from the facts."""
    if people is None:
        return place(standings.facts(session), rules, period)
    seats: list[str] = []
    for some in standings.batches(people):
        seats += session.scalars(select(SeatStanding.seat_id).where(SeatStanding.person_id.in_(some)))
    return place(standings.facts(session, seats), rules, period)


def _tallies(placements: Iterable[Placement], rules: Rules) -> dict[str, Tally]:
    rows = kpi.by_unit(placements, decimals=rules.kpi_decimals).rows
    return {row.unit: _tally(row.figure, rules) for row in rows if row.figure and row.figure.b}


def _tally(of: Figure, rules: Rules) -> Tally:
    return Tally(a=of.a, b=of.b, decimals=rules.kpi_decimals)
