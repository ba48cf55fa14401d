"""A submission comes in: kept durably, owed a grading, written into the audit chain, then acknowledged; in that order.

What counts for a deadline is the moment at which the last byte had arrived, on the server's clock.
"""

import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from pydantic import Field
from sqlalchemy import select, true, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from grader.errors import GraderError, Param
from grader.evidence import Frozen
from grader.faultpoints import reached
from grader.kpi.fiscal import Moment
from grader.queue import FIRST_ATTEMPT, REPEAT, enqueue
from grader.records import (
    Change,
    Fetch,
    Keys,
    Records,
    Seat,
    Stored,
    Submission,
    new_id,
)
from grader.records.fetches import UNDER_WAY
from grader.services import standings
from grader.services.admitting import NotAccepted, rules_of

UPLOAD_LIMIT: Final = 50 * 1024 * 1024
"""Bytes of an upload."""
MAX_SEED: Final = 2**31


class GitSource(Frozen):
    """The commit that work was taken from, and when the reference stood for it; ``ref`` as it was asked for."""

    ref: str
    commit: str
    tree: str
    fetched_at: Moment


class Receipt(Frozen):
    """What a person gets when work was accepted; ``signature`` proves later that it was ours.

    ``sha256`` and ``size`` are those of the file as it arrived. ``number`` counts submissions to this exercise from 1.
    ``git`` is there only for work that was fetched: a receipt that was given before there was such a thing holds.
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
    git: GitSource | None = Field(default=None, exclude_if=lambda value: value is None)
    key: str
    signature: str = ""

    def signed(self) -> bytes:
        """What is signed: everything but the signature, as canonical JSON."""
        content = self.model_dump(mode="json", exclude={"signature"})
        return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    def genuine(self, keys: Keys) -> bool:
        """Whether this installation gave the receipt, and nothing in it was changed."""
        return keys.verify(self.signed(), self.signature)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """Work that was asked for before it was here: the moment of asking is that of its receipt.

    ``settle`` ends the asking in the transaction that accepts the work, and raises when somebody else has ended it.
    """

    at: datetime
    git: GitSource
    settle: Callable[[Change, str], None]


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
    asked: Asked | None = None,
    queue_limit: int | None = None,
) -> Receipt:
    """Accept work for an assignment. The same key of the same seat gives the same receipt, until the key is forgotten.

    A caller that knows the ``sha256`` of what it sends is refused when the key was used for other bytes.
    ``queue_limit`` is how much work of everybody may wait; None: any.

    Raises:
        NotAccepted: ``submission.not_open``, ``submission.no_attempts_left``, ``submission.too_many_waiting``,
            ``submission.wrong_round``, ``submission.empty``, ``submission.key_reused``, ``submission.queue_full``.
        SubmissionRejected: ``archive.too_large``.
        RecordsUnavailable: nothing could be kept; nothing was acknowledged.
    """
    key = idempotency_key or secrets.token_hex(16)
    # Before anything is kept: most refusals need no bytes. What was asked for before was looked at when it was.
    given = _looked_up(records, seat, assignment, key, sha256, queue_limit, rules=asked is None)
    if given is not None:
        return given
    stored = records.blobs.put(chunks, limit=UPLOAD_LIMIT)
    if stored.size == 0:
        raise NotAccepted("submission.empty")
    with records.reading() as session:  # now, and not when others have finished writing: nobody is late by their queue
        arrived = records.database.now(session)
    try:
        with records.change(by=by, request=request) as change:
            receipt = _accept(
                change, records.keys, seat, assignment, filename, stored, key,
                arrived=min(arrived, change.at), asked=asked, queue_limit=queue_limit,
            )  # fmt: skip
            reached("upload.pre_commit")
    except (_AcceptedMeanwhile, IntegrityError):
        with records.reading() as session:
            if known := _known(session, seat, key):
                return _again(known, assignment, sha256)
        raise
    reached("upload.post_commit")
    return receipt


def ready(
    records: Records,
    *,
    seat: str,
    assignment: str,
    idempotency_key: str = "",
    sha256: str = "",
    queue_limit: int | None = None,
) -> Receipt | None:
    """Whether :func:`submit` would take work now, asked before anything is done with it; the receipt if it has it.

    Raises:
        NotAccepted: as in :func:`submit`.
    """
    return _looked_up(records, seat, assignment, idempotency_key, sha256, queue_limit, rules=True)


def _looked_up(  # noqa: PLR0917 - private; see its two callers
    records: Records, seat: str, assignment: str, key: str, sha256: str, queue_limit: int | None, *, rules: bool
) -> Receipt | None:
    with records.reading() as session:
        if known := _known(session, seat, key):
            return _again(known, assignment, sha256)
        if rules:
            _need_unasked(session, seat, key)
            rules_of(session, seat, assignment).need_acceptable(records.database.now(session), queue_limit=queue_limit)
    return None


class _AcceptedMeanwhile(Exception):
    """The same key was accepted at the same moment: that receipt is the answer."""


def _known(session: Session, seat: str, key: str) -> Submission | None:
    return session.scalars(
        select(Submission).where(Submission.seat_id == seat, Submission.idempotency_key == key)
    ).one_or_none()


def _need_unasked(session: Session, seat: str, key: str) -> None:
    """A key with which something was asked for at a git address is not for a file as well."""
    fetch = session.scalar(select(Fetch.id).where(Fetch.seat_id == seat, Fetch.idempotency_key == key))
    if fetch is not None:
        raise NotAccepted("submission.key_reused", submission=fetch)


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
    asked: Asked | None,
    queue_limit: int | None,
) -> Receipt:
    session = change.session
    session.scalars(select(Seat).where(Seat.id == seat).with_for_update()).one()  # one at a time for each seat
    if _known(session, seat, key):
        raise _AcceptedMeanwhile
    rules = rules_of(session, seat, assignment)
    if asked is not None:
        arrived = min(asked.at, arrived)
    rules.need_acceptable(arrived, waited=asked is not None, queue_limit=queue_limit)
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
        git=asked.git if asked else None,
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
    if asked is not None:
        asked.settle(change, receipt.submission)
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
    if asked is not None:
        about["commit"] = asked.git.commit
    change.audit("submission.received", receipt.submission, after={**about, "seat": seat, "late": receipt.late})
    return receipt


def _clean(filename: str) -> str:
    """A file's name as it can be kept and shown: no folders, no control characters, and not longer than a column."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    return "".join(character for character in name if character.isprintable())[-255:]


def forget_keys(session: Session, before: datetime) -> None:
    """Forget with which keys work was sent or asked for: nobody sends it again because no answer came any more.

    The id takes the key's place. It is as unique, and no client can know it before.
    """
    for table, at, over in (
        (Submission, Submission.received_at, true()),
        (Fetch, Fetch.asked_at, Fetch.state.not_in(UNDER_WAY)),
    ):
        old = (at < before, table.idempotency_key != table.id, over)
        session.execute(update(table).where(*old).values(idempotency_key=table.id))


def receipt_of(session: Session, submission: str) -> Receipt:
    """The receipt of a submission.

    Raises:
        GraderError: ``records.not_found``.
    """
    found = session.get(Submission, submission)
    if found is None:
        raise GraderError("records.not_found", what=submission)
    return Receipt.model_validate(found.receipt)
