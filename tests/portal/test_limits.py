"""How often something may be done: one count for all processes, which outlives them, and an answer that says when."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select, text

from grader.errors import UsageProblem
from grader.records import Records, Submission, Throttle, create_records, open_records
from grader.records.database import RecordsUnavailable
from grader.services.accounts import throttling
from grader.services.accounts.throttling import network_of
from portal.routes import certificates as papers
from portal.settings import Limits, read_portal_settings
from tests.fixtures.portal import ORIGIN, PACK, Browser, World, build_world, grade, verdict_for
from tests.fixtures.postgresql import Server
from tests.fixtures.serving import MULTIPART, Answer, Process, all_at_once, ask, cookie, form, running, token
from tests.portal.test_api import Program, problem
from tests.portal.test_portal_first import project

SMALL = {
    "GRADER_LIMIT_SUBMISSIONS": "3",
    "GRADER_LIMIT_DOWNLOADS": "4",
    "GRADER_LIMIT_EXPORTS": "2",
    "GRADER_LIMIT_REGRADES": "1",
}
API = "/api/v1"


# -- several processes ------------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Two:
    """Two processes of one installation on PostgreSQL, and what is needed to start more."""

    world: World
    url: str
    folder: Path
    scratch: Path
    processes: list[Process]

    @property
    def ports(self) -> list[int]:
        """Where they listen."""
        return [one.port for one in self.processes]


@pytest.fixture(scope="module")
def two(postgresql: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """Both answer; the limits are so small that a test can reach them."""
    scratch = tmp_path_factory.mktemp("two")
    folder = scratch / "data"
    with postgresql.database() as url, ExitStack() as stack:
        records = create_records(folder, url)
        stack.callback(records.close)
        world = build_world(records, folder)
        with ThreadPoolExecutor(2) as pool:  # they take a second of a processor each to start
            portals = [running(folder, scratch, url=url, **SMALL) for _ in range(2)]
            processes = list(pool.map(stack.enter_context, portals))
        yield Two(world=world, url=url, folder=folder, scratch=scratch, processes=processes)


def counted(answers: list[Answer]) -> dict[int, int]:
    """How many answers of each status."""
    found = [one.status for one in answers]
    return {status: found.count(status) for status in set(found)}


def test_fifty_at_once_on_two_processes_are_three(two: Two) -> None:
    """Exactly as many as the limit are accepted; all others are told when, and leave nothing behind."""
    shown, assignment = token(two.world, "other"), two.world.assignments["r2"]
    body = form(assignment, project())

    def one(port: int, number: int) -> Answer:
        headers = {**shown, **MULTIPART, "Idempotency-Key": f"many-{number}"}
        return ask(port, "POST", f"{API}/submissions", headers, body)

    answers = all_at_once(two.ports, 50, one)
    assert counted(answers) == {202: 3, 429: 47}
    with two.world.records.reading() as session:
        mine = select(func.count()).where(Submission.seat_id == two.world.seats["other"])
        assert session.scalar(mine) == 1 + 3
    refused = [one for one in answers if one.status == 429]
    assert {one.json()["code"] for one in refused} == {"limit.submissions"}
    assert {one.headers["ratelimit-policy"] for one in refused} == {'"submissions";q=3;w=3600'}
    for answer in refused:
        assert answer.headers["content-type"] == "application/problem+json"
        assert 0 < int(answer.headers["retry-after"]) <= 1200
        assert answer.headers["ratelimit"] == f'"submissions";r=0;t={answer.headers["retry-after"]}'


def test_other_limits_hold_on_two_processes(two: Two) -> None:
    """Files, lists of people, and regrades; what somebody else does is not counted for one."""
    world, work = two.world, two.world.work["owner.failed"]

    def got(address: str, who: str) -> Any:
        return lambda port, _: ask(port, "GET", address, cookie(world, who, port))

    def begun(port: int, _number: int) -> Answer:
        headers = {**cookie(world, "instructor", port), "Content-Type": "application/x-www-form-urlencoded"}
        return ask(port, "POST", f"/review/{work}/regrade", headers, b"why=" + b"again " * 5)

    assert counted(all_at_once(two.ports, 16, got(f"/submissions/{work}/exchanges.har", "owner"))) == {200: 4, 429: 12}
    assert counted(all_at_once(two.ports, 10, got("/rounds/r1/roster/export?format=csv", "coordinator"))) == {
        200: 2, 429: 8,
    }  # fmt: skip
    assert counted(all_at_once(two.ports, 6, begun)) == {303: 1, 429: 5}
    other = ask(two.ports[0], "GET", f"/submissions/{work}/exchanges.har", cookie(world, "coordinator", two.ports[0]))
    assert (other.status, other.headers["ratelimit"][:16]) == (200, '"downloads";r=3;')


def test_a_restart_forgives_nothing(two: Two) -> None:
    """The count is in the records: a process that never saw the requests before refuses as well."""
    peer = token(two.world, "peer")
    body = form(two.world.assignments["r1"], b"no archive")

    def one(port: int, number: int) -> Answer:
        headers = {**peer, **MULTIPART, "Idempotency-Key": f"again-{number}"}
        return ask(port, "POST", f"{API}/submissions", headers, body)

    assert counted([one(two.ports[0], number) for number in range(4)]) == {422: 3, 429: 1}
    two.processes.pop().end()
    with running(two.folder, two.scratch, url=two.url, **SMALL) as fresh:
        refused = one(fresh.port, 9)
        assert (refused.status, refused.json()["code"]) == (429, "limit.submissions")


def test_no_question_of_the_portal_holds_it_up(two: Two) -> None:
    """On PostgreSQL a statement may take five seconds; then the page says that the system is not ready."""
    port = two.ports[0]
    with psycopg.connect(two.url.replace("+psycopg", "")) as blocker:
        blocker.execute("LOCK TABLE portal_session IN ACCESS EXCLUSIVE MODE")
        begun = time.monotonic()
        answer = ask(port, "GET", "/", cookie(two.world, "owner", port))
        passed = time.monotonic() - begun
        blocker.rollback()
    assert answer.status == 503
    assert 4.5 < passed < 15
    assert ask(port, "GET", "/", cookie(two.world, "owner", port)).status == 200


def test_commands_have_more_time(postgresql: Server, tmp_path: Path) -> None:
    """The limit belongs to who opens the records; what takes longer is a database that is busy."""
    with postgresql.database() as url:
        create_records(tmp_path, url).close()
        usual, short = open_records(tmp_path, url), open_records(tmp_path, url, statement_seconds=1)
        try:
            with usual.reading() as session:
                assert session.scalar(text("SHOW statement_timeout")) == "1min"
            with pytest.raises(RecordsUnavailable, match=r"records\.busy"), short.reading() as session:
                session.execute(text("SELECT pg_sleep(5)"))
        finally:
            usual.close()
            short.close()


# -- one process ------------------------------------------------------------------------------------------------------


def limited(world: World, **limits: int) -> None:
    """Let these limits hold."""
    settings = world.app.state.settings
    world.app.state.settings = replace(settings, limits=replace(Limits(), **limits))


def rows(records: Records) -> int:
    """How many limits are counted."""
    with records.reading() as session:
        return session.scalar(select(func.count()).where(Throttle.key.startswith("limit:"))) or 0


def test_the_page_says_when_to_come_again(fresh_world: World) -> None:
    """The form stands there again, in words and with the header; nothing was counted as an attempt."""
    limited(fresh_world, submissions=1)
    peer, address = fresh_world.browser("peer"), f"/assignments/{fresh_world.assignments['r1']}/submit"
    given = {"files": {"work": ("a.zip", b"no archive")}}
    assert peer.post(address, **given).status_code == 422
    for lang, words in (("th", "ส่งงานได้คนละไม่เกิน 1 ครั้งต่อชั่วโมง"), ("en", "may hand in 1 times an hour")):
        page = peer.post(f"{address}?lang={lang}", **given)
        assert page.status_code == 429
        assert int(page.headers["retry-after"]) > 3500
        assert page.headers["ratelimit"].startswith('"submissions";r=0;t=')
        assert words in page.text
        assert 'name="work"' in page.text
    typed = peer.post(address, data={"git_url": "https://git.example.test/kept", "git_ref": "main"})
    assert typed.status_code == 429
    assert "https://git.example.test/kept" in typed.text
    with fresh_world.records.reading() as session:
        mine = select(func.count()).where(Submission.seat_id == fresh_world.seats["peer"])
        assert session.scalar(mine) == 2


def test_a_file_that_is_too_much_is_a_page(fresh_world: World) -> None:
    """Not a broken download."""
    limited(fresh_world, downloads=1)
    owner, work = fresh_world.browser("owner"), fresh_world.work["owner.failed"]
    first = owner.get(f"/submissions/{work}/work.zip")
    assert (first.status_code, first.headers["ratelimit-policy"]) == (200, '"downloads";q=1;w=3600')
    for lang, words in (("th", "ดาวน์โหลดได้คนละไม่เกิน 1 ไฟล์ต่อชั่วโมง"), ("en", "may download 1 files an hour")):
        page = owner.get(f"/submissions/{work}/exchanges.har?lang={lang}")
        assert page.status_code == 429
        assert page.headers["content-type"].startswith("text/html")
        assert int(page.headers["retry-after"]) > 3500
        assert words in page.text


def test_what_is_refused_anyway_is_not_counted(fresh_world: World) -> None:
    """Another's file, work that may not be handed in, and a key that has its receipt."""
    limited(fresh_world, submissions=1, downloads=1)
    peer = Program(fresh_world, "peer")
    assert (
        fresh_world.browser("peer").get(f"/submissions/{fresh_world.work['owner.failed']}/work.zip").status_code == 404
    )
    assert rows(fresh_world.records) == 0
    first = peer.hand_in(fresh_world.assignments["r1"], "k")
    assert (first.status_code, first.headers["ratelimit"][:18]) == (202, '"submissions";r=0;')
    for _ in range(3):
        again = peer.hand_in(fresh_world.assignments["r1"], "k")
        assert (again.status_code, again.json()) == (202, first.json())
        assert "ratelimit" not in again.headers
    problem(peer.hand_in(fresh_world.assignments["r1"], "k", b"other"), 422, "submission.key_reused")
    problem(peer.hand_in(fresh_world.assignments["r1"], "l"), 429, "limit.submissions")


def test_work_from_git_is_counted_with_files(fresh_world: World) -> None:
    """The same limit, and the same key is the same asking."""
    limited(fresh_world, submissions=1)
    peer = Program(fresh_world, "peer")
    wanted = {"assignment": fresh_world.assignments["r1"], "git_url": "https://git.example.test/w", "git_ref": "main"}
    first = peer.post("/fetches", json=wanted, headers={"Idempotency-Key": "g"})
    assert first.status_code == 202
    again = peer.post("/fetches", json=wanted, headers={"Idempotency-Key": "g"})
    assert again.json()["id"] == first.json()["id"]
    problem(peer.post("/fetches", json=wanted, headers={"Idempotency-Key": "h"}), 429, "limit.submissions")
    problem(peer.hand_in(wanted["assignment"], "i"), 429, "limit.submissions")


def test_a_full_queue_says_so(fresh_world: World) -> None:
    """To programs and on the page, before anything is sent where that is possible; graded work makes room."""
    limited(fresh_world, queue=1)
    peer, assignment = Program(fresh_world, "peer"), fresh_world.assignments["r1"]
    refused = peer.hand_in(assignment, "k")
    problem(refused, 503, "submission.queue_full")
    assert refused.headers["retry-after"] == "120"
    asked = {"assignment": assignment, "git_url": "https://git.example.test/w", "git_ref": "main"}
    problem(peer.post("/fetches", json=asked, headers={"Idempotency-Key": "g"}), 503, "submission.queue_full")
    page = fresh_world.browser("peer").post(f"/assignments/{assignment}/submit", files={"work": ("a.zip", project())})
    assert page.status_code == 503
    assert page.headers["retry-after"] == "120"
    assert "มีงานรอตรวจเต็มจำนวนที่ระบบรับได้" in page.text
    assert rows(fresh_world.records) == 0
    assert grade(fresh_world.records, verdict_for(PACK)) == fresh_world.work["owner.waiting"]
    assert peer.hand_in(assignment, "k").status_code == 202


def test_the_share_of_an_hour_comes_back(fresh_world: World) -> None:
    """What is told holds: so many are left, and in so many seconds there is one more."""
    hour = timedelta(hours=1)
    told = [throttling.take(fresh_world.records, key="x", most=3, per=hour) for _ in range(5)]
    assert [one.granted for one in told] == [True, True, True, False, False]
    assert [one.left for one in told] == [2, 1, 0, 0, 0]
    assert all(1195 <= one.seconds <= 1200 for one in told)
    with fresh_world.records.upkeep() as session:
        row = session.scalars(select(Throttle).where(Throttle.key.startswith("limit:"))).one()
        assert row.until is not None
        row.until -= timedelta(seconds=told[-1].seconds)
    assert throttling.take(fresh_world.records, key="x", most=3, per=hour).granted
    assert not throttling.take(fresh_world.records, key="x", most=3, per=hour).granted


def test_a_network_is_told_by_a_proxy_of_ours_only(fresh_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a trusted proxy each client has a count of its own; who forges the header from elsewhere gains nothing."""
    monkeypatch.setattr(papers, "CONFIRMED_AN_HOUR", 1)
    settings = fresh_world.app.state.settings
    fresh_world.app.state.settings = replace(settings, trusted_proxies=(ip_network("10.1.0.0/16"),))

    def asked(peer: str, forwarded: str) -> int:
        browser = Browser(fresh_world.app)
        browser.client._transport.client = (peer, 50000)  # type: ignore[attr-defined]
        answer = browser.get("/verify/" + "B" * 22, headers={"X-Forwarded-For": forwarded})
        return int(answer.status_code)

    assert [asked("10.1.0.2", f"198.51.{number}.9") for number in range(3)] == [404, 404, 404]
    assert asked("10.1.0.2", "198.51.0.77") == 429, "the same network"
    assert [asked("192.0.2.1", f"203.0.{number}.9") for number in range(3)] == [404, 429, 429]
    assert asked("10.1.0.2", "203.0.113.66, 198.51.1.9") == 429, "what the client wrote itself is no address"
    assert network_of("198.51.0.77") == network_of("198.51.0.9")


@pytest.mark.parametrize("name", ["SUBMISSIONS", "DOWNLOADS", "EXPORTS", "REGRADES"])
@pytest.mark.parametrize("value", ["0", "-1", "x", "1e3", "100001", "๓"])
def test_a_limit_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """The portal does not start with it."""
    monkeypatch.setenv(f"GRADER_LIMIT_{name}", value)
    with pytest.raises(UsageProblem) as caught:
        read_portal_settings()
    assert caught.value.params == {"setting": f"GRADER_LIMIT_{name}", "value": value}


def test_limits_are_read_and_shown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variable is one limit, and the administrator sees what holds."""
    names = ("LIMIT_SUBMISSIONS", "LIMIT_DOWNLOADS", "LIMIT_EXPORTS", "LIMIT_REGRADES", "QUEUE_LIMIT")
    for number, name in enumerate(names, start=71):
        monkeypatch.setenv(f"GRADER_{name}", str(number))
    assert read_portal_settings().limits == Limits(submissions=71, downloads=72, exports=73, regrades=74, queue=75)
    page = world.browser("admin").get("/admin/settings").text
    shown = dict(re.findall(r"<code>(GRADER_\w+)</code></td><td>([^<]*)<", page))
    assert [shown[f"GRADER_{name}"] for name in names] == ["1000", "10000", "1000", "1000", "500"]


def test_the_usual_limits_are_out_of_the_way() -> None:
    """Somebody who works reaches none of them; a program that runs away does within minutes."""
    usual = Limits()
    assert (usual.submissions, usual.downloads, usual.exports, usual.regrades) == (20, 120, 60, 20)
    assert usual.queue == 500


# -- requests to and from elsewhere -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8000", "a@127.0.0.1", "[::2]"]
)
def test_another_name_is_refused_in_words(world: World, host: str) -> None:
    """As a page in both languages and as a problem, dressed like every answer."""
    stranger = world.browser("stranger")
    words = {"th": "คำขอมาถึงด้วยชื่อที่ไม่ใช่ของระบบนี้", "en": "The request came under a name that is not ours"}
    for lang, said in words.items():
        page = stranger.get(f"/sign-in?lang={lang}", headers={"Host": host})
        assert page.status_code == 400
        assert said in page.text
        assert "evil" not in page.text
        assert page.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in page.headers["content-security-policy"]
    problem(stranger.get(f"{API}/me", headers={"Host": host}), 400, "portal.host")


def test_our_own_names_are_taken(world: World) -> None:
    """With a port and in any case."""
    for host in ("127.0.0.1:8000", "LOCALHOST", "localhost:1", "[::1]:8000"):
        assert world.browser("stranger").get("/sign-in", headers={"Host": host}).status_code == 200, host


def test_a_page_that_another_site_sent_is_refused_in_words(world: World) -> None:
    """It says that nothing was done."""
    answer = world.browser("owner").post("/preferences/theme", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert "เบราว์เซอร์ส่งคำขอนี้มาจากหน้าที่ไม่ใช่ของระบบนี้" in answer.text
    assert ORIGIN not in answer.text
