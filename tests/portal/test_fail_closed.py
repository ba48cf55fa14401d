"""When something of ours breaks, nobody is let in, nothing is changed, and nothing of it is shown; the log has it."""

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from grader.errors import EnvironmentProblem
from grader.records import Appeal, AuditEntry, audit
from grader.services.accounts import links, sessions, tokens
from portal.access import door
from portal.app import create_app
from portal.settings import OidcSettings
from tests.fixtures.portal import PASSWORD, PEER_CANARY, Browser, World, free_port

CANARY = "canary-of-the-inside"
pytestmark = pytest.mark.usefixtures("lines")


def breaks(*_given: object, **_named: object) -> None:
    """What nobody expected."""
    raise RuntimeError(CANARY)


def refuses(*_given: object, **_named: object) -> None:
    """Records that cannot be reached."""
    raise EnvironmentProblem("records.unavailable", problem=CANARY)


def counted(world: World) -> tuple[int, int]:
    """How many appeals and entries of the audit there are."""
    with world.records.reading() as session:
        found = [session.scalar(select(func.count()).select_from(table)) for table in (Appeal, AuditEntry)]
    return found[0] or 0, found[1] or 0


PLACES = {
    "authorisation": (door, "allowed"),
    "where a thing belongs": (door, "_place"),
    "reading the session": (sessions, "session_of"),
}


@pytest.mark.parametrize("fault", [breaks, refuses], ids=["a fault", "no records"])
@pytest.mark.parametrize("place", PLACES)
def test_a_fault_in_a_decision_is_a_refusal(
    fresh_world: World, place: str, fault: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever decides breaks: nobody reads, nobody changes, and the next request is decided as ever."""
    mine, owner = fresh_world.browser("peer"), fresh_world.browser("owner")
    address = f"/submissions/{fresh_world.work['peer.failed']}"
    assert PEER_CANARY in mine.get(address).text
    before = counted(fresh_world)
    with monkeypatch.context() as broken:
        broken.setattr(*PLACES[place], fault)
        for answer in (
            mine.get(address),
            mine.post(f"{address}/appeal", data={"text": "ขอให้ดูอีกครั้ง"}),
            owner.get(address),
            fresh_world.browser("admin").get("/admin/accounts/acc_none"),
            mine.get(f"/api/v1{address}"),
        ):
            assert answer.status_code in {500, 503} or (place, answer.status_code) == ("where a thing belongs", 404)
            assert CANARY not in answer.text
            assert PEER_CANARY not in answer.text
    assert counted(fresh_world) == before
    assert mine.get(address).status_code == 200
    assert owner.get(address).status_code == 404


def test_a_fault_in_reading_a_token_is_a_refusal(fresh_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program is nobody then, and never whoever its cookie says."""
    owner = fresh_world.browser("owner")
    monkeypatch.setattr(tokens, "verify", breaks)
    answer = owner.get("/api/v1/me", headers={"Authorization": "Bearer gt_x"})
    assert answer.status_code == 500
    assert fresh_world.accounts["owner"].id not in answer.text


@pytest.mark.parametrize("fault", [breaks, refuses], ids=["a fault", "no records"])
def test_a_change_that_cannot_be_noted_is_not_made(
    fresh_world: World, fault: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its entry in the audit nothing happens: no appeal, no account, no session."""
    links.use(
        fresh_world.records,
        secret=links.make(fresh_world.records, account=fresh_world.accounts["owner"].id, by="admin"),
        password=PASSWORD,
    )
    peer, before = fresh_world.browser("peer"), counted(fresh_world)
    address = f"/submissions/{fresh_world.work['peer.failed']}/appeal"
    with monkeypatch.context() as broken:
        broken.setattr(audit, "append", fault)
        appealed = peer.post(address, data={"text": "ขอให้ดูอีกครั้ง"})
        signed = fresh_world.browser("stranger").post("/sign-in", data={"login": "owner", "password": PASSWORD})
    for answer in (appealed, signed):
        assert answer.status_code in {500, 503}
        assert CANARY not in answer.text
        assert "__Host-sid" not in answer.headers.get("set-cookie", "")
    assert counted(fresh_world) == before
    assert peer.post(address, data={"text": "ขอให้ดูอีกครั้ง"}).status_code == 303


def test_a_fault_shows_nothing(fresh_world: World, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page has the name of the request and no other word of it; the log has the rest, and the process goes on."""
    monkeypatch.setattr(door, "allowed", breaks)
    for address, kind in (("/", "text/html"), ("/api/v1/me", "application/problem+json")):
        answer = fresh_world.browser("owner").get(address)
        assert answer.status_code == 500
        assert kind in answer.headers["content-type"]
        name = answer.headers["x-request-id"]
        assert name in answer.text
        for inside in (CANARY, "Traceback", "RuntimeError", "portal/", "site-packages"):
            assert inside not in answer.text
        faults = [one for one in map(json.loads, lines.getvalue().splitlines()) if one["event"] == "fault"]
        assert [CANARY in one["exception"] for one in faults if one["request"] == name] == [True]
    monkeypatch.undo()
    assert fresh_world.browser("owner").get("/").status_code == 200


# -- the log ----------------------------------------------------------------------------------------------------------


def test_no_way_in_leaves_a_secret_in_the_log(fresh_world: World, lines: io.StringIO) -> None:
    """Every way to come in and to prove oneself, right and wrong: nothing that opens a door stands in any line."""
    records, account = fresh_world.records, fresh_world.accounts["owner"].id
    settings = replace(
        fresh_world.settings,
        oidc=OidcSettings(
            issuer=f"http://127.0.0.1:{free_port()}", client_id="c", client_secret="canary-of-the-client", label="x"
        ),
    )
    app = create_app(records, settings)
    stranger, link = Browser(app), links.make(records, account=account, by="admin")
    typed = ["canary-wrong-password", "canary-new-password-long", "canary-login-that-is-a-password", "canary-code"]
    wrong, new, login, code = typed
    stranger.get(f"/link/{link}")
    stranger.post(f"/link/{link}", data={"password": PASSWORD})
    stranger.post("/sign-in", data={"login": login, "password": wrong})
    stranger.post("/sign-in", data={"login": "owner", "password": wrong})
    signed = stranger.post("/sign-in", data={"login": "owner", "password": PASSWORD})
    cookie = re.search(r"__Host-sid=([^;]+)", signed.headers["set-cookie"])
    assert cookie
    owner = Browser(app, cookie[1])
    owner.post("/password", data={"password": wrong, "new": new})
    owner.post("/password", data={"password": PASSWORD, "new": new})
    made = owner.post("/tokens", data={"name": "t", "scopes": ["read"], "days": "30"})
    token = re.search(r"gt_[\w-]+", made.text)
    for bearer in (token[0] if token else "gt_canary-token-0123456789", "canary-no-token"):
        stranger.get("/api/v1/me", headers={"Authorization": f"Bearer {bearer}"})
    stranger.get("/sign-in/oidc")
    stranger.get(f"/sign-in/oidc/callback?code={code}&state=canary-state")
    owner.post("/confirm", data={"typed": wrong, "code": code})
    owner.post("/sign-out")
    written = lines.getvalue()
    assert written.count('"event": "request"') >= 14
    hidden = [link, PASSWORD, cookie[1], *typed, "canary-state", "canary-of-the-client", "canary-no-token", "gt_"]
    assert [one for one in hidden if one in written] == []


def test_every_way_in_is_noted(fresh_world: World, lines: io.StringIO) -> None:
    """Who came in, in the audit, with how; who did not, in the log, with the account and the network."""
    records, account = fresh_world.records, fresh_world.accounts["owner"].id
    links.use(records, secret=links.make(records, account=account, by="admin"), password=PASSWORD)
    stranger = fresh_world.browser("stranger")
    stranger.post("/sign-in", data={"login": "owner", "password": "wrong-password"})
    stranger.post("/sign-in", data={"login": "owner", "password": PASSWORD})
    sessions.open(records, account=account)
    with records.reading() as session:
        signed = session.scalars(select(AuditEntry).where(AuditEntry.action == "account.signed_in")).all()
    ways = [one.after["way"] for one in signed if one.object == account and isinstance(one.after, dict)]
    assert {"password", "identity"} <= set(ways)
    failed = [json.loads(one) for one in lines.getvalue().splitlines() if "sign-in failed" in one]
    assert len(failed) == 1


def test_what_is_refused_is_in_the_log(fresh_world: World, lines: io.StringIO) -> None:
    """Each refusal is a line with status, route and account: what somebody tried can be counted."""
    answers = [
        fresh_world.browser("peer").get(f"/submissions/{fresh_world.work['owner.failed']}"),
        fresh_world.browser("peer").get("/admin/accounts"),
        fresh_world.browser("stranger").get("/api/v1/me"),
    ]
    assert [answer.status_code for answer in answers] == [404, 403, 401]
    seen = [json.loads(one) for one in lines.getvalue().splitlines()]
    found = [(one["status"], one["route"], one["account"]) for one in seen if one["event"] == "request"]
    peer = fresh_world.accounts["peer"].id
    assert found == [(404, "/submissions/{submission}", peer), (403, "/admin/accounts", peer), (401, "/api/v1/me", "")]


def test_what_another_site_sent_is_in_the_log(fresh_world: World, lines: io.StringIO) -> None:
    """Also what was refused before any route was looked for."""
    fresh_world.browser("owner").post("/sign-out", headers={"Sec-Fetch-Site": "cross-site"})
    (line,) = [one for one in map(json.loads, lines.getvalue().splitlines()) if one["event"] == "request"]
    assert (line["status"], line["method"]) == (403, "POST")
