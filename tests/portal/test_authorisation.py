"""Who may do what, asked of every route there is: the table is compared with what really happens, cell by cell.

The routes are read from the application, so that one that was forgotten here fails here. What each of us may do stands
below once more, by hand: a slip in the program's own table cannot hide itself.
"""

import re
from collections.abc import Iterator
from typing import Final

import pytest
from fastapi.dependencies.models import Dependant

from portal.access.door import Allow
from portal.access.places import LOCATE
from portal.access.policy import POLICY, SEES
from tests.fixtures.portal import OWNER_CANARY, PEER_CANARY, Route, World, routes_of

OPEN: Final = frozenset({"/healthz", "/version"})
"""Routes without a door: they say nothing that depends on anybody."""

WHO: Final = (
    "stranger", "owner", "peer", "other", "instructor", "instructor2", "coordinator", "office", "executive", "admin",
    "nobody",
)  # fmt: skip

ABSENT: Final = frozenset({"/sign-in/oidc", "/sign-in/oidc/callback", "/confirm/identity"})
"""Routes that do not exist where no identity provider is set; ``test_oidc`` goes them all the way."""

CHOSEN: Final = "?everyone=1&target=e1"
"""What a page about people whom somebody chose needs."""

TRAINEE: Final = {"owner", "peer", "other"}
STAFF1: Final = {"instructor", "coordinator", "office"}
"""Staff of the first round, to which all things below belong."""

EXPECTED: Final[dict[str, set[str]]] = {
    "page.read": set(WHO),
    "session.begin": set(WHO),
    "metrics.read": set(WHO),
    "account.own": set(WHO) - {"stranger"},
    "account.secure": set(WHO) - {"stranger"},
    "home.read": set(WHO) - {"stranger"},
    "assignment.read": {"owner", "peer"} | STAFF1,
    "assignment.submit": {"owner", "peer"},
    "submission.create": set(WHO) - {"stranger"},
    "fetch.create": set(WHO) - {"stranger"},
    "fetch.read": {"owner"} | STAFF1,
    "fetch.cancel": {"owner"},
    "submission.read": {"owner"} | STAFF1,
    "submission.appeal": {"owner"},
    "submission.cancel": {"owner"},
    "submission.review": STAFF1,
    "submission.remark": STAFF1,
    "submission.decide": {"instructor"},
    "submission.download": {"owner"} | STAFF1,
    "rounds.list": STAFF1 | {"instructor2"},
    "round.read": STAFF1,
    "round.change": {"coordinator", "office"},
    "round.create": {"office"},
    "round.export": STAFF1,
    "roster.read": STAFF1,
    "roster.change": {"coordinator", "office"},
    "regrade.begin": {"instructor"},
    "regrade.read": STAFF1,
    "regrade.decide": {"instructor"},
    "appeal.read": STAFF1,
    "appeal.decide": {"instructor"},
    "kpi.read": {"coordinator", "office", "executive"},
    "kpi.people": {"coordinator", "office"},
    "kpi.export": {"coordinator", "office", "executive"},
    "kpi.change": {"office"},
    "kpi.freeze": {"office"},
    "kpi.confirm": {"office", "executive"},
    "kpi.certify": {"coordinator", "office", "executive"},
    "kpi.grant": {"admin"},
    "certificate.read": {"owner"} | STAFF1,
    "certificate.list": STAFF1,
    "certificate.issue": {"coordinator", "office"},
    "certificate.revoke": {"coordinator", "office"},
    "exercise.author": STAFF1 | {"instructor2"},
    "admin.read": {"admin"},
    "account.change": {"admin"},
    "queue.read": {"admin", "coordinator", "office", "instructor", "instructor2"},
    "queue.change": {"admin"},
    "audit.read": {"admin"},
}
"""Action -> who may do it to a thing of the owner's, in the first round."""


def door_of(route: Route) -> Allow | None:
    """The door of a route, wherever among its dependencies."""
    found = [one.call for one in below(route.dependant) if isinstance(one.call, Allow)]
    assert len(found) <= 1, f"{route.path} has {len(found)} doors"
    return found[0] if found else None


def below(dependant: Dependant) -> Iterator[Dependant]:
    """A dependency and all that it depends on."""
    for one in dependant.dependencies:
        yield one
        yield from below(one)


def test_every_route_has_a_door(world: World) -> None:
    """What somebody may do is declared next to the code that does it; nothing is open by being forgotten."""
    without = {route.path for route in routes_of(world.app) if door_of(route) is None}
    assert without == OPEN


def test_a_route_names_the_thing_that_its_door_looks_at(world: World) -> None:
    """A door that finds no id in the path would judge nothing, and let in whoever has the role anywhere."""
    for route in routes_of(world.app):
        door = door_of(route)
        if door is not None and door.kind in LOCATE and "{" in route.path:
            kinds = set(re.findall(r"{(\w+)", route.path)) & set(LOCATE)
            assert not kinds or door.kind in kinds, f"{route.path} is decided by {door.kind}"


def test_the_table_is_the_one_that_was_agreed() -> None:
    """Every action of the program is in the table of this file, and no other."""
    assert set(POLICY) == set(EXPECTED)
    assert set(SEES.values()) <= set(POLICY)
    assert set(LOCATE) == set(SEES)


def cells(world: World) -> Iterator[tuple[Route, str, str]]:
    """Every route with every method and every visitor."""
    for route in routes_of(world.app):
        if door_of(route) is not None:
            for method in sorted(route.methods - {"HEAD"}):
                for who in WHO:
                    yield route, method, who


def filled(world: World, path: str) -> str:
    """The path with the owner's things in the first round; other parameters name nothing that there is."""
    things = {"submission": world.work["owner.failed"], "assignment": world.assignments["r1"], "round": "r1"}
    things["fetch"] = world.work["owner.fetch"]
    things["certificate"] = world.work["owner.certificate"]
    things["regrade"] = world.work["owner.regrade"]
    return re.sub(r"{(\w+)(?::\w+)?}", lambda match: things.get(match[1], "nothing"), path)


def rows(world: World) -> dict[str, int]:
    """How many rows each table has, but those of the machinery."""
    with world.records.reading() as session:
        tables = [t for t in type(world.accounts["owner"]).metadata.sorted_tables if t.name not in MACHINERY]
        return {table.name: len(session.execute(table.select()).all()) for table in tables}


MACHINERY: Final = frozenset({"throttle", "portal_session", "audit_checkpoint"})


@pytest.mark.parametrize("partial", [False, True], ids=["page", "partial"])
def test_what_is_refused_is_refused_everywhere(world: World, partial: bool) -> None:  # noqa: FBT001 - a parameter
    """Nobody passes a door that is not theirs; the refused learn nothing, and nothing is changed by asking."""
    before, seen, wrong = rows(world), 0, []
    headers = {"HX-Request": "true"} if partial else {}
    for route, method, who in cells(world):
        door = door_of(route)
        assert door is not None
        if who in EXPECTED[door.action]:
            continue
        seen += 1
        answer = world.browser(who)._send(method, filled(world, route.path), headers=headers)
        visible = door.kind not in LOCATE or who in EXPECTED[SEES[door.kind]]
        api = route.path.startswith("/api/")
        allowed = ({401} if api else {303}) if who == "stranger" else {403} if visible else {404}
        if "{" in route.path and door.kind not in LOCATE:
            allowed |= {404}
        if answer.status_code not in allowed:
            wrong.append(f"{method} {route.path} as {who}: {answer.status_code}, not {allowed}")
        assert OWNER_CANARY not in answer.text, (route.path, who)
        assert PEER_CANARY not in answer.text, (route.path, who)
    assert not wrong, "\n".join(wrong)
    assert rows(world) == before
    assert seen > 100


def test_what_is_allowed_is_reachable(world: World) -> None:
    """A page that somebody may read is there: a table that refuses everybody would pass the other test."""
    wrong, seen = [], 0
    for route, method, who in cells(world):
        door = door_of(route)
        assert door is not None
        path = filled(world, route.path)
        if (
            route.path in ABSENT
            or method != "GET"
            or who not in EXPECTED[door.action]
            or "nothing" in path
            or path.endswith("/events")
        ):
            continue
        seen += 1
        answer = world.browser(who).get(path + CHOSEN if "/selection/" in path else path)
        # The exercise never closes, so that nobody can be given more time for it.
        if answer.status_code not in ({422} if path.endswith("/selection/extension") else {200, 303}):
            wrong.append(f"{path} as {who}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    assert seen > 20


def test_what_is_not_there_looks_like_what_is_not_yours(world: World) -> None:
    """A peer cannot tell somebody else's submission from one that does not exist."""
    peer = world.browser("peer")
    yours, none = (peer.get(f"/submissions/{name}") for name in (world.work["owner.failed"], "sub_0000000000000000"))
    assert (yours.status_code, none.status_code) == (404, 404)
    anonymous = [re.sub(r"req_\w+|sub_\w+", "", answer.text) for answer in (yours, none)]
    assert anonymous[0] == anonymous[1]
    assert set(yours.headers) == set(none.headers)


def test_a_disabled_account_is_a_stranger(fresh_world: World) -> None:
    """From the next request on, whatever session it had."""
    from grader.services.accounts import people  # noqa: PLC0415 - only here

    owner = fresh_world.browser("owner")
    assert owner.get("/").status_code == 200
    people.disable(fresh_world.records, account=fresh_world.accounts["owner"].id, by="admin")
    assert owner.get("/").status_code == 303


def test_nobody_reads_the_canary_of_another(world: World) -> None:
    """Every page that a trainee reaches from the first one holds nothing that another's app answered."""
    for who, theirs in {"owner": PEER_CANARY, "peer": OWNER_CANARY, "other": OWNER_CANARY}.items():
        browser, seen, ahead = world.browser(who), set(), ["/"]
        while ahead and len(seen) < 200:
            address = ahead.pop()
            if address in seen or address.endswith("/events"):
                continue
            seen.add(address)
            answer = browser.get(address)
            assert theirs.encode() not in answer.content, (who, address)
            ahead += [one for one in re.findall(r'(?:href|src)="(/[^"#?]*)', answer.text) if "/static/" not in one]
        assert len(seen) > 5
    assert OWNER_CANARY in world.browser("owner").get(f"/submissions/{world.work['owner.failed']}").text
