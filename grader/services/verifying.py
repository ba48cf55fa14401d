"""Whether what the records promise is true: read-only, with the services up or down, one line for each promise.

It compares the tables with each other, with the files and, where the caller can ask it, with the engine. What is wrong
is named by id; nothing is mended here.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import Executable, func, select
from sqlalchemy.orm import Session

from grader.evidence import Frozen
from grader.records import (
    AuditEntry,
    ExerciseVersion,
    Grading,
    Job,
    Override,
    Records,
    RecordsUnavailable,
    Remark,
    Run,
    Seat,
    Submission,
    audit,
)
from grader.records.store import CHECKPOINT_FILE
from grader.services import standings
from grader.services.receiving import Receipt

SHOWN: Final = 5
"""How many offending ids a line names."""
OUTCOMES: Final = frozenset({"pass", "fail", "build_failed", "start_failed", "rejected"})
_BATCH: Final = 200

Problems = Iterator[tuple[str, str]]
"""(id of what is wrong, code of what is wrong with it)."""


class Promise(Frozen):
    """What was found about one promise. ``checked`` is how many things were looked at; ``None``: it could not be asked.

    ``wrong`` counts what does not hold, ``examples`` are ``id code`` of the first of it.
    """

    id: str
    checked: int | None
    wrong: int = 0
    examples: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong; a promise that could not be asked does not count as broken."""
        return self.wrong == 0


def verify(
    records: Records,
    *,
    engine_runs: Callable[[], Sequence[tuple[str, bool]] | None] | None = None,
    canaries: Iterable[str] = (),
    off_host: Path | None = None,
) -> list[Promise]:
    """Look at all of I1 to I9.

    ``engine_runs`` lists (run, alive) of everything of ours in the container engine, None when it does not answer.
    ``canaries`` are texts that must never be anywhere. ``off_host`` is a copy of the checkpoints from another machine.
    """
    checkpoints = off_host or records.folder / CHECKPOINT_FILE
    with records.reading() as session:
        now = records.database.now(session)
        found = [
            _promise("I1", _count(session, Submission), _losses(records, session)),
            _promise("I2", _count(session, Grading), _doubles(session)),
            _promise("I3", _count(session, Job), _limbo(session, now)),
            _engine(engine_runs),
            _promise("I5", _count(session, Grading), _denominators(session)),
            _promise("I6", _count(session, AuditEntry), _unanswered(records, session, checkpoints)),
            _promise("I7", _count(session, Grading), _taxonomy(session)),
            _promise(
                "I9", _count(session, Seat), ((seat, "standing_differs") for seat in standings.differing(session))
            ),
        ]
    found.insert(-1, _promise("I8", *_leaks(records, [*canaries, *_own_secrets(records)])))
    return found


def _promise(name: str, checked: int | None, problems: Problems) -> Promise:
    wrong = [f"{what} {code}" for what, code in problems]
    return Promise(id=name, checked=checked, wrong=len(wrong), examples=tuple(wrong[:SHOWN]))


def _count(session: Session, model: Any) -> int:
    return session.scalar(select(func.count()).select_from(model)) or 0


def _each(session: Session, statement: Executable) -> Iterator[Any]:
    """The rows of a statement, a few at a time; whatever ends the walk closes it."""
    result = session.execute(statement, execution_options={"yield_per": _BATCH})
    try:
        yield from result
    finally:
        result.close()


# -- I1 ---------------------------------------------------------------------------------------------------------------


def _losses(records: Records, session: Session) -> Problems:
    """Every receipt that was given has its row and its bytes."""
    for (one,) in _each(session, select(Submission).order_by(Submission.id)):
        try:
            receipt = Receipt.model_validate(one.receipt)
        except ValidationError:
            yield one.id, "receipt_unreadable"
            continue
        if not receipt.genuine(records.keys):
            yield one.id, "receipt_not_ours"
        if (receipt.submission, receipt.sha256, receipt.size) != (one.id, one.sha256, one.size):
            yield one.id, "receipt_differs"
        if one.purged_at is None and (problem := _damage(records, one.sha256)):
            yield one.id, problem
    for (version,) in _each(session, select(ExerciseVersion)):
        if problem := _damage(records, version.archive):
            yield version.digest, problem


def _damage(records: Records, sha256: str) -> str:
    try:
        records.blobs.open(sha256)
    except RecordsUnavailable as problem:
        return problem.code
    return ""


# -- I2, I3 -----------------------------------------------------------------------------------------------------------


def _doubles(session: Session) -> Problems:
    """One final result for each submission that was graded, recorded by the attempt that held the job."""
    finals = (
        select(Grading.submission_id)
        .where(Grading.standing == "final")
        .group_by(Grading.submission_id)
        .having(func.count() > 1)
    )
    for (submission,) in _each(session, finals):
        yield submission, "two_final_results"
    joined = select(Job, Grading).join(Grading, Grading.job_id == Job.id, isouter=True).order_by(Job.id)
    for job, grading in _each(session, joined):
        if grading is None and job.state == "done":
            yield job.id, "done_without_result"
        if grading is not None and (job.state != "done" or job.attempt != grading.attempt):
            yield job.id, "result_of_another_attempt"
    first = select(Job.submission_id).where(Job.regrade_id.is_(None), Job.state == "done")
    without = first.where(
        ~select(1).where(Grading.submission_id == Job.submission_id, Grading.standing == "final").exists()
    )
    for (submission,) in _each(session, without):
        yield submission, "no_final_result"


def _limbo(session: Session, now: Any) -> Problems:
    """Each job has ended, waits, waits for a person, or is held by a lease that lasts."""
    for (job,) in _each(session, select(Job).where(Job.state == "running")):
        if job.lease_until is None or job.lease_until < now:
            yield job.id, "lease_over"
    missing = select(Submission.id).where(~select(1).where(Job.submission_id == Submission.id).exists())
    for (submission,) in _each(session, missing):
        yield submission, "no_job"
    open_runs = select(Run.job_id).join(Job, Job.id == Run.job_id).where(Run.ended == "", Job.state != "running")
    for (job,) in _each(session, open_runs):
        yield job, "run_without_end"


def _engine(engine_runs: Callable[[], Sequence[tuple[str, bool]] | None] | None) -> Promise:
    runs = None if engine_runs is None else engine_runs()
    if runs is None:
        return Promise(id="I4", checked=None)
    return _promise("I4", len(runs), ((run, "orphan") for run, alive in runs if not alive))


# -- I5, I7 -----------------------------------------------------------------------------------------------------------


def _denominators(session: Session) -> Problems:
    """Each result has exactly the checks of its exercise version, and whole points within their maximum."""
    checks = {version.digest: version.checks for (version,) in _each(session, select(ExerciseVersion))}
    for (grading,) in _each(session, select(Grading).order_by(Grading.id)):
        rows = {row["id"]: row for row in grading.verdict.get("checks", [])}
        if {name: row["max"] for name, row in rows.items()} != checks[grading.digest]:
            yield grading.id, "other_checks"
        points = [row["points"] for row in rows.values()]
        whole = all(isinstance(row["points"], int) and 0 <= row["points"] <= row["max"] for row in rows.values())
        if not whole or sum(points) != grading.points or grading.max != sum(checks[grading.digest].values()):
            yield grading.id, "points"


def _taxonomy(session: Session) -> Problems:
    """A result is a judgement about the submission with its cause; a fault of ours is none."""
    for (grading,) in _each(session, select(Grading).order_by(Grading.id)):
        if grading.outcome not in OUTCOMES or grading.outcome != grading.verdict.get("outcome"):
            yield grading.id, "outcome"
        if grading.outcome != "pass" and not grading.code:
            yield grading.id, "no_cause"


# -- I6 ---------------------------------------------------------------------------------------------------------------

_EVENTS: Final[tuple[tuple[Any, str], ...]] = (
    (Submission.id, "submission.received"),
    (Grading.submission_id, "grading.recorded"),
    (Override.submission_id, "result.overridden"),
    (Remark.submission_id, "remark.made"),
    (Seat.round_id, "roster.imported"),
)
"""For each kind of state change: where it shows, and the entry that it must have left."""


def _unanswered(records: Records, session: Session, checkpoints: Path) -> Problems:
    """The chain holds, and each change of a state has its entry."""
    copies = list(audit.read_checkpoints(checkpoints)) if checkpoints.is_file() else []
    if broken := audit.find_break(session, records.keys, copies):
        yield f"audit {broken.number}", broken.problem
    for column, action in _EVENTS:
        known = select(AuditEntry.object).where(AuditEntry.action == action)
        for (what,) in _each(session, select(column).distinct().where(column.not_in(known))):
            yield what, f"no_entry {action}"


# -- I8 ---------------------------------------------------------------------------------------------------------------


def _own_secrets(records: Records) -> list[str]:
    """The signing key as it stands in its file: one line of it anywhere else is a leak."""
    pem = (records.folder / "signing-key.pem").read_text(encoding="ascii").splitlines()
    return [line for line in pem if line and not line.startswith("-")]


def _leaks(records: Records, canaries: list[str]) -> tuple[int, Problems]:
    wanted = [canary.encode() for canary in canaries]
    checked = 0
    wrong: list[tuple[str, str]] = []
    with records.reading() as session:
        for place, text in _texts(session):
            checked += 1
            wrong += [(place, "canary") for canary in wanted if canary in text]
    for name in records.blobs.names():
        checked += 1
        content = records.blobs.path(name).read_bytes()
        wrong += [(name, "canary") for canary in wanted if canary in content]
    return checked, iter(wrong)


def _texts(session: Session) -> Iterator[tuple[str, bytes]]:
    """Everything that people may be shown of a grading or of who did what."""
    for (grading,) in _each(session, select(Grading)):
        yield grading.id, json.dumps(grading.verdict, ensure_ascii=False).encode("utf-8", "surrogatepass")
    for (entry,) in _each(session, select(AuditEntry)):
        yield (
            f"audit {entry.number}",
            json.dumps([entry.before, entry.after], ensure_ascii=False).encode("utf-8", "surrogatepass"),
        )
