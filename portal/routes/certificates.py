"""Papers: the result sheet of a submission, certificates of a round, and the page where anybody can confirm one."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from grader.errors import UsageProblem
from grader.records import Certificate
from grader.reports import certificate as paper
from grader.reports import sheet as result_sheet
from grader.services import certificates
from grader.services.accounts import throttling
from grader.services.following import open_submission
from grader.services.rounds import round_of
from grader.services.sheets import sheet_of
from portal.access.door import Allow, Door
from portal.clients import client_of
from portal.downloads import attachment
from portal.shelf import Shelf

router = APIRouter()
of_submission = APIRouter(prefix="/submissions/{submission}")
of_certificate = APIRouter(prefix="/certificates/{certificate}")
of_round = APIRouter(prefix="/rounds/{round}/certificates")

Anyone = Annotated[Door, Depends(Allow("page.read"))]
Own = Annotated[Door, Depends(Allow("account.own"))]
Sheet = Annotated[Door, Depends(Allow("submission.read", limit="downloads"))]
Read = Annotated[Door, Depends(Allow("certificate.read", limit="downloads"))]
Revoke = Annotated[Door, Depends(Allow("certificate.revoke"))]
List = Annotated[Door, Depends(Allow("certificate.list", of="round"))]
Issue = Annotated[Door, Depends(Allow("certificate.issue", of="round"))]
Text = Annotated[str, Form()]

CONFIRMED_AN_HOUR: Final = 600
"""Questions about certificates from one network; an office behind one address may check a whole round."""


@of_submission.get("/sheet.pdf")
def sheet(door: Sheet) -> Response:
    """The result sheet, to print or to send on; while nothing was found yet, the page that says so."""
    with door.records.reading() as session:
        opened = open_submission(session, door.id)
        if opened.verdict is None:
            return RedirectResponse(f"/submissions/{door.id}/live", status_code=303)
        shelf: Shelf = door.visit.request.app.state.shelf
        made = sheet_of(session, door.id, shelf.pack(opened.submission.digest), door.visit.lang)
    return attachment(result_sheet.to_pdf(made), result_sheet.file_name(made), "application/pdf")


@router.get("/certificates")
def mine(door: Own) -> Response:
    """The certificates of whoever is signed in."""
    me = door.visit.me
    assert me is not None
    found: Sequence[Certificate] = ()
    if me.person_id is not None:
        with door.records.reading() as session:
            found = certificates.certificates_of(session, me.person_id)
    return door.page("certificates/mine.html", certificates=found)


@of_certificate.get("/certificate.pdf")
def certificate_pdf(door: Read) -> Response:
    """A certificate on paper."""
    with door.records.reading() as session:
        found = certificates.certificate_of(session, door.id)
    if found.revoked_at is not None:
        raise UsageProblem("certificate.revoked")
    made = paper.Paper(
        kind=found.kind,
        name=found.name,
        course=found.course,
        round_name=found.round_name,
        hours=found.hours,
        issued_on=found.issued_on,
        number=found.number,
        year_be=found.year_be,
        signer=found.signer,
        position=found.position,
        address=f"{door.visit.settings.origin}/verify/{found.id}",
        made_at=found.at,
    )
    return attachment(paper.to_pdf(made), f"certificate_{found.year_be}-{found.number}.pdf", "application/pdf")


@of_certificate.post("/revoke")
def revoke(door: Revoke, reason: Text = "", round_code: Text = "") -> Response:
    """Say that a certificate is not valid any more."""
    certificates.revoke(door.records, door.id, by=door.by, reason=reason)
    known = _code(door, round_code)
    answer = RedirectResponse(f"/rounds/{known}/certificates" if known else "/", status_code=303)
    return door.visit.say(answer, "said.certificate_revoked")


@of_round.get("")
def list_page(door: List) -> Response:
    """Who of a round passed, who holds a certificate, and the form to give some."""
    return _page(door)


@of_round.post("")
def issue(
    door: Issue,
    *,
    seats: Annotated[list[str] | None, Form()] = None,
    everybody: Text = "",
    course: Text = "",
    issued_on: Text = "",
    kind: Text = "certificate",
    hours: Text = "",
    signer: Text = "",
    position: Text = "",
) -> Response:
    """Give a certificate to all who passed and hold none, or to those who were chosen."""
    typed = {
        "course": course, "issued_on": issued_on, "kind": kind, "hours": hours, "signer": signer,
        "position": position, "seats": seats or [],
    }  # fmt: skip
    try:
        terms = certificates.Terms(
            course=course, issued_on=_day(issued_on), kind=kind, hours=_hours(hours), signer=signer, position=position
        )
        chosen = None if everybody else seats or []
        certificates.issue(door.records, round_code=door.id, terms=terms, by=door.by, seats=chosen)
    except UsageProblem as problem:
        return _page(door, problem=problem, typed=typed)
    return door.visit.say(RedirectResponse(f"/rounds/{door.id}/certificates", 303), "said.certificates_issued")


@router.get("/verify/{certificate}")
def verify(door: Anyone, certificate: str) -> Response:
    """Whether a certificate is genuine: name, course, day and state, and nothing else, for whoever has its address."""
    network = throttling.network_of(client_of(door.visit))
    throttling.limit(door.records, key=f"verify:{network}", most=CONFIRMED_AN_HOUR, per=timedelta(hours=1))
    with door.records.reading() as session:
        found = certificates.confirm(session, certificate)
    return door.page("certificates/verify.html", status=200 if found else 404, found=found)


for _part in (of_submission, of_certificate, of_round):
    router.include_router(_part)


def _page(door: Door, *, problem: UsageProblem | None = None, typed: Any = None) -> Response:
    with door.records.reading() as session:
        found = certificates.candidates(session, door.id)
        name = round_of(session, door.id).name
    first = {"course": name, "issued_on": certificates.today(door.records).isoformat(), "kind": "certificate"}
    return door.page(
        "certificates/round.html",
        status=200 if problem is None else 422,
        code=door.id,
        name=name,
        candidates=found,
        waiting=sum(one.passed_at is not None and one.valid is None for one in found),
        kinds=certificates.KINDS,
        typed=typed or {**first, "hours": "", "signer": "", "position": "", "seats": []},
        may_issue=door.allows("certificate.issue"),
        problem=problem,
    )


def _code(door: Door, code: str) -> str:
    """The code of the round to go back to, when it is one that the visitor may see."""
    with door.records.reading() as session:
        try:
            found = round_of(session, code)
        except UsageProblem:
            return ""
    return code if found.id == door.place.round else ""


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError as problem:
        raise UsageProblem("certificate.terms", field="issued_on") from problem


def _hours(text: str) -> int | None:
    if not text.strip():
        return None
    if not text.strip().isdecimal():
        raise UsageProblem("certificate.terms", field="hours")
    return int(text)
