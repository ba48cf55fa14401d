"""One submission: followed while it is graded, read afterwards."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Form, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import RedirectResponse, Response

from grader.errors import UsageProblem
from grader.reports import har
from grader.reports import html as html_report
from grader.reports import json as json_report
from grader.reports.summary import summarise
from grader.services import overriding
from grader.services.following import Followed, Opened, follow, open_submission, verdicts_of
from grader.services.receiving import GitSource, Receipt, receipt_of
from grader.verdict import Verdict
from portal.access.door import Allow, Door
from portal.comparison import compare
from portal.downloads import attachment
from portal.pages import Pages
from portal.progress import done_of, phase_lines
from portal.remarks import shown_remarks
from portal.report_view import GROUPS, SHOWN, other_attempt, view
from portal.shelf import Shelf
from portal.watching import LOOK_SECONDS, Watch

router = APIRouter(prefix="/submissions/{submission}")

Read = Annotated[Door, Depends(Allow("submission.read"))]
Appeal = Annotated[Door, Depends(Allow("submission.appeal"))]
Keep = Annotated[Door, Depends(Allow("submission.read", limit="downloads"))]
Download = Annotated[Door, Depends(Allow("submission.download", limit="downloads"))]

_UNFINISHED: Final = ("queued", "running")
"""How the sign of a submission begins whose grading goes on."""


@router.get("")
def report(door: Read, show: str = "", by: str = "", attempt: str = "", against: str = "") -> Response:
    """The result, with the checks that were asked for and beside another attempt; while there is none, the live page.

    ``attempt`` is another attempt of the same person at the same exercise, to which the address then leads.
    """
    with door.records.reading() as session:
        opened = open_submission(session, door.id)
        other = other_attempt(opened.attempts, opened.handed.number, against)
        told = verdicts_of(session, tuple(one.id for one in opened.attempts))
        remarks = shown_remarks(session, door)
    if attempt != door.id and attempt in {one.id for one in opened.attempts}:
        return RedirectResponse(f"/submissions/{attempt}?{urlencode({'against': against})}", status_code=303)
    if opened.verdict is None:
        return RedirectResponse(f"/submissions/{door.id}/live", status_code=303)
    pack = _shelf(door).pack(opened.submission.digest)
    verdict = Verdict.from_json(opened.verdict)
    summary = summarise(verdict, pack, door.visit.lang)
    earlier = Verdict.from_json(told[other.id]) if other and other.id in told else None
    return door.page(
        "submissions/report.html",
        opened=opened,
        pack=pack,
        report=summary,
        view=view(summary, verdict, pack, door.visit.lang, show=show, by=by),
        shown=SHOWN,
        groupings=GROUPS,
        beside=other,
        link=f"{door.visit.settings.origin}/submissions/{door.id}",
        git=_source(opened),
        change=compare(earlier, verdict) if earlier else None,
        attempts=[(one, Verdict.from_json(told[one.id])) for one in opened.attempts if one.id in told],
        remarks=remarks,
        may_appeal=door.allows("submission.appeal"),
        may_review=door.allows("submission.review"),
        problem=None,
    )


@router.get("/live")
def live(door: Read) -> Response:
    """What its grading is doing now; without scripts the page loads itself again."""
    with door.records.reading() as session:
        opened = open_submission(session, door.id)
        seen = follow(session, door.id)
    pack = _shelf(door).pack(opened.submission.digest)
    return door.page(
        "submissions/live.html",
        opened=opened,
        pack=pack,
        git=_source(opened),
        may_cancel=door.allows("submission.cancel"),
        **_now(seen),
    )


@router.get("/events", response_class=EventSourceResponse)
async def events(door: Read, last_event_id: Annotated[str | None, Header()] = None) -> AsyncIterator[ServerSentEvent]:
    """The same, as it happens. Every message holds the whole state, so that none is missed by missing one."""
    watch: Watch = door.visit.request.app.state.watch
    async with watch.over(door.id) as look:
        sent = last_event_id
        while True:
            sign = await look()
            if sign != sent or not sign.startswith(_UNFINISHED):
                seen, html = await run_sync(_fragment, door)
                if sign != sent:
                    yield ServerSentEvent(id=sign, raw_data=html)
                if seen.finished:
                    yield ServerSentEvent(event="done", id=sign, raw_data="1")
                    return
                sent = sign
            await anyio.sleep(LOOK_SECONDS)


@router.get("/receipt.json")
def receipt(door: Read) -> Response:
    """The signed receipt, as it was given."""
    with door.records.reading() as session:
        given = receipt_of(session, door.id)
    return attachment(given.model_dump_json(indent=2).encode(), f"receipt-{door.id}.json", "application/json")


@router.get("/report.html")
def report_file(door: Keep) -> Response:
    """The report as one file that needs nothing else, to keep or to send on."""
    with door.records.reading() as session:
        opened = open_submission(session, door.id)
    if opened.verdict is None:
        return RedirectResponse(f"/submissions/{door.id}/live", status_code=303)
    pack = _shelf(door).pack(opened.submission.digest)
    page = html_report.text(Verdict.from_json(opened.verdict), pack, door.visit.lang)
    return attachment(page.encode(), f"{opened.assignment.exercise}-{opened.submission.number}.html", "text/html")


@router.get("/exchanges.har")
def exchanges(door: Download) -> Response:
    """The requests and answers that are evidence, for tools that read them."""
    with door.records.reading() as session:
        opened = open_submission(session, door.id)
    if opened.verdict is None:
        return RedirectResponse(f"/submissions/{door.id}/live", status_code=303)
    made = json_report.written(har.document(Verdict.from_json(opened.verdict)))
    name = f"{opened.assignment.exercise}-{opened.submission.number}.har"
    return attachment(made.encode(), name, "application/json")


@router.get("/work.zip")
def work(door: Download) -> Response:
    """The file as it was handed in."""
    with door.records.reading() as session:
        opened = open_submission(session, door.id)
    if opened.submission.purged_at is not None:
        raise UsageProblem("submission.purged")
    content = door.records.blobs.open(opened.submission.sha256).read_bytes()
    return attachment(content, opened.submission.filename or f"{door.id}.zip", "application/zip")


@router.post("/appeal")
def appeal(door: Appeal, text: Annotated[str, Form()] = "") -> Response:
    """Ask that somebody looks again."""
    overriding.appeal(door.records, submission=door.id, text=text, by=door.by)
    answer = RedirectResponse(f"/submissions/{door.id}", status_code=303)
    return door.visit.say(answer, "said.appealed")


def _fragment(door: Door) -> tuple[Followed, str]:
    """The state now, and what the page shows of it; on one line, as a message wants it."""
    with door.records.reading() as session:
        seen = follow(session, door.id)
    pages: Pages = door.visit.request.app.state.pages
    html = pages.render("submissions/event.html", visit=door.visit, submission=door.id, **_now(seen))
    return seen, " ".join(html.split("\n"))


def _source(opened: Opened) -> GitSource | None:
    """The commit that the work was taken from; None: it came as a file."""
    return Receipt.model_validate(opened.submission.receipt).git


def _now(seen: Followed) -> dict[str, Any]:
    lines = phase_lines(seen)
    current = next((line for line in lines if line.state == "running"), None)
    return {"seen": replace(seen, events=()), "phases": lines, "done": done_of(lines), "current": current}


def _shelf(door: Door) -> Shelf:
    shelf: Shelf = door.visit.request.app.state.shelf
    return shelf
