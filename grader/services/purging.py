"""What need not be kept goes: code and names after an age that somebody confirmed, one person on request, leftovers.

Nothing goes by itself, because the office has not said how long anything may be kept: every age is given by whoever
asks, and can be tried first (``dry_run``). Rows, receipts, results and the audit stay; files go at last, and only when
nothing needs them: killed half way, the next purge ends what was begun.
"""

import os
import secrets
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.kpi.fiscal import bangkok_date
from grader.records import (
    Appeal,
    Assignment,
    Job,
    Person,
    ProgressEvent,
    Records,
    Seat,
    Submission,
    TrainingRound,
    Unaudited,
)
from grader.records.work import LIVE
from grader.services import certificates
from grader.services.accounts import links, second_step, sessions, throttling
from grader.services.erasing import OUTLIVING, Erased, busy, erase, name_pattern, overwrite
from grader.services.keeping import hold, needed_blobs
from grader.services.receiving import forget_keys
from grader.services.regrading import STUCK

LEAST_AGE: Final = timedelta(days=1)
"""A shorter age is taken for a mistake of typing."""
STRAY: Final = timedelta(hours=24)
"""How long a file that no row names is left alone: its row may be on its way."""
SETTLED: Final = timedelta(hours=1)
"""The same for a file whose last row has just been purged: somebody may be handing in the same content now."""
EVENTS_KEPT: Final = timedelta(hours=24)
"""How long people may still look at the progress of a grading that ended."""
KEYS_KEPT: Final = timedelta(hours=24)
"""How long work that is sent again with the same key gives the same receipt."""
_BATCH: Final = 200
"""Submissions of one transaction: others can write in between."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PurgeReport:
    """What was removed, or would be.

    ``submissions`` lost their code, ``people`` their name (with the code of ``erased_submissions``); ``files`` of
    ``bytes`` went, ``waiting`` files are too young to be removed now. ``events`` are lines of progress. ``left`` names
    texts that hold a name of these people and can never be changed, as ``table key column``.
    """

    dry_run: bool
    submissions: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    erased_submissions: tuple[str, ...] = ()
    files: int = 0
    bytes: int = 0
    waiting: int = 0
    events: int = 0
    left: tuple[str, ...] = ()


def purge(
    records: Records,
    *,
    by: str,
    code_older_than: timedelta | None = None,
    names_older_than: timedelta | None = None,
    dry_run: bool,
) -> PurgeReport:
    """Remove the code of work that was received longer ago, the names of people whose last round ended longer ago.

    None keeps all of it. Code stays while a grading, a regrade or an appeal may need it, a person's name and code
    likewise. Files that nothing needs and progress of gradings that ended go in any case.

    Raises:
        UsageProblem: ``purge.age``.
        EnvironmentProblem: ``purge.busy``.
    """
    for age in (code_older_than, names_older_than):
        if age is not None and age < LEAST_AGE:
            raise UsageProblem("purge.age", hours=int(LEAST_AGE.total_seconds() // 3600))
    with hold(records, "purge.busy"):
        with records.reading() as session:
            now = records.database.now(session)
            work = [] if code_older_than is None else _old_work(session, now - code_older_than)
            people = [] if names_older_than is None else _old_people(session, now, names_older_than)
        erased = erase(records, people, by=by, because="retention", dry_run=dry_run)
        if not dry_run:
            work = _mark(records, work, by)
        report = _sweep(records, work, erased, by=by, dry_run=dry_run)
        if names_older_than is not None and not dry_run:
            overwrite(records, erased.tables)
        return report


def erase_person(records: Records, *, person: str, by: str, reason: str, dry_run: bool = False) -> PurgeReport:
    """Forget one person, who asked for it; ``person`` is an id or a code, ``reason`` a reference and no name.

    May be repeated, with the id: files that were too young, or a database that was busy, are then seen to.

    Raises:
        UsageProblem: ``purge.reason_missing``, ``purge.reason_names``, ``purge.person_unknown``,
            ``purge.person_busy``: a grading or a decision of theirs is still to come.
        EnvironmentProblem: ``purge.busy``; ``records.busy``: the name may still be found in the database's files.
    """
    if not reason.strip():
        raise UsageProblem("purge.reason_missing")
    with hold(records, "purge.busy"):
        with records.reading() as session:
            found = session.scalars(select(Person).where(or_(Person.id == person, Person.code == person))).one_or_none()
            if found is None:
                raise UsageProblem("purge.person_unknown", person=person)
            if name_pattern([found]).search(reason):
                raise UsageProblem("purge.reason_names", person=found.id)
            if busy(session, found.id):
                raise UsageProblem("purge.person_busy", person=found.id)
        fresh = [found] if found.erased_at is None else []
        erased = erase(records, fresh, by=by, because=f"request: {reason.strip()}", dry_run=dry_run)
        report = _sweep(records, [], erased, by=by, dry_run=dry_run)
        if not dry_run:
            certificates.forget(records, person=found.id, by=by)
            overwrite(records, erased.tables | OUTLIVING)
        return report


# -- what is due ------------------------------------------------------------------------------------------------------


def _old_work(session: Session, before: datetime) -> list[str]:
    """Work that was received before, and that nobody has to look at any more."""
    return list(
        session.scalars(
            select(Submission.id)
            .where(Submission.purged_at.is_(None), Submission.received_at < before, ~_needed())
            .order_by(Submission.received_at, Submission.id)
        )
    )


def _needed() -> Any:
    waiting = select(1).where(Job.submission_id == Submission.id, Job.state.in_((*LIVE, STUCK))).exists()
    asked = select(1).where(Appeal.submission_id == Submission.id, Appeal.state == "open").exists()
    return waiting | asked


def _old_people(session: Session, now: datetime, age: timedelta) -> list[Person]:
    """People all of whose rounds ended longer ago than that; without a round, who was added longer ago."""
    last_day = bangkok_date(now - age)
    recent = (
        select(Seat.person_id)
        .join(TrainingRound, TrainingRound.id == Seat.round_id)
        .where(or_(TrainingRound.ends_on.is_(None), TrainingRound.ends_on >= last_day))
    )
    seated = select(1).where(Seat.person_id == Person.id).exists()
    due = session.scalars(
        select(Person)
        .where(Person.erased_at.is_(None), Person.id.not_in(recent), seated | (Person.created_at < now - age))
        .order_by(Person.id)
    )
    return [person for person in due.all() if not busy(session, person.id)]


# -- removing ---------------------------------------------------------------------------------------------------------


def _mark(records: Records, work: Sequence[str], by: str) -> list[str]:
    """Say in the rows that the code is gone, before it goes; returns where. What is needed again meanwhile stays."""
    left, marked = iter(work), list[str]()
    while batch := list(islice(left, _BATCH)):
        with suppress(Unaudited), records.change(by=by) as change:
            session = change.session
            chosen = select(Submission).where(Submission.id.in_(batch)).order_by(Submission.id)
            theirs = select(Submission.assignment_id).where(Submission.id.in_(batch))
            locked = select(Assignment).where(Assignment.id.in_(theirs)).order_by(Assignment.id).with_for_update()
            session.scalars(locked).all()  # a regrade begins by locking these,
            session.scalars(chosen.with_for_update()).all()  # an appeal with one of these
            for one in session.scalars(chosen.where(~_needed(), Submission.purged_at.is_(None))).all():
                one.purged_at = change.at
                change.audit("code.purged", one.id, after={"sha256": one.sha256})
        marked += [entry.object for entry in change.entries]
    return marked


def _sweep(records: Records, work: Sequence[str], erased: Erased, *, by: str, dry_run: bool) -> PurgeReport:
    """The progress of what ended, and all files that nothing needs."""
    going = {*work, *erased.submissions}
    with records.reading() as session:
        over = records.database.now(session) - EVENTS_KEPT
        events = session.scalar(select(func.count()).select_from(ProgressEvent).where(_ended(over))) or 0
        needed = {sha256: set(ids) - (going if dry_run else set()) for sha256, ids in needed_blobs(session).items()}
        settled = set(session.scalars(select(Submission.sha256).where(Submission.purged_at.is_not(None))))
        settled |= {sha256 for sha256, ids in needed.items() if not ids}
    kept = {sha256 for sha256, ids in needed.items() if ids}
    files, size, waiting = _remove(records, kept, settled, dry_run=dry_run)
    if not dry_run:
        _tidy(records)
    if not dry_run and (events or files):
        with records.change(by=by) as change:
            change.session.execute(delete(ProgressEvent).where(_ended(over)))
            change.audit("leftovers.purged", "records", after={"events": events, "files": files, "bytes": size})
    return PurgeReport(
        dry_run=dry_run,
        submissions=tuple(one for one in work if one not in erased.submissions),
        people=erased.people,
        erased_submissions=erased.submissions,
        files=files,
        bytes=size,
        waiting=waiting,
        events=events,
        left=erased.left,
    )


def _tidy(records: Records) -> None:
    """Sessions, links and counters that have been over for long, of which the audit tells; keys of what was sent."""
    with records.upkeep() as session:
        now = records.database.now(session)
        forget_keys(session, now - KEYS_KEPT)
        for part in (sessions, second_step, links, throttling):
            part.tidy(session, now)


def _ended(before: datetime) -> Any:
    over = select(Job.id).where(Job.state.in_(("done", "cancelled")), Job.finished_at < before)
    return ProgressEvent.job_id.in_(over)


def _remove(records: Records, kept: set[str], settled: Iterable[str], *, dry_run: bool) -> tuple[int, int, int]:
    """Remove the files that nothing needs: how many went, their bytes, and how many are too young."""
    files, size, waiting, released = 0, 0, 0, set(settled)
    for name in records.blobs.names():
        if name in kept:
            continue
        least = SETTLED if name in released else STRAY
        path = records.blobs.path(name)
        facts = path.stat()
        if time.time() - facts.st_mtime < least.total_seconds():
            waiting += 1
        elif dry_run or _gone(records, name, least):
            files, size = files + 1, size + facts.st_size
        else:
            waiting += 1
    return files, size, waiting


def _gone(records: Records, name: str, least: timedelta) -> bool:
    """Remove one file, unless the same content is handed in at this very moment.

    Handing in always puts a new file there before its row exists. So the file is first taken aside, where nobody can
    replace it any more, and put back if it turns out to be a new one.
    """
    path = records.blobs.path(name)
    aside = records.blobs.folder / "incoming" / f"removed-{os.getpid()}-{secrets.token_hex(4)}"
    path.rename(aside)
    with suppress(FileNotFoundError):  # a worker that tidies up has removed it, which it does with old ones only
        if time.time() - aside.stat().st_mtime < least.total_seconds():
            aside.rename(path)
            return False
        aside.unlink()
    return True
