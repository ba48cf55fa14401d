"""Apps that attack the machine are contained and fail with a typed reason, and the next grading is not disturbed."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from grader.grading import grade
from grader.packs import Pack
from grader.sandbox.docker import DockerDriver
from grader.sandbox.engine import GuardedClient
from grader.verdict import Verdict
from tests.fixtures.leftovers import NOTHING, leftovers
from tests.fixtures.projects import REFERENCE, counting
from tests.fixtures.watching import watched

FORKS = """
import os

while True:
    try:
        os.fork()
    except OSError:
        pass
"""
MEMORY = """
hog = [b"x" * (1 << 20) + bytes([number % 256]) for number in range(1 << 10)]
return single({"megabytes": len(hog)})
"""
DISK = """
import os

filled = 0
for folder in ("/tmp", "/dev/shm", "/app", "/var/tmp", "/opt/venv", "/"):
    for number in range(40):
        try:
            with open(os.path.join(folder, f"filler-{os.getpid()}-{number}"), "wb", buffering=0) as filler:
                for _ in range(50):
                    filled += filler.write(bytes(1 << 20))
        except OSError:
            break
raise RuntimeError(f"filled {filled} bytes and found no more room")
"""
CASES = {
    "forks": (FORKS, {"response.slow", "app.no_answer"}),
    "memory": (MEMORY, {"run.out_of_memory"}),
    "disk": (DISK, {"contract.server_error"}),
}
"""Name -> what one operation does, and the reasons of which U1 must give at least one."""
ONLY = frozenset({"U1", "E1-S5"})
BUDGET_SECONDS = 240
DISK_BYTES = 1 << 30
"""The disk filler would write several times as much if it could; other things on the machine write a little, too."""


@dataclass(frozen=True, kw_only=True)
class Attacked:
    """What came of one attack: the verdict, seconds, the app's highest memory and the lost disk space in bytes."""

    verdict: Verdict
    seconds: float
    memory: int
    disk: int


@pytest.fixture(scope="module", params=CASES)
def attacked(
    request: pytest.FixtureRequest, driver: DockerDriver, e1: Pack, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Attacked]:
    """One attack after the other."""
    project = counting(tmp_path_factory.mktemp("attack") / "project", CASES[request.param][0])
    started, free = time.monotonic(), shutil.disk_usage("/").free
    with watched("runtime-python") as memory:
        verdict = grade(project, e1, driver, seed=1, only=ONLY)
    return (
        request.param,
        Attacked(
            verdict=verdict,
            seconds=time.monotonic() - started,
            memory=max(memory.peaks.values()),
            disk=free - shutil.disk_usage("/").free,
        ),
    )


def test_it_is_a_failed_check_with_its_reason(attacked: tuple[str, Attacked]) -> None:
    """The trainee's fault, never ours: an attack must not be a way to be graded for ever."""
    name, found = attacked
    assert found.verdict.outcome == "fail"
    rows = {check.id: check for check in found.verdict.checks}
    assert CASES[name][1] & {finding.code for finding in rows["U1"].findings}
    assert rows["E1-S5"].outcome == "fail"


def test_it_stays_within_its_limits(attacked: tuple[str, Attacked], e1: Pack) -> None:
    """Time, memory and disk: what the exercise allows and not what the app would take."""
    _, found = attacked
    assert found.seconds < BUDGET_SECONDS
    assert 0 < found.memory <= e1.exercise.limits.memory_mb << 20
    assert found.disk < DISK_BYTES


def test_nothing_is_left(attacked: tuple[str, Attacked], engine: GuardedClient) -> None:
    """No container, network, image, volume or file, and no process of the attack."""
    name, _ = attacked
    assert name in CASES
    assert leftovers(engine) == NOTHING
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [command for command in commands if b"/opt/venv/bin/flask" in command]


def test_an_honest_grading_afterwards_passes(driver: DockerDriver, e1: Pack, engine: GuardedClient) -> None:
    """After all attacks the machine grades as ever."""
    verdict = grade(REFERENCE, e1, driver, seed=1)
    assert (verdict.outcome, verdict.points) == ("pass", 100)
    assert leftovers(engine) == NOTHING
