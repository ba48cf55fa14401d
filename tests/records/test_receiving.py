"""Accepting work: what is acknowledged is kept, what is refused uses up nothing, and late is marked and not dropped."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from grader.errors import SubmissionRejected, UsageProblem
from grader.queue import claim, fault
from grader.records import AuditEntry, Job, Submission
from grader.services import admitting, receiving, rounds
from grader.services.admitting import NotAccepted
from grader.services.receiving import GitSource, Receipt
from tests.fixtures.records import CODE, MINI, Classroom, Clock, recorded


def grade_all(room: Classroom, outcome: str = "fail") -> None:
    """Record this outcome for everything that waits."""
    while (held := claim(room.records, "w")) is not None:
        assert recorded(room.records, held, outcome, 0)


def assigned(room: Classroom, **values: object) -> None:
    """Change how the exercise is given."""
    rounds.assign(room.records, round_code=CODE, pack=MINI, by="coordinator", **values)  # type: ignore[arg-type]


def refusal(work: Callable[[], object]) -> str:
    """The code with which something is not accepted."""
    with pytest.raises(NotAccepted) as caught:
        work()
    return caught.value.code


def test_a_receipt_proves_what_was_received(classroom: Classroom) -> None:
    """Row, bytes, job and audit entry are there before anybody has the receipt, and its signature is ours."""
    receipt = classroom.submit(content=b"PK work")
    records = classroom.records
    assert receipt.genuine(records.keys)
    assert records.blobs.open(receipt.sha256).read_bytes() == b"PK work"
    assert classroom.job(receipt.submission).state == "queued"
    with records.reading() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "submission.received")).one()
        assert receiving.receipt_of(session, receipt.submission) == receipt
    assert (entry.object, entry.after["sha256"]) == (receipt.submission, receipt.sha256)


@pytest.mark.parametrize("name", [name for name in Receipt.model_fields if name not in {"format", "signature"}])
def test_a_receipt_that_was_changed_is_not_genuine(classroom: Classroom, name: str) -> None:
    """Every field is signed."""
    receipt = classroom.submit()
    value = getattr(receipt, name)
    other = value + timedelta(seconds=1) if name == "received_at" else (not value if name == "late" else f"{value}0")
    if isinstance(value, int) and not isinstance(value, bool):
        other = value + 1
    if name == "git":
        other = GitSource(ref="main", commit="0" * 40, tree="0" * 40, fetched_at=receipt.received_at)
    assert receipt.genuine(classroom.records.keys)
    assert not receipt.model_copy(update={name: other}).genuine(classroom.records.keys)


def test_the_same_key_gives_the_same_receipt(classroom: Classroom) -> None:
    """Whoever did not hear the answer asks again, and nothing happens twice."""
    first = classroom.submit(content=b"a", idempotency_key="k")
    assert classroom.submit(content=b"a", idempotency_key="k") == first
    assert classroom.submit(seat=1, content=b"a", idempotency_key="k") != first, "keys belong to a seat"
    assert len(classroom.all(Submission)) == 2


def test_before_opening_nothing_is_accepted(timed: Classroom, clock: Clock) -> None:
    """A refusal says when it opens; nothing was kept."""
    assigned(timed, opens_at=clock() + timedelta(hours=1))
    assert refusal(timed.submit) == "submission.not_open"
    assert timed.all(Submission) == []
    clock.pass_by(3601)
    assert not timed.submit().late


def test_a_late_submission_is_kept_and_marked(timed: Classroom, clock: Clock) -> None:
    """The moment of receipt decides, to the microsecond; a late one is graded all the same."""
    assigned(timed, closes_at=clock() + timedelta(hours=1))
    clock.pass_by(3600)
    assert not timed.submit().late
    clock.now += timedelta(microseconds=1)
    late = timed.submit(1)
    assert late.late
    assert timed.job(late.submission).state == "queued"


def test_an_extension_moves_one_persons_deadline(timed: Classroom, clock: Clock) -> None:
    """It holds for that seat only."""
    assigned(timed, closes_at=clock() + timedelta(hours=1))
    rounds.extend(
        timed.records,
        assignment=timed.assignment,
        seat=timed.seats[0],
        by="instructor",
        reason="ไปราชการ",
        closes_at=clock() + timedelta(hours=3),
    )
    clock.pass_by(2 * 3600)
    assert not timed.submit(0).late
    assert timed.submit(1).late


def test_the_last_extension_stands_also_when_the_clock_goes_back(timed: Classroom, clock: Clock) -> None:
    """Which one was given last is a number, not a time; each assignment and seat has its own."""
    assigned(timed, closes_at=clock() + timedelta(hours=1))

    def extended(hours: float, seat: int = 0) -> int:
        given = rounds.extend(
            timed.records,
            assignment=timed.assignment,
            seat=timed.seats[seat],
            by="instructor",
            reason="x",
            closes_at=clock() + timedelta(hours=hours),
        )
        return given.number

    assert extended(1.5) == 1
    clock.pass_by(-600)
    assert [extended(4), extended(9, seat=1)] == [2, 1]
    clock.pass_by(600 + 2 * 3600)
    assert not timed.submit().late
    clock.pass_by(-3 * 3600)
    assert extended(1) == 3
    clock.pass_by(2 * 3600)
    assert timed.submit().late


def test_extensions_that_come_together_are_numbered_in_turn(
    classroom: Classroom, in_parallel: Callable[..., list[object]]
) -> None:
    """None is refused, and one of them is the last."""

    def extend(attempts: int) -> int:
        given = rounds.extend(
            classroom.records,
            assignment=classroom.assignment,
            seat=classroom.seats[0],
            by="instructor",
            reason="x",
            attempts=attempts,
        )
        return given.number

    assert sorted(in_parallel(extend, range(1, 9), threads=8)) == [*range(1, 9)]


def test_attempts_are_counted_and_our_faults_are_not(timed: Classroom, clock: Clock) -> None:
    """What was judged or waits uses up an attempt; what was refused, or failed by our fault, does not."""
    assigned(timed, attempts=2)
    timed.submit()
    grade_all(timed, "rejected")
    timed.submit()
    for _ in range(3):
        held = claim(timed.records, "w")
        assert held is not None
        fault(timed.records, held, "infrastructure.engine")
        clock.pass_by(61)
    timed.submit()
    timed.submit()
    assert refusal(timed.submit) == "submission.no_attempts_left"
    grade_all(timed)
    assert refusal(timed.submit) == "submission.no_attempts_left"
    rounds.extend(
        timed.records, assignment=timed.assignment, seat=timed.seats[0], by="instructor", reason="อุทธรณ์", attempts=1
    )
    assert timed.submit().number == 5


def test_waiting_work_of_one_person_is_capped(classroom: Classroom) -> None:
    """The fourth is refused in words; after a result there is room again."""
    for _ in range(admitting.MOST_WAITING):
        classroom.submit()
    assert refusal(classroom.submit) == "submission.too_many_waiting"
    classroom.submit(1)
    grade_all(classroom)
    classroom.submit()


def test_an_upload_that_is_too_large_or_empty_is_refused(classroom: Classroom) -> None:
    """Counted as it comes, whatever was declared; no file is left behind."""
    with pytest.raises(SubmissionRejected) as caught:
        receiving.submit(
            classroom.records,
            seat=classroom.seats[0],
            assignment=classroom.assignment,
            filename="x.zip",
            chunks=(b"0" * 1024 * 1024 for _ in range(51)),
            by="t",
        )
    assert caught.value.code == "archive.too_large"
    assert refusal(lambda: classroom.submit(content=b"")) == "submission.empty"
    assert list((classroom.records.folder / "blobs" / "incoming").iterdir()) == []
    assert classroom.all(Job) == []


def test_an_upload_that_breaks_off_leaves_nothing(classroom: Classroom) -> None:
    """The client went away in the middle: no row, no file."""

    def broken() -> object:
        yield b"half"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        receiving.submit(
            classroom.records,
            seat=classroom.seats[0],
            assignment=classroom.assignment,
            filename="x.zip",
            chunks=broken(),  # type: ignore[arg-type]
            by="t",
        )
    assert classroom.all(Submission) == []
    assert list((classroom.records.folder / "blobs" / "incoming").iterdir()) == []


def test_a_key_is_not_for_another_exercise(classroom: Classroom) -> None:
    """A client that mixes up its keys is told so instead of getting a receipt for other work."""
    receipt = classroom.submit(idempotency_key="k")
    assert receipt.exercise == MINI.exercise.id
    with pytest.raises(UsageProblem) as caught:
        receiving.submit(
            classroom.records, seat=classroom.seats[0], assignment="asg_other", filename="x", chunks=[], by="t",
            idempotency_key="k",
        )  # fmt: skip
    assert caught.value.code == "submission.key_reused"
