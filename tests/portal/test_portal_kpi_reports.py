"""From a frozen figure to a certified report, and everything that may stand against it."""

from typing import Any

from grader.kpi import read_snapshot
from grader.records import SnapshotRecord
from grader.services import indicator, overriding
from tests.fixtures.portal import words_of
from tests.fixtures.portal_kpi import Office
from tests.portal.test_portal_kpi import at, entries


def frozen(office: Office, **data: str) -> str:
    """Freeze the round as the coordinator; the address of the snapshot."""
    answer = office.world.browser("office").post(f"{office.address}/freeze", data=data)
    assert answer.status_code == 303, words_of(answer.text)
    return str(answer.headers["location"])


def awaiting(office: Office) -> str:
    """A report that waits for the certifier."""
    address, browser = frozen(office), office.world.browser("office")
    for move in ("draft", "submit"):
        assert browser.post(f"{address}/{move}").status_code == 303
    return address


def post(office: Office, who: str, address: str, **data: str) -> Any:
    """A form."""
    return office.world.browser(who).post(address, data=data)


def test_a_frozen_figure_stays(fresh_office: Office) -> None:
    """It shows what the page showed, also after the facts changed, and stands in the list with its lock."""
    page = fresh_office.world.browser("office").get(fresh_office.address).text
    address = frozen(fresh_office)
    digest = address.rpartition("/")[2]
    with fresh_office.world.records.reading() as session:
        kept = read_snapshot(bytes(session.get_one(SnapshotRecord, digest).document), digest)
    assert at(page, "of") == f"{kept.a} จาก {kept.b} คน (A/B)"
    overriding.override(
        fresh_office.world.records, submission=fresh_office.world.work["peer.passed"], to="fail",
        reason="ตรวจซ้ำแล้วไม่ผ่าน", by="instructor",
    )  # fmt: skip
    for who in ("office", "executive"):
        told = words_of(fresh_office.world.browser(who).get(address).text)
        assert f"{kept.a} จาก {kept.b} คน (A/B)" in told
        assert digest in told
    now = fresh_office.world.browser("office").get(fresh_office.address).text
    assert address in now
    assert at(now, "of") == f"{kept.a - 1} จาก {kept.b} คน (A/B)"
    assert fresh_office.world.browser("executive").get("/kpi/snapshots/" + "0" * 64).status_code == 404


def test_a_report_goes_from_draft_to_certified(fresh_office: Office) -> None:
    """Texts are kept, sent back with a reason, certified by whoever was granted it; then nothing moves any more."""
    records = fresh_office.world.records
    address, coordinator = frozen(fresh_office), fresh_office.world.browser("office")
    digest = address.rpartition("/")[2]
    assert post(fresh_office, "executive", f"{address}/draft").status_code == 403
    assert post(fresh_office, "office", f"{address}/draft").status_code == 303
    texts = {"results": "อบรมครบทุกหน่วย", "problems": "<i>เวลา", "suggestions": "", "evidence": "รายชื่อ | สธ 1/2\nภาพ"}
    assert post(fresh_office, "office", f"{address}/write", **texts).status_code == 303
    page = coordinator.get(address).text
    assert "รายชื่อ | สธ 1/2\nภาพ" in page
    assert "&lt;i&gt;เวลา" in page
    assert post(fresh_office, "office", f"{address}/submit").status_code == 303
    refused = post(fresh_office, "executive", f"{address}/certify", reason="x")
    assert refused.status_code == 403
    assert "error-summary" in refused.text
    indicator.grant_certifier(records, "executive", by="admin")
    assert post(fresh_office, "executive", f"{address}/send-back", back_reason=" ").status_code == 422
    assert post(fresh_office, "executive", f"{address}/send-back", back_reason="เพิ่มหลักฐาน").status_code == 303
    assert "เพิ่มหลักฐาน" in coordinator.get(address).text
    assert post(fresh_office, "office", f"{address}/submit").status_code == 303
    early = post(fresh_office, "executive", f"{address}/certify")
    assert early.status_code == 422, "the round still runs, and no reason was given"
    assert post(fresh_office, "executive", f"{address}/certify", reason="ส่งก่อนกำหนดตามหนังสือ").status_code == 303
    with records.reading() as session:
        report = indicator.report_of(session, digest)
    assert report is not None
    assert (report.state, report.certified_by) == ("certified", "executive")
    again = post(fresh_office, "office", f"{address}/submit")
    assert again.status_code == 422
    told = words_of(coordinator.get(address).text)
    assert "รับรองแล้ว" in told
    assert "ใช้ค่าตั้งต้นที่ยังไม่ยืนยัน" in told
    assert [one.by for one in entries(records, "report.certified")] == ["executive"]


def test_who_overrode_a_result_does_not_certify(fresh_office: Office) -> None:
    """Whatever reason is given; the page says so before anybody presses a button."""
    records, work = fresh_office.world.records, fresh_office.world.work
    overriding.override(records, submission=work["peer.failed"], to="pass", reason="ตรวจด้วยตนเองแล้วถูก", by="office")
    indicator.grant_certifier(records, "office", by="admin")
    address = awaiting(fresh_office)
    page = fresh_office.world.browser("office").get(address)
    assert "obstacles" in page.text
    assert f'action="{address}/certify"' not in page.text
    answer = post(fresh_office, "office", f"{address}/certify", reason="จำเป็น")
    assert answer.status_code == 403
    with records.reading() as session:
        report = indicator.report_of(session, address.rpartition("/")[2])
    assert report is not None
    assert report.state == "awaiting"


def test_a_correction_names_what_it_replaces_and_why(fresh_office: Office) -> None:
    """Without a reason it is refused with what was chosen; the difference counts for all and names for few."""
    first = frozen(fresh_office)
    old = first.rpartition("/")[2]
    indicator.revise(fresh_office.world.records, {"membership.withdrew": False}, by="officer")
    overriding.override(
        fresh_office.world.records, submission=fresh_office.world.work["owner.failed"], to="pass",
        reason="ตรวจด้วยตนเองแล้วถูก", by="instructor",
    )  # fmt: skip
    bad = post(fresh_office, "office", f"{fresh_office.address}/freeze", replaces=old, reason="")
    assert bad.status_code == 422
    assert f'<option value="{old}" selected>' in bad.text
    new = frozen(fresh_office, replaces=old, reason="แก้ผลตามคำขอทบทวน").rpartition("/")[2]
    assert "ถูกแทน" in fresh_office.world.browser("executive").get(first).text
    address = f"{fresh_office.address}/difference?old={old}&new={new}"
    before = len(entries(fresh_office.world.records, "kpi.people_read"))
    told = fresh_office.world.browser("executive").get(address)
    assert told.status_code == 200
    assert "เข้า A 1" in words_of(told.text)
    assert "นางสาว owner สาธิต" not in told.text
    assert len(entries(fresh_office.world.records, "kpi.people_read")) == before
    named = fresh_office.world.browser("office").get(address)
    assert "นางสาว owner สาธิต" in named.text
    assert len(entries(fresh_office.world.records, "kpi.people_read")) == before + 1
    unknown = fresh_office.world.browser("executive").get(f"{fresh_office.address}/difference?old=x&new=y")
    assert unknown.status_code == 404


def test_a_file_of_a_snapshot_is_that_snapshot(fresh_office: Office) -> None:
    """Printed months later it has the same digest, and the audit names it."""
    address = frozen(fresh_office)
    digest = address.rpartition("/")[2]
    answer = post(fresh_office, "executive", f"{address}/export", format="csv")
    assert digest in answer.content.decode()
    assert entries(fresh_office.world.records, "kpi.exported")[-1].object == digest


def test_earlier_rounds_show_what_was_certified(fresh_office: Office) -> None:
    """The row of rounds leads to the published snapshot, and says against which figure this one stands."""
    records = fresh_office.world.records
    indicator.grant_certifier(records, "executive", by="admin")
    address = awaiting(fresh_office)
    assert post(fresh_office, "executive", f"{address}/certify", reason="ตามหนังสือ").status_code == 303
    with records.reading() as session:
        rounds = indicator.reporting_rounds(session, fresh_office.year)
    later = rounds[1].code
    page = fresh_office.world.browser("executive").get(f"/kpi/{fresh_office.year}/{later}").text
    assert address in page
    assert at(page, "of") == "12 จาก 19 คน (A/B)"
    assert "เทียบรอบก่อน 0 จุด" in words_of(page).replace("0.00", "0")
    assert "spark-mark" in page
