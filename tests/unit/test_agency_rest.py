"""A REST agency on loopback: what its routes answer, and what each fault makes of the answer."""

import csv
import http.client
import io
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from grader.errors import PackInvalid
from tests.fixtures.agencies import CENTERS, PERSONS, REGISTRY, RunningAgency, rest_agency

ONE, TWO, THREE, FOUR, FIVE = (person["cid"] for person in PERSONS)
FULL = [{"status": None, **person} for person in PERSONS]
"""The persons as the agency answers them: what a row lacks is null."""


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningAgency]:
    """An agency with its rows."""
    with rest_agency() as agency:
        agency.filled()
        yield agency


@pytest.fixture
def agency(shared: RunningAgency) -> Iterator[RunningAgency]:
    """The agency, well, with the world's rows, counted from 0."""
    handle = shared.handle()
    handle.forget()
    yield shared
    handle.heal()
    handle.reset({"persons": PERSONS, "centers": CENTERS})


def is_problem(answer: Any, status: int) -> bool:
    """Whether this is a refusal as RFC 9457 wants it."""
    told = answer.json["status"] == answer.status == status
    return told and answer.headers["content-type"] == "application/problem+json"


# -- routes -----------------------------------------------------------------------------------------------------------


def test_one_object_is_found_by_its_path(agency: RunningAgency) -> None:
    """With every column of its table; another is a 404; a literal path goes before one with a parameter."""
    answer = agency.ask(f"/v1/persons/{FOUR}")
    assert (answer.status, answer.headers["content-type"], answer.json) == (200, "application/json", FULL[3])
    assert agency.ask(f"/v1/persons/{ONE[:3]}%{ord(ONE[3]):x}{ONE[4:]}").json == FULL[0], "escapes are undone"
    assert is_problem(agency.ask("/v1/persons/1970100000999"), 404)
    assert isinstance(agency.ask("/v1/persons/all").json, list)
    assert agency.ask(f"/either/{TWO}").json == {"data": FULL[1]}
    assert (agency.ask("/either/0").status, agency.ask("/either/0").json) == (200, {"data": "none"})


def test_a_batch_lists_what_is_there_once(agency: RunningAgency) -> None:
    """In the order of the table, whatever the order of the question; the unknown is absent."""
    asked = [THREE, ONE, "1970100000999"]
    assert agency.ask("/v1/persons:batch", {"cids": asked}).json == {"data": [FULL[0], FULL[2]]}
    assert agency.ask("/v1/persons:batch", {"cids": [ONE, ONE, ONE]}).json == {"data": [FULL[0]]}
    assert agency.ask("/v1/persons:batch", {"cids": []}).json == {"data": []}


def test_a_batch_has_its_limit(agency: RunningAgency) -> None:
    """One more is a 400, or it is silently not answered: the description says which."""
    assert is_problem(agency.ask("/v1/persons:batch", {"cids": [ONE, ONE, ONE, ONE]}), 400)
    assert agency.ask("/rights/search", {"cids": [ONE, TWO, THREE]}).json == FULL[:2]


@pytest.mark.parametrize(
    "body", [[], "x", 5, {}, {"cids": "x"}, {"cids": [1]}, {"cids": [["x"]]}, {"cids": None}, {"cid": []}]
)
def test_a_batch_of_another_kind_is_refused(agency: RunningAgency, body: Any) -> None:
    """A body that is no list of texts under its name."""
    assert is_problem(agency.ask("/v1/persons:batch", body), 400)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("?sex=2", [0, 2, 3]),
        ("?sex=2&office=19702", [3]),
        ("?sex=3", []),
        ("?sex=", [0, 1, 2, 3, 4]),
        ("?what=2", [0, 1, 2, 3, 4]),
    ],
)
def test_a_list_is_filtered(agency: RunningAgency, query: str, found: list[int]) -> None:
    """By equality or by the beginning; unknown parameters say nothing."""
    assert agency.ask(f"/v1/persons/all{query}").json == [FULL[place] for place in found]


@pytest.mark.parametrize(
    ("body", "limit", "offset", "found"),
    [
        ({}, 2, 0, [0, 1]),
        ({"limit": 3, "offset": 1}, 3, 1, [1, 2, 3]),
        ({"limit": 9}, 3, 0, [0, 1, 2]),
        ({"limit": "1", "offset": 4}, 1, 4, [4]),
        ({"offset": 99}, 2, 99, []),
    ],
)
def test_pages_by_offset(
    agency: RunningAgency, body: dict[str, Any], limit: int, offset: int, found: list[int]
) -> None:
    """A limit above the maximum is silently cut, and total tells how many there are."""
    answer = agency.ask("/report", {"type": "json", **body}).json
    assert answer == {"data": [FULL[place] for place in found], "total": 5, "limit": limit, "offset": offset}


@pytest.mark.parametrize(
    "body", [{"type": "csv"}, {}, {"type": "json", "limit": -1}, {"type": "json", "offset": "x"}, [], None]
)
def test_a_list_by_post_refuses_what_it_does_not_understand(agency: RunningAgency, body: Any) -> None:
    """Another value of a fixed parameter, no number, no object, no body."""
    assert is_problem(agency.ask("/report", body, method="POST"), 400)


def test_pages_by_cursor(agency: RunningAgency) -> None:
    """Each page names the next one, the last names none, and an invented cursor is a 400."""
    found, cursor, pages = [], "", 0
    while pages < 5:
        answer = agency.ask(f"/walk?limit=3&cursor={cursor}").json
        found += answer["items"]
        cursor, pages = answer["next_cursor"], pages + 1
        if cursor is None:
            break
    assert (found, pages) == (FULL, 2)
    for invented in ("abc", "cm93OngK", "%FF", "cm93Oi0x"):
        assert is_problem(agency.ask(f"/walk?cursor={invented}"), 400)


def test_a_file_has_the_encoding_and_the_charset_of_its_description(agency: RunningAgency) -> None:
    """Here cp874, declared as UTF-8, with a line break inside of quotes."""
    answer = agency.ask("/centers.csv")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    rows = list(csv.reader(io.StringIO(answer.body.decode("cp874"), newline="")))
    assert rows == [list(CENTERS[0]), list(CENTERS[0].values())]
    with pytest.raises(UnicodeDecodeError):
        answer.body.decode()


def test_only_the_apps_token_opens(agency: RunningAgency) -> None:
    """Another token or scheme, or none, is a 401 with a challenge, also where nothing is; the scheme has no case."""
    for path in (f"/v1/persons/{ONE}", "/nowhere"):
        refused = agency.ask(path, token="guessed")
        assert is_problem(refused, 401)
        assert refused.headers["www-authenticate"] == "Bearer"
    for value, status in (
        ("Bearer the-apps-own-token", 200),
        ("bearer the-apps-own-token", 200),
        ("Basic the-apps-own-token", 401),
        ("the-apps-own-token", 401),
        ("Bearer the-apps-own-token2", 401),
        ("Bearer \xff", 401),
        ("", 401),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", agency.port, timeout=10)
        connection.request("GET", "/v1/persons/all", headers={"Authorization": value})
        assert connection.getresponse().status == status, value
        connection.close()


def test_what_is_not_there_is_said(agency: RunningAgency) -> None:
    """404 for a path, 405 with Allow for a method; a HEAD is a GET without its body."""
    assert is_problem(agency.ask("/nowhere"), 404)
    refused = agency.ask("/v1/persons:batch")
    assert is_problem(refused, 405)
    assert refused.headers["allow"] == "POST"
    head = agency.ask(f"/v1/persons/{ONE}", method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["content-length"]) == len(agency.ask(f"/v1/persons/{ONE}").body)


# -- faults -----------------------------------------------------------------------------------------------------------


def batch(agency: RunningAgency) -> Any:
    """The answer to one good question."""
    return agency.ask("/v1/persons:batch", {"cids": [ONE, TWO, THREE]})


def play(agency: RunningAgency, mode: str, **params: int) -> None:
    """Fail like this from now on."""
    agency.handle().faults([{"t": 0, "mode": mode, **params}])


@pytest.mark.parametrize("status", [403, 404, 500, 502, 503, 504, 599])
def test_status(agency: RunningAgency, status: int) -> None:
    """A status instead of the answer, with Retry-After when it is wanted."""
    play(agency, "status", status=status)
    assert is_problem(batch(agency), status)
    assert "retry-after" not in batch(agency).headers
    play(agency, "status", status=status, retry_after=7)
    assert batch(agency).headers["retry-after"] == "7"


def test_rate_limit(agency: RunningAgency) -> None:
    """429 with the seconds to wait."""
    play(agency, "rate_limit", retry_after=5)
    answer = batch(agency)
    assert is_problem(answer, 429)
    assert answer.headers["retry-after"] == "5"


def test_html_200(agency: RunningAgency) -> None:
    """A page in place of the data, with the status of success."""
    play(agency, "html_200")
    answer = batch(agency)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.body.startswith(b"<!doctype html>")


def test_shape_change(agency: RunningAgency) -> None:
    """An array becomes an object with data and total, and the other way round; for one object likewise."""
    play(agency, "shape_change")
    assert batch(agency).json == FULL[:3]
    bare = agency.ask("/v1/persons/all?sex=2").json
    assert bare == {"data": [FULL[0], FULL[2], FULL[3]], "total": 3, "limit": 3, "offset": 0}
    assert agency.ask(f"/v1/persons/{ONE}").json == {"data": FULL[0]}
    assert agency.ask("/centers.csv").json["data"] == CENTERS


def test_row_cap_and_short_answer(agency: RunningAgency) -> None:
    """Rows are silently missing at the end, while total tells the truth; one object is as always."""
    play(agency, "row_cap", rows=2)
    assert batch(agency).json == {"data": FULL[:2]}
    page = {"data": FULL[:2], "total": 5, "limit": 3, "offset": 0}
    assert agency.ask("/report", {"type": "json", "limit": 3}).json == page
    assert agency.ask(f"/v1/persons/{ONE}").json == FULL[0]
    play(agency, "short_answer", rows=1)
    assert batch(agency).json == {"data": FULL[:2]}
    play(agency, "short_answer", rows=9)
    assert batch(agency).json == {"data": []}


def test_stale(agency: RunningAgency) -> None:
    """What was changed since the rows were loaded does not show, on any route; afterwards it does."""
    handle = agency.handle()
    handle.update("persons", {"status": "dead"}, where={"cid": ONE})
    handle.delete("persons", where={"cid": TWO})
    handle.insert("persons", {"cid": "1970200000068"})
    play(agency, "stale")
    assert batch(agency).json == {"data": FULL[:3]}
    assert agency.ask(f"/v1/persons/{ONE}").json == FULL[0]
    assert agency.ask("/v1/persons/all").json == FULL
    handle.heal()
    changed = FULL[0] | {"status": "dead"}
    assert batch(agency).json == {"data": [changed, FULL[2]]}
    added = {"cid": "1970200000068", "sex": None, "status": None}
    assert agency.ask("/v1/persons/all").json == [changed, *FULL[2:], added]


def test_cut_body(agency: RunningAgency) -> None:
    """The head announces all of it; exactly half comes, then the connection is reset; the ledger knows no answer."""
    whole = batch(agency).body
    play(agency, "cut_body")
    connection = http.client.HTTPConnection("127.0.0.1", agency.port, timeout=10)
    headers = {"Authorization": "Bearer the-apps-own-token"}
    connection.request("POST", "/v1/persons:batch", json.dumps({"cids": [ONE, TWO, THREE]}), headers)
    response = connection.getresponse()
    assert (response.status, int(response.headers["Content-Length"])) == (200, len(whole))
    assert response.read(len(whole) // 2) == whole[: len(whole) // 2]
    with pytest.raises(ConnectionResetError):
        response.read(1)
    connection.close()
    assert [one.status for one in agency.handle().requests()] == [200, None]


def test_latency(agency: RunningAgency) -> None:
    """The right answer comes, not sooner than it is told to."""
    play(agency, "latency", ms=300)
    begun = time.monotonic()
    assert batch(agency).json == {"data": FULL[:3]}
    assert time.monotonic() - begun >= 0.3


def test_slow_answers_hold_up_nobody(agency: RunningAgency) -> None:
    """Requests that came before the healing go on waiting; those after it are answered meanwhile."""
    play(agency, "latency", ms=60_000)
    waiting = [agency.connect() for _ in range(8)]
    for one in waiting:
        one.sendall(b"GET /v1/persons/all HTTP/1.1\r\nHost: x\r\n\r\n")
    while agency.handle().statements() < len(waiting):
        time.sleep(0.01)
    agency.handle().heal()
    assert batch(agency).json == {"data": FULL[:3]}
    assert [one.status for one in agency.handle().requests()] == [None] * 8 + [200]
    for one in waiting:
        one.close()


def test_timeout_after_effect(agency: RunningAgency) -> None:
    """No answer comes; the client leaves, the next one is served, and the ledger knows no answer."""
    play(agency, "timeout_after_effect")
    with pytest.raises(TimeoutError):
        agency.ask(f"/v1/persons/{ONE}", timeout=0.3)
    agency.handle().heal()
    assert agency.ask(f"/v1/persons/{ONE}").status == 200
    assert [one.status for one in agency.handle().requests()] == [None, 200]


def test_unreachable(agency: RunningAgency) -> None:
    """Connecting is refused, idle connections and running requests are reset, and it comes back when it is healed."""
    idle = http.client.HTTPConnection("127.0.0.1", agency.port, timeout=10)
    idle.request("GET", "/v1/persons/all")
    idle.getresponse().read()
    waiting = agency.connect()
    play(agency, "latency", ms=60_000)
    waiting.sendall(b"GET /v1/persons/all HTTP/1.1\r\nHost: x\r\n\r\n")
    while agency.handle().statements() < 2:
        time.sleep(0.01)
    play(agency, "unreachable")
    with pytest.raises(ConnectionRefusedError):
        agency.connect()
    with pytest.raises(ConnectionResetError):
        waiting.recv(1)
    with pytest.raises(ConnectionResetError):
        idle.sock.recv(1)
    waiting.close()
    idle.close()
    agency.handle().heal()
    assert batch(agency).status == 200
    assert agency.handle().statements() == 3


def test_a_script_goes_on_by_itself(agency: RunningAgency) -> None:
    """Steps begin at their second without a request or call in between, also those that open and close the door."""
    agency.handle().faults(
        [
            {"t": 0, "mode": "ok"},
            {"t": 0.4, "mode": "unreachable"},
            {"t": 0.8, "mode": "html_200"},
            {"t": 1.2, "mode": "ok"},
        ]
    )
    begun, seen = time.monotonic(), []
    while time.monotonic() - begun < 10 and seen[-3:] != ["refused", "html", "ok"]:
        try:
            now = "html" if batch(agency).body.startswith(b"<") else "ok"
        except OSError:
            now = "refused"
        if seen[-1:] != [now]:
            seen.append(now)
    assert seen == ["ok", "refused", "html", "ok"]


def test_after_lets_requests_pass_and_finish(agency: RunningAgency) -> None:
    """Two are answered well, also when the third could not even connect; in parallel exactly as many."""
    play(agency, "unreachable", after=2)
    assert [batch(agency).json for _ in range(2)] == [{"data": FULL[:3]}] * 2
    with pytest.raises(ConnectionRefusedError):
        batch(agency)
    play(agency, "status", status=503, after=5)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(batch(agency).status)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [200] * 5 + [503] * 7


def test_the_ledger_equals_what_was_sent(agency: RunningAgency) -> None:
    """Every request with a complete head is counted once, by route, refused ones too; connections are."""
    handle = agency.handle()
    handle.create_schema(REGISTRY)
    for _ in range(3):
        batch(agency)
    agency.ask(f"/v1/persons/{ONE}", token="guessed")
    agency.ask("/nowhere?x=1")
    connection = http.client.HTTPConnection("127.0.0.1", agency.port, timeout=10)
    for _ in range(4):
        connection.request("GET", "/v1/persons/all", headers={"X-Purpose": "mch-care"})
        connection.getresponse().read()
    connection.close()
    assert (handle.statements(), handle.connections()) == (9, 6)
    assert [one.status for one in handle.requests("batch")] == [200] * 3
    assert [(one.path, one.status) for one in handle.requests("person")] == [(f"/v1/persons/{ONE}", 401)]
    assert [one.headers["x-purpose"] for one in handle.requests("all")] == ["mch-care"] * 4
    assert [(one.path, one.method) for one in handle.requests() if not one.route] == [("/nowhere?x=1", "GET")]
    times = [one.at for one in handle.requests()]
    assert times == sorted(times)
    with pytest.raises(PackInvalid):
        handle.requests("persons")
    handle.forget()
    assert (handle.statements(), handle.connections(), handle.requests()) == (0, 0, [])
