"""The worker with real slots, each a process of its own: work is graded once, whoever stops, dies or cannot begin."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from grader.errors import EnvironmentProblem, GraderError, InfrastructureFault
from grader.evidence import CheckEvidence
from grader.queue import BEAT, LEASE, MOST_TRIES, POLL, SWEEP, claim, outlook, sweep
from grader.records import AuditEntry, Grading, Job, Run, WorkerRecord, create_records
from grader.sandbox.fake import FakeSandbox, Play
from grader.services.receiving import Receipt
from grader.verdict import Verdict
from grader.worker import Fitness, fitness, slot, slots_for, supervise, supervisor
from tests.crash.fakes import all_right
from tests.fixtures.postgresql import Server
from tests.fixtures.records import MINI, Classroom, Clock, furnish
from tests.fixtures.slots import (
    SHORT,
    Crew,
    SlotThread,
    WishingDriver,
    finals,
    need_promises,
    project,
    story,
    until,
)

GIB = 1024**3
EMBEDDED = pytest.mark.parametrize("engine_name", ["sqlite"], indirect=True)
"""For what the machine does, and not the database: one engine shows it."""


class Sick(WishingDriver):
    """A driver of a machine that cannot grade: which step fails, and with what. ``sick`` turns it off."""

    def __init__(self, step: str, problem: GraderError) -> None:
        super().__init__()
        self.step, self.problem, self.sick = step, problem, True

    def need_health(self, step: str) -> None:
        """Fail, if this is what fails."""
        if self.sick and self.step == step:
            raise self.problem

    def require_images(self) -> None:
        """Fail, if this is what fails."""
        self.need_health("require_images")

    def tidy(self) -> None:
        """Fail, if this is what fails."""
        self.need_health("tidy")

    def prepare(self, *arguments: object) -> object:  # type: ignore[override]
        """Fail, if this is what fails."""
        self.need_health("prepare")
        return super().prepare(*arguments)  # type: ignore[arg-type]


@dataclass
class Killed:
    """One slot that was killed while it graded; ``took`` is after how many seconds another one had a result."""

    room: Classroom
    receipt: Receipt
    victim: ForkServerProcess
    took: float = float("inf")

    def __post_init__(self) -> None:
        until(lambda: self.room.job(self.receipt.submission).state == "running")
        time.sleep(1)
        self.victim.kill()
        self.victim.join()
        self.watch = threading.Thread(target=self._watch, args=(time.monotonic(),), daemon=True)
        self.watch.start()

    def _watch(self, since: float) -> None:
        while not finals(self.room) and time.monotonic() - since < 60:
            time.sleep(0.2)
        if finals(self.room):
            self.took = time.monotonic() - since


@pytest.fixture(scope="module", autouse=True)
def killed(tmp_path_factory: pytest.TempPathFactory, postgresql: Server) -> Iterator[dict[str, Killed]]:
    """A killed slot on each engine; a lease is long, so that the other tests of this module run meanwhile."""
    folder = tmp_path_factory.mktemp("killed")
    with ExitStack() as stack:
        addresses = {"sqlite": "", "postgresql": stack.enter_context(postgresql.database())}
        found = {}
        for name, url in addresses.items():
            room = furnish(stack.enter_context(closing(create_records(folder / name, url))))
            crew = stack.enter_context(Crew(room, url))
            found[name] = Killed(room, room.submit(content=project("slow 3")), crew.start("victim"))
            crew.start("heir")
        yield found
        for one in found.values():
            one.watch.join(60)


def test_work_goes_in_and_its_verdict_comes_out(classroom: Classroom, address: str) -> None:
    """From the receipt to a recorded verdict that reads back whole, through a real slot."""
    with Crew(classroom, address) as crew:
        crew.start("w1")
        receipts = [classroom.submit(seat, project(notes=str(seat))) for seat in range(4)]
        until(lambda: sum(finals(classroom).values()) == 4)
    for grading in classroom.all(Grading):
        verdict = Verdict.from_json(grading.verdict)
        assert verdict.to_json() == grading.verdict
        assert (verdict.outcome, verdict.points, verdict.max) == (grading.outcome, grading.points, grading.max)
        assert (verdict.outcome, verdict.exercise.digest) == ("pass", MINI.digest)
        assert verdict.facts.seed == grading.seed == classroom.job(grading.submission_id).seed
    assert {one.submission for one in receipts} == set(finals(classroom))
    need_promises(classroom.records)


@pytest.mark.parametrize(("takes", "grace", "ended"), [(1.5, 20.0, "recorded"), (12, 0.2, "released")])
def test_a_slot_that_is_asked_to_stop(
    classroom: Classroom, address: str, takes: float, grace: float, ended: str
) -> None:
    """SIGTERM: what ends within the grace is finished, the rest is given back at once and uses up no try."""
    receipt = classroom.submit(content=project(f"slow {takes}"))
    with Crew(classroom, address) as crew:
        process = crew.start("w1", grace=grace)
        until(lambda: classroom.job(receipt.submission).state == "running")
        process.terminate()
        process.join(40)
        assert process.exitcode == 0
    job = classroom.job(receipt.submission)
    assert story(classroom, receipt.submission) == [("w1", ended)]
    assert (job.state, job.tries, job.lease_until) == ("done" if ended == "recorded" else "queued", 0, None)
    (worker,) = classroom.all(WorkerRecord)
    assert worker.stopped_at is not None


@EMBEDDED
def test_a_grading_that_is_broken_off_gives_its_sandbox_back(
    classroom: Classroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after the grace everything of the sandbox is closed by the grading itself, and not left to be found."""

    class Opened(WishingDriver):
        @contextmanager
        def open(self, *arguments: object) -> Iterator[FakeSandbox]:  # type: ignore[override]
            with super().open(*arguments) as sandbox:  # type: ignore[arg-type]
                run.stop.set()
                yield sandbox

    monkeypatch.setattr(slot, "GRACE_SECONDS", -1)
    driver = Opened()
    receipt = classroom.submit(content=project())
    with closing(SlotThread(classroom, driver, monkeypatch)) as run:
        until(lambda: run.ended)
    assert classroom.job(receipt.submission).state == "queued"
    assert story(classroom, receipt.submission) == [("thread", "released")]
    assert any(call.startswith("open") for call in driver.calls)
    assert (driver.open_now, driver.broken_off) == (0, 0)


@EMBEDDED
def test_slots_that_die_are_started_again_and_end_together(
    classroom: Classroom, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The supervisor keeps two slots: one that is killed comes back, and when it is told to stop all end in peace."""
    monkeypatch.setattr(supervisor, "PAUSES", (0.1,))
    stop = threading.Event()
    seats = iter(range(4))

    def workers() -> set[str]:
        return {one.id for one in classroom.all(WorkerRecord)}

    with Crew(classroom, address) as crew:
        command = crew.command(lease=SHORT)
        thread = threading.Thread(target=supervise, args=(command,), kwargs={"slots": 2, "stop": stop})
        thread.start()
        try:
            until(lambda: len(workers()) == 2)
            victim = min(workers())
            os.kill(int(victim), signal.SIGKILL)
            until(lambda: len(workers()) == 3)
            assert not Path(f"/proc/{victim}").exists(), "the killed slot is gone, and was waited for"
            for seat in seats:
                classroom.submit(seat, project("slow 0.5"))
            until(lambda: any(job.state == "running" for job in classroom.all(Job)))
        finally:
            stop.set()
            thread.join(30)
    assert not thread.is_alive()
    ended = {one.id: one.stopped_at is not None for one in classroom.all(WorkerRecord)}
    assert [name for name, stopped in ended.items() if not stopped] == [victim]
    assert {run.ended for run in classroom.all(Run)} <= {"recorded", "released"}
    assert not [name for name in ended if Path(f"/proc/{name}").exists()]


@EMBEDDED
@pytest.mark.parametrize("step", ["require_images", "tidy"])
def test_a_machine_that_cannot_grade_waits_and_says_why(
    classroom: Classroom, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """No image, or an engine that does not answer: nothing is claimed, the reason is shown, it goes on by itself."""
    problem = EnvironmentProblem("environment.image_missing", image="probe")
    if step == "tidy":
        problem = InfrastructureFault("infrastructure.engine", call="reap")  # type: ignore[assignment]
    driver = Sick(step, problem)
    receipt = classroom.submit(content=project())

    def held_back() -> tuple[str, ...]:
        with classroom.records.reading() as session:
            return outlook(session, classroom.records.database.now(session)).held_back

    with closing(SlotThread(classroom, driver, monkeypatch)):
        until(lambda: held_back() == (problem.code,))
        job = classroom.job(receipt.submission)
        assert (job.state, job.attempt, job.tries) == ("queued", 0, 0)
        driver.sick = False
        until(lambda: classroom.job(receipt.submission).state == "done")
        until(lambda: held_back() == ())


@EMBEDDED
def test_a_machine_that_fails_in_the_middle_gives_the_job_back_and_pauses(
    classroom: Classroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What this machine lacks is not the job's fault: no try is used up, and it is not tried again without a pause."""
    driver = Sick("prepare", EnvironmentProblem("environment.disk_full", detail="x"))
    receipt = classroom.submit(content=project())
    with closing(SlotThread(classroom, driver, monkeypatch)):
        monkeypatch.setattr(slot, "UNFIT_SECONDS", 1.0)
        until(lambda: classroom.job(receipt.submission).attempt >= 2)
        before = classroom.job(receipt.submission).attempt
        time.sleep(1.0)
        assert classroom.job(receipt.submission).attempt <= before + 1
        driver.sick = False
        until(lambda: classroom.job(receipt.submission).state == "done")
    assert classroom.job(receipt.submission).tries == 0
    assert {ended for _, ended in story(classroom, receipt.submission)} == {"released", "recorded"}


@EMBEDDED
def test_a_dead_engine_costs_a_job_one_try(classroom: Classroom, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a fault of ours the engine is asked first: while it does not answer nothing is begun, no job runs out."""
    driver = Sick("prepare", InfrastructureFault("infrastructure.engine", call="build"))
    monkeypatch.setattr(driver, "tidy", lambda: driver.need_health("prepare"))
    driver.sick = False
    receipts = [classroom.submit(seat, project("slow 0.3")) for seat in range(2)]
    with closing(SlotThread(classroom, driver, monkeypatch)):
        until(lambda: classroom.job(receipts[0].submission).state == "running")
        driver.sick = True
        until(lambda: classroom.job(receipts[0].submission).tries == 1)
        time.sleep(1.5)
        assert [classroom.job(one.submission).tries for one in receipts] == [1, 0]
        driver.sick = False
        until(lambda: sum(finals(classroom).values()) == 2)


def test_our_fault_in_a_verdict_is_tried_again_and_is_no_result(
    classroom: Classroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verdict that says infrastructure is never recorded: the job is tried again, and the next one stands."""
    driver = WishingDriver(plays=(Play(breaks="universal", results=all_right()),))
    receipt = classroom.submit(content=project())
    with closing(SlotThread(classroom, driver, monkeypatch)):
        until(lambda: classroom.job(receipt.submission).tries == 1)
        assert classroom.job(receipt.submission).code == "infrastructure.probe_died"
        assert classroom.all(Grading) == []
        driver.plays = (Play(results=all_right()),)
        until(lambda: classroom.job(receipt.submission).state == "done")
    assert [ended for _, ended in story(classroom, receipt.submission)][-1] == "recorded"
    assert {ended for _, ended in story(classroom, receipt.submission)[:-1]} == {"fault"}
    assert [one.outcome for one in classroom.all(Grading)] == ["pass"]
    assert "job.fault" in {entry.action for entry in classroom.all(AuditEntry)}


@EMBEDDED
def test_a_check_that_our_probe_could_not_judge_is_our_fault_too(
    classroom: Classroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One check with an error makes the whole verdict ours; after three tries a person is asked, and nobody failed."""
    results = {**all_right(), "privacy": [], "universal": [CheckEvidence(check="U1", outcome="error")]}
    receipt = classroom.submit(content=project())
    with closing(SlotThread(classroom, WishingDriver(plays=(Play(results=results),)), monkeypatch)):
        until(lambda: classroom.job(receipt.submission).state == "needs_operator")
    assert [ended for _, ended in story(classroom, receipt.submission)] == ["fault"] * MOST_TRIES
    assert classroom.all(Grading) == []


def test_a_busy_slot_counts_as_alive(timed: Classroom, clock: Clock) -> None:
    """A slot that grades for longer than a lease renews only that lease, and is still shown as a worker."""
    timed.submit()
    held = claim(timed.records, "w1")
    assert held is not None

    def alive() -> int:
        with timed.records.reading() as session:
            return outlook(session, timed.records.database.now(session)).workers

    assert alive() == 1
    clock.pass_by(LEASE.total_seconds() + 1)
    assert alive() == 0
    assert sweep(timed.records) == 1


# -- fitness ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, ""),
        ({"load": 8.0}, ""),
        ({"load": 8.1}, "worker.host_busy"),
        ({"memory": GIB}, ""),
        ({"memory": GIB - 1}, "worker.no_memory"),
        ({"disk": GIB}, ""),
        ({"disk": GIB - 1}, "worker.no_disk"),
    ],
)
def test_a_machine_is_fit_within_its_limits(given: dict[str, float], problem: str) -> None:
    """Each limit holds to the last byte, and is a reason of its own."""
    values = {"load": 0.0, "cpus": 2, "memory": 8 * GIB, "disk": 8 * GIB, **given}
    assert Fitness(**values).problem == problem  # type: ignore[arg-type]


def test_this_machine_says_what_it_has() -> None:
    """The figures are those of the machine and of the folder that was asked about."""
    found = fitness(Path("/"))
    stat = os.statvfs("/")
    assert found.cpus == len(os.sched_getaffinity(0))
    assert 0 < found.memory <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert abs(found.disk - stat.f_bavail * stat.f_frsize) < GIB
    assert found.load >= 0


@pytest.mark.parametrize(
    ("cpus", "gigabytes", "slots"), [(1, 16, 1), (2, 16, 2), (8, 16, 8), (16, 6, 4), (2, 1, 1), (64, 48, 32)]
)
def test_slots_follow_processors_and_memory(cpus: int, gigabytes: int, slots: int) -> None:
    """One for each processor as far as the memory goes, and never none."""
    assert slots_for(cpus, gigabytes * GIB) == slots


@EMBEDDED
def test_an_unfit_machine_claims_nothing(classroom: Classroom, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown is the limit that was passed; when it holds again, the job is graded."""
    reasons = ["worker.host_busy"]
    receipt = classroom.submit(content=project())
    with closing(SlotThread(classroom, WishingDriver(), monkeypatch, fit=lambda: reasons[0])):
        until(lambda: [one.waits_for for one in classroom.all(WorkerRecord)] == ["worker.host_busy"])
        assert classroom.job(receipt.submission).attempt == 0
        reasons[0] = ""
        until(lambda: classroom.job(receipt.submission).state == "done")


# -- a worker that is killed ------------------------------------------------------------------------------------------


def test_the_work_of_a_killed_worker_runs_on_another_within_a_minute(killed: dict[str, Killed]) -> None:
    """F01: killed in the middle of a grading, with the times of the product, it is graded by another within 60 s."""
    assert timedelta(seconds=45) > LEASE + SWEEP + POLL + BEAT
    for name, one in killed.items():
        one.watch.join(60)
        assert one.took < 60, f"not graded again on {name}"
        assert one.took > (LEASE - BEAT).total_seconds() / 2, "it was the lease that ended, and nothing else"
        assert one.victim.exitcode == -signal.SIGKILL
        assert story(one.room, one.receipt.submission) == [("victim", "expired"), ("heir", "recorded")]
        need_promises(one.room.records)
