"""Deaths in the middle of a decision: it was made, whole, or it was not made at all."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from grader import faultpoints
from grader.queue import claim, release
from grader.records import Grading, Records, Regrade, open_records
from grader.services import regrading
from tests.fixtures.records import MINI, Classroom, recorded

DECIDING = tuple(sorted(point for point in faultpoints.POINTS if point.partition(".")[0] in {"regrade", "release"}))


def dies_at(point: str, records: Records, address: str, work: Callable[[Records], None]) -> bool:
    """Do something in a child that kills itself at a point; False when it lived."""
    pid = os.fork()
    if pid == 0:
        faultpoints.listen(lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == point else None)
        try:
            work(open_records(records.folder, address))
        finally:
            time.sleep(0.05)
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("point", [point for point in DECIDING if point.startswith("release")])
def test_a_worker_that_dies_while_it_gives_back_loses_nothing(point: str, classroom: Classroom, address: str) -> None:
    """The job is still held until its lease ends, or it waits again; somebody will grade it."""
    receipt = classroom.submit()
    held = claim(classroom.records, "w1")
    assert held is not None
    assert dies_at(point, classroom.records, address, lambda records: release(records, held) and None)
    assert classroom.job(receipt.submission).state == ("running" if point == "release.pre_commit" else "queued")
    again = held if point == "release.pre_commit" else claim(classroom.records, "w2")
    assert again is not None
    assert recorded(classroom.records, again)


@pytest.mark.parametrize("point", [point for point in DECIDING if point.startswith("regrade")])
def test_a_regrade_is_applied_whole_or_not_at_all(point: str, classroom: Classroom, address: str) -> None:
    """Killed before the commit everything stands as before; killed after it everything was applied."""
    records = classroom.records
    for seat in range(3):
        classroom.submit(seat)
        held = claim(records, "w1")
        assert held is not None
        assert recorded(records, held, "fail", 10)
    regrade = regrading.begin(records, assignment=classroom.assignment, pack=MINI, by="instructor", reason="ทดสอบ").id
    for _ in range(3):
        held = claim(records, "w1")
        assert held is not None
        assert recorded(records, held, "pass", 100)
    assert dies_at(
        point, records, address, lambda other: regrading.apply(other, regrade=regrade, by="instructor") and None
    )
    applied = point == "regrade.post_commit"
    finals = [grading.outcome for grading in classroom.all(Grading) if grading.standing == "final"]
    assert finals == (["pass"] * 3 if applied else ["fail"] * 3)
    assert [one.state for one in classroom.all(Regrade)] == ["applied" if applied else "running"]
