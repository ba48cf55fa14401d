"""The image of a REST agency on its two networks: what an app sees in each fault, and what it can never reach.

An app stands on the agency network and the probe's handle on the verify network, each in a container of its own, as in
a grading.
"""

import dataclasses
import json
import subprocess
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from grader.sandbox import golden, labels, networks, reaper
from grader.sandbox.engine import GuardedClient
from grader.sandbox.images import ImageStore
from tests.fixtures.agencies import APP_TOKEN, CONTROL_TOKEN, PERSONS, REGISTRY, TABLES

RUN = "agency-http"
AGENCY_HOST = networks.FIRST_AGENCY_HOST
CIDS = [person["cid"] for person in PERSONS[:3]]
FULL = [{"status": None, **person} for person in PERSONS[:3]]

LOOP = """
import json, sys
space = {}
for line in sys.stdin:
    space["value"] = None
    try:
        exec(json.loads(line), space)
        told = {"value": space["value"]}
    except BaseException as problem:
        told = {"error": type(problem).__name__, "text": str(problem)}
    print(json.dumps(told), flush=True)
"""
APP = """
import http.client, json, socket, struct, time
def ask(path, body=None, timeout=10):
    connection = http.client.HTTPConnection("registry", 8080, timeout=timeout)
    content = None if body is None else json.dumps(body)
    try:
        connection.request("GET" if body is None else "POST", path, content, {"Authorization": "Bearer TOKEN"})
        response = connection.getresponse()
        headers = {name.lower(): text for name, text in response.getheaders()}
        found, ended = b"", ""
        try:
            while data := response.read1():
                found += data
        except Exception as problem:
            ended = type(problem).__name__
        return {"status": response.status, "headers": headers, "body": found.decode(), "ended": ended}
    except OSError as problem:
        return {"error": type(problem).__name__}
    finally:
        connection.close()
def batch(timeout=10):
    return ask("/v1/persons:batch", {"cids": CIDS}, timeout)
def connect(host, port):
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError as problem:
        return type(problem).__name__
    return "open"
"""
PROBE = """
from dataclasses import asdict
from grader.probe.agencies import open_agency
def opened(token):
    return open_agency("registry", engine="http", dsn="", app_role="app", control="http://registry:9000", token=token)
agency = opened("TOKEN")
agency.create_schema(REGISTRY)
agency.load(TABLES)
"""


class Refused(Exception):
    """What was tried in the container raised; the message begins with the exception's name."""


class Console:
    """A Python in a container that does one piece of code after the other; each may leave its result in ``value``."""

    def __init__(self, container: str) -> None:
        command = ["docker", "exec", "-i", container, "python", "-I", "-c", LOOP]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def do(self, code: str, **values: Any) -> Any:
        """Run the code with these values as names; raises Refused when it raises."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        named = "".join(f"{name} = {value!r}\n" for name, value in values.items())
        self._process.stdin.write(json.dumps(named + textwrap.dedent(code)) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        if "error" in told:
            raise Refused(f"{told['error']}: {told['text']}")
        return told["value"]

    def get(self, expression: str) -> Any:
        """The value of an expression."""
        return self.do(f"value = {expression}")

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=30)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """An agency between an app and the probe; ``verify`` and ``agency`` are its addresses on these networks."""

    engine: GuardedClient
    container: str
    app: Console
    probe: Console
    verify: str
    agency: str

    def play(self, *script: dict[str, Any]) -> None:
        """Fail like this from now on."""
        self.probe.do("agency.faults(script)", script=list(script))

    def state(self) -> dict[str, Any]:
        """The agency's container as the engine sees it."""
        return dict(self.engine.inspect_container(self.container)["State"])


@pytest.fixture(scope="module")
def started(engine: GuardedClient, store: ImageStore) -> Iterator[Stage]:
    """The three containers, with the agency described and filled."""
    marks = labels.of_run(RUN)
    slot = networks.create_slot(engine, RUN, ("agency", "verify"), marks)

    def run(shape: golden.Shape, image: str, network: str, host: int, other: str = "") -> str:
        config = golden.container_config(
            shape,
            image=store.image_id(image),
            network=slot[network].ident,
            address=slot[network].address(host),
            hosts={"registry": slot[network].address(AGENCY_HOST)},
            labels=marks,
        )
        container = str(engine.create_container_from_config(config)["Id"])
        if other:
            engine.connect_container_to_network(container, slot[other].ident, ipv4_address=slot[other].address(host))
        engine.start(container)
        return container

    environment = {
        "VERIFY_ADDRESS": slot["verify"].address(AGENCY_HOST),
        "AGENCY_ADDRESS": slot["agency"].address(AGENCY_HOST),
        "VERIFY_SUBNET": str(slot["verify"].subnet),
        "AGENCY_SUBNET": str(slot["agency"].subnet),
        "GRADER_PASSWORD": CONTROL_TOKEN,
        "APP_PASSWORD": APP_TOKEN,
    }
    consoles: list[Console] = []
    try:
        shape = golden.agency_shape(user=store.user("agency-http"), environment=environment)
        container = run(shape, "agency-http", "verify", AGENCY_HOST, "agency")
        idle = dataclasses.replace(
            golden.probe_shape(user=store.user("probe")), entrypoint=["sleep"], command=["3600"], stdin=False
        )
        for network, host in (("agency", networks.APP_HOST), ("verify", networks.PROBE_HOST)):
            consoles.append(Console(run(idle, "probe", network, host)))
        app, probe = consoles
        app.do(APP.replace("TOKEN", APP_TOKEN), CIDS=CIDS)
        probe.do(PROBE.replace("TOKEN", CONTROL_TOKEN), REGISTRY=REGISTRY, TABLES=TABLES)
        yield Stage(
            engine=engine,
            container=container,
            app=app,
            probe=probe,
            verify=environment["VERIFY_ADDRESS"],
            agency=environment["AGENCY_ADDRESS"],
        )
    finally:
        for console in consoles:
            console.close()
        reaper.remove_run(engine, RUN)


@pytest.fixture
def stage(started: Stage) -> Iterator[Stage]:
    """The agency, well and counted from 0; after each test it lives and answers."""
    started.probe.do("agency.forget()")
    yield started
    started.probe.do("agency.heal(); agency.reset(TABLES)")
    assert json.loads(started.app.get("batch()")["body"]) == {"data": FULL}
    state = started.state()
    assert (state["Running"], state["OOMKilled"]) == (True, False)


# -- each fault -------------------------------------------------------------------------------------------------------


def test_well(stage: Stage) -> None:
    """The control: the right answer, or the failures below would mean nothing."""
    answer = stage.app.get("batch()")
    assert (answer["status"], json.loads(answer["body"]), answer["ended"]) == (200, {"data": FULL}, "")
    stage.play({"t": 0, "mode": "ok"})
    assert stage.app.get("batch()")["body"] == answer["body"]


def test_latency(stage: Stage) -> None:
    """The right answer, not sooner than 400 ms."""
    stage.play({"t": 0, "mode": "latency", "ms": 400})
    took, answer = stage.app.do("begun = time.monotonic(); got = batch(); value = time.monotonic() - begun, got")
    assert took >= 0.4
    assert json.loads(answer["body"]) == {"data": FULL}


@pytest.mark.parametrize("status", [403, 404, 500, 502, 503, 504])
def test_status(stage: Stage, status: int) -> None:
    """That status with problem+json and Retry-After."""
    stage.play({"t": 0, "mode": "status", "status": status, "retry_after": 3})
    answer = stage.app.get("batch()")
    assert (answer["status"], answer["headers"]["retry-after"]) == (status, "3")
    assert answer["headers"]["content-type"] == "application/problem+json"


def test_rate_limit(stage: Stage) -> None:
    """429 with Retry-After."""
    stage.play({"t": 0, "mode": "rate_limit", "retry_after": 5})
    answer = stage.app.get("batch()")
    assert (answer["status"], answer["headers"]["retry-after"]) == (429, "5")


def test_cut_body(stage: Stage) -> None:
    """Everything announced, half of it sent, then a reset."""
    whole = stage.app.get("batch()")["body"]
    stage.play({"t": 0, "mode": "cut_body"})
    answer = stage.app.get("batch()")
    assert (answer["status"], answer["headers"]["content-length"]) == (200, str(len(whole)))
    assert (answer["body"], answer["ended"]) == (whole[: len(whole) // 2], "ConnectionResetError")


def test_html_200(stage: Stage) -> None:
    """Success in HTML."""
    stage.play({"t": 0, "mode": "html_200"})
    answer = stage.app.get("batch()")
    assert (answer["status"], answer["headers"]["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer["body"].startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("mode", "params", "found"),
    [
        ("shape_change", {}, FULL),
        ("row_cap", {"rows": 2}, {"data": FULL[:2]}),
        ("short_answer", {"rows": 1}, {"data": FULL[:2]}),
    ],
)
def test_rows_and_shape(stage: Stage, mode: str, params: dict[str, int], found: Any) -> None:
    """Success with another shape or fewer rows."""
    stage.play({"t": 0, "mode": mode, **params})
    answer = stage.app.get("batch()")
    assert (answer["status"], json.loads(answer["body"])) == (200, found)


def test_stale(stage: Stage) -> None:
    """What was changed meanwhile does not show."""
    stage.probe.do("agency.update('persons', {'status': 'dead'}, where={'cid': CID})", CID=CIDS[0])
    assert json.loads(stage.app.get("batch()")["body"])["data"][0]["status"] == "dead"
    stage.play({"t": 0, "mode": "stale"})
    assert json.loads(stage.app.get("batch()")["body"]) == {"data": FULL}


def test_timeout_after_effect(stage: Stage) -> None:
    """No answer; the client's own time-out ends it."""
    stage.play({"t": 0, "mode": "timeout_after_effect"})
    assert stage.app.get("batch(timeout=0.5)") == {"error": "TimeoutError"}


def test_unreachable(stage: Stage) -> None:
    """Connecting is refused, the open connection is reset, and after healing it is there again."""
    stage.app.do(
        """
        held = http.client.HTTPConnection("registry", 8080, timeout=10)
        held.request("GET", "/v1/persons/all", headers={"Authorization": "Bearer x"})
        held.getresponse().read()
        """
    )
    stage.play({"t": 0, "mode": "unreachable"})
    assert stage.app.get("batch()") == {"error": "ConnectionRefusedError"}
    with pytest.raises(Refused, match="ConnectionResetError"):
        stage.app.do("held.sock.recv(1)")
    stage.probe.do("agency.heal()")
    assert stage.app.get("batch()")["status"] == 200


def test_a_script_ends_well(stage: Stage) -> None:
    """Step after step by itself, each seen by the app, and at its end the right answer."""
    stage.play(
        {"t": 0, "mode": "status", "status": 503},
        {"t": 1, "mode": "unreachable"},
        {"t": 2, "mode": "html_200"},
        {"t": 3, "mode": "ok"},
    )
    seen = stage.app.do(
        """
        value, end = [], time.monotonic() + 20
        while time.monotonic() < end and value[-1:] != ["application/json"]:
            got = batch()
            now = "down" if "error" in got else got["headers"]["content-type"]
            if value[-1:] != [now]:
                value.append(now)
        """
    )
    assert seen == ["application/problem+json", "down", "text/html; charset=utf-8", "application/json"]


def test_after(stage: Stage) -> None:
    """Two well, then the fault."""
    stage.play({"t": 0, "mode": "rate_limit", "retry_after": 1, "after": 2})
    assert stage.app.get("[batch()['status'] for _ in range(4)]") == [200, 200, 429, 429]


# -- counts, and who reaches what -------------------------------------------------------------------------------------


def test_the_counters_equal_what_was_sent(stage: Stage) -> None:
    """By route, with status, headers and order; more than is kept is still counted."""
    stage.app.do("for _ in range(7): batch()")
    stage.app.do("ask('/v1/persons/1970100000999'); ask('/nowhere')")
    found = stage.probe.get("[asdict(one) for one in agency.requests()]")
    assert [(one["route"], one["status"]) for one in found] == [("batch", 200)] * 7 + [("person", 404), ("", 404)]
    assert all(one["headers"]["host"] == "registry:8080" for one in found)
    assert stage.probe.get("[agency.statements(), agency.connections(), len(agency.requests('batch'))]") == [9, 9, 7]
    stage.probe.do("agency.forget()")
    stage.app.do(
        """
        connection = http.client.HTTPConnection("registry", 8080, timeout=10)
        for _ in range(5_200):
            connection.request("GET", "/nowhere")
            connection.getresponse().read()
        connection.close()
        """
    )
    assert stage.probe.get("[agency.statements(), agency.connections(), len(agency.requests())]") == [5_200, 1, 5_000]


def test_the_control_side_is_not_on_the_apps_network(stage: Stage) -> None:
    """The app finds nothing at its own side and no way to the other; the probe finds no door of the app's."""
    assert stage.app.do("value = connect('registry', 8080)") == "open"
    assert stage.app.do("value = connect('registry', 9000)") == "ConnectionRefusedError"
    for port in (8080, 9000):
        assert stage.app.do(f"value = connect('{stage.verify}', {port})") in {"OSError", "TimeoutError"}
    stage.probe.do("import socket; socket.create_connection(('registry', 9000), timeout=2).close()")
    with pytest.raises(Refused, match="ConnectionRefusedError"):
        stage.probe.do("socket.create_connection(('registry', 8080), timeout=2)")


def test_the_control_side_needs_its_token(stage: Stage) -> None:
    """Neither a guessed token nor the app's own opens it, and that is a fault of ours."""
    for token in ("guessed", APP_TOKEN, ""):
        with pytest.raises(Refused, match=r"InfrastructureFault: infrastructure\.agency .*status 401"):
            stage.probe.do("opened(token).heal()", token=token)


HOSTILE = {
    "thousands of connections": """
        for _ in range(4_000):
            try:
                one = socket.create_connection(("registry", 8080), timeout=10)
            except OSError:
                continue
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()
    """,
    "connections held open in the middle of a head": """
        held = [socket.create_connection(("registry", 8080), timeout=10) for _ in range(500)]
        for one in held:
            try:
                one.send(b"GET / HTTP/1.1\\r\\nHost: x\\r\\nX-A: ")
            except OSError:
                pass
    """,
    "huge bodies": """
        for _ in range(20):
            one = socket.create_connection(("registry", 8080), timeout=10)
            try:
                one.sendall(b"POST /rights/search HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 99999999\\r\\n\\r\\n")
                for _ in range(300):
                    one.sendall(b"x" * 100_000)
            except OSError:
                pass
            one.close()
    """,
    "JSON that is all depth": """
        for _ in range(20):
            one = http.client.HTTPConnection("registry", 8080, timeout=30)
            one.request("POST", "/v1/persons:batch", "[" * 900_000, {"Authorization": "Bearer TOKEN"})
            assert one.getresponse().status == 400
            one.close()
    """.replace("TOKEN", APP_TOKEN),
    "rubbish and pipelines": """
        for text in (b"\\x16\\x03" * 9_000, b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" * 5_000, b"\\r\\n" * 9_999):
            one = socket.create_connection(("registry", 8080), timeout=10)
            try:
                one.sendall(text)
            except OSError:
                pass
            one.close()
    """,
    "answers that nobody reads": """
        unread = [socket.create_connection(("registry", 8080), timeout=10) for _ in range(60)]
        for one in unread:
            try:
                one.sendall(b"GET /v1/persons/all HTTP/1.1\\r\\nHost: x\\r\\n"
                            b"Authorization: Bearer TOKEN\\r\\n\\r\\n" * 200)
            except OSError:
                pass
    """.replace("TOKEN", APP_TOKEN),
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_the_app_cannot_harm_its_agency(stage: Stage, attack: str) -> None:
    """Whatever it sends, afterwards it gets its answer, the probe's calls succeed, and the agency never died."""
    stage.app.do(HOSTILE[attack])
    stage.play({"t": 0, "mode": "status", "status": 503})
    assert stage.app.get("batch()")["status"] == 503
    stage.probe.do("agency.heal(); agency.forget()")
    assert stage.app.get("batch()")["status"] == 200
    assert stage.probe.get("len(agency.requests('batch'))") == 1
    stage.app.do("held = unread = None")
