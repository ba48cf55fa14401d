"""Several people of a round at once: whom an action concerns, and doing it for all of them or for none.

What is done to many is looked at first: every action has a plan that says what becomes of each person.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Final, Literal, TypeAlias

from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.packs import Pack
from grader.records import Assignment, Extension, Job, Records, Regrade, Run, Seat, Submission
from grader.services import overseeing, reviewing, rounds
from grader.services.overview import Line
from grader.services.rounds import need

RECENT_RUNS: Final = 50
"""Gradings of an exercise that an estimate looks at."""

Becomes: TypeAlias = Literal["given", "later_already"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Extended:
    """One person of an extension: until when they have now (None: no end), and what becomes of it."""

    seat: str
    name: str
    closes_at: datetime | None
    becomes: Becomes


def works_of(lines: Sequence[Line], seats: Collection[str], exercise: str) -> tuple[str, ...]:
    """The graded submissions of these people to an exercise."""
    return tuple(
        handed.id
        for line in lines
        if line.seat in seats
        for cell in line.cells
        if cell.exercise == exercise
        for handed in cell.handed
        if handed.outcome
    )


def regrade(
    records: Records, *, assignment: str, pack: Pack, by: str, reason: str, works: Sequence[str] | None
) -> Regrade:
    """Begin a regrade of these works, or of everything (None); no works are not everything.

    Raises:
        UsageProblem: ``selection.nobody``, and those of ``reviewing.begin_regrade``.
    """
    if works is not None and not works:
        raise UsageProblem("selection.nobody")
    return reviewing.begin_regrade(
        records, assignment=assignment, pack=pack, by=by, reason=reason, submissions=works or ()
    )


def minutes_for(session: Session, assignment: str, works: int, at: datetime) -> int | None:
    """About how long so many gradings take when nothing else waits; None while nobody can know.

    From the median of the latest gradings of this exercise, and the slots that take work now.
    """
    statement = (
        select(Run.started_at, Run.ended_at)
        .join(Job, Job.id == Run.job_id)
        .join(Submission, Submission.id == Job.submission_id)
        .where(Submission.assignment_id == assignment, Run.ended == "recorded", Run.ended_at.is_not(None))
        .order_by(Run.ended_at.desc())
        .limit(RECENT_RUNS)
    )
    seconds: list[float] = [(row.ended_at - row.started_at).total_seconds() for row in session.execute(statement)]
    slots = sum(one.alive and not one.waits_for for one in overseeing.workers(session, at))
    if not seconds or not slots:
        return None
    return max(round(median(seconds) * works / slots / 60), 1)


def plan_extension(
    session: Session, *, training: str, assignment: str, seats: Collection[str], closes_at: datetime | None
) -> tuple[Extended, ...]:
    """What a new closing time would do to each of these seats; nobody loses time that they have already.

    Raises:
        UsageProblem: ``selection.nobody``, ``records.not_found``, ``selection.never_closes``.
    """
    found = session.get(Assignment, assignment)
    found = need(found if found is not None and found.round_id == training else None, assignment)
    if found.closes_at is None:
        raise UsageProblem("selection.never_closes", exercise=found.exercise)
    rows = session.scalars(select(Seat).where(Seat.id.in_(seats), Seat.round_id == training).order_by(Seat.id)).all()
    if not rows or len(rows) != len(set(seats)):
        raise UsageProblem("selection.nobody")
    own = _extensions(session, assignment, seats)
    planned = []
    for seat in rows:
        mine = own.get(seat.id)
        now = (mine.closes_at if mine else None) or found.closes_at
        later = closes_at is not None and now >= closes_at
        planned.append(
            Extended(
                seat=seat.id, name=seat.person.name, closes_at=now, becomes="later_already" if later else "given"
            )
        )  # fmt: skip
    return tuple(planned)


def extend(
    records: Records,
    *,
    training: str,
    assignment: str,
    seats: Collection[str],
    by: str,
    reason: str,
    closes_at: datetime | None,
) -> int:
    """Give all of these seats until ``closes_at``, in one transaction; returns how many got more time.

    Attempts that somebody was given before stay theirs, although a later extension replaces an earlier one.

    Raises:
        UsageProblem: ``selection.time_missing``, ``round.reason_missing``, ``override.reason_short``,
            ``selection.not_later``, and those of :func:`plan_extension`.
    """
    if closes_at is None:
        raise UsageProblem("selection.time_missing")
    if not reason.strip():
        raise UsageProblem("round.reason_missing")
    if len(reason.strip()) < reviewing.REASON_LENGTH:
        raise UsageProblem("override.reason_short", letters=reviewing.REASON_LENGTH)
    with records.change(by=by) as change:
        session = change.session
        # Before anything is read: two of these that come together are planned one after the other, in one order.
        session.scalars(select(Seat).where(Seat.id.in_(seats)).order_by(Seat.id).with_for_update()).all()
        planned = plan_extension(
            session, training=training, assignment=assignment, seats=seats, closes_at=closes_at
        )  # fmt: skip
        chosen = [one.seat for one in planned if one.becomes == "given"]
        if not chosen:
            raise UsageProblem("selection.not_later")
        own = _extensions(session, assignment, chosen)
        for seat in chosen:
            rounds.give(
                change, assignment=assignment, seat=seat, reason=reason.strip(), closes_at=closes_at,
                attempts=own[seat].attempts if seat in own else None,
            )  # fmt: skip
    return len(chosen)


def _extensions(session: Session, assignment: str, seats: Collection[str]) -> dict[str, Extension]:
    """The extension that stands for each of these seats."""
    rows = session.scalars(
        select(Extension)
        .where(Extension.assignment_id == assignment, Extension.seat_id.in_(seats))
        .order_by(Extension.number)
    )
    return {one.seat_id: one for one in rows}
