"""What the office decides, changed in the portal: words, dates, values, and who certifies; nothing overruns another."""

import re
from typing import Any

import pytest

from grader.errors import UsageProblem
from grader.kpi import Round
from grader.services import indicator, overriding
from tests.fixtures.portal import words_of
from tests.fixtures.portal_kpi import Office
from tests.portal.test_portal_kpi import entries
from tests.portal.test_portal_kpi_reports import awaiting, post


def hidden_in(html: str, action: str) -> str:
    """What the form with this address was made from."""
    form = html.partition(f'action="{action}"')[2].partition("</form>")[0]
    found = re.search(r'name="seen" value="([^"]*)"', form)
    assert found is not None
    return found[1]


def reporting(office: Office) -> Round:
    """The round as it is kept."""
    with office.world.records.reading() as session:
        return indicator.reporting_round(session, office.year, office.code)


# -- the definition ---------------------------------------------------------------------------------------------------


def test_a_text_becomes_a_new_version_and_the_old_one_stays(fresh_office: Office) -> None:
    """Unconfirmed at first; confirmed with its document by who may; each step a version, an entry, and a line."""
    office, records = fresh_office, fresh_office.world.records
    address = f"/kpi/definition/{office.year}"
    browser = office.world.browser("office")
    assert f'href="{address}"' in browser.get(office.address).text
    page = browser.get(f"{address}?passage=owner").text
    seen = hidden_in(page, address)
    assert post(office, "office", address, passage="owner", text="กองสาธิต <b>", seen=seen).status_code == 303
    page = browser.get(f"{address}?passage=owner").text
    assert "กองสาธิต &lt;b&gt;" in page
    assert "ยังไม่ยืนยัน" in page
    seen = hidden_in(page, f"{address}/confirm")
    told = {"passage": "owner", "seen": seen}
    bare = post(office, "executive", f"{address}/confirm", **told, source=" ", confirmed_by="ผู้อำนวยการ")
    assert bare.status_code == 422
    assert "error-summary" in bare.text
    assert "ผู้อำนวยการ" in bare.text
    done = post(office, "executive", f"{address}/confirm", **told, source="สธ 0000/7", confirmed_by="ผู้อำนวยการ")
    assert done.status_code == 303
    with records.reading() as session:
        now, history = indicator.definition_of(session, office.year), indicator.history_of(session, office.year)
    assert (now.owner.text, now.owner.confirmed_by, now.owner.source) == ("กองสาธิต <b>", "ผู้อำนวยการ", "สธ 0000/7")
    assert [(one.by, one.changed) for one in history] == [("executive", ("owner",)), ("office", ("owner",))]
    assert not history[1].definition.owner.confirmed, "the version before stays as it was"
    log = words_of(browser.get(f"{address}?passage=owner").text.partition('id="history"')[2])
    assert "ผู้อำนวยการ · สธ 0000/7" in log
    assert log.count("กองสาธิต") == 2, "a line for the text, and one for its confirmation"
    assert len(entries(records, "definition.changed")) == 1
    assert len(entries(records, "definition.confirmed")) == 1


def test_of_two_who_write_one_is_told(fresh_office: Office) -> None:
    """What the second one typed is kept on the form, and nobody confirms a text that they did not see."""
    office = fresh_office
    address = f"/kpi/definition/{office.year}"
    seen = hidden_in(office.world.browser("office").get(f"{address}?passage=a").text, address)
    assert post(office, "office", address, passage="a", text="ฉบับของคนแรก", seen=seen).status_code == 303
    late = post(office, "office", address, passage="a", text="ฉบับของคนที่สอง", seen=seen)
    assert late.status_code in {409, 422}
    assert "มีผู้อื่นแก้ไขไปก่อน" in words_of(late.text) or "มีผู้อื่นบันทึก" in words_of(late.text)
    assert "ฉบับของคนที่สอง" in late.text
    blind = post(office, "executive", f"{address}/confirm", passage="a", source="สธ 1", seen=seen)
    assert blind.status_code in {409, 422}
    with office.world.records.reading() as session:
        now = indicator.definition_of(session, office.year)
    assert (now.a.text, now.a.confirmed) == ("ฉบับของคนแรก", False)


def test_who_only_reads_gets_no_forms(fresh_office: Office) -> None:
    """An executive confirms but does not write; a coordinator of one round does neither; both may read."""
    address = f"/kpi/definition/{fresh_office.year}"
    executive = fresh_office.world.browser("executive").get(f"{address}?passage=name")
    assert executive.status_code == 200
    assert f'action="{address}"' not in executive.text
    coordinator = fresh_office.world.browser("coordinator").get(f"{address}?passage=owner")
    assert "<textarea" not in coordinator.text
    assert post(fresh_office, "coordinator", address, passage="a", text="x").status_code == 403
    assert post(fresh_office, "executive", address, passage="a", text="x").status_code == 403
    odd = fresh_office.world.browser("office").get(f"{address}?passage=nothing")
    assert odd.status_code == 200
    assert "<textarea" not in odd.text
    assert post(fresh_office, "office", address, passage="nothing", text="x").status_code == 422


# -- the days of a round ----------------------------------------------------------------------------------------------


def test_the_days_of_a_round_are_set_where_they_are_read(fresh_office: Office) -> None:
    """On a clock in Bangkok; what cannot be is refused with what was typed; a stale form changes nothing."""
    office, records = fresh_office, fresh_office.world.records
    address, browser = f"{fresh_office.address}/dates", fresh_office.world.browser("office")
    assert f'href="{address}"' in browser.get(office.address).text
    assert f'href="{address}"' not in office.world.browser("executive").get(office.address).text
    seen = hidden_in(browser.get(address).text, address)
    wanted = {"label": "", "cutoff": "2026-12-10T16:30", "due": "2026-12-20"}
    assert post(office, "executive", address, **wanted, seen=seen).status_code == 403
    early = post(office, "office", address, **{**wanted, "cutoff": "2020-01-01T00:00"}, seen=seen)
    assert early.status_code == 422
    assert 'value="2020-01-01T00:00"' in early.text
    odd = post(office, "office", address, **{**wanted, "due": "พรุ่งนี้"}, seen=seen)
    assert odd.status_code == 422
    assert 'href="#due"' in odd.text
    assert post(office, "office", address, **wanted, seen=seen).status_code == 303
    now = reporting(office)
    assert now.cutoff_at is not None
    assert now.cutoff_at.isoformat() == "2026-12-10T09:30:00+00:00"
    assert str(now.report_due) == "2026-12-20"
    told = browser.get(office.address).text
    assert "10 ธ.ค. 2569" in words_of(told)
    stale = post(office, "office", address, label="ชื่ออื่น", cutoff="", due="", seen=seen)
    assert stale.status_code in {409, 422}
    assert 'value="ชื่ออื่น"' in stale.text
    assert post(office, "office", address, label="x", cutoff="", due="").status_code in {409, 422}
    again = hidden_in(browser.get(address).text, address)
    assert post(office, "office", address, **wanted, seen=again).status_code == 422, "nothing would change"
    assert reporting(office) == now
    assert entries(records, "reporting_round.set")[-1].by == "office"


def test_the_next_cut_off_stands_on_the_page_of_a_round_that_is_over(fresh_office: Office) -> None:
    """Whoever reads last month's round learns when the next data are cut."""
    office = fresh_office
    with office.world.records.reading() as session:
        now = office.world.records.database.now(session)
    indicator.set_round(office.world.records, reporting(office).model_copy(update={"cutoff_at": now}), by="office")
    page = office.world.browser("executive").get(office.address).text
    freshness = words_of(page.partition('id="freshness"')[2].partition("</p>")[0])
    assert "ปิดรอบแล้ว" in freshness
    assert "ตัดข้อมูลถัดไป 31 ก.ค. 2570" in freshness


# -- values -----------------------------------------------------------------------------------------------------------


def test_the_target_has_a_log_and_no_blind_change(fresh_office: Office) -> None:
    """Who changed and who confirmed it, when; a form from before somebody else's change is refused."""
    office, address = fresh_office, "/kpi/settings/kpi.target"
    browser = office.world.browser("office")
    first = hidden_in(browser.get(address).text, address)
    assert post(office, "office", address, value="80", seen=first).status_code == 303
    late = post(office, "office", address, value="70", seen=first)
    assert late.status_code in {409, 422}
    assert 'value="70"' in late.text
    blind = post(office, "executive", f"{address}/confirm", source="สธ 1", seen=first)
    assert blind.status_code in {409, 422}
    seen = hidden_in(browser.get(address).text, f"{address}/confirm")
    indicator.revise(office.world.records, {"membership.withdrew": False}, by="officer")
    confirmed = post(office, "executive", f"{address}/confirm", source="สธ 1", confirmed_by="อธิบดี", seen=seen)
    assert confirmed.status_code == 303, "another setting changed, not this one"
    with office.world.records.reading() as session:
        log = indicator.changes_of(session, "kpi.target")
    assert [(one.by, str(one.value), one.confirmed_by) for one in log] == [
        ("executive", "80", "อธิบดี"), ("office", "80", ""),
    ]  # fmt: skip
    table = words_of(browser.get(address).text.partition('id="history"')[2])
    assert "executive" in table
    assert "อธิบดี · สธ 1" in table
    assert f'href="{address}#history"' in browser.get(office.address).text


# -- who certifies ----------------------------------------------------------------------------------------------------


def test_the_right_to_certify_is_given_and_taken_by_an_administrator(fresh_office: Office) -> None:
    """To whom opens reports, never to oneself; each with an entry; nobody else reaches the page."""
    office, records, address = fresh_office, fresh_office.world.records, "/admin/certifiers"
    admin = office.world.browser("admin")
    assert f'href="{address}"' in admin.get("/admin").text
    page = admin.get(address)
    assert page.status_code == 200
    assert 'value="executive"' in page.text
    assert 'value="instructor"' not in page.text
    for who in ("office", "executive", "coordinator", "instructor", "owner"):
        assert office.world.browser(who).get(address).status_code == 403
        assert give(office, who, who).status_code == 403
    assert give(office, "admin", "instructor").status_code == 404
    assert give(office, "admin", "executive").status_code == 303
    assert give(office, "admin", "executive").status_code in {409, 422}
    with records.reading() as session:
        assert indicator.certifiers(session) == {"executive"}
    assert entries(records, "role.granted")[-1].by == "admin"
    assert give(office, "admin", "executive", "/revoke").status_code == 303
    with records.reading() as session:
        assert not indicator.certifiers(session)
    assert entries(records, "role.revoked")[-1].by == "admin"
    with pytest.raises(UsageProblem, match="own_grant"):
        indicator.grant_certifier(records, "admin", by="admin")


def give(office: Office, by: str, who: str, below: str = "") -> Any:
    """Press the button beside somebody."""
    return office.world.browser(by).post(f"/admin/certifiers{below}", data={"who": who})


def test_from_the_grant_to_the_certified_report_in_the_portal(fresh_office: Office) -> None:
    """Who overrode a counted result is refused with every reason, who did not certifies; only pages are used."""
    office, work = fresh_office, fresh_office.world.work

    def certify(who: str, address: str) -> Any:
        return post(office, who, f"{address}/certify", reason="ส่งก่อนกำหนดตามหนังสือ")

    for who in ("office", "executive"):
        assert give(office, "admin", who).status_code == 303
    overriding.override(
        office.world.records, submission=work["peer.failed"], to="pass", reason="ตรวจด้วยตนเองแล้วถูกต้อง", by="office"
    )
    address = awaiting(office)
    page = office.world.browser("office").get(address).text
    assert f'action="{address}/certify"' not in page
    assert certify("office", address).status_code == 403
    assert certify("coordinator", address).status_code == 403, "nobody gave it to them"
    assert certify("executive", address).status_code == 303
    assert "รับรองแล้ว" in words_of(office.world.browser("office").get(address).text)
