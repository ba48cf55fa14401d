"""What the staff say about handed-in work, reviewing without names, and what can be taken along."""

import json
import re
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from grader.errors import UsageProblem
from grader.records import AuditEntry, Remark
from grader.reports import har
from grader.services import remarking
from grader.services.receiving import submit
from grader.services.verifying import verify
from tests.fixtures.portal import OWNER_CANARY, PACK, Browser, World, grade, verdict_for, words_of
from tests.portal.test_portal_first import project

SAID = "ดีมาก **แต่** ดู `WHERE`"


def remarks(world: World) -> list[Remark]:
    """All of them, oldest first."""
    with world.records.reading() as session:
        return list(session.scalars(select(Remark).order_by(Remark.at, Remark.id)))


def test_a_remark_is_read_by_its_trainee_and_withdrawn_not_deleted(fresh_world: World) -> None:
    """With who and when; nobody else's; after it is withdrawn the staff still see it, and it changes no result."""
    work = fresh_world.work["owner.failed"]
    staff, owner = fresh_world.browser("coordinator"), fresh_world.browser("owner")
    page = staff.post(f"/review/{work}/remarks", data={"remark": SAID})
    assert page.headers["location"] == f"/review/{work}"
    seen = owner.get(f"/submissions/{work}").text
    assert "<strong>แต่</strong> ดู <code>WHERE</code>" in seen
    assert "<strong>coordinator</strong>" in seen
    assert "แต่" not in fresh_world.browser("peer").get(f"/submissions/{fresh_world.work['peer.passed']}").text
    [made] = remarks(fresh_world)
    away = f"/review/{work}/remarks/{made.id}/withdrawal"
    assert owner.post(away).status_code == 403
    other = fresh_world.work["peer.passed"]
    assert staff.post(f"/review/{other}/remarks/{made.id}/withdrawal").status_code == 404  # of another work
    assert staff.post(away).status_code == 303
    assert staff.post(away).status_code == 409
    assert "<strong>แต่</strong>" not in owner.get(f"/submissions/{work}").text
    assert "ถอนแล้ว" in staff.get(f"/review/{work}").text
    [kept] = remarks(fresh_world)
    assert (kept.text, kept.withdrawn_by) == (SAID, "coordinator")
    with fresh_world.records.reading() as session:
        told = session.scalars(select(AuditEntry).where(AuditEntry.action.like("remark.%"))).all()
    assert [(one.action, one.object) for one in told] == [("remark.made", work), ("remark.withdrawn", work)]
    assert SAID not in json.dumps([one.after for one in told], ensure_ascii=False)
    assert _unanswered(fresh_world) == []
    with fresh_world.records.change(by="x") as change:
        change.session.add(Remark(id="rem_x", submission_id=other, text="x", by="x", at=change.at))
        change.audit("something.else", other)
    assert _unanswered(fresh_world) == [f"{other} no_entry remark.made"]


def _unanswered(world: World) -> list[str]:
    """What `grader verify` says about remarks."""
    return [one for promise in verify(world.records) for one in promise.examples if "remark" in one]


def test_nobody_outside_the_staff_says_something(world: World) -> None:
    """The owner is told that one may not, others that there is no such work."""
    work = world.work["owner.failed"]
    for who, status in {"owner": 403, "peer": 404, "instructor2": 404, "executive": 404, "stranger": 303}.items():
        assert world.browser(who).post(f"/review/{work}/remarks", data={"remark": SAID}).status_code == status, who
    assert remarks(world) == []


def test_markdown_of_a_remark_is_no_way_in(fresh_world: World) -> None:
    """No HTML of the author's, no script, no picture, no address but those of the web; a first heading stays."""
    work = fresh_world.work["owner.failed"]
    text = "# หัวเรื่อง\n<script>alert(1)</script>\n\n[x](javascript:alert(2)) ![](http://x/y.png) <img src=x onerror=1>"
    for browser, do in ((fresh_world.browser("instructor"), "preview"), (fresh_world.browser("instructor"), "")):
        page = browser.post(f"/review/{work}/remarks", data={"remark": text, "do": do})
        shown = page.text if do else fresh_world.browser("owner").get(f"/submissions/{work}").text
        assert "หัวเรื่อง" in shown
        for bad in ("<script>alert", 'href="javascript', "<img", "onerror=1>"):
            assert bad not in shown, bad
    assert shown.count("<h1") == 1


def test_a_preview_saves_nothing_and_loses_nothing(fresh_world: World) -> None:
    """What was typed is in the field again; empty and endless remarks are refused in words."""
    work, browser = fresh_world.work["owner.failed"], fresh_world.browser("instructor")
    page = browser.post(f"/review/{work}/remarks", data={"remark": SAID, "do": "preview"})
    assert page.status_code == 200
    assert "<strong>แต่</strong>" in page.text
    assert f"{SAID}</textarea>" in page.text
    for wrong in ("", " \n", "ก" * 4001):
        for do in ("", "preview"):
            answer = browser.post(f"/review/{work}/remarks", data={"remark": wrong, "do": do})
            assert answer.status_code == 422, (len(wrong), do)
            assert 'href="#remark"' in answer.text
    assert remarks(fresh_world) == []


def test_a_line_of_a_file_is_remarked_on(fresh_world: World) -> None:
    """The line must be there; it is marked in the code, and the trainee reads which one."""
    work = submit(
        fresh_world.records, seat=fresh_world.seats["peer"], assignment=fresh_world.assignments["r1"],
        filename="งาน.zip", chunks=[project()], by="peer",
    ).submission  # fmt: skip
    grade(fresh_world.records, verdict_for(PACK))  # the owner's, which waited before
    grade(fresh_world.records, verdict_for(PACK))
    browser = fresh_world.browser("instructor")
    typed = {"file": "app.py", "line": "1", "remark": "ปิด `debug`"}
    for wrong in ("", "0", "99999", "x"):
        answer = browser.post(f"/review/{work}/remarks", data={**typed, "line": wrong})
        assert answer.status_code == 422, wrong
        assert "ปิด `debug`</textarea>" in answer.text
        assert "from flask import Flask" in answer.text  # the code is still beside it
    assert browser.post(f"/review/{work}/remarks", data={**typed, "file": "../etc/passwd"}).status_code == 404
    look = browser.post(f"/review/{work}/remarks", data={**typed, "do": "preview"}).text
    assert 'value="1"' in look
    assert "<mark>" not in look
    assert browser.post(f"/review/{work}/remarks", data=typed).status_code == 303
    code = browser.get(f"/review/{work}/files?name=app.py").text
    assert re.search(r'<span id="L1">1</span><mark>from flask import Flask', code)
    assert "ปิด <code>debug</code>" in code
    assert f"/review/{work}/files?name=app.py#L1" in browser.get(f"/review/{work}").text
    assert "app.py บรรทัด 1" in fresh_world.browser("peer").get(f"/submissions/{work}").text


def test_a_remark_on_work_that_is_not_there(world: World) -> None:
    """An id that nothing has is refused by the service, too."""
    with pytest.raises(UsageProblem) as problem:
        remarking.remark(world.records, submission="sub_nothing", text="x", by="instructor")
    assert problem.value.code == "records.not_found"


def blind(world: World) -> Browser:
    """The instructor, with the cookie that the switch gave."""
    browser = world.browser("instructor")
    answer = browser.post(f"/review/{world.work['owner.failed']}/blind", data={"on": "1"})
    cookie = next(one for one in answer.headers.get_list("set-cookie") if one.startswith("__Host-blind="))
    assert "HttpOnly" in cookie
    made = Browser(world.app)
    made.headers["Cookie"] = f"{browser.headers['Cookie']}; {cookie.partition(';')[0]}"
    return made


def test_names_are_hidden_until_a_decision(fresh_world: World) -> None:
    """No name, no unit, no code in the page or the code view; decided work shows them, others' pages always did."""
    appealed, passed = fresh_world.work["owner.failed"], fresh_world.work["peer.passed"]
    browser = blind(fresh_world)
    for path in (f"/review/{appealed}", f"/review/{appealed}/files", f"/review/{passed}"):
        text = browser.get(path).text
        for hidden in ("สาธิต</", "owner สาธิต", "peer สาธิต", "(owner)", "ศูนย์อนามัยสาธิต"):
            assert hidden not in text, (path, hidden)
        assert "ผู้เรียน (ซ่อนชื่อ)" in text
    assert "owner สาธิต" in fresh_world.browser("instructor").get(f"/review/{appealed}").text
    data = {"to": "pass", "reason": "สั้น", "expected": "fail"}
    assert "owner สาธิต" not in browser.post(f"/review/{appealed}/decision", data=data).text  # nor in an error
    with fresh_world.records.reading() as session:
        assert session.scalars(select(AuditEntry).where(AuditEntry.action.like("%blind%"))).all() == []
    page = browser.get(f"/review/{appealed}").text
    found = re.search(r'name="appeal" value="([^"]+)"', page)
    assert found
    answer = {"appeal": found[1], "verdict": "decline", "text": "โจทย์ระบุไว้ชัดเจนในข้อ 3.2"}
    assert browser.post(f"/review/{appealed}/answer", data=answer).status_code == 303
    after = browser.get(f"/review/{appealed}").text
    assert "owner สาธิต" in after
    assert "แสดงชื่อเพราะงานนี้ตัดสินแล้ว" in after
    off = browser.post(f"/review/{passed}/blind", data={})
    assert any('__Host-blind=""' in one or "__Host-blind=;" in one for one in off.headers.get_list("set-cookie"))


def test_the_evidence_as_har(world: World) -> None:
    """Every exchange of a finding once, for the owner and the staff; nothing that was not kept."""
    work = world.work["owner.failed"]
    for who in ("owner", "instructor", "coordinator"):
        answer = world.browser(who).get(f"/submissions/{work}/exchanges.har")
        assert answer.status_code == 200
        assert answer.headers["content-disposition"].startswith('attachment; filename="e1-1.har"')
        log = answer.json()["log"]
        assert log["version"] == "1.2"
        [entry] = log["entries"]
        assert entry["request"]["url"].endswith("/facilities/00712")
        assert OWNER_CANARY in entry["response"]["content"]["text"]
        assert {"startedDateTime", "time", "request", "response", "cache", "timings"} <= set(entry)
    assert world.browser("peer").get(f"/submissions/{work}/exchanges.har").status_code == 404
    waiting = world.browser("owner").get(f"/submissions/{world.work['owner.waiting']}/exchanges.har")
    assert waiting.status_code == 303
    page = world.browser("instructor").get(f"/review/{work}")
    assert "grader check work.zip --exercise e1 --seed 1" in words_of(page.text)


def test_a_request_without_an_answer_is_in_the_har() -> None:
    """Status 0; the query is taken apart; the moment of the grading stands for one that nobody noted."""
    verdict = verdict_for(PACK, failing=("C", "U1"))
    first = verdict.checks[0].model_copy
    finding = next(check for check in verdict.checks if check.id == "C").findings[0]
    assert finding.exchange is not None
    silent = finding.exchange.model_copy(update={"response": None, "path": "/x"})
    path, body = "//[x?q=a%20b&limit=#c?d=1", '{"a": "\ud800"}'  # no address of a server, and half a letter
    silent = silent.model_copy(update={"request": silent.request.model_copy(update={"path": path, "body": body})})
    check = first(update={"findings": (finding.model_copy(update={"exchange": silent}),)})
    [entry, *_] = har.document(verdict.model_copy(update={"checks": (check,)}))["log"]["entries"]
    assert entry["response"]["status"] == 0
    assert entry["request"]["queryString"] == [{"name": "q", "value": "a b"}, {"name": "limit", "value": ""}]
    assert (entry["request"]["postData"]["text"], entry["request"]["bodySize"]) == (body, 12)
    assert entry["startedDateTime"] == datetime(2026, 11, 20, 3, tzinfo=UTC).isoformat()
    assert len(har.document(verdict)["log"]["entries"]) == 1  # two findings, one exchange
