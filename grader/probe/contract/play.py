"""Play a plan: run the tester on it, under limits, and bring back what it wrote down."""

import atexit
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from grader.errors import InfrastructureFault
from grader.probe.contract.report import Told, read

TABLES_VARIABLE = "GRADER_HYPOTHESIS_TABLES"
"""Environment variable that names a folder with Hypothesis' Unicode tables; without it they are built (2.7 CPU s)."""

WALL_BASE_SECONDS = 90.0
WALL_SECONDS_PER_OPERATION = 35.0
"""The guard lets an operation cost 3 answers of 10 s before it cuts it short; normal is less than 2 s."""

START_SECONDS = 60.0
PHASES = "examples,coverage,fuzzing"


@dataclass(frozen=True, kw_only=True)
class Played:
    """One run of the tester. ``status`` is None when the wall limit ended it; times in seconds, memory in MB."""

    status: int | None
    told: Told
    seconds: float
    cpu_seconds: float = 0.0
    memory_mb: int = 0


class Tester:
    """The warm tester process of this probe; one run at a time."""

    def __init__(self) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="tester-")
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": self._home.name,
            "LANG": "C.UTF-8",
            "NO_PROXY": "*",
            "HYPOTHESIS_STORAGE_DIRECTORY": str(_tables(Path(self._home.name))),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-m", "grader.probe.contract.tester"],
            cwd=self._home.name,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )

    @property
    def alive(self) -> bool:
        """Whether the process can still take a run."""
        return self._process.poll() is None

    def run(self, folder: Path, arguments: list[str], *, wall_seconds: float) -> dict[str, Any] | None:
        """One run with ``folder`` as working directory; gives the tester's reply, or None when time was up."""
        requests, replies = _pipe(self._process.stdin), _pipe(self._process.stdout)
        try:
            requests.write(json.dumps({"folder": str(folder), "arguments": arguments}).encode() + b"\n")
        except OSError as problem:
            raise InfrastructureFault("infrastructure.tester_lost", step="start") from problem
        started = _line(replies, START_SECONDS)
        if started is None:
            self.close()
            raise InfrastructureFault("infrastructure.tester_lost", step="start")
        ended = _line(replies, wall_seconds)
        if ended is None:
            os.killpg(int(started["pid"]), signal.SIGKILL)
            _line(replies, START_SECONDS)
        return ended

    def close(self) -> None:
        """End the process; a run that is under way ends with its wall limit."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.kill()
        self._process.wait()
        self._home.cleanup()


_testers: list[Tester] = []


def warm_up() -> Tester:
    """Start the tester process if there is none; calling it early hides the second that its imports take."""
    if _testers and not _testers[0].alive:
        _testers.pop().close()
    if not _testers:
        _testers.append(Tester())
    return _testers[0]


@atexit.register
def cool_down() -> None:
    """End the tester process."""
    while _testers:
        _testers.pop().close()


def run_plan(folder: Path, *, contract: Path, config: Path, base_url: str, operations: int) -> Played:
    """Run the tester against ``base_url`` (the guard) in an empty folder below ``folder``."""
    room = Path(tempfile.mkdtemp(prefix="run-", dir=folder))
    events, summary = folder / "events.ndjson", folder / "summary.json"
    for left in (events, summary):
        left.unlink(missing_ok=True)
    arguments = [f"--config-file={config}", "--no-color", "run", str(contract), "--url", base_url, "--phases", PHASES]
    arguments += ["--report-ndjson-path", str(events), "--report-json-path", str(summary)]
    started = time.monotonic()
    reply = warm_up().run(room, arguments, wall_seconds=WALL_BASE_SECONDS + WALL_SECONDS_PER_OPERATION * operations)
    seconds = time.monotonic() - started
    try:
        told = read(events, summary)
    except (ValueError, KeyError, TypeError) as problem:
        raise InfrastructureFault("infrastructure.tester_report", problem=type(problem).__name__) from problem
    finally:
        shutil.rmtree(room, ignore_errors=True)
    if reply is None:
        return Played(status=None, told=told, seconds=seconds)
    return Played(
        status=int(reply["status"]),
        told=told,
        seconds=seconds,
        cpu_seconds=float(reply["cpu_seconds"]),
        memory_mb=int(reply["memory_mb"]),
    )


def build_tables(folder: Path) -> None:
    """Fill ``folder`` with Hypothesis' Unicode tables; the probe image does this once."""
    folder.mkdir(parents=True, exist_ok=True)
    program = "from hypothesis.internal.charmap import *; charmap(); categories(); intervals_from_codec('utf-8')"
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HYPOTHESIS_STORAGE_DIRECTORY": str(folder)}
    subprocess.run([sys.executable, "-I", "-c", program], check=True, cwd=folder, env=environment, timeout=120)


def _tables(home: Path) -> Path:
    """A private copy of the ready-made tables: nothing that a run writes reaches the next one."""
    own, ready = home / "tables", os.environ.get(TABLES_VARIABLE)
    if ready and Path(ready).is_dir():
        shutil.copytree(ready, own)
    else:
        own.mkdir()
    return own


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # Popen was asked for both pipes
    return pipe


def _line(pipe: IO[bytes], seconds: float) -> dict[str, Any] | None:
    """The next reply, or None when there is none in time or the process ended."""
    ready, _, _ = select.select([pipe], [], [], seconds)
    line = pipe.readline() if ready else b""
    reply: dict[str, Any] | None = json.loads(line) if line else None
    return reply
