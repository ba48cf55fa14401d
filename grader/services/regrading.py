"""Grade again, in the shadow: the results are compared with those that stand, and nothing changes until it is decided.

The old gradings stay readable for ever, whatever is decided.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, aliased

from grader.errors import UsageProblem
from grader.faultpoints import reached
from grader.packs import Pack
from grader.queue import REGRADE, cancel, enqueue
from grader.records import Assignment, ExerciseVersion, Grading, Job, Records, Regrade, Seat, Submission, new_id
from grader.records.work import LIVE
from grader.services import standings
from grader.services.publishing import publish
from grader.services.rounds import need

STUCK: Final = "needs_operator"


@dataclass(frozen=True, kw_only=True, slots=True)
class Changed:
    """One submission of a regrade: what stands and what was found now (None: not graded yet)."""

    submission: str
    person: str
    before: str
    points_before: int
    after: str | None
    points_after: int | None

    @property
    def differs(self) -> bool:
        """Whether applying it changes the outcome or the points."""
        return self.after is not None and (self.before, self.points_before) != (self.after, self.points_after)


def begin(
    records: Records,
    *,
    assignment: str,
    pack: Pack,
    by: str,
    reason: str,
    submissions: Sequence[str] = (),
) -> Regrade:
    """Grade these submissions of an assignment again (default: all that have a result), with this exercise version.

    Raises:
        UsageProblem: ``regrade.reason_missing``, ``regrade.nothing``, ``regrade.running``, ``regrade.exercise``,
            ``records.not_found``.
    """
    if not reason.strip():
        raise UsageProblem("regrade.reason_missing")
    with records.change(by=by) as change:
        session = change.session
        target = need(session.get(Assignment, assignment, with_for_update=True), assignment)
        if pack.exercise.id != target.exercise:
            raise UsageProblem("regrade.exercise", wanted=target.exercise, found=pack.exercise.id)
        running = select(Regrade.id).where(Regrade.assignment_id == assignment, Regrade.state == "running")
        if (other := session.scalar(running)) is not None:
            raise UsageProblem("regrade.running", regrade=other)
        publish(records, change, pack)
        session.flush()
        chosen = session.execute(_graded(assignment, submissions)).all()
        missing = set(submissions) - {grading.submission_id for grading, _, _ in chosen}
        if missing or not chosen:
            raise UsageProblem("regrade.nothing", missing=", ".join(sorted(missing)))
        made = Regrade(
            id=new_id("rgr"), assignment_id=assignment, digest=pack.digest, by=by, reason=reason.strip(), at=change.at
        )
        session.add(made)
        session.flush()
        for grading, submission, person in chosen:
            enqueue(
                session,
                submission=submission.id,
                person=person,
                digest=pack.digest,
                seed=grading.seed,  # the same world: what changes is the exercise or the grader, not the luck
                priority=REGRADE,
                at=change.at,
                regrade=made.id,
            )
            session.flush()
        about = {"digest": pack.digest, "submissions": len(chosen), "reason": made.reason}
        change.audit("regrade.begun", made.id, after=about)
    return made


def differences(session: Session, regrade: str) -> list[Changed]:
    """Every submission of a regrade, with what stands (or stood, once it was applied) and what was found now."""
    need(session.get(Regrade, regrade), regrade)
    before, after = aliased(Grading), aliased(Grading)
    stands = (before.submission_id == Job.submission_id) & (before.standing == "final") & (before.job_id != Job.id)
    statement = (
        select(Job.submission_id, Seat.person_id, before, after)
        .join(Submission, Submission.id == Job.submission_id)
        .join(Seat, Seat.id == Submission.seat_id)
        .join(after, after.job_id == Job.id, isouter=True)
        .join(before, (before.id == after.replaces) | (after.replaces.is_(None) & stands))
        .where(Job.regrade_id == regrade)
        .order_by(Job.submission_id)
    )
    return [
        Changed(
            submission=submission,
            person=person,
            before=old.outcome,
            points_before=old.points,
            after=new.outcome if new else None,
            points_after=new.points if new else None,
        )
        for submission, person, old, new in session.execute(statement)
    ]


def progress_of(session: Session, regrade: str) -> tuple[int, int, int]:
    """How many of a regrade's jobs are done, how many there are, and how many wait for an operator."""
    counted = select(Job.state, func.count()).where(Job.regrade_id == regrade).group_by(Job.state)
    states = dict(session.execute(counted).all())
    return states.get("done", 0), sum(states.values()), states.get(STUCK, 0)


def apply(records: Records, *, regrade: str, by: str) -> int:
    """Let the new results stand; returns how many outcomes or points changed. Overrides stand above them as before.

    The assignment's later submissions are graded with the new version, too.

    Raises:
        UsageProblem: ``regrade.unfinished``, ``regrade.decided``, ``records.not_found``.
    """
    with records.change(by=by) as change:
        session = change.session
        found = _undecided(session, regrade)
        done, total, _ = progress_of(session, regrade)
        if done < total:
            raise UsageProblem("regrade.unfinished", done=done, total=total)
        changed = [one for one in differences(session, regrade) if one.differs]
        shadows = session.scalars(
            select(Grading).where(Grading.regrade_id == regrade, Grading.standing == "shadow")
        ).all()
        for shadow in shadows:
            standing = select(Grading).where(Grading.submission_id == shadow.submission_id, Grading.standing == "final")
            old = session.scalars(standing).one()
            old.standing = "superseded"
            session.flush()  # first the old one steps back: there is never a moment with two
            shadow.standing, shadow.replaces = "final", old.id
            session.flush()
        found.state, found.decided_by, found.decided_at = "applied", by, change.at
        session.get_one(Assignment, found.assignment_id).digest = found.digest
        session.flush()
        seats = {session.get_one(Submission, shadow.submission_id).seat_id for shadow in shadows}
        standings.refresh(session, *seats)
        moves = [[one.submission, one.before, one.points_before, one.after, one.points_after] for one in changed]
        change.audit("regrade.applied", regrade, after={"changed": moves})
        reached("regrade.pre_commit")
    reached("regrade.post_commit")
    return len(changed)


def drop(records: Records, *, regrade: str, by: str) -> None:
    """Forget a regrade; what it found stays readable, and what waits of it is cancelled.

    Raises:
        UsageProblem: ``regrade.decided``, ``records.not_found``.
    """
    with records.change(by=by) as change:
        session = change.session
        found = _undecided(session, regrade)
        for job in session.scalars(
            select(Job).where(Job.regrade_id == regrade, Job.state.in_((*LIVE, STUCK))).with_for_update()
        ):
            cancel(session, job, change.at, "queue.regrade_dropped")
        for shadow in session.scalars(
            select(Grading).where(Grading.regrade_id == regrade, Grading.standing == "shadow")
        ):
            shadow.standing = "dropped"
        found.state, found.decided_by, found.decided_at = "dropped", by, change.at
        change.audit("regrade.dropped", regrade)


def version_for(session: Session, regrade: str) -> ExerciseVersion:
    """The exercise version that a regrade grades with."""
    return session.get_one(ExerciseVersion, need(session.get(Regrade, regrade), regrade).digest)


def _graded(assignment: str, submissions: Sequence[str]) -> Select[Grading, Submission, str]:
    statement = (
        select(Grading, Submission, Seat.person_id)
        .join(Submission, Submission.id == Grading.submission_id)
        .join(Seat, Seat.id == Submission.seat_id)
        .where(Submission.assignment_id == assignment, Grading.standing == "final", Submission.purged_at.is_(None))
        .order_by(Submission.received_at, Submission.id)
    )
    return statement.where(Submission.id.in_(submissions)) if submissions else statement


def _undecided(session: Session, regrade: str) -> Regrade:
    found = need(session.get(Regrade, regrade, with_for_update=True), regrade)
    if found.state != "running":
        raise UsageProblem("regrade.decided", state=found.state, by=found.decided_by)
    return found
