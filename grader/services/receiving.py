"""A submission comes in: kept durably, owed a grading, written into the audit chain, then acknowledged; in that order.

What counts for a deadline is the moment at which the last byte had arrived, on the server's clock.
"""

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from grader.errors import GraderError, Param, UsageProblem
from grader.evidence import Frozen
from grader.faultpoints import reached
from grader.kpi.fiscal import Moment
from grader.queue import FIRST_ATTEMPT, REPEAT, enqueue
from grader.records import Assignment, Change, Extension, Grading, Job, Keys, Records, Seat, Stored, Submission, new_id
from grader.records.work import LIVE
from grader.services import standings

UPLOAD_LIMIT: Final = 50 * 1024 * 1024
"""Bytes of an upload."""
MOST_WAITING: Final = 3
"""Submissions of one person that may wait at a time; the next one is refused, and says so."""
MAX_SEED: Final = 2**31

COUNTED: Final = ("pass", "fail", "build_failed", "start_failed")
"""Outcomes that use up an attempt: what was refused before it ran, and our own faults, use up none."""


class Receipt(Frozen):
    """What a person gets when work was accepted; ``signature`` proves later that it was ours.

    ``sha256`` and ``size`` are those of the file as it arrived. ``number`` counts submissions to this exercise from 1.
    """

    format: Literal["receipt/1"] = "receipt/1"
    submission: str
    round: str
    exercise: str
    digest: str
    number: int
    filename: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int
    received_at: Moment
    late: bool
    key: str
    signature: str = ""

    def signed(self) -> bytes:
        """What is signed: everything but the signature, as canonical JSON."""
        content = self.model_dump(mode="json", exclude={"signature"})
        return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    def genuine(self, keys: Keys) -> bool:
        """Whether this installation gave the receipt, and nothing in it was changed."""
        return keys.verify(self.signed(), self.signature)


class NotAccepted(UsageProblem):
    """The submission was not accepted, nothing was kept of it, and it used up no attempt. Codes ``submission.*``."""


def submit(
    records: Records,
    *,
    seat: str,
    assignment: str,
    filename: str,
    chunks: Iterable[bytes],
    by: str,
    idempotency_key: str = "",
    request: str = "",
    sha256: str = "",
) -> Receipt:
    """Accept work for an assignment. The same key of the same seat gives the same receipt, however often it is sent.

    A caller that knows the ``sha256`` of what it sends is refused when the key was used for other bytes.

    Raises:
        NotAccepted: ``submission.not_open``, ``submission.no_attempts_left``, ``submission.too_many_waiting``,
            ``submission.wrong_round``, ``submission.empty``, ``submission.key_reused``.
        SubmissionRejected: ``archive.too_large``.
        RecordsUnavailable: nothing could be kept; nothing was acknowledged.
    """
    key = idempotency_key or secrets.token_hex(16)
    with records.reading() as session:  # before anything is kept: most refusals need no bytes
        if known := _known(session, seat, key):
            return _again(known, assignment, sha256)
        _rules_of(session, seat, assignment).need_acceptable(records.database.now(session))
    stored = records.blobs.put(chunks, limit=UPLOAD_LIMIT)
    if stored.size == 0:
        raise NotAccepted("submission.empty")
    with records.reading() as session:  # now, and not when others have finished writing: nobody is late by their queue
        arrived = records.database.now(session)
    try:
        with records.change(by=by, request=request) as change:
            receipt = _accept(
                change, records.keys, seat, assignment, filename, stored, key, arrived=min(arrived, change.at)
            )
            reached("upload.pre_commit")
    except (_AcceptedMeanwhile, IntegrityError):
        with records.reading() as session:
            if known := _known(session, seat, key):
                return _again(known, assignment, sha256)
        raise
    reached("upload.post_commit")
    return receipt


class _AcceptedMeanwhile(Exception):
    """The same key was accepted at the same moment: that receipt is the answer."""


class _Rules:
    """What holds for one seat and assignment now."""

    def __init__(self, session: Session, seat: Seat, assignment: Assignment) -> None:
        self.seat, self.assignment = seat, assignment
        extension = session.scalars(
            select(Extension)
            .where(Extension.assignment_id == assignment.id, Extension.seat_id == seat.id)
            .order_by(Extension.number.desc())
            .limit(1)
        ).one_or_none()
        self.closes_at = (extension and extension.closes_at) or assignment.closes_at
        more = (extension and extension.attempts) or 0
        self.attempts = None if assignment.attempts is None else assignment.attempts + more
        mine = select(Submission).where(Submission.seat_id == seat.id, Submission.assignment_id == assignment.id)
        numbers = session.scalars(mine.with_only_columns(Submission.number)).all()
        self.submitted = max(numbers, default=0)
        self.used = session.scalar(_uses(seat.id, assignment.id)) or 0
        self.waiting = (
            session.scalar(
                select(func.count())
                .select_from(Job)
                .where(Job.whose == seat.person_id, Job.state.in_(LIVE), Job.regrade_id.is_(None))
            )
            or 0
        )

    def late(self, at: datetime) -> bool:
        return self.closes_at is not None and at > self.closes_at

    def need_acceptable(self, at: datetime) -> None:
        opens = self.assignment.opens_at
        if self.seat.round_id != self.assignment.round_id:
            raise NotAccepted("submission.wrong_round")
        if opens is not None and at < opens:
            raise NotAccepted("submission.not_open", opens_at=opens.isoformat())
        if self.attempts is not None and self.used >= self.attempts:
            raise NotAccepted("submission.no_attempts_left", attempts=self.attempts)
        if self.waiting >= MOST_WAITING:
            raise NotAccepted("submission.too_many_waiting", waiting=self.waiting, most=MOST_WAITING)


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """What one seat may still hand in. ``refusal`` is why the next submission would not be accepted, or None.

    ``closes_at`` and ``attempts`` have the seat's extension in them; ``used`` counts attempts, ``waiting`` the
    submissions of the person, to any exercise, that are not graded yet.
    """

    closes_at: datetime | None
    attempts: int | None
    used: int
    waiting: int
    late: bool
    refusal: NotAccepted | None

    @property
    def left(self) -> int | None:
        """Attempts that are left; None: as many as anybody likes."""
        return None if self.attempts is None else max(0, self.attempts - self.used)


def allowance(session: Session, seat: str, assignment: str, at: datetime) -> Allowance:
    """What holds for a seat at a moment, before anything is sent.

    Raises:
        UsageProblem: ``records.not_found``.
    """
    rules = _rules_of(session, seat, assignment)
    refusal = None
    try:
        rules.need_acceptable(at)
    except NotAccepted as problem:
        refusal = problem
    return Allowance(
        closes_at=rules.closes_at,
        attempts=rules.attempts,
        used=rules.used,
        waiting=rules.waiting,
        late=rules.late(at),
        refusal=refusal,
    )


def _uses(seat: str, assignment: str) -> Any:
    """How many attempts are used up: what was judged, and what still waits to be."""
    return (
        select(func.count())
        .select_from(Submission)
        .outerjoin(Grading, (Grading.submission_id == Submission.id) & (Grading.standing == "final"))
        .outerjoin(Job, (Job.submission_id == Submission.id) & Job.regrade_id.is_(None) & Job.state.in_(LIVE))
        .where(Submission.seat_id == seat, Submission.assignment_id == assignment)
        .where(Grading.outcome.in_(COUNTED) | Job.id.is_not(None))
    )


def _rules_of(session: Session, seat: str, assignment: str) -> _Rules:
    found_seat, found = session.get(Seat, seat), session.get(Assignment, assignment)
    if found_seat is None or found is None:
        raise UsageProblem("records.not_found", what=seat if found_seat is None else assignment)
    return _Rules(session, found_seat, found)


def _known(session: Session, seat: str, key: str) -> Submission | None:
    return session.scalars(
        select(Submission).where(Submission.seat_id == seat, Submission.idempotency_key == key)
    ).one_or_none()


def given_before(session: Session, seat: str, key: str, *, assignment: str, sha256: str) -> Receipt | None:
    """The receipt that a seat was given for this key; None: the key is new.

    Raises:
        NotAccepted: ``submission.key_reused``.
    """
    known = _known(session, seat, key)
    return None if known is None else _again(known, assignment, sha256)


def _again(known: Submission, assignment: str, sha256: str = "") -> Receipt:
    """The receipt that was given for this key; a key that was used for other work is a mistake of the client."""
    if known.assignment_id != assignment or (sha256 and known.sha256 != sha256):
        raise NotAccepted("submission.key_reused", submission=known.id)
    return Receipt.model_validate(known.receipt)


def _accept(  # noqa: PLR0917 - private; the values were checked by the caller
    change: Change,
    keys: Keys,
    seat: str,
    assignment: str,
    filename: str,
    stored: Stored,
    key: str,
    *,
    arrived: datetime,
) -> Receipt:
    session = change.session
    session.scalars(select(Seat).where(Seat.id == seat).with_for_update()).one()  # one at a time for each seat
    if _known(session, seat, key):
        raise _AcceptedMeanwhile
    rules = _rules_of(session, seat, assignment)
    rules.need_acceptable(arrived)
    target, number = rules.assignment, rules.submitted + 1
    unsigned = Receipt(
        submission=new_id("sub"),
        round=target.round.code,
        exercise=target.exercise,
        digest=target.digest,
        number=number,
        filename=_clean(filename),
        sha256=stored.sha256,
        size=stored.size,
        received_at=arrived,
        late=rules.late(arrived),
        key=keys.id,
    )
    receipt = unsigned.model_copy(update={"signature": keys.sign(unsigned.signed())})
    session.add(
        Submission(
            id=receipt.submission,
            seat_id=seat,
            assignment_id=assignment,
            digest=target.digest,
            number=number,
            filename=receipt.filename,
            sha256=stored.sha256,
            size=stored.size,
            received_at=arrived,
            late=receipt.late,
            idempotency_key=key,
            receipt=receipt.model_dump(mode="json"),
        )
    )
    session.flush()
    enqueue(
        session,
        submission=receipt.submission,
        person=rules.seat.person_id,
        digest=target.digest,
        seed=secrets.randbelow(MAX_SEED),
        priority=FIRST_ATTEMPT if number == 1 else REPEAT,
        at=change.at,
    )
    standings.refresh(session, seat)
    about: dict[str, Param] = {"exercise": target.exercise, "sha256": stored.sha256, "number": number}
    change.audit("submission.received", receipt.submission, after={**about, "seat": seat, "late": receipt.late})
    return receipt


def _clean(filename: str) -> str:
    """A file's name as it can be kept and shown: no control characters, and not longer than a column."""
    return "".join(character for character in filename if character.isprintable())[-255:]


def receipt_of(session: Session, submission: str) -> Receipt:
    """The receipt of a submission.

    Raises:
        GraderError: ``records.not_found``.
    """
    found = session.get(Submission, submission)
    if found is None:
        raise GraderError("records.not_found", what=submission)
    return Receipt.model_validate(found.receipt)
