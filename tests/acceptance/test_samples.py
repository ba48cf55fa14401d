"""Every sample of every exercise gets exactly what its author expects."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from grader.packs import find_pack, load_pack
from grader.sandbox.engine import GuardedClient
from grader.sandbox.images import ImageStore
from tests.fixtures.leftovers import NOTHING, leftovers

ROOT = Path(__file__).resolve().parents[2]
EXERCISES = ROOT / "exercises"
IDS = sorted((file.parent.name for file in EXERCISES.glob("*/exercise.toml")), reverse=True)
"""The longest first: what is graded beside them ends earlier."""


@pytest.fixture(autouse=True)
def ready(store: ImageStore) -> None:
    """All images are there."""
    assert store.missing() == ()


@pytest.mark.timeout(1_500)
@pytest.mark.parametrize("exercise", IDS)
def test_every_sample_gets_what_its_author_expects(engine: GuardedClient, exercise: str) -> None:
    """References pass with full points; each known-bad sample fails exactly the checks it names; nothing is left."""
    done = subprocess.run(
        [sys.executable, "-m", "grader", "exercises", "verify", exercise, "--json", "--jobs", "3"],
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
