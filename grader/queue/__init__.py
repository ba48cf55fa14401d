"""The queue: owe a grading, claim it, and record its result exactly once, whatever dies in between."""

from grader.queue.jobs import (
    Superseded,
    beat,
    cancel,
    claim,
    enqueue,
    fault,
    progress,
    record,
    release,
    retry,
    sweep,
)
from grader.queue.leases import BEAT, FIRST_ATTEMPT, LEASE, MOST_TRIES, POLL, REGRADE, REPEAT, SWEEP, Claim
from grader.queue.outlook import Outlook, outlook, place

__all__ = [
    "BEAT",
    "FIRST_ATTEMPT",
    "LEASE",
    "MOST_TRIES",
    "POLL",
    "REGRADE",
    "REPEAT",
    "SWEEP",
    "Claim",
    "Outlook",
    "Superseded",
    "beat",
    "cancel",
    "claim",
    "enqueue",
    "fault",
    "outlook",
    "place",
    "progress",
    "record",
    "release",
    "retry",
    "sweep",
]
