"""How long a claim holds, who comes first, and what a claim is.

A lease is kept by the database's clock and renewed while the work goes on. The attempt number of a claim is its fencing
token: whoever comes back late, after the lease went to another, has an old number and cannot record anything.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

LEASE: Final = timedelta(seconds=30)
"""Without a beat for so long, the job is given to another worker."""
BEAT: Final = timedelta(seconds=5)
SWEEP: Final = timedelta(seconds=5)
"""How often expired leases are looked for; a dead worker's job runs again within LEASE + SWEEP + POLL."""
POLL: Final = timedelta(seconds=1)
"""How often an idle worker asks for work; a job that was enqueued in the same process wakes it at once."""

MOST_TRIES: Final = 3
"""Claims that our own faults may use up before a person has to look."""
BACKOFF: Final = (timedelta(seconds=10), timedelta(seconds=60))
"""How long a job waits after its first, and after each later fault; a lease that ran out was wait enough."""

FIRST_ATTEMPT: Final = 0
REPEAT: Final = 1
REGRADE: Final = 2
"""Priorities: the smaller comes first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A job that this worker holds until the lease ends: what to grade, with what, and the token to record with."""

    job: str
    attempt: int
    worker: str
    submission: str
    regrade: str | None
    digest: str
    seed: int
    sha256: str
    filename: str
