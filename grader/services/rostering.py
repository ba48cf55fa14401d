"""Rosters of training rounds: what an import would do, doing it whole or not at all, and the way out again.

Nobody is removed by an import: who is missing in a file is named, and taken off by a note. A code that stands for
another name than before is somebody else's as likely as a new name, so it has to be confirmed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.kpi.fiscal import bangkok_date, midnight
from grader.records import Change, Person, Records, Seat, SeatEvent, TrainingRound, Unit, new_id
from grader.rosters import RosterRow
from grader.services import standings
from grader.services.rounds import add_event, round_of


@dataclass(frozen=True, kw_only=True, slots=True)
class RosterPlan:
    """What an import changes, as codes of people. ``missing`` are on the roster and not in the file: they stay.

    ``renamed`` are (code, name before, name in the file).
    """

    added: tuple[str, ...]
    changed: tuple[str, ...]
    same: tuple[str, ...]
    missing: tuple[str, ...]
    renamed: tuple[tuple[str, str, str], ...]


def plan(session: Session, *, round_code: str, rows: Sequence[RosterRow]) -> RosterPlan:
    """Compare rows with what is there.

    Raises:
        UsageProblem: ``round.unknown``.
    """
    training = round_of(session, round_code)
    there = {row.code: row for row in export(session, round_code=round_code)}
    people = {person.code: person for person in session.scalars(select(Person))}
    new = {row.code: row for row in rows}
    renamed = [
        (row.code, people[row.code].name, row.name)
        for row in rows
        if row.code in people and people[row.code].name not in {"", row.name}
    ]
    assert training.code == round_code
    return RosterPlan(
        added=tuple(code for code in new if code not in there),
        changed=tuple(code for code, row in new.items() if code in there and there[code] != row),
        same=tuple(code for code, row in new.items() if there.get(code) == row),
        missing=tuple(code for code in there if code not in new),
        renamed=tuple(renamed),
    )


def import_roster(
    records: Records, *, round_code: str, rows: Sequence[RosterRow], by: str, accept_renames: bool = False
) -> RosterPlan:
    """Put these rows on the roster, all in one transaction; returns what it changed.

    Raises:
        UsageProblem: ``round.unknown``, ``round.renames`` with the codes that stand for another name,
            ``round.erased_code``: somebody who was forgotten.
    """
    with records.change(by=by) as change:
        session = change.session
        training = round_of(session, round_code)
        planned = plan(session, round_code=round_code, rows=rows)
        if planned.renamed and not accept_renames:
            codes = ", ".join(code for code, _, _ in planned.renamed)
            raise UsageProblem("round.renames", count=len(planned.renamed), codes=codes)
        touched = {*planned.added, *planned.changed}
        for row in rows:
            if row.code in touched:
                _put(change, training, row)
        change.audit(
            "roster.imported", training.id, after={"added": len(planned.added), "changed": len(planned.changed)}
        )
    return planned


def export(session: Session, *, round_code: str) -> list[RosterRow]:
    """The roster of a round, in the order of the codes; importing it changes nothing.

    Raises:
        UsageProblem: ``round.unknown``.
    """
    training = round_of(session, round_code)
    registered = _registered(session, training)
    statement = (
        select(Seat, Person, Unit)
        .join(Person, Person.id == Seat.person_id)
        .join(Unit, Unit.id == Seat.unit_id)
        .where(Seat.round_id == training.id)
        .order_by(Person.code)
    )
    return [
        RosterRow(
            code=person.code,
            name=person.name,
            email=person.email,
            unit_code=unit.code,
            unit_name=unit.name,
            part=seat.part,  # type: ignore[arg-type]  # the table holds no other values
            registered_on=None if seat.id not in registered else bangkok_date(registered[seat.id]),
            note=seat.note,
        )
        for seat, person, unit in session.execute(statement)
    ]


def seat_of(session: Session, *, round_code: str, person_code: str) -> Seat:
    """The seat of a person in a round.

    Raises:
        UsageProblem: ``round.unknown``, ``submission.not_enrolled``.
    """
    training = round_of(session, round_code)
    found = session.scalars(
        select(Seat).join(Person).where(Seat.round_id == training.id, Person.code == person_code)
    ).one_or_none()
    if found is None:
        raise UsageProblem("submission.not_enrolled", person=person_code, round=round_code)
    return found


def _registered(session: Session, training: TrainingRound) -> dict[str, datetime]:
    """The first registration of each seat."""
    statement = (
        select(SeatEvent.seat_id, SeatEvent.at)
        .join(Seat, Seat.id == SeatEvent.seat_id)
        .where(Seat.round_id == training.id, SeatEvent.kind == "registered")
        .order_by(SeatEvent.at.desc())
    )
    return dict(session.execute(statement).all())


def _put(change: Change, training: TrainingRound, row: RosterRow) -> None:
    session = change.session
    unit = _unit(session, row)
    person = session.scalars(select(Person).where(Person.code == row.code)).one_or_none()
    if person is not None and person.erased_at is not None:
        raise UsageProblem("round.erased_code", code_given=row.code)
    if person is None:
        person = Person(id=new_id("per"), code=row.code, created_at=change.at, name="", unit_id=unit.id)
        session.add(person)
    person.name, person.email, person.unit_id = row.name, row.email, unit.id
    session.flush()
    seat = session.scalars(select(Seat).where(Seat.round_id == training.id, Seat.person_id == person.id)).one_or_none()
    if seat is None:
        seat = Seat(id=new_id("sea"), round_id=training.id, person_id=person.id, unit_id=unit.id, created_at=change.at)
        session.add(seat)
    seat.unit_id, seat.part, seat.note = unit.id, row.part, row.note
    session.flush()
    if row.registered_on is not None:
        known = select(SeatEvent.id).where(SeatEvent.seat_id == seat.id, SeatEvent.kind == "registered").limit(1)
        if session.scalar(known) is None:
            at = min(midnight(row.registered_on).astimezone(UTC), change.at)
            add_event(change, seat=seat.id, kind="registered", at=at, by=change.by)
    standings.refresh(session, seat.id)


def _unit(session: Session, row: RosterRow) -> Unit:
    """The unit of a row by its code, or by its name where rosters have no codes; its name follows the newest roster."""
    code = (row.unit_code or row.unit_name)[:64]
    unit = session.scalars(select(Unit).where(Unit.code == code)).one_or_none()
    if unit is None:
        unit = Unit(id=new_id("unt"), code=code, name=row.unit_name or code)
        session.add(unit)
        session.flush()
    elif row.unit_name:
        unit.name = row.unit_name
    return unit
