"""The guard against apps that lie, stall, flood and break the protocol: one hostile server on loopback for each."""

import gzip
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import pytest

from grader.errors import InfrastructureFault
from grader.probe.guard import Guard, Limits
from grader.probe.routes import Routes
from grader.probe.target import NoAnswer, Target

Script = Callable[[socket.socket, bytes], None]

ROUTES = Routes([("listThings", "GET", "/things"), ("getThing", "GET", "/things/{id}")])
QUICK = Limits(connect_seconds=0.5, header_seconds=0.4, total_seconds=0.8)


@contextmanager
def app(script: Script) -> Iterator[str]:
    """A server that hands every connection, with the head and body it received, to ``script``."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with closing(connection), suppress(OSError):
            connection.settimeout(10)
            received = b""
            while b"\r\n\r\n" not in received:
                more = connection.recv(65_536)
                if not more:
                    return
                received += more
            script(connection, received)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(2)


@contextmanager
def guarded(script: Script, limits: Limits = QUICK) -> Iterator[tuple[Guard, Target]]:
    """A guard in front of such a server, and a target bound to it."""
    with (
        app(script) as address,
        Guard(address, routes=ROUTES, limits=limits) as guard,
        closing(Target(guard.base_url, routes=ROUTES)) as target,
    ):
        yield guard, target


def says(*parts: bytes) -> Script:
    """A script that answers with these bytes and closes."""
    return lambda connection, _: connection.sendall(b"".join(parts))


def ok(body: bytes = b'{"data": []}', *headers: bytes) -> bytes:
    """A correct answer."""
    lines = [b"HTTP/1.1 200 OK", b"Content-Type: application/json", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def code_of(script: Script, limits: Limits = QUICK) -> tuple[str | None, str]:
    """The code and detail that the guard gives to one answer of ``script``."""
    with guarded(script, limits) as (_, target):
        answer = target.send("GET", "/things")
        return answer.guard_code, answer.guard_detail


def test_a_correct_answer_passes_whole() -> None:
    """Status, body and headers of an answer within limits arrive unchanged, and the exchange is recorded."""
    with guarded(says(ok('{"ชื่อ": "สาธิต"}'.encode(), b"X-Own: 1"))) as (guard, target):
        answer = target.send("GET", "/things", query={"q": "ก ข", "limit": 5})
    assert (answer.status, answer.json(), answer.headers["x-own"]) == (200, {"ชื่อ": "สาธิต"}, "1")
    assert answer.operation == "listThings"
    (record,) = guard.exchanges
    assert (record.method, record.route, record.status, record.violation, record.asked) == (
        *("GET", "listThings", 200, "", True),
    )
    assert record.path == "/things?q=%E0%B8%81%20%E0%B8%82&limit=5"
    assert guard.counts == {"listThings": 1}
    assert len(guard.latencies["listThings"]) == 1


def test_a_chunked_answer_is_joined() -> None:
    """Chunked transfer is decoded and told with its length."""
    chunks = b"4\r\n[1,2\r\n3\r\n,3]\r\n0\r\n\r\n"
    with guarded(says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunks)) as (_, target):
        answer = target.send("GET", "/things")
    assert (answer.json(), answer.headers["content-length"]) == ([1, 2, 3], "7")


@pytest.mark.parametrize(
    ("method", "head"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\n\r\n"),
    ],
)
def test_answers_without_a_body_pass(method: str, head: bytes) -> None:
    """HEAD, 204 and 304 have no body, whatever length they declare."""
    with guarded(says(head)) as (_, target):
        answer = target.send(method, "/things")
    assert (answer.guard_code, answer.body) == (None, b"")


def test_an_old_server_that_ends_its_body_by_closing_is_understood() -> None:
    """HTTP/1.0 without a length is correct HTTP."""
    assert code_of(says(b"HTTP/1.0 200 OK\r\n\r\n[]")) == (None, "")


def test_deep_nesting_is_refused() -> None:
    """400 kB of opening brackets never reach a recursive parser."""
    assert code_of(says(ok(b"[" * 400_000))) == ("response.too_deep", "json")


def test_brackets_in_a_string_are_no_nesting() -> None:
    """Text that holds brackets and escaped quotes is not counted."""
    body = json.dumps({"data": '["\\' * 500}).encode()
    assert code_of(says(ok(body))) == (None, "")


def test_an_endless_number_is_refused() -> None:
    """An integer of 100,000 digits would stop a JSON reader with an error of its own."""
    assert code_of(says(ok(b"[" + b"7" * 100_000 + b"]"))) == ("response.too_large", "long_number")


def test_a_body_of_one_byte_per_tick_is_cut_by_the_total_time() -> None:
    """A body that always sends a little more is cut by the clock of the whole, not of one read."""

    def drip(connection: socket.socket, _received: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            connection.sendall(b" ")
            time.sleep(0.05)

    started = time.monotonic()
    assert code_of(drip) == ("response.slow", "body")
    assert time.monotonic() - started < QUICK.total_seconds + 1


def test_a_head_of_one_byte_per_tick_is_cut() -> None:
    """Headers have their own, shorter time."""

    def drip(connection: socket.socket, _received: bytes) -> None:
        for byte in b"HTTP/1.1 200 OK\r\n" + b"x" * 1000:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    assert code_of(drip) == ("response.slow", "headers")


def test_endless_headers_are_cut() -> None:
    """Headers without end are cut by their size."""

    def flood(connection: socket.socket, _received: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        for number in range(100_000):
            connection.sendall(b"X-%d: %s\r\n" % (number, b"y" * 1000))

    assert code_of(flood) == ("response.headers_too_large", "bytes")


def test_endless_interim_answers_are_cut() -> None:
    """1xx answers count as headers, so they cannot go on for ever."""

    def flood(connection: socket.socket, _received: bytes) -> None:
        for _ in range(100_000):
            connection.sendall(b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n")

    assert code_of(flood)[0] == "response.headers_too_large"


def test_too_many_headers_are_refused() -> None:
    """More headers than the tester's own client reads are the app's finding, not the tester's crash."""
    assert code_of(says(ok(b"[]", *[b"X-%d: 1" % n for n in range(120)]))) == ("response.headers_too_large", "count")


def test_a_declared_giant_is_refused_unread() -> None:
    """A declared length of 10 GB is refused before any of it is read."""
    assert code_of(says(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n"))[0] == "response.too_large"


def test_an_endless_chunked_body_is_cut() -> None:
    """A body without a declared end stops at the cap."""

    def flood(connection: socket.socket, _received: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(300):
            connection.sendall(b"100000\r\n" + b"x" * 0x100000 + b"\r\n")

    assert code_of(flood, Limits()) == ("response.too_large", "body")


def test_a_compressed_answer_is_never_inflated() -> None:
    """We asked for identity; an encoded body is refused whatever is in it."""
    bomb = gzip.compress(b"\0" * 10_000_000)
    assert code_of(says(ok(bomb, b"Content-Encoding: gzip"))) == ("response.encoded", "gzip")


def test_a_redirect_is_a_finding_and_never_followed() -> None:
    """A redirect loop costs one request, and its target gets none."""
    asked = []

    def loop(connection: socket.socket, received: bytes) -> None:
        asked.append(received)
        connection.sendall(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /things\r\nContent-Length: 0\r\n\r\n")

    assert code_of(loop) == ("response.redirect", "307")
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("bytes_sent", "detail"),
    [
        (b"\x00\x01\x02 what\r\n\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\nBad Header\r\n\r\n", "malformed"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", "malformed"),
        (b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", "version"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "two_lengths"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n[]", "malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n[]", "malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n[]", "bytes_after_end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "malformed"),
    ],
)
def test_broken_http_is_a_typed_finding(bytes_sent: bytes, detail: str) -> None:
    """Whatever is no strict HTTP/1.1 gets one code, and the tester goes on."""
    assert code_of(says(bytes_sent)) == ("response.protocol", detail)


def test_a_late_byte_after_the_end_is_seen() -> None:
    """A body longer than declared is found even when it comes in a later segment."""

    def late(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1")
        time.sleep(0.01)
        connection.sendall(b"23")

    assert code_of(late) == ("response.protocol", "bytes_after_end")


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()


@pytest.mark.parametrize(("script", "detail"), [(lambda c, _: _reset(c), "reset"), (lambda c, _: c.close(), "closed")])
def test_an_app_that_drops_the_connection_gave_no_answer(script: Script, detail: str) -> None:
    """A reset or an end before the first byte is no answer."""
    with guarded(script) as (guard, target), pytest.raises(NoAnswer) as caught:
        target.send("GET", "/things/1")
    assert (caught.value.detail, caught.value.operation) == (detail, "getThing")
    assert caught.value.exchange.response is None
    assert guard.exchanges[0].violation == "app.no_answer"


def test_a_reset_in_the_middle_is_a_broken_answer() -> None:
    """An app that dies while it answers did answer, badly."""

    def dies(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[")
        time.sleep(0.05)
        _reset(connection)

    assert code_of(dies) == ("response.protocol", "reset")


def test_nobody_listening_is_no_answer() -> None:
    """A refused connection is told as such."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    with (
        Guard(f"http://127.0.0.1:{port}") as guard,
        closing(Target(guard.base_url)) as target,
        pytest.raises(NoAnswer) as caught,
    ):
        target.send("GET", "/")
    assert caught.value.detail == "refused"


def test_the_app_cannot_forge_a_guard_code() -> None:
    """x-guard headers of the app are stripped, so its own 599 stays an ordinary answer."""
    forged = b"HTTP/1.1 599 X\r\nX-Guard-Code: app.no_answer\r\nX-Guard-Elapsed-Ms: 0\r\nContent-Length: 0\r\n\r\n"
    with guarded(says(forged)) as (_, target):
        answer = target.send("GET", "/things")
    assert (answer.status, answer.guard_code) == (599, None)
    assert not [name for name in answer.headers if name.startswith("x-guard")]


def test_every_tester_looks_like_the_same_plain_client() -> None:
    """User agent, tester headers and encodings are replaced before the app sees them, body and own headers are not."""
    seen: list[bytes] = []

    def keep(connection: socket.socket, received: bytes) -> None:
        seen.append(received)
        connection.sendall(ok())

    with guarded(keep) as (_, target):
        target.send(
            "POST",
            "/things",
            headers={"X-Schemathesis-TestCaseId": "1", "X-API-Key": "k", "User-Agent": "schemathesis/4"},
            json={"a": "ก"},
        )
    head, _, body = seen[0].partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert body == '{"a": "ก"}'.encode()
    assert b"user-agent: api-client/1.0" in lines
    assert b"accept-encoding: identity" in lines
    assert b"connection: close" in lines
    assert b"x-api-key: k" in lines
    assert not [line for line in lines if b"schemathesis" in line or b"httpx" in line or b"guard" in line]


def test_after_two_time_violations_an_operation_is_not_asked_again() -> None:
    """The rest of a stalling operation is answered at once, while other operations are still really asked."""
    asked: list[bytes] = []

    def stalls(connection: socket.socket, received: bytes) -> None:
        asked.append(received.split(b" ")[1])
        if b"/things/" in received:
            time.sleep(1)
        connection.sendall(ok())

    limits = Limits(header_seconds=0.1, total_seconds=0.2)
    with guarded(stalls, limits) as (guard, target):
        codes = [target.send("GET", f"/things/{number}").guard_code for number in range(10)]
        other = target.send("GET", "/things")
        guard.begin_run()
        again = target.send("GET", "/things/11").guard_code
    assert codes == ["response.slow"] * 10
    assert asked == [b"/things/0", b"/things/1", b"/things", b"/things/11"]
    assert (other.status, again) == (200, "response.slow")


def test_readiness_never_runs_out_of_tries() -> None:
    """A slow start uses up no strikes: the health path is asked every time."""
    asked = []

    def stalls(_: socket.socket, received: bytes) -> None:
        asked.append(received)
        time.sleep(0.5)

    with guarded(stalls, Limits(header_seconds=0.05, total_seconds=0.1)) as (_, target):
        for _ in range(5):
            target.send("GET", "/healthz")
    assert len(asked) == 5


def test_a_spent_budget_is_ours_not_the_apps() -> None:
    """More exchanges than a run may have is a fault of the plan."""
    with guarded(says(ok()), Limits(exchanges=2)) as (_, target):
        target.send("GET", "/things")
        target.send("GET", "/things")
        with pytest.raises(InfrastructureFault, match="guard_exhausted"):
            target.send("GET", "/things")


def test_a_request_that_is_no_http_is_refused_as_ours() -> None:
    """What no client may send never reaches the app and is marked as the tester's own doing."""
    asked: list[bytes] = []
    with guarded(lambda _, received: asked.append(received)) as (guard, _):
        host, port = guard.base_url.removeprefix("http://").split(":")
        with closing(socket.create_connection((host, int(port)), 2)) as raw:
            raw.sendall(b"GET /things HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n")
            answer = raw.recv(4096)
    assert b" 400 " in answer
    assert b"guard.request_refused" in answer
    assert asked == []


MEMORY_SCRIPT = """
import re, sys
from pathlib import Path
from grader.probe.guard import Guard
from grader.probe.target import Target
with Guard(sys.argv[1]) as guard:
    target = Target(guard.base_url)
    codes = [target.send("GET", path).guard_code for path in ("/flood", "/deep", "/bomb", "/flood")]
print(*codes, int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""
"""Its own high-water mark: getrusage would begin with that of the process that started it."""


def test_no_answer_makes_the_probe_fat() -> None:
    """300 MB bodies, deep nesting and a gzip bomb leave the probe under 300 MB of memory."""

    def hostile(connection: socket.socket, received: bytes) -> None:
        if b"/flood" in received:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            for _ in range(300):
                connection.sendall(b"x" * 1_000_000)
        elif b"/deep" in received:
            connection.sendall(ok(b"[" * 1_900_000))
        else:
            connection.sendall(ok(gzip.compress(b"\0" * 50_000_000), b"Content-Encoding: gzip"))

    with app(hostile) as address:
        done = subprocess.run(
            [sys.executable, "-c", MEMORY_SCRIPT, address], capture_output=True, text=True, timeout=60, check=True
        )
    *codes, megabytes = done.stdout.split()
    assert codes == ["response.too_large", "response.too_deep", "response.encoded", "response.too_large"]
    assert int(megabytes) < 300
