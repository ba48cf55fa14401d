"""The roster of a round: looked at before it is imported, and what is noted about a seat."""

import re
from typing import Any

import pytest

from grader.rosters import RosterRow, read_roster, write_csv
from grader.services import rostering
from portal.routes.rosters import FILE_LIMIT
from tests.fixtures.portal import World, words_of
from tests.portal.test_portal_instructor import hidden

BASE = "/rounds/r1/roster"


def row(code: str, name: str) -> RosterRow:
    """Somebody of the unit that everybody is from."""
    return RosterRow(code=code, name=name, unit_code="97001", unit_name="ศูนย์อนามัยสาธิตที่ 1")


def look(world: World, data: bytes, name: str = "รายชื่อ.csv", who: str = "coordinator") -> Any:
    """The preview of a file."""
    return world.browser(who).post(f"{BASE}/import", files={"file": (name, data, "application/octet-stream")})


def sealed(page: Any) -> dict[str, str]:
    """What the form of a preview sends."""
    return {name: hidden(page, name) for name in ("rows", "seal", "plan")}


def roster(world: World) -> dict[str, str]:
    """Codes and names of everybody in the first round."""
    with world.records.reading() as session:
        return {one.code: one.name for one in rostering.export(session, round_code="r1")}


def test_a_roster_is_looked_at_and_then_imported(fresh_world: World) -> None:
    """The preview stores nothing; the import stores all of it; nobody is removed."""
    data = write_csv([row("new1", "นาย ใหม่ หนึ่ง"), row("owner", "นางสาว owner สาธิต")])
    page = look(fresh_world, data)
    assert page.status_code == 200, words_of(page.text)
    text = words_of(page.text)
    for part in ("เพิ่มใหม่ 1", "อยู่ในรายชื่อแต่ไม่อยู่ในไฟล์ 1", "utf-8", "new1 นาย ใหม่ หนึ่ง"):
        assert part in text, part
    assert "new1" not in roster(fresh_world)
    done = fresh_world.browser("coordinator").post(f"{BASE}/commit", data=sealed(page))
    assert (done.status_code, done.headers["location"]) == (303, BASE)
    assert set(roster(fresh_world)) == {"new1", "owner", "peer"}
    assert "นาย ใหม่ หนึ่ง" in fresh_world.browser("instructor").get(BASE).text


def test_a_file_in_thai_windows_is_told(fresh_world: World) -> None:
    """The encoding that was found is named, so that a wrong guess is seen."""
    data = write_csv([row("new1", "นาย ใหม่ หนึ่ง")]).decode("utf-8-sig").encode("cp874")
    page = look(fresh_world, data)
    assert page.status_code == 200
    assert "รหัสอักขระที่ตรวจพบ cp874" in words_of(page.text)


def test_errors_are_shown_by_row_and_nothing_can_be_imported(fresh_world: World) -> None:
    """Two rows with one code: the row is named and there is no button."""
    page = look(fresh_world, write_csv([row("same", "นาย ก"), row("same", "นาย ข")]))
    assert page.status_code == 422
    assert "ข้อผิดพลาดรายแถว" in page.text
    assert f'action="{BASE}/commit"' not in page.text
    for data, name in ((b"", "x.csv"), (b"PK\3\4broken", "x.xlsx"), (b"%PDF", "x.pdf")):
        assert look(fresh_world, data, name).status_code == 422, name
    assert fresh_world.browser("coordinator").post(f"{BASE}/import").status_code == 422
    assert look(fresh_world, b"x" * (FILE_LIMIT + 1)).status_code == 422
    assert look(fresh_world, b"x" * (2 * FILE_LIMIT)).status_code == 413  # not even read to its end
    assert set(roster(fresh_world)) == {"owner", "peer"}


def test_only_what_was_looked_at_is_imported(fresh_world: World) -> None:
    """A changed row, another session and another round are refused; a roster that moved on is shown again."""
    browser = fresh_world.browser("coordinator")
    form = sealed(look(fresh_world, write_csv([row("new1", "นาย ใหม่ หนึ่ง")])))
    other = sealed(look(fresh_world, write_csv([row("new2", "นาย ใหม่ สอง")])))
    for wrong in ({**form, "rows": other["rows"]}, {**form, "seal": "ก"}, {**form, "seal": ""}, {}):
        assert browser.post(f"{BASE}/commit", data=wrong).status_code == 422
    assert browser.post(f"{BASE}/commit", data=other).status_code == 303
    moved = browser.post(f"{BASE}/commit", data=form)
    assert moved.status_code == 409
    assert "new1" not in roster(fresh_world)
    assert browser.post(f"{BASE}/commit", data=sealed(moved)).status_code == 303
    assert "new1" in roster(fresh_world)


def test_another_name_has_to_be_confirmed(fresh_world: World) -> None:
    """All or nothing: without the tick nothing of the file is stored."""
    data = write_csv([row("owner", "นาง ชื่อใหม่"), row("new1", "นาย ใหม่ หนึ่ง")])
    page = look(fresh_world, data)
    assert "นางสาว owner สาธิต" in page.text
    browser = fresh_world.browser("coordinator")
    refused = browser.post(f"{BASE}/commit", data=sealed(page))
    assert refused.status_code == 422
    assert "new1" not in roster(fresh_world)
    assert browser.post(f"{BASE}/commit", data={**sealed(refused), "renames": "1"}).status_code == 303
    assert roster(fresh_world)["owner"] == "นาง ชื่อใหม่"


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_what_is_exported_can_be_imported(world: World, kind: str) -> None:
    """The way out and in again changes nothing."""
    answer = world.browser("instructor").get(f"{BASE}/export?format={kind}")
    assert answer.headers["content-disposition"].startswith("attachment")
    read = read_roster(answer.content, f"x.{kind}")
    assert read.ok
    with world.records.reading() as session:
        assert list(read.rows) == rostering.export(session, round_code="r1")


def test_who_may_change_a_roster(world: World) -> None:
    """An instructor reads it, a coordinator of this round changes it, and to all others there is none."""
    seat = world.seats["owner"]
    for path in (f"{BASE}/import", f"{BASE}/commit", f"{BASE}/{seat}/note", f"{BASE}/{seat}/extension"):
        assert world.browser("instructor").post(path).status_code == 403, path
        for who in ("instructor2", "owner", "executive"):
            assert world.browser(who).post(path).status_code == 404, (who, path)
    assert world.browser("coordinator").get(f"{BASE}/{world.seats['other']}").status_code == 404
    assert 'name="kind"' not in world.browser("instructor").get(f"{BASE}/{seat}").text


def test_a_seat_is_noted(fresh_world: World) -> None:
    """A check-in with its session; an exclusion without a document is refused; a seat of another round is none."""
    browser, seat = fresh_world.browser("coordinator"), fresh_world.seats["owner"]
    assert "ยังไม่มีบันทึก" in browser.get(f"{BASE}/{seat}").text
    good = {"kind": "check_in", "session": "2", "at": "2026-11-02T08:45"}
    assert browser.post(f"{BASE}/{seat}/note", data=good).status_code == 303
    text = words_of(browser.get(f"{BASE}/{seat}").text)
    assert "ลงเวลาเข้าอบรม 2 พ.ย. 2569 08:45 น. 2 coordinator" in text
    for wrong in ({"kind": "excluded"}, {"kind": "gone"}, {"kind": "withdrew", "at": "2999-01-01T00:00"}, {}):
        page = browser.post(f"{BASE}/{seat}/note", data=wrong)
        assert page.status_code == 422, wrong
        assert "error-summary" in page.text
    assert browser.post(f"{BASE}/{fresh_world.seats['other']}/note", data=good).status_code == 404


def test_more_time_needs_a_reason_and_something_given(fresh_world: World) -> None:
    """What was typed is not lost, and what was given stands on the page of the seat."""
    browser, seat = fresh_world.browser("coordinator"), fresh_world.seats["owner"]
    form = {"assignment": fresh_world.assignments["r1"], "closes_at": "2026-12-24T12:00", "why": "ไปราชการ"}
    for wrong in ({"why": " "}, {"closes_at": ""}, {"attempts": "-1"}):
        page = browser.post(f"{BASE}/{seat}/extension", data={**form, **wrong})
        assert page.status_code == 422, wrong
    assert 'value="ไปราชการ"' in page.text
    elsewhere = {**form, "assignment": fresh_world.assignments["r2"]}
    assert browser.post(f"{BASE}/{seat}/extension", data=elsewhere).status_code == 404
    assert browser.post(f"{BASE}/{seat}/extension", data=form).status_code == 303
    assert re.search(
        r"E1 24 ธ\.ค\. 2569 12:00 น\. – coordinator ไปราชการ", words_of(browser.get(f"{BASE}/{seat}").text)
    )
