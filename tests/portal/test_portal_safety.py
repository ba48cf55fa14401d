"""What every request and every answer must keep to: origin, size, headers, and text that stays text."""

import html
import re
from pathlib import Path
from typing import Any

import markupsafe
import pytest

from portal.bodies import FILE_BODY, SMALL_BODY
from tests.fixtures.portal import ORIGIN, World, routes_of

TEMPLATES = Path(__file__).parents[2] / "portal" / "templates"
THAI = re.compile(r"[\u0e00-\u0e7f]")

FOREIGN = {
    "cross-site": {"Sec-Fetch-Site": "cross-site"},
    "same-site": {"Sec-Fetch-Site": "same-site"},
    "typed into the address bar": {"Sec-Fetch-Site": "none"},
    "an old browser from elsewhere": {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
    "an old browser from nowhere": {"Sec-Fetch-Site": "", "Origin": "null"},
    "no word about it": {"Sec-Fetch-Site": ""},
    "another port": {"Sec-Fetch-Site": "", "Origin": "http://127.0.0.1:8001"},
    "metadata that contradicts the origin": {"Sec-Fetch-Site": "cross-site", "Origin": ORIGIN},
    "a token besides a cookie": {"Sec-Fetch-Site": "cross-site", "Authorization": "Bearer gt_x"},
}
OWN = {
    "same-origin": {"Sec-Fetch-Site": "same-origin"},
    "an old browser from here": {"Sec-Fetch-Site": "", "Origin": ORIGIN},
}


def headers_of(case: dict[str, str]) -> dict[str, str]:
    """The headers of a case; an empty one is not sent."""
    return {name: value for name, value in case.items() if value}


@pytest.mark.parametrize("case", FOREIGN)
def test_what_another_site_sends_is_refused(fresh_world: World, case: str) -> None:
    """Whatever its body is, and before anything of it is read."""
    owner = fresh_world.browser("owner")
    del owner.headers["Sec-Fetch-Site"]
    address = f"/submissions/{fresh_world.work['owner.failed']}/appeal"
    for body in ({"data": {"text": "x"}}, {"content": '{"text":"x"}', "headers": {"Content-Type": "text/plain"}}):
        given = {**headers_of(FOREIGN[case]), **body.pop("headers", {})}  # type: ignore[dict-item]
        assert owner.post(address, headers=given, **body).status_code == 403


@pytest.mark.parametrize("case", OWN)
def test_what_our_own_pages_send_is_taken(fresh_world: World, case: str) -> None:
    """The door decides then."""
    owner = fresh_world.browser("owner")
    del owner.headers["Sec-Fetch-Site"]
    answer = owner.post("/preferences/theme", headers=headers_of(OWN[case]), data={"theme": "dark"})
    assert answer.status_code == 303


def test_no_reading_changes_anything(world: World) -> None:
    """A route that changes something has a method that other sites cannot send."""
    reading = [route for route in routes_of(world.app) if "GET" in route.methods]
    assert reading
    assert not [route.path for route in reading if route.methods & {"POST", "PUT", "PATCH", "DELETE"}]


def test_a_body_is_counted_as_it_comes(world: World) -> None:
    """With a length, without one, and with one that lies; a form has less room than a file."""
    owner = world.browser("owner")
    small = owner.post("/preferences/theme", data={"theme": "x" * (SMALL_BODY + 1)})
    assert small.status_code == 413
    assert "ไฟล์ใหญ่เกินไป" in small.text

    def endless():  # noqa: ANN202 - pieces
        for _ in range(FILE_BODY // 65536 + 2):
            yield b"x" * 65536

    address = f"/assignments/{world.assignments['r1']}/submit"
    frame = {"Content-Type": "multipart/form-data; boundary=b"}
    assert owner.post(address, content=endless(), headers=frame).status_code == 413


@pytest.mark.parametrize("address", ["/", "/sign-in", "/help", "/nothing", "/healthz"])
def test_every_answer_is_dressed(world: World, address: str) -> None:
    """Also those of errors and of strangers; private pages are kept by nobody."""
    for who in ("owner", "stranger"):
        headers = world.browser(who).get(address).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert re.fullmatch(r"req_[0-9a-f]{16}", headers["x-request-id"])
        assert "server" not in headers


def test_a_foreign_host_is_refused(world: World) -> None:
    """Nobody else's name leads to our pages."""
    assert world.browser("stranger").get("/sign-in", headers={"Host": "evil.example"}).status_code == 400


def test_next_leads_nowhere_else(world: World) -> None:
    """An address to go on to is one of ours."""
    stranger = world.browser("owner")
    for evil in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\n/evil"):
        answer = stranger.post("/preferences/theme", data={"theme": "dark", "next": evil})
        assert answer.headers["location"] == "/", evil


def test_the_other_language_is_a_page(world: World) -> None:
    """Also of a form that came back: where it was sent to is no page, and no other server is either."""
    admin = world.browser("admin")

    def leads(answer: Any) -> str:
        found = re.search(r'href="([^"]*)" lang="(?:en|th)" hreflang=', answer.text)
        assert found is not None
        return html.unescape(found[1])

    assert leads(admin.get("/help?a=%C3%A9&lang=th&b=")) == "/help?a=%C3%A9&b=&lang=en"
    assert leads(admin.get(f"{ORIGIN}//evil.example/")) == "/evil.example/?lang=en"
    sent = "/admin/accounts"
    for referer, page in (
        (f"{ORIGIN}/admin/accounts/new?x=1", "/admin/accounts/new?x=1&lang=en"),
        ("https://evil.example/a", "/?lang=en"),
        ("", "/?lang=en"),
    ):
        answer = admin.post(sent, data={"login": ""}, headers={"Referer": referer})
        assert answer.status_code == 422
        assert leads(answer) == page


PAYLOADS = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><svg onload=alert(1)>', "'-alert(1)-'",
    "javascript:alert(1)", "{{7*7}}", "{% raw %}", "${7*7}", "<hx-partial hx-target=body>", "<a hx-get=/x>",
    "</title><script>alert(1)</script>", "</textarea><script>", "&lt;script&gt;", "\u202e<b>", "<!--", "]]>",
]  # fmt: skip


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_somebody_typed_stays_text(fresh_world: World, payload: str) -> None:
    """An appeal and a file name, on every page that shows them."""
    owner, submission = fresh_world.browser("owner"), fresh_world.work["peer.failed"]
    peer = fresh_world.browser("peer")
    assert peer.post(f"/submissions/{submission}/appeal", data={"text": f"kept {payload}"}).status_code == 303
    signed = owner.post("/sign-in", data={"login": payload, "password": "x"})
    shown = str(markupsafe.escape(payload))
    for page in (peer.get(f"/submissions/{submission}").text, signed.text):
        assert shown in page
        assert shown == payload or payload not in page


def test_no_template_lets_markup_through() -> None:
    """Escaping is never switched off, and nothing is scripted or styled in place."""
    forbidden = {
        r"\|\s*safe\b": "safe", r"autoescape\s+false": "autoescape", r"\sstyle=": "a style attribute",
        r"\son[a-z]+=": "an event handler", r"<script(?![^>]*\ssrc=)": "an inline script", r"<style": "a style sheet",
        r"https?://(?!localhost)": "a foreign address",
    }  # fmt: skip
    found = [
        f"{path.relative_to(TEMPLATES)}: {why}"
        for path in TEMPLATES.rglob("*.html")
        for pattern, why in forbidden.items()
        if re.search(pattern, path.read_text(encoding="utf-8"))
    ]
    assert not found


def test_no_thai_outside_the_catalogues() -> None:
    """What pages say is in portal/words, where both languages stand side by side."""
    portal = TEMPLATES.parent
    files = [*portal.rglob("*.html"), *portal.rglob("*.py"), *portal.rglob("*.js")]
    assert [str(path.relative_to(portal)) for path in files if THAI.search(path.read_text(encoding="utf-8"))] == []


def test_every_word_has_both_languages_and_the_same_values() -> None:
    """A sentence that names a value names it in both."""
    from grader.reports.catalogue import placeholders  # noqa: PLC0415 - only here
    from portal.catalogue import words  # noqa: PLC0415

    assert len(words()) > 100
    for name, text in words().items():
        assert text["th"].strip(), name
        assert text["en"].strip(), name
        assert placeholders(text["th"]) == placeholders(text["en"]), name
        assert not THAI.search(text["en"]), name


def test_every_word_that_a_template_uses_is_there() -> None:
    """Names that are written out; those that are put together are tried by the pages themselves."""
    from portal.catalogue import words  # noqa: PLC0415 - only here

    used = {
        (str(path.relative_to(TEMPLATES)), name)
        for path in TEMPLATES.rglob("*.html")
        for name in re.findall(r"""_\(["']([\w.]+)["']\s*[,)]""", path.read_text(encoding="utf-8"))
    }
    assert used
    assert {one for one in used if one[1] not in words()} == set()
