"""The first pages, whole: sign in, the desk, an exercise, handing in, the live page, the result."""

import io
import zipfile

from grader.services.accounts import links
from tests.fixtures.portal import OWNER_CANARY, PACK, PASSWORD, World, grade, verdict_for, words_of


def project() -> bytes:
    """A project that would be graded."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(zipfile.ZipInfo("requirements.txt"), "flask\n")
        archive.writestr(zipfile.ZipInfo("app.py"), "from flask import Flask\napp = Flask(__name__)\n")
    return made.getvalue()


def test_a_stranger_is_sent_to_the_sign_in_page_and_back(fresh_world: World) -> None:
    """Nothing private is shown, and the page asked for comes after signing in; the cookie is bound to this host."""
    stranger = fresh_world.browser("stranger")
    first = stranger.get("/")
    assert (first.status_code, first.headers["location"]) == (303, "/sign-in")
    deep = stranger.get(f"/submissions/{fresh_world.work['owner.failed']}")
    assert deep.headers["location"].startswith("/sign-in?next=/submissions/")
    page = stranger.get(deep.headers["location"])
    assert page.status_code == 200
    secret = links.make(fresh_world.records, account=fresh_world.accounts["owner"].id, by="setup")
    assert stranger.get(f"/link/{secret}").status_code == 200
    assert stranger.post(f"/link/{secret}", data={"password": PASSWORD}).status_code == 303
    wrong = stranger.post("/sign-in", data={"login": "owner", "password": "wrong"})
    assert wrong.status_code == 422
    good = stranger.post("/sign-in", data={"login": "Owner ", "password": PASSWORD, "next": "/help"})
    assert (good.status_code, good.headers["location"]) == (303, "/help")
    cookie = good.headers["set-cookie"]
    assert cookie.startswith("__Host-sid=")
    for part in ("Secure", "HttpOnly", "SameSite=lax", "Path=/"):
        assert part in cookie


def test_the_desk_and_the_exercise(world: World) -> None:
    """Every part of the page in both languages, and the files to begin with."""
    owner = world.browser("owner")
    desk = owner.get("/")
    assert desk.status_code == 200, desk.text
    assert "สมุดหน่วยบริการ" in desk.text
    for part in ("", "/checks", "/requests", "/history", "/submit"):
        for lang in ("th", "en"):
            page = owner.get(f"/assignments/{world.assignments['r1']}{part}?lang={lang}")
            assert page.status_code == 200, (part, page.text)
            assert f'<html lang="{lang}"' in page.text
    contract = owner.get(f"/assignments/{world.assignments['r1']}/contract.yaml")
    assert contract.headers["content-disposition"].startswith("attachment")
    starter = owner.get(f"/assignments/{world.assignments['r1']}/starter/python.zip")
    assert zipfile.ZipFile(io.BytesIO(starter.content)).namelist()
    assert owner.get(f"/assignments/{world.assignments['r1']}/starter/..%2F..zip").status_code == 404


def test_work_is_looked_at_then_accepted_then_followed_then_read(fresh_world: World) -> None:
    """What cannot be graded is refused at once; the rest is followed to its result, and may be asked about."""
    peer = fresh_world.browser("peer")
    address = f"/assignments/{fresh_world.assignments['r1']}/submit"
    assert peer.post(address).status_code == 422
    bad = peer.post(address, files={"work": ("x.zip", b"no zip at all", "application/zip")})
    assert bad.status_code == 422
    assert "error-summary" in bad.text
    good = peer.post(address, files={"work": ("งาน.zip", project(), "application/zip")})
    assert good.status_code == 303, words_of(good.text)
    live = peer.get(good.headers["location"])
    assert live.status_code == 200
    assert "hx-sse:connect" in live.text
    grade(fresh_world.records, verdict_for(PACK))  # the owner's, which waited
    submission = grade(fresh_world.records, verdict_for(PACK, failing=("C",)))
    assert submission in good.headers["location"]
    stream = peer.get(f"/submissions/{submission}/events")
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert 'hx-target="#phases"' in stream.text
    assert "event: done" in stream.text
    report = peer.get(f"/submissions/{submission}")
    assert report.status_code == 200, words_of(report.text)
    assert OWNER_CANARY not in report.text
    assert peer.get(f"/submissions/{submission}/report.html").status_code == 200
    assert peer.get(f"/submissions/{submission}/work.zip").content == project()
    assert peer.get(f"/submissions/{submission}/receipt.json").json()["submission"] == submission
    asked = peer.post(f"/submissions/{submission}/appeal", data={"text": "C กำกวม"})
    assert asked.status_code == 303
    assert "C กำกวม" in peer.get(f"/submissions/{submission}").text


def test_pages_for_everybody(world: World) -> None:
    """No page of these asks who comes, and a page that does not exist says so in words."""
    stranger = world.browser("stranger")
    for address in ("/help", "/privacy", "/sign-in", "/healthz", "/readyz", "/version"):
        answer = stranger.get(address)
        assert answer.status_code == 200, address
    missing = stranger.get("/nothing/here")
    assert missing.status_code == 404
    assert "ไม่พบหน้านี้" in missing.text


def test_the_latest_result_stands_beside_what_was_asked_for(fresh_world: World) -> None:
    """The desk says what was gained and where to begin; the brief and the list of checks say what each check got."""
    peer = fresh_world.browser("peer")  # 100 points, then 65 without the contract's
    address, failed = f"/assignments/{fresh_world.assignments['r1']}", fresh_world.work["peer.failed"]
    desk = words_of(peer.get("/").text)
    assert "ครั้งที่ 2 ไม่ผ่าน 65/100 -35 คะแนนจากครั้งก่อน เริ่มแก้จาก C ค่าในคำตอบไม่ตรงกับที่คาดหวัง" in desk
    brief = peer.get(f"{address}?lang=en").text
    assert brief.count(f'<a href="/submissions/{failed}#check-E1-S') == 9
    before, _, _ = brief.partition("#check-E1-S5")
    assert before.rstrip().rpartition("<h")[2].startswith("3>5.3 ")
    checks = peer.get(f"{address}/checks").text
    assert "ผลครั้งที่ 2" in words_of(checks)
    for check, outcome in (("C", "fail"), ("E1-S1", "pass"), ("U5", "pass")):
        assert f'<a href="/submissions/{failed}#check-{check}" class="is-{outcome}">' in checks, check
        assert f'id="check-{check}"' in peer.get(f"/submissions/{failed}").text


def test_who_has_no_result_reads_the_brief_alone(fresh_world: World) -> None:
    """No marks for the staff and before the first result; a first result gained nothing on another."""
    address = f"/assignments/{fresh_world.assignments['r1']}"
    for part in ("", "/checks"):
        assert "#check-" not in fresh_world.browser("instructor").get(address + part).text
    assert "จากครั้งก่อน" not in fresh_world.browser("owner").get("/").text
