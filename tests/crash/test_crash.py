"""Two hundred kills on two engines, and then every receipt, row, file and result is where it was promised to be."""

import json
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from grader.faultpoints import POINTS
from tests.crash.arena import UPLOADING, WORKING
from tests.crash.test_points import DECIDING
from tests.fixtures.postgresql import Server

ROOT = Path(__file__).resolve().parents[2]
KILLS = 110
"""For each engine; together more than two hundred."""


@cache
def campaign(url: str) -> dict[str, Any]:
    """The report of one campaign in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.arena", "--kills", str(KILLS), "--url", url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=540,
    )
    assert done.stdout, done.stderr[-4000:]
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.fixture(scope="module")
def reports(postgresql: Server) -> dict[str, dict[str, Any]]:
    """One campaign on each engine."""
    with postgresql.database() as url:
        return {"sqlite": campaign(""), "postgresql": campaign(url)}


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_nothing_is_lost_and_nothing_is_twice(reports: dict[str, dict[str, Any]], engine: str) -> None:
    """After all kills: every receipt that somebody holds has its row and bytes, every submission one result."""
    report = reports[engine]
    assert report["problems"] == []
    assert report["kills"] == KILLS
    assert report["receipts"] == report["submissions"] > KILLS / 2, "the campaign must have had work to lose"


def test_every_point_killed_at_least_three_times(reports: dict[str, dict[str, Any]]) -> None:
    """A point that nothing dies at proves nothing."""
    fired = Counter[str]()
    for report in reports.values():
        fired.update(report["fired"])
    assert {point: fired[point] for point in (*UPLOADING, *WORKING) if fired[point] < 3} == {}


def test_every_point_belongs_to_a_suite() -> None:
    """Each name of the product is one that some test dies at."""
    assert {*UPLOADING, *WORKING, *DECIDING} == POINTS
