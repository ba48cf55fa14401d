"""The reports that are written to files: JSON, JUnit and the web page."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from grader.packs import Pack
from grader.reports import LANGS, RENDERERS, Lang
from grader.verdict import Verdict


class Page(HTMLParser):
    """Tags with their attributes, and the visible text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember a tag."""
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "use", "path"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost tag, which must be this one."""
        if tag not in {"meta", "use", "path"}:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Collect text."""
        self.text += data


@pytest.mark.parametrize("lang", LANGS)
def test_every_renderer_takes_every_verdict(
    failed: Verdict, passed: Verdict, faults: dict[str, Verdict], pack: Pack, lang: Lang
) -> None:
    """The registry's formats all render all outcomes and end with a newline or a closing tag."""
    for name, render in RENDERERS.items():
        for verdict in (failed, passed, *faults.values()):
            assert render(verdict, pack, lang).rstrip(), name


def test_json_is_the_promised_document(failed: Verdict, pack: Pack) -> None:
    """One document, equal in both languages, that reads back to the same verdict."""
    document = json.loads(RENDERERS["json"](failed, pack, "th"))
    assert document == failed.to_json()
    assert RENDERERS["json"](failed, pack, "en") == RENDERERS["json"](failed, pack, "th")
    assert Verdict.from_json(document) == failed


def test_half_a_letter_can_be_written_as_json(failed: Verdict, pack: Pack) -> None:
    """An answer of an app may hold what no encoding has bytes for: the document has bytes, and reads back the same."""
    half = failed.model_copy(update={"log": ("half \ud800",)})
    document = RENDERERS["json"](half, pack, "th").encode("utf-8")
    assert Verdict.from_json(json.loads(document)) == half


def test_junit_has_a_case_for_each_check(failed: Verdict, pack: Pack) -> None:
    """Failures carry the sentence, a check that did not run is skipped, and the counts are right."""
    suite = ET.fromstring(RENDERERS["junit"](failed, pack, "en"))  # noqa: S314 - our own output
    cases = {case.get("name", "").split(" ")[0]: case for case in suite.iter("testcase")}
    assert set(pack.checks) <= set(cases)
    failure = cases["E1-S1"].find("failure")
    assert failure is not None
    assert "the exercise asks for 404 Not Found" in failure.get("message", "")
    assert 'Expected: "00712" · Received: 712' in (failure.text or "")
    assert cases["U5"].find("skipped") is not None
    assert cases["E1-S2"].find("failure") is None
    assert suite.get("tests") == str(len(cases))
    assert suite.get("failures") == "4"  # three checks, and the grading as a whole


def test_junit_of_a_stopped_grading_is_not_green(faults: dict[str, Verdict], pack: Pack) -> None:
    """A grading without any failed check still fails the build; ours is an error, not a failure."""
    for outcome, verdict in faults.items():
        suite = ET.fromstring(RENDERERS["junit"](verdict, pack, "th"))  # noqa: S314 - our own output
        assert (suite.get("errors"), suite.get("failures")) == (
            ("1", "0") if outcome == "infrastructure" else ("0", "1")
        )


@pytest.mark.parametrize("lang", LANGS)
def test_page_is_whole_and_in_its_language(failed: Verdict, pack: Pack, lang: Lang) -> None:
    """Tags are balanced, the language is declared, there is one main heading and every id is unique."""
    page = Page(RENDERERS["html"](failed, pack, lang))
    assert page.open == []
    assert ("html", {"lang": lang}) in page.tags
    assert [tag for tag, _ in page.tags].count("h1") == 1
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_page_asks_for_nothing_outside(failed: Verdict, pack: Pack) -> None:
    """No script, no image, no link out, no address in the style sheet, and a policy that allows only our sheet."""
    html = RENDERERS["html"](failed, pack, "th")
    page = Page(html)
    assert not {tag for tag, _ in page.tags} & {"script", "img", "link", "iframe", "object", "base", "form"}
    references = [value for _, attributes in page.tags for key, value in attributes.items() if key in {"href", "src"}]
    assert all(reference and reference.startswith("#") for reference in references)
    assert not [key for _, attributes in page.tags for key in attributes if key == "style" or key.startswith("on")]
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = next(attributes["content"] for _, attributes in page.tags if attributes.get("http-equiv"))
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_page_shows_hostile_text_as_text(failed: Verdict, faults: dict[str, Verdict], pack: Pack) -> None:
    """Markup in an answer, a log or a file name is visible and inert; direction marks are gone."""
    for verdict in (failed, faults["build_failed"], faults["rejected"]):
        html = RENDERERS["html"](verdict, pack, "th")
        assert "<script" not in html
        assert "<script>alert(1)</script>" in Page(html).text
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f]", html)


def test_page_uses_marks_and_words_beside_colour(failed: Verdict, pack: Pack) -> None:
    """Each result has an icon and a word; Thai headings have room for their marks."""
    html = RENDERERS["html"](failed, pack, "th")
    for outcome, word in (("pass", "ผ่าน"), ("fail", "ไม่ผ่าน"), ("not_run", "ไม่ได้ตรวจ")):
        assert re.search(rf'is-{outcome}"><svg.*?#icon-{outcome}"/></svg> {word}<', html)
    assert "line-height: 1.45" in html
    assert "100%/1.65" in html


def test_page_dates_are_buddhist_era_in_thai(passed: Verdict, pack: Pack) -> None:
    """A moment late in the evening of UTC is the next day in Bangkok, written in the reader's era."""
    assert "22 พ.ย. 2569 01:05 น." in RENDERERS["html"](passed, pack, "th")
    assert "22 Nov 2026 01:05" in RENDERERS["html"](passed, pack, "en")
