"""The result sheet of one submission: what was found, whose work it was, and the receipt that proves it."""

import hashlib

from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.packs import Pack
from grader.reports.catalogue import Lang
from grader.reports.sheet import Decision, Sheet
from grader.reports.summary import summarise
from grader.services.following import open_submission
from grader.services.receiving import Receipt
from grader.verdict import Verdict


def sheet_of(session: Session, submission: str, pack: Pack, lang: Lang) -> Sheet:
    """The sheet of a graded submission; ``pack`` is the exercise as it was given.

    Raises:
        UsageProblem: ``records.not_found``, ``submission.not_graded``.
    """
    opened = open_submission(session, submission)
    if opened.verdict is None:
        raise UsageProblem("submission.not_graded")
    receipt = Receipt.model_validate(opened.submission.receipt)
    person = opened.seat.person
    return Sheet(
        submission=submission,
        name="" if person.erased_at else person.name,
        unit=opened.seat.unit.name,
        round_name=opened.assignment.round.name,
        number=opened.submission.number,
        received_at=opened.submission.received_at,
        late=opened.submission.late,
        file_sha256=opened.submission.sha256,
        fingerprint=hashlib.sha256(receipt.signed()).hexdigest(),
        key=receipt.key,
        report=summarise(Verdict.from_json(opened.verdict), pack, lang),
        decisions=tuple(
            Decision(before=one.from_outcome, after=one.to_outcome, at=one.at, by=one.by, reason=one.reason)
            for one in opened.overrides
        ),
    )
