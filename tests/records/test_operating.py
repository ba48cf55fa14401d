"""What an operator decides about the queue: by whom and why is kept, and what was decided holds against any worker."""

import json
from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from grader.cli import app
from grader.errors import UsageProblem
from grader.queue import MOST_TRIES, beat, claim, fault, release
from grader.records import AuditEntry, Job, Records, Run
from grader.services import operating
from grader.services.verifying import verify
from tests.fixtures.records import Classroom, Clock, recorded
from tests.fixtures.slots import finals


def refusal(work: Callable[[], object]) -> tuple[str, object]:
    """The code with which something is refused, and the state that it names."""
    with pytest.raises(UsageProblem) as caught:
        work()
    return caught.value.code, caught.value.params.get("state")


def decisions(room: Classroom) -> list[tuple[str, str, object, object]]:
    """What the audit chain holds of an operator."""
    entries = sorted(room.all(AuditEntry), key=lambda entry: entry.number)
    return [(one.action, one.object, one.before, one.after) for one in entries if one.by == "operator"]


def need_no_limbo(records: Records) -> None:
    """Jobs, claims, results and the audit chain say the same; the verdicts of these tests are empty, and not asked."""
    assert [one for one in verify(records) if one.id in {"I1", "I2", "I3", "I6"} and not one.holds] == []


def stuck(room: Classroom, clock: Clock) -> Job:
    """A job whose tries are used up."""
    receipt = room.submit()
    for _ in range(MOST_TRIES):
        held = claim(room.records, "w")
        assert held is not None
        assert fault(room.records, held, "infrastructure.engine")
        clock.pass_by(61)
    return room.job(receipt.submission)


def test_a_job_that_used_up_its_tries_is_tried_again(timed: Classroom, clock: Clock) -> None:
    """It waits at once, with all its tries, and is graded like any other."""
    job = stuck(timed, clock)
    assert job.state == "needs_operator"
    again = operating.retry(timed.records, job=job.id, by="operator")
    assert (again.state, again.tries) == ("queued", 0)
    assert decisions(timed) == [("job.retried", job.id, "needs_operator", {"state": "queued"})]
    held = claim(timed.records, "w")
    assert held is not None
    assert held.attempt == MOST_TRIES + 1
    assert recorded(timed.records, held)
    assert refusal(lambda: operating.retry(timed.records, job=job.id, by="operator")) == ("queue.wrong_state", "done")
    need_no_limbo(timed.records)


@pytest.mark.parametrize("state", ["queued", "running", "needs_operator"])
def test_whatever_did_not_end_can_be_cancelled(timed: Classroom, clock: Clock, state: str) -> None:
    """The submission stays, nobody grades it, and the reason is kept."""
    job = stuck(timed, clock) if state == "needs_operator" else timed.job(timed.submit().submission)
    if state == "running":
        assert claim(timed.records, "w") is not None
    cancelled = operating.cancel(timed.records, job=job.id, by="operator", reason=" ส่งผิดไฟล์ ")
    assert (cancelled.state, cancelled.code, cancelled.finished_at) == ("cancelled", "queue.cancelled", clock())
    after = {"state": "cancelled", "reason": "ส่งผิดไฟล์"}
    assert decisions(timed) == [("job.cancelled", job.id, state, after)]
    assert claim(timed.records, "w") is None
    assert finals(timed) == {}
    need_no_limbo(timed.records)


@pytest.mark.parametrize("end", [recorded, release, lambda records, held: fault(records, held, "infrastructure.x")])
def test_a_worker_that_holds_a_cancelled_job_changes_nothing(
    classroom: Classroom, end: Callable[[Records, object], bool]
) -> None:
    """Its next beat says so, and however its grading ends, no claim is left open."""
    job = classroom.job(classroom.submit().submission)
    held = claim(classroom.records, "w")
    assert held is not None
    operating.cancel(classroom.records, job=job.id, by="operator", reason="x")
    assert not beat(classroom.records, held)
    assert not end(classroom.records, held)
    assert finals(classroom) == {}
    assert [(run.ended, run.code) for run in classroom.all(Run)] == [("refused", "queue.cancelled")]
    need_no_limbo(classroom.records)


def test_what_cannot_be_decided_is_refused(timed: Classroom) -> None:
    """A job that ended, one that needs nobody, one that is not there, and a decision without a reason."""
    records, job = timed.records, timed.job(timed.submit().submission).id
    assert refusal(lambda: operating.retry(records, job=job, by="operator")) == ("queue.wrong_state", "queued")
    assert refusal(lambda: operating.cancel(records, job=job, by="operator", reason=" "))[0] == "queue.reason_missing"
    for decide in (operating.retry, lambda *rest, **more: operating.cancel(*rest, **more, reason="x")):
        assert refusal(lambda: decide(records, job="job_none", by="operator"))[0] == "records.not_found"  # noqa: B023
    held = claim(records, "w")
    assert held is not None
    assert recorded(records, held)
    late = refusal(lambda: operating.cancel(records, job=job, by="operator", reason="x"))
    assert late == ("queue.wrong_state", "done")
    assert decisions(timed) == []


@pytest.mark.parametrize("engine_name", ["sqlite"], indirect=True)
def test_the_command_decides_the_same(timed: Classroom, clock: Clock) -> None:
    """``grader queue retry`` and ``cancel`` act for who is named, and name the job."""
    job, environment = stuck(timed, clock).id, {"GRADER_DATA": str(timed.records.folder), "GRADER_DATABASE_URL": ""}
    for words in (("retry", job), ("cancel", job, "--reason", "x")):
        done = CliRunner().invoke(app, ["queue", *words, "--by", "operator", "--json"], env=environment)
        assert (done.exit_code, json.loads(done.stdout)) == (0, {"job": job})
    assert [action for action, *_ in decisions(timed)] == ["job.retried", "job.cancelled"]
