"""Every sample of every exercise gets exactly what its author expects, and the same again when it is graded again."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.packs import find_pack, load_pack, samples, submission_of
from grader.sandbox.engine import GuardedClient
from grader.sandbox.images import ImageStore
from tests.fixtures.leftovers import NOTHING, leftovers

ROOT = Path(__file__).resolve().parents[2]
EXERCISES = ROOT / "exercises"
IDS = sorted(file.parent.name for file in EXERCISES.glob("*/exercise.toml"))


def check(sample: str, seed: int, exercise: str = "e1") -> dict[str, Any]:
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


@pytest.fixture(autouse=True)
def ready(store: ImageStore) -> None:
    """All images are there."""
    assert store.missing() == ()


@pytest.fixture
def busy() -> Iterator[None]:
    """Keep every core busy with something else for as long as a test runs."""
    burn = "while True: pass"
    burners = [subprocess.Popen([sys.executable, "-c", burn]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


@pytest.mark.timeout(1_500)
@pytest.mark.parametrize("exercise", IDS)
def test_every_sample_gets_what_its_author_expects(engine: GuardedClient, exercise: str) -> None:
    """References pass with full points; each known-bad sample fails exactly the checks it names; nothing is left."""
    done = subprocess.run(
        [sys.executable, "-m", "grader", "exercises", "verify", exercise, "--json", "--jobs", "4"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=1_400,
    )
    results = json.loads(done.stdout)
    wrong = [f"{one['sample']}: {difference}" for one in results for difference in one["differences"]]
    assert (wrong, done.returncode) == ([], 0)
    pack = load_pack(find_pack(exercise, EXERCISES))
    expected = {folder.name for folder in (pack.root / "samples").iterdir()}
    assert {one["sample"] for one in results} == expected
    assert len(expected) > sum(check.specific for check in pack.checks.values())
    assert leftovers(engine) == NOTHING


def test_the_same_seed_gives_the_same_verdict_also_on_a_busy_machine(busy: None) -> None:
    """Outcome, points, failing checks and fingerprints of a known-bad sample do not depend on the load."""
    assert busy is None
    first = essence(check("bad-s2-ordered-by-hoscode", 4711))
    assert first[0] == "fail"
    assert list(first[3]) == ["E1-S2"]
    assert essence(check("bad-s2-ordered-by-hoscode", 4711)) == first


@pytest.mark.parametrize(("exercise", "seed"), [("e1", 1), ("e1", 7), ("e3", 1)])
def test_a_reference_passes_with_every_seed_also_on_a_busy_machine(busy: None, exercise: str, seed: int) -> None:
    """An honest app is not failed by a slow machine."""
    assert busy is None
    verdict = check("reference-fastapi", seed, exercise)
    assert essence(verdict) == ["pass", None, 100, {}]
