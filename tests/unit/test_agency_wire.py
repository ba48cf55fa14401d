"""The server of an agency against clients that mean harm: it bounds each of them and goes on serving the others."""

import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest

from grader.agency.wire import Limits
from tests.fixtures.agencies import APP_TOKEN, PERSONS, RunningAgency, rest_agency

LIMITS = Limits(
    connections=8, body_bytes=20_000, idle_seconds=0.6, head_seconds=0.4, body_seconds=0.4, silence_seconds=0.6
)
GET = f"GET /v1/persons/all HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {APP_TOKEN}\r\n\r\n".encode()
POST = f"POST /v1/persons:batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {APP_TOKEN}\r\n"


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningAgency]:
    """An agency with small limits."""
    with rest_agency(LIMITS) as agency:
        agency.filled()
        yield agency


@pytest.fixture
def agency(shared: RunningAgency) -> Iterator[RunningAgency]:
    """The agency; whatever a test did to it, it answers afterwards, and has let go of every connection."""
    shared.handle().forget()
    yield shared
    shared.handle().heal()
    _let_go(shared)  # what a test leaves open could be all that the agency allows
    assert shared.ask("/v1/persons/all").status == 200
    _let_go(shared)


def _let_go(agency: RunningAgency) -> None:
    give_up = time.monotonic() + 10
    while agency.server.door.connections and time.monotonic() < give_up:
        time.sleep(0.02)
    assert agency.server.door.connections == 0


def said(client: socket.socket) -> bytes:
    """Everything that comes until the agency ends the connection."""
    found = b""
    try:
        while data := client.recv(65_536):
            found += data
    except ConnectionResetError:
        return found
    return found


def status_of(answer: bytes) -> int | None:
    """The status of the first answer in these bytes."""
    return int(answer.split(b" ")[1]) if answer.startswith(b"HTTP/1.1 ") else None


def post(body: bytes, *more: str) -> bytes:
    """A question with this body."""
    return (POST + "".join(f"{line}\r\n" for line in (f"Content-Length: {len(body)}", *more)) + "\r\n").encode() + body


BAD: dict[str, tuple[bytes, int | None]] = {
    "rubbish": (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" * 9 + b"\r\n\r\n", 400),
    "no version": (b"GET /\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two lengths": (POST.encode() + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400),
    "negative length": (POST.encode() + b"Content-Length: -1\r\n\r\n", 400),
    "smuggled header": (b"GET / HTTP/1.1\r\nHost: x\r\nA\x00: b\r\n\r\n", 400),
    "folded header": (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    "endless head": (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"x" * 200_000, 431),
    "endless line": (b"GET /" + b"x" * 200_000, 431),
    "bad chunk": (POST.encode() + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    "unknown coding": (POST.encode() + b"Transfer-Encoding: gzip\r\n\r\n", 501),
    "too large": (post(b"x" * 20_001), 413),
    "too large in chunks": (
        POST.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + b"1000\r\n" + (b"x" * 4096 + b"\r\n1000\r\n") * 8,
        413,
    ),
    "no JSON": (post(b"{", "Connection: close"), 400),
    "no text": (post(b"\xff\xfe\x00", "Connection: close"), 400),
    "deep": (post(b"[" * 20_000, "Connection: close"), 400),
    "long number": (post(b'{"cids": ' + b"9" * 19_000 + b"}", "Connection: close"), 400),
    "upgrade": (GET[:-2] + b"Connection: close, upgrade\r\nUpgrade: websocket\r\n\r\n", 200),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_good_request_is_refused(agency: RunningAgency, name: str) -> None:
    """It gets a status, if it can be told at all, and its connection ends."""
    sent, status = BAD[name]
    with agency.connect() as client:
        client.sendall(sent)
        assert status_of(said(client)) == status


def test_a_refused_body_is_counted_with_its_status(agency: RunningAgency) -> None:
    """Its head came completely; a head that is no HTTP is no request."""
    for name in ("too large", "bad chunk", "rubbish", "endless head"):
        with agency.connect() as client:
            client.sendall(BAD[name][0])
            said(client)
    assert [one.status for one in agency.handle().requests()] == [413, 400]
    assert agency.handle().connections() == 4


@pytest.mark.parametrize(
    ("sent", "counted"),
    [
        (b"", 0),
        (b"G", 0),
        (GET[:-1], 0),
        (POST.encode() + b"Content-Length: 10\r\n\r\nabc", 1),
        (POST.encode() + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", 1),
    ],
)
@pytest.mark.parametrize("end", ["waits", "closes", "resets"])
def test_a_client_that_does_not_finish_is_dropped(agency: RunningAgency, sent: bytes, counted: int, end: str) -> None:
    """Whether it stays silent or leaves: no answer, and a request only when its head was complete."""
    with agency.connect() as client:
        client.sendall(sent)
        if end == "waits":
            assert said(client) == b""
        elif end == "resets":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if end == "waits" or not sent:
        assert [one.status for one in agency.handle().requests()] == [None] * counted


def test_a_slow_head_has_no_more_time_than_a_silent_one(agency: RunningAgency) -> None:
    """One byte now and then does not buy time."""

    def trickle(client: socket.socket) -> None:
        for byte in GET * 50:
            client.sendall(bytes([byte]))
            time.sleep(0.02)

    with agency.connect() as client, pytest.raises(OSError, match=r"reset|pipe"):
        trickle(client)


def test_many_requests_at_once_are_answered_in_order(agency: RunningAgency) -> None:
    """Pipelined requests get their answers one after the other, and are all counted."""
    wanted = [f"/v1/persons/{PERSONS[number % 5]['cid']}" for number in range(200)]
    sent = b"".join(GET.replace(b"/v1/persons/all", path.encode()) for path in wanted[:-1])
    last = GET.replace(b"/v1/persons/all", wanted[-1].encode())
    with agency.connect() as client:
        client.sendall(sent + last[:-2] + b"Connection: close\r\n\r\n")
        answers = said(client).split(b"HTTP/1.1 ")[1:]
    bodies = [json.loads(one.partition(b"\r\n\r\n")[2]) for one in answers]
    assert [f"/v1/persons/{body['cid']}" for body in bodies] == wanted
    assert (agency.handle().statements(), agency.handle().connections()) == (200, 1)


def test_a_client_may_ask_before_it_sends_its_body(agency: RunningAgency) -> None:
    """Expect: 100-continue is answered, so that a library that waits for it does not wait in vain."""
    body = json.dumps({"cids": [PERSONS[0]["cid"]]}).encode()
    head = post(body, "Expect: 100-continue", "Connection: close")[: -len(body)]
    with agency.connect() as client:
        client.sendall(head)
        assert client.recv(100).startswith(b"HTTP/1.1 100 ")
        client.sendall(body)
        assert status_of(said(client)) == 200


def test_who_holds_connections_open_shuts_out_nobody(agency: RunningAgency) -> None:
    """A new connection replaces the one that is idle longest; every one is counted."""
    with ExitStack() as open_ones:
        held = [open_ones.enter_context(agency.connect()) for _ in range(200)]
        assert agency.ask("/v1/persons/all").status == 200
        assert agency.handle().connections() == 201
        assert agency.server.door.connections <= LIMITS.connections
        assert said(held[0]) == b""


def test_who_is_being_answered_is_not_replaced(agency: RunningAgency) -> None:
    """With all connections busy a new one is reset, and the busy ones get their answers."""
    agency.handle().faults([{"t": 0, "mode": "latency", "ms": 1_500}])
    with ExitStack() as open_ones:
        busy = [open_ones.enter_context(agency.connect()) for _ in range(LIMITS.connections)]
        for client in busy:
            client.sendall(GET[:-2] + b"Connection: close\r\n\r\n")
        while agency.handle().statements() < len(busy):
            time.sleep(0.01)
        with suppress(ConnectionResetError), agency.connect() as late:  # the reset may come before connect() has looked
            assert said(late) == b""
        assert [status_of(said(client)) for client in busy] == [200] * len(busy)


def test_an_answer_that_nobody_reads_holds_up_nobody() -> None:
    """Its connection is reset when its time is over."""
    with rest_agency(Limits(send_seconds=0.3, silence_seconds=0.1)) as agency:
        handle = agency.filled()
        handle.load({"persons": [{"cid": str(n), "status": "x" * 10_000} for n in range(1_000)]})
        with agency.connect() as client:
            client.sendall(GET)
            while not handle.statements():
                time.sleep(0.01)
            assert agency.ask("/v1/persons/1").status == 200
            give_up = time.monotonic() + 10
            while agency.server.door.connections and time.monotonic() < give_up:
                time.sleep(0.02)
            assert agency.server.door.connections == 0
        assert [one.status for one in handle.requests()] == [None, 200]


def test_silence_has_an_end(agency: RunningAgency) -> None:
    """A client that never leaves a request without answer is reset, also when it goes on talking."""
    agency.handle().faults([{"t": 0, "mode": "timeout_after_effect"}])
    for more in (b"", GET * 2_000):
        with agency.connect() as client:
            client.sendall(GET + more)
            assert said(client) == b""
    assert [one.status for one in agency.handle().requests()] == [None, None]


def flood(agency: RunningAgency) -> None:
    """A thousand connections that send rubbish and are reset."""
    for _ in range(1_000):
        with agency.connect() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with suppress(OSError):
                client.send(b"\x00")


def tiny_chunks(agency: RunningAgency) -> None:
    """Bodies in chunks of one byte: much work for few bytes."""
    with ExitStack() as open_ones:
        for _ in range(4):
            client = open_ones.enter_context(agency.connect())
            client.settimeout(0.5)
            try:
                client.sendall(POST.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 30_000)
                said(client)
            except OSError:
                continue


@pytest.mark.parametrize("attack", [flood, tiny_chunks])
def test_the_control_side_answers_through_it_all(
    agency: RunningAgency, attack: Callable[[RunningAgency], None]
) -> None:
    """Whatever the app does at its door, the grader's calls succeed, and the agency is whole afterwards."""
    attack(agency)
    agency.handle().faults([{"t": 0, "mode": "status", "status": 503}])
    assert agency.ask("/v1/persons/all").status == 503
    agency.handle().heal()
    agency.handle().forget()
    assert agency.ask("/v1/persons/all").status == 200
    assert agency.handle().statements() == 1
