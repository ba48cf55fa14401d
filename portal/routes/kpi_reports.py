"""Stored snapshots of the indicator, and their reports on the way from draft to certified."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from grader.errors import GraderError, UsageProblem
from grader.reports.kpi import EvidenceItem, Narrative
from grader.services import indicator
from portal.access.door import Allow, Door
from portal.errors import status_of
from portal.routes.kpi import file_of, reader_of

router = APIRouter(prefix="/kpi/snapshots/{sha256}")

Read = Annotated[Door, Depends(Allow("kpi.read"))]
Export = Annotated[Door, Depends(Allow("kpi.export", limit="exports"))]
Change = Annotated[Door, Depends(Allow("kpi.change"))]
Certify = Annotated[Door, Depends(Allow("kpi.certify"))]
Text = Annotated[str, Form()]

REFUSED: Final = frozenset({"kpi.not_granted", "kpi.certifier_overrode"})
"""Obstacles of the person, which no reason passes over."""
OVERCOME: Final = frozenset({"kpi.round_running", "kpi.still_grading", "kpi.grader_faults"})
"""Obstacles that a recorded reason passes over."""


@router.get("")
def snapshot(door: Read, sha256: str) -> Response:
    """The report of a snapshot, and what can be done with it next."""
    return _page(door, sha256)


@router.post("/export")
def export(door: Export, sha256: str, format: Text = "") -> Response:  # noqa: A002 - a field's name
    """A file of the published figure; the audit says that it was taken away."""
    return file_of(door, indicator.Wanted(sha256=sha256), format)


@router.post("/draft")
def draft(door: Change, sha256: str) -> Response:
    """Begin the report."""
    return _moved(door, sha256, "said.report_draft", lambda: indicator.draft(door.records, sha256, by=door.by))


@router.post("/write")
def write(
    door: Change, sha256: str, *, results: Text = "", problems: Text = "", suggestions: Text = "", evidence: Text = ""
) -> Response:
    """Put the texts into a draft; each line of the evidence is one document, with its reference after a bar."""
    typed = {"results": results, "problems": problems, "suggestions": suggestions, "evidence": evidence}
    pieces = [line.partition("|") for line in evidence.splitlines() if line.strip()]
    items = [EvidenceItem(title=title.strip(), reference=reference.strip()) for title, _, reference in pieces]
    narrative = Narrative(results=results.strip(), problems=problems.strip(), suggestions=suggestions.strip())

    def written() -> None:
        indicator.write(door.records, sha256, by=door.by, narrative=narrative, evidence=items)

    return _moved(door, sha256, "said.report_written", written, typed)


@router.post("/submit")
def submit(door: Change, sha256: str) -> Response:
    """Give the draft to the certifier."""
    return _moved(door, sha256, "said.report_awaiting", lambda: indicator.submit(door.records, sha256, by=door.by))


@router.post("/send-back")
def send_back(door: Certify, sha256: str, back_reason: Text = "") -> Response:
    """Give it back to be prepared again."""

    def returned() -> None:
        indicator.send_back(door.records, sha256, by=door.by, reason=back_reason)

    return _moved(door, sha256, "said.report_draft", returned, {"back_reason": back_reason})


@router.post("/certify")
def certify(door: Certify, sha256: str, reason: Text = "") -> Response:
    """Certify it, for good."""

    def certified() -> None:
        indicator.certify(door.records, sha256, by=door.by, reason=reason)

    return _moved(door, sha256, "said.report_certified", certified, {"reason": reason})


def _moved(door: Door, sha256: str, said: str, move: Callable[[], Any], typed: Any = None) -> Response:
    """Do it, and say so; what stands against it is said on the page, with what was typed."""
    try:
        move()
    except UsageProblem as problem:
        if problem.code == "records.not_found":
            raise
        return _page(door, sha256, problem=problem, status=status_of(problem), typed=typed)
    except GraderError as problem:
        if problem.code not in REFUSED | OVERCOME:
            raise
        return _page(door, sha256, problem=problem, status=403 if problem.code in REFUSED else 422, typed=typed)
    return door.visit.say(RedirectResponse(f"/kpi/snapshots/{sha256}", 303), said)


def _page(door: Door, sha256: str, *, problem: Any = None, status: int = 200, typed: Any = None) -> Response:
    document = indicator.document_of(door.records, indicator.Wanted(sha256=sha256), reader_of(door, names=False))
    of = document.snapshot.round
    with door.records.reading() as session:
        report = indicator.report_of(session, sha256)
        obstacles = indicator.obstacles(session, sha256, by=door.by) if door.allows("kpi.certify") else ()
        kept = indicator.kept_reports(session, of.fy_be, of.code)
        told = indicator.particulars(session, document.snapshot)
    evidence = "\n".join(" | ".join(part for part in (one.title, one.reference) if part) for one in told.evidence)
    return door.page(
        "kpi/snapshot.html",
        status=status,
        document=document,
        report=report,
        texts={**told.narrative.model_dump(), "evidence": evidence},
        obstacles=obstacles,
        barred=[one for one in obstacles if one.code in REFUSED],
        corrected_by=next((one.kept.sha256 for one in kept if one.kept.replaces == sha256), ""),
        others=[one for one in kept if one.kept.sha256 != sha256],
        base=f"/kpi/snapshots/{sha256}",
        round_base=f"/kpi/{of.fy_be}/{of.code}",
        formats=indicator.FORMATS,
        may_change=door.allows("kpi.change"),
        may_certify=door.allows("kpi.certify"),
        problem=problem,
        typed=typed or {},
    )
