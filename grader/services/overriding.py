"""What people decide about a result: overrides, and the appeals that may lead to one. Nothing of it hides what was."""

from typing import Final, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.records import Appeal, Change, Grading, Override, Records, Submission, new_id
from grader.services import standings
from grader.services.rounds import need

NO_RESULT: Final = "none"


def result_of(session: Session, submission: str) -> str:
    """What stands: the last override, else the final grading's outcome, else "none"."""
    last = session.scalars(
        select(Override).where(Override.submission_id == submission).order_by(Override.number.desc()).limit(1)
    ).one_or_none()
    if last is not None:
        return last.to_outcome
    final = select(Grading.outcome).where(Grading.submission_id == submission, Grading.standing == "final")
    return session.scalar(final) or NO_RESULT


def override(
    records: Records, *, submission: str, to: Literal["pass", "fail"], by: str, reason: str, expected: str = ""
) -> Override:
    """Decide a result as a person. ``expected`` is what the person saw when deciding ("" for whatever it is).

    Raises:
        UsageProblem: ``override.reason_missing``, ``override.changed_meanwhile``, ``override.no_change``,
            ``records.not_found``.
    """
    if not reason.strip():
        raise UsageProblem("override.reason_missing")
    with records.change(by=by) as change:
        found = need(change.session.get(Submission, submission), submission)
        return _override(change, found, to=to, reason=reason, expected=expected)


def _override(change: Change, found: Submission, *, to: str, reason: str, expected: str) -> Override:
    session = change.session
    session.scalars(select(Submission).where(Submission.id == found.id).with_for_update()).one()
    now = result_of(session, found.id)
    if expected and expected != now:
        raise UsageProblem("override.changed_meanwhile", expected=expected, found=now)
    if now == to:
        raise UsageProblem("override.no_change", outcome=to)
    last = session.scalar(select(func.max(Override.number)).where(Override.submission_id == found.id)) or 0
    made = Override(
        id=new_id("ovr"),
        submission_id=found.id,
        number=last + 1,
        from_outcome=now,
        to_outcome=to,
        by=change.by,
        reason=reason.strip(),
        at=change.at,
    )
    session.add(made)
    session.flush()
    standings.refresh(session, found.seat_id)
    change.audit("result.overridden", found.id, before=now, after={"outcome": to, "reason": made.reason})
    return made


def appeal(records: Records, *, submission: str, text: str, by: str) -> Appeal:
    """Ask that somebody looks at a result again; one appeal of a submission is open at a time.

    Raises:
        UsageProblem: ``appeal.text_missing``, ``appeal.open_already``, ``appeal.no_result``, ``records.not_found``.
    """
    if not text.strip():
        raise UsageProblem("appeal.text_missing")
    with records.change(by=by) as change:
        session = change.session
        need(session.get(Submission, submission), submission)
        session.scalars(select(Submission).where(Submission.id == submission).with_for_update()).one()
        if result_of(session, submission) == NO_RESULT:
            raise UsageProblem("appeal.no_result")
        open_one = select(Appeal.id).where(Appeal.submission_id == submission, Appeal.state == "open")
        if session.scalar(open_one) is not None:
            raise UsageProblem("appeal.open_already")
        made = Appeal(id=new_id("app"), submission_id=submission, text=text.strip(), at=change.at)
        session.add(made)
        change.audit("appeal.made", submission, after={"appeal": made.id})
    return made


def decide_appeal(records: Records, *, appeal_id: str, accept: bool, answer: str, by: str) -> Appeal:
    """Answer an appeal; accepting one makes the result a pass, in the same transaction.

    Raises:
        UsageProblem: ``appeal.answer_missing``, ``appeal.decided_already``, ``records.not_found``.
    """
    if not answer.strip():
        raise UsageProblem("appeal.answer_missing")
    with records.change(by=by) as change:
        session = change.session
        found = need(session.get(Appeal, appeal_id, with_for_update=True), appeal_id)
        if found.state != "open":
            raise UsageProblem("appeal.decided_already", state=found.state, by=found.decided_by)
        found.state = "accepted" if accept else "declined"
        found.answer, found.decided_by, found.decided_at = answer.strip(), by, change.at
        submission = session.get_one(Submission, found.submission_id)
        if accept and result_of(session, submission.id) != "pass":
            _override(change, submission, to="pass", reason=found.answer, expected="")
        change.audit("appeal.decided", submission.id, after={"appeal": found.id, "state": found.state})
    return found
