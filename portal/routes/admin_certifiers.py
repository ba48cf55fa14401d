"""Who may certify the indicator: given and taken back by an administrator, who cannot give it to themselves."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from grader.errors import UsageProblem
from grader.services import indicator
from portal.access.door import Allow, Door
from portal.errors import status_of

router = APIRouter(prefix="/admin/certifiers")

Grant = Annotated[Door, Depends(Allow("kpi.grant"))]
Read = Annotated[Door, Depends(Allow("admin.read"))]
Text = Annotated[str, Form()]


@router.get("")
def certifiers(door: Read) -> Response:
    """Everybody who opens reports, and who of them may certify."""
    return _page(door)


@router.post("")
def grant(door: Grant, who: Text = "") -> Response:
    """Let somebody certify who opens reports; whoever overrode a result that is counted still cannot."""
    with door.records.reading() as session:
        known = {one.who for one in indicator.certifier_candidates(session)}
    if who not in known:
        raise UsageProblem("records.not_found", what=who)
    try:
        indicator.grant_certifier(door.records, who, by=door.by)
    except UsageProblem as problem:
        return _page(door, problem=problem)
    return door.visit.say(RedirectResponse("/admin/certifiers", 303), "said.certifier_granted")


@router.post("/revoke")
def revoke(door: Grant, who: Text = "") -> Response:
    """Take it back; what was certified stays so."""
    try:
        indicator.revoke_certifier(door.records, who, by=door.by)
    except UsageProblem as problem:
        return _page(door, problem=problem)
    return door.visit.say(RedirectResponse("/admin/certifiers", 303), "said.certifier_revoked")


def _page(door: Door, *, problem: UsageProblem | None = None) -> Response:
    with door.records.reading() as session:
        found = indicator.certifier_candidates(session)
    return door.page(
        "admin/certifiers.html", status=status_of(problem) if problem else 200, found=found, problem=problem
    )
