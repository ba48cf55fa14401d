"""What is kept of an exchange, how JSON of strangers is read, which operation a request is, and when time is spent."""

import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from grader.evidence import MAX_BODY_SHOWN
from grader.probe.exchanges import exchange, shown
from grader.probe.guard import Guard
from grader.probe.jsontext import UnreadableJson, parse_json
from grader.probe.routes import Routes
from grader.probe.scenarios.api import Api, Budget
from grader.probe.scenarios.mismatch import Mismatch
from grader.probe.target import Target


class Echo(BaseHTTPRequestHandler):
    """Answers with the cookie it was sent, and sets one."""

    def do_GET(self) -> None:
        """Answer."""
        body = (self.headers.get("Cookie") or "none").encode()
        self.send_response(200)
        self.send_header("Set-Cookie", "session=1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def target() -> Iterator[Target]:
    """A target whose app sets a cookie."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    with Guard(f"http://127.0.0.1:{server.server_port}") as guard, closing(Target(guard.base_url)) as bound:
        yield bound
    server.shutdown()
    server.server_close()
    thread.join(2)


def test_cookies_are_not_carried_over(target: Target) -> None:
    """Every request stands alone."""
    assert [target.send("GET", "/").body for _ in range(2)] == [b"none", b"none"]


def test_a_cookie_of_the_app_is_masked_in_the_evidence(target: Target) -> None:
    """What may be a credential is never shown."""
    response = target.send("GET", "/").exchange.response
    assert response is not None
    assert response.headers["set-cookie"] == "***"


def test_the_query_is_encoded_and_empty_parts_left_out(target: Target) -> None:
    """None is left out, lists are repeated, booleans are spelled as JSON does, reserved characters are escaped."""
    path = target.send("GET", "/ก/x", query={"a": None, "b": [1, 2], "c": True, "q": "100% &'"}).exchange.path
    assert path == "/%E0%B8%81/x?b=1&b=2&c=true&q=100%25%20%26%27"


def test_an_exchange_shows_no_secret() -> None:
    """Credentials are masked in the headers and in the command, and the tester's own marks are left out."""
    headers = {"Authorization": "Bearer abc", "X-API-Key": "abc", "X-Schemathesis-TestCaseId": "abc", "X-Own": "1"}
    seen = exchange("POST", "/a?b=1", headers=headers, body=b'{"a": "it\'s"}')
    assert "abc" not in seen.model_dump_json()
    assert seen.request.headers == {"authorization": "***", "x-api-key": "***", "x-own": "1"}
    assert seen.curl.startswith("curl -i -X POST 'http://localhost:8000/a?b=1' -H 'authorization: ***'")


def test_a_long_or_binary_body_is_shown_in_part() -> None:
    """Bytes that are no text are escaped, and what is long is cut."""
    assert shown(b"\xff\x00ok") == "\\xff\\x00ok"
    assert len(shown("ก".encode() * 10_000)) == MAX_BODY_SHOWN


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"<html>", "syntax"),
        (b"\xff{}", "encoding"),
        (b'{"a": 1, "a": 2}', "duplicate_key"),
        (b"[NaN]", "constant"),
        (b"[" * 101 + b"]" * 101, "too_deep"),
        (b"[" + b"9" * 1_001 + b"]", "long_number"),
        (b"[" + b"{}," * 200_000 + b"{}]", "too_many_values"),
    ],
)
def test_json_with_a_trap_is_refused(body: bytes, reason: str) -> None:
    """Each trap has its own reason, and none reaches the parser's own limits."""
    with pytest.raises(UnreadableJson) as caught:
        parse_json(body)
    assert caught.value.reason == reason


def test_json_at_the_limits_is_read() -> None:
    """What is just allowed is read."""
    assert parse_json(b"\xef\xbb\xbf[1]") == [1]
    assert len(str(parse_json(b"[" + b"9" * 1_000 + b"]")[0])) == 1_000
    deep = parse_json(b"[" * 100 + b"]" * 100)
    assert isinstance(deep, list)


def test_fixed_paths_win_over_parameters() -> None:
    """A request belongs to the most concrete path; another method of a known path has no operation."""
    routes = Routes([("getOne", "GET", "/a/{id}"), ("count", "GET", "/a/count"), ("sub", "GET", "/a/{id}/b")])
    asked = ["/a/count", "/a/7?x=/a/count", "/a/7/b", "/a", "/a/7/"]
    assert [routes.operation("GET", path) for path in asked] == ["count", "getOne", "sub", "", ""]
    route = routes.match("DELETE", "/a/7")
    assert route is not None
    assert (route.operation, route.template) == ("", "/a/{id}")


def test_a_test_that_waited_too_long_ends_with_a_finding(target: Target) -> None:
    """An app that is always just fast enough cannot hold a grading for ever; the next test starts afresh."""
    budget = Budget(per_test=10, in_all=25)
    api = Api(target, check="T-S1", budget=budget)
    budget.spend(10)
    with pytest.raises(Mismatch) as caught:
        api.get("/")
    assert caught.value.findings[0].code == "response.slow"
    budget.begin_test()
    assert api.get("/").status == 200
    budget.spend(15)
    budget.begin_test()
    with pytest.raises(Mismatch):
        api.get("/")
