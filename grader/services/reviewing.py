"""What the staff of a round see of a submission beyond its owner, and what they decide about it with their reasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.packs import Pack
from grader.records import (
    Appeal,
    Assignment,
    ExerciseVersion,
    Grading,
    Job,
    Override,
    Person,
    Records,
    Regrade,
    Run,
    Seat,
    Submission,
    TrainingRound,
)
from grader.services import overriding, regrading
from grader.services.rounds import need

REASON_LENGTH: Final = 10
"""Letters that a reason has at least: it stands in the evidence for ever, and "ok" explains nothing to anybody."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """One thing that happened to a submission. ``kind`` words it; ``by`` is "" for the grader and the trainee."""

    at: datetime
    kind: str
    by: str = ""
    before: str = ""
    after: str = ""
    text: str = ""
    points: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reviewed:
    """What stands beside the findings. ``result`` is what stands now, "none" without one; ``runs`` are all claims."""

    person: str
    code: str
    unit: str
    round_code: str
    round_name: str
    result: str
    timeline: tuple[Moment, ...]
    runs: tuple[Run, ...]
    appeal: Appeal | None
    regrade: str
    """The regrade of this exercise that nobody decided yet, or ""."""
    following: str
    """The next submission of the round that needs somebody, or ""."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One submission of a regrade, with whose it is."""

    changed: regrading.Changed
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RegradeSeen:
    """One regrade: its progress and what it would change."""

    id: str
    state: str
    by: str
    reason: str
    at: datetime
    decided_by: str
    decided_at: datetime | None
    version: str
    exercise: str
    round_code: str
    round_name: str
    done: int
    total: int
    stuck: int
    differences: tuple[Difference, ...]

    @property
    def changes(self) -> tuple[Difference, ...]:
        """Those that applying it would change."""
        return tuple(one for one in self.differences if one.changed.differs)


def reviewed(session: Session, submission: str) -> Reviewed:
    """What the staff see beside the findings.

    Raises:
        UsageProblem: ``records.not_found``.
    """
    found = need(session.get(Submission, submission), submission)
    seat = found.seat
    runs = session.scalars(
        select(Run).join(Job, Job.id == Run.job_id).where(Job.submission_id == submission).order_by(Run.started_at)
    )
    appeals = select(Appeal).where(Appeal.submission_id == submission, Appeal.state == "open")
    running = select(Regrade.id).where(Regrade.assignment_id == found.assignment_id, Regrade.state == "running")
    return Reviewed(
        person=seat.person.name,
        code=seat.person.code,
        unit=seat.unit.name,
        round_code=seat.round.code,
        round_name=seat.round.name,
        result=overriding.result_of(session, submission),
        timeline=tuple(sorted(_moments(session, found), key=lambda one: one.at)),
        runs=tuple(runs),
        appeal=session.scalars(appeals).one_or_none(),
        regrade=session.scalar(running) or "",
        following=_following(session, seat.round_id, submission),
    )


def decide(records: Records, *, submission: str, to: str, by: str, reason: str, expected: str) -> Override:
    """Decide a result as a person who saw ``expected``, with a reason that says something.

    Raises:
        UsageProblem: ``override.choice_missing``, ``override.reason_missing``, ``override.reason_short``,
            ``override.changed_meanwhile``, ``override.no_change``, ``records.not_found``.
    """
    if to not in {"pass", "fail"}:
        raise UsageProblem("override.choice_missing")
    chosen: Literal["pass", "fail"] = "pass" if to == "pass" else "fail"
    if 0 < len(reason.strip()) < REASON_LENGTH:
        raise UsageProblem("override.reason_short", letters=REASON_LENGTH)
    # Without what was seen nobody could tell whether something else was decided meanwhile.
    return overriding.override(
        records, submission=submission, to=chosen, by=by, reason=reason, expected=expected or overriding.NO_RESULT
    )


def answer(records: Records, *, submission: str, appeal: str, verdict: str, text: str, by: str) -> Appeal:
    """Answer an appeal of this submission with "accept" or "decline", in words that say something.

    Raises:
        UsageProblem: ``override.choice_missing``, ``appeal.answer_missing``, ``override.reason_short``,
            ``appeal.decided_already``, ``records.not_found``.
    """
    if verdict not in {"accept", "decline"}:
        raise UsageProblem("override.choice_missing")
    if 0 < len(text.strip()) < REASON_LENGTH:
        raise UsageProblem("override.reason_short", letters=REASON_LENGTH)
    with records.reading() as session:
        found = session.get(Appeal, appeal)
        need(found if found is not None and found.submission_id == submission else None, appeal)
    return overriding.decide_appeal(records, appeal_id=appeal, accept=verdict == "accept", answer=text, by=by)


def begin_regrade(
    records: Records, *, assignment: str, pack: Pack, by: str, reason: str, submissions: Sequence[str] = ()
) -> Regrade:
    """Grade again in the shadow, with a reason that says something; see :func:`grader.services.regrading.begin`.

    Raises:
        UsageProblem: ``override.reason_short``, and those of ``regrading.begin``.
    """
    if 0 < len(reason.strip()) < REASON_LENGTH:
        raise UsageProblem("override.reason_short", letters=REASON_LENGTH)
    return regrading.begin(
        records, assignment=assignment, pack=pack, by=by, reason=reason, submissions=tuple(submissions)
    )


def regrade_seen(session: Session, regrade: str) -> RegradeSeen:
    """One regrade for the people who decide it.

    Raises:
        UsageProblem: ``records.not_found``.
    """
    found = need(session.get(Regrade, regrade), regrade)
    assignment = session.get_one(Assignment, found.assignment_id)
    done, total, stuck = regrading.progress_of(session, regrade)
    changed = regrading.differences(session, regrade)
    pairs = select(Person.id, Person.name).where(Person.id.in_({one.person for one in changed}))
    names: dict[str, str] = dict(session.execute(pairs).all())
    return RegradeSeen(
        id=found.id,
        state=found.state,
        by=found.by,
        reason=found.reason,
        at=found.at,
        decided_by=found.decided_by,
        decided_at=found.decided_at,
        version=session.get_one(ExerciseVersion, found.digest).version,
        exercise=assignment.exercise,
        round_code=assignment.round.code,
        round_name=assignment.round.name,
        done=done,
        total=total,
        stuck=stuck,
        differences=tuple(Difference(changed=one, name=names[one.person]) for one in changed),
    )


def regrades_of(session: Session, training: str) -> list[tuple[Regrade, str]]:
    """The regrades of a round with their exercises, the newest first."""
    statement = (
        select(Regrade, Assignment.exercise)
        .join(Assignment, Assignment.id == Regrade.assignment_id)
        .where(Assignment.round_id == training)
        .order_by(Regrade.at.desc(), Regrade.id)
    )
    return [(regrade, exercise) for regrade, exercise in session.execute(statement)]


def _moments(session: Session, found: Submission) -> list[Moment]:
    gradings = session.scalars(select(Grading).where(Grading.submission_id == found.id))
    overrides = session.scalars(select(Override).where(Override.submission_id == found.id))
    appeals = list(session.scalars(select(Appeal).where(Appeal.submission_id == found.id)))
    return [
        Moment(at=found.received_at, kind="received"),
        *(
            Moment(at=one.recorded_at, kind=f"graded_{one.standing}", after=one.outcome, points=one.points)
            for one in gradings
        ),
        *(
            Moment(
                at=one.at, kind="override", by=one.by, before=one.from_outcome, after=one.to_outcome, text=one.reason
            )
            for one in overrides
        ),
        *(Moment(at=one.at, kind="appeal", text=one.text) for one in appeals),
        *(
            Moment(at=one.decided_at, kind=f"appeal_{one.state}", by=one.decided_by, text=one.answer)
            for one in appeals
            if one.decided_at is not None
        ),
    ]


def _following(session: Session, training: str, submission: str) -> str:
    """The oldest open appeal of the round, else what our own faults kept from a result."""
    mine = (
        select(Submission.id)
        .join(Seat, Seat.id == Submission.seat_id)
        .join(TrainingRound, TrainingRound.id == Seat.round_id)
        .where(TrainingRound.id == training, Submission.id != submission)
    )
    appealed = mine.join(Appeal, Appeal.submission_id == Submission.id).where(Appeal.state == "open")
    stuck = mine.join(Job, Job.submission_id == Submission.id).where(Job.state == "needs_operator")
    first = session.scalar(appealed.order_by(Appeal.at, Submission.id).limit(1))
    return first or session.scalar(stuck.order_by(Job.queued_at, Submission.id).limit(1)) or ""
