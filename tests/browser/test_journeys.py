"""The journeys of the people who use the portal, whole, in a real browser, with gradings in real containers."""

import io
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, Page, expect
from pypdf import PdfReader
from python_calamine import CalamineWorkbook

from grader.intake import as_archive
from grader.kpi.fiscal import bangkok_date
from grader.packs import Sample, samples, submission_of
from grader.records import Records, Seat, create_records, open_records
from grader.rosters import RosterRow
from grader.services import indicator, receiving, rostering, rounds
from grader.services.accounts import links, people
from tests.fixtures.browser import WHOLE, launched
from tests.fixtures.portal import PACK, PASSWORD, free_port

pytestmark = pytest.mark.engine

ROUND = "r1"
READY_SECONDS = 60
GRADING_MS = 180_000
TRAINEES = ("t1", "t2")
STAFF = {"instructor": "instructor", "coordinator": "coordinator", "executive": "executive"}


@dataclass(frozen=True, kw_only=True)
class Site:
    """A portal with a worker beside it, and the work to hand in."""

    address: str
    wrong: Path
    right: Path
    fails: str
    theirs: str
    """The submission of another trainee, which fails."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """The browser as people have it."""
    with launched(WHOLE) as browser:
        yield browser


@pytest.fixture(scope="module")
def site(store: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """``grader serve``, as an office would start it, on records with one round."""
    del store  # the images are there
    folder = tmp_path_factory.mktemp("site")
    with closing(create_records(folder / "data")) as records:
        today = bangkok_date(datetime.now(UTC))
        rounds.create_round(records, code=ROUND, name="รุ่นทดสอบ", by="setup", starts_on=today, ends_on=today, sessions=1)
        rounds.assign(records, round_code=ROUND, pack=PACK, by="setup")
        rows = [row(code, today) for code in TRAINEES]
        rostering.import_roster(records, round_code=ROUND, rows=rows, by="setup")
        seats = {code: seat_of(records, code) for code in TRAINEES}
        for seat in seats.values():
            rounds.note(records, seat=seat.id, kind="check_in", by="setup", session_number=1)
        rule = {"groups": [{"at_least": 1, "of": [PACK.exercise.id]}]}
        indicator.revise(records, {"course.pass_rule": rule}, by="setup")
        indicator.propose_rounds(records, today.year + 543 + (today.month > 9), by="setup")
        for login in (*TRAINEES, *STAFF):
            person = seats[login].person_id if login in seats else None
            account = people.create(records, login=login, name=login, by="setup", person=person)
            if login in STAFF:
                people.grant(records, account=account.id, role=STAFF[login], by="setup")
            links.use(records, secret=links.make(records, account=account.id, by="setup"), password=PASSWORD)
    wrong = next(one for one in samples(PACK) if one.outcome == "fail" and one.fails)
    right = next(one for one in samples(PACK) if one.outcome == "pass" and not one.fails)
    files = {name: packed(sample, folder / f"{name}.zip") for name, sample in {"w": wrong, "r": right}.items()}
    with closing(open_records(folder / "data")) as records:
        with records.reading() as session:
            given = rounds.assignment_of(session, ROUND, PACK.id).id
        theirs = receiving.submit(
            records, seat=seats["t2"].id, assignment=given, filename="w.zip", chunks=[files["w"].read_bytes()], by="t2"
        ).submission
    with served_for_real(folder / "data") as address:
        yield Site(address=address, wrong=files["w"], right=files["r"], fails=wrong.fails[0], theirs=theirs)


def row(code: str, today: date) -> RosterRow:
    """Somebody on the roster."""
    return RosterRow(
        code=code, name=f"นางสาว{code} สาธิต", unit_code="97001", unit_name="ศูนย์อนามัยสาธิตที่ 1", part="trainee",
        registered_on=today,
    )  # fmt: skip


def seat_of(records: Records, code: str) -> Seat:
    """The seat of somebody."""
    with records.reading() as session:
        return rostering.seat_of(session, round_code=ROUND, person_code=code)


def packed(sample: Sample, target: Path) -> Path:
    """A sample as the file that a trainee would hand in."""
    with submission_of(sample) as source, as_archive(source) as archive:
        target.write_bytes(archive.read())
    return target


class served_for_real:  # noqa: N801 - reads as a verb
    """``grader serve`` in a process of its own; stopped in order, and waited for."""

    def __init__(self, data: Path) -> None:
        self.data, self.port = data, free_port()

    def __enter__(self) -> str:
        address = f"http://127.0.0.1:{self.port}"
        surroundings = os.environ | {"GRADER_DATA": str(self.data), "GRADER_DATABASE_URL": ""}
        surroundings["GRADER_SECOND_FACTOR"] = "optional"
        command = [sys.executable, "-m", "grader", "serve", "--port", str(self.port)]
        self.log = (self.data.parent / "serve.log").open("wb")
        self.process = subprocess.Popen(command, env=surroundings, stdout=self.log, stderr=self.log)
        for _ in range(READY_SECONDS * 5):
            try:
                with urllib.request.urlopen(f"{address}/readyz", timeout=2):  # noqa: S310 - loopback
                    return address
            except (urllib.error.URLError, OSError):
                assert self.process.poll() is None, (self.data.parent / "serve.log").read_text()
                time.sleep(0.2)
        pytest.fail("the portal does not answer")

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(180)
        self.log.close()


def visitor(chromium: Chromium, site: Site, login: str) -> tuple[BrowserContext, Page]:
    """Somebody who signs in by the form."""
    context = chromium.new_context(base_url=site.address, locale="th-TH")
    page = context.new_page()
    page.goto("/")
    page.get_by_label("ชื่อผู้ใช้").fill(login)
    page.get_by_label("รหัสผ่าน").fill(PASSWORD)
    page.get_by_role("button", name="เข้าสู่ระบบ").click()
    page.wait_for_url(f"{site.address}/")
    return context, page


def hand_in(page: Page, file: Path) -> None:
    """From the first page to the live page of the submission."""
    page.goto("/")
    page.get_by_role("link", name="สมุดหน่วยบริการ").first.click()
    page.get_by_role("link", name="ส่งงาน").first.click()
    page.get_by_label("ไฟล์ ZIP ของงาน").set_input_files(file)
    page.get_by_role("button", name="ส่งงาน").click()
    page.wait_for_url("**/live")


def test_a_trainee_fails_mends_and_passes(site: Site, chromium: Chromium) -> None:
    """Through a connection that drops while the grading goes on, to the card that names what is wrong, to a pass."""
    context, page = visitor(chromium, site, "t1")
    hand_in(page, site.wrong)
    expect(page.locator("#phases .tag.running")).to_be_visible(timeout=GRADING_MS)
    context.set_offline(True)
    time.sleep(4)
    context.set_offline(False)
    expect(page.locator("#status")).to_contain_text("ตรวจเสร็จแล้ว", timeout=GRADING_MS)
    expect(page.locator("#phases .tag.running")).to_have_count(0)
    page.get_by_role("link", name="อ่านผล").click()
    card = page.locator("article.card").first
    expect(card).to_contain_text(site.fails)
    expect(page.locator(".band.fail")).to_be_visible()
    hand_in(page, site.right)
    expect(page.locator("#status")).to_contain_text("ตรวจเสร็จแล้ว", timeout=GRADING_MS)
    page.get_by_role("link", name="อ่านผล").click()
    expect(page.locator(".band.pass")).to_be_visible()
    expect(page.locator("table.matrix")).to_contain_text(site.fails)
    page.goto("/")
    expect(page.locator(".task-status .tag.pass")).to_be_visible()
    context.close()


def test_the_same_without_scripts(site: Site, chromium: Chromium) -> None:
    """A browser that runs nothing hands work in, watches by reloading, and reads the result."""
    context = chromium.new_context(base_url=site.address, java_script_enabled=False)
    page = context.new_page()
    page.goto("/sign-in")
    page.fill("#login", "t1")
    page.fill("#password", PASSWORD)
    page.click("main button[type=submit]")
    hand_in(page, site.right)
    deadline = time.monotonic() + GRADING_MS / 1000
    while "ตรวจเสร็จแล้ว" not in page.content():
        assert time.monotonic() < deadline
        time.sleep(1)
        page.reload()
    page.click("#status a")
    assert page.locator(".band.pass").count() == 1
    context.close()


def figure(page: Page) -> tuple[str, str]:
    """The percentage and A of B, as the executive reads them."""
    page.goto("/kpi")
    return page.locator("#percent").inner_text(), page.locator("#of").inner_text()


def saved(page: Page, button: str) -> bytes:
    """What a button of the exports lets the browser save."""
    with page.expect_download() as waiting:
        page.locator(f"form.exports button[value={button}]").click()
    return Path(waiting.value.path()).read_bytes()


def test_an_instructor_decides_and_a_manager_sees_it(site: Site, chromium: Chromium) -> None:
    """A result is decided and graded again; A of B follows, and what is downloaded says what the page says."""
    manager, kpi = visitor(chromium, site, "executive")
    before = figure(kpi)
    assert "2" in before[1]
    staff, page = visitor(chromium, site, "instructor")
    deadline = time.monotonic() + GRADING_MS / 1000
    while page.goto(f"/review/{site.theirs}") and not page.locator(".band.fail").count():
        assert time.monotonic() < deadline
        time.sleep(1)
    form = page.locator("form[action$='/decision']")
    form.locator("input[value=pass]").check()
    form.locator("textarea").fill("โจทย์ข้อนี้กำกวม ผู้เรียนตอบตามที่โจทย์เขียน")
    form.locator("button").click()
    expect(page.locator(".tag.overridden").first).to_be_visible()
    after = figure(kpi)
    assert after != before
    page.goto(f"/review/{site.theirs}")
    again = page.locator("form[action$='/regrade']")
    again.locator("textarea").fill("ตรวจซ้ำเพื่อยืนยันผล")
    again.locator("button").click()
    page.wait_for_url("**/regrades/*")
    while not page.locator("a[href$='/apply']").count():
        assert time.monotonic() < deadline + GRADING_MS / 1000
        time.sleep(1)
        page.reload()
    page.locator("a[href$='/apply']").click()
    page.locator("form[action$='/apply'] button").click()
    assert figure(kpi) == after  # what a person decided stands above what is graded
    percent = after[0].split()[0]
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(saved(kpi, "xlsx")))
    cells = {
        str(cell)
        for name in workbook.sheet_names
        for line in workbook.get_sheet_by_name(name).to_python()
        for cell in line
    }
    assert percent in " ".join(cells) or str(float(percent)) in cells
    text = "".join(part.extract_text() for part in PdfReader(io.BytesIO(saved(kpi, "pdf"))).pages)
    assert percent in text
    manager.close()
    staff.close()
