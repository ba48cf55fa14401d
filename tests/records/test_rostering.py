"""Rosters come in whole or not at all, and go out as they came in."""

from datetime import date

import pytest

from grader.errors import UsageProblem
from grader.records import Person, Records, Seat, SeatEvent
from grader.rosters import RosterRow, read_roster, write_csv
from grader.services import rostering, rounds
from tests.fixtures.records import Classroom

ROUND = "r9"


def row(number: int, **changed: object) -> RosterRow:
    """One person of a roster."""
    values: dict[str, object] = {
        "code": f"p{number:03}",
        "name": f"นางสาธิต คนที่ {number}",
        "unit_code": "97001",
        "unit_name": "ศูนย์สาธิต",
        "email": f"p{number}@example.go.th",
        "registered_on": date(2026, 11, 1),
    }
    return RosterRow(**{**values, **changed})  # type: ignore[arg-type]


@pytest.fixture
def office(records: Records) -> Records:
    """Records with an empty round."""
    rounds.create_round(records, code=ROUND, name="รุ่น", by="coordinator", starts_on=date(2026, 11, 9))
    return records


def exported(records: Records) -> list[RosterRow]:
    """The roster as it would be written."""
    with records.reading() as session:
        return rostering.export(session, round_code=ROUND)


def count(records: Records, model: type[Person | Seat | SeatEvent]) -> int:
    """How many rows a table has."""
    with records.reading() as session:
        return session.query(model).count()


def test_a_roster_goes_out_as_it_came_in(office: Records) -> None:
    """Import, export, import: the second import changes nothing."""
    rows = [row(number) for number in range(5)]
    first = rostering.import_roster(office, round_code=ROUND, rows=rows, by="c")
    assert len(first.added) == 5
    assert exported(office) == rows
    again = rostering.import_roster(
        office, round_code=ROUND, rows=read_roster(write_csv(exported(office)), "r.csv").rows, by="c"
    )
    assert (again.added, again.changed, len(again.same)) == ((), (), 5)
    assert count(office, SeatEvent) == 5


def test_nobody_is_removed_and_who_is_missing_is_named(office: Records) -> None:
    """A shorter file takes nobody off."""
    rostering.import_roster(office, round_code=ROUND, rows=[row(1), row(2)], by="c")
    planned = rostering.import_roster(office, round_code=ROUND, rows=[row(2, note="ย้ายห้อง")], by="c")
    assert (planned.missing, planned.changed) == (("p001",), ("p002",))
    assert count(office, Seat) == 2


def test_a_code_that_stands_for_another_name_has_to_be_confirmed(office: Records) -> None:
    """A wrong code would turn one person into another; nothing is imported until somebody says that it is right."""
    rostering.import_roster(office, round_code=ROUND, rows=[row(1)], by="c")
    renamed = [row(1, name="นางใหม่ สกุลใหม่"), row(2)]
    with pytest.raises(UsageProblem) as caught:
        rostering.import_roster(office, round_code=ROUND, rows=renamed, by="c")
    assert (caught.value.code, caught.value.params["codes"]) == ("round.renames", "p001")
    assert count(office, Seat) == 1
    rostering.import_roster(office, round_code=ROUND, rows=renamed, by="c", accept_renames=True)
    assert [one.name for one in exported(office)] == ["นางใหม่ สกุลใหม่", "นางสาธิต คนที่ 2"]


def test_a_preview_changes_nothing(office: Records) -> None:
    """The plan says what an import would do."""
    with office.reading() as session:
        planned = rostering.plan(session, round_code=ROUND, rows=[row(1)])
    assert planned.added == ("p001",)
    assert count(office, Person) == 0


def test_one_person_in_two_rounds_is_one_person(office: Records) -> None:
    """The code is the person, in every round; the seat keeps the unit of its time."""
    rounds.create_round(office, code="r10", name="รุ่นถัดไป", by="c")
    rostering.import_roster(office, round_code=ROUND, rows=[row(1)], by="c")
    moved = row(1, unit_code="97002", unit_name="กองสาธิต")
    rostering.import_roster(office, round_code="r10", rows=[moved], by="c")
    assert (count(office, Person), count(office, Seat)) == (1, 2)
    assert [one.unit_code for one in exported(office)] == ["97001"]


def test_somebody_who_is_not_enrolled_is_told_so(classroom: Classroom) -> None:
    """The refusal names person and round."""
    with classroom.records.reading() as session, pytest.raises(UsageProblem) as caught:
        rostering.seat_of(session, round_code="r1-2570", person_code="nobody")
    assert (caught.value.code, caught.value.params["person"]) == ("submission.not_enrolled", "nobody")
