"""One operation of an honest service turned hostile: it fails for its own reason, and everything else is still tested.

The gradings are complete and run two at a time, as ``grader demo`` runs them: the stalling one mostly waits.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from grader.evidence import Finding
from grader.grading import grade
from grader.packs import Pack
from grader.sandbox.docker import DockerDriver
from grader.sandbox.engine import GuardedClient
from grader.verdict import CheckVerdict, Verdict
from tests.fixtures.leftovers import NOTHING, leftovers
from tests.fixtures.projects import counting
from tests.fixtures.watching import Memory, watched

HOSTILE, CHECK = "countFacilities", "E1-S5"
"""The operation that is hostile, and the only check of the exercise that is about it."""
BUDGET_SECONDS = 240
PROBE_BYTES = 300 << 20

DEEP = 'return "[" * 400_000, 200, {"Content-Type": "application/json"}'
SLOW = """
import time

def drip():
    for _ in range(100_000):
        yield b"["
        time.sleep(1)

return drip(), 200, {"Content-Type": "application/json"}
"""
LARGE = 'return (b" " * 1_000_000 for _ in range(300)), 200, {"Content-Type": "application/json"}'
REDIRECT = """
loop, elsewhere = f"/areas/{areacode}/facility-count", "http://203.0.113.9/"
return "", 307, {"Location": loop if areacode.isdigit() else elsewhere}
"""
BOMB = """
import gzip

return gzip.compress(bytes(50_000_000)), 200, {"Content-Type": "application/json", "Content-Encoding": "gzip"}
"""
CASES = {
    "slow": (SLOW, "response.slow"),
    "deep": (DEEP, "response.too_deep"),
    "large": (LARGE, "response.too_large"),
    "redirect": (REDIRECT, "response.redirect"),
    "bomb": (BOMB, "response.encoded"),
}
"""Name -> what the operation does, and the reason it must fail for. The longest comes first."""


@dataclass(frozen=True, kw_only=True)
class Graded:
    """What came of one hostile service."""

    verdict: Verdict
    seconds: float


@dataclass(frozen=True, kw_only=True)
class All:
    """All gradings, and what the probes needed meanwhile."""

    graded: dict[str, Graded]
    memory: Memory


@pytest.fixture(scope="module")
def everything(driver: DockerDriver, e1: Pack, tmp_path_factory: pytest.TempPathFactory) -> All:
    """Grade every hostile service."""
    folder = tmp_path_factory.mktemp("hostile")
    projects = {name: counting(folder / name, body) for name, (body, _) in CASES.items()}

    def one(name: str) -> Graded:
        started = time.monotonic()
        verdict = grade(projects[name], e1, driver, seed=1)
        return Graded(verdict=verdict, seconds=time.monotonic() - started)

    with watched("probe") as memory, ThreadPoolExecutor(max_workers=2) as pool:
        graded = dict(zip(CASES, pool.map(one, CASES), strict=True))
    return All(graded=graded, memory=memory)


def checks(verdict: Verdict) -> dict[str, CheckVerdict]:
    """The rows of a verdict by id."""
    return {check.id: check for check in verdict.checks}


def findings(verdict: Verdict) -> list[Finding]:
    """All findings of a verdict."""
    return [finding for check in verdict.checks for finding in (*check.findings, *check.intermittent)]


@pytest.mark.parametrize("name", CASES)
def test_it_fails_for_its_own_reason_on_its_own_operation(everything: All, name: str) -> None:
    """The reason is a finding of U1 and of the operation's scenario, and nothing is said about any other operation."""
    graded = everything.graded[name]
    rows = checks(graded.verdict)
    assert (graded.verdict.outcome, graded.verdict.code) == ("fail", "verdict.mandatory_failed")
    for check in ("U1", CHECK):
        reasons = {(one.code, one.operation) for one in rows[check].findings if one.code.startswith("response.")}
        assert reasons == {(CASES[name][1], HOSTILE)}, check
    assert {finding.operation for finding in findings(graded.verdict)} == {HOSTILE}
    others = {reason for _, reason in CASES.values()} - {CASES[name][1]}
    assert not others & {finding.code for finding in findings(graded.verdict)}


@pytest.mark.parametrize("name", CASES)
def test_every_other_operation_was_still_tested(everything: All, name: str) -> None:
    """Two of three operations keep the contract, every other scenario passes, and only the hostile one is untested."""
    rows = checks(everything.graded[name].verdict)
    assert rows["C"].share == (2, 3)
    untested = {one.operation for one in findings(everything.graded[name].verdict) if one.code == "contract.not_tested"}
    assert untested == {HOSTILE}
    scenarios = {check: row.outcome for check, row in rows.items() if row.family == "scenario"}
    assert scenarios == {check: "fail" if check == CHECK else "pass" for check in scenarios}
    assert len(scenarios) == 9


@pytest.mark.parametrize("name", CASES)
def test_it_costs_no_more_than_its_budget(everything: All, name: str) -> None:
    """The clock of the whole grading, with everything repeated that failed."""
    assert everything.graded[name].seconds < BUDGET_SECONDS


def test_no_probe_needed_much_memory(everything: All) -> None:
    """Each grading's probe was looked at many times and stayed below 300 MB."""
    assert len(everything.memory.peaks) == len(CASES)
    assert min(everything.memory.readings.values()) >= 5
    peaks = {run: peak >> 20 for run, peak in everything.memory.peaks.items()}
    assert 0 < max(everything.memory.peaks.values()) < PROBE_BYTES, peaks


def test_nothing_is_left(everything: All, engine: GuardedClient) -> None:
    """No container, network, image, volume or file of these gradings."""
    assert everything.graded.keys() == CASES.keys()
    assert leftovers(engine) == NOTHING
