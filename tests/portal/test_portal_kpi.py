"""The page of a round: the figure with its A and B, the target, the units, the settings, and who may see what."""

import re

import pytest
from sqlalchemy import select

from grader.records import AuditEntry, Records
from grader.services import indicator
from tests.fixtures.portal import World, words_of
from tests.fixtures.portal_kpi import UNITS, Office

NAME = "ร้อยละของการผ่านเกณฑ์การประเมินผล กลุ่มเป้าหมายที่เข้ารับการพัฒนาศักยภาพนักวิทยาศาสตร์ข้อมูล (Data Scientist)"
OWN_A, OWN_B = 2, 3
"""Of the unit that the world has itself: the owner did not pass, the two others did."""
A = OWN_A + sum(a for a, _ in UNITS.values())
B = OWN_B + sum(b for _, b in UNITS.values())


def cells(html: str) -> dict[str, list[str]]:
    """The table of units: name -> what stands in A, B and percentage."""
    table = html.partition('id="unit-table"')[2].partition("</table>")[0]
    rows = [[words_of(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)] for row in
            re.findall(r"<tr[^>]*>(.*?)</tr>", table, re.DOTALL)]  # fmt: skip
    return {row[0]: row[1:4] for row in rows[1:]}


def at(html: str, name: str) -> str:
    """The text of the element with an id."""
    found = re.search(rf'<(\w+)[^>]*id="{name}"[^>]*>(.*?)</\1>', html, re.DOTALL)
    return words_of(found[2]) if found else ""


def entries(records: Records, action: str) -> list[AuditEntry]:
    """What the audit says that was done."""
    with records.reading() as session:
        return list(session.scalars(select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.number)))


@pytest.mark.parametrize("who", ["coordinator", "executive"])
@pytest.mark.parametrize("lang", ["th", "en"])
def test_the_page_shows_the_figure_with_its_a_and_b(office: Office, who: str, lang: str) -> None:
    """The name as it is confirmed, the printed percentage, both numbers; the way there leads by /kpi."""
    browser = office.world.browser(who)
    assert browser.get("/kpi").headers["location"] == office.address
    assert browser.get(f"/kpi/{office.year}").headers["location"] == office.address
    page = browser.get(f"{office.address}?lang={lang}")
    assert page.status_code == 200
    assert f'<html lang="{lang}"' in page.text
    assert page.text.count("<h1") == 1
    assert at(page.text, "figure") == NAME
    assert (A, B) == (12, 19)
    assert at(page.text, "percent") == "63.16 %"
    assert at(page.text, "of") == ("12 จาก 19 คน (A/B)" if lang == "th" else "12 of 19 people (A/B)")
    ids = re.findall(r'\sid="([^"]+)"', page.text)
    assert len(ids) == len(set(ids))


def test_units_small_numbers_and_the_total(office: Office) -> None:
    """Below five nothing is shown, nothing is no 0 %, and the total is that of all people, hidden ones too."""
    found = cells(office.world.browser("coordinator").get(office.address).text)
    assert found["ศูนย์อนามัยสาธิตที่ 2"] == ["4", "6", "66.67 %"]
    assert found["สำนักสาธิตการสาธารณสุข"] == ["5", "8", "62.50 %"]
    assert found["กองแผนงานสาธิต"] == ["—", "n&lt;5", "—"]
    assert found["ศูนย์อนามัยสาธิตที่ 1"] == ["—", "n&lt;5", "—"]
    assert found["ศูนย์สาธิตที่ 10"] == ["0", "0", "—"]
    assert found["รวม ΣA/ΣB"] == ["12", "19", "63.16 %"]
    assert next(iter(found)) == "กองแผนงานสาธิต"


def test_the_page_reads_no_person(office: Office) -> None:
    """No name stands on it, for nobody, and looking at it leaves no entry."""
    before = len(entries(office.world.records, "kpi.people_read"))
    for who in ("coordinator", "executive"):
        for address in (office.address, f"{office.address}/counts"):
            page = office.world.browser(who).get(address)
            assert page.status_code == 200
            assert "แห่งศูนย์" not in page.text
    assert len(entries(office.world.records, "kpi.people_read")) == before


def test_a_target_is_judged_only_when_somebody_confirmed_it(fresh_office: Office) -> None:
    """Not set, set, confirmed, and the round over: the words change, and the gap is in points."""
    records, browser = fresh_office.world.records, fresh_office.world.browser("coordinator")

    def shown() -> tuple[str, str]:
        page = browser.get(fresh_office.address).text
        return at(page, "target"), at(page, "standing")

    target, standing = shown()
    assert "ยังไม่ยืนยันค่าเป้าหมาย" in target
    assert "ยังไม่ตั้งเป้า" in target
    assert standing == ""
    indicator.revise(records, {"kpi.target": "80"}, by="officer")
    target, standing = shown()
    assert "ยังไม่ยืนยันค่าเป้าหมาย" in target
    assert "เป้า 80 %" in target
    assert "ต่ำกว่าเป้า" not in standing
    assert "ถึงเป้า" not in standing
    assert "−16.84 จุด" in standing
    assert "ต้องผ่านอีก 4 คน จึงถึง 80 %" in standing
    indicator.confirm(records, "kpi.target", by="officer", source="สธ 0000/1")
    target, standing = shown()
    assert "ยังไม่ยืนยัน" not in target
    assert "ยังไม่ครบรอบ" in standing
    past = cut_off(fresh_office, 12, 19)
    assert "ต่ำกว่าเป้า 16.84 จุด" in past
    indicator.revise(records, {"kpi.target": "63.16"}, by="officer")
    indicator.confirm(records, "kpi.target", by="officer", source="สธ 0000/1")
    assert "ถึงเป้า" in at(browser.get(fresh_office.address).text, "standing")


def cut_off(office: Office, a: int, b: int) -> str:
    """End the round now; the figure stays, and its words are given back."""
    records = office.world.records
    with records.reading() as session:
        found = indicator.reporting_round(session, office.year, office.code)
        now = records.database.now(session)
    indicator.set_round(records, found.model_copy(update={"cutoff_at": now}), by="officer")
    page = office.world.browser("executive").get(office.address).text
    assert at(page, "of") == f"{a} จาก {b} คน (A/B)"
    return at(page, "standing")


def test_an_empty_year_says_how_to_begin(fresh_world: World) -> None:
    """A coordinator adds the rounds; an executive reads whom to ask; a round without anybody in it is no 0 %."""
    coordinator, executive = fresh_world.browser("office"), fresh_world.browser("executive")
    asked = executive.get("/kpi")
    assert asked.status_code == 200
    assert "/rounds" not in asked.text.partition("<main")[2].partition("</main>")[0]
    page = coordinator.get("/kpi")
    action = re.search(r'action="(/kpi/\d+/rounds)"', page.text)
    assert action is not None
    assert executive.post(action[1]).status_code == 403
    assert coordinator.post(action[1]).status_code == 303
    last = coordinator.get("/kpi").headers["location"].rpartition("/")[0] + "/r2"
    later = coordinator.get(last)
    assert at(later.text, "percent").endswith(("%", "—"))
    assert coordinator.get(f"{last}x").status_code == 404


def test_the_list_of_people_is_read_on_the_record(fresh_office: Office) -> None:
    """Every reading leaves an entry with the number of people and no name; rounds of others stay unseen."""
    records, browser = fresh_office.world.records, fresh_office.world.browser("coordinator")
    page = browser.get(f"{fresh_office.address}/people")
    assert page.status_code == 200
    assert "นาย 0 แห่งศูนย์อนามัยสาธิตที่ 2" in page.text
    assert "นางสาว peer สาธิต" in page.text
    assert "นางสาว other สาธิต" not in page.text, "a trainee of the other coordinator's round"
    assert "ไม่แสดงอีก 1 คน" in page.text
    read = entries(records, "kpi.people_read")
    assert [(one.by, one.after) for one in read] == [("coordinator", {"people": 19})]
    assert "สาธิต" not in f"{read[0].object} {read[0].after}"
    only = browser.get(f"{fresh_office.address}/people?unit=ศูนย์สาธิตที่ 10")
    assert words_of(only.text).count("แห่งศูนย์สาธิตที่ 10") == 1
    assert "นางสาว peer สาธิต" not in only.text
    none = browser.get(f"{fresh_office.address}/people?reason=nothing")
    assert "ไม่มีผู้ที่ตรงกับตัวกรอง" in none.text
    assert len(entries(records, "kpi.people_read")) == 3


@pytest.mark.parametrize("who", ["owner", "instructor", "admin", "nobody"])
def test_who_has_no_part_in_it_is_refused(office: Office, who: str) -> None:
    """Trainees and instructors read no figure, no list and no file."""
    browser = office.world.browser(who)
    for path in ("/kpi", office.address, *(f"{office.address}/{part}" for part in ("people", "counts", "difference"))):
        assert browser.get(path).status_code == 403, path
    assert browser.post(f"{office.address}/export", data={"format": "csv"}).status_code == 403
    assert browser.post(f"{office.address}/freeze").status_code == 403


def test_an_executive_reads_numbers_and_no_people(office: Office) -> None:
    """No link to the list, and the list itself is refused."""
    executive = office.world.browser("executive")
    assert "/people" not in executive.get(office.address).text
    assert executive.get(f"{office.address}/people").status_code == 403
    assert executive.post(f"{office.address}/freeze").status_code == 403


def test_a_setting_is_confirmed_with_its_document(fresh_office: Office) -> None:
    """Without a document nothing is confirmed and nothing typed is lost; a new value is unconfirmed again."""
    coordinator, executive = fresh_office.world.browser("office"), fresh_office.world.browser("executive")
    address = "/kpi/settings/kpi.target"
    bad = coordinator.post(address, data={"value": "<b>8x"})
    assert bad.status_code == 422
    assert 'value="&lt;b&gt;8x"' in bad.text
    assert "error-summary" in bad.text
    assert coordinator.post(address, data={"value": "80.5"}).status_code == 303
    for who in ("executive", "coordinator"):  # nobody of one round decides for the whole office
        assert fresh_office.world.browser(who).post(address, data={"value": "10"}).status_code == 403
    empty = executive.post(f"{address}/confirm", data={"source": " ", "confirmed_by": "ผู้อำนวยการ ก"})
    assert empty.status_code == 422
    assert "ผู้อำนวยการ ก" in empty.text
    given = {"source": "สธ 0000/12", "confirmed_by": "ผู้อำนวยการ ก"}
    done = executive.post(f"{address}/confirm", data=given)
    assert done.status_code == 303
    for page in (address, fresh_office.address):
        told = words_of(executive.get(page).text)
        assert "สธ 0000/12" in told, page
        assert "ผู้อำนวยการ ก" in told, page
    told = entries(fresh_office.world.records, "settings.confirmed")[-1]
    assert told.by == "executive"
    assert told.after == {"key": "kpi.target", "value": "80.5", "by": "ผู้อำนวยการ ก", "source": "สธ 0000/12"}
    assert coordinator.post(address, data={"value": "70"}).status_code == 303
    again = coordinator.get(address).text
    assert "ยังไม่ยืนยัน" in words_of(again)
    assert "80.5" in again.partition('id="history"')[2]
    assert coordinator.get("/kpi/settings/kpi.nothing").status_code == 404
    assert coordinator.post("/kpi/settings/kpi.nothing", data={"value": "1"}).status_code == 404
