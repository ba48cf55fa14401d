"""The queue: owed once, claimed by one, recorded once, whatever dies, stops or comes back late."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from grader.queue import LEASE, MOST_TRIES, Claim, beat, claim, fault, outlook, place, progress, record, release, sweep
from grader.records import Grading, Job, ProgressEvent, Records, Run
from grader.services import admitting
from tests.fixtures.records import Classroom, Clock, recorded


def take(records: Records, worker: str = "w1") -> Claim:
    """Claim a job that must be there."""
    held = claim(records, worker)
    assert held is not None
    return held


def test_a_submission_is_claimed_once_and_recorded_once(classroom: Classroom) -> None:
    """The usual way: one job, one claim, one result, and then nothing is left to do."""
    receipt = classroom.submit()
    held = take(classroom.records)
    assert (held.submission, held.sha256, held.attempt) == (receipt.submission, receipt.sha256, 1)
    assert claim(classroom.records, "w2") is None
    assert recorded(classroom.records, held)
    assert claim(classroom.records, "w2") is None
    (grading,) = classroom.all(Grading)
    assert (grading.outcome, grading.standing, grading.attempt) == ("pass", "final", 1)
    assert classroom.job(receipt.submission).state == "done"


def test_ten_deliveries_record_one_result(classroom: Classroom, in_parallel: Callable[..., list[object]]) -> None:
    """The same result sent ten times at once is one row; nine answers say that it was refused."""
    classroom.submit()
    held = take(classroom.records)
    answers = in_parallel(lambda _: recorded(classroom.records, held), range(10), threads=10)
    assert sorted(answers) == [False] * 9 + [True]  # type: ignore[type-var]
    assert len(classroom.all(Grading)) == 1


def test_many_workers_claim_each_job_once(classroom: Classroom, in_parallel: Callable[..., list[object]]) -> None:
    """Eight workers that grab at the same time get every job, and none twice."""
    for seat in range(4):
        classroom.submit(seat)
    taken = in_parallel(lambda number: claim(classroom.records, f"w{number}"), range(8), threads=8)
    jobs = [held.job for held in taken if isinstance(held, Claim)]
    assert len(jobs) == len(set(jobs)) == 4


def test_one_trainee_has_one_job_running(classroom: Classroom) -> None:
    """A second submission waits for the first, also when nobody else wants anything."""
    classroom.submit()
    classroom.submit()
    held = take(classroom.records)
    assert claim(classroom.records, "w2") is None
    assert recorded(classroom.records, held)
    assert claim(classroom.records, "w2") is not None


def test_a_silent_worker_loses_its_job_and_cannot_record(timed: Classroom, clock: Clock) -> None:
    """After the lease another worker has the job; what the first one brings late is refused, and the log says so."""
    timed.submit()
    late = take(timed.records, "slow")
    clock.pass_by(LEASE.total_seconds() + 1)
    assert sweep(timed.records) == 1
    assert sweep(timed.records) == 0
    clock.pass_by(10)
    fresh = take(timed.records, "quick")
    assert fresh.attempt == late.attempt + 1
    assert not beat(timed.records, late)
    assert not recorded(timed.records, late, "fail", 0)
    assert recorded(timed.records, fresh)
    assert not recorded(timed.records, late, "fail", 0)
    assert [grading.outcome for grading in timed.all(Grading)] == ["pass"]
    assert {run.worker: run.ended for run in timed.all(Run)} == {"slow": "refused", "quick": "recorded"}


def test_a_beat_keeps_the_lease(timed: Classroom, clock: Clock) -> None:
    """Beats renew the lease for as long as the work takes."""
    timed.submit()
    held = take(timed.records)
    for _ in range(10):
        clock.pass_by(LEASE.total_seconds() - 1)
        assert beat(timed.records, held)
        assert sweep(timed.records) == 0
    assert recorded(timed.records, held)


@pytest.mark.parametrize("jump", [3600, -3600])
def test_a_clock_that_jumps_loses_nothing(timed: Classroom, clock: Clock, jump: int) -> None:
    """An hour forward or back: the job is recorded once, and a dead worker's job is still found."""
    timed.submit()
    dead = take(timed.records, "dead")
    clock.pass_by(jump)
    clock.pass_by(LEASE.total_seconds() + 1)
    assert sweep(timed.records) == 1, "the lease is over although its end may lie an hour ahead"
    clock.pass_by(10)
    assert recorded(timed.records, take(timed.records, "alive"))
    assert not recorded(timed.records, dead)
    assert len(timed.all(Grading)) == 1


@pytest.mark.parametrize("jump", [3600, -3600])
def test_a_clock_that_jumps_spares_a_worker_that_lives(timed: Classroom, clock: Clock, jump: int) -> None:
    """Its next beat gives it a lease on the new time, so the work is not done twice."""
    timed.submit()
    held = take(timed.records)
    clock.pass_by(jump)
    assert beat(timed.records, held)
    assert sweep(timed.records) == 0
    assert recorded(timed.records, held)


def test_our_faults_are_tried_three_times_and_then_shown(timed: Classroom, clock: Clock) -> None:
    """No fault of ours is a result: after three the job waits for a person, and is not lost."""
    receipt = timed.submit()
    for number in range(1, MOST_TRIES + 1):
        held = take(timed.records)
        assert fault(timed.records, held, "infrastructure.engine")
        assert timed.job(receipt.submission).tries == number
        clock.pass_by(61)
    assert timed.job(receipt.submission).state == "needs_operator"
    assert claim(timed.records, "w1") is None
    assert timed.all(Grading) == []
    with timed.records.reading() as session:
        assert outlook(session, clock()).needs_operator == 1


def test_a_job_that_kills_its_workers_ends_with_an_operator(timed: Classroom, clock: Clock) -> None:
    """A poison job uses up three leases; others go on meanwhile."""
    poison = timed.submit(0)
    clock.pass_by(1)
    healthy = timed.submit(1)
    for _ in range(MOST_TRIES):
        clock.pass_by(61)
        assert take(timed.records).submission == poison.submission
        clock.pass_by(LEASE.total_seconds() + 1)
        sweep(timed.records)
    assert timed.job(poison.submission).state == "needs_operator"
    assert recorded(timed.records, take(timed.records))
    assert timed.job(healthy.submission).state == "done"


def test_a_fault_waits_before_the_next_try(timed: Classroom, clock: Clock) -> None:
    """A job is not tried again at once, so that an engine that is being restarted costs one try and not three."""
    timed.submit()
    fault(timed.records, take(timed.records), "infrastructure.engine")
    assert claim(timed.records, "w1") is None
    clock.pass_by(11)
    assert claim(timed.records, "w1") is not None


def test_a_job_that_is_given_back_uses_up_nothing(classroom: Classroom) -> None:
    """A worker that stops gives its job back; the next one has it at once, with all its tries."""
    receipt = classroom.submit()
    held = take(classroom.records)
    assert release(classroom.records, held)
    assert not release(classroom.records, held)
    assert not recorded(classroom.records, held)
    again = take(classroom.records, "w2")
    assert (again.submission, again.attempt) == (receipt.submission, 2)
    assert classroom.job(receipt.submission).tries == 0


def test_progress_is_kept_in_order_and_fenced(timed: Classroom, clock: Clock) -> None:
    """People see the phases of the run that counts; one that was superseded can add nothing."""
    timed.submit()
    first = take(timed.records)
    assert progress(timed.records, first, "build", "flask\0")
    assert progress(timed.records, first, "start", "")
    clock.pass_by(LEASE.total_seconds() + 1)
    sweep(timed.records)
    assert not progress(timed.records, first, "contract", "")
    events = sorted(timed.all(ProgressEvent), key=lambda event: event.number)
    assert [(event.number, event.phase, event.what) for event in events] == [(1, "build", "flask"), (2, "start", "")]


def test_first_attempts_start_before_fifty_repeats(
    timed: Classroom, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One trainee's fifty repeats, then ten trainees with a first attempt: the ten start before the repeats."""
    monkeypatch.setattr(admitting, "MOST_WAITING", 1_000)
    room = timed
    room.submit(0)
    assert recorded(room.records, take(room.records))
    for _ in range(50):
        clock.pass_by(1)
        room.submit(0)
    tens = {room.submit(seat).submission for seat in range(1, 11)}
    started = []
    for _ in range(60):
        held = take(room.records)
        started.append(held.submission)
        clock.pass_by(30)
        assert recorded(room.records, held)
    assert set(started[:10]) == tens


def test_turns_are_taken_among_repeats(timed: Classroom, clock: Clock) -> None:
    """Everybody's first waiting repeat comes before anybody's second."""
    for seat in (0, 1):
        timed.submit(seat)
        assert recorded(timed.records, take(timed.records))
    first = [timed.submit(0).submission for _ in range(3)]
    clock.pass_by(1)
    second = timed.submit(1).submission
    order = []
    for _ in range(4):
        held = take(timed.records)
        order.append(held.submission)
        assert recorded(timed.records, held)
    assert order == [first[0], second, first[1], first[2]]


def test_the_place_in_the_queue_is_the_order_of_claims(classroom: Classroom) -> None:
    """What people are told about their place is what happens."""
    receipts = [classroom.submit(seat) for seat in range(4)]
    with classroom.records.reading() as session:
        places = [place(session, session.get_one(Job, classroom.job(one.submission).id)) for one in receipts]
    assert places == [0, 1, 2, 3]
    assert [take(classroom.records, f"w{n}").submission for n in range(4)] == [one.submission for one in receipts]


def test_a_result_that_cannot_be_kept_changes_nothing(classroom: Classroom) -> None:
    """Result, end of the job and audit entry are one transaction: after a failure the job is still held."""
    classroom.submit()
    held = take(classroom.records)

    def fail(*_: object) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        record(
            classroom.records,
            held,
            outcome="pass",
            code="",
            points=1,
            maximum=1,
            grader_version="test",
            verdict={},
            also=fail,
        )
    assert classroom.all(Grading) == []
    assert recorded(classroom.records, held)


def test_every_state_change_of_a_job_can_be_read(timed: Classroom, clock: Clock) -> None:
    """Runs tell the whole story of a job: expired, fault, recorded."""
    timed.submit()
    take(timed.records, "a")
    clock.pass_by(LEASE.total_seconds() + 1)
    sweep(timed.records)
    clock.pass_by(61)
    fault(timed.records, take(timed.records, "b"), "infrastructure.engine")
    clock.pass_by(61)
    assert recorded(timed.records, take(timed.records, "c"))
    with timed.records.reading() as session:
        runs = session.scalars(select(Run).order_by(Run.attempt)).all()
    assert [(run.worker, run.ended, run.code) for run in runs] == [
        ("a", "expired", ""),
        ("b", "fault", "infrastructure.engine"),
        ("c", "recorded", ""),
    ]
