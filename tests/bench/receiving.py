"""A thousand submissions in one minute, as at the end of a course, into the embedded records while workers grade.

``python -m tests.bench.receiving``. Everything that keeps anything is real; the sandbox plays a script. A submission
has a moment at which it is due, and its wait begins then, also when everybody who could take it is busy.
"""

import io
import multiprocessing
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from grader.queue import outlook
from grader.records import Records, RecordsUnavailable, Submission, create_records, open_records
from grader.services.admitting import NotAccepted
from grader.services.receiving import submit
from grader.services.verifying import verify
from grader.worker import slot
from tests.crash.fakes import APP, fake_driver
from tests.fixtures.records import MINI, furnish

SUBMISSIONS = 1_000
PEOPLE = 200
SECONDS = 60.0
BYTES = 200_000
SENDERS = 4
"""Processes that receive, as a portal has them; each with THREADS threads."""
THREADS = 8
SLOTS = 2
BASELINE = 200
TARGET_SECONDS = 2.0

_clean = multiprocessing.get_context("forkserver")
_clean.set_forkserver_preload(["grader.worker", "tests.crash.fakes", "tests.fixtures.records"])


@dataclass(frozen=True, kw_only=True)
class Due:
    """One submission that somebody hands in at ``at`` seconds after the beginning."""

    at: float
    seat: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What became of it: the submission's id or the code of a refusal, and the seconds until then."""

    receipt: str
    sha256: str
    refused: str
    seconds: float


def archive(number: int) -> bytes:
    """A project of BYTES bytes; each is another one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        bundle.writestr("app.py", APP)
        bundle.writestr("requirements.txt", "flask\n")
        bundle.writestr("photo.jpg", random.Random(number).randbytes(BYTES))
    return buffer.getvalue()


def send(folder: Path, assignment: str, share: Sequence[Due], begin: float) -> list[Answer]:
    """One receiving process: its submissions, each when it is due."""
    with closing(open_records(folder)) as records:
        waiting, lock, answers = iter(share), threading.Lock(), []

        def serve() -> None:
            while True:
                with lock:
                    due = next(waiting, None)
                if due is None:
                    return
                content = archive(hash(due.key))
                time.sleep(max(0.0, begin + due.at - time.monotonic()))
                answers.append(_hand_in(records, assignment, due, content, begin + due.at))

        threads = [threading.Thread(target=serve) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return answers


def _hand_in(records: Records, assignment: str, due: Due, content: bytes, since: float) -> Answer:
    receipt = sha256 = refused = ""
    try:
        given = submit(
            records,
            seat=due.seat,
            assignment=assignment,
            filename="งาน.zip",
            chunks=[content],
            by=due.seat,
            idempotency_key=due.key,
        )
        receipt, sha256 = given.submission, given.sha256
    except (NotAccepted, RecordsUnavailable) as problem:
        refused = problem.code
    return Answer(receipt=receipt, sha256=sha256, refused=refused, seconds=time.monotonic() - since)


def grade(folder: Path) -> None:
    """One slot of the worker, until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with closing(open_records(folder)) as records:
        slot.Slot(
            records,
            fake_driver(),
            exercises=MINI.root.parent,
            name=f"bench/{os.getpid()}",
            fit=lambda: "",
            tidy=lambda: None,
            stop=stop,
        ).run()


def main() -> int:
    """Measure and print everything."""
    console = Console(highlight=False, width=110)
    console.print(f"load of this machine before: {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name) / "data"
        plain = _baseline(Path(name))
        with closing(create_records(folder)) as records:
            room = furnish(records, people=PEOPLE)
            slots = [_clean.Process(target=grade, args=(folder,), daemon=True) for _ in range(SLOTS)]
            for one in slots:
                one.start()
            answers = _send_all(folder, room.assignment, room.seats)
            waiting = _waiting(records)
            begun = time.monotonic()
            while _waiting(records):
                time.sleep(0.2)
            drained = time.monotonic() - begun
            for one in slots:
                one.terminate()
                one.join()
            lost = _lost(records, answers)
            broken = [promise.id for promise in verify(records) if not promise.holds]
    _print(console, answers, plain, lost=lost)
    console.print(f"waiting for a grading after the last receipt: {waiting}; all graded {drained:.0f} s later")
    console.print(f"promises that do not hold: {', '.join(broken) or 'none'}")
    return 1 if lost or broken else 0


def _send_all(folder: Path, assignment: str, seats: Sequence[str]) -> list[Answer]:
    luck = random.Random(1)
    dues = sorted(
        (
            Due(at=luck.uniform(0.0, SECONDS), seat=seats[number % PEOPLE], key=f"key-{number}")
            for number in range(SUBMISSIONS)
        ),
        key=lambda due: due.at,
    )
    with _clean.Pool(SENDERS) as pool:
        begin = time.monotonic() + 5.0
        shares = [(folder, assignment, dues[number::SENDERS], begin) for number in range(SENDERS)]
        return [answer for answers in pool.starmap(send, shares) for answer in answers]


def _baseline(folder: Path) -> list[float]:
    """The same bytes into a file, and fsync: what no acknowledgement can avoid."""
    taken = []
    for number in range(BASELINE):
        content = archive(number)
        begun = time.monotonic()
        descriptor = os.open(folder / f"plain-{number}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(descriptor, content)
        os.fsync(descriptor)
        os.close(descriptor)
        taken.append(time.monotonic() - begun)
    return taken


def _waiting(records: Records) -> int:
    with records.reading() as session:
        seen = outlook(session, records.database.now(session))
    return seen.waiting + seen.running


def _lost(records: Records, answers: Sequence[Answer]) -> int:
    """Receipts without a row or without their bytes, and rows that nobody has a receipt for."""
    with records.reading() as session:
        kept = dict(session.execute(select(Submission.id, Submission.sha256)).all())
        rows = session.scalar(select(func.count()).select_from(Submission)) or 0
    given = {answer.receipt: answer.sha256 for answer in answers if answer.receipt}
    missing = [one for one, sha256 in given.items() if kept.get(one) != sha256]
    for sha256 in given.values():
        records.blobs.open(sha256)
    return len(missing) + abs(rows - len(given)) + SUBMISSIONS - len(answers)


def _print(console: Console, answers: Sequence[Answer], plain: Sequence[float], *, lost: int) -> None:
    acknowledged = [answer.seconds for answer in answers if answer.receipt]
    refused = Counter(answer.refused for answer in answers if answer.refused)
    console.print(f"{SUBMISSIONS} submissions of {BYTES // 1000} kB by {PEOPLE} people in {SECONDS:.0f} s")
    console.print(f"acknowledged {len(acknowledged)}, refused {dict(refused) or 0}, lost {lost}")
    table = Table(box=None)
    for title in ("ms", "p50", "p95", "p99", "most"):
        table.add_column(title, justify="right" if title != "ms" else "left")
    rows = {"acknowledged after": _percentiles(acknowledged), "plain write and fsync": _percentiles(plain)}
    for name, row in rows.items():
        table.add_row(name, *(f"{value * 1000:.1f}" for value in row))
    table.add_row("ratio", *(f"{ours / theirs:.1f}" for ours, theirs in zip(*rows.values(), strict=True)))
    console.print(table)
    met = "met" if rows["acknowledged after"][1] <= TARGET_SECONDS else "missed"
    console.print(f"target, p95 of at most {TARGET_SECONDS:.0f} s: {met}")


def _percentiles(values: Sequence[float]) -> list[float]:
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return [cuts[49], cuts[94], cuts[98], max(values)]


if __name__ == "__main__":
    sys.exit(main())
