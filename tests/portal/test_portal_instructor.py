"""A round, a review and a regrade as the staff see them, and that nobody else ever does."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from grader.records import Assignment, Override
from grader.services import rounds
from grader.services.accounts import people
from grader.services.receiving import submit
from tests.fixtures.portal import OWNER_CANARY, PACK, Browser, World, grade, session_of, verdict_for, words_of
from tests.portal.test_portal_first import project

STAFF_PAGES = (
    "/rounds",
    "/rounds/r1",
    "/rounds/r1?exercise=e1&unit=97001&status=fail&sort=-points",
    "/rounds/r1/checks",
    "/rounds/r1/assignments",
    "/rounds/r1/roster",
    "/rounds/r1/roster/{owner}",
    "/review/{owner.failed}",
    "/review/{owner.waiting}",
    "/review/{owner.failed}/files",
    "/regrades/{owner.regrade}",
)


def address(world: World, path: str) -> str:
    """The path with the world's own ids."""
    return re.sub(r"{([\w.]+)}", lambda found: {**world.seats, **world.work}[found[1]], path)


def hidden(page: Any, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    assert found is not None, name
    return found[1]


def planner(world: World) -> Browser:
    """A coordinator of all rounds."""
    made = people.create(world.records, login="planner", name="planner", by="setup")
    people.grant(world.records, account=made.id, role="coordinator", by="setup")
    return Browser(world.app, session_of(world.records, made.id, agent="planner"))


@pytest.mark.parametrize("path", STAFF_PAGES)
def test_staff_pages_in_both_languages(world: World, path: str) -> None:
    """Every page has one h1, unique ids and a language of its own, for instructor and coordinator alike."""
    for who in ("instructor", "coordinator"):
        for lang in ("th", "en"):
            page = world.browser(who).get(address(world, path), headers={"Cookie": _cookies(world, who, lang)})
            assert page.status_code == 200, (who, path, words_of(page.text)[:300])
            assert f'<html lang="{lang}"' in page.text
            assert page.text.count("<h1") == 1
            ids = re.findall(r'\sid="([^"]+)"', page.text)
            assert len(ids) == len(set(ids)), [one for one in ids if ids.count(one) > 1]
            for field in re.findall(r'<label for="([^"]+)"', page.text):
                assert field in ids


def _cookies(world: World, who: str, lang: str) -> str:
    return f"{world.browser(who).headers['Cookie']}; __Host-lang={lang}"


@pytest.mark.parametrize("path", STAFF_PAGES[1:])
def test_nobody_else_sees_them(world: World, path: str) -> None:
    """Staff of another round and trainees are told that there is no such page; of one's own work, that one may not.

    Executives see figures and no person.
    """
    for who in ("instructor2", "owner", "peer", "other", "executive", "admin", "nobody"):
        answer = world.browser(who).get(address(world, path))
        assert answer.status_code == (403 if who == "owner" and path.startswith("/review/") else 404), (who, path)
        assert OWNER_CANARY not in answer.text
    assert world.browser("stranger").get(address(world, path)).status_code == 303
    assert world.browser("owner").get("/rounds").status_code == 403


def test_a_list_of_rounds_holds_ones_own(world: World) -> None:
    """The instructor of the second round does not read that there is a first one."""
    mine, theirs = (world.browser(who).get("/rounds").text for who in ("instructor", "instructor2"))
    assert ('href="/rounds/r1"' in mine, 'href="/rounds/r2"' in mine) == (True, False)
    assert ('href="/rounds/r1"' in theirs, 'href="/rounds/r2"' in theirs) == (False, True)


def test_a_round_is_made_by_who_coordinates_all_of_them(fresh_world: World) -> None:
    """A coordinator of one round is refused; what was typed wrong is not lost; then there is a round without people."""
    typed = {"code": "r3", "name": "รุ่นใหม่", "starts_on": "2026-12-02", "ends_on": "2026-12-01", "sessions": "4"}
    assert "/rounds" in fresh_world.browser("coordinator").get("/rounds").text
    assert 'name="code"' not in fresh_world.browser("coordinator").get("/rounds").text
    assert fresh_world.browser("coordinator").post("/rounds", data=typed).status_code == 403
    browser = planner(fresh_world)
    wrong = browser.post("/rounds", data=typed)
    assert wrong.status_code == 422
    assert 'value="รุ่นใหม่"' in wrong.text
    assert 'href="#ends_on"' in wrong.text
    made = browser.post("/rounds", data={**typed, "ends_on": "2026-12-05"})
    assert made.headers["location"] == "/rounds/r3"
    page = browser.get("/rounds/r3")
    assert "ยังไม่มีรายชื่อ" in page.text
    assert "ยังไม่มีแบบฝึกหัด" in page.text
    assert browser.post("/rounds", data={**typed, "ends_on": ""}).status_code == 422  # there is one already


def test_the_table_shows_best_tries_and_marks(world: World) -> None:
    """The cell has the best points, not the latest; filters and sorts that nobody offered change nothing."""
    browser = world.browser("instructor")
    text = words_of(browser.get("/rounds/r1").text)
    assert re.search(r"นางสาว peer สาธิต peer .*? ผ่าน .*?100/100 · 2 ครั้ง", text), text
    for wild in ("?sort=; drop table seat&status=x&unit=y&exercise=z&page=-1", "?page=99999999999", "?sort=-"):
        assert browser.get(f"/rounds/r1{wild}").status_code == 200
    only = browser.get("/rounds/r1?status=pass").text
    assert "peer สาธิต" in only
    assert "owner สาธิต</a> <span" not in only
    names = re.findall(r"นางสาว (\w+) สาธิต</a>\s+<span", browser.get("/rounds/r1?sort=-name").text)
    assert names == ["peer", "owner"]
    assert "ไม่มีผู้ใดตรงกับตัวกรอง" in browser.get("/rounds/r1?status=not_open").text


def test_an_exercise_is_given_and_changed_in_bangkok_time(fresh_world: World) -> None:
    """Typed on a clock in Bangkok, kept in UTC; the version stays; what cannot be is refused with what was typed."""
    browser = fresh_world.browser("coordinator")
    assert fresh_world.browser("instructor").get("/rounds/r1/assignments/e1").status_code == 403
    assert browser.get("/rounds/r1/assignments/nothing").status_code == 404
    assert browser.get("/rounds/r1/assignments/..%2F..%2Fexercises%2Fe1").status_code == 404
    typed = {"opens_at": "2026-11-02T09:00", "closes_at": "2026-12-01T16:30", "attempts": "7", "late": "count"}
    for wrong in ({"closes_at": "2026-11-01T09:00"}, {"attempts": "0"}, {"attempts": "๓"}, {"opens_at": "yesterday"}):
        page = browser.post("/rounds/r1/assignments/e1", data={**typed, **wrong})
        assert page.status_code == 422, wrong
        assert f'value="{next(iter(wrong.values()))}"' in page.text
    done = browser.post("/rounds/r1/assignments/e1", data=typed)
    assert done.headers["location"] == "/rounds/r1/assignments"
    with fresh_world.records.reading() as session:
        found = session.get_one(Assignment, fresh_world.assignments["r1"])
        assert found.closes_at == datetime(2026, 12, 1, 9, 30, tzinfo=UTC)
        assert (found.attempts, found.late, found.mandatory, found.digest) == (7, "count", False, PACK.digest)
    assert 'value="2026-12-01T16:30"' in browser.get("/rounds/r1/assignments/e1").text
    assert browser.post("/rounds/r1/assignments/e3", data={"late": "mark"}).status_code == 303
    assert "E3" in browser.get("/rounds/r1").text


def test_who_needs_somebody_is_named(fresh_world: World) -> None:
    """Nothing handed in with hours left, and one file from two people."""
    closes = datetime.now(UTC) + timedelta(hours=20)
    rounds.assign(fresh_world.records, round_code="r2", pack=PACK, by="setup", closes_at=closes)
    text = words_of(fresh_world.browser("instructor2").get("/rounds/r2").text)
    assert "ต้องดูแล" not in text  # the only one there has handed in
    for who in ("owner", "peer"):
        submit(
            fresh_world.records, seat=fresh_world.seats[who], assignment=fresh_world.assignments["r1"],
            filename="same.zip", chunks=[b"the same"], by=who,
        )  # fmt: skip
    text = words_of(fresh_world.browser("instructor").get("/rounds/r1").text)
    assert "ไฟล์เหมือนกันทุกไบต์ 2 คน" in text


def test_a_decision_needs_a_reason_and_what_was_seen(fresh_world: World) -> None:
    """Short reasons and stale pages are refused, both versions are shown, and what was typed stays."""
    work = fresh_world.work["owner.failed"]
    browser = fresh_world.browser("instructor")
    page = browser.get(f"/review/{work}")
    seen = hidden(page, "expected")
    assert seen == "fail"
    assert "รับรองรายงานตัวชี้วัดที่นับผลนี้ไม่ได้" in page.text
    short = browser.post(f"/review/{work}/decision", data={"to": "pass", "reason": "สั้น", "expected": seen})
    assert short.status_code == 422
    assert "สั้น</textarea>" in short.text
    assert browser.post(f"/review/{work}/decision", data={"reason": "x" * 20, "expected": seen}).status_code == 422
    good = {"to": "pass", "reason": "ตรวจด้วยตนเองแล้วถูกต้อง", "expected": seen}
    assert fresh_world.browser("coordinator").post(f"/review/{work}/decision", data=good).status_code == 403
    assert browser.post(f"/review/{work}/decision", data=good).status_code == 303
    stale = browser.post(f"/review/{work}/decision", data={**good, "to": "fail", "reason": "หน้าเก่าที่เปิดค้างไว้"})
    assert stale.status_code == 409
    conflict = words_of(re.search(r'id="conflict".*?</dl>', stale.text, re.DOTALL)[0])  # type: ignore[index]
    assert "ผลที่ท่านเห็น ไม่ผ่าน" in conflict
    assert "ผลขณะนี้ ผ่าน" in conflict
    assert "หน้าเก่าที่เปิดค้างไว้</textarea>" in stale.text
    with fresh_world.records.reading() as session:
        assert [one.by for one in session.query(Override)] == ["instructor"]
    history = words_of(browser.get(f"/review/{work}").text)
    assert "เปลี่ยนผล โดย instructor ไม่ผ่าน → ผ่าน" in history
    assert "ตรวจด้วยตนเองแล้วถูกต้อง" in fresh_world.browser("owner").get(f"/submissions/{work}").text


def test_an_appeal_is_answered_once(fresh_world: World) -> None:
    """The next one that waits is offered; an answer without words is refused; a second one is a conflict."""
    failed, peers = fresh_world.work["owner.failed"], fresh_world.work["peer.failed"]
    browser = fresh_world.browser("instructor")
    assert f'href="/review/{failed}"' in browser.get(f"/review/{peers}").text
    page = browser.get(f"/review/{failed}")
    assert "ข้อนี้กำกวม" in page.text
    answer = {"appeal": hidden(page, "appeal"), "verdict": "decline", "text": "โจทย์ระบุไว้ชัดเจนในข้อ 3.2"}
    assert browser.post(f"/review/{failed}/answer", data={**answer, "text": " "}).status_code == 422
    assert browser.post(f"/review/{failed}/answer", data={**answer, "verdict": ""}).status_code == 422
    assert browser.post(f"/review/{peers}/answer", data=answer).status_code == 404  # an appeal of another work
    assert browser.post(f"/review/{failed}/answer", data=answer).status_code == 303
    again = browser.post(f"/review/{failed}/answer", data={**answer, "verdict": "accept"})
    assert again.status_code == 409
    assert hidden(again, "expected") == "fail"


def test_code_is_read_as_text(fresh_world: World) -> None:
    """One file at a time, nothing rendered, no path outside; what cannot be opened says so and does not fail."""
    work = submit(
        fresh_world.records, seat=fresh_world.seats["peer"], assignment=fresh_world.assignments["r1"],
        filename="งาน.zip", chunks=[project()], by="peer",
    ).submission  # fmt: skip
    browser = fresh_world.browser("instructor")
    listed = browser.get(f"/review/{work}/files")
    assert "app.py" in listed.text
    shown = browser.get(f"/review/{work}/files?name=app.py")
    assert "from flask import Flask" in shown.text
    assert browser.get(f"/review/{work}/files?name=../../etc/passwd").status_code == 404
    broken = browser.get(f"/review/{fresh_world.work['owner.failed']}/files")
    assert broken.status_code == 200
    assert "เปิดไฟล์งานไม่ได้" in broken.text
    for who, status in {"peer": 403, "owner": 404, "instructor2": 404}.items():
        assert fresh_world.browser(who).get(f"/review/{work}/files").status_code == status


def test_a_regrade_is_begun_looked_at_and_applied(fresh_world: World) -> None:
    """One at a time; what would change is shown first; applying it twice is a conflict."""
    grade(fresh_world.records, verdict_for(PACK))  # what waited
    browser, failed = fresh_world.browser("instructor"), fresh_world.work["owner.failed"]
    form = "/rounds/r1/assignments/e1/regrade"
    assert fresh_world.browser("coordinator").get(form).status_code == 403
    assert browser.post(form, data={"reason": "สั้น"}).status_code == 422
    begun = browser.post(f"/review/{failed}/regrade", data={"why": "โจทย์ข้อ C แก้แล้ว"})
    assert begun.status_code == 303, words_of(begun.text)
    regrade = begun.headers["location"]
    other = browser.post(form, data={"reason": "อีกครั้งหนึ่งทั้งหมด"})
    assert other.status_code == 409
    assert f'href="{regrade}"' in other.text
    assert browser.post(f"{regrade}/apply", data={"changes": "0"}).status_code == 422  # not finished
    assert grade(fresh_world.records, verdict_for(PACK)) == failed
    page = words_of(browser.get(regrade).text)
    assert "ตรวจแล้ว 1 จาก 1 งาน" in page
    assert "ผลที่จะเปลี่ยน (1)" in page
    confirm = browser.get(f"{regrade}/apply")
    assert "นางสาว owner สาธิต" in confirm.text
    assert fresh_world.browser("coordinator").get(f"{regrade}/apply").status_code == 403
    assert browser.get(f"{regrade}/other").status_code == 404
    unseen = browser.post(f"{regrade}/apply", data={"changes": "0"})
    assert unseen.status_code == 409
    assert browser.post(f"{regrade}/apply", data={"changes": hidden(confirm, "changes")}).status_code == 303
    assert browser.post(f"{regrade}/drop").status_code == 409
    assert "ผลขณะนี้: ผ่าน" in words_of(browser.get(f"/review/{failed}").text)
    assert browser.get(f"{regrade}/apply").status_code == 303
