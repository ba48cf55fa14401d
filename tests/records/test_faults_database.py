"""Databases that go away, processes that die or come back late, messages that come twice: nothing is lost or doubled.

Each test names the fault that it makes happen, and shows that it did happen.
"""

import multiprocessing
import os
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import pytest
from sqlalchemy import select

from grader.errors import EnvironmentProblem
from grader.queue import Claim, beat, claim, outlook, sweep
from grader.records import (
    AuditEntry,
    Records,
    RecordsUnavailable,
    Submission,
    WorkerRecord,
    audit,
    create_records,
    database,
    open_records,
)
from grader.services.admitting import NotAccepted
from grader.services.receiving import Receipt
from tests.fixtures.postgresql import Server, server
from tests.fixtures.records import Classroom, furnish, recorded
from tests.fixtures.slots import (
    SHORT,
    Crew,
    finals,
    need_promises,
    project,
    shorten,
    state,
    story,
    until,
)

QUICK_SECONDS = 10.0
"""In this time a caller has its answer, whatever it is, and a server that is back is used again."""


# -- F09: PostgreSQL goes away ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    """A server that these tests may kill."""
    with server() as one:
        yield one


@pytest.fixture
def remote(own_server: Server, tmp_path: Path) -> Iterator[tuple[Classroom, str]]:
    """A round in records on that server, and their address."""
    with own_server.database() as url, closing(create_records(tmp_path / "data", url)) as records:
        yield furnish(records, people=12), url


def start(one: Server) -> None:
    """Start a server again; after a SIGKILL its last processes may still hold the shared memory for a moment."""

    def started() -> bool:
        with suppress(AssertionError):
            one.start()
            return True
        return False

    until(started)


@contextmanager
def away(one: Server, how: str) -> Iterator[None]:
    """A server is gone for the block: stopped, or its first process killed; afterwards it is started again."""
    pid = one.pid()
    if how == "SIGKILL":
        os.kill(pid, signal.SIGKILL)
    else:
        one.stop(how)
    until(lambda: not state(pid))
    try:
        yield
    finally:
        start(one)


@dataclass
class Load:
    """Threads that work on records without end and note what they got, until they are told to stop."""

    room: Classroom
    receipts: list[Receipt] = field(default_factory=list)
    recorded: list[str] = field(default_factory=list)
    refused: list[tuple[float, str]] = field(default_factory=list)
    slowest: float = 0.0
    done_at: dict[str, float] = field(default_factory=dict)
    wrong: list[BaseException] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def submitting(self, seat: int) -> None:
        """One person's submissions, each with its key again and again until it has its receipt."""
        number = 0
        while not self.stop.is_set():
            key = f"{seat}-{number}"
            receipt = self._ask("submit", partial(self.room.submit, seat, idempotency_key=key))
            if isinstance(receipt, Receipt):
                self.receipts.append(receipt)
                number += 1

    def recording(self, worker: str) -> None:
        """Claim and record; a result is offered until somebody takes or refuses it."""
        while not self.stop.is_set():
            held = self._ask("claim", lambda: claim(self.room.records, worker))
            while isinstance(held, Claim) and not self.stop.is_set():
                answer = self._ask("record", partial(recorded, self.room.records, held))
                if isinstance(answer, bool):
                    self.recorded.append(held.submission)
                    held = None

    def _ask(self, what: str, question: Callable[[], object]) -> object:
        begun = time.monotonic()
        try:
            answer = question()
        except RecordsUnavailable as problem:
            self.refused.append((time.monotonic(), problem.code))
            self.stop.wait(0.05)
            return problem
        except NotAccepted:
            self.stop.wait(0.02)  # this person has enough waiting
            return None
        finally:
            self.slowest = max(self.slowest, time.monotonic() - begun)
        self.done_at[what] = time.monotonic()
        return answer

    def _guarded(self, work: Callable[[Any], None], value: object) -> None:
        try:
            work(value)
        except BaseException as problem:  # noqa: BLE001 - a thread must not die unheard
            self.wrong.append(problem)

    def __enter__(self) -> Self:
        jobs = [(self.submitting, seat) for seat in range(4)] + [(self.recording, f"w{n}") for n in range(3)]
        self._threads = [threading.Thread(target=self._guarded, args=job) for job in jobs]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join(30)


def finish(records: Records) -> None:
    """Record all that is owed; a claim whose answer was lost comes back when its lease is over."""

    def finished() -> bool:
        sweep(records)
        while (held := claim(records, "last")) is not None:
            assert recorded(records, held)
        with records.reading() as session:
            seen = outlook(session, records.database.now(session))
        return not seen.waiting and not seen.running

    until(finished)


@pytest.mark.parametrize("how", ["fast", "immediate", "SIGKILL"])
def test_a_server_that_is_restarted_loses_nothing(
    own_server: Server, remote: tuple[Classroom, str], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """F09: stopped under load, callers hear so in seconds and go on by themselves; no receipt lost, no result twice."""
    room, _ = remote
    shorten(SHORT, monkeypatch.setattr)
    with Load(room) as load:
        until(lambda: len(load.receipts) >= 6 and len(load.recorded) >= 6)
        with away(own_server, how):
            until(lambda: len(load.refused) >= 6)
        back = time.monotonic()
        for what in ("submit", "claim", "record"):
            until(lambda what=what: load.done_at[what] > back)  # type: ignore[misc]
        assert time.monotonic() - back < QUICK_SECONDS
        until(lambda: len(load.recorded) > 12)
    assert load.wrong == []
    assert load.slowest < QUICK_SECONDS
    assert {code for _, code in load.refused} <= {"records.unavailable", "records.busy"}
    finish(room.records)
    kept = {one.id: one for one in room.all(Submission)}
    assert {receipt.submission for receipt in load.receipts} <= set(kept)
    assert len({(one.seat_id, one.idempotency_key) for one in kept.values()}) == len(kept)
    assert set(finals(room).values()) == {1}
    assert set(finals(room)) == set(kept)
    assert room.records.blobs.open(load.receipts[0].sha256)


def test_an_outage_longer_than_a_lease_costs_nobody_a_grading(
    own_server: Server, remote: tuple[Classroom, str]
) -> None:
    """F09: work that runs goes on while the database is away, and its verdict is recorded; workers survive it."""
    room, url = remote
    receipt = room.submit(content=project("slow 3"))
    with Crew(room, url) as crew:
        busy = crew.start("busy", lease=SHORT)
        until(lambda: room.job(receipt.submission).state == "running")
        idle = crew.start("idle", lease=SHORT)
        until(lambda: len(room.all(WorkerRecord)) == 2)
        with away(own_server, "immediate"):
            with pytest.raises(RecordsUnavailable):
                room.submit(1)
            time.sleep(2 * SHORT)
            assert (busy.is_alive(), idle.is_alive()) == (True, True)
            assert "beat: records.unavailable" in crew.said("busy")
        until(lambda: finals(room)[receipt.submission] == 1)
        assert (busy.is_alive(), idle.is_alive()) == (True, True)
        again = room.submit(1, project())
        until(lambda: finals(room)[again.submission] == 1)
    assert story(room, receipt.submission) == [("busy", "recorded")]
    assert len(room.all(Submission)) == 2, "what was refused in between left nothing"
    need_promises(room.records)


def test_who_lived_through_an_outage_beats_before_others_sweep(
    own_server: Server, remote: tuple[Classroom, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """F09: every lease ended while the database was away; idle workers leave it at that until the busy ones spoke."""
    room, url = remote
    shorten(SHORT, monkeypatch.setattr)
    room.submit()
    held = claim(room.records, "busy")
    assert held is not None
    with Crew(room, url) as crew:
        crew.start("idle", lease=3 * SHORT)
        until(lambda: beat(room.records, held) and room.all(WorkerRecord))
        with away(own_server, "fast"):
            time.sleep(1.5 * SHORT)
        time.sleep(1.5 * SHORT)
        assert beat(room.records, held), "although the idle one looks for such leases every 0.75 s"
        assert recorded(room.records, held)


def test_a_verdict_waits_for_a_server_that_is_down(own_server: Server, remote: tuple[Classroom, str]) -> None:
    """F09: a grading that ends while the database is away is offered until it is recorded, and is not done again."""
    room, url = remote
    receipt = room.submit(content=project("slow 0.5"))
    with Crew(room, url) as crew:
        crew.start("w1", lease=SHORT)
        until(lambda: room.job(receipt.submission).state == "running")
        with away(own_server, "fast"):
            until(lambda: "WARNING records: records.unavailable" in crew.said("w1"))
            time.sleep(2 * SHORT)
        until(lambda: finals(room)[receipt.submission] == 1)
    assert story(room, receipt.submission) == [("w1", "recorded")]


# -- F10: SQLite ------------------------------------------------------------------------------------------------------

EACH = 25
"""Changes of each writer."""
_clean = multiprocessing.get_context("forkserver")


def write(folder: Path, name: str, count: int) -> None:
    """Add entries to the chain, with a new connection now and then as short-lived commands have."""
    for number in range(count):
        if number % 5 == 0:
            records = open_records(folder)
        with records.change(by=name) as change:
            change.audit("test.done", f"{name}_{number}")
        if number % 5 == 4:
            records.close()


def written(records: Records) -> Counter[str]:
    """How many entries each writer has in the chain, which must hold."""
    with records.reading() as session:
        assert audit.find_break(session, records.keys) is None
    with records.reading() as session:
        return Counter(session.scalars(select(AuditEntry.by).where(AuditEntry.action == "test.done")))


def test_eight_writers_never_meet_a_lock(tmp_path: Path, in_parallel: Callable[..., list[object]]) -> None:
    """F10: four processes and four threads that write at once all succeed; the chain is whole and has every entry."""
    folder = tmp_path / "data"
    with closing(create_records(folder)) as records:
        names = [f"process{number}" for number in range(4)]
        processes = [_clean.Process(target=write, args=(folder, name, EACH)) for name in names]
        for process in processes:
            process.start()

        def write_here(number: int) -> None:
            for step in range(EACH):
                with records.change(by=f"thread{number}") as change:
                    change.audit("test.done", f"{number}_{step}")

        in_parallel(write_here, range(4), threads=4)
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0] * 4
        assert written(records) == dict.fromkeys([*names, *(f"thread{number}" for number in range(4))], EACH)


def die_inside(folder: Path, number: int) -> None:
    """Write, and be killed in the middle of the next transaction, when it has changed much and committed nothing."""
    records = open_records(folder)
    write(folder, "victim", 1)
    with records.change(by="torn") as change:
        for step in range(200 + number):
            change.audit("test.done", f"torn_{step}", after="x" * 2_000)
        change.session.flush()
        audit.append(change.session, change.entries, by="torn", request="", at=change.at, keys=records.keys)
        change.session.flush()
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_writer_that_is_killed_in_a_transaction_leaves_no_trace(tmp_path: Path) -> None:
    """F10: what it had committed is there, what it had not is not; the next writer waits for nobody."""
    folder = tmp_path / "data"
    with closing(create_records(folder)) as records:
        for number in range(5):
            victim = _clean.Process(target=die_inside, args=(folder, number))
            victim.start()
            victim.join(30)
            assert victim.exitcode == -signal.SIGKILL
            begun = time.monotonic()
            write(folder, "next", 1)
            assert time.monotonic() - begun < 5
        assert written(records) == {"victim": 5, "next": 5}
        records.database.need_whole()


def test_a_damaged_database_is_not_served(tmp_path: Path) -> None:
    """F10: at start a torn file is found before anything is read from it, by the worker as by the set-up."""
    folder = tmp_path / "data"
    with closing(create_records(folder)) as records:
        room = furnish(records, people=40)
    file = folder / "records.sqlite3"
    assert not file.with_name(f"{file.name}-wal").exists(), "everything is in the file that is damaged now"
    with closing(sqlite3.connect(file)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'submission'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with file.open("r+b") as torn:
        torn.seek((page - 1) * size)
        torn.write(os.urandom(512))
    with closing(open_records(folder)) as records:
        with pytest.raises(RecordsUnavailable) as caught:
            records.database.need_whole()
        assert caught.value.code == "records.damaged"
        with Crew(Classroom(records=records, assignment=room.assignment, seats=room.seats), "") as crew:
            slot = crew.start("w1")
            slot.join(30)
            assert slot.exitcode == 1, "a slot does not start on it"
    with pytest.raises(RecordsUnavailable) as caught:
        create_records(folder)
    assert caught.value.code == "records.damaged"


MOUNT = "36 35 98:0 / {place} rw,noatime master:1 - {kind} server:/share rw\n"


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "9p", "fuse.sshfs"])
def test_a_database_on_another_machines_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """F10: locks and shared memory do not hold there; an embedded database is neither made nor opened."""
    folder = tmp_path / "งาน ทดสอบ" / "data"
    create_records(folder).close()
    mounts = tmp_path / "mountinfo"
    place = str(folder.parent).replace(" ", "\\040")
    mounts.write_text(MOUNT.format(place="/", kind="ext4") + MOUNT.format(place=place, kind=kind), encoding="utf-8")
    monkeypatch.setattr(database, "MOUNTS", mounts)
    for use in (open_records, create_records):
        with pytest.raises(EnvironmentProblem) as caught:
            use(folder)
        assert (caught.value.code, caught.value.params["kind"]) == ("records.not_local", kind)
    create_records(tmp_path / "beside").close()
