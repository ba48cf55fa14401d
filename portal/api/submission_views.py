"""From rows to what the API says about a submission."""

from datetime import UTC, datetime

from grader.services.following import Followed, Opened
from grader.services.listing import ListedSubmission
from portal.api.models import AppealOut, HandedOut, PhaseOut, SubmissionOut
from portal.api.problems import Refused
from portal.progress import phase_lines


def handed_out(one: ListedSubmission) -> HandedOut:
    """A submission as a list has it."""
    handed, assignment = one.handed, one.assignment
    return HandedOut(
        id=handed.id,
        assignment=assignment.id,
        exercise=assignment.exercise,
        round=assignment.round.code,
        number=handed.number,
        filename=handed.filename,
        size=handed.size,
        received_at=handed.received_at,
        late=handed.late,
        state=handed.state,
        outcome=handed.outcome or None,
        code=handed.code or None,
        points=handed.points,
        max=handed.max,
        result=handed.result or None,
        decided=handed.decided,
    )


def submission_out(opened: Opened, seen: Followed, one: ListedSubmission) -> SubmissionOut:
    """A submission with all that is known of it."""
    return SubmissionOut(
        **handed_out(one).model_dump(),
        digest=opened.submission.digest,
        sha256=opened.submission.sha256,
        finished=seen.finished,
        ahead=seen.place,
        tries=seen.tries,
        phases=tuple(
            PhaseOut(key=line.key, state=line.state, seconds=line.seconds, what=line.what, again=line.again)
            for line in phase_lines(seen)
        ),
        appeals=tuple(
            AppealOut(
                id=asked.id,
                at=asked.at,
                text=asked.text,
                state=asked.state,
                answer=asked.answer,
                decided_at=asked.decided_at,
            )
            for asked in opened.appeals
        ),
        decisions=len(opened.overrides),
        page=f"/submissions/{opened.submission.id}",
    )


def moment_of(text: str) -> datetime:
    """A moment in a cursor.

    Raises:
        Refused: it is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(404, "api.cursor") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
