"""The control side of an agency: who may call it, what it refuses, and what a call changes."""

import asyncio
import http.client
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from grader.agency.__main__ import PROGRAMS
from grader.agency.control import Control
from grader.agency.faults import FaultClock
from grader.agency.ledger import Ledger
from grader.agency.wire import Head
from tests.fixtures.agencies import CONTROL_TOKEN, PERSONS, REGISTRY, RunningAgency, description, rest_agency

SCRIPT = {"script": [{"t": 0, "mode": "status", "status": 503}]}


@pytest.fixture(scope="module")
def agency() -> Iterator[RunningAgency]:
    """A REST agency."""
    with rest_agency() as running:
        yield running


def call(agency: RunningAgency, method: str, path: str, body: Any = None, *, token: str = CONTROL_TOKEN) -> Any:
    """Status and answer of one call; a body of bytes is sent as it is."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    connection = http.client.HTTPConnection("127.0.0.1", agency.control_port, timeout=10)
    try:
        connection.request(method, path, body=content, headers={"X-Control-Token": token} if token else {})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@pytest.mark.parametrize("token", ["", "guessed", CONTROL_TOKEN + "x", CONTROL_TOKEN[:-1], "\xff"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("GET", "/health", None), ("PUT", "/faults", SCRIPT), ("DELETE", "/faults", None), ("GET", "/ledger", None)],
)
def test_every_call_needs_the_token(agency: RunningAgency, token: str, method: str, path: str, body: Any) -> None:
    """Without it nothing is told and nothing done."""
    assert call(agency, method, path, body, token=token)[0] == 401
    assert agency.server.clock.current().mode == "ok"


def test_the_agency_says_what_it_is(agency: RunningAgency) -> None:
    """Its kind, for whoever looks."""
    assert call(agency, "GET", "/health") == (200, {"kind": "rest"})


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/faults"), ("POST", "/health"), ("DELETE", "/rows/persons"), ("PUT", "/Faults")],
)
def test_another_call_is_not_there(agency: RunningAgency, method: str, path: str) -> None:
    """404, which is a mistake of ours and not of an exercise."""
    assert call(agency, method, path)[0] == 404


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b"\xff", b'{"script": ' + b"9" * 5_000 + b"}"])
def test_a_body_that_is_no_json_is_refused(agency: RunningAgency, body: bytes) -> None:
    """With 400 and a sentence."""
    status, told = call(agency, "PUT", "/faults", body)
    assert (status, told["where"]) == (400, "")
    assert "JSON" in told["problem"]


@pytest.mark.parametrize("body", [None, [], "x", {}, {"script": []}, {"script": [{"t": 0, "mode": "pause"}]}])
def test_a_script_that_cannot_be_played_changes_nothing(agency: RunningAgency, body: Any) -> None:
    """What was played before goes on."""
    call(agency, "PUT", "/faults", SCRIPT)
    status, told = call(agency, "PUT", "/faults", body)
    assert (status, told["where"].startswith("script")) == (400, True)
    assert agency.server.clock.current().status == 503
    call(agency, "DELETE", "/faults")
    assert agency.server.clock.current().mode == "ok"


def test_rows_need_a_description_first() -> None:
    """Until then the app gets 503, and every call on rows is refused."""
    with rest_agency() as empty:
        assert empty.ask("/v1/persons/1").status == 503
        for method, path, body in (
            ("PUT", "/rows", {}),
            ("POST", "/rows/persons", {"row": {}}),
            ("PATCH", "/rows/persons", {"values": {}, "where": {}}),
        ):
            assert call(empty, method, path, body)[0] == 400
        assert call(empty, "PUT", "/description", {"tables": {}})[0] == 400


@pytest.mark.parametrize(
    ("method", "path", "body", "where"),
    [
        ("PUT", "/rows", [], "rows"),
        ("PUT", "/rows", {"person": []}, "person"),
        ("PUT", "/rows", {"persons": {}}, "persons"),
        ("PUT", "/rows", {"persons": ["x"]}, "persons"),
        ("PUT", "/rows", {"persons": [{"cidd": "1"}]}, "persons.cidd"),
        ("PUT", "/rows", {"persons": [{"cid": "1"}, {"cid": "1"}]}, "persons.cid"),
        ("PUT", "/rows", {"centers": [{"ชื่อ": "ศูนย์ ☂"}]}, "centers.ชื่อ"),
        ("POST", "/rows/persons", {"row": {"cid": PERSONS[0]["cid"]}}, "persons.cid"),
        ("POST", "/rows/persons", {"row": {"what": 1}}, "persons.what"),
        ("POST", "/rows/persons", {}, "row"),
        ("POST", "/rows/nowhere", {"row": {}}, "nowhere"),
        ("POST", "/rows/persons/drop", {}, "persons/drop"),
        ("POST", "/rows/persons/delete", {}, "where"),
        ("POST", "/rows/persons/delete", {"where": {"what": 1}}, "persons.what"),
        ("PATCH", "/rows/persons", {"values": {"sex": "1"}}, "where"),
        ("PATCH", "/rows/persons", {"values": {"cid": "1"}, "where": {"sex": "2"}}, "persons.cid"),
        ("PATCH", "/rows/persons", {"values": {"what": "1"}, "where": {}}, "persons.what"),
    ],
)
def test_rows_that_do_not_fit_are_refused_whole(
    agency: RunningAgency, method: str, path: str, body: Any, where: str
) -> None:
    """With the table or column it is about; the rows are as before."""
    agency.filled()
    before = agency.ask("/v1/persons/all").json
    status, told = call(agency, method, path, body)
    assert (status, told["where"]) == (400, where)
    assert told["problem"]
    assert agency.ask("/v1/persons/all").json == before


def test_the_same_description_again_keeps_the_rows(agency: RunningAgency) -> None:
    """Another one begins without rows."""
    agency.filled()
    same = description().model_dump(mode="json")
    assert call(agency, "PUT", "/description", same) == (200, {})
    assert len(agency.ask("/v1/persons/all").json) == len(PERSONS)
    other = {**same, "auth": None}
    assert call(agency, "PUT", "/description", other) == (200, {})
    assert agency.ask("/v1/persons/all", token="guessed").json == []
    agency.handle().create_schema(REGISTRY)


def test_the_door_agrees_before_the_call_is_answered() -> None:
    """The answer is the start signal: what is played acts on whatever comes after it."""
    seen: list[str] = []

    async def play() -> list[int]:
        clock = FaultClock()

        async def apply() -> None:
            await asyncio.sleep(0)
            seen.append(clock.current().mode)

        control = Control(kind="door", token="t", clock=clock, ledger=Ledger(), apply=apply)
        statuses = []
        for method, body in (("PUT", b'{"script": [{"t": 0, "mode": "pause"}]}'), ("DELETE", b"")):
            head = Head(method=method, target="/faults", headers=(("x-control-token", "t"),))
            statuses.append((await control.asked(head).answer(body)).status)
        return statuses

    assert asyncio.run(play()) == [200, 200]
    assert seen == ["pause", "ok"]


def test_the_command_names_its_programs() -> None:
    """Each can be imported and has serve; another name is told what there is."""
    for module in PROGRAMS.values():
        assert asyncio.iscoroutinefunction(importlib.import_module(module).serve)
    command = [sys.executable, "-m", "grader.agency", "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "rest|door" in done.stderr
