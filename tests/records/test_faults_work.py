"""Clocks that jump, messages that come twice, workers that come back late or die of a job: still once, and in order.

Each test names the fault that it makes happen, and shows that it did happen.
"""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import select

from grader.queue import claim, fault
from grader.records import (
    AuditEntry,
    Grading,
    Job,
    Seat,
    Submission,
    audit,
    create_records,
)
from grader.services import rounds
from grader.services.admitting import NotAccepted
from grader.services.receiving import Receipt
from grader.verdict import Verdict
from tests.fixtures.postgresql import Server
from tests.fixtures.records import CODE, MINI, Classroom, Clock, furnish, recorded
from tests.fixtures.slots import SHORT, Crew, finals, need_promises, project, state, story, until

# -- F13: clocks ------------------------------------------------------------------------------------------------------

HOUR = 3600.0


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_job_that_waits_outlives_a_jump_of_the_clock(timed: Classroom, clock: Clock, jump: float) -> None:
    """F13: set back by an hour, what was queued before does not wait that hour; nor does what pauses after a fault."""
    timed.submit(0)
    timed.submit(1)
    held = claim(timed.records, "w")
    assert held is not None
    assert fault(timed.records, held, "infrastructure.engine")
    clock.pass_by(jump)
    clock.pass_by(1)
    for _ in range(2):
        held = claim(timed.records, "w")
        assert held is not None
        assert recorded(timed.records, held)


def test_a_clock_that_is_set_back_changes_no_order(timed: Classroom, clock: Clock) -> None:
    """F13: submissions and entries are in the order of their numbers, whatever the time says."""
    receipts = []
    for step in (0.0, -HOUR, 2 * HOUR, -HOUR / 2):
        clock.pass_by(step)
        receipts.append(timed.submit(0))
        held = claim(timed.records, "w")
        assert held is not None
        assert recorded(timed.records, held)
    moments = [receipt.received_at for receipt in receipts]
    assert moments != sorted(moments), "the clock did go back"
    assert [receipt.number for receipt in receipts] == [1, 2, 3, 4]
    received = [entry for entry in timed.all(AuditEntry) if entry.action == "submission.received"]
    in_order = sorted(received, key=lambda entry: entry.number)
    assert [entry.object for entry in in_order] == [receipt.submission for receipt in receipts]
    with timed.records.reading() as session:
        assert audit.find_break(session, timed.records.keys) is None


def test_the_moment_of_receipt_decides_and_not_that_of_grading(timed: Classroom, clock: Clock) -> None:
    """F13: received in time and graded an hour after the end is in time; the clock of receipt is the server's."""
    closes = clock() + timedelta(minutes=10)
    rounds.assign(timed.records, round_code=CODE, pack=MINI, by="coordinator", closes_at=closes)
    receipt = timed.submit()
    clock.pass_by(2 * HOUR)
    held = claim(timed.records, "w")
    assert held is not None
    assert recorded(timed.records, held)
    (kept,) = timed.all(Submission)
    assert (receipt.late, kept.late) == (False, False)
    assert timed.submit(1).late


def test_whoever_waits_for_others_is_not_late_by_that(classroom: Classroom) -> None:
    """F13, F18: what arrived before the end is in time, however long it then waits for its turn to be written."""
    records = classroom.records
    with records.reading() as session:
        closes = records.database.now(session) + timedelta(seconds=1)
    rounds.assign(records, round_code=CODE, pack=MINI, by="coordinator", closes_at=closes)
    receipts: list[Receipt] = []
    person = threading.Thread(target=lambda: receipts.append(classroom.submit()))
    with records.upkeep() as session:
        session.scalars(select(Seat).with_for_update()).all()
        person.start()
        time.sleep(1.5)
        assert records.database.now(session) > closes
        assert receipts == [], "it waits"
    person.join(10)
    assert [receipt.late for receipt in receipts] == [False]


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_the_servers_clock_counts_and_not_a_callers(postgresql: Server, tmp_path: Path, jump: float) -> None:
    """F13: a process whose clock is an hour off submits at the time of the server, and so is judged for lateness."""
    with postgresql.database() as url, closing(create_records(tmp_path / "data", url)) as records:
        with records.reading() as session:
            now = records.database.now(session)
        room = furnish(records, opens_at=now - timedelta(minutes=30), closes_at=now + timedelta(minutes=30))
        with time_machine.travel(time.time() + jump, tick=True):
            receipt = room.submit()
        assert not receipt.late
        assert abs(receipt.received_at - now) < timedelta(minutes=5)


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_worker_with_a_wrong_clock_does_its_work(postgresql: Server, tmp_path: Path, jump: float) -> None:
    """F13: leases follow the database's clock, durations a monotonic one; nobody's job is taken away, none waits."""
    with postgresql.database() as url, closing(create_records(tmp_path / "data", url)) as records:
        room = furnish(records)
        receipts = [room.submit(seat, project("slow 0.7")) for seat in range(4)]
        with Crew(room, url) as crew:
            crew.start("wrong", lease=SHORT, clock=jump)
            crew.start("right", lease=SHORT)
            until(lambda: sum(finals(room).values()) == 4)
        stories = [story(room, one.submission) for one in receipts]
        assert {ended for one in stories for _, ended in one} == {"recorded"}
        assert {worker for one in stories for worker, _ in one} == {"wrong", "right"}
        started = [Verdict.from_json(grading.verdict).facts.started_at for grading in room.all(Grading)]
        assert max(started) - min(started) > timedelta(minutes=50), "one clock was wrong"
        need_promises(records)


# -- F14: the same message again --------------------------------------------------------------------------------------


def test_ten_deliveries_are_one_submission(classroom: Classroom, in_parallel: Callable[..., list[object]]) -> None:
    """F14: at once, and again when it has long been graded: one row, one job, and the same receipt to the byte."""
    content = project()
    rounds.assign(classroom.records, round_code=CODE, pack=MINI, by="coordinator", attempts=1)

    def deliver(_: int) -> bytes:
        return classroom.submit(content=content, idempotency_key="k").model_dump_json().encode()

    together = in_parallel(deliver, range(10), threads=10)
    held = claim(classroom.records, "w")
    assert held is not None
    assert recorded(classroom.records, held)
    assert claim(classroom.records, "w") is None
    afterwards = in_parallel(deliver, range(10), threads=10)
    assert len({*together, *afterwards}) == 1
    assert (len(classroom.all(Submission)), len(classroom.all(Job)), len(classroom.all(Grading))) == (1, 1, 1)


def test_two_requests_for_the_last_attempt(classroom: Classroom, in_parallel: Callable[..., list[object]]) -> None:
    """F14: of different work that arrives at the same moment exactly one is accepted, and the other one told why."""
    rounds.assign(classroom.records, round_code=CODE, pack=MINI, by="coordinator", attempts=1)

    def deliver(seat_and_number: tuple[int, int]) -> str:
        try:
            return classroom.submit(seat_and_number[0]).submission
        except NotAccepted as problem:
            return problem.code

    answers = [str(one) for one in in_parallel(deliver, [(n % 4, n) for n in range(16)], threads=16)]
    assert Counter(answers)["submission.no_attempts_left"] == 12
    assert {one.id for one in classroom.all(Submission)} == {one for one in answers if one.startswith("sub_")}
    assert len(classroom.all(Job)) == 4


# -- F15: two workers hold the same job -------------------------------------------------------------------------------


@pytest.mark.parametrize(("moment", "ended"), [("grading.build", "expired"), ("record.computed", "refused")])
def test_a_worker_that_sleeps_past_its_lease_records_nothing(
    classroom: Classroom, address: str, moment: str, ended: str
) -> None:
    """F15: stopped for longer than its lease and woken again, it is refused and says so; the other's result stands."""
    receipt = classroom.submit(content=project("slow 1"))
    with Crew(classroom, address) as crew:
        sleeper = crew.start("sleeper", lease=SHORT, sleep_at=moment)
        until(lambda: state(sleeper.pid) == "T")
        assert classroom.job(receipt.submission).state == "running"
        crew.start("other", lease=SHORT)
        until(lambda: finals(classroom)[receipt.submission] == 1)
        (before,) = classroom.all(Grading)
        assert sleeper.pid is not None
        os.kill(sleeper.pid, signal.SIGCONT)
        until(lambda: "attempt 1: refused, another worker has it" in crew.said("sleeper"))
        again = classroom.submit(1, project())
        until(lambda: finals(classroom)[again.submission] == 1)
        assert sleeper.is_alive()
    (after,) = [one for one in classroom.all(Grading) if one.submission_id == receipt.submission]
    assert (after.id, after.attempt) == (before.id, 2)
    assert story(classroom, receipt.submission) == [("sleeper", ended), ("other", "recorded")]
    need_promises(classroom.records)


# -- F19: a job that kills whoever takes it ---------------------------------------------------------------------------


def test_a_poison_job_ends_with_a_person_and_others_go_on(classroom: Classroom, address: str) -> None:
    """F19: three slots die of it, then it waits for somebody; what came after it is graded, and none is lost."""
    poison = classroom.submit(0, project("poison"))
    healthy = [classroom.submit(seat, project(notes=str(seat))) for seat in (1, 2, 3)]
    with Crew(classroom, address) as crew:
        places = [crew.start(f"w{number}", lease=SHORT) for number in range(2)]

        def ended() -> bool:
            for place, slot in enumerate(places):
                if not slot.is_alive():
                    places[place] = crew.start(f"w{len(crew.started)}", lease=SHORT)
            owed = classroom.job(poison.submission).state != "needs_operator"
            return not owed and sum(finals(classroom).values()) == len(healthy)

        until(ended)
        died = story(classroom, poison.submission)
        assert [end for _, end in died] == ["expired"] * 3
        assert len({worker for worker, _ in died}) == 3, "another process each time"
        assert [slot.exitcode for slot in crew.started].count(-signal.SIGKILL) == 3, "and each died of it"
    assert classroom.job(poison.submission).code == "infrastructure.worker_lost"
    assert finals(classroom) == {one.submission: 1 for one in healthy}
    assert "job.needs_operator" in {entry.action for entry in classroom.all(AuditEntry)}
    need_promises(classroom.records)
