"""Reading the audit log: what was done, page by page, and whether the chain still holds. Nothing here changes it."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from grader.kpi.fiscal import midnight
from grader.records import Account, AuditEntry, Break, Checkpoint, Records, audit
from grader.records.audit import AuditHead
from grader.records.store import CHECKPOINT_FILE
from grader.services.accounts.people import normal

PAGE: Final = 50
LOOKED_AT: Final = 20_000
"""Entries that are looked at while somebody waits for the page; ``grader verify`` walks the whole chain."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What to show; "" and None ask for everything. ``first`` and ``last`` are days in Bangkok, both included."""

    by: str = ""
    action: str = ""
    object: str = ""
    first: date | None = None
    last: date | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One entry as people read it."""

    number: int
    at: datetime
    by: str
    action: str
    object: str
    before: Any
    after: Any
    request: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LogPage:
    """Some entries, the newest first; ``before`` leads on to older ones, None where there are none."""

    lines: tuple[Line, ...]
    before: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ChainState:
    """How long the chain is, and how far signatures cover it."""

    entries: int
    signed: int
    signed_at: datetime | None
    key: str

    @property
    def unsigned(self) -> int:
        """Entries since the last signature."""
        return self.entries - self.signed


@dataclass(frozen=True, kw_only=True, slots=True)
class Walk:
    """What a look at the chain found in its entries ``first`` to ``last``; ``broken`` is where it does not hold."""

    first: int
    last: int
    broken: Break | None

    @property
    def whole(self) -> bool:
        """Whether the chain was looked at from its first entry."""
        return self.first <= 1


def log_page(session: Session, wanted: Wanted, *, before: int | None = None, limit: int = PAGE) -> LogPage:
    """A page of the log; ``before`` is the cursor that an earlier page gave."""
    statement = select(AuditEntry).where(*_conditions(session, wanted))
    if before is not None:
        statement = statement.where(AuditEntry.number < before)
    rows = session.scalars(statement.order_by(AuditEntry.number.desc()).limit(limit + 1)).all()
    lines = tuple(
        Line(
            number=one.number,
            at=one.at,
            by=one.by,
            action=one.action,
            object=one.object,
            before=one.before,
            after=one.after,
            request=one.request,
        )
        for one in rows[:limit]
    )
    return LogPage(lines=lines, before=lines[-1].number if len(rows) > limit else None)


def actions(session: Session) -> list[str]:
    """Every action that the log holds, for choosing one."""
    return list(session.scalars(select(AuditEntry.action).distinct().order_by(AuditEntry.action)))


def chain_state(session: Session) -> ChainState:
    """The length of the chain and its last signature."""
    head = session.scalars(select(AuditHead.number).where(AuditHead.id == 1)).one()
    mark = session.scalars(select(Checkpoint).order_by(Checkpoint.number.desc()).limit(1)).one_or_none()
    return ChainState(
        entries=head,
        signed=mark.number if mark else 0,
        signed_at=mark.at if mark else None,
        key=mark.key if mark else "",
    )


def walk(records: Records, *, most: int = LOOKED_AT) -> Walk:
    """Compare the newest entries with their hashes and signatures, those in the file of checkpoints too."""
    file = records.folder / CHECKPOINT_FILE
    away = tuple(audit.read_checkpoints(file)) if file.is_file() else ()
    with records.reading() as session:
        last = session.scalars(select(AuditHead.number).where(AuditHead.id == 1)).one()
        skipped = max(0, last - most)
        broken = audit.find_break(session, records.keys, away, after=skipped)
    return Walk(first=skipped + 1, last=last, broken=broken)


def _conditions(session: Session, wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.by:
        found.append(AuditEntry.by.in_(_names_of(session, wanted.by)))
    if wanted.action:
        found.append(AuditEntry.action == wanted.action)
    if wanted.object:
        found.append(AuditEntry.object == wanted.object)
    if wanted.first:
        found.append(AuditEntry.at >= midnight(wanted.first))
    if wanted.last:
        found.append(AuditEntry.at < midnight(wanted.last + timedelta(days=1)))
    return found


def _names_of(session: Session, by: str) -> set[str]:
    """A login and the id of its account are one actor: signing in is noted by id, what pages change by login."""
    either = (Account.login == normal(by)) | (Account.id == by)
    known = session.execute(select(Account.id, Account.login).where(either)).one_or_none()
    return {by, *(known or ())}
