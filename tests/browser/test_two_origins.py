"""No other origin can act for somebody who is signed in here: a hostile page in a real browser changes nothing.

The portal is ``127.0.0.1`` with a port. ``localhost`` is another site, which Fetch Metadata calls ``cross-site`` and to
which no cookie goes; another port of ``127.0.0.1`` is the same site, to which every cookie goes.
"""

import html
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext
from sqlalchemy import select
from starlette.responses import HTMLResponse

from grader.records import Base, Records, create_records
from portal.middleware import OwnRequests
from tests.fixtures.browser import served, signed_in
from tests.fixtures.portal import PASSWORD, World, build_world

UPKEEP: Final = frozenset({"throttle", "worker"})
"""Tables in which reading, too, leaves something."""
SEEN: Final = frozenset({("portal_session", "seen_at"), ("api_token", "last_used_at")})


class Counted:
    """The portal, counting what it has answered: what a browser tells of frames and beacons comes late, or never."""

    def __init__(self, app: FastAPI) -> None:
        self.app, self.answered = app, 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on."""
        await self.app(scope, receive, send)
        self.answered += scope["type"] == "http"


@dataclass(frozen=True, kw_only=True)
class Target:
    """A portal of one's own, and pages that mean harm: of another site, and of the same with another port."""

    world: World
    address: str
    pages: dict[str, str]
    evil: dict[str, str]
    portal: Counted

    @property
    def appeal(self) -> str:
        """An address whose form changes something of the owner's."""
        return f"{self.address}/submissions/{self.world.work['owner.failed']}/appeal"


def state(records: Records) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that is kept, but when somebody was last seen."""
    with records.reading() as session:
        return {
            table.name: sorted(
                repr([value for name, value in row._mapping.items() if (table.name, name) not in SEEN])
                for row in session.execute(select(table))
            )
            for table in Base.metadata.sorted_tables
            if table.name not in UPKEEP
        }  # type: ignore[return-value]


@contextmanager
def targets(world: World) -> Iterator[Target]:
    """The portal, and the hostile pages beside it; both listen on loopback."""
    pages: dict[str, str] = {}
    evil = FastAPI()
    evil.get("/{name}")(lambda name: HTMLResponse(f"<!DOCTYPE html><title>evil</title><body>{pages[name]}"))
    portal = Counted(world.app)
    with served(portal) as address, served(evil) as here:  # type: ignore[arg-type] - an application all the same
        yield Target(
            world=world, address=address, pages=pages, portal=portal,
            evil={"another site": here.replace("127.0.0.1", "localhost"), "another port": here},
        )  # fmt: skip


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A portal that nobody but the hostile pages touches."""
    folder = tmp_path_factory.mktemp("two") / "data"
    records = create_records(folder)
    with targets(build_world(records, folder)) as found:
        yield found
    records.close()


def form(address: str, fields: dict[str, str], kind: str = "application/x-www-form-urlencoded") -> str:
    """A form that sends itself."""
    typed = "".join(
        f'<input name="{html.escape(name)}" value="{html.escape(value)}">' for name, value in fields.items()
    )
    return (
        f'<form method="post" enctype="{kind}" action="{html.escape(address)}">{typed}</form>'
        "<script>document.forms[0].submit()</script>"
    )


def fetching(address: str, options: dict[str, Any]) -> str:
    """A request from a script, with the cookies of whoever looks; what became of it stands in the title."""
    return (
        f"<script>fetch({json.dumps(address)}, {json.dumps({'credentials': 'include', **options})})"
        ".then((answer) => { document.title = `done ${answer.type}`; },"
        " () => { document.title = 'done failed'; });</script>"
    )


def sent_by_form(kind: str) -> Callable[[Target], str]:
    """An appeal in the owner's name; as text it is JSON for whoever reads it so."""
    fields = {'{"text": "evil", "a': '": "b"}'} if kind == "text/plain" else {"text": "evil evil evil evil evil"}
    return lambda target: form(target.appeal, fields, kind)


URLENCODED: Final = {"Content-Type": "application/x-www-form-urlencoded"}
ATTACKS: Final[dict[str, Callable[[Target], str]]] = {
    "a form": sent_by_form("application/x-www-form-urlencoded"),
    "a form with parts": sent_by_form("multipart/form-data"),
    "a form that is JSON": sent_by_form("text/plain"),
    "a form to the API": lambda target: form(
        f"{target.address}/api/v1/submissions/{target.world.work['owner.failed']}/appeals",
        {'{"text": "evil evil evil evil", "a': '": "b"}'},
        "text/plain",
    ),
    "a form in a frame": lambda target: (
        '<iframe name="in"></iframe>'
        + form(target.appeal, {"text": "evil evil evil evil evil"}).replace("<form", '<form target="in"')
    ),
    "a form without a referrer": lambda target: (
        '<meta name="referrer" content="no-referrer">' + form(target.appeal, {"text": "evil evil evil evil evil"})
    ),
    "a form out of a sandbox": lambda target: (
        '<iframe sandbox="allow-scripts allow-forms" srcdoc="'
        + html.escape(form(target.appeal, {"text": "evil evil evil evil evil"}))
        + '"></iframe>'
    ),
    "a script without CORS": lambda target: fetching(
        target.appeal,
        {"method": "POST", "mode": "no-cors", "body": "text=evil+evil+evil+evil+evil", "headers": URLENCODED},
    ),
    "a script with CORS": lambda target: fetching(
        f"{target.address}/tokens",
        {"method": "POST", "body": "name=evil&scopes=read&days=30", "headers": URLENCODED},
    ),
    "a script that pings": lambda target: (
        f"<script>navigator.sendBeacon({json.dumps(target.appeal)}, "
        "new URLSearchParams({text: 'evil evil evil evil'}))</script>"
    ),
    "another method": lambda target: fetching(target.appeal, {"method": "PUT", "body": "text=evil"}),
    "reading what changes": lambda target: "".join(
        f'<img src="{one}"><link rel="stylesheet" href="{one}">'
        for one in (
            f"{target.appeal}?text=evil+evil+evil+evil",
            f"{target.address}/sign-out",
            f"{target.address}/tokens?name=evil&scopes=read&days=30",
            f"{target.address}/preferences/theme?theme=dark",
        )
    ),
    "signing out": lambda target: form(f"{target.address}/sign-out", {}),
    "signing in as somebody else": lambda target: form(
        f"{target.address}/sign-in", {"login": "peer", "password": PASSWORD}
    ),
    "the colours": lambda target: form(f"{target.address}/preferences/theme", {"theme": "dark"}),
}


@contextmanager
def owner(target: Target, chromium: Chromium) -> Iterator[BrowserContext]:
    """The owner's browser, signed in."""
    secret = target.world.browser("owner").headers["Cookie"].partition("=")[2]
    context = signed_in(chromium, target.address, secret)
    yield context
    context.close()


def strike(target: Target, context: BrowserContext, where: str, attack: str) -> None:
    """Let the owner come upon the hostile page, and wait until it has done what it does."""
    target.pages["page"] = ATTACKS[attack](target)
    page = context.new_page()
    before = target.portal.answered
    page.goto(f"{target.evil[where]}/page", wait_until="load")
    for _ in range(200):
        if target.portal.answered > before:
            break
        page.wait_for_timeout(50)
    page.wait_for_timeout(150)
    assert target.portal.answered > before, f"{attack}: nothing came to the portal"
    page.close()


@pytest.mark.parametrize("where", ["another site", "another port"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_changes(target: Target, chromium: Chromium, attack: str, where: str) -> None:
    """Whatever it sends, and however: the records, the session and the cookies are what they were."""
    before = state(target.world.records)
    with owner(target, chromium) as context:
        cookies = context.cookies(target.address.replace("http:", "https:"))
        strike(target, context, where, attack)
        assert context.cookies(target.address.replace("http:", "https:")) == cookies
        page = context.new_page()
        page.goto(f"{target.address}/sessions")
        assert page.url.endswith("/sessions"), "the session ended"
    after = state(target.world.records)
    assert {name for name in before if before[name] != after[name]} == set()


def test_without_the_middleware_it_would(tmp_path: Any, chromium: Chromium) -> None:
    """The same page at the same portal without what looks at where requests come from: an appeal that nobody wrote."""
    records = create_records(tmp_path / "data")
    world = build_world(records, tmp_path / "data")
    open_app = world.app
    open_app.user_middleware = [one for one in open_app.user_middleware if one.cls is not OwnRequests]
    changed = {}
    with targets(world) as target, owner(target, chromium) as context:
        for attack in ("a form", "the colours", "a script with CORS"):
            before = state(records)
            had = context.cookies(target.address)
            strike(target, context, "another port", attack)
            after = state(records)
            changed[attack] = {name for name in before if before[name] != after[name]}
            changed[attack] |= {"cookies"} if context.cookies(target.address) != had else set()
    records.close()
    assert "api_token" in changed["a script with CORS"], changed
    assert "cookies" in changed["the colours"], changed


@pytest.mark.parametrize("where", ["another site", "another port"])
def test_no_page_is_framed_or_held(target: Target, chromium: Chromium, where: str) -> None:
    """No frame shows a page of ours, no window that was opened on one is held, and no answer can be read."""
    with owner(target, chromium) as context:
        framed = f"{target.address}/help"
        target.pages["frame"] = f'<iframe src="{framed}"></iframe><object data="{framed}"></object>'
        page = context.new_page()
        page.goto(f"{target.evil[where]}/frame", wait_until="load")
        page.wait_for_timeout(300)
        assert len(page.frames) > 1
        assert [one.url for one in page.frames[1:] if one.locator("header.site").count()] == []
        target.pages["opener"] = f"<button onclick=\"window.held = window.open('{target.address}/')\">a</button>"
        page.goto(f"{target.evil[where]}/opener", wait_until="load")
        with context.expect_page() as opened:
            page.click("button")
        opened.value.wait_for_load_state()
        assert opened.value.evaluate("window.opener") is None
        assert page.evaluate("window.held.closed") is True
        target.pages["read"] = fetching(f"{target.address}/", {})
        page.goto(f"{target.evil[where]}/read", wait_until="load")
        page.wait_for_function("document.title.startsWith('done')")
        assert page.title() == "done failed"
