"""How long a grading takes, by phase and container, as a ratio to what cannot be avoided: the app's own boot.

``make bench`` runs it. Figures are medians; only the ratios travel between machines.
"""

import statistics
import sys
import tempfile
import zipfile
from collections import defaultdict
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.table import Table

from grader.grading import grade
from grader.intake import receive
from grader.packs import find_pack, load_pack, samples, submission_of
from grader.sandbox.docker import DockerDriver
from grader.settings import read_settings

RUNS = 3
SEED = 2570
SAMPLES = ("reference-fastapi", "reference-flask", "bad-s4-like-wildcards")


def main() -> int:
    """Grade each sample a few times and print the tables."""
    settings = read_settings()
    pack = load_pack(find_pack("e1", settings.exercises))
    driver = DockerDriver.on_this_machine(settings.sandboxes, settings.build)
    console = Console(highlight=False)
    by_name = {sample.name: sample for sample in samples(pack)}
    for name in SAMPLES:
        seconds: dict[str, list[float]] = defaultdict(list)
        cpu: dict[str, list[float]] = defaultdict(list)
        with submission_of(by_name[name]) as source:
            for _ in range(RUNS):
                started = perf_counter()
                verdict = grade(source, pack, driver, seed=SEED)
                seconds["total"].append(perf_counter() - started)
                for phase in verdict.facts.phases:
                    seconds[phase.name].append(phase.seconds)
                    for container, used in phase.cpu_seconds.items():
                        cpu[container].append(used)
        _print(console, name, seconds, cpu)
    with submission_of(by_name[SAMPLES[0]]) as source:
        _intake(console, source)
    return 0


def _print(console: Console, name: str, seconds: dict[str, list[float]], cpu: dict[str, list[float]]) -> None:
    floor = statistics.median(seconds["start"])
    table = Table(title=f"{name}: median of {RUNS}; baseline = start (the app's own boot)", box=None)
    for heading in ("phase", "seconds", "ratio to start"):
        table.add_column(heading, justify="left" if heading == "phase" else "right")
    for phase, values in seconds.items():
        if phase != "cpu":
            middle = statistics.median(values)
            table.add_row(phase, f"{middle:.2f}", f"{middle / floor:.2f}")
    console.print(table)
    used = ", ".join(f"{container} {statistics.median(values):.2f}" for container, values in sorted(cpu.items()))
    console.print(f"CPU seconds by container: {used}\n")


def _intake(console: Console, source: Path) -> None:
    """Intake of one archive against the plain extraction it must never be replaced by."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "x.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bundle:
            for path in sorted(source.rglob("*")):
                bundle.write(path, path.relative_to(source))
        ours, plain = [], []
        for number in range(RUNS * 3):
            started = perf_counter()
            receive(archive, spool=Path(folder) / f"{number}.tar")
            ours.append(perf_counter() - started)
            started = perf_counter()
            with zipfile.ZipFile(archive) as bundle:
                bundle.extractall(Path(folder) / str(number))
            plain.append(perf_counter() - started)
    jailed, bare = statistics.median(ours), statistics.median(plain)
    console.print(f"intake in the jail {jailed:.3f} s, plain extraction {bare:.3f} s, ratio {jailed / bare:.0f}")


if __name__ == "__main__":
    sys.exit(main())
