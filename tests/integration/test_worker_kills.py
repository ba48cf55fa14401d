"""``kill -9`` of a whole ``grader worker`` again and again: every submission is graded once, and nothing is left.

Nothing is shortened here: the worker is the command, its leases are those of the product, its sandboxes real. Four
trainees hand the same work in. Seven times the worker is killed with all its slots, six times while it holds a job, and
each time another one is started. The order is so that leases end while others are being killed.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import select

from grader.intake import as_archive
from grader.packs import Pack, samples, submission_of
from grader.queue import MOST_TRIES
from grader.records import Grading, Job, ProgressEvent, Run, create_records
from grader.sandbox import labels, reaper
from grader.sandbox.engine import GuardedClient
from grader.sandbox.images import ImageStore
from grader.services import rounds
from tests.fixtures.killing import are_gone, kill_all
from tests.fixtures.leftovers import NOTHING, leftovers
from tests.fixtures.records import CODE, Classroom, furnish
from tests.fixtures.slots import story, until

log = logging.getLogger(__name__)

ROOT: Final = Path(__file__).resolve().parents[2]
SAMPLE: Final = "reference-fastapi"
AGAIN_SECONDS: Final = 60.0
"""How long after a kill the same work has begun again, at the latest."""
PHASE_SECONDS: Final = 180.0
"""How long a moment may take to come: a lease, and a grading that is let through before it."""
END_SECONDS: Final = 5.0
RECORDING_SECONDS: Final = 0.5
"""From the end of a sandbox to the moment at which its verdict waits to be recorded; it takes a few milliseconds."""
DRAIN_SECONDS: Final = 300.0

MOMENTS: Final = ("intake", "sandbox", "scenarios", "contract", "start")
"""Phases in which a worker is killed, beside those around the record; the later a long one, the longer work waits."""


@dataclass(frozen=True, kw_only=True)
class Kill:
    """A claim that a kill ended: whose, and the last phase that it had said to be in."""

    job: str
    attempt: int
    phase: str
    at: datetime


@dataclass
class House:
    """Records in a folder of their own, and the worker that serves them."""

    room: Classroom
    kills: list[Kill] = field(default_factory=list)

    @contextmanager
    def worker(self, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
        """A ``grader worker`` that is surely gone afterwards, with its slots."""
        with (self.folder / "worker.log").open("ab") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "grader", "worker", "--lang", "en", *options],
                stdout=said, stderr=said, cwd=ROOT, env=self.environment, start_new_session=True,
            )  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                kill_all(process.pid)
                process.wait()

    @property
    def folder(self) -> Path:
        """Where the records are."""
        return self.room.records.folder

    @property
    def environment(self) -> dict[str, str]:
        """The command works on these records, whatever this shell is set to."""
        return {**os.environ, "GRADER_DATA": str(self.folder), "GRADER_DATABASE_URL": ""}

    def running(self) -> tuple[Job, str] | None:
        """The job that a living slot grades and its phase, if it can bear to be killed once more.

        The third try of a job is let through: after that one it would need an operator.
        """
        with self.room.records.reading() as session:
            statement = select(Job).where(Job.state == "running", Job.tries < MOST_TRIES - 1)
            found = [job for job in session.scalars(statement) if labels.is_running(job.worker)]
        return (found[0], self.phase(found[0].id, found[0].attempt)) if found else None

    def phase(self, job: str, attempt: int) -> str:
        """The last phase that a claim said to be in; "" before the first."""
        mine = (ProgressEvent.job_id == job, ProgressEvent.attempt == attempt)
        with self.room.records.reading() as session:
            last = select(ProgressEvent.phase).where(*mine).order_by(ProgressEvent.number.desc()).limit(1)
            return session.scalar(last) or ""

    def owned(self, worker: str) -> bool:
        """Whether a slot still has files of a grading; they go when its sandbox is closed, before the record."""
        mark = worker.replace("/", "@")
        return any(Path(tempfile.gettempdir()).glob(f"{reaper.SCRATCH}{mark}@*"))

    def strike(self, process: "subprocess.Popen[bytes]") -> None:
        """Kill the worker and its slots now, and note which claim that ended."""
        found = self.running()
        struck = kill_all(process.pid)
        at = datetime.now(UTC)
        assert process.wait() == -signal.SIGKILL
        assert are_gone(struck, within=END_SECONDS)
        assert len(struck) > 1, "a worker without a slot proves nothing"
        if found is not None:
            job, _ = found
            self.kills.append(Kill(job=job.id, attempt=job.attempt, phase=self.phase(job.id, job.attempt), at=at))

    def kill_in(self, phase: str) -> None:
        """Start a worker, and kill it as soon as it is in this phase."""

        def there() -> bool:
            found = self.running()
            return found is not None and found[1] == phase

        with self.worker("--concurrency", "1") as process:
            until(there, PHASE_SECONDS)
            self.strike(process)

    def kill_before_record(self) -> None:
        """Kill a worker that has a verdict and waits to record it, because somebody else writes."""

        def closing_sandbox() -> Job | None:
            found = self.running()
            return found[0] if found is not None and found[1] == "teardown" else None

        with self.worker("--concurrency", "1") as process:
            until(closing_sandbox, PHASE_SECONDS)
            with self.room.records.upkeep() as session:
                session.connection()  # a transaction begins, and holds others up, when it is first used
                job = closing_sandbox()
                assert job is not None, "it was recorded before it could be held up"
                until(lambda: not self.owned(job.worker))
                time.sleep(RECORDING_SECONDS)
                self.strike(process)
                assert self.kills[-1].job == job.id

    def kill_after_record(self) -> None:
        """Kill a worker as soon as its result is there, and before it can have done anything else."""
        with self.worker("--concurrency", "1") as process:
            until(lambda: self.room.all(Grading), PHASE_SECONDS)
            self.strike(process)

    def drain(self) -> None:
        """Let a worker that nobody kills finish what is owed, with a slot for each job."""
        with self.worker("--concurrency", "3", "--until-idle") as process:
            assert process.wait(DRAIN_SECONDS) == 0

    def verify(self) -> dict[str, dict[str, Any]]:
        """What ``grader verify`` says, by promise."""
        done = subprocess.run(
            [sys.executable, "-m", "grader", "verify", "--json"],
            capture_output=True, text=True, check=False, cwd=ROOT, env=self.environment,
        )  # fmt: skip
        promises = {one["id"]: one for one in json.loads(done.stdout)}
        assert done.returncode == (0 if all(one["holds"] for one in promises.values()) else 1)
        return promises

    def again(self, kill: Kill) -> float:
        """After how many seconds the work of a killed claim was begun again."""
        (following,) = (
            run for run in self.room.all(Run) if (run.job_id, run.attempt) == (kill.job, kill.attempt + 1)
        )  # fmt: skip
        return (following.started_at - kill.at).total_seconds()


@pytest.fixture
def house(store: ImageStore, engine: GuardedClient, e1: Pack, tmp_path: Path) -> Iterator[House]:
    """A round of four with E1 in it; nothing is left of an earlier test."""
    assert store.missing() == ()
    reaper.reap(engine)
    assert leftovers(engine) == NOTHING
    with closing(create_records(tmp_path / "data")) as records:
        room = furnish(records)
        given = rounds.assign(records, round_code=CODE, pack=e1, by="coordinator")
        yield House(replace(room, assignment=given.id))


@pytest.fixture
def work(e1: Pack) -> bytes:
    """A reference solution, as an archive."""
    wanted = next(one for one in samples(e1) if one.name == SAMPLE)
    with submission_of(wanted) as source, as_archive(source) as archive:
        return archive.read()


def test_kills_at_any_moment_lose_nothing_and_leave_nothing(house: House, work: bytes, engine: GuardedClient) -> None:
    """Seven kills of the whole worker; then one result each, every promise holds, and the engine is empty."""
    begun = time.monotonic()
    first = house.room.submit(0, work).submission
    house.kill_after_record()
    others = [house.room.submit(seat, work).submission for seat in (1, 2, 3)]
    house.kill_before_record()
    left = {"record": leftovers(engine)}
    for phase in MOMENTS:
        house.kill_in(phase)
        left[phase] = leftovers(engine)
    house.drain()

    assert [name for name, found in left.items() if found == NOTHING] == [], "these kills came too late or too early"
    assert len(house.kills) == 1 + len(MOMENTS)
    assert len({kill.phase for kill in house.kills}) >= 5, house.kills
    ended = {submission: [how for _, how in story(house.room, submission)] for submission in (first, *others)}
    assert ended == {first: ["recorded"], **{one: ["expired", "expired", "recorded"] for one in others}}
    claims = {(run.job_id, run.attempt): run.ended for run in house.room.all(Run)}
    assert {claims[kill.job, kill.attempt] for kill in house.kills} == {"expired"}
    results = [(one.submission_id, one.standing, one.outcome) for one in house.room.all(Grading)]
    assert sorted(results) == sorted((one, "final", "pass") for one in (first, *others))

    waited = {f"{kill.phase} {kill.attempt}": round(house.again(kill), 1) for kill in house.kills}
    log.info("begun again after %s s; everything took %.0f s", waited, time.monotonic() - begun)
    assert max(waited.values()) <= AGAIN_SECONDS, waited

    promises = house.verify()
    assert [one for one in promises.values() if not one["holds"] or one["checked"] is None] == []
    assert leftovers(engine) == NOTHING
