"""The probe's handle of a REST agency, against a real one on loopback: whose fault is what, and what scenarios get."""

import http.server
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest

from grader.errors import InfrastructureFault, PackInvalid
from grader.packs.world import World
from grader.probe.agencies import AgencyHandle, InMemoryAgency, PostgresAgency, RestAgency, open_agency
from grader.probe.agencies.control import AgencyControl
from grader.probe.scenarios.changes import Changes, ScenarioAgencies
from tests.fixtures.agencies import CONTROL_TOKEN, PERSONS, REGISTRY, TABLES, RunningAgency, rest_agency

ONE, TWO = PERSONS[0]["cid"], PERSONS[1]["cid"]


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningAgency]:
    """An agency in this process."""
    with rest_agency() as running:
        yield running


@pytest.fixture
def running(shared: RunningAgency) -> RunningAgency:
    """The agency, well, with the world's rows, counted from 0."""
    handle = shared.filled()
    handle.heal()
    handle.forget()
    return shared


@pytest.fixture
def handle(running: RunningAgency) -> RestAgency:
    """Its handle."""
    return running.filled()


def statuses(running: RunningAgency, *cids: str) -> list[Any]:
    """What the app reads about these persons; None for one that is not there."""
    return [running.ask(f"/v1/persons/{cid}").json.get("status") for cid in cids]


def test_it_keeps_the_contract_of_a_handle(running: RunningAgency) -> None:
    """Description and rows are taken; a change shows at once, is told by dirty, and is undone by a reset."""
    handle: AgencyHandle = open_agency(
        *("registry",),
        engine="http",
        dsn="",
        app_role="app",
        control=f"http://127.0.0.1:{running.control_port}",
        token=CONTROL_TOKEN,
    )
    handle.create_schema(REGISTRY)
    handle.load(TABLES)
    assert not handle.dirty
    handle.insert("persons", {"cid": "1970300000065", "status": "alive"})
    assert handle.dirty
    assert handle.update("persons", {"status": "dead"}, where={"cid": ONE, "sex": "2"}) == 1
    assert handle.update("persons", {"status": "dead"}, where={"cid": ONE, "sex": "1"}) == 0
    assert handle.delete("persons", where={"cid": TWO}) == 1
    assert statuses(running, "1970300000065", ONE, TWO) == ["alive", "dead", 404]
    assert handle.statements() == 3
    handle.reset(TABLES)
    assert not handle.dirty
    assert statuses(running, "1970300000065", ONE, TWO) == [404, "alive", "dead"]
    handle.forget()
    assert (handle.statements(), handle.connections(), handle.requests()) == (0, 0, [])
    handle.close()
    assert handle.statements() == 0


@pytest.mark.parametrize(
    ("use", "code", "file", "where"),
    [
        (lambda one: one.insert("nowhere", {}), "pack.agency_data", "scenarios", "registry.insert nowhere"),
        (lambda one: one.insert("persons", {"x": 1}), "pack.agency_data", "scenarios", "registry.insert persons.x"),
        (
            lambda one: one.insert("persons", {"cid": ONE}),
            "pack.agency_data",
            "scenarios",
            "registry.insert persons.cid",
        ),
        (lambda one: one.insert("a/b?c", {}), "pack.agency_data", "scenarios", "registry.insert a/b?c"),
        (
            lambda one: one.insert("persons", {"cid": date(2026, 1, 1)}),
            *("pack.agency_data", "scenarios", "registry.insert"),
        ),
        (
            lambda one: one.update("persons", {"sex": float("nan")}, where={}),
            "pack.agency_data",
            "scenarios",
            "registry.update",
        ),
        (
            lambda one: one.delete("persons", where={"x": 1}),
            "pack.agency_data",
            "scenarios",
            "registry.delete persons.x",
        ),
        (lambda one: one.load({"people": []}), "pack.agency_data", "agencies.registry", "registry.load people"),
        (
            lambda one: one.reset({"persons": [{"x": 1}]}),
            "pack.agency_data",
            "agencies.registry",
            "registry.reset persons.x",
        ),
        (lambda one: one.fetch("SELECT * FROM persons"), "pack.agency_data", "scenarios", "registry.fetch"),
        (lambda one: one.requests("persons"), "pack.agency_data", "scenarios", "registry.requests"),
        (
            lambda one: one.faults([{"t": 0, "mode": "pause"}]),
            "pack.agency_fault",
            "scenarios",
            "registry.faults script[0].mode",
        ),
        (lambda one: one.faults([]), "pack.agency_fault", "scenarios", "registry.faults script"),
        (
            lambda one: one.create_schema("[tables.t]\ncolumn = 1"),
            "pack.unknown_key",
            "agencies.registry",
            "tables.t.column",
        ),
    ],
)
def test_what_an_exercise_gets_wrong_is_its_authors(
    handle: RestAgency, use: Any, code: str, file: str, where: str
) -> None:
    """Tables, columns, keys, values, routes, faults: each is named, with a way out, and nothing has changed."""
    with pytest.raises(PackInvalid) as caught:
        use(handle)
    assert (caught.value.code, caught.value.file, caught.value.where) == (code, file, where)
    assert caught.value.problem
    assert caught.value.fix
    assert not handle.dirty


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """Something that answers every call like this, in place of a control side; gives its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) + (status == 299)))
            self.end_headers()
            self.wfile.write(body)

        def do_DELETE(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"{}"),
        (401, b"{}"),
        (404, b"{}"),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"{}"),
        (299, b"{}"),
        (200, b"\xff"),
    ],
)
def test_an_agency_that_answers_otherwise_is_ours(status: int, body: bytes) -> None:
    """Another status, no JSON, no object, no counts, half an answer: nothing that a trainee or author could mend."""
    with answering(status, body) as url:
        agency = RestAgency("registry", control=AgencyControl("registry", url=url, token="t", start_seconds=0))
        for use in (agency.statements, agency.requests, agency.connections):
            with pytest.raises(InfrastructureFault) as caught:
                use()
            assert (caught.value.code, caught.value.params["agency"]) == ("infrastructure.agency", "registry")


def test_a_wrong_token_is_ours(running: RunningAgency) -> None:
    """The agency refuses, and the grading says nothing about the app."""
    with pytest.raises(InfrastructureFault):
        running.handle(token="guessed").heal()


def test_an_agency_that_is_starting_is_waited_for_and_a_dead_one_is_not() -> None:
    """Until its first answer it may take its time; after that no answer is a fault of ours at once."""
    with pytest.raises(InfrastructureFault):
        RestAgency("a", control=AgencyControl("a", url="http://127.0.0.1:1", token="t", start_seconds=0.2)).heal()
    with rest_agency() as running:
        url = f"http://127.0.0.1:{running.control_port}"
        control = AgencyControl("a", url=url, token=CONTROL_TOKEN, start_seconds=3_600)
        control.heal()
    with pytest.raises(InfrastructureFault):
        control.heal()


def test_an_http_agency_without_a_control_side_cannot_be_opened() -> None:
    """It would have no rows; nor can an engine that nobody has heard of."""
    for engine in ("http", "oracle"):
        with pytest.raises(InfrastructureFault):
            open_agency("a", engine=engine, dsn="", app_role="app")


# -- what scenarios get -----------------------------------------------------------------------------------------------


def scenario_agencies(*handles: AgencyHandle, changes: Changes | None = None) -> ScenarioAgencies:
    """The fixture ``agencies`` over these handles."""
    world = World(seed=1, as_of="2026-11-22T08:00:00+07:00", tables={"registry": TABLES}, oracle=None)
    return ScenarioAgencies({one.name: one for one in handles}, world, changes or Changes(settle_seconds=0))


def test_a_scenario_makes_an_agency_fail_and_it_heals_by_itself(running: RunningAgency) -> None:
    """One fault, a script, healing in the middle, and the end of the test."""
    agencies = scenario_agencies(running.filled())
    agencies.registry.fault("status", status=503, retry_after=7)
    assert running.ask("/v1/persons/all").status == 503
    agencies.registry.heal()
    assert running.ask("/v1/persons/all").status == 200
    agencies.registry.faults([{"t": 0, "mode": "html_200", "after": 1}])
    assert [running.ask("/v1/persons/all").body[:1] for _ in range(2)] == [b"[", b"<"]
    agencies.reset()
    assert running.ask("/v1/persons/all").json
    assert [one.status for one in agencies.registry.requests("all")] == [503, 200, 200, 200, 200]
    assert (agencies.registry.statements(), agencies.registry.connections()) == (5, 5)
    agencies.registry.forget()
    assert agencies.registry.requests() == []


def test_only_changed_rows_have_to_settle(running: RunningAgency) -> None:
    """Rows of a REST agency may be cached like any; a fault that is over needs no waiting."""

    class Noted(Changes):
        count = 0

        def note(self) -> None:
            self.count += 1

    changes = Noted()
    agencies = scenario_agencies(running.filled(), changes=changes)
    agencies.registry.fault("stale")
    agencies.reset()
    assert changes.count == 0
    agencies.registry.update("persons", {"status": "dead"}, where={"cid": ONE})
    assert changes.count == 1
    agencies.reset()
    assert changes.count == 2
    assert statuses(running, ONE) == ["alive"]
    with pytest.raises(PackInvalid, match="no row equals"):
        agencies.registry.update("persons", {"status": "dead"}, where={"cid": "none"})


def test_a_script_plays_on_several_agencies() -> None:
    """Each step goes to the agency it names, or to that of the step before it; all are healed afterwards."""
    registry, rights = InMemoryAgency("registry"), InMemoryAgency("rights")
    agencies = scenario_agencies(registry, rights)
    agencies.play(
        [
            {"t": 0, "agency": "rights", "mode": "ok"},
            {"t": 5, "mode": "latency", "ms": 3000},
            {"t": 6, "agency": "registry", "mode": "unreachable"},
        ]
    )
    assert rights.script == [{"t": 0, "mode": "ok"}, {"t": 5, "mode": "latency", "ms": 3000}]
    assert registry.script == [{"t": 6, "mode": "unreachable"}]
    agencies.reset()
    assert (registry.script, rights.script) == ([], [])


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ([{"t": 0, "mode": "ok"}], "pack.agency_fault"),
        (["ok"], "pack.agency_fault"),
        (
            [{"t": 0, "agency": "registry", "mode": "ok"}, {"t": 1, "agency": "registri", "mode": "ok"}],
            "pack.unknown_agency",
        ),
    ],
)
def test_a_script_that_cannot_be_played_plays_nothing(script: Any, code: str) -> None:
    """No agency, another agency, no step: the author is told, and no agency fails."""
    registry = InMemoryAgency("registry")
    with pytest.raises(PackInvalid) as caught:
        scenario_agencies(registry).play(script)
    assert caught.value.code == code
    assert registry.script == []
    with pytest.raises(PackInvalid):
        scenario_agencies(registry).registry.faults(["ok"])


def test_the_agency_in_memory_counts_requests_too() -> None:
    """Tests of exercises may stand a REST agency in by it."""
    memory = InMemoryAgency("registry")
    with rest_agency() as running:
        handle = running.filled()
        running.ask("/v1/persons/all")
        running.ask(f"/v1/persons/{ONE}")
        for request in handle.requests():
            memory.app_request(request)
        assert memory.requests() == handle.requests()
        assert memory.requests("all") == handle.requests("all") != []
        assert memory.connections() == handle.connections() == 2
    memory.forget()
    assert (memory.requests(), memory.connections()) == ([], 0)


def test_a_database_without_a_door_has_no_faults() -> None:
    """Playing some is ours, healing is nothing to do, and requests are the wrong question."""
    agency = PostgresAgency("facility", dsn="postgresql://a:b@127.0.0.1:1/agency", app_role="app")
    agency.heal()
    for use in (lambda: agency.faults([{"t": 0, "mode": "pause"}]), agency.connections):
        with pytest.raises(InfrastructureFault):
            use()
    with pytest.raises(PackInvalid):
        agency.requests()


def test_the_handle_survives_a_fork(handle: RestAgency) -> None:
    """Scenarios run in a child, which uses what its parent had opened."""
    handle.statements()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            handle.fetch("")
        except PackInvalid:
            handle.insert("persons", {"cid": "1970300000073"})
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert handle.delete("persons", where={"cid": "1970300000073"}) == 1
