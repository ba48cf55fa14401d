"""What was published of a round: the snapshots that are kept, how far their reports are, and the one that stands."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.kpi import Round, Snapshot, State
from grader.records import ReportRecord
from grader.services.indicator.snapshots import Kept, kept, read


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptReport:
    """A stored snapshot, and how far its report is (None: nobody began one). ``current``: nothing corrects it."""

    kept: Kept
    state: State | None
    current: bool


def kept_reports(session: Session, fy_be: int, code: str) -> tuple[KeptReport, ...]:
    """The stored snapshots of a round, the newest first."""
    found = kept(session, fy_be, code)
    corrected = {one.replaces for one in found}
    rows = select(ReportRecord.sha256, ReportRecord.report).where(ReportRecord.sha256.in_(one.sha256 for one in found))
    states: dict[str, State] = {row.sha256: row.report["state"] for row in session.execute(rows)}
    return tuple(
        KeptReport(kept=one, state=states.get(one.sha256), current=one.sha256 not in corrected) for one in found
    )


def published_of(session: Session, one: Round) -> Snapshot | None:
    """The certified snapshot of a round that nothing corrects; None: its figure is what the facts say now."""
    for found in kept_reports(session, one.fy_be, one.code):
        if found.current and found.state == "certified":
            return read(session, found.kept.sha256)
    return None
