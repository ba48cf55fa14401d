"""How well more workers do more work: 10,000 jobs wait on one PostgreSQL, 1 to 32 workers, the sandbox a sleep.

``python -m tests.bench.scale`` prints a table and draws ``docs/figures/scale.svg``. Gradings last as long as real ones,
but a thirtieth of it: 32 workers then ask the database as often as 960 real ones. So that all runs together take three
minutes, each takes its share of the one deep queue, as much for each worker; ``python -m tests.bench.scale all`` lets
the last run empty it.
"""

import hashlib
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.managers import SyncManager
from pathlib import Path
from threading import Barrier, Semaphore
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import func, insert, select

from grader.grading import grade
from grader.queue import FIRST_ATTEMPT, REPEAT, Claim, beat, claim, record
from grader.records import Grading, Job, Records, Seat, Submission, create_records, new_id, open_records
from grader.sandbox.fake import FakeDriver, Play
from grader.services import standings
from grader.verdict import Verdict
from tests.crash.fakes import all_right, project_zip
from tests.fixtures.postgresql import server
from tests.fixtures.records import MINI, furnish

JOBS = 10_000
PEOPLE = 500
SCALE = 30
"""A second here stands for so many."""
MEDIAN_SECONDS, SPREAD = 27.0, 0.5
"""Of the real durations: lognormal, most between 16 and 45 s, mean 31 s."""
WORKERS = (1, 2, 4, 8, 16, 32)
EACH = 25
"""Jobs for each worker in a run."""
EMPTY = "all" in sys.argv
TARGET = 0.9
FIGURE = Path(__file__).resolve().parents[2] / "docs" / "figures" / "scale.svg"

_clean = multiprocessing.get_context("forkserver")
_clean.set_forkserver_preload(["grader.grading", "tests.crash.fakes", "tests.fixtures.records"])


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run. ``busy`` is the time that all sandboxes took together."""

    workers: int
    jobs: int
    busy: float
    wall: float

    @property
    def ideal(self) -> float:
        """The wall time of workers that do nothing but run sandboxes."""
        return self.busy / self.workers

    @property
    def efficiency(self) -> float:
        """Which part of the workers' time the sandboxes had."""
        return self.ideal / self.wall


def seconds_of(job: str) -> float:
    """How long the grading of a job takes; the same in every run."""
    luck = random.Random(hashlib.sha256(job.encode()).digest())
    return MEDIAN_SECONDS * luck.lognormvariate(0.0, SPREAD) / SCALE


def work(folder: Path, url: str, verdict: dict[str, Any], ready: Barrier, shares: Semaphore) -> tuple[float, int]:
    """One worker: one grading after another, until the run's share is taken; and one before, to get warm."""
    busy, jobs = 0.0, 0
    with closing(open_records(folder, url)) as records:
        name = f"bench/{os.getpid()}"
        warm = claim(records, name)
        assert warm is not None
        _grade(records, warm, verdict, 0.0)
        ready.wait()
        while shares.acquire(blocking=False) and (held := claim(records, name)) is not None:
            seconds = seconds_of(held.job)
            _grade(records, held, verdict, seconds)
            busy, jobs = busy + seconds, jobs + 1
    return busy, jobs


def _grade(records: Records, held: Claim, verdict: dict[str, Any], seconds: float) -> None:
    """Half the sandbox, a beat, the other half, and the result."""
    time.sleep(seconds / 2)
    assert beat(records, held)
    time.sleep(seconds / 2)
    assert record(
        records,
        held,
        outcome="pass",
        code="",
        points=verdict["points"],
        maximum=verdict["max"],
        grader_version="bench",
        verdict=verdict,
        also=_refresh,
    )


def _refresh(session: Any, grading: Grading) -> None:
    session.flush()
    standings.refresh(session, session.get_one(Submission, grading.submission_id).seat_id)


def main() -> int:
    """Measure, print and draw everything."""
    console = Console(highlight=False, width=110)
    console.print(f"load of this machine before: {os.getloadavg()[0]:.1f}")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-") as name, server() as one, one.database() as url:
        folder = Path(name)
        with closing(create_records(folder / "data", url)) as records, _clean.Manager() as manager:
            _enqueue(records)
            verdict = _verdict(folder).to_json()
            rows = [_run(manager, folder / "data", url, verdict, workers) for workers in WORKERS]
            with records.reading() as session:
                graded = session.scalar(select(func.count()).select_from(Grading))
    _print(console, rows)
    console.print(f"recorded {graded} of {JOBS}, in {time.monotonic() - begun:.0f} s with everything")
    FIGURE.parent.mkdir(exist_ok=True)
    FIGURE.write_text(_drawn(rows), encoding="utf-8")
    return 0 if graded == sum(row.jobs + row.workers for row in rows) else 1


def _run(manager: SyncManager, folder: Path, url: str, verdict: dict[str, Any], workers: int) -> Row:
    share = JOBS if EMPTY and workers == WORKERS[-1] else workers * EACH
    ready, shares = manager.Barrier(workers + 1), manager.Semaphore(share)
    with _clean.Pool(workers) as pool:
        found = [pool.apply_async(work, (folder, url, verdict, ready, shares)) for _ in range(workers)]
        ready.wait()
        begun = time.monotonic()
        done = [one.get() for one in found]
        wall = time.monotonic() - begun
    return Row(workers=workers, jobs=sum(jobs for _, jobs in done), busy=sum(busy for busy, _ in done), wall=wall)


def _enqueue(records: Records) -> None:
    """So many jobs at once, as after the bell: everybody has several waiting. One insert, or it would take minutes."""
    room = furnish(records, people=PEOPLE)
    with records.change(by="bench") as change:
        people = dict(change.session.execute(select(Seat.id, Seat.person_id)).all())
        works, jobs = [], []
        for number in range(JOBS):
            seat, turn = room.seats[number % PEOPLE], number // PEOPLE
            submission = new_id("sub")
            works.append(
                {
                    "id": submission,
                    "seat_id": seat,
                    "assignment_id": room.assignment,
                    "digest": MINI.digest,
                    "number": turn + 1,
                    "filename": "x.zip",
                    "sha256": "0" * 64,
                    "size": 1,
                    "received_at": change.at,
                    "late": False,
                    "idempotency_key": f"k{number}",
                    "receipt": {},
                }
            )
            jobs.append(
                {
                    "id": new_id("job"),
                    "submission_id": submission,
                    "digest": MINI.digest,
                    "seed": number,
                    "priority": REPEAT if turn else FIRST_ATTEMPT,
                    "turn": max(0, turn - 1),
                    "whose": people[seat],
                    "queued_at": change.at,
                    "not_before": change.at,
                }
            )
        change.session.execute(insert(Submission), works)
        change.session.execute(insert(Job), jobs)
        change.audit("bench.enqueued", "bench", after=JOBS)


def _verdict(folder: Path) -> Verdict:
    """A whole verdict, so that what is recorded has its size."""
    file = folder / "x.zip"
    file.write_bytes(project_zip())
    return grade(file, MINI, FakeDriver(plays=(Play(results=all_right()),)), seed=1)


def _print(console: Console, rows: list[Row]) -> None:
    mean = statistics.mean(seconds_of(str(number)) for number in range(1_000)) * SCALE
    table = Table(title=f"sandbox of {mean:.0f} s in the mean, at 1:{SCALE}; {JOBS} jobs wait at first", box=None)
    for title in ("workers", "jobs", "jobs/s", "wall s", "ideal wall s", "efficiency"):
        table.add_column(title, justify="right")
    for row in rows:
        rate = row.jobs / row.wall
        values = (f"{rate:.1f}", f"{row.wall:.2f}", f"{row.ideal:.2f}", f"{row.efficiency:.3f}")
        table.add_row(str(row.workers), str(row.jobs), *values)
    console.print(table)
    met = "met" if rows[-1].efficiency >= TARGET else "missed"
    console.print(f"target, efficiency of at least {TARGET} with {rows[-1].workers} workers: {met}")


WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 320, 60, 20, 40, 50


def _drawn(rows: list[Row]) -> str:
    """Efficiency over workers as SVG."""
    step = (WIDTH - LEFT - RIGHT) / len(rows)
    floor, full = HEIGHT - BOTTOM, HEIGHT - BOTTOM - TOP

    def y(value: float) -> float:
        return floor - full * value

    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
            f'font-size="13" fill="#222">'
        ),
        f"<title>Efficiency of 1 to {rows[-1].workers} workers on one PostgreSQL</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="22">Part of the workers\' time that sandboxes had, by number of workers</text>',
    ]
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        line = f'x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"'
        parts += [
            f'<line {line} stroke="#ddd"/>',
            f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.2f}</text>',
        ]
    for number, row in enumerate(rows):
        middle = LEFT + step * (number + 0.5)
        top = y(row.efficiency)
        parts += [
            (
                f'<rect x="{middle - step * 0.3:.1f}" y="{top:.1f}" width="{step * 0.6:.1f}" '
                f'height="{floor - top:.1f}" fill="#4a7fb5"/>'
            ),
            f'<text x="{middle:.1f}" y="{top + 18:.1f}" text-anchor="middle" fill="#fff">{row.efficiency:.2f}</text>',
            f'<text x="{middle:.1f}" y="{floor + 20}" text-anchor="middle">{row.workers}</text>',
            (
                f'<text x="{middle:.1f}" y="{floor + 38}" text-anchor="middle" fill="#777">'
                f"{row.jobs / row.wall:.0f} jobs/s</text>"
            ),
        ]
    aim = f'x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(TARGET):.1f}" y2="{y(TARGET):.1f}"'
    parts += [f'<line {aim} stroke="#b5482f" stroke-dasharray="6 4"/>', "</svg>", ""]
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
