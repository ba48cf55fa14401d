"""What an author is told when a sample is not graded as expected."""

from pathlib import Path

from grader.cli.cohort import compare
from grader.packs import find_pack, load_pack, samples
from tests.fixtures.portal import verdict_for

EXERCISES = Path(__file__).resolve().parents[2] / "exercises"


def test_a_check_that_fails_unexpectedly_is_told_with_its_cause() -> None:
    """The author sees the request and what came of it; what was expected to fail needs no words."""
    pack = load_pack(find_pack("e1", EXERCISES))
    sample = next(one for one in samples(pack) if one.fails)
    expected = sample.fails[0]
    other = next(check for check in pack.checks if check.startswith("E1-") and check not in sample.fails)
    told = compare(sample, verdict_for(pack, failing=(*sample.fails, other), canary="รพ."))
    causes = [one for one in told if one.startswith(f"{other}: ")]
    assert len(causes) == 1
    for part in ("response.value", "GET /facilities/00712", "data.name", "expected รพ.สต.สาธิต", "got รพ."):
        assert part in causes[0]
    assert not [one for one in told if one.startswith(f"{expected}: ")]
