"""A verdict is the same again when the same work is graded again, also on a machine that has no time for it.

Five gradings run at once beside a process for each core that only burns it: each of them gets a share of a core.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from grader.packs import find_pack, load_pack, samples, submission_of
from grader.sandbox.images import ImageStore

ROOT = Path(__file__).resolve().parents[2]
EXERCISES = ROOT / "exercises"


def check(exercise: str, sample: str, seed: int) -> dict[str, Any]:
    """The verdict of one sample, as JSON."""
    pack = load_pack(find_pack(exercise, EXERCISES))
    wanted = next(one for one in samples(pack) if one.name == sample)
    with submission_of(wanted) as source:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "grader",
                "check",
                str(source),
                "--exercise",
                exercise,
                "--seed",
                str(seed),
                "--json",
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            timeout=400,
        )
    verdict: dict[str, Any] = json.loads(done.stdout)
    return verdict


def essence(verdict: dict[str, Any]) -> list[Any]:
    """What must be identical between two gradings: outcome, points, failing checks and their fingerprints."""
    failing = {
        one["id"]: sorted(finding["fingerprint"] for finding in one["findings"])
        for one in verdict["checks"]
        if one["outcome"] != "pass"
    }
    return [verdict["outcome"], verdict["code"], verdict["points"], failing]


WRONG: Final = ("e1", "bad-s2-ordered-by-hoscode", 4711)
HONEST: Final = [("e1", "reference-fastapi", 1), ("e1", "reference-fastapi", 7), ("e3", "reference-fastapi", 1)]
WORK: Final = [*HONEST[::-1], WRONG, WRONG]
"""Exercise, sample and seed of each grading."""


@contextmanager
def busy() -> Iterator[None]:
    """Keep every core busy with something else."""
    burn = "while True: pass"
    burners = [subprocess.Popen([sys.executable, "-c", burn]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


@pytest.fixture(scope="module")
def verdicts(store: ImageStore) -> list[tuple[tuple[str, str, int], list[Any]]]:
    """What became of all of it, graded at once on a busy machine."""
    assert store.missing() == ()
    with busy(), ThreadPoolExecutor(len(WORK)) as pool:
        return list(zip(WORK, pool.map(lambda one: essence(check(*one)), WORK), strict=True))


def test_the_same_seed_gives_the_same_verdict_also_on_a_busy_machine(
    verdicts: list[tuple[tuple[str, str, int], list[Any]]],
) -> None:
    """Outcome, points, failing checks and fingerprints of a known-bad sample do not depend on the load."""
    first, second = (verdict for work, verdict in verdicts if work == WRONG)
    assert first[0] == "fail"
    assert list(first[3]) == ["E1-S2"]
    assert first == second


@pytest.mark.parametrize("work", HONEST, ids=lambda work: f"{work[0]}-{work[2]}")
def test_a_reference_passes_with_every_seed_also_on_a_busy_machine(
    work: tuple[str, str, int], verdicts: list[tuple[tuple[str, str, int], list[Any]]]
) -> None:
    """An honest app is not failed by a slow machine."""
    assert [verdict for one, verdict in verdicts if one == work] == [["pass", None, 100, {}]]
