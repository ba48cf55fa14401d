"""The tester process: warm, repeatable, and ended when its time is up."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from grader.errors import InfrastructureFault
from grader.probe.contract import play


def test_our_own_literals_do_not_change_what_is_generated() -> None:
    """Hypothesis finds no local constants in the prepared tester, whatever modules of ours are loaded."""
    program = (
        "import grader.errors, grader.evidence, grader.probe.contract.tester as tester\n"
        "from hypothesis.internal.conjecture import providers\n"
        "tester._prepare()\n"
        "print(len(providers._get_local_constants()))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "0"


@pytest.mark.usefixtures("tester_tables")
def test_a_run_is_killed_at_its_wall_limit(tmp_path: Path) -> None:
    """A run that outlives its limit is killed and reported as such, and the process takes the next run."""
    tester = play.Tester()
    try:
        # Port 9 of this machine answers nobody; the tester waits for the schema longer than its limit.
        waits = ["--no-color", "run", "http://127.0.0.1:9/x.json", "--wait-for-schema", "60"]
        started = time.monotonic()
        assert tester.run(tmp_path, waits, wall_seconds=1.0) is None
        assert time.monotonic() - started < 50
        reply = tester.run(tmp_path, ["--no-color", "explain", "--list"], wall_seconds=60.0)
        assert reply is not None
        assert reply["status"] == 0
        assert reply["cpu_seconds"] < 10
        assert "ST101" in (tmp_path / "tester.txt").read_text("utf-8")
    finally:
        tester.close()
    assert not tester.alive
    with pytest.raises((InfrastructureFault, ValueError)):
        tester.run(tmp_path, [], wall_seconds=1.0)
