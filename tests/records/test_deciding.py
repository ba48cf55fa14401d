"""What people decide: overrides, appeals and regrades stand above results and hide nothing."""

from collections.abc import Callable

import pytest

from grader.errors import UsageProblem
from grader.queue import claim
from grader.records import Appeal, Assignment, ExerciseVersion, Grading, Job, Override, Regrade
from grader.services import overriding, regrading
from grader.services.verifying import verify
from tests.fixtures.records import MINI, Classroom, recorded


def grade(room: Classroom, outcome: str, points: int = 0) -> None:
    """Record this outcome for everything that waits."""
    while (held := claim(room.records, "w")) is not None:
        assert recorded(room.records, held, outcome, points)


def code_of(work: Callable[[], object]) -> str:
    """The code with which something is refused."""
    with pytest.raises(UsageProblem) as caught:
        work()
    return caught.value.code


def standing(room: Classroom, submission: str) -> str:
    """The result that stands."""
    with room.records.reading() as session:
        return overriding.result_of(session, submission)


def test_an_override_stands_above_the_result_and_keeps_it(classroom: Classroom) -> None:
    """From, to, who and why are kept; the grading stays as it was."""
    one = classroom.submit().submission
    grade(classroom, "fail", 40)
    overriding.override(classroom.records, submission=one, to="pass", by="instructor", reason=" เกณฑ์กำกวม ")
    assert standing(classroom, one) == "pass"
    (made,) = classroom.all(Override)
    assert (made.from_outcome, made.to_outcome, made.by, made.reason) == ("fail", "pass", "instructor", "เกณฑ์กำกวม")
    assert [grading.outcome for grading in classroom.all(Grading)] == ["fail"]
    overriding.override(classroom.records, submission=one, to="fail", by="head", reason="ทบทวนแล้ว")
    assert standing(classroom, one) == "fail"


def test_an_override_needs_a_reason_and_a_fresh_look(classroom: Classroom) -> None:
    """Without a reason, over a result that changed meanwhile, or to what already stands, it is refused."""
    one = classroom.submit().submission
    grade(classroom, "fail")
    records = classroom.records
    change = lambda **values: overriding.override(records, submission=one, by="i", **values)  # noqa: E731
    assert code_of(lambda: change(to="pass", reason=" ")) == "override.reason_missing"
    assert code_of(lambda: change(to="pass", reason="x", expected="pass")) == "override.changed_meanwhile"
    assert code_of(lambda: change(to="fail", reason="x")) == "override.no_change"
    assert classroom.all(Override) == []


def test_an_accepted_appeal_is_a_pass_with_its_answer_as_reason(classroom: Classroom) -> None:
    """One appeal at a time; deciding is final."""
    one = classroom.submit().submission
    records = classroom.records
    assert code_of(lambda: overriding.appeal(records, submission=one, text="?", by="t")) == "appeal.no_result"
    grade(classroom, "fail")
    made = overriding.appeal(records, submission=one, text="ข้อ 3 ตรงตามสัญญา", by="trainee")
    assert code_of(lambda: overriding.appeal(records, submission=one, text="!", by="t")) == "appeal.open_already"
    overriding.decide_appeal(records, appeal_id=made.id, accept=True, answer="จริง", by="instructor")
    assert standing(classroom, one) == "pass"
    decide = lambda: overriding.decide_appeal(records, appeal_id=made.id, accept=False, answer="x", by="i")  # noqa: E731
    assert code_of(decide) == "appeal.decided_already"
    assert [(appeal.state, appeal.answer) for appeal in classroom.all(Appeal)] == [("accepted", "จริง")]


def begin(room: Classroom, **options: object) -> str:
    """Begin a regrade with the same exercise."""
    return regrading.begin(
        room.records, assignment=room.assignment, pack=MINI, by="instructor", reason="แก้ข้อสอบ", **options
    ).id  # type: ignore[arg-type]


def test_a_regrade_changes_nothing_until_it_is_applied(classroom: Classroom) -> None:
    """Shadow results are compared; applied ones stand, and the old ones stay readable."""
    ones = [classroom.submit(seat).submission for seat in range(3)]
    grade(classroom, "fail", 40)
    regrade = begin(classroom)
    grade(classroom, "pass", 90)
    assert {standing(classroom, one) for one in ones} == {"fail"}
    with classroom.records.reading() as session:
        found = regrading.differences(session, regrade)
    assert [(one.before, one.points_before, one.after, one.points_after) for one in found] == [
        ("fail", 40, "pass", 90)
    ] * 3
    assert all(one.differs for one in found)
    assert regrading.apply(classroom.records, regrade=regrade, by="head") == 3
    assert {standing(classroom, one) for one in ones} == {"pass"}
    with classroom.records.reading() as session:
        assert regrading.differences(session, regrade) == found, "afterwards it still says what it changed"
    assert sorted(grading.standing for grading in classroom.all(Grading)) == ["final"] * 3 + ["superseded"] * 3
    assert code_of(lambda: regrading.apply(classroom.records, regrade=regrade, by="x")) == "regrade.decided"


def test_a_dropped_regrade_leaves_everything(classroom: Classroom) -> None:
    """What waits of it is cancelled, what was found stays readable."""
    for seat in range(2):
        classroom.submit(seat)
    grade(classroom, "fail")
    regrade = begin(classroom)
    held = claim(classroom.records, "w")
    assert held is not None
    assert recorded(classroom.records, held)
    assert code_of(lambda: regrading.apply(classroom.records, regrade=regrade, by="x")) == "regrade.unfinished"
    running = claim(classroom.records, "w")
    assert running is not None
    regrading.drop(classroom.records, regrade=regrade, by="head")
    assert not recorded(classroom.records, running), "its result is refused"
    assert sorted(job.state for job in classroom.all(Job) if job.regrade_id) == ["cancelled", "done"]
    assert sorted(grading.standing for grading in classroom.all(Grading)) == ["dropped", "final", "final"]


def test_a_regrade_takes_the_same_world_and_comes_last(classroom: Classroom) -> None:
    """The seed is that of the first grading; live work comes before it, and an override stands above it."""
    one = classroom.submit().submission
    grade(classroom, "fail")
    overriding.override(classroom.records, submission=one, to="pass", by="i", reason="x")
    regrade = begin(classroom, submissions=[one])
    live = classroom.submit(1).submission
    held = claim(classroom.records, "w")
    assert held is not None
    assert held.submission == live
    assert recorded(classroom.records, held)
    grade(classroom, "fail", 1)
    regrading.apply(classroom.records, regrade=regrade, by="i")
    seeds = {grading.seed for grading in classroom.all(Grading) if grading.submission_id == one}
    assert len(seeds) == 1
    assert standing(classroom, one) == "pass"


def test_only_one_regrade_of_an_assignment_is_open(classroom: Classroom) -> None:
    """Two differences at a time could not both be what is applied."""
    assert code_of(lambda: begin(classroom)) == "regrade.nothing"
    classroom.submit()
    grade(classroom, "fail")
    begin(classroom)
    assert code_of(lambda: begin(classroom)) == "regrade.running"
    assert [one.state for one in classroom.all(Regrade)] == ["running"]


def test_everything_that_was_decided_verifies(classroom: Classroom) -> None:
    """Decisions leave their entries: I6 holds after all of them."""
    one = classroom.submit().submission
    grade(classroom, "fail")
    overriding.override(classroom.records, submission=one, to="pass", by="i", reason="x")
    regrade = begin(classroom)
    grade(classroom, "fail", 1)
    regrading.apply(classroom.records, regrade=regrade, by="i")
    found = {promise.id: promise.examples for promise in verify(classroom.records)}
    assert found["I6"] == found["I2"] == found["I3"] == ()
    assert len(classroom.all(Assignment)) == len(classroom.all(ExerciseVersion)) == 1
