"""Handing in from a git address on the pages, through the API and with the command; and taking work back."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from grader.queue import claim, progress
from grader.records import AuditEntry, Fetch, Job
from grader.worker import Fetcher, Source
from portal.app import create_app
from tests.fixtures.gits import GitServer
from tests.fixtures.portal import PACK, Browser, World, grade, verdict_for, words_of
from tests.portal.test_api_command import grader, grading, served, token_of  # noqa: F401 - a fixture among them


@pytest.fixture
def peer(fresh_world: World, git_server: GitServer) -> Browser:
    """A trainee at a portal that takes work from this server."""
    return opened(fresh_world, git_server, "peer")


def opened(world: World, server: GitServer, who: str) -> Browser:
    """Somebody's browser at such a portal."""
    browser = Browser(at(world, server))
    browser.headers |= world.browser(who).headers
    return browser


def at(world: World, server: GitServer) -> Any:
    """The portal, with one host to fetch from."""
    base = replace(world.settings.base, git_hosts=(), git_private_hosts=(server.host,))
    return create_app(world.records, replace(world.settings, base=base))


def form(world: World, browser: Browser, **fields: str) -> Any:
    """Hand in the form of the exercise."""
    return browser.post(f"/assignments/{world.assignments['r1']}/submit", data=fields)


def fetch_once(world: World, server: GitServer) -> bool:
    """What a worker does beside its slots."""
    return Fetcher(world.records, Source(hosts=server.hosts), name="test", stop=threading.Event()).serve_one()


@contextmanager
def fetching_all(world: World, server: GitServer) -> Iterator[None]:
    """A worker that fetches whatever is asked for."""
    stop = threading.Event()
    one = Fetcher(world.records, Source(hosts=server.hosts), name="test", stop=stop)
    thread = threading.Thread(target=one.run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)


def test_work_is_asked_for_then_fetched_then_graded(fresh_world: World, git_server: GitServer, peer: Browser) -> None:
    """Each page says where it is, and which commit it was; the portal itself asks nobody for anything."""
    made = git_server.project()
    sent = form(fresh_world, peer, git_url=git_server.url(), git_ref="main")
    assert sent.status_code == 303, words_of(sent.text)
    place = sent.headers["location"]
    assert re.fullmatch(r"/fetches/fet_[0-9a-f]{16}", place)
    for lang, word in (("th", "กำลังดึงจาก git"), ("en", "Fetching from git")):
        assert word in peer.get(f"{place}?lang={lang}").text
        assert word in peer.get(f"/?lang={lang}").text
    assert 'hx-get="' in peer.get(f"{place}/now").text
    assert git_server.asked == []
    assert fetch_once(fresh_world, git_server)
    part = peer.get(f"{place}/now").text
    assert "hx-get" not in part
    (live,) = re.findall(r'href="(/submissions/[^"]*)"', part)
    assert made.head in peer.get(live).text
    grade(fresh_world.records, verdict_for(PACK))  # the owner's, which waited
    submission = grade(fresh_world.records, verdict_for(PACK))
    report = peer.get(f"/submissions/{submission}")
    assert made.head in report.text
    assert peer.get(f"/submissions/{submission}/receipt.json").json()["git"]["commit"] == made.head
    assert submission in live


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"git_url": "https://git.example.test/x"}, "git.host", "git_url"),
        ({"git_url": "ext::sh -c id"}, "git.no_address", "git_url"),
        ({"git_url": "{server}", "git_ref": "--upload-pack=x"}, "git.no_ref", "git_ref"),
        ({"git_url": "", "git_ref": "main"}, "submission.no_file", "work"),
    ],
)
def test_what_cannot_be_fetched_is_said_at_the_form(
    *, fresh_world: World, git_server: GitServer, peer: Browser, fields: dict[str, str], code: str, field: str
) -> None:
    """What was typed stands there again, the summary leads to the field, and nothing is kept."""
    typed = {name: value.format(server=git_server.url()) for name, value in fields.items()}
    before = rows(fresh_world)
    answer = form(fresh_world, peer, **typed)
    assert answer.status_code == 422, code
    assert f'href="#{field}"' in answer.text
    assert f'id="{field}"' in answer.text
    for value in typed.values():
        assert f'value="{value}"' in answer.text
    assert rows(fresh_world) == before
    assert git_server.asked == []


def test_a_file_and_an_address_are_one_too_many(fresh_world: World, git_server: GitServer, peer: Browser) -> None:
    """Nobody guesses which one was meant."""
    answer = peer.post(
        f"/assignments/{fresh_world.assignments['r1']}/submit",
        data={"git_url": git_server.url()},
        files={"work": ("x.zip", b"PK", "application/zip")},
    )
    assert answer.status_code == 422
    assert "ส่งได้ครั้งละอย่าง" in answer.text


def test_a_portal_without_hosts_says_so_kindly(fresh_world: World, git_server: GitServer) -> None:
    """No field that leads nowhere; who sends one all the same is told, and a file is taken as ever."""
    base = replace(fresh_world.settings.base, git_hosts=(), git_private_hosts=())
    browser = Browser(create_app(fresh_world.records, replace(fresh_world.settings, base=base)))
    browser.headers |= fresh_world.browser("peer").headers
    page = browser.get(f"/assignments/{fresh_world.assignments['r1']}/submit?lang=en").text
    assert 'name="git_url"' not in page
    assert "Work is not taken from git addresses here" in page
    answer = form(fresh_world, browser, git_url=git_server.url())
    assert answer.status_code == 422
    assert "ที่อยู่ git" in answer.text


def test_a_refusal_stands_on_its_page_and_on_the_desk(fresh_world: World, git_server: GitServer, peer: Browser) -> None:
    """In words, with a way to hand in again, and no attempt is gone."""
    place = form(fresh_world, peer, git_url=git_server.url("none.git")).headers["location"]
    assert fetch_once(fresh_world, git_server)
    page = peer.get(f"{place}?lang=en")
    assert "There is no git repository at this address" in page.text
    assert "no attempt was used up" in page.text
    assert f"/assignments/{fresh_world.assignments['r1']}/submit" in page.text
    assert place in peer.get("/?lang=en").text


def test_a_fetch_is_cancelled_by_its_owner(fresh_world: World, git_server: GitServer, peer: Browser) -> None:
    """A form without scripts; afterwards the page says that nothing was handed in."""
    place = form(fresh_world, peer, git_url=git_server.url()).headers["location"]
    assert opened(fresh_world, git_server, "instructor").post(f"{place}/cancel").status_code == 403
    assert opened(fresh_world, git_server, "owner").post(f"{place}/cancel").status_code == 404
    assert "/cancel" not in opened(fresh_world, git_server, "instructor").get(place).text
    assert peer.post(f"{place}/cancel").status_code == 303
    assert peer.post(f"{place}/cancel").status_code == 303
    assert "ท่านยกเลิก" in peer.get(place).text or "ไม่มีงานถูกส่ง" in peer.get(place).text
    assert not fetch_once(fresh_world, git_server)


def test_the_api_fetches_too(fresh_world: World, git_server: GitServer, peer: Browser) -> None:
    """202 and a place to ask; the same key is the same fetch; what came of it, or why nothing did, in words."""
    made = git_server.project()
    wanted = {"assignment": fresh_world.assignments["r1"], "git_url": git_server.url(), "git_ref": made.head}
    asked = peer.post("/api/v1/fetches", json=wanted, headers={"Idempotency-Key": "k1"})
    assert asked.status_code == 202, asked.text
    place = asked.headers["location"]
    again = peer.post("/api/v1/fetches", json=wanted, headers={"Idempotency-Key": "k1"})
    assert again.headers["location"] == place
    other = peer.post("/api/v1/fetches", json=wanted | {"git_ref": "main"}, headers={"Idempotency-Key": "k1"})
    assert (other.status_code, other.json()["code"]) == (422, "submission.key_reused")
    assert peer.post("/api/v1/fetches", json=wanted).json()["code"] == "api.key_missing"
    waiting = peer.get(place)
    assert (waiting.json()["state"], waiting.headers["retry-after"]) == ("waiting", "2")
    assert fetch_once(fresh_world, git_server)
    done = peer.get(place).json()
    assert (done["state"], done["finished"], done["commit"]) == ("done", True, made.head)
    receipt = peer.get(f"/api/v1/submissions/{done['submission']}/receipt").json()
    assert receipt["git"]["commit"] == made.head
    assert receipt["received_at"] == done["asked_at"]
    wrong = peer.post("/api/v1/fetches", json=wanted | {"git_ref": "x"}, headers={"Idempotency-Key": "k2"})
    assert fetch_once(fresh_world, git_server)
    told = peer.get(wrong.headers["location"], headers={"Accept-Language": "en"}).json()
    assert (told["state"], told["code"]) == ("refused", "git.ref_unknown")
    assert "The repository has no x" in told["reason"]
    last = peer.post("/api/v1/fetches", json=wanted, headers={"Idempotency-Key": "k3"}).headers["location"]
    assert peer.post(f"{last}/cancel").json()["state"] == "cancelled"
    assert (peer.post(f"{last}/cancel").status_code, peer.get(last).json()["code"]) == (409, "git.cancelled")
    refused = peer.post(
        "/api/v1/fetches", json=wanted | {"git_url": "https://x.test/y"}, headers={"Idempotency-Key": "k"}
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "git.host")


def test_the_command_hands_in_an_address(
    fresh_world: World,
    git_server: GitServer,
    grader: Any,  # noqa: F811 - the fixture
) -> None:
    """``--git`` follows the fetch and then the grading; what the repository lacks ends as a refused file does."""
    made = git_server.project()
    environment = {"GRADER_TOKEN": token_of(fresh_world, "peer")}
    app = at(fresh_world, git_server)
    with served(app) as place, fetching_all(fresh_world, git_server):
        words = ("submit", "--exercise", "e1", "--server", f"http://{place}", "--lang", "en", "--git", git_server.url())
        with grading(fresh_world, verdict_for(PACK)):
            done = grader(*words, "--ref", "main", **environment)
        assert (done.returncode, made.head in done.stderr) == (0, True), done.stderr
        missing = grader(*words, "--ref", "nothing", **environment)
    assert missing.returncode == 3, missing.stderr
    assert "git.ref_unknown" in missing.stderr
    for wrong in (("--git", "x"), ("--ref", "x", "."), (".", "--git", "x", "--server", "http://127.0.0.1:1"), ()):
        assert "usage.one_source" in grader("submit", "--exercise", "e1", *wrong).stderr


# -- taking work back -------------------------------------------------------------------------------------------------


def test_own_work_is_taken_back_after_a_page_that_says_the_price(fresh_world: World) -> None:
    """No script is needed; the entry of the audit names the account, and the desk is as before."""
    owner, submission = fresh_world.browser("owner"), fresh_world.work["owner.waiting"]
    assert f"/submissions/{submission}/cancel" in owner.get(f"/submissions/{submission}/live").text
    for lang, free in (("th", "จะไม่ถูกนับเป็นครั้งส่ง"), ("en", "does not count as an attempt")):
        page = owner.get(f"/submissions/{submission}/cancel?lang={lang}").text
        assert free in page
        assert 'name="counts" value="0"' in page
    done = owner.post(f"/submissions/{submission}/cancel", data={"counts": "0"})
    assert (done.status_code, done.headers["location"]) == (303, f"/submissions/{submission}/live")
    live = owner.get(f"/submissions/{submission}/live?lang=en").text
    assert "You cancelled" in live or "This work is not graded" in live
    assert f"/submissions/{submission}/cancel" not in live
    again = owner.post(f"/submissions/{submission}/cancel", data={"counts": "0"})
    assert (again.status_code, "There is nothing to cancel" in again.text or "error-summary" in again.text) == (
        200,
        True,
    )
    with fresh_world.records.reading() as session:
        entry = session.query(AuditEntry).filter(AuditEntry.action == "submission.cancelled").one()
        assert entry.by == fresh_world.accounts["owner"].id
        assert session.query(Job).filter(Job.submission_id == submission).one().state == "cancelled"


def test_a_price_that_rose_is_asked_for_again(fresh_world: World) -> None:
    """Testing began after the page was read: nothing is cancelled until its owner says so once more."""
    owner, submission = fresh_world.browser("owner"), fresh_world.work["owner.waiting"]
    owner.get(f"/submissions/{submission}/cancel")
    held = claim(fresh_world.records, "w")
    assert held is not None
    assert progress(fresh_world.records, held, "contract", "")
    asked = owner.post(f"/submissions/{submission}/cancel", data={"counts": "0"})
    assert asked.status_code == 422
    assert 'name="counts" value="1"' in asked.text
    assert "ถูกนับเป็นครั้งส่ง" in asked.text
    assert owner.post(f"/submissions/{submission}/cancel", data={"counts": "1"}).status_code == 303


def test_the_api_cancels_too(fresh_world: World) -> None:
    """Testing that has begun is 409 until the client says that it may count; nobody else may do it at all."""
    submission = fresh_world.work["owner.waiting"]
    place = f"/api/v1/submissions/{submission}/cancel"
    assert fresh_world.browser("peer").post(place).status_code == 404
    assert fresh_world.browser("instructor").post(place).status_code == 403
    held = claim(fresh_world.records, "w")
    assert held is not None
    assert progress(fresh_world.records, held, "contract", "")
    owner = fresh_world.browser("owner")
    first = owner.post(place)
    assert (first.status_code, first.json()["code"]) == (409, "submission.cancel_counts")
    assert owner.post(f"{place}?counts=true").json() == {"submission": submission, "counts": True}
    last = owner.post(f"{place}?counts=true")
    assert (last.status_code, last.json()["code"]) == (409, "submission.nothing_to_cancel")


def rows(world: World) -> tuple[int, int]:
    """How many fetches and jobs there are."""
    with world.records.reading() as session:
        return session.query(Fetch).count(), session.query(Job).count()
