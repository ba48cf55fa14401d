"""Apps that attack the machine: they are contained and fail with a typed reason, and the next grading is not disturbed."""

import shutil
import time
from collections.abc import Iterator
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
from tests.fixtures.watching import Memory, watched

FORKS = """
import os

while True:
    try:
        os.fork()
    except OSError:
        pass
"""
MEMORY = """
hog = [bytes(1 << 20).replace(bytes(1), b"x") for _ in range(1 << 10)]
return single({"hogs": len(hog)})
"""
DISK = """
import os

for folder in ("/tmp", "/dev/shm", "/app", "/var/tmp", "/"):
    for number in range(40):
        try:
            with open(os.path.join(folder, f"filler-{os.getpid()}-{number}"), "wb") as filler:
                for _ in range(60):
                    filler.write(os.urandom(1 << 20))
        except OSError as error:
            last = error
            break
raise last
"""
CASES = {
    "forks": (FORKS, {"response.slow", "app.no_answer", "run.crashed"}),
    "memory": (MEMORY, {"run.out_of_memory"}),
    "disk": (DISK, {"contract.server_error"}),
}
"""Name -> what one operation does, and the reasons of which one must be given."""
ONLY = frozenset({"U1", "E1-S1", "E1-S5", "U5"})
BUDGET_SECONDS = 300


@pytest.mark.parametrize("name", CASES)
def test_an_attack_on_the_machine_is_a_failed_check(
    name: str, driver: DockerDriver, e1: Pack, engine: GuardedClient, tmp_path: Path
) -> None:
    body, reasons = CASES[name]
    started = time.monotonic()
    with watched("runtime-python") as memory:
        verdict = grade(counting(tmp_path / "p", body), e1, driver, seed=1, only=ONLY)
    print(name, verdict.outcome, verdict.code, round(time.monotonic() - started), memory)
    for phase in verdict.facts.phases:
        print(phase.name, phase.seconds, phase.cpu_seconds)
    for c in verdict.checks:
        if c.outcome not in ("pass",):
            print(c.id, c.outcome, [(f.code, f.operation, f.params) for f in c.findings])
