"""Certificates over real records: who gets one, what it keeps, and what is forgotten on request only."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from sqlalchemy import delete, select

from grader.errors import UsageProblem
from grader.queue import claim
from grader.records import (
    AuditEntry,
    Certificate,
    Seat,
    SeatEvent,
    SeatStanding,
    TrainingRound,
)
from grader.services import certificates, indicator, rounds
from grader.services.certificates import Terms
from grader.services.purging import erase_person, purge
from tests.fixtures.records import CODE, MINI, Classroom, Clock, recorded

TERMS = Terms(course="หลักสูตรสาธิต", issued_on=date(2026, 11, 22), hours=30, signer="นายสาธิต", position="ผู้อำนวยการ")
RULE = {"course.pass_rule": {"groups": [{"at_least": 1, "of": [MINI.exercise.id]}]}}


@pytest.fixture
def room(timed: Classroom) -> Classroom:
    """A room of eleven whose course is the small exercise, of whom the first three passed."""
    indicator.revise(timed.records, RULE, by="officer")
    for seat in range(4):
        timed.submit(seat)
        held = claim(timed.records, "w")
        assert held is not None
        assert recorded(timed.records, held, "pass" if seat < 3 else "fail")
    return timed


def issue(room: Classroom, **options: object) -> list[Certificate]:
    """Give certificates as the coordinator."""
    return certificates.issue(room.records, round_code=CODE, terms=TERMS, by="coordinator", **options)  # type: ignore[arg-type]


def refused(work: Callable[[], object]) -> str:
    """The code with which something is refused."""
    with pytest.raises(UsageProblem) as caught:
        work()
    return caught.value.code


def confirmed(room: Classroom, name: str) -> certificates.Confirmed | None:
    """What the public page says."""
    with room.records.reading() as session:
        return certificates.confirm(session, name)


def test_who_passed_gets_one_and_nobody_two(room: Classroom) -> None:
    """By the standing of the seat; numbers count on, ids are 128 random bits, and the audit holds no name."""
    made = issue(room, seats=[room.seats[1]])
    made += issue(room)
    assert sorted(one.seat_id for one in made) == sorted(room.seats[:3])
    assert [one.number for one in made] == [1, 2, 3]
    assert {one.year_be for one in made} == {2569}
    assert len({one.id for one in made}) == 3
    assert {len(one.id) for one in made} == {22}
    assert refused(lambda: issue(room)) == "certificate.nobody"
    assert refused(lambda: issue(room, seats=[room.seats[3]])) == "certificate.not_passed"
    told = [one for one in room.all(AuditEntry) if one.action == "certificate.issued"]
    assert [one.object for one in told] == [one.id for one in made]
    assert "ผู้เรียน" not in str([one.after for one in told])


def test_a_withdrawal_and_an_observer_get_none(room: Classroom) -> None:
    """Whoever withdrew counts as no pass in the figure, and here; the page of the round says who may."""
    rounds.note(room.records, seat=room.seats[0], kind="withdrew", by="c", reason="ลาออก")
    with room.records.change(by="c") as change:
        change.session.get_one(Seat, room.seats[1]).part = "observer"
        change.audit("seat.changed", room.seats[1])
    assert [one.seat_id for one in issue(room)] == [room.seats[2]]
    with room.records.reading() as session:
        found = certificates.candidates(session, CODE)
    assert room.seats[1] not in {one.seat for one in found}
    assert [one.seat for one in found if one.valid] == [room.seats[2]]
    assert [one.seat for one in found if one.passed_at] == [room.seats[2]]


def test_old_standings_are_made_again_first(room: Classroom) -> None:
    """A rule that changed behind the program's back gives nobody a certificate who did not pass by it."""
    with room.records.upkeep() as session:
        session.execute(delete(SeatStanding).where(SeatStanding.seat_id == room.seats[0]))
    assert len(issue(room)) == 3


def test_at_the_same_moment_everybody_gets_one(room: Classroom, in_parallel: Callable[..., list[object]]) -> None:
    """Two coordinators press the button together: three certificates, and one is told that nobody is left."""

    def press(_: object) -> int:
        try:
            return len(issue(room))
        except UsageProblem as problem:
            return {"certificate.nobody": 0}[problem.code]

    assert sorted(in_parallel(press, range(2), threads=2)) == [0, 3]  # type: ignore[type-var]
    assert sorted(one.number for one in room.all(Certificate)) == [1, 2, 3]


def test_a_revoked_one_keeps_its_id(room: Classroom) -> None:
    """It needs a reason, once; the public sees that it is not valid, and a new one may follow."""
    first = issue(room, seats=[room.seats[0]])[0]
    assert (
        refused(lambda: certificates.revoke(room.records, first.id, by="c", reason=" ")) == "certificate.reason_missing"
    )
    certificates.revoke(room.records, first.id, by="c", reason="ออกผิดคน")
    assert refused(lambda: certificates.revoke(room.records, first.id, by="c", reason="x")) == "certificate.revoked"
    assert refused(lambda: certificates.revoke(room.records, "x", by="c", reason="x")) == "records.not_found"
    told = confirmed(room, first.id)
    assert told is not None
    assert not told.valid
    again = issue(room, seats=[room.seats[0]])[0]
    assert again.id != first.id
    told = confirmed(room, again.id)
    assert told is not None
    assert told.valid


def test_it_survives_its_round(room: Classroom) -> None:
    """The four values are its own: no row of a round, seat or person is needed to confirm it."""
    made = issue(room, seats=[room.seats[0]])[0]
    with room.records.database.engine.connect() as connection:
        referring = [key for table in (Certificate.__table__,) for key in table.foreign_keys]  # type: ignore[attr-defined]
        assert referring == []
        assert connection.execute(select(Certificate.id)).scalars().all() == [made.id]
    with room.records.upkeep() as session:
        found = session.scalars(select(TrainingRound)).one()
        found.name, found.code = "อื่น", "gone"
    told = confirmed(room, made.id)
    assert told is not None
    assert (told.name, told.course, told.issued_on) == ("ผู้เรียน 0", TERMS.course, TERMS.issued_on)


def test_retention_keeps_it_and_a_request_forgets_it(room: Classroom, clock: Clock) -> None:
    """The name goes from the roster with its age; from a certificate only when its holder asks, also afterwards."""
    with room.records.upkeep() as session:
        session.scalars(select(TrainingRound)).one().ends_on = date(2026, 11, 30)
    made = issue(room, seats=[room.seats[0]])[0]
    clock.pass_by(timedelta(days=800).total_seconds())
    report = purge(room.records, by="office", names_older_than=timedelta(days=365), dry_run=False)
    assert made.person_id in report.people
    told = confirmed(room, made.id)
    assert told is not None
    assert told.name == "ผู้เรียน 0"
    erase_person(room.records, person=made.person_id, by="office", reason="ขอลบ")
    assert confirmed(room, made.id) is None
    with room.records.reading() as session:
        assert session.get_one(Certificate, made.id).name == "[…]"
    erase_person(room.records, person=made.person_id, by="office", reason="ขอลบ")
    told_of = [one.object for one in room.all(AuditEntry) if one.action == "certificate.forgotten"]
    assert told_of == [made.person_id]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"course": "  "}, "course"),
        ({"course": "x" * 256}, "course"),
        ({"kind": "medal"}, "kind"),
        ({"hours": 0}, "hours"),
        ({"hours": 9999}, "hours"),
        ({"signer": "x" * 256}, "signer"),
        ({"position": "x" * 256}, "position"),
    ],
)
def test_what_cannot_be_printed_is_refused(room: Classroom, change: dict[str, object], field: str) -> None:
    """The field is named, and nothing is issued."""
    values = {name: getattr(TERMS, name) for name in Terms.__slots__}
    terms = Terms(**{**values, **change})
    with pytest.raises(UsageProblem) as caught:
        certificates.issue(room.records, round_code=CODE, terms=terms, by="c")
    assert (caught.value.code, caught.value.params["field"]) == ("certificate.terms", field)
    assert room.all(Certificate) == []
    assert SeatEvent.__tablename__ not in {key.column.table.name for key in Certificate.__table__.foreign_keys}
