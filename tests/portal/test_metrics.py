"""What the portal says about itself: numbers for a monitor, and lines of JSON without anything that opens a door."""

import io
import json
import logging
import re

import pytest
import structlog
from starlette.testclient import TestClient

from grader.errors import EnvironmentProblem
from grader.services.accounts import links
from portal.app import create_app
from portal.logging import HIDDEN
from portal.metrics import Metrics
from tests.fixtures.portal import ORIGIN, PACK, PASSWORD, Browser, World, grade, verdict_for

LABELS = {"route", "method", "status", "state", "outcome", "code", "le"}


def client(world: World, address: str = "127.0.0.1") -> TestClient:
    """Somebody at an address."""
    return TestClient(world.app, base_url=ORIGIN, client=(address, 50000), raise_server_exceptions=False)


def value(text: str, name: str) -> float:
    """A number of the answer; a series that is not there fails."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, name
    return float(found[1])


def test_requests_and_the_queue_are_counted(fresh_world: World) -> None:
    """By the route as it is written in the program; the queue and the verdicts come from the records."""
    owner = fresh_world.browser("owner")
    for name in ("owner.failed", "owner.waiting", "peer.passed"):
        owner.get(f"/submissions/{fresh_world.work[name]}?token=x")
    for stray in ("/nothing", "/wp-login.php", "/submissions/x/y/z"):
        owner.get(stray)
    monitor = client(fresh_world)
    text = monitor.get("/metrics").text
    route = 'route="/submissions/{submission}"'
    assert value(text, f'portal_requests_total{{method="GET",{route},status="200"}}') == 1
    assert value(text, f'portal_requests_total{{method="GET",{route},status="404"}}') == 1
    assert value(text, 'portal_requests_total{method="GET",route="unmatched",status="404"}') == 3
    assert value(text, f'portal_request_seconds_count{{method="GET",{route}}}') == 3
    assert value(text, 'grader_jobs{state="waiting"}') == 1
    assert value(text, 'grader_gradings_total{outcome="pass"}') == 2
    assert value(text, 'grader_gradings_total{outcome="fail"}') == 2
    assert value(text, "grader_queue_oldest_seconds") >= 0
    assert value(text, "grader_workers") == 0
    grade(fresh_world.records, verdict_for(PACK))
    later = monitor.get("/metrics").text
    assert value(later, 'grader_jobs{state="waiting"}') == 0
    assert value(later, 'grader_gradings_total{outcome="pass"}') == 3


def test_labels_are_bounded_and_name_nobody(world: World) -> None:
    """Whatever strangers send, there are no more series than the program has names."""
    monitor = client(world)
    for number in range(20):
        monitor.request(f"BREW{number}", f"/kettle/{number}", headers={"Sec-Fetch-Site": "same-origin"})
        monitor.get(f"/link/secret-{number}")
    text = monitor.get("/metrics").text
    assert {name for labels in re.findall(r"\{(.*)\}", text) for name in re.findall(r"(\w+)=", labels)} <= LABELS
    assert "kettle" not in text
    assert "BREW" not in text
    assert "secret-" not in text
    assert 'method="other"' in text
    assert not any(account.id in text for account in world.accounts.values())


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "Via"])
def test_the_numbers_are_for_us_alone(world: World, header: str) -> None:
    """From this machine and unforwarded; through a proxy and from elsewhere there is no such page."""
    assert client(world).get("/metrics").status_code == 200
    assert client(world).get("/metrics", headers={header: "203.0.113.7"}).status_code == 404
    assert client(world).get("/metrics", headers={header: "127.0.0.1"}).status_code == 404
    assert client(world, "203.0.113.7").get("/metrics").status_code == 404
    assert client(world, "::1").get("/metrics").status_code == 200


def test_a_network_of_ours_may_ask(world: World) -> None:
    """The one that is trusted with forwarding headers, and no other."""
    from dataclasses import replace  # noqa: PLC0415 - only here
    from ipaddress import ip_network  # noqa: PLC0415

    app = create_app(world.records, replace(world.settings, trusted_proxies=(ip_network("10.1.0.0/16"),)))
    for address, status in (("10.1.2.3", 200), ("10.2.2.3", 404)):
        assert TestClient(app, base_url=ORIGIN, client=(address, 1)).get("/metrics").status_code == status


def test_two_applications_count_for_themselves(world: World) -> None:
    """There is no registry that they share."""
    one, other = Metrics(world.records), Metrics(world.records)
    one.count(route="/x", method="GET", status=200, seconds=0.1)
    assert b'route="/x"' in one.text()
    assert b'route="/x"' not in other.text()


def test_numbers_without_the_records(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is down is a number too, and the rest is still told."""

    def down() -> None:
        raise EnvironmentProblem("records.unavailable", problem="x")

    metrics = Metrics(world.records)
    monkeypatch.setattr(world.records, "reading", down)
    text = metrics.text().decode()
    assert value(text, "grader_records_up") == 0
    assert "grader_jobs" not in text


# -- the log ----------------------------------------------------------------------------------------------------------


def test_every_request_leaves_one_line(fresh_world: World, lines: io.StringIO) -> None:
    """Method, route, status, time, request and account; no query, no name."""
    answer = fresh_world.browser("owner").get(f"/submissions/{fresh_world.work['owner.failed']}?lang=en&note=private")
    fresh_world.browser("stranger").get("/%0anothing%1b[31m")
    first, second = (json.loads(line) for line in lines.getvalue().splitlines())
    assert first["route"] == "/submissions/{submission}"
    assert (first["method"], first["status"], first["event"]) == ("GET", 200, "request")
    assert first["request"] == answer.headers["x-request-id"]
    assert first["account"] == fresh_world.accounts["owner"].id
    assert first["ms"] > 0
    assert (second["route"], second["status"], second["account"]) == ("unmatched", 404, "")
    assert "private" not in lines.getvalue()
    assert fresh_world.accounts["owner"].login not in second.values()


def test_no_secret_is_ever_logged(fresh_world: World, lines: io.StringIO) -> None:
    """Signing in, links, tokens, cookies: what a visitor sends to come in is in no line, also when it goes wrong."""
    secret = links.make(fresh_world.records, account=fresh_world.accounts["owner"].id, by="setup")
    browser = fresh_world.browser("stranger")
    browser.get(f"/link/{secret}")
    browser.post(f"/link/{secret}", data={"password": "short"})
    browser.post(f"/link/{secret}", data={"password": PASSWORD})
    signed = browser.post("/sign-in", data={"login": "owner", "password": PASSWORD})
    cookie = re.search(r"__Host-sid=([^;]+)", signed.headers["set-cookie"])
    assert cookie
    Browser(fresh_world.app, cookie[1]).get("/")
    browser.get("/api/v1/me", headers={"Authorization": "Bearer gt_" + "a" * 43})
    written = lines.getvalue()
    assert written.count("\n") >= 6
    for one in (secret, PASSWORD, cookie[1], "gt_a", "short"):
        assert one not in written


def test_a_fault_is_logged_without_what_was_sent(
    fresh_world: World, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line has the place in the program, and neither the link's secret nor what was typed."""
    secret = links.make(fresh_world.records, account=fresh_world.accounts["owner"].id, by="setup")

    def broken(*_given: object, **_named: object) -> None:
        message = f"while using {secret} with gt_{'b' * 43}"
        raise RuntimeError(message)

    monkeypatch.setattr(links, "use", broken)
    answer = fresh_world.browser("stranger").post(f"/link/{secret}", data={"password": PASSWORD})
    assert answer.status_code == 500
    for header, wanted in (("content-security-policy", "default-src 'none'"), ("cache-control", "no-store")):
        assert wanted in answer.headers[header], "the last handler stands outside of what dresses other answers"
    assert answer.headers["x-request-id"].startswith("req_")
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    fault = next(one for one in found if one["event"] == "fault")
    assert fault["route"] == "/link/{secret}"
    assert "RuntimeError" in fault["exception"]
    assert HIDDEN in fault["exception"]
    for one in (secret, PASSWORD, "b" * 43):
        assert one not in lines.getvalue()


def test_lines_stay_lines(lines: io.StringIO) -> None:
    """Control characters, line separators and signs that turn writing round are escaped; Thai stays readable."""
    nasty = "ก\n\r\x1b[2J\x7f\x85\u2028\u202e\ud800\x00"
    structlog.get_logger("t").error("x", what=nasty, password="p4ss", nested={"api_token": "t0k", "list": [nasty]})
    # pytest keeps what libraries log, and cannot send half a character to the process that reports.
    logging.getLogger("library").error("from a library: %s", nasty.replace("\ud800", ""))
    logging.getLogger("library").error("postgresql://grader:hunter2@db/grader gt_%s", "c" * 40)
    written = lines.getvalue()
    assert written.count("\n") == 3
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e\ud800]", written)
    assert "ก" in written
    first, second, third = (json.loads(line) for line in written.splitlines())
    assert first["password"] == first["nested"]["api_token"] == HIDDEN
    assert first["what"] == nasty
    assert second["event"].startswith("from a library")
    assert "hunter2" not in third["event"]
    assert "cccc" not in third["event"]
    for one in ("p4ss", "t0k"):
        assert one not in written
