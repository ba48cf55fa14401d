"""Judging and gating without an app: cases in, findings out."""

import json
from typing import Any

import pytest

from grader.errors import InfrastructureFault
from grader.evidence import Finding
from grader.probe.calls import describe
from grader.probe.contract.examples import PHASE
from grader.probe.contract.gate import trust, untested
from grader.probe.contract.judge import judge_cases
from grader.probe.contract.play import Played
from grader.probe.contract.readings import Sent
from grader.probe.contract.report import Case, Flaw, Told
from tests.fixtures import probing

LIST = "GET /clinics"
SUMMARY: dict[str, Any] = {"complete": True, "stop_reason": "completed", "operations": {"total": 3, "tested": 3}}
GOOD: dict[str, Any] = {"data": [], "page": {"limit": 5, "next_cursor": None}, "meta": {"as_of": "2026"}}
CLINIC = {"code": "00712", "name": "x", "area": "970101", "beds": None, "closed_date": None}


def case(status: int = 200, body: Any = GOOD, **changes: Any) -> Case:
    """An answer to ``GET /clinics``, good unless changed."""
    media = "application/json" if status < 400 else "application/problem+json"
    fields: dict[str, Any] = {
        "label": LIST,
        "phase": "coverage",
        "mode": "positive",
        "what": "",
        "sent": Sent(method="GET", uri="/clinics?limit=5"),
        "status": status,
        "headers": {"content-type": media},
        "body": body if isinstance(body, bytes) else json.dumps(body).encode(),
        "elapsed_ms": 1.0,
        "at": 0.0,
    }
    return Case(**(fields | changes))


def findings(*cases: Case) -> list[Finding]:
    """What the judge says about cases of the mini contract."""
    pack, _ = probing.mini()
    return judge_cases(pack.contract, describe(pack.contract), cases)


def causes(*cases: Case) -> list[tuple[str, str, int]]:
    """The same as (check, code, count)."""
    return [(one.check, one.code, one.count) for one in findings(*cases)]


def test_good_answers_say_nothing() -> None:
    """A documented answer in shape, and a problem for a bad request, are no findings."""
    problem = {"title": "x", "status": 400}
    assert causes(case(), case(400, problem, sent=Sent(method="GET", uri="/clinics?limit=0"), mode="negative")) == []


def test_a_500_is_one_finding_however_often() -> None:
    """A 5xx is never also an undocumented status, and the smallest request is shown."""
    long = Sent(method="GET", uri="/clinics?limit=5&area=97")
    found = findings(case(500, b"boom", sent=long), case(503, b"boom"), case(500, b"boom", sent=long))
    assert [(one.check, one.code, one.count) for one in found] == [("U1", "contract.server_error", 3)]
    assert found[0].exchange is not None
    assert found[0].exchange.path == "/clinics?limit=5"
    assert found[0].got == {"status": 503}


def test_guard_codes_go_to_u1_under_their_own_name() -> None:
    """A refused answer carries the guard's code and is no 5xx of the app."""
    refused = case(599, b"", headers={"x-guard-code": "response.too_deep", "x-guard-detail": "json"})
    assert causes(refused) == [("U1", "response.too_deep", 1)]


def test_error_bodies_belong_to_u4() -> None:
    """Media type and body of answers from 400 on are judged by U4, below by U1."""
    html = {"content-type": "text/html"}
    bad = Sent(method="GET", uri="/clinics?limit=0")
    assert causes(case(400, b"<h1>", headers=html, sent=bad)) == [("U4", "error.not_problem_json", 1)]
    assert causes(case(400, {"detail": "x"}, sent=bad)) == [("U4", "error.problem_body", 1)]
    assert causes(case(200, b"<h1>", headers=html)) == [("U1", "contract.content_type", 1)]
    assert causes(case(200, b"{")) == [("U1", "contract.schema", 1)]


def test_schema_findings_name_the_path() -> None:
    """The JSON path has no row numbers, so that the same defect is the same in every run."""
    rows = [CLINIC, CLINIC | {"beds": "ten"}]
    (found,) = findings(case(body=GOOD | {"data": rows}))
    assert (found.code, found.at, found.got) == ("contract.schema", "data[].beds", "ten")


def test_the_testers_own_word_counts_for_bodies_too_long_to_keep() -> None:
    """A body that was cut in the report is judged by the tester's own schema check."""
    cut = b'{"data": [' + b" " * 300_000
    assert causes(case(body=cut)) == []
    flaw = Flaw(check="response_schema_conformance", code="ST108")
    assert causes(case(body=cut, flaws=(flaw,))) == [("U1", "contract.schema", 1)]


def test_a_missing_operation_is_said_once() -> None:
    """404 for every example means that the operation is not there, and nothing else about it."""
    world = [case(404, {"title": "x", "status": 404}, phase=PHASE) for _ in range(2)]
    undocumented = case(405, b"", headers={})
    assert causes(*world, undocumented) == [("C", "contract.operation_missing", 1)]
    assert causes(*world, case(phase=PHASE)) == [("C", "contract.example_refused", 2)]


def test_refusing_with_another_status_is_no_rejection() -> None:
    """404 or 422 for good input may be a rule of the exercise; only 400 says that the form is wrong."""
    assert causes(case(404, {"title": "x", "status": 404})) == []
    assert causes(case(400, {"title": "x", "status": 400})) == [("C", "contract.rejects_valid", 1)]


def played(status: int | None = 1, **changes: Any) -> Played:
    """A finished run, whole unless changed."""
    told = Told(**({"summary": SUMMARY} | changes))
    return Played(status=status, told=told, seconds=10.0)


@pytest.mark.parametrize(
    "broken",
    [
        played(status=2),
        played(status=-9),
        played(summary={}),
        played(
            summary={"complete": True, "stop_reason": "server_unavailable", "operations": {"total": 3, "tested": 3}}
        ),
        played(summary={"complete": True, "stop_reason": "completed", "operations": {"total": 3, "tested": 1}}),
        played(errors=((LIST, "RecursionError"),)),
        played(errors=((LIST, "ConnectionError"),)),
        played(fatal=True),
        played(status=None),
    ],
)
def test_a_broken_tester_is_our_fault(broken: Played) -> None:
    """Whatever went wrong in the tester is an infrastructure fault, never a pass and never a failure."""
    pack, _ = probing.mini()
    with pytest.raises(InfrastructureFault):
        trust(broken, describe(pack.contract), app_seconds=1.0)


def test_a_run_that_the_app_made_endless_is_the_apps_fault() -> None:
    """When the app's answers took most of the wall limit, operations that were not reached are not tested."""
    pack, _ = probing.mini()
    operations = describe(pack.contract)
    late = played(status=None, summary={})
    trust(late, operations, app_seconds=9.0)
    found = list(untested(late, operations, [case()] * 5, minimum=5))
    assert {(one.check, one.operation) for one in found} == {
        (check, operation) for check in ("U1", "C") for operation in ("getClinic", "createReport")
    }
    assert {one.params["reason"] for one in found} == {"no_answer"}


def test_a_whole_run_is_trusted() -> None:
    """A finished run with failed checks (status 1) or without (status 0) is believed."""
    pack, _ = probing.mini()
    for status in (0, 1):
        trust(played(status=status), describe(pack.contract), app_seconds=0.0)
