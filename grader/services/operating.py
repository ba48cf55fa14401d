"""What an operator decides about work that waits: let a job try again, or let nobody wait for it any more."""

from collections.abc import Callable
from datetime import datetime

from grader import queue
from grader.errors import UsageProblem
from grader.records import Change, Job, JobState, Records
from grader.records.work import LIVE
from grader.services.rounds import need


def retry(records: Records, *, job: str, by: str) -> Job:
    """Let a job that used up its tries on our own faults try again, as if it had never failed.

    Raises:
        UsageProblem: ``queue.wrong_state``, ``records.not_found``.
    """
    with records.change(by=by) as change:
        return _decide(change, job, "job.retried", wanted=("needs_operator",), do=queue.retry)


def cancel(records: Records, *, job: str, by: str, reason: str) -> Job:
    """Cancel a job that did not end yet. The submission stays, and a worker that holds the job cannot record.

    Raises:
        UsageProblem: ``queue.reason_missing``, ``queue.wrong_state``, ``records.not_found``.
    """
    if not reason.strip():
        raise UsageProblem("queue.reason_missing")
    with records.change(by=by) as change:
        return _decide(
            change,
            job,
            "job.cancelled",
            wanted=(*LIVE, "needs_operator"),
            do=lambda found, at: queue.cancel(change.session, found, at, "queue.cancelled"),
            reason=reason.strip(),
        )


def _decide(
    change: Change,
    job: str,
    action: str,
    *,
    wanted: tuple[JobState, ...],
    do: Callable[[Job, datetime], None],
    reason: str = "",
) -> Job:
    """Decide under a lock: a worker that ends the job at the same moment was first, or comes too late."""
    found = need(change.session.get(Job, job, with_for_update=True), job)
    if found.state not in wanted:
        raise UsageProblem("queue.wrong_state", job=job, state=found.state)
    before = found.state
    do(found, change.at)
    after = {"state": found.state, "reason": reason} if reason else {"state": found.state}
    change.audit(action, job, before=before, after=after)
    return found
