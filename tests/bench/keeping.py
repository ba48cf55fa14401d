"""What a backup, its proof, a scrub, a restore and an erasure cost, and how much memory they take.

``python -m tests.bench.keeping [--people N] [--each N]`` fills records with work of 200 kB and verdicts of about 20 kB
on each engine, and prints seconds, bytes and the greatest memory of the process. Only the ratios travel.
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from grader.records import create_records, open_records
from grader.services import admitting
from grader.services.keeping import backup, check_backup, scrub
from grader.services.purging import erase_person
from grader.services.restoring import restore
from grader.services.verifying import verify
from tests.fixtures.keeping import graded
from tests.fixtures.postgresql import server
from tests.fixtures.records import furnish

WORK_BYTES = 200_000
LOG = ["a line of a log, as verdicts quote it, with a number of characters that is usual"] * 240


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came of it."""
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def measure(url: str, other: str, *, people: int, each: int) -> dict[str, str]:
    """One installation, filled, backed up, and restored into another place."""
    admitting.MOST_WAITING = 1_000_000  # type: ignore[misc]
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        records = create_records(folder / "data", url)
        room = furnish(records, people=people)
        for number in range(people * each):
            room.submit(number % people, os.urandom(WORK_BYTES))
            assert graded(room, log=LOG)
        saving, saved = timed(lambda: backup(records, folder / "b.tar"))
        proving, proof = timed(lambda: check_backup(saved.file))
        scrubbing, scrubbed = timed(lambda: scrub(records))
        verifying, _ = timed(lambda: verify(records))
        restoring, report = timed(lambda: restore(saved.file, folder / "new", other, by="bench"))
        assert proof.holds
        assert not scrubbed.damaged
        records.close()
        again = open_records(folder / "new", other)
        erasing, _ = timed(lambda: erase_person(again, person="t0000", by="bench", reason="bench"))
        again.close()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {
            "submissions": f"{people * each}",
            "backup, MB": f"{saved.bytes / 1e6:.0f}",
            "backup, s": f"{saving:.2f}",
            "proof, s": f"{proving:.2f}",
            "scrub, s": f"{scrubbing:.2f}",
            "verify, s": f"{verifying:.2f}",
            "restore (proof and verify in it), s": f"{restoring:.2f}",
            "lost since the backup, s": f"{report.lost.total_seconds():.1f}",
            "erase one person, s": f"{erasing:.2f}",
            "greatest memory, MB": f"{memory:.0f}",
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--each", type=int, default=5)
    chosen = parser.parse_args()
    size = {"people": chosen.people, "each": chosen.each}
    with server() as one, one.database() as first, one.database() as second:
        found = {"sqlite": measure("", "", **size), "postgresql": measure(first, second, **size)}
    table = Table("", *found)
    for row in found["sqlite"]:
        table.add_row(row, *(columns[row] for columns in found.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
