"""Every component of the pages: valid, safe, in both languages, and readable in both colour schemes."""

import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from grader.reports.catalogue import LANGS, Lang
from portal.catalogue import words
from portal.static_files import FOLDER
from tests.fixtures.style_guide import EVIL, KINDS, TEXT, page

THAI = re.compile(r"[\u0e00-\u0e7f]")
VOID = {"meta", "link", "input", "br", "hr", "img", "path", "rect", "circle", "polyline"}
CSS = (FOLDER / "portal.css").read_text(encoding="utf-8")

TEXTS_ON = {
    "page": ("ink", "soft", "link", "link-dark", "fail", "pass", "error"),
    "sheet": ("ink", "soft", "link", "link-dark", "fail", "pass", "error", "neutral"),
    "code": ("ink", "soft"),
    "pass-wash": ("ink", "pass", "link"),
    "fail-wash": ("ink", "fail", "link", "soft"),
    "error-wash": ("ink", "error", "link"),
    "neutral-wash": ("ink", "soft", "neutral", "link"),
    "link-wash": ("ink", "link", "link-dark", "soft"),
    "link": ("on-strong",),
    "link-dark": ("on-strong",),
    "fail": ("on-strong",),
    "fail-strong": ("on-strong",),
    "mast": ("on-mast", "mast-soft"),
    "mast-line": ("on-mast",),
}
"""Background -> what is written on it: 4.5 to 1."""
MARKS_ON = {
    "page": ("edge", "link", "fail"),
    "sheet": ("edge", "link", "fail", "pass", "error"),
    "neutral-wash": ("edge", "link", "fail"),
    "mast": ("on-mast-focus",),
}
"""Background -> borders of what can be used, marks of charts, and the focus: 3 to 1."""


class Seen(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag; one that is not void stays open."""
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in <{tag}>"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag that closes itself, as in SVG."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """A tag closes the one that was opened last."""
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def all(self, name: str) -> list[str]:
        """The values of an attribute wherever it stands."""
        return [value or "" for _, attributes in self.tags for key, value in attributes.items() if key == name]


@pytest.fixture(scope="module", params=LANGS)
def lang(request: pytest.FixtureRequest) -> Lang:
    """Both languages."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def seen(lang: Lang) -> Seen:
    """The page with every component."""
    return Seen(page(lang))


def test_the_policy_is_kept(seen: Seen) -> None:
    """No style, no script and no handler in place, nothing from elsewhere; forms go to us."""
    assert not seen.all("style")
    assert not [name for _, attributes in seen.tags for name in attributes if name.startswith("on")]
    assert "style" not in [tag for tag, _ in seen.tags]
    assert all(attributes.get("src") for tag, attributes in seen.tags if tag == "script")
    for address in seen.all("src") + seen.all("href") + seen.all("action"):
        assert re.match(r"/(?!/)|static/|#", address), address


def test_a_page_is_well_formed(seen: Seen) -> None:
    """Everything is closed where it should be; one first heading; ids are unique and what names one finds it."""
    assert seen.open == []
    counted = Counter(tag for tag, _ in seen.tags)
    assert (counted["h1"], counted["main"]) == (1, 1)
    ids = seen.all("id")
    assert [one for one, times in Counter(ids).items() if times > 1] == []
    named = " ".join(seen.all("for") + seen.all("aria-describedby") + seen.all("aria-labelledby")).split()
    assert set(named) <= set(ids)


def test_what_somebody_typed_stays_text(lang: Lang) -> None:
    """In text and in attributes, by every macro."""
    text = page(lang)
    assert EVIL not in text
    assert "<x" not in text
    assert text.count("&lt;x onload=&#34;a&#34;&gt;&#39;&amp;{{ 1 }}") == 14


def test_every_field_has_a_label_and_every_region_a_name(seen: Seen) -> None:
    """What can be used can be named."""
    labelled = set(seen.all("for"))
    for tag, attributes in seen.tags:
        if tag in {"input", "select", "textarea"} and attributes.get("type") != "hidden":
            assert attributes["id"] in labelled
        if attributes.get("role") in {"region", "group"} or tag == "nav":
            assert attributes.get("aria-label") or attributes.get("aria-labelledby")
        if tag == "svg":
            assert attributes["aria-hidden"] == "true"


def test_nothing_is_ever_disabled(seen: Seen) -> None:
    """A button that does nothing explains nothing."""
    assert not seen.all("disabled")


def test_words_come_from_the_catalogue() -> None:
    """The English page holds no Thai but the name of the other language, and every status has its word."""
    assert THAI.sub("", page("en")) == page("en").replace("ไทย", "")
    thai = re.sub(r"<[^>]+>", " ", page("th"))
    for kind in KINDS:
        assert words()[f"status.{kind}"]["th"] in thai


def test_a_stranger_gets_a_door_and_no_menu(lang: Lang) -> None:
    """Who is signed in nowhere can sign in."""
    stranger = page(lang, signed_in=False)
    assert '"/sign-in"' in stranger
    assert "/sign-out" not in stranger
    assert "/sign-in" not in page(lang)


def test_live_pages_load_the_events_before_htmx_starts(seen: Seen) -> None:
    """Neither htmx nor its extension is deferred, and they come in this order."""
    scripts = {attributes["src"]: attributes for tag, attributes in seen.tags if tag == "script"}
    assert list(scripts) == ["static/htmx.min.js", "static/hx-sse.min.js", "static/portal.js"]
    assert not {"defer", "async"} & {*scripts["static/htmx.min.js"], *scripts["static/hx-sse.min.js"]}


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_are_readable(scheme: int) -> None:
    """Contrast by the formula of WCAG: 4.5 for text, 3 for what can be used and for marks."""
    colours = _colours(scheme)
    found = [
        f"{front} on {back}: {_contrast(colours[front], colours[back]):.2f}"
        for wanted, pairs in ((4.5, TEXTS_ON), (3.0, MARKS_ON))
        for back, fronts in pairs.items()
        for front in fronts
        if _contrast(colours[front], colours[back]) < wanted
    ]
    assert found == []


def test_contrast_is_computed_rightly() -> None:
    """Two values that everybody agrees on."""
    assert _contrast("#ffffff", "#000000") == pytest.approx(21)
    assert _contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


def test_colours_are_those_of_the_reports() -> None:
    """One visual language: what both name, both mean."""
    report = (FOLDER.parents[1] / "grader" / "reports" / "templates" / "report.css").read_text(encoding="utf-8")
    light, dark = report.split("@media (prefers-color-scheme: dark)")[:2]
    dark = dark[: dark.index("}")]
    for scheme, text in ((0, light), (1, dark)):
        named = dict(re.findall(r"--([\w-]+): (#\w{6})", text))
        assert named
        assert {name: _colours(scheme)[name] for name in named} == named


def test_the_style_sheet_loads_nothing_and_animates_nothing_unasked() -> None:
    """No import, no address; text is never smaller than 14.8 px beside a body of 17."""
    assert not re.search(r"@import|url\(|https?:", CSS)
    assert "prefers-reduced-motion" in CSS
    assert "font: 106.25%" in CSS
    small = [float(size) for size in re.findall(r"font-size: (0?\.\d+)(?:rem|em)", CSS)]
    assert min(small) * 17 >= 14.8
    assert CSS.count("{") == CSS.count("}")


def test_the_script_is_short_and_says_nothing_itself() -> None:
    """At most 150 lines, no words, nothing that the policy forbids."""
    script = (FOLDER / "portal.js").read_text(encoding="utf-8")
    assert len(script.splitlines()) <= 150
    assert not THAI.search(script)
    assert not re.search(r"eval|new Function|innerHTML|\.style\b|insertAdjacentHTML|fetch\(|https?:", script)


def test_the_guide_is_the_same_page_in_both_languages() -> None:
    """A text that one lacks would hide a component."""
    assert TEXT["th"].keys() == TEXT["en"].keys()


def _colours(scheme: int) -> dict[str, str]:
    pairs = re.findall(r"--([\w-]+): (?:light-dark\((#\w{6}), (#\w{6})\)|(#\w{6}));", CSS.split("@layer base {")[0])
    return {name: same or (light, dark)[scheme] for name, light, dark, same in pairs}


def _contrast(one: str, other: str) -> float:
    brighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    def linear(part: int) -> float:
        share = part / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(int(colour[at : at + 2], 16)) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
