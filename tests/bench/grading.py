"""How long a grading takes, by phase and container, against the same steps done by hand and against the floor.

``make bench`` runs it. The floor is what no grader can avoid: the app's own boot, its answers, and the waits that the
exercise's cache rule makes necessary. Figures are medians; only the ratios travel between machines.
"""

import resource
import statistics
import sys
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import docker
from rich.console import Console
from rich.table import Table

from grader.cli.options import build_settings
from grader.grading import grade
from grader.intake import receive
from grader.packs import Pack, find_pack, load_pack, samples, submission_of
from grader.sandbox import layers
from grader.sandbox.docker import DockerDriver
from grader.sandbox.driver import AppImage, Examination, Listener, Sandbox
from grader.sandbox.engine import GuardedClient, connect
from grader.sandbox.images import ImageStore
from grader.settings import read_settings
from grader.submission import Workspace
from tests.bench import diy
from tests.bench.diy import Measured

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 3
SEED = 2570
REFERENCE = "reference-fastapi"
ANSWERS = "answers"
"""The phase name under which the app's own answer times are kept."""


@dataclass
class Recording:
    """A driver that notes what the verdict does not keep: the app's image and the time that its answers took."""

    inner: DockerDriver
    image: AppImage | None = None
    answers: dict[str, float] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def prepare(self, workspace: Workspace, run: str, listen: Listener) -> AppImage:
        """Keep the image."""
        self.image = self.inner.prepare(workspace, run, listen)
        return self.image

    @contextmanager
    def open(self, pack: Pack, seed: int, run: str, listen: Listener) -> Iterator[Sandbox]:
        """Listen to what the probe counts."""
        with self.inner.open(pack, seed, run, listen) as sandbox:
            examine = sandbox.examine

            def noting(command: str, only: frozenset[str] | None = None) -> Examination:
                found = examine(command, only)
                self.answers[command] = self.answers.get(command, 0.0) + float(found.data["answer_seconds"])
                self.requests[command] = self.requests.get(command, 0) + sum(found.data["exchanges"].values())
                return found

            sandbox.examine = noting  # type: ignore[method-assign]
            yield sandbox


def main() -> int:
    """Measure and print everything."""
    settings = read_settings()
    console, client = Console(highlight=False, width=110), connect()
    pack = load_pack(find_pack("e1", settings.exercises))
    (sample,) = [one for one in samples(pack) if one.name == REFERENCE]
    store = ImageStore(client, settings.sandboxes, build_settings(settings))
    with submission_of(sample) as source:
        ways = {
            "grader, all cold": [_graded(client, store, pack, source, cold=True) for _ in range(RUNS)],
            "grader, packages cached": [_graded(client, store, pack, source) for _ in range(RUNS)],
            "grader, warm set too": _warm(client, store, pack, source),
            "by hand, all cold": _by_hand(store, pack, source, fresh=True),
            "by hand, packages cached": _by_hand(store, pack, source, fresh=False),
        }
        _intake(console, source)
    _print(console, ways)
    return 0


def _graded(client: GuardedClient, store: ImageStore, pack: Pack, source: Path, *, cold: bool = False) -> Measured:
    if cold:
        _forget_layer(client, store, source)
    with closing(DockerDriver(client, store)) as driver:
        return _grade(driver, pack, source)


def _warm(client: GuardedClient, store: ImageStore, pack: Pack, source: Path) -> list[Measured]:
    """One driver for several gradings, as a worker has it: from the second on, a set waits."""
    with closing(DockerDriver(client, store, ahead=True)) as driver:
        return [_grade(driver, pack, source) for _ in range(RUNS + 1)][1:]


def _grade(driver: DockerDriver, pack: Pack, source: Path) -> Measured:
    recording, measured = Recording(driver), Measured()
    started, cpu = perf_counter(), _own_cpu()
    verdict = grade(source, pack, recording, seed=SEED)
    total = perf_counter() - started
    measured.cpu["host"] = _own_cpu() - cpu
    measured.passed = verdict.outcome == "pass"
    for phase in verdict.facts.phases:
        if phase.name != "cpu":
            measured.wall[phase.name] = phase.seconds
        for container, used in phase.cpu_seconds.items():
            measured.cpu[container] = used
    measured.wall["total"] = total
    measured.requests = recording.requests["contract"]
    measured.answers = sum(recording.answers.values())
    return measured


def _by_hand(store: ImageStore, pack: Pack, source: Path, *, fresh: bool) -> list[Measured]:
    base, database = diy.provide_base(store.image_id("runtime-python")), store.image_id("agency-postgres")
    with tempfile.TemporaryDirectory() as folder:
        start = receive(source, spool=Path(folder) / "source.tar").start

    def once() -> Measured:
        begun = perf_counter()
        measured = diy.run(pack, source, seed=SEED, base=base, database=database, start=start, fresh=fresh)
        measured.wall["total"] = perf_counter() - begun
        return measured

    runs = [once() for _ in range(RUNS if fresh else RUNS + 1)]
    return runs if fresh else runs[1:]


def _forget_layer(client: GuardedClient, store: ImageStore, source: Path) -> None:
    """Remove the packages of this submission, and of no other, from the cache."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = receive(source, spool=Path(folder) / "source.tar")
    layer = layers.provide_layer(
        client, store, workspace.runtime, workspace.dependencies, run="bench", listen=lambda _: None
    )
    try:
        client.remove_image(layer.ident, force=True)
    except docker.errors.APIError as error:
        message = "another grading uses these packages now: run the bench alone"
        raise RuntimeError(message) from error


PHASES = (
    *("intake", "build", "sandbox", "agencies", "start", "contract", "scenarios", "universal", "privacy", "stop"),
    *("teardown", "total"),
)


def _print(console: Console, ways: dict[str, Sequence[Measured]]) -> None:
    wrong = [name for name, runs in ways.items() if not all(one.passed for one in runs)]
    if wrong:
        console.print(f"a correct app did not pass: {', '.join(wrong)}")
    boot = statistics.median(one.wall["start"] for one in ways["grader, packages cached"])
    answers = statistics.median(one.answers for one in ways["grader, packages cached"])
    floor = boot + answers
    table = Table(title=f"{REFERENCE}, e1, seed {SEED}: seconds, median of {RUNS}", box=None)
    table.add_column("phase")
    for name in ways:
        table.add_column(name, justify="right")
    for phase in PHASES:
        values = [[one.wall[phase] for one in runs if phase in one.wall] for runs in ways.values()]
        table.add_row(phase, *(f"{statistics.median(one):.2f}" if one else "-" for one in values))
    places: dict[str, dict[str, float]] = defaultdict(dict)
    for name, runs in ways.items():
        for place in {place for one in runs for place in one.cpu}:
            places[place][name] = statistics.median(one.cpu.get(place, 0.0) for one in runs)
    for place, used in sorted(places.items()):
        table.add_row(f"CPU {place}", *(f"{used[name]:.2f}" if name in used else "-" for name in ways))
    table.add_row("contract requests", *(str(runs[0].requests) for runs in ways.values()))
    console.print(table)
    console.print(f"\nfloor: boot {boot:.2f} s + the app's own answers {answers:.2f} s = {floor:.2f} s")
    totals = {name: statistics.median(one.wall["total"] for one in runs) for name, runs in ways.items()}
    for name, total in totals.items():
        console.print(
            f"{name}: {total / floor:.1f} × floor, {total / totals['by hand, packages cached']:.2f} × by hand"
        )


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
    console.print(f"intake in the jail {jailed:.3f} s, plain extraction {bare:.3f} s, ratio {jailed / bare:.0f}\n")


def _own_cpu() -> float:
    used = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    sys.exit(main())
