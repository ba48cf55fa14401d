"""What stands between a change and the world: routes that nobody saw, and refusals that nobody noted."""

import io
import json
import logging
from typing import Any

import structlog
from fastapi import APIRouter, Depends

from grader.services.accounts.throttling import network_of
from portal import inventory
from portal.access.door import Allow
from tests.fixtures.portal import HOME, Browser, World, routes_of
from tests.portal.test_api import Program

# -- routes -----------------------------------------------------------------------------------------------------------


def test_the_list_of_routes_is_the_one_in_the_documents() -> None:
    """A route that appears, disappears, or gets another door is seen by whoever reads the change."""
    assert (HOME / "docs" / "routes.md").read_text("utf-8") == inventory.page(), "run python -m portal.inventory"


def test_the_list_has_every_route_of_the_application(world: World) -> None:
    """Also those that a router includes, each with all its methods."""
    listed = {tuple(line.split(" | ")[:2]) for line in inventory.lines()}
    assert listed == {(f"| {method}", f"`{route.path}`") for route in routes_of(world.app) for method in route.methods}
    assert len(listed) > 150


def test_a_route_more_is_a_line_more() -> None:
    """With its action, who may do it, and its limit; one without a door says so."""
    made = APIRouter()
    made.add_api_route("/new/{submission}", lambda: None, methods=["POST"], dependencies=[
        Depends(Allow("submission.download", limit="downloads"))
    ])  # fmt: skip
    made.add_api_route("/open", lambda: None)
    assert list(inventory.lines([made])) == [
        "| POST | `/new/{submission}` | `submission.download` | coordinator, instructor, owner |  |  | downloads |",
        "| GET | `/open` | – | anyone | | |  |",
    ]


# -- the log ----------------------------------------------------------------------------------------------------------


def seen(lines: io.StringIO, event: str) -> list[dict[str, Any]]:
    """The lines of an event; a line that is no JSON fails."""
    return [one for one in map(json.loads, lines.getvalue().splitlines()) if one["event"] == event]


def test_who_fails_to_come_in_is_noted(fresh_world: World, lines: io.StringIO) -> None:
    """With the request, the account where there is one, and the network; never with what was typed."""
    stranger = fresh_world.browser("stranger")
    for login in ("owner", "canary-of-nobody"):
        answer = stranger.post("/sign-in", data={"login": login, "password": "canary-of-the-password"})
        (line,) = seen(lines, "sign-in failed")
        assert line["request"] == answer.headers["x-request-id"]
        assert line["account"] == (fresh_world.accounts["owner"].id if login == "owner" else "")
        assert line["network"] == network_of("127.0.0.1") == "127.0.0.0/24"
        assert line["level"] == "warning"
        assert line["timestamp"].endswith("Z")
        assert "canary" not in lines.getvalue()
        lines.truncate(0)
        lines.seek(0)


def test_who_is_kept_out_is_noted(fresh_world: World, lines: io.StringIO) -> None:
    """What somebody may not do, may not know of, lacks the scope for, or has no token for: one line of its own each."""
    peer, work = fresh_world.browser("peer"), fresh_world.work["owner.failed"]
    stranger = fresh_world.browser("stranger")
    account = fresh_world.accounts["peer"].id
    tries = [
        (peer.get(f"/submissions/{work}"), {"status": 404, "action": "submission.read", "thing": work}),
        (peer.get("/submissions/sub_canary"), {"status": 404, "action": "submission.read", "thing": ""}),
        (peer.get("/admin/accounts"), {"status": 403, "action": "account.change"}),
        (Program(fresh_world, "peer", "read").hand_in("asg_" + "0" * 16, "k"), {"status": 403}),
        (stranger.get("/api/v1/me"), {"status": 401, "code": "api.sign_in", "account": ""}),
        (stranger.get("/api/v1/me", headers={"Authorization": "Bearer gt_canary"}), {"code": "api.token"}),
        (stranger.get("/sign-in", headers={"Host": "canary.example"}), {"status": 400, "code": "portal.host"}),
        (peer.post("/sign-out", headers={"Sec-Fetch-Site": "cross-site"}), {"code": "portal.elsewhere"}),
    ]
    noted = {one["request"]: one for one in seen(lines, "denied")}
    assert len(noted) == len(tries)
    for answer, facts in tries:
        line = noted[answer.headers["x-request-id"]]
        assert {name: line[name] for name in facts} == facts
        assert line["account"] in {account, ""}
    assert "canary" not in lines.getvalue()
    assert [one["account"] for one in noted.values()][:4] == [account] * 4


def test_what_is_allowed_is_no_denial(fresh_world: World, lines: io.StringIO) -> None:
    """Whoever watches for them is not woken for nothing; a page that does not exist is none either."""
    owner = fresh_world.browser("owner")
    for address in ("/", f"/submissions/{fresh_world.work['owner.failed']}", "/help", "/nothing"):
        owner.get(address)
    assert len(seen(lines, "request")) == 4
    assert seen(lines, "denied") == []


def test_signs_that_move_a_terminal_are_escaped(world: World, lines: io.StringIO) -> None:
    """Whatever comes into a line stays one line, and one that a terminal shows as it is."""
    evil = 'a\r\n{"event": "denied"}\x1b[2J\x00\x9b\u202e\u2028งาน'
    logging.getLogger("somewhere").warning("said %s", evil, extra={"more": evil})
    structlog.get_logger("portal").warning("noted", what=evil, inside={"key": [evil]})
    Browser(world.app).get("/%0d%0a%1b%5b2J%e2%80%ae", headers={"User-Agent": "a\x1b[2J"})
    written = lines.getvalue()
    assert written.count("\n") == 3
    assert not [one for one in written if one != "\n" and not one.isprintable()]
    first, second, third = (json.loads(line) for line in written.splitlines())
    assert (first["event"], first["more"]) == (f"said {evil}", evil)
    assert (second["what"], second["inside"]) == (evil, {"key": [evil]})
    assert third["route"] == "unmatched"
