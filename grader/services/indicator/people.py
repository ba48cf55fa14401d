"""The people behind a figure: who is where and why, and what the records know beside a snapshot.

Names are looked up only where the caller says that its reader may see them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.kpi import AttemptOutcome, Placement, Snapshot, place
from grader.kpi.fiscal import midnight
from grader.records import Override, Person, Records, ReportRecord, Seat, Submission, Unit
from grader.reports import kpi as report
from grader.services import standings
from grader.services.indicator.calendar import counted_period
from grader.services.indicator.definition import definition_of
from grader.services.indicator.snapshots import moment_of

_BEFORE: Final[dict[str, AttemptOutcome]] = {"pass": "pass", **dict.fromkeys(standings.FAILED, "fail")}
"""What an override says that there was, as the indicator reads it; anything else was no result."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Explained:
    """One person, or one seat where seats are counted, with the place and its reason. ``name`` is "" unless asked."""

    placement: Placement
    name: str = ""


def explain(
    records: Records, fy_be: int, code: str, *, as_of: datetime | None = None, names: bool = False
) -> tuple[Explained, ...]:
    """Everybody on the roster with their place in a round's figure and the reason, in the order of their keys.

    Raises:
        UsageProblem: ``indicator.round_unknown``, ``indicator.as_of_future``.
    """
    with records.reading() as session:
        moment = moment_of(as_of, records.database.now(session))
        rules = standings.settings_of(session).rules
        period = counted_period(session, rules, fy_be, code, as_of=moment)
        placements = place(standings.facts(session), rules, period)
        known = names_of(session, (one.key for one in placements)) if names else {}
    return tuple(Explained(placement=one, name=known.get(one.key, "")) for one in placements)


def names_of(session: Session, keys: Iterable[str]) -> dict[str, str]:
    """The name of each person, by the id of the person or of one of the seats; forgotten names are left out."""
    found: dict[str, str] = {}
    for some in standings.batches(keys):
        people = select(Person.id, Person.name).where(Person.id.in_(some))
        seats = select(Seat.id, Person.name).join(Person, Person.id == Seat.person_id).where(Seat.id.in_(some))
        for statement in (people, seats):
            found |= dict(session.execute(statement.where(Person.erased_at.is_(None))).all())
    return found


def overrides(session: Session, snapshot: Snapshot) -> list[tuple[Override, str]]:
    """The overrides of results that this snapshot counts, oldest first, each with the key of its person or seat.

    That is: of attempts by somebody in B, received by the cut-off and not before the period. Who is carried over from
    an earlier period may owe the pass to an earlier attempt, so all of theirs belong to it.
    """
    counted = {member.key: member.reason for member in snapshot.members if member.in_b}
    begins = midnight(snapshot.period.first)
    statement = (
        select(Override, Submission.received_at, Seat.id, Seat.person_id)
        .join(Submission, Submission.id == Override.submission_id)
        .join(Seat, Seat.id == Submission.seat_id)
        .where(Submission.received_at <= snapshot.period.cutoff)
        .order_by(Override.at, Override.id)
    )
    seats = snapshot.rules.membership_count_by == "seat"
    found = []
    for made, received_at, seat, person in session.execute(statement):
        key = seat if seats else person
        if key in counted and (received_at >= begins or counted[key] == "carried"):
            found.append((made, key))
    return found


def particulars(session: Session, snapshot: Snapshot, *, names: bool = False) -> report.Particulars:
    """What a report of this snapshot tells beside it."""
    told = definition_of(session, snapshot.round.fy_be)
    kept = session.get(ReportRecord, snapshot.sha256)
    return report.Particulars(
        definition=report.Definition(
            name=told.name.text,
            definition=told.definition.text,
            a=told.a.text,
            b=told.b.text,
            formula=told.formula.text,
            owner=told.owner.text,
            source=told.data_source.text,
        ),
        units=dict(session.execute(select(Unit.id, Unit.name)).all()),
        names=names_of(session, (member.key for member in snapshot.members)) if names else None,
        overrides=tuple(
            report.Override(
                at=made.at,
                by=made.by,
                reason=made.reason,
                before=_BEFORE.get(made.from_outcome, "grading"),
                after=_BEFORE[made.to_outcome],
                attempt=made.submission_id,
                person=key,
            )
            for made, key in overrides(session, snapshot)
        ),
        **(kept.texts if kept else {}),
    )
