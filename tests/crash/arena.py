"""A campaign of kills against the records: ``python -m tests.crash.arena --kills N [--url ADDRESS | --postgresql]``.

One process that nobody kills starts the others: somebody who submits work without end, and a worker. Every third kill
hits one of them at a random moment; for the others, one more child is told to die at a named point, those first that
killed least. Whoever was killed is started again. At the end the work that is owed is finished, and everything is
compared: receipts that somebody holds with rows and files, results with jobs, and the promises of ``grader verify``.

Grading is a fake with real intake; everything that keeps anything is real. The children are forks, because starting
Python two hundred times would cost more than the campaign. Times of the queue are shortened fiftyfold.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final, NoReturn

from sqlalchemy import select

from grader import faultpoints
from grader.queue import jobs, leases
from grader.records import Grading, Job, Records, Submission, create_records, open_records
from grader.services import admitting, receiving
from grader.services.verifying import verify
from grader.worker import slot
from tests.crash.fakes import fake_driver, project_zip
from tests.fixtures.postgresql import server
from tests.fixtures.records import MINI, furnish

PEOPLE: Final = 6
DRAIN_SECONDS: Final = 240
PATIENCE_SECONDS: Final = 4.0
"""How long a child that was told to die at a point may live."""
EXERCISES: Final = MINI.root.parent

UPLOADING: Final = tuple(sorted(point for point in faultpoints.POINTS if point.startswith("upload.")))
WORKING: Final = tuple(
    sorted(
        point
        for point in faultpoints.POINTS
        if point.partition(".")[0] in {"lease", "grading", "record", "sweep", "audit"}
    )
)


def shorten() -> None:
    """Let a lease end after half a second instead of thirty."""
    for module in (jobs, leases, slot):
        for name, seconds in {"LEASE": 0.6, "BEAT": 0.15, "SWEEP": 0.2, "POLL": 0.02}.items():
            if hasattr(module, name):
                setattr(module, name, timedelta(seconds=seconds))
    jobs.BACKOFF = (timedelta(0),)  # type: ignore[misc]
    jobs.MOST_TRIES = 10**6  # type: ignore[misc]  # every kill uses up a try; here nobody is to wait for an operator
    slot.CHECKPOINT_SECONDS = 0.5  # type: ignore[misc,assignment]
    admitting.MOST_WAITING = 10**6  # type: ignore[misc]


@dataclass
class Report:
    """What a campaign came to."""

    kills: int = 0
    fired: Counter[str] = field(default_factory=Counter)
    receipts: int = 0
    submissions: int = 0
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Arena:
    """One campaign. ``seats`` and ``assignment`` are those of the furnished round."""

    def __init__(self, folder: Path, url: str, seed: int) -> None:
        self._folder, self._url = folder, url
        self._luck = random.Random(seed)
        self._receipts = folder / "receipts.jsonl"
        self._receipts.touch()
        records = create_records(folder / "data", url)
        room = furnish(records, people=PEOPLE)
        self._seats, self._assignment = room.seats, room.assignment
        records.close()
        self.report = Report()

    # -- children -----------------------------------------------------------------------------------------------------

    def _fork(self, work: Callable[[Records, threading.Event], None], die_at: str = "") -> int:
        """Start a child that works until SIGTERM; ``die_at`` is a point at which it kills itself."""
        pid = os.fork()
        if pid == 0:
            self._live(work, die_at)
        return pid

    def _live(self, work: Callable[[Records, threading.Event], None], die_at: str) -> NoReturn:
        code = 1
        try:
            if die_at:
                faultpoints.listen(lambda name: _die(self._folder, name) if name == die_at else None)
            stop = threading.Event()
            signal.signal(signal.SIGTERM, lambda *_: stop.set())
            records = open_records(self._folder / "data", self._url)
            work(records, stop)
            records.close()
            code = 0
        except BaseException as problem:  # noqa: BLE001 - whatever it is, the parent has to hear of it
            (self._folder / f"died-{os.getpid()}").write_text(repr(problem), encoding="utf-8")
        os._exit(code)

    def _upload(self, records: Records, stop: threading.Event) -> None:
        """Submit one piece of work after another; a key without a receipt is tried again until it has one."""
        known = {json.loads(line)["key"] for line in self._lines()}
        number = len(known)
        while not stop.is_set():
            key = f"key-{number}"
            if key not in known:
                receipt = receiving.submit(
                    records,
                    seat=self._seats[number % PEOPLE],
                    assignment=self._assignment,
                    filename="งาน.zip",
                    chunks=_pieces(project_zip(number)),
                    by=f"trainee{number % PEOPLE}",
                    idempotency_key=key,
                )
                faultpoints.reached("upload.pre_response")
                self._keep({"key": key, "receipt": receipt.model_dump(mode="json")})
            number += 1
            self._hold_back(records, stop)

    def _hold_back(self, records: Records, stop: threading.Event) -> None:
        """So much work at a time that the workers keep up."""
        while not stop.is_set():
            with records.reading() as session:
                waiting = session.scalars(select(Job.id).where(Job.state == "queued")).all()
            if len(waiting) < 2 * PEOPLE:
                return
            time.sleep(0.02)

    def _work(self, records: Records, stop: threading.Event) -> None:
        slot.Slot(
            records,
            fake_driver(),
            exercises=EXERCISES,
            name=f"arena/{os.getpid()}",
            fit=lambda: "",
            tidy=lambda: None,
            stop=stop,
        ).run()

    def _lines(self) -> list[str]:
        whole = self._receipts.read_bytes()
        return [line.decode() for line in whole.split(b"\n")[:-1]]  # what follows the last line end was never written

    def _keep(self, line: dict[str, object]) -> None:
        """What the client holds in its hand: one write that is whole or not there."""
        descriptor = os.open(self._receipts, os.O_WRONLY | os.O_APPEND)
        os.write(descriptor, json.dumps(line).encode() + b"\n")
        os.close(descriptor)

    # -- the campaign -------------------------------------------------------------------------------------------------

    def run(self, kills: int) -> Report:
        """Kill so often, then let everything come to its end and compare."""
        begun = time.monotonic()
        points, tried = [*UPLOADING, *WORKING], Counter[str]()
        others = {"upload": self._fork(self._upload), "work": self._fork(self._work)}
        while self.report.kills < kills:
            number = self.report.kills
            if number % 3 == 0:
                self._kill_at_some_moment(others, "upload" if number % 2 else "work")
            else:
                point = min(points, key=lambda one: (self.report.fired[one], tried[one], one))
                tried[point] += 1
                self._die_at_point(point)
            self.report.kills += 1
        for pid in others.values():
            self._end(pid)
        self._drain()
        self._compare()
        self.report.seconds = time.monotonic() - begun
        return self.report

    def _kill_at_some_moment(self, others: dict[str, int], role: str) -> None:
        time.sleep(self._luck.uniform(0.0, 0.25))
        os.kill(others[role], signal.SIGKILL)
        os.waitpid(others[role], 0)
        others[role] = self._fork(self._upload if role == "upload" else self._work)

    def _die_at_point(self, point: str) -> None:
        """One more child beside the others, which dies by itself when it comes by the point."""
        pid = self._fork(self._upload if point in UPLOADING else self._work, die_at=point)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                self._note_death(point, status)
                return
            time.sleep(0.005)
        os.kill(pid, signal.SIGKILL)  # it did not come by in time: then this was one more random moment
        os.waitpid(pid, 0)

    def _note_death(self, point: str, status: int) -> None:
        if os.WIFSIGNALED(status):
            self.report.fired[point] += 1
        else:
            self.report.problems.append(f"a child ended by itself before {point}: {status}")

    def _drain(self) -> None:
        """Everything that is owed is done by workers that nobody kills; and the last key gets its receipt."""
        records = open_records(self._folder / "data", self._url)
        pid = self._fork(self._work)
        deadline = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < deadline:
            with records.reading() as session:
                live = session.scalars(select(Job.id).where(Job.state.in_(("queued", "running")))).all()
            if not live or os.waitpid(pid, os.WNOHANG)[0]:
                break
            time.sleep(0.1)
        else:
            self.report.problems.append(f"still owed after {DRAIN_SECONDS} s: {len(live)}")
        self._end(pid)
        records.close()

    def _end(self, pid: int) -> None:
        """Ask a child to end; one that had ended by itself has left a note of why."""
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)

    def _compare(self) -> None:
        records = open_records(self._folder / "data", self._url)
        held = {json.loads(line)["key"]: json.loads(line)["receipt"] for line in self._lines()}
        with records.reading() as session:
            submissions = {one.id: one for one in session.scalars(select(Submission))}
            graded = Counter(session.scalars(select(Grading.submission_id).where(Grading.standing == "final")))
        self.report.receipts, self.report.submissions = len(held), len(submissions)
        wrong = self.report.problems
        for key, receipt in held.items():
            row = submissions.get(receipt["submission"])
            if row is None or row.sha256 != receipt["sha256"] or row.idempotency_key != key:
                wrong.append(f"lost: {key}")
        keys = Counter(one.idempotency_key for one in submissions.values())
        wrong += [f"twice: {key}" for key, count in keys.items() if count > 1]
        wrong += [f"not graded once: {one}" for one in submissions if graded[one] != 1]
        wrong += [f"{one.id}: {one.wrong} {one.examples}" for one in verify(records) if not one.holds]
        wrong += [f"{file.name}: {file.read_text('utf-8')}" for file in self._folder.glob("died-*")]
        records.close()


def _die(folder: Path, name: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)  # a signal to oneself may take a moment; nothing more may happen meanwhile
    (folder / f"died-{name}").touch()


def _pieces(content: bytes) -> list[bytes]:
    half = len(content) // 2
    return [content[:half], content[half:]]


def main() -> int:
    """Run one campaign and print its report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--url", default="")
    parser.add_argument("--postgresql", action="store_true", help="on a server of its own")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with _address(chosen.url, own=chosen.postgresql) as url:
        report = campaign(chosen.kills, url, chosen.seed)
    json.dump({**vars(report), "fired": dict(report.fired)}, sys.stdout)
    sys.stdout.write("\n")
    return 1 if report.problems else 0


@contextmanager
def _address(url: str, *, own: bool) -> Iterator[str]:
    if not own:
        yield url
        return
    with server() as one, one.database() as fresh:
        yield fresh


def campaign(kills: int, url: str, seed: int) -> Report:
    """One campaign in a temporary folder. This process is changed by it: its times are short from now on."""
    shorten()
    with tempfile.TemporaryDirectory(prefix="arena-") as folder:
        tempfile.tempdir = folder  # what killed gradings leave goes with the arena
        return Arena(Path(folder), url, seed).run(kills)


if __name__ == "__main__":
    sys.exit(main())
