"""No text of anybody becomes script: every payload in every place where somebody's text reaches a reader.

Here everything that is kept and shown; :mod:`tests.browser.test_hostile_input` sends it. Which pages there are is asked
of the application: a new one is tried without a word here, or fails until :mod:`tests.fixtures.hostile` knows what may
lead to it.
"""

import html
import re
from collections.abc import Callable

from fastapi import FastAPI
from playwright.sync_api import Browser as Chromium
from starlette.responses import HTMLResponse

from portal import middleware
from tests.fixtures.browser import served
from tests.fixtures.hostile_portal import ELSEWHERE, NO_PAGE, PERSON, Portal, addresses, pages_of, people_of
from tests.fixtures.injection import watching
from tests.fixtures.payloads import PAYLOADS, RAW
from tests.fixtures.portal import routes_of

# -- the payloads -----------------------------------------------------------------------------------------------------


def test_each_payload_is_one(chromium: Chromium) -> None:
    """Where nothing is escaped each of them is noticed, by its own name; where everything is, none."""
    app = FastAPI()
    raw = ["<!DOCTYPE html>" + RAW[one.live](one.text) for one in PAYLOADS]
    escaped = "".join(f'<p title="{html.escape(one.text)}">{html.escape(one.text)}</p>' for one in PAYLOADS)
    app.get("/raw/{number}")(lambda number: HTMLResponse(raw[int(number)]))
    app.get("/escaped")(lambda: HTMLResponse(f"<!DOCTYPE html>{escaped}"))
    with served(app) as address:
        watch = watching(chromium, address, policy=False)[1]
        silent = []
        for number, one in enumerate(PAYLOADS):
            watch.visit(f"/raw/{number}")
            if not any(one.name in found for found in watch.found):
                silent.append(f"{one.name} ({one.live}) {one.text}")
            watch.found.clear()
            if "refresh" in one.text:  # it goes on leading away from whatever comes next
                watch.close()
                watch = watching(chromium, address, policy=False)[1]
        watch.close()
        watch = watching(chromium, address, policy=False)[1]
        watch.visit("/escaped")
        harmless = watch.found
        watch.close()
    assert silent == []
    assert harmless == []
    assert len(PAYLOADS) >= 60


def test_the_policy_would_stop_them(chromium: Chromium) -> None:
    """A page that escapes nothing, with our headers: nothing runs, and the browser says that it stopped something."""
    app = FastAPI()
    page = "<!DOCTYPE html><script>hit('ran')</script><img src=x onerror=hit('ran')><p style='color:red'>a</p>"
    app.get("/")(lambda: HTMLResponse(page, headers={"Content-Security-Policy": middleware.POLICY}))
    with served(app) as address:
        for enforced in (True, False):
            watch = watching(chromium, address, policy=enforced)[1]
            watch.visit("/")
            assert any(one.endswith(": ran ran") for one in watch.found) is not enforced
            assert any("ran policy" in one for one in watch.found) is enforced
            watch.close()


# -- pages ------------------------------------------------------------------------------------------------------------


def test_every_page(portal: Portal, record_property: Callable[[str, object], None]) -> None:
    """Every page of every kind of person, with payloads in all that is shown, in a browser that obeys no policy."""
    tabs = {who: portal.tab(who) for who in dict.fromkeys(PERSON.values())}
    unseen = []
    for route in pages_of(portal.hostile):
        seen = route.path in ELSEWHERE
        # Two kinds of people look at the first of a kind, which has all payloads at once; one at each other.
        first, *others = addresses(portal.hostile, route)
        both = people_of(route)
        for address, who in [(first, one) for one in both] + [(other, both[-1]) for other in others]:
            answer = tabs[who].visit(address)
            assert answer is not None
            assert answer.status < 500, address
            seen |= answer.status == 200
        unseen += [route.path] * (not seen)
    found = [one for watch in tabs.values() for one in watch.found]
    pages = sum(watch.pages for watch in tabs.values())
    for watch in tabs.values():
        watch.close()
    counted = f"{len(PAYLOADS)} payloads × {len(portal.hostile.columns)} columns, findings, briefs: {pages} pages"
    record_property("hostile_text", counted)
    print(counted)  # noqa: T201 - to be read with -s or -rP
    assert found == [], "\n".join(found)
    assert unseen == [], "pages that nobody here comes to"


def test_what_is_no_page(portal: Portal) -> None:
    """Files and answers to programs are never taken for pages, whatever their names and contents are."""
    looked = 0
    for route in routes_of(portal.hostile.world.app):
        if "GET" not in route.methods or not NO_PAGE.search(route.path) or route.path.endswith("/events"):
            continue
        names = re.findall(r"\{(\w+)", route.path)
        if any(name not in portal.hostile.filled for name in names):
            continue
        for who in people_of(route):
            for address in addresses(portal.hostile, route)[:3]:
                if address.endswith(".pdf") and address.split("/")[2] == portal.hostile.filled["submission"][0]:
                    continue  # with all payloads in every value it is a book, and takes a minute to lay out
                answer = portal.hostile.world.browser(who).get(address)
                assert answer.status_code < 500, address
                looked += answer.status_code == 200
                kept = answer.headers
                assert kept["x-content-type-options"] == "nosniff"
                kind = kept.get("content-type", "")
                page = kind.startswith("text/html") and answer.status_code == 200
                saved = kept.get("content-disposition", "")
                assert not page or saved.startswith("attachment;"), address
                if saved:
                    assert kept["content-security-policy"].startswith("sandbox; default-src 'none'")
                    assert re.fullmatch(r"attachment; filename=\"[\w.-]*\"; filename\*=UTF-8''[\w.%~-]*", saved), saved
                if not saved and answer.status_code == 200:
                    assert kind.startswith(("application/json", "text/plain", "application/vnd.oai")), kind
    assert looked > 20


def test_a_report_that_was_saved(portal: Portal) -> None:
    """The one file that people send on is opened without our headers: nothing in it runs there, either."""
    victim, first = portal.hostile.world.browser("instructor"), portal.hostile.filled["submission"]
    pages = [victim.get(f"/submissions/{one}/report.html") for one in first[:1] + first[2:4]]
    app = FastAPI()
    app.get("/{number}")(lambda number: HTMLResponse(pages[int(number)].text))
    with served(app) as address:
        watch = watching(portal.chromium, address, policy=False)[1]
        for number, page in enumerate(pages):
            assert page.status_code == 200
            assert "hit(" in page.text
            watch.visit(f"/{number}")
        found = [one for one in watch.found if "became <style> in <style>" not in one and "/favicon.ico" not in one]
        styles = watch.page.locator("style").count()
        watch.close()
    assert found == [], "\n".join(found)
    assert styles == 1
