"""The audit chain: every change of a state says who did what, and each entry holds the hash of the one before.

``h(n) = SHA-256(h(n-1) ‖ canonical entry)``. The order is the sequence number, never the time. Every hundred entries,
and at least every ten minutes of work, a checkpoint is signed; it also goes to a file that is meant to be copied to
another machine, because only that shows when the end of the chain was cut off.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import JSON, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from grader.records.columns import Base, Moment, Sha256, append_only
from grader.records.keys import Keys

GENESIS: Final = "0" * 64
CHECKPOINT_ENTRIES: Final = 100
CHECKPOINT_AGE: Final = timedelta(minutes=10)
_BATCH: Final = 2_000


class AuditEntry(Base):
    """One change: who (``by``), did what (``action``) to which object, from what to what. Ids only, no names."""

    __tablename__ = "audit"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[Moment]
    by: Mapped[str] = mapped_column(String(255))
    action: Mapped[str] = mapped_column(String(64), index=True)
    object: Mapped[str] = mapped_column(String(80), index=True)
    before: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    after: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    request: Mapped[str] = mapped_column(String(64), default="")
    hash: Mapped[Sha256]


class Checkpoint(Base):
    """A signature over the chain up to an entry."""

    __tablename__ = "audit_checkpoint"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hash: Mapped[Sha256]
    at: Mapped[Moment]
    key: Mapped[str] = mapped_column(String(32))
    signature: Mapped[str] = mapped_column(String(128))


class AuditHead(Base):
    """The one row that every writer locks, so that entries are added one after the other."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int]
    hash: Mapped[Sha256]


append_only(AuditEntry.__table__)
append_only(Checkpoint.__table__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What an entry will say; its number, time and hash come when it is written."""

    action: str
    object: str
    before: Any = None
    after: Any = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Break:
    """The first place at which a chain does not hold: the number of the entry or checkpoint, and what is wrong."""

    number: int
    problem: str


def append(session: Session, entries: list[Entry], *, by: str, request: str, at: datetime, keys: Keys) -> None:
    """Add entries to the chain, and a checkpoint when one is due; called as the last thing before a commit."""
    head = session.scalars(select(AuditHead).where(AuditHead.id == 1).with_for_update()).one()
    for entry in entries:
        number = head.number + 1
        content = (number, at, by, entry.action, entry.object, entry.before, entry.after, request)
        digest = _hash(head.hash, *content)
        session.add(
            AuditEntry(
                number=number,
                at=at,
                by=by,
                action=entry.action,
                object=entry.object,
                before=entry.before,
                after=entry.after,
                request=request,
                hash=digest,
            )
        )
        head.number, head.hash = number, digest
    if _due(session, head.number, at):
        add_checkpoint(session, at=at, keys=keys)


def add_checkpoint(session: Session, *, at: datetime, keys: Keys) -> Checkpoint | None:
    """Sign the chain as it is; None when the last checkpoint already says all of it."""
    head = session.scalars(select(AuditHead).where(AuditHead.id == 1).with_for_update()).one()
    if head.number == 0 or session.get(Checkpoint, head.number) is not None:
        return None
    checkpoint = Checkpoint(
        number=head.number, hash=head.hash, at=at, key=keys.id, signature=keys.sign(_signed(head.number, head.hash))
    )
    session.add(checkpoint)
    return checkpoint


def find_break(
    session: Session, keys: Keys, off_host: Iterable[tuple[int, str, str]] = (), *, after: int = 0
) -> Break | None:
    """Walk the chain; None when every entry, checkpoint and off-host checkpoint holds.

    ``off_host`` are (number, hash, signature) of checkpoints that were copied away: they show a cut-off end. Entries up
    to ``after`` are taken for granted, so that a look at the newest ones takes no longer when the chain grows.
    """
    marks = {mark.number: [(mark.hash, mark.signature)] for mark in session.scalars(select(Checkpoint))}
    for number, digest, signature in off_host:
        marks.setdefault(number, []).append((digest, signature))
    previous, last = GENESIS, 0
    if after:
        found = session.scalar(select(AuditEntry.hash).where(AuditEntry.number == after))
        if found is None:
            return Break(number=after, problem="entry_missing")
        previous, last = found, after
        marks = {number: held for number, held in marks.items() if number > after}
    statement = select(AuditEntry).where(AuditEntry.number > after).order_by(AuditEntry.number)
    statement = statement.execution_options(yield_per=_BATCH)
    with closing(session.scalars(statement)) as entries:
        for entry in entries:
            problem = _problem(entry, last, previous) or _marked(entry, marks.pop(entry.number, ()), keys)
            if problem:
                return Break(number=last + 1, problem=problem)
            previous, last = entry.hash, entry.number
            session.expunge(entry)
    head = session.scalars(select(AuditHead).where(AuditHead.id == 1)).one()
    if (head.number, head.hash) != (last, previous) or marks:
        return Break(number=last + 1, problem="end_cut_off")
    return None


def _problem(entry: AuditEntry, last: int, previous: str) -> str:
    if entry.number != last + 1:
        return "entry_missing"
    content = (entry.number, entry.at, entry.by, entry.action, entry.object, entry.before, entry.after, entry.request)
    return "" if entry.hash == _hash(previous, *content) else "entry_changed"


def _marked(entry: AuditEntry, marks: Iterable[tuple[str, str]], keys: Keys) -> str:
    held = all(
        digest == entry.hash and keys.verify(_signed(entry.number, digest), signature) for digest, signature in marks
    )
    return "" if held else "checkpoint_wrong"


def export_checkpoints(session: Session, file: Path) -> None:
    """Write all checkpoints as lines ``number hash signature``; the file is replaced at once, never half."""
    lines = [
        f"{checkpoint.number} {checkpoint.hash} {checkpoint.signature}\n"
        for checkpoint in session.scalars(select(Checkpoint).order_by(Checkpoint.number))
    ]
    fresh = file.with_name(f"{file.name}.{os.getpid()}-{time.monotonic_ns()}")
    try:
        fresh.write_text("".join(lines), encoding="ascii")
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)


def read_checkpoints(file: Path) -> Iterator[tuple[int, str, str]]:
    """The checkpoints of such a file, for :func:`find_break`."""
    for line in file.read_text(encoding="ascii").splitlines():
        number, digest, signature = line.split()
        yield int(number), digest, signature


def _due(session: Session, number: int, at: datetime) -> bool:
    last = session.scalars(select(Checkpoint).order_by(Checkpoint.number.desc()).limit(1)).one_or_none()
    if last is None:
        return number >= CHECKPOINT_ENTRIES
    return number - last.number >= CHECKPOINT_ENTRIES or abs(at - last.at) >= CHECKPOINT_AGE


def _hash(previous: str, *content: Any) -> str:
    line = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(previous.encode() + line.encode()).hexdigest()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    message = f"an audit entry cannot hold a {type(value).__name__}"
    raise TypeError(message)


def _signed(number: int, digest: str) -> bytes:
    return f"audit-checkpoint/1 {number} {digest}".encode()
