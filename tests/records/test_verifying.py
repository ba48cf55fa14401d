"""The checker is checked: each promise has something that breaks it, and then exactly that line is red."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from grader.queue import Claim, claim, record
from grader.records import Grading, Job, Submission, new_id
from grader.services.verifying import verify
from tests.fixtures.records import MINI, Classroom

POINTS = {check.id: check.points for check in MINI.checks.values()}


def whole(**changed: object) -> dict[str, object]:
    """A result as a worker records it: all checks, all points."""
    checks = [{"id": name, "max": points, "points": points} for name, points in POINTS.items()]
    document = {"schema": "verdict/1", "outcome": "pass", "checks": checks}
    return {
        "outcome": "pass",
        "code": "",
        "points": sum(POINTS.values()),
        "maximum": sum(POINTS.values()),
        "grader_version": "test",
        "verdict": document,
        **changed,
    }


def done(room: Classroom, **changed: object) -> str:
    """One submission that was graded."""
    submission = room.submit().submission
    held = claim(room.records, "w")
    assert held is not None
    assert record(room.records, held, **whole(**changed))  # type: ignore[arg-type]
    return submission


def red(room: Classroom, **options: object) -> set[str]:
    """The promises that do not hold."""
    return {promise.id for promise in verify(room.records, **options) if not promise.holds}  # type: ignore[arg-type]


def write(room: Classroom, statement: str, **values: object) -> None:
    """Change the tables behind the program's back."""
    with room.records.database.writing() as session:
        session.execute(text(statement), values)


def test_good_records_hold_every_promise(classroom: Classroom) -> None:
    """All lines are green, and something was looked at in each that can be asked here."""
    done(classroom)
    classroom.submit(1)
    promises = {promise.id: promise for promise in verify(classroom.records)}
    assert [promise for promise in promises.values() if not promise.holds] == []
    assert {name for name, promise in promises.items() if promise.checked is None} == {"I4"}
    assert all(promise.checked for promise in promises.values() if promise.id != "I4")


def lose_blob(room: Classroom) -> None:
    """A file is gone."""
    room.records.blobs.remove(room.submit(1).sha256)


def flip_blob(room: Classroom) -> None:
    """One byte of a file is another one."""
    path = room.records.blobs.path(room.submit(1).sha256)
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


def forge_receipt(room: Classroom) -> None:
    """A receipt says something else than what was signed."""
    receipt = room.submit(1)
    changed = {**receipt.model_dump(mode="json"), "late": True}
    write(room, "UPDATE submission SET receipt = :r WHERE id = :i", r=json.dumps(changed), i=receipt.submission)


def other_attempt(room: Classroom) -> None:
    """A result of a worker that did not hold the job."""
    write(room, "UPDATE grading SET attempt = 7")


def done_without_result(room: Classroom) -> None:
    """A job that says it is done, and is not."""
    write(room, "UPDATE job SET state = 'done' WHERE id = :i", i=room.job(room.submit(1).submission).id)


def dead_lease(room: Classroom) -> None:
    """A job that nobody works on and nobody can take."""
    room.submit(1)
    assert claim(room.records, "w") is not None
    write(room, "UPDATE job SET lease_until = '2020-01-01 00:00:00.000000' WHERE state = 'running'")


def no_job(room: Classroom) -> None:
    """Accepted work that nobody owes a grading."""
    write(room, "DELETE FROM job WHERE id = :i", i=room.job(room.submit(1).submission).id)


def missing_check(room: Classroom) -> None:
    """A result without one of the exercise's checks."""
    held = take(room)
    document = whole()["verdict"]
    document["checks"].pop()  # type: ignore[index]
    assert record(room.records, held, **whole(verdict=document))  # type: ignore[arg-type]


def too_many_points(room: Classroom) -> None:
    """More points than there are."""
    held = take(room)
    document = whole()["verdict"]
    document["checks"][0]["points"] += 1  # type: ignore[index]
    result = whole(verdict=document, points=sum(POINTS.values()) + 1)
    assert record(room.records, held, **result)  # type: ignore[arg-type]


def take(room: Classroom) -> Claim:
    """A claim of a new submission."""
    room.submit(1)
    held = claim(room.records, "w")
    assert held is not None
    return held


def unaudited(room: Classroom) -> None:
    """A submission that nobody wrote into the chain."""
    known = room.all(Submission)[0]
    with room.records.database.writing() as session:
        copy = Submission(
            **{
                column.key: getattr(known, column.key)
                for column in Submission.__table__.columns
                if column.key not in {"id", "number", "idempotency_key", "receipt"}
            },
            id=new_id("sub"),
            number=99,
            idempotency_key="x",
            receipt={},
        )
        session.add(copy)


def infrastructure_result(room: Classroom) -> None:
    """A fault of ours recorded against a person."""
    held = take(room)
    document = {**whole()["verdict"], "outcome": "infrastructure"}  # type: ignore[dict-item]
    result = whole(outcome="infrastructure", code="infrastructure.engine", verdict=document)
    assert record(room.records, held, **result)  # type: ignore[arg-type]


def no_cause(room: Classroom) -> None:
    """A fail without a code."""
    held = take(room)
    document = {**whole()["verdict"], "outcome": "fail"}  # type: ignore[dict-item]
    assert record(room.records, held, **whole(outcome="fail", verdict=document))  # type: ignore[arg-type]


def leaked_key(room: Classroom) -> None:
    """The signing key stands in what a person may see."""
    pem = (room.records.folder / "signing-key.pem").read_text("ascii").splitlines()[1]
    held = take(room)
    document = {**whole()["verdict"], "log": [pem]}  # type: ignore[dict-item]
    assert record(room.records, held, **whole(verdict=document))  # type: ignore[arg-type]


def wrong_standing(room: Classroom) -> None:
    """Somebody is written down as passed who did nothing."""
    write(room, "UPDATE seat_standing SET passed_at = '2026-11-22 00:00:00.000000' WHERE seat_id = :i", i=room.seats[3])


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        (wrong_standing, {"I9"}),
        (lose_blob, {"I1"}),
        (flip_blob, {"I1"}),
        (forge_receipt, {"I1"}),
        (other_attempt, {"I2"}),
        (done_without_result, {"I2"}),
        (dead_lease, {"I3"}),
        (no_job, {"I3"}),
        (missing_check, {"I5"}),
        (too_many_points, {"I5"}),
        (unaudited, {"I1", "I3", "I6"}),
        (infrastructure_result, {"I7"}),
        (no_cause, {"I7"}),
        (leaked_key, {"I8"}),
    ],
)
def test_a_broken_promise_is_its_own_red_line(
    classroom: Classroom, broken: Callable[[Classroom], None], line: set[str]
) -> None:
    """What was broken is named, and nothing else."""
    done(classroom)
    assert red(classroom) == set()
    broken(classroom)
    assert red(classroom) == line


def test_orphans_in_the_engine_are_a_red_line(classroom: Classroom) -> None:
    """What the engine holds of a grading that is over is named; of one that runs, it is not."""
    assert red(classroom, engine_runs=lambda: [("abc", True)]) == set()
    assert red(classroom, engine_runs=lambda: [("abc", True), ("def", False)]) == {"I4"}


def test_a_canary_anywhere_is_a_red_line(classroom: Classroom) -> None:
    """A text that must never be kept is found in a stored file."""
    classroom.submit(content=b"... CANARY-7 ...")
    assert red(classroom, canaries=["CANARY-7"]) == {"I8"}
    assert red(classroom, canaries=["CANARY-8"]) == set()


def test_a_chain_that_lost_its_end_is_a_red_line(classroom: Classroom, tmp_path: Path) -> None:
    """The copy of the checkpoints on another machine knows more than these records."""
    done(classroom)
    classroom.records.checkpoint()
    copied = tmp_path / "copied.txt"
    number, digest, _ = (classroom.records.folder / "audit-checkpoints.txt").read_text("ascii").split()
    later = int(number) + 50
    signature = classroom.records.keys.sign(f"audit-checkpoint/1 {later} {digest}".encode())
    copied.write_text(f"{later} {digest} {signature}\n", encoding="ascii")
    assert red(classroom) == set()
    assert red(classroom, off_host=copied) == {"I6"}


def test_rows_of_these_tests_are_real(classroom: Classroom) -> None:
    """The good case is graded work, so that the red lines above are about something."""
    done(classroom)
    assert [grading.outcome for grading in classroom.all(Grading)] == ["pass"]
    assert [job.state for job in classroom.all(Job)] == ["done"]
