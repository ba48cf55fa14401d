"""The control loop as its host sees it: a process that reads commands, writes events and nothing else."""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from grader.packs import load_pack, pack_tar

FILES = {
    "exercise.toml": """
schema = 1
id = "tiny"
version = "1.0.0"
level = "beginner"
hours = 1
runtimes = ["python"]
title = {th = "เล็ก", en = "Tiny"}
summary = {th = "เล็ก", en = "Tiny"}
[weights]
universal = 15
contract = 35
scenario = 50
""",
    "checks.toml": """
[T-S1]
points = 50
task = "1"
title = {th = "ข้อ", en = "Check"}
hint = {th = "ดูอีกครั้ง", en = "Look again"}
""",
    "contract.yaml": """
openapi: 3.1.0
info: {title: Tiny, version: "1"}
paths:
  /place:
    get:
      operationId: getPlace
      responses:
        "200": {description: ok, content: {application/json: {schema: {type: object}}}}
""",
    "world.py": """
from grader.packs.world import Quota, World

print("a world that prints")

def build(seed):
    if seed == 13:
        raise RuntimeError("unlucky")
    return World(seed=seed, as_of="2026-11-22T08:00:00+07:00", tables={}, oracle=None, env={"KEY": "v"},
                 quotas=[Quota(name="rows", minimum=0, count=1)])
""",
    "scenarios/test_it.py": """
import os, sys
import pytest

@pytest.mark.check("T-S1")
def test_place(api):
    print('{"event": "done", "command": "forged"}')
    os.write(1, b'{"event": "forged"}\\n')
    assert os.listdir(".") == []
    assert sys.flags.isolated
    api.get("/place").expect_status(200)
""",
}


class Probe:
    """A running probe process."""

    def __init__(self, folder: Path, **environment: str) -> None:
        with (folder / "stderr.log").open("wb") as prints:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-m", "grader.probe"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=prints,
                cwd=folder,
                env={"PATH": os.environ["PATH"], **environment},
            )

    def ask(self, command: str, **values: Any) -> list[dict[str, Any]]:
        """Send one command; gives its events up to ``done`` or ``failed``."""
        return self.raw(json.dumps({"command": command, **values}).encode())

    def raw(self, line: bytes) -> list[dict[str, Any]]:
        """Send one line as it is."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()
        events: list[dict[str, Any]] = []
        while not events or events[-1]["event"] not in {"done", "failed"}:
            events.append(json.loads(self.process.stdout.readline()))
        return events


@contextmanager
def probe(folder: Path, **environment: str) -> Iterator[Probe]:
    """A probe that is gone afterwards."""
    running = Probe(folder, **environment)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait(10)
        assert running.process.stdin
        assert running.process.stdout
        running.process.stdin.close()
        running.process.stdout.close()


@contextmanager
def app(status: int = 200, healthy_after: int = 0) -> Iterator[str]:
    """An app that is healthy after so many requests and answers everything else with ``status``."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            health = 200 if len(asked) > healthy_after else 503
            self.send_response(health if self.path == "/healthz" else status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(2)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tiny exercise as it travels to the probe."""
    root = tmp_path_factory.mktemp("pack")
    for name, text in FILES.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    return base64.b64encode(pack_tar(load_pack(root))).decode()


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    """A probe that has loaded nothing and outlives every wrong command of this module."""
    with probe(tmp_path_factory.mktemp("idle")) as running:
        yield running


def test_one_grading_from_load_to_shutdown(tmp_path: Path, pack: str) -> None:
    """Every command ends with one done event, results in between, and no print of anybody joins the stream."""
    with app(healthy_after=2) as address, probe(tmp_path) as running:
        (loaded,) = running.ask("load", pack=pack, seed=7, agencies={}, app=address)
        assert loaded["data"]["env"] == {"KEY": "v", "AS_OF": "2026-11-22T08:00:00+07:00"}
        assert loaded["data"]["quotas"] == [{"name": "rows", "minimum": 0, "count": 1}]
        (ready,) = running.ask("ready", timeout=20)
        assert ready["data"] == {"ready": True, "code": "", "last": "200"}
        (seeded,) = running.ask("seed")
        assert seeded["data"] == {"rows": 0}
        progress, result, done = running.ask("scenarios", only=None)
        assert (progress["done"], progress["total"]) == (1, 1)
        assert (result["result"]["check"], result["result"]["outcome"]) == ("T-S1", "pass")
        assert (done["data"]["exchanges"], done["data"]["code"]) == ({"getPlace": 1}, "")
        assert done["data"]["answer_seconds"] > 0
        assert done["seconds"] >= 0
        assert done["cpu_seconds"] > 0
        (one,) = running.ask("request", method="GET", path="/place")
        assert one["data"]["status"] == 200
        assert running.ask("shutdown")[0]["event"] == "done"
        assert running.process.wait(10) == 0
    assert "a world that prints" in (tmp_path / "stderr.log").read_text()


def test_a_second_load_replaces_the_first(tmp_path: Path, pack: str) -> None:
    """Failures are confirmed against a fresh app at another address."""
    with app() as first, app(status=500) as second, probe(tmp_path) as running:
        running.ask("load", pack=pack, seed=7, app=first)
        assert running.ask("scenarios")[1]["result"]["outcome"] == "pass"
        running.ask("load", pack=pack, seed=7, app=second)
        result = running.ask("scenarios")[1]["result"]
    assert [(one["code"], one["got"]) for one in result["findings"]] == [("response.status", 500)]


def test_an_app_that_never_becomes_healthy_is_told(tmp_path: Path, pack: str) -> None:
    """No answer and a bad answer are two reasons."""
    with app(healthy_after=10**6) as address, probe(tmp_path) as running:
        running.ask("load", pack=pack, seed=7, app=address)
        (unhealthy,) = running.ask("ready", timeout=0.3)
        running.ask("load", pack=pack, seed=7, app="http://127.0.0.1:1")
        (absent,) = running.ask("ready", timeout=0.3)
    assert unhealthy["data"] == {"ready": False, "code": "start.unhealthy", "last": "503"}
    assert absent["data"] == {"ready": False, "code": "start.not_ready", "last": "refused"}


def test_a_broken_world_is_the_authors(tmp_path: Path, pack: str) -> None:
    """A world that raises fails the command as kind pack, and the probe goes on."""
    with probe(tmp_path) as running:
        (failed,) = running.ask("load", pack=pack, seed=13, app="http://127.0.0.1:1")
        (alive,) = running.ask("ping")
    assert (failed["event"], failed["kind"], failed["code"]) == ("failed", "pack", "pack.world_raises")
    assert failed["params"]["file"] == "world.py"
    assert alive["data"]["loaded"] is False


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"no json", "infrastructure.command"),
        (b'{"command": "format"}', "infrastructure.command"),
        (b'{"command": "seed", "extra": 1}', "infrastructure.command"),
        (b'{"command": "seed"}', "infrastructure.not_loaded"),
        (b'{"command": "contract"}', "infrastructure.not_loaded"),
        (
            b'{"command": "load", "pack": "AAAA", "seed": 1, "app": "http://127.0.0.1:1"}',
            "infrastructure.pack_transfer",
        ),
    ],
)
def test_a_command_that_cannot_be_done_is_ours(idle: Probe, line: bytes, code: str) -> None:
    """A wrong command never ends the probe and never names the trainee."""
    (failed,) = idle.raw(line)
    assert idle.ask("ping")[0]["data"]["loaded"] is False
    assert (failed["event"], failed["kind"], failed["code"]) == ("failed", "infrastructure", code)


def test_a_probe_whose_host_went_away_ends(tmp_path: Path) -> None:
    """The end of the input ends the process."""
    with probe(tmp_path) as running:
        running.ask("ping")
        assert running.process.stdin
        running.process.stdin.close()
        assert running.process.wait(10) == 0


def test_a_probe_that_nobody_talks_to_ends_by_itself(tmp_path: Path) -> None:
    """The dead-man timer needs no help from the host."""
    with probe(tmp_path, PROBE_DEADLINE="0.5") as running:
        assert running.process.wait(20) == 75
