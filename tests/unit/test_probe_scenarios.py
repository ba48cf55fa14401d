"""Scenarios of an exercise against a small app: who is told to be wrong, with which code, and what is put back."""

import json
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from grader.errors import InfrastructureFault, PackInvalid
from grader.evidence import CheckEvidence
from grader.packs import build_world, load_pack
from grader.probe.agencies import InMemoryAgency
from grader.probe.events import Progress
from grader.probe.guard import Guard
from grader.probe.routes import Routes
from grader.probe.scenarios.runner import run_scenarios
from grader.probe.session import Session
from grader.probe.stage import NoStage, Stage
from grader.probe.target import Target

EXERCISE = """
schema = 1
id = "tiny"
version = "1.0.0"
level = "beginner"
hours = 1
runtimes = ["python"]
title = {th = "เล็ก", en = "Tiny"}
summary = {th = "เล็ก", en = "Tiny"}
[agencies.facility]
engine = "postgres"
schema = "facility.sql"
[weights]
universal = 15
contract = 35
scenario = 50
"""
CHECK = """
[{id}]
points = 25
task = "1"
title = {{th = "ข้อ", en = "Check"}}
hint = {{th = "ดูอีกครั้ง", en = "Look again"}}
"""
CONTRACT = """
openapi: 3.1.0
info: {title: Tiny, version: "1"}
paths:
  /places:
    get:
      operationId: listPlaces
      responses:
        "200": {description: ok, content: {application/json: {schema: {type: object}}}}
  /places/{id}:
    get:
      operationId: getPlace
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      responses:
        "200": {description: ok, content: {application/json: {schema: {type: object}}}}
        "404": {description: none}
"""
WORLD = """
from grader.packs.world import World

def build(seed):
    rows = [{"id": f"{n:05d}", "name": f"place {n}"} for n in range(1, 6)]
    return World(seed=seed, as_of="2026-11-22T01:00:00+09:00", tables={"facility": {"place": rows}},
                 oracle=[row["id"] for row in rows])
"""
HEAD = """
import pytest
from grader.probe.scenarios.expect import same_list
"""
GOOD = """
@pytest.mark.check("T-S1")
def test_one(api):
    api.get("/places/00001").expect_status(200).expect_value("data.id", "00001")

@pytest.mark.check("T-S2")
def test_all(api, oracle):
    same_list(api.pages("/places", limit=2), oracle, key="id")
"""
PASSING_S2 = """
@pytest.mark.check("T-S2")
def test_nothing(api):
    api.get("/places").expect_status(200)
"""


@dataclass
class App:
    """A correct app on the agency's file; ``answers`` replaces single paths by (status, content type, body)."""

    agency: InMemoryAgency
    answers: dict[str, tuple[int, str, bytes]] = field(default_factory=dict)

    def answer(self, target: str) -> tuple[int, str, bytes]:
        """What a GET of ``target`` gets."""
        parts = urlsplit(target)
        if target in self.answers:
            return self.answers[target]
        if parts.path == "/places":
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            rows = self.agency.app_query(
                "SELECT id, name FROM place WHERE id > ? ORDER BY id LIMIT ?",
                [query.get("cursor", ""), int(query.get("limit", 50))],
            )
            following = rows[-1]["id"] if rows and len(rows) == int(query.get("limit", 50)) else None
            return as_json(200, {"data": rows, "page": {"next_cursor": following}})
        found = self.agency.app_query("SELECT id, name FROM place WHERE id = ?", [parts.path.rpartition("/")[2]])
        return as_json(200, {"data": found[0]}) if found else as_json(404, {"status": 404})


def as_json(status: int, value: Any) -> tuple[int, str, bytes]:
    """An answer of the small app."""
    return status, "application/json", json.dumps(value).encode()


@contextmanager
def served(app: App) -> Iterator[str]:
    """The app on a loopback port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = app.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(2)


@dataclass
class Lab:
    """A temporary exercise, its agency and a small app."""

    folder: Path
    app: App
    stage: Stage = field(default_factory=NoStage)
    results: dict[str, CheckEvidence] = field(default_factory=dict)
    progress: list[Progress] = field(default_factory=list)

    def run(
        self, scenario: str, *, only: frozenset[str] | None = None, test_seconds: float = 30, dead: bool = False
    ) -> dict[str, CheckEvidence]:
        """Run one scenario file; gives the evidence by check."""
        root = self.folder / "pack"
        (root / "scenarios").mkdir(exist_ok=True, parents=True)
        (root / "exercise.toml").write_text(EXERCISE)
        (root / "checks.toml").write_text(CHECK.format(id="T-S1") + CHECK.format(id="T-S2"))
        (root / "contract.yaml").write_text(CONTRACT)
        (root / "world.py").write_text(WORLD)
        (root / "facility.sql").write_text("CREATE TABLE place (id char(5) PRIMARY KEY, name text)")
        (root / "scenarios" / "test_it.py").write_text(HEAD + textwrap.dedent(scenario))
        (self.folder / "conftest.py").write_text("raise RuntimeError('a conftest from outside the pack was read')")
        pack = load_pack(root)
        world = build_world(pack, 7)
        agency = InMemoryAgency("facility", file=self.folder / "agency.db")
        agency.create_schema((root / "facility.sql").read_text())
        agency.load(world.tables["facility"])
        routes = Routes((one.operation_id, one.method, one.path) for one in pack.operations)
        workdir = self.folder / "work"
        workdir.mkdir(exist_ok=True)
        with served(self.app) as address, Guard("http://127.0.0.1:1" if dead else address, routes=routes) as guard:
            session = Session(
                pack=pack,
                world=world,
                base_url=guard.base_url,
                guard=guard,
                target=Target(guard.base_url, routes=routes),
                agencies={"facility": agency},
                workdir=workdir,
                only=only,
                stage=self.stage,
            )
            run_scenarios(session, self.take, test_seconds=test_seconds)
        return self.results

    def take(self, what: CheckEvidence | Progress) -> None:
        """Keep what was emitted."""
        if isinstance(what, Progress):
            self.progress.append(what)
        else:
            assert what.check not in self.results
            self.results[what.check] = what

    def codes(self, scenario: str) -> list[str]:
        """The codes that T-S1 finds; T-S2 always passes."""
        results = self.run(textwrap.dedent(scenario) + PASSING_S2)
        assert results["T-S2"].outcome == "pass"
        return [finding.code for finding in results["T-S1"].findings]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A fresh lab."""
    return Lab(tmp_path, App(InMemoryAgency("facility", file=tmp_path / "agency.db")))


def test_a_correct_app_passes_every_check(lab: Lab) -> None:
    """Each check gets one evidence, in the order of the rubric, and progress counts the tests."""
    results = lab.run(GOOD)
    assert [(one.check, one.outcome, one.findings) for one in results.values()] == [
        *(("T-S1", "pass", ()), ("T-S2", "pass", ())),
    ]
    assert [(one.done, one.total) for one in lab.progress] == [(1, 2), (2, 2)]


def test_a_finding_tells_what_was_asked_and_what_came_back(lab: Lab) -> None:
    """A wrong value has its place, both values, the exchange, the operation and the steps."""
    lab.app.answers["/places/00001"] = as_json(200, {"data": {"id": 1}})
    finding = lab.run(GOOD.replace("    api.get", '    api.step("zeros")\n    api.get'))["T-S1"].findings[0]
    assert (finding.code, finding.at, finding.expected, finding.got) == ("response.value", "data.id", "00001", 1)
    assert (finding.operation, finding.steps) == ("getPlace", ("zeros", "GET /places/00001 200"))
    assert finding.exchange is not None
    assert finding.exchange.curl == "curl -i http://localhost:8000/places/00001"
    assert finding.exchange.response is not None
    assert finding.exchange.response.body == '{"data": {"id": 1}}'


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("answer.expect_status(404)", "response.status"),
        ('answer.expect_value("data.id", 1)', "response.value"),
        ('answer.expect_value("data.bed", 1)', "response.missing_field"),
        ('answer.expect_value("data[0].id", 1)', "response.shape"),
        ('answer.expect_absent("data.id")', "response.value"),
        ("answer.next_cursor", "response.shape"),
        ('answer.fail("count.value", expected=3, got=4)', "count.value"),
        ("assert answer.status == 500", "scenario.assertion"),
        ('pytest.fail("no")', "scenario.assertion"),
        ('answer.json["nothing"]', "response.unexpected_shape"),
        ('int(answer.data["name"])', "response.unexpected_shape"),
        ("answer.data.id", "response.unexpected_shape"),
    ],
)
def test_each_way_to_be_wrong_has_its_code(lab: Lab, line: str, code: str) -> None:
    """An expectation that fails, or a scenario that stumbles over an answer, is the trainee's finding."""
    scenario = f"""
        @pytest.mark.check("T-S1")
        def test_one(api):
            answer = api.get("/places/00001")
            {line}
    """
    assert lab.codes(scenario) == [code]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((200, "text/html", b"<html>"), "response.not_json"),
        ((200, "application/json", b'{"data": 1, "data": 2}'), "response.not_json"),
        ((200, "application/json", b'{"data": NaN}'), "response.not_json"),
        ((200, "application/json", b"[" * 500), "response.too_deep"),
        ((200, "application/json", b"[" + b"1," * 300_000 + b"1]"), "response.too_large"),
        ((200, "application/json", b"[]"), "response.shape"),
        ((200, "application/json", b"{}"), "response.shape"),
        ((302, "text/plain", b""), "response.redirect"),
    ],
)
def test_an_unreadable_answer_is_named(lab: Lab, answer: tuple[int, str, bytes], code: str) -> None:
    """What is no JSON of the expected shape, or what the guard refused, ends the test with its own code."""
    lab.app.answers["/places/00001"] = answer
    scenario = """
        @pytest.mark.check("T-S1")
        def test_one(api):
            api.get("/places/00001").data
    """
    assert lab.codes(scenario) == [code]


@pytest.mark.parametrize(
    ("rows", "codes"),
    [
        (["00001", "00002", "00003", "00004", "00005"], []),
        (["00001", "00002", "00002", "00003", "00004", "00005"], ["list.duplicate"]),
        (["00001", "00002", "00004", "00005"], ["list.missing"]),
        (["00001", "00002", "00003", "00004", "00005", "00009"], ["list.unexpected"]),
        (["00002", "00001", "00003", "00004", "00005"], ["list.order"]),
        (["00005", "00005", "00002", 3], ["list.duplicate", "list.missing", "list.unexpected", "list.order"]),
        ([], ["list.missing"]),
    ],
)
def test_a_list_is_wrong_in_ways_of_its_own(lab: Lab, rows: list[Any], codes: list[str]) -> None:
    """Duplicates, losses, strangers and disorder are separate findings of one list."""
    listed = {"data": [{"id": one} for one in rows], "page": {"next_cursor": None}}
    lab.app.answers["/places"] = as_json(200, listed)
    scenario = """
        @pytest.mark.check("T-S1")
        def test_all(api, oracle):
            same_list(api.pages("/places"), oracle, key="id")
    """
    assert lab.codes(scenario) == codes


def test_pages_without_end_are_a_finding(lab: Lab) -> None:
    """A cursor that comes back again ends the walk."""
    for target in ("/places", "/places?cursor=a"):
        lab.app.answers[target] = as_json(200, {"data": [], "page": {"next_cursor": "a"}})
    scenario = """
        @pytest.mark.check("T-S1")
        def test_all(api):
            api.pages("/places")
    """
    assert lab.codes(scenario) == ["list.endless"]


def test_an_app_that_is_gone_is_told_with_its_operation(lab: Lab) -> None:
    """A refused connection is app.no_answer, for every check that asks."""
    results = lab.run(GOOD, dead=True)
    found = {check: (one.findings[0].code, one.findings[0].operation) for check, one in results.items()}
    assert found == {"T-S1": ("app.no_answer", "getPlace"), "T-S2": ("app.no_answer", "listPlaces")}


def test_several_tests_share_a_check(lab: Lab) -> None:
    """All must pass; the same cause seen twice is one finding with its count."""
    scenario = """
        @pytest.mark.check("T-S1")
        @pytest.mark.parametrize("number", [1, 2, 3])
        def test_zeros(api, number):
            api.get(f"/places/0000{number}").expect_status(200 if number == 3 else 404)
    """
    results = lab.run(textwrap.dedent(scenario) + PASSING_S2)
    (finding,) = results["T-S1"].findings
    assert (finding.code, finding.count) == ("response.status", 2)


def test_changes_are_seen_by_the_app_and_put_back(lab: Lab) -> None:
    """A scenario may insert and delete; whatever comes of it, the next test finds the world as it was."""
    scenario = """
        @pytest.mark.check("T-S1")
        def test_changes(api, agencies):
            agencies.facility.insert("place", {"id": "00099", "name": "new"})
            agencies.facility.delete("place", where={"id": "00001"})
            api.get("/places/00099").expect_status(200)
            api.get("/places/00001").expect_status(200)

        @pytest.mark.check("T-S2")
        @pytest.mark.parametrize("again", [1, 2, 3])
        def test_the_world_is_whole(api, oracle, again):
            same_list(api.pages("/places"), oracle, key="id")
    """
    results = lab.run(scenario)
    assert [finding.code for finding in results["T-S1"].findings] == ["response.status"]
    assert results["T-S2"].outcome == "pass"


def test_statements_of_the_app_are_counted(lab: Lab) -> None:
    """A scenario can measure how often the app asked its agency."""
    scenario = """
        @pytest.mark.check("T-S1")
        def test_one_statement(api, agencies):
            before = agencies.facility.statements()
            answer = api.get("/places")
            if agencies.facility.statements() - before != 1:
                answer.fail("agency.too_many_statements")
    """
    assert lab.codes(scenario) == []


def test_the_clock_is_the_worlds(lab: Lab) -> None:
    """Today is the date of as_of in +07:00, not where it was written and not the wall clock's."""
    scenario = """
        @pytest.mark.check("T-S1")
        def test_clock(api, clock, world):
            answer = api.get("/places")
            assert (str(clock.today), clock.as_of.isoformat()) == ("2026-11-21", world.as_of)
    """
    assert lab.codes(scenario) == []


def test_only_the_wanted_checks_are_run(lab: Lab) -> None:
    """A repeated family runs nothing else."""
    assert list(lab.run(GOOD, only=frozenset({"T-S2"}))) == ["T-S2"]
    assert lab.progress[-1].total == 1


@pytest.mark.parametrize(
    ("scenario", "code", "where"),
    [
        ("def test_a(api): pass\n", "pack.scenario_check", "test_a"),
        ('@pytest.mark.check("U1")\ndef test_a(api): pass\n', "pack.scenario_check", "test_a"),
        ('@pytest.mark.check("T-S1")\ndef test_a(api): pass\n', "pack.check_untested", "T-S2"),
        ("import nothing_like_this\n", "pack.scenario_import", "test_it.py"),
        ('@pytest.mark.check("T-S1")\ndef test_a(api): {}["x"]\n', "pack.scenario_raises", "test_it.py::test_a"),
        ('@pytest.mark.check("T-S1")\ndef test_a(apy): pass\n', "pack.scenario_raises", "test_it.py::test_a"),
        ('@pytest.mark.check("T-S1")\ndef test_a(api): 1 / 0\n', "pack.scenario_raises", "test_it.py::test_a"),
        (
            '@pytest.mark.check("T-S1")\ndef test_a(api): pytest.skip("no")\n',
            "pack.scenario_skips",
            "test_it.py::test_a",
        ),
        (
            '@pytest.mark.check("T-S1")\ndef test_a(agencies): agencies.health.statements()\n',
            "pack.unknown_agency",
            "agencies.health",
        ),
        (
            '@pytest.mark.check("T-S1")\ndef test_a(agencies): agencies.facility.delete("place", where={"id": "x"})\n',
            "pack.agency_data",
            "facility.place",
        ),
        (
            '@pytest.mark.check("T-S1")\ndef test_a(agencies): agencies.facility.insert("plaice", {"id": "x"})\n',
            "pack.agency_data",
            "facility.insert",
        ),
    ],
)
def test_a_mistake_of_the_scenario_is_the_authors(lab: Lab, scenario: str, code: str, where: str) -> None:
    """What no answer caused is never told to the trainee, and then no evidence is given at all."""
    suffix = "" if code == "pack.check_untested" else PASSING_S2
    with pytest.raises(PackInvalid) as caught:
        lab.run(scenario + suffix)
    assert (caught.value.code, caught.value.params["where"]) == (code, where)
    assert lab.results == {}


def test_a_scenario_that_hangs_is_ended_and_the_world_restored(lab: Lab) -> None:
    """An endless loop costs the author a message, not the grading its control loop."""
    scenario = """
        @pytest.mark.check("T-S1")
        def test_loop(agencies):
            agencies.facility.delete("place", where={"id": "00001"})
            while True:
                pass
    """
    with pytest.raises(PackInvalid) as caught:
        lab.run(textwrap.dedent(scenario) + PASSING_S2, test_seconds=1.5)
    assert (caught.value.code, caught.value.params["where"]) == ("pack.scenario_hangs", "test_it.py::test_loop")
    assert len(lab.app.agency.fetch("SELECT id FROM place")) == 5


def test_a_child_that_dies_is_ours(lab: Lab) -> None:
    """A run that ends without a word proves nothing about anybody."""
    scenario = """
        @pytest.mark.check("T-S1")
        def test_dies(api):
            import os
            os._exit(3)
    """
    with pytest.raises(InfrastructureFault) as caught:
        lab.run(textwrap.dedent(scenario) + PASSING_S2)
    assert caught.value.code == "infrastructure.scenarios_died"
    assert lab.results == {}
