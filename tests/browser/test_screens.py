"""Every screen in both languages, both colour schemes, on a phone and on a desk: whole, readable, and only ours."""

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser as Chromium

from tests.fixtures.browser import OUTPUT, guarded, served, signed_in
from tests.fixtures.portal import World

WIDTHS = (360, 1200)
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
    "report-failed": ("owner", "/submissions/{owner.failed}"),
    "report-passed": ("other", "/submissions/{other.passed}"),
    "sessions": ("owner", "/sessions"),
    "rounds": ("instructor", "/rounds"),
    "round": ("instructor", "/rounds/r1"),
    "roster": ("coordinator", "/rounds/r1/roster"),
    "review": ("instructor", "/review/{owner.failed}"),
    "round-checks": ("instructor", "/rounds/r1/checks"),
    "round-exercises": ("coordinator", "/rounds/r1/assignments"),
    "round-certificates": ("coordinator", "/rounds/r1/certificates"),
    "import": ("coordinator", "/rounds/r1/roster/import"),
    "kpi": ("executive", "/kpi"),
    "tokens": ("owner", "/tokens"),
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


@pytest.fixture(scope="module")
def address(world: World) -> Iterator[str]:
    """The portal on loopback."""
    with served(world.app) as found:
        yield found


@pytest.mark.parametrize("screen", SCREENS)
def test_a_screen_in_every_way(screen: str, world: World, address: str, chromium: Chromium) -> None:
    """No violation of WCAG A or AA, no scrolling sideways, nothing asked of another server, nothing in the console."""
    who, path = SCREENS[screen]
    secret = re.sub(".*=", "", world.browser(who).headers.get("Cookie", ""))
    path = path.format(**world.assignments, owner=Dotted(world, "owner"), other=Dotted(world, "other"))
    OUTPUT.mkdir(parents=True, exist_ok=True)
    wrong = []
    for scheme in ("light", "dark"):
        for width in WIDTHS:
            context = signed_in(
                chromium, address, secret, viewport={"width": width, "height": 900}, color_scheme=scheme
            )
            page = context.new_page()
            complaints = guarded(page, address)
            for lang in ("th", "en"):
                name = f"{screen}-{lang}-{scheme}-{width}"
                page.goto(f"{path}?lang={lang}", wait_until="load")
                assert page.evaluate("document.documentElement.lang") == lang
                found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
                wrong += [
                    f"{name}: {one['id']} {one['nodes'][0]['html'][:200]}" for one in found.response["violations"]
                ]
                if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                    wrong.append(f"{name}: scrolls sideways")
                if page.locator("h1").count() != 1:
                    wrong.append(f"{name}: {page.locator('h1').count()} h1")
                page.screenshot(path=OUTPUT / f"{name}.png", full_page=True)
            expected = {"console Failed to load resource: the server responded with a status of 404 (Not Found)"}
            wrong += [f"{screen}: {one}" for one in complaints if screen != "not-found" or one not in expected]
            context.close()
    assert not wrong, "\n".join(wrong)


class Dotted:
    """Lets a format string say ``{owner.failed}``."""

    def __init__(self, world: World, who: str) -> None:
        self._world, self._who = world, who

    def __getattr__(self, what: str) -> str:
        return self._world.work[f"{self._who}.{what}"]
