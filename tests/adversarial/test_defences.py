"""Each defence is switched off once, and what it keeps out shows: a defence without such a case is only a belief."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest

from grader.probe.guard import Guard, Limits
from grader.probe.routes import Routes
from grader.probe.target import Answer, NoAnswer, Target
from grader.sandbox import golden, labels, reaper
from grader.sandbox.engine import GuardedClient
from grader.sandbox.images import ImageStore

Script = Callable[[socket.socket], None]
Config = dict[str, Any]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
PATIENT = 30.0
HUGE = 1 << 40


def dripping(head: bytes, body: bytes) -> Script:
    """Send the body in small pieces that take a second together."""

    def script(connection: socket.socket) -> None:
        connection.sendall(head)
        for place in range(len(body)):
            time.sleep(1 / len(body))
            connection.sendall(body[place : place + 1])

    return script


def saying(body: bytes, *headers: bytes) -> Script:
    """Send a whole answer at once."""
    lines = b"".join(line + b"\r\n" for line in headers)
    return lambda connection: connection.sendall(HEAD + b"Content-Length: %d\r\n%s\r\n%s" % (len(body), lines, body))


@dataclass(frozen=True, kw_only=True)
class Client:
    """A tester's client, and the guard that it goes through."""

    guard: Guard
    target: Target

    def send(self, method: str, path: str) -> Answer:
        """Send a request through the guard."""
        return self.target.send(method, path)


@contextmanager
def asked(script: Script, limits: Limits) -> Iterator[tuple[Client, list[bytes]]]:
    """A client behind a guard in front of a hostile app, and the requests that the app got."""
    requests: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with closing(connection), suppress(OSError):
            requests.append(connection.recv(65_536))
            script(connection)

    threading.Thread(target=serve, daemon=True).start()
    routes = Routes([("listThings", "GET", "/things")])
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        with Guard(address, routes=routes, limits=limits) as guard, closing(Target(guard.base_url)) as target:
            yield Client(guard=guard, target=target), requests
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


CAPS: dict[str, tuple[Script, Limits, dict[str, Any], str]] = {
    "size": (saying(b" " * 3_000_000 + b"1"), Limits(), {"body_bytes": HUGE}, "response.too_large"),
    "depth": (saying(b"[" * 400_000), Limits(), {"json_depth": HUGE}, "response.too_deep"),
    "time of the body": (
        dripping(HEAD + b"Content-Length: 10\r\n\r\n", b"[1,2,3,45]"),
        Limits(total_seconds=0.3),
        {"total_seconds": PATIENT},
        "response.slow",
    ),
    "time of the head": (
        dripping(b"", HEAD + b"Content-Length: 0\r\n\r\n"),
        Limits(header_seconds=0.3),
        {"header_seconds": PATIENT},
        "response.slow",
    ),
    "size of the head": (
        saying(b"1", *[b"X-%d: %s" % (number, b"y" * 1_000) for number in range(70)]),
        Limits(),
        {"header_bytes": 1 << 20},
        "response.headers_too_large",
    ),
    "number of headers": (
        saying(b"1", *[b"X-%d: y" % number for number in range(92)]),
        Limits(),
        {"header_count": HUGE},
        "response.headers_too_large",
    ),
}
"""Cap -> the answer it is there for, the limits with it, what switches it off, and its code."""


@pytest.mark.parametrize("cap", CAPS)
def test_without_a_cap_the_hostile_answer_gets_through(cap: str) -> None:
    """The same answer has the code with the cap, and reaches the tester without it."""
    script, limits, off, code = CAPS[cap]
    with asked(script, limits) as (target, _):
        assert target.send("GET", "/things").guard_code == code
    with asked(script, replace(limits, **off)) as (target, _):
        answer = target.send("GET", "/things")
    assert (answer.guard_code, answer.status) == (None, 200)


def test_without_strikes_a_stalling_operation_is_asked_for_ever() -> None:
    """Two questions with them, every question without."""
    limits = Limits(header_seconds=0.05, total_seconds=0.1)
    for off, expected in (({}, 2), ({"slow_strikes": HUGE}, 6)):
        with asked(lambda _: time.sleep(0.5), replace(limits, **off)) as (target, requests):
            codes = {target.send("GET", "/things").guard_code for _ in range(6)}
        assert (codes, len(requests)) == ({"response.slow"}, expected)


def test_what_stalled_once_gets_one_strike_in_later_commands() -> None:
    """It costs two deadlines once and one for every later command; what answered well keeps its two."""
    with asked(lambda _: time.sleep(0.5), Limits(header_seconds=0.05, total_seconds=0.1)) as (target, requests):
        for expected in (2, 3, 4):
            target.guard.begin_run()
            for _ in range(4):
                target.send("GET", "/things")
            assert len(requests) == expected
        target.guard.begin_run()
        for _ in range(4):
            target.send("GET", "/elsewhere")
        assert len(requests) == 4 + 2


def test_an_app_that_hangs_up_late_uses_up_its_strikes() -> None:
    """An app too busy to answer costs no more than one that stalls, and is told by its own code."""

    def late(_: socket.socket) -> None:
        time.sleep(1.1)

    with asked(late, Limits()) as (target, requests):
        codes = []
        for _ in range(5):
            with pytest.raises(NoAnswer) as caught:
                target.send("GET", "/things")
            codes.append(caught.value.detail)
    assert codes == ["closed", "closed", "repeatedly", "repeatedly", "repeatedly"]
    assert len(requests) == 2


# -- the golden container ---------------------------------------------------------------------------------------------

ALLOCATE = 400 << 20


@dataclass(frozen=True, kw_only=True)
class Sabotage:
    """A setting, the change that switches it off, what is tried, and what comes of it with and without the setting."""

    off: Callable[[Config], object]
    attempt: str
    held: Any
    free: Any


GOLDEN = {
    "the root is read-only": Sabotage(
        off=lambda config: config["HostConfig"].update(ReadonlyRootfs=False),
        attempt="open('/var/tmp/x', 'w').close(); said = 'written'",
        held="OSError",
        free="written",
    ),
    "no capability can be had": Sabotage(
        off=lambda config: config["HostConfig"].update(CapDrop=[]),
        attempt="said = int(status['CapBnd'], 16) > 0",
        held=False,
        free=True,
    ),
    "no privilege can be gained": Sabotage(
        # The second filter sets the same bit by itself, so both have to go.
        off=lambda config: (config["HostConfig"].update(SecurityOpt=[]), config.update(Entrypoint=[])),
        attempt="said = int(status['NoNewPrivs'])",
        held=1,
        free=0,
    ),
    "system calls are filtered twice": Sabotage(
        off=lambda config: config.update(Entrypoint=[]),
        attempt="said = int(status['Seccomp_filters']) > 1",
        held=True,
        free=False,
    ),
    "memory is limited": Sabotage(
        off=lambda config: config["HostConfig"].update(Memory=0, MemorySwap=0),
        attempt=f"said = len(b'x' * {ALLOCATE})",
        held="killed",
        free=ALLOCATE,
    ),
    "processes are limited": Sabotage(
        off=lambda config: config["HostConfig"].update(PidsLimit=0),
        attempt="for _ in range(200): threading.Thread(target=time.sleep, args=(1,)).start()\nsaid = 'started'",
        held="RuntimeError",
        free="started",
    ),
    "/tmp is small": Sabotage(
        off=lambda config: config["HostConfig"].update(Tmpfs={"/tmp": "rw,mode=1777"}),
        attempt="for name in 'ab': pathlib.Path('/tmp', name).write_bytes(bytes(40 << 20))\nsaid = 'written'",
        held="OSError",
        free="written",
    ),
    "files are limited in size": Sabotage(
        off=lambda config: config["HostConfig"].update(Ulimits=[]),
        attempt=f"said = resource.getrlimit(resource.RLIMIT_FSIZE)[0] not in range({(64 << 20) + 1})",
        held=False,
        free=True,
    ),
}

TRY = """
import json, os, pathlib, resource, sys, threading, time
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
names = dict(globals())
try:
    exec(sys.argv[1], names)
    said = names["said"]
except (OSError, RuntimeError) as error:
    said = "OSError" if isinstance(error, OSError) else "RuntimeError"
print(json.dumps(said), flush=True)
os._exit(0)
"""


def tried(engine: GuardedClient, image: str, attempt: str, off: Callable[[Config], object]) -> Any:
    """What came of an attempt in a container shaped like a submission, after a change of its configuration."""
    shape = golden.app_shape(uid=golden.APP_UID_BASE, start=(), environment={}, memory=256, cpus=1.0)
    config = golden.container_config(
        shape, image=image, network="none", address=None, hosts={}, labels=labels.of_run("sabotage")
    )
    config |= {"Cmd": ["python3", "-I", "-c", TRY, attempt]}
    off(config)
    container = str(engine.create_container_from_config(config)["Id"])
    engine.start(container)
    status = engine.wait(container, timeout=60)["StatusCode"]
    said = engine.logs(container).decode()
    if status == 137:
        return "killed"
    assert status == 0, said
    return json.loads(said)


@pytest.mark.parametrize("setting", GOLDEN)
def test_without_a_golden_setting_the_attempt_succeeds(setting: str, engine: GuardedClient, store: ImageStore) -> None:
    """What is refused in the container of a submission is possible in the same one without the setting."""
    one, image = GOLDEN[setting], store.image_id("runtime-python")
    try:
        assert tried(engine, image, one.attempt, lambda _: None) == one.held
        assert tried(engine, image, one.attempt, one.off) == one.free
    finally:
        reaper.remove_run(engine, "sabotage")
