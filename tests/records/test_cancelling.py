"""A trainee takes own work back: what it costs, who was first, and that nobody grades it any more."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from grader.errors import UsageProblem
from grader.queue import beat, claim, fault, progress
from grader.records import AuditEntry, Grading, ProgressEvent, Records, Run
from grader.services import standings
from grader.services.admitting import allowance
from grader.services.cancelling import cancel_submission, cancelling
from grader.services.following import PHASES
from tests.fixtures.records import Classroom, Clock, furnish, recorded

TESTED = PHASES[4:]


def used(room: Classroom, seat: int = 0) -> int:
    """Attempts that a trainee used up."""
    with room.records.reading() as session:
        at = room.records.database.now(session)
        return allowance(session, room.seats[seat], room.assignment, at).used


def price(room: Classroom, submission: str) -> tuple[bool, bool]:
    """Whether it can be cancelled, and whether that counts."""
    with room.records.reading() as session:
        told = cancelling(session, submission)
        return told.possible, told.counts


def refusal(work: Callable[[], object]) -> str:
    """The code with which something is refused."""
    with pytest.raises(UsageProblem) as caught:
        work()
    return caught.value.code


def test_what_waits_is_cancelled_for_nothing(classroom: Classroom) -> None:
    """The submission and its receipt stay, nobody claims its job, and another may be handed in at once."""
    submission = classroom.submit().submission
    assert price(classroom, submission) == (True, False)
    assert not cancel_submission(classroom.records, submission=submission, by="trainee0", counts=False).counts
    job = classroom.job(submission)
    assert (job.state, job.code) == ("cancelled", "submission.cancelled")
    assert claim(classroom.records, "w") is None
    assert (used(classroom), price(classroom, submission)) == (0, (False, False))
    entry = max(classroom.all(AuditEntry), key=lambda one: one.number)
    assert (entry.action, entry.object, entry.by, entry.before) == (
        "submission.cancelled", submission, "trainee0", "queued",
    )  # fmt: skip
    assert entry.after == {"state": "cancelled", "counts": False, "job": job.id}
    again = refusal(lambda: cancel_submission(classroom.records, submission=submission, by="trainee0"))
    assert again == "submission.nothing_to_cancel"


@pytest.mark.parametrize("phase", PHASES)
def test_it_counts_from_the_first_request_on(classroom: Classroom, phase: str) -> None:
    """Receiving, installing and starting say nothing about the work; whoever was told less is asked again."""
    submission = classroom.submit().submission
    held = claim(classroom.records, "w")
    assert held is not None
    for one in PHASES[: PHASES.index(phase) + 1]:
        assert progress(classroom.records, held, one, "")
    tested = phase in TESTED
    assert price(classroom, submission) == (True, tested)
    if tested:
        told_less = refusal(
            lambda: cancel_submission(classroom.records, submission=submission, by="trainee0", counts=False)
        )
        assert told_less == "submission.cancel_counts"
        assert beat(classroom.records, held)
    assert cancel_submission(classroom.records, submission=submission, by="trainee0", counts=True).counts is tested
    assert used(classroom) == int(tested)
    assert not beat(classroom.records, held)
    assert not recorded(classroom.records, held)
    assert [(run.ended, run.code) for run in classroom.all(Run)] == [("refused", classroom.job(submission).code)]


def test_it_counts_also_when_its_progress_is_forgotten(classroom: Classroom) -> None:
    """Lines of progress are kept for a day; what an attempt cost is kept for good."""
    submission = classroom.submit().submission
    held = claim(classroom.records, "w")
    assert held is not None
    assert progress(classroom.records, held, "contract", "")
    cancel_submission(classroom.records, submission=submission, by="trainee0", counts=True)
    with classroom.records.upkeep() as session:
        for one in session.scalars(select(ProgressEvent)):
            session.delete(one)
    assert used(classroom) == 1


def test_tests_that_a_fault_of_ours_broke_off_cost_nothing(timed: Classroom, clock: Clock) -> None:
    """While it waits to be tried again, it can be cancelled as if it had never begun."""
    submission = timed.submit().submission
    held = claim(timed.records, "w")
    assert held is not None
    assert progress(timed.records, held, "contract", "")
    assert fault(timed.records, held, "infrastructure.engine")
    assert price(timed, submission) == (True, False)
    clock.pass_by(61)
    again = claim(timed.records, "w")
    assert again is not None
    assert price(timed, submission) == (True, False)
    assert progress(timed.records, again, "contract", "")
    assert price(timed, submission) == (True, True)


def test_an_attempt_that_was_cancelled_in_time_is_there_to_be_used(records: Records) -> None:
    """With one attempt: cancelled while it waited, it may be handed in again; cancelled in a test, it may not."""
    room = furnish(records, attempts=1)
    first = room.submit().submission
    assert refusal(room.submit) == "submission.no_attempts_left"
    cancel_submission(room.records, submission=first, by="trainee0")
    room.submit()
    held = claim(room.records, "w")
    assert held is not None
    assert progress(room.records, held, "contract", "")
    cancel_submission(room.records, submission=held.submission, by="trainee0")
    assert refusal(room.submit) == "submission.no_attempts_left"


def test_a_result_and_a_cancelling_at_the_same_moment_are_one_truth(classroom: Classroom) -> None:
    """Either the result stands and the cancelling is refused, or the other way round; many times."""
    records = classroom.records
    for number in range(12):
        submission = classroom.submit(seat=number % 4).submission
        held = claim(records, "w")
        assert held is not None

        def cancel(submission: str = submission) -> bool:
            try:
                cancel_submission(records, submission=submission, by="trainee")
            except UsageProblem as problem:
                assert problem.code == "submission.nothing_to_cancel"  # noqa: PT017 - nothing else may be said
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            ends = [pool.submit(recorded, records, held), pool.submit(cancel)]
            finished, cancelled = (one.result() for one in ends)
        assert finished is not cancelled
        results = [one for one in classroom.all(Grading) if one.submission_id == submission]
        assert (len(results), classroom.job(submission).state) == ((1, "done") if finished else (0, "cancelled"))


def test_what_its_owner_cancelled_is_no_fault_of_ours(classroom: Classroom) -> None:
    """In the indicator it is work that did not pass; nothing is owed, and no figure waits for it."""
    submission = classroom.submit().submission
    cancel_submission(classroom.records, submission=submission, by="trainee0")
    with classroom.records.reading() as session:
        (mine,) = standings.facts(session, [classroom.seats[0]])
        assert [one.outcome for one in mine.attempts] == ["fail"]
        assert standings.differing(session) == []
