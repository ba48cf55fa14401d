"""Every screen in both languages, both colour schemes, on a phone and on a desk: whole, readable, valid, and only ours.

A screen is loaded once a language; colours and width change under it, as they do for somebody who turns a phone.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page

from tests.fixtures.browser import OUTPUT, guarded, served, signed_in
from tests.fixtures.portal import World
from tests.fixtures.portal_kpi import Office

VALIDATOR: Final = Path(__file__).parent / "html_validate"
REFRESHES: Final = re.compile("live|state-(running|waiting)")
"""Pages that load themselves again where scripts are off."""
WIDTHS = (360, 1200)
AXE: Final = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    "rules": {"target-size": {"enabled": True}},  # 24 px, which axe leaves out unless asked
    "resultTypes": ["violations"],  # what else was looked at need not be told
}
COLOURS: Final = {
    "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
    "resultTypes": ["violations"],
}
"""All that can be wrong in another scheme when nothing is in the first: what stands where is the same."""
PLACES: Final = {
    "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block", "target-size"]},
    "resultTypes": ["violations"],
}
"""All that can be wrong on a narrow page in the other language when nothing is on a wide one: what stands on what."""
UNSEEN: Final = """() => {
  const wrong = [], looked = new Set();
  for (const one of document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")) {
    const kind = [one.tagName, one.type, one.className, one.parentElement.tagName, one.parentElement.className].join();
    if (looked.has(kind)) continue;
    if (!one.checkVisibility({visibilityProperty: true}) || one.type === "hidden" || one.tabIndex < 0) continue;
    looked.add(kind);
    one.focus({focusVisible: true});
    const style = getComputedStyle(one), name = one.outerHTML.slice(0, 120);
    if (document.activeElement !== one) { wrong.push("takes no focus: " + name); continue; }
    if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 3) wrong.push("focus not seen: " + name);
  }
  document.activeElement.blur(); scrollTo(0, 0);
  return wrong.concat(looked.size > 2 ? [] : ["too little to look at"]);
}"""
"""One of each kind of thing that takes the focus shows it."""
SCREENS = {
    "sign-in": ("stranger", "/sign-in"),
    "help": ("owner", "/help"),
    "not-found": ("owner", "/nothing"),
    "home": ("owner", "/"),
    "home-of-nobody": ("nobody", "/"),
    "home-of-staff": ("coordinator", "/"),
    "exercise": ("owner", "/assignments/{r1}"),
    "checks": ("owner", "/assignments/{r1}/checks"),
    "requests": ("owner", "/assignments/{r1}/requests"),
    "history": ("owner", "/assignments/{r1}/history"),
    "submit": ("owner", "/assignments/{r1}/submit"),
    "live": ("owner", "/submissions/{owner.waiting}/live"),
    "cancel": ("owner", "/submissions/{owner.waiting}/cancel"),
    "fetch-refused": ("owner", "/fetches/{owner.fetch}"),
    "report-failed": ("owner", "/submissions/{owner.failed}"),
    "report-passed": ("other", "/submissions/{other.passed}"),
    "sessions": ("owner", "/sessions"),
    "password": ("owner", "/password"),
    "my-data": ("owner", "/my-data"),
    "privacy": ("owner", "/privacy"),
    "rounds": ("instructor", "/rounds"),
    "round": ("instructor", "/rounds/r1"),
    "roster": ("coordinator", "/rounds/r1/roster"),
    "review": ("instructor", "/review/{owner.failed}"),
    "review-code": ("instructor", "/review/{owner.failed}/files"),
    "round-checks": ("instructor", "/rounds/r1/checks"),
    "round-exercises": ("coordinator", "/rounds/r1/assignments"),
    "round-certificates": ("coordinator", "/rounds/r1/certificates"),
    "import": ("coordinator", "/rounds/r1/roster/import"),
    "kpi": ("executive", "/kpi"),
    "kpi-definition": ("office", "/kpi/definition/2570?passage=owner"),
    "admin-certifiers": ("admin", "/admin/certifiers"),
    "tokens": ("owner", "/tokens"),
    "second-factor": ("instructor", "/second-factor"),
    "second-factor-new": ("instructor", "/second-factor/new"),
    "confirm": ("instructor", "/confirm"),
    "confirmed": ("instructor", "/confirm/done"),
    "my-certificates": ("owner", "/certificates"),
    "exercises": ("instructor", "/exercises"),
    "exercise-author": ("instructor", "/exercises/e1"),
    "admin": ("admin", "/admin"),
    "accounts": ("admin", "/admin/accounts"),
    "queue": ("admin", "/admin/queue"),
    "settings": ("admin", "/admin/settings"),
    "messages": ("instructor", "/exercises/e1/messages"),
    "audit": ("admin", "/admin/audit"),
}

STATES: dict[str, tuple[Any, ...]] = {
    "state-kpi": ("office", "{kpi}"),
    "state-kpi-executive": ("executive", "{kpi}"),
    "state-snapshot": ("office", "/kpi/snapshots/{work[snapshot.2]}"),
    "state-difference": ("office", "{kpi}/difference?old={work[snapshot.1]}&new={work[snapshot.2]}"),
    "state-counts": ("office", "{kpi}/counts"),
    "state-newcomer": ("newcomer", "/"),
    "state-no-certificates": ("newcomer", "/certificates"),
    "state-empty-round": ("office", "/rounds/r4"),
    "state-empty-roster": ("office", "/rounds/r4/roster"),
    "state-no-exercises": ("office", "/rounds/r4/assignments"),
    "state-none-to-certify": ("office", "/rounds/r4/certificates"),
    "state-waiting": ("instructor", "/submissions/{work[state.waiting]}/live"),
    "state-running": ("instructor", "/submissions/{work[state.running]}/live"),
    "state-fault": ("instructor", "/submissions/{work[state.fault]}/live"),
    "state-cancelled": ("instructor", "/submissions/{work[state.cancelled]}/live"),
    "state-overridden": ("instructor", "/submissions/{work[state.overridden]}"),
    "state-queue": ("admin", "/admin/queue"),
    "state-forbidden": ("owner", "/kpi"),
    "state-broken": ("owner", "/broken"),
    "state-session-over": ("expired", "/sign-in?next=/"),
    "state-wrong-password": ("stranger", "/sign-in", {"login": "owner", "password": "ผิด"}),
    "state-nothing-uploaded": ("owner", "/assignments/{r1}/submit", {"key": "k"}),
    "state-reason-missing": ("instructor", "/review/{work[owner.failed]}/decision", {"to": "pass"}),
}
"""Somebody, an address, and the form that is sent there, if any; all in the portal of rare states."""
REFUSED: Final = {
    "not-found": 404, "state-forbidden": 403, "state-broken": 500, "state-wrong-password": 422,
    "state-nothing-uploaded": 422, "state-reason-missing": 422,
}  # fmt: skip
VIOLATIONS: Final = """async (options) => (await axe.run(options)).violations.flatMap(
  (one) => one.nodes.slice(0, 2).map((node) => [one.id, node.html]))"""
"""What axe finds wrong; the rest of what it says is long, and nobody here reads it."""
SEND: Final = """([path, fields]) => {
  const form = document.createElement("form");
  form.method = "post"; form.action = path; form.enctype = "multipart/form-data";
  for (const [name, value] of Object.entries(fields)) {
    const one = document.createElement("input");
    one.name = name; one.value = value; form.append(one);
  }
  document.body.append(form); form.submit();
}"""


@pytest.fixture(scope="module")
def address(world: World) -> Iterator[str]:
    """The portal on loopback."""
    with served(world.app) as found:
        yield found


@pytest.fixture(scope="module")
def rare(office_in_all_states: Office) -> Iterator[str]:
    """The portal of rare states on loopback."""
    with served(office_in_all_states.world.app) as found:
        yield found


@pytest.mark.parametrize("screen", [*SCREENS, *STATES])
def test_a_screen_in_every_way(screen: str, request: pytest.FixtureRequest, chromium: Chromium) -> None:
    """No violation of WCAG A or AA, no scrolling sideways, nothing asked of another server, nothing in the console."""
    who, path, form, world = _screen(screen, request)
    address = request.getfixturevalue("rare" if screen in STATES else "address")
    secret = re.sub(".*=", "", world.browser(who).headers.get("Cookie", ""))
    OUTPUT.mkdir(parents=True, exist_ok=True)
    wrong = []
    context = signed_in(chromium, address, secret, reduced_motion="reduce")
    page = context.new_page()
    complaints = guarded(page, address)
    for lang in ("th", "en"):
        page.set_viewport_size({"width": WIDTHS[0], "height": 900})
        if form is None:
            page.goto(_in(path, lang), wait_until="load")
        else:
            page.goto(_in("/sign-in" if who == "stranger" else "/help", lang), wait_until="load")
            with page.expect_navigation(wait_until="load"):
                page.evaluate(SEND, [_in(path, lang), form])
        assert page.evaluate("document.documentElement.lang") == lang
        page.evaluate(Axe().axe_script)  # once for a page as it was loaded, not for each look at it
        if page.locator("h1").count() != 1:
            wrong.append(f"{screen}-{lang}: {page.locator('h1').count()} h1")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                options = COLOURS if scheme == "dark" else PLACES if (lang, width) == ("en", WIDTHS[0]) else AXE
                wrong += [f"{screen}-{lang}-{scheme}-{width}: {one}" for one in _seen(page, options)]
                page.screenshot(path=OUTPUT / f"{screen}-{lang}-{scheme}-{width}.jpg", type="jpeg", full_page=True)
            wrong += [f"{screen}-{lang}-{width}: {one}" for one in page.evaluate(UNSEEN)]
    context.close()
    refusal = f"the server responded with a status of {REFUSED.get(screen)} "
    wrong += [f"{screen}: {one}" for one in complaints if refusal not in one]
    assert not wrong, "\n".join(wrong)


def test_axe_sees_what_is_wrong(chromium: Chromium) -> None:
    """A page with faults has them, in each of the ways in which screens are looked at."""
    page = chromium.new_page()
    page.set_content("<p style='color: #999; background: #fff'>แทบมองไม่เห็น</p><img src='data:,'>")
    page.evaluate(Axe().axe_script)
    assert {one.partition(" ")[0] for one in _seen(page, AXE)} >= {"image-alt", "color-contrast"}
    assert [{one.partition(" ")[0] for one in _seen(page, way)} for way in (COLOURS, PLACES)] == [
        {"color-contrast"}
    ] * 2
    page.close()


def _seen(page: Page, options: dict[str, Any]) -> list[str]:
    """What is wrong with a page as it stands there."""
    wrong = [f"{name} {html[:160]}" for name, html in page.evaluate(VIOLATIONS, options)]
    if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        wrong.append("scrolls sideways")
    return wrong


def test_the_html_of_every_screen_is_valid(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """As html-validate sees what is served, with the exceptions that stand beside it."""
    if not (VALIDATOR / "node_modules").is_dir() or shutil.which("node") is None:
        pytest.fail("html-validate is missing: make html-validate")
    (tmp_path / "of-the-validator.html").write_text("<p><div></div></p>")
    for screen in (*SCREENS, *STATES):
        who, path, form, world = _screen(screen, request)
        for lang in ("th", "en"):
            browser = world.browser(who)
            address = _in(path, lang)
            answer = browser.get(address) if form is None else browser.post(address, files=_multipart(form))
            if answer.is_redirect:
                answer = browser.get(answer.headers["location"])
            assert answer.status_code == REFUSED.get(screen, 200), screen
            (tmp_path / f"{screen}-{lang}.html").write_text(answer.text)
    told = subprocess.run(
        ["node", VALIDATOR / "validate.mjs", tmp_path], capture_output=True, check=True, text=True, timeout=120
    )
    wrong = json.loads(told.stdout)
    assert "of-the-validator.html" in {one["page"] for one in wrong}, "it sees nothing"
    wrong = [
        one for one in wrong if one["page"] != "of-the-validator.html" and not (
            one["rule"] == "meta-refresh" and REFRESHES.match(one["page"])
        )
    ]  # fmt: skip
    assert not wrong, "\n".join(f"{one['page']}:{one['line']} {one['rule']} {one['message']}" for one in wrong)


def _screen(screen: str, request: pytest.FixtureRequest) -> tuple[str, str, dict[str, str] | None, World]:
    """Who looks, where, what is sent there, and the portal."""
    if screen in SCREENS:
        world: World = request.getfixturevalue("world")
        who, path = SCREENS[screen]
        return (
            who,
            path.format(**world.assignments, owner=Dotted(world, "owner"), other=Dotted(world, "other")),
            None,
            world,
        )
    office: Office = request.getfixturevalue("office_in_all_states")
    who, path, *form = STATES[screen]
    path = path.format(**office.world.assignments, work=office.world.work, kpi=office.address)
    return who, path, form[0] if form else None, office.world


def _in(path: str, lang: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}lang={lang}"


def _multipart(form: dict[str, str]) -> dict[str, tuple[None, str]]:
    return {name: (None, value) for name, value in form.items()}


class Dotted:
    """Lets a format string say ``{owner.failed}``."""

    def __init__(self, world: World, who: str) -> None:
        self._world, self._who = world, who

    def __getattr__(self, what: str) -> str:
        return self._world.work[f"{self._who}.{what}"]
