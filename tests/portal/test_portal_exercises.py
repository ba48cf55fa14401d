"""The pages for authors: folders, lint, checks, samples, every message, and what a newer folder would change."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from grader.cli.cohort import SampleResult
from grader.cli.exercises import remember
from grader.errors import EnvironmentProblem
from grader.packs import load_pack, samples
from grader.reports.catalogue import catalogue
from grader.services import authoring, linting, sampling
from portal.app import create_app
from portal.previews import PARTS, messages
from tests.fixtures.portal import PACK, Browser, World, verdict_for, words_of

PARTS_OF_PAGE = ("", "/checks", "/samples", "/messages", "/versions")


@pytest.fixture
def changed(fresh_world: World, tmp_path: Path) -> Iterator[tuple[World, Browser, Path]]:
    """A portal over the same records whose exercise folder somebody may change; with an instructor's browser."""
    home = tmp_path / "home"
    folder = home / "exercises" / "e1"
    shutil.copytree(PACK.root, folder, ignore=shutil.ignore_patterns("__pycache__"))
    settings = replace(fresh_world.settings, base=replace(fresh_world.settings.base, home=home))
    secret = fresh_world.browser("instructor").headers["Cookie"].partition("=")[2]
    app = create_app(fresh_world.records, settings)
    yield fresh_world, Browser(app, secret), folder
    app.state.shelf.close()


@pytest.mark.parametrize("part", PARTS_OF_PAGE)
def test_authors_read_every_page(world: World, part: str) -> None:
    """The staff of any round in both languages; nobody else; one heading, no id twice."""
    for lang in ("th", "en"):
        page = world.browser("instructor").get(f"/exercises/e1{part}?lang={lang}")
        assert page.status_code == 200, words_of(page.text)
        assert len(re.findall(r"<h1[ >]", page.text)) == 1
        ids = re.findall(r'\sid="([^"]+)"', page.text)
        assert len(ids) == len(set(ids))
    for who in ("owner", "executive", "admin", "nobody"):
        assert world.browser(who).get(f"/exercises/e1{part}").status_code == 403, who
    assert world.browser("coordinator").get(f"/exercises/nothing{part}").status_code == 404


def test_the_list_names_rounds_of_ones_own(world: World) -> None:
    """Every exercise there is, and only the rounds that the reader works for."""
    page = words_of(world.browser("instructor").get("/exercises").text)
    assert {"E1", "E3"} <= set(page.split())
    assert "r1 1." in page
    assert "r2 1." not in page
    assert "r2 1." in words_of(world.browser("instructor2").get("/exercises").text)


def test_checks_and_hints_stand_side_by_side(world: World) -> None:
    """All of them with their points, which are 100 together."""
    page = world.browser("instructor").get("/exercises/e1/checks").text
    for check in PACK.checks.values():
        assert f">{check.id}<" in page
        assert check.title.th in page
        assert check.title.en in page
    assert re.search(r"<strong>100</strong>", page)
    assert authoring.untranslated(PACK) == []


def test_samples_say_what_they_must_fail(world: World) -> None:
    """Each with its checks; the command that grades them is shown, because the portal never does."""
    page = world.browser("instructor").get("/exercises/e1/samples").text
    for one in samples(PACK):
        assert one.name in page
        assert all(f">{check}<" in page for check in one.fails)
    assert "grader exercises verify e1" in page


def test_what_the_command_found_is_shown(changed: tuple[World, Browser, Path]) -> None:
    """The last whole run with its differences, and that the folder was changed since; a broken file is none."""
    world, browser, folder = changed
    address = "/exercises/e1/samples"
    assert "ยังไม่มีผลตรวจตัวอย่าง" in words_of(browser.get(address).text)
    pack = load_pack(folder)
    first, second = samples(pack)[:2]
    verdict = verdict_for(PACK)
    results = [
        SampleResult(pack=pack, sample=one, verdict=verdict, seconds=1.0, differences=found)
        for one, found in ((first, ()), (second, ("outcome pass, expected <fail>",)))
    ]
    remember(world.settings.base.data, results, seed=7)
    said = browser.get(address).text
    assert "1 จาก 2 ชุดได้ผลไม่ตรง" in said
    assert "expected &lt;fail&gt;" in said
    assert "ถูกแก้หลังจากนั้น" not in said
    (folder / "new.sql").write_text("SELECT 1;\n", encoding="utf-8")
    assert "ถูกแก้หลังจากนั้น" in browser.get(address).text
    (world.settings.base.data / sampling.FOLDER / "e1.json").write_text("{", encoding="utf-8")
    assert "ยังไม่มีผลตรวจตัวอย่าง" in words_of(browser.get(address).text)
    remember(folder / "nowhere", results, seed=7)
    assert not (folder / "nowhere").exists(), "where there are no records, nothing is written"


def test_every_message_is_previewed_in_both_languages(world: World) -> None:
    """Every code of the families that a grading ends in, and no sentence that is only the code."""
    seen = set[str]()
    for part in PARTS:
        page = world.browser("instructor").get(f"/exercises/e1/messages?part={part}").text
        found = messages(PACK, part)
        assert found
        for one in found:
            assert f"<code>{one.code}</code>" in page
            assert one.th.sentence
            assert one.th.sentence != one.en.sentence
        seen |= {one.code for one in found}
    families = {family for part in PARTS.values() for family in part}
    wanted = {code for code in catalogue("th") if code.partition(".")[0] in families}
    assert wanted - seen == {"verdict.unknown", "verdict.partial"}
    reached = {"response.status", "contract.schema", "privacy.person_in_log", "start.not_ready", "archive.bomb"}
    assert reached <= seen


def test_a_changed_folder_is_compared_with_what_rounds_were_given(changed: tuple[World, Browser, Path]) -> None:
    """Points, texts and files; how many results stand on the older version."""
    _, browser, folder = changed
    same = words_of(browser.get("/exercises/e1/versions").text)
    assert "ตรงกับโฟลเดอร์" in same
    assert "จะตรวจใหม่หรือไม่" not in same
    file = folder / "checks.toml"
    text = file.read_text(encoding="utf-8")
    text = re.sub(r"(\[E1-S1\]\nmandatory = )true\npoints = 8", r"\1false\npoints = 7", text)
    text = re.sub(r"(\[E1-S2\]\nmandatory = true\npoints = )8", r"\g<1>9", text)
    file.write_text(text, encoding="utf-8")
    (folder / "new.sql").write_text("SELECT 1;\n", encoding="utf-8")
    page = browser.get("/exercises/e1/versions")
    said = words_of(page.text)
    assert page.status_code == 200
    assert "งาน 3 ชิ้นของรุ่น r1" in said
    changes = authoring.differences(PACK, load_pack(folder))
    kinds = {(one.kind, one.what) for one in changes}
    assert {("points", "E1-S1"), ("points", "E1-S2"), ("mandatory_no_more", "E1-S1"), ("file_new", "new.sql")} <= kinds
    assert all(one.what in said for one in changes)


def test_a_folder_that_does_not_load_hides_no_other(changed: tuple[World, Browser, Path]) -> None:
    """The list stays, and the page of the exercise says which file, what is wrong and what to do."""
    _, browser, folder = changed
    (folder / "checks.toml").write_text("[E1-S1\n", encoding="utf-8")
    assert browser.get("/exercises").status_code == 200
    page = browser.get("/exercises/e1")
    assert page.status_code == 200
    assert "<code>checks.toml</code>" in page.text
    assert browser.get("/exercises/e1/checks").status_code == 404


def test_the_lint_is_made_on_request_and_kept(
    changed: tuple[World, Browser, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listed with file, place, problem and fix; a change makes it stale, and without one it is not made again."""
    _, browser, folder = changed
    assert "ยังไม่ได้ตรวจแบบ" in browser.get("/exercises/e1").text
    (folder / "brief.en.md").unlink()
    made = browser.post("/exercises/e1/lint")
    assert made.status_code == 303
    page = browser.get("/exercises/e1")
    assert "PK010" in page.text
    assert "<code>brief.en.md</code>" in page.text
    assert "ต้องแก้" in words_of(browser.get("/exercises").text)

    def never(_path: Path) -> list[linting.Problem]:
        raise EnvironmentProblem("environment.lint_unfinished", limit=180)

    monkeypatch.setattr(linting, "lint_apart", never)
    assert browser.post("/exercises/e1/lint").status_code == 303, "the files are as they were"
    shutil.copy(PACK.root / "brief.en.md", folder)
    assert "แก้ไขหลังตรวจ" in words_of(browser.get("/exercises/e1").text)
    unfinished = browser.post("/exercises/e1/lint")
    assert unfinished.status_code == 503
    assert "error-summary" in unfinished.text


def test_one_lint_runs_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes meanwhile is told so at once, and the next one after it is served."""
    desk, codes = linting.LintDesk(), []

    def slow(folder: Path) -> list[linting.Problem]:
        with pytest.raises(EnvironmentProblem) as caught:
            desk.run(folder, datetime.now(UTC))
        codes.append(caught.value.code)
        return []

    monkeypatch.setattr(linting, "lint_apart", slow)
    desk.run(PACK.root, datetime.now(UTC))
    assert codes == ["environment.lint_busy"]
    found = desk.last(PACK.root)
    assert found is not None
    assert (found.problems, found.fresh, found.errors) == ((), True, 0)


def test_a_lint_that_hangs_is_ended(tmp_path: Path) -> None:
    """An exercise whose code never ends costs its time and no more."""
    folder = tmp_path / "e1"
    shutil.copytree(PACK.root, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "world.py").write_text("while True: pass\n", encoding="utf-8")
    with pytest.raises(EnvironmentProblem) as caught:
        linting.lint_apart(folder, seconds=3)
    assert caught.value.code == "environment.lint_unfinished"
