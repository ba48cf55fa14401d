"""Remarks of the staff on handed-in work: made, read, and withdrawn. They change no result.

The words are not in the audit, which can never forget anything: there is who said something about what, and when.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.records import Records, Remark, Submission, new_id
from grader.services.contents import contents
from grader.services.rounds import need

LONGEST: Final = 4_000
"""Letters of a remark."""


def need_sayable(text: str) -> None:
    """Refuse what is no remark.

    Raises:
        UsageProblem: ``remark.text_missing``, ``remark.too_long``.
    """
    if not text.strip():
        raise UsageProblem("remark.text_missing")
    if len(text) > LONGEST:
        raise UsageProblem("remark.too_long", letters=LONGEST)


def remark(records: Records, *, submission: str, text: str, by: str, file: str = "", line: int | None = None) -> Remark:
    """Say something about a submission, or about a line of one of its files.

    Raises:
        SubmissionRejected: the archive cannot be opened, so that nobody can have read the line.
        UsageProblem: ``remark.text_missing``, ``remark.too_long``, ``remark.no_line``, ``records.not_found``,
            ``submission.purged``.
    """
    need_sayable(text)
    if file:
        read = contents(records, submission, file).text or ""
        lines = len(read.splitlines())
        if line is None or not 1 <= line <= lines:
            raise UsageProblem("remark.no_line", lines=lines)
    with records.change(by=by) as change:
        need(change.session.get(Submission, submission), submission)
        made = Remark(
            id=new_id("rem"), submission_id=submission, file=file, line=line if file else None, text=text.strip(),
            by=by, at=change.at,
        )  # fmt: skip
        change.session.add(made)
        change.audit("remark.made", submission, after={"remark": made.id, "line": made.line})
    return made


def withdraw(records: Records, *, submission: str, remark_id: str, by: str) -> None:
    """Take a remark back: the trainee no longer reads it, the staff still see that it was there.

    Raises:
        UsageProblem: ``records.not_found``, ``remark.withdrawn``.
    """
    with records.change(by=by) as change:
        found = change.session.get(Remark, remark_id, with_for_update=True)
        found = need(found if found is not None and found.submission_id == submission else None, remark_id)
        if found.withdrawn_at is not None:
            raise UsageProblem("remark.withdrawn", by=found.withdrawn_by)
        found.withdrawn_by, found.withdrawn_at = by, change.at
        change.audit("remark.withdrawn", submission, after={"remark": found.id})


def remarks_of(session: Session, submission: str, *, withdrawn: bool = False) -> Sequence[Remark]:
    """The remarks on a submission, those on the whole first, then by file and line; withdrawn ones when asked for."""
    found = select(Remark).where(Remark.submission_id == submission)
    if not withdrawn:
        found = found.where(Remark.withdrawn_at.is_(None))
    return session.scalars(found.order_by(Remark.file, Remark.line, Remark.at, Remark.id)).all()
