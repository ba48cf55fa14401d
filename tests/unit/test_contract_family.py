"""The contract family on real apps through a real guard: correct ones pass, each defect is called by its name."""

from pathlib import Path

import pytest

from grader.errors import InfrastructureFault, PackInvalid
from grader.probe import contract
from grader.probe.guard import Limits
from tests.fixtures import probing
from tests.fixtures.apps import clinics_fastapi, clinics_flask

DEFECTS = {
    "limit_bug": {("U1", "contract.server_error", "listClinics")},
    "code_bug": {("U1", "contract.server_error", "getClinic")},
    "undocumented": {
        ("U1", "contract.undocumented_status", "listClinics"),
        ("U1", "contract.undocumented_status", "getClinic"),
    },
    "beds_text": {("U1", "contract.schema", "listClinics")},
    "plain_text": {("U1", "contract.content_type", "listClinics")},
    "any_limit": {("C", "contract.accepts_invalid", "listClinics")},
    "refuses_thai": {("C", "contract.rejects_valid", "listClinics")},
    "no_location": {("C", "contract.headers", "createReport")},
    "missing_operation": {("C", "contract.operation_missing", "listClinics")},
    "refuses_example": {("C", "contract.example_refused", "getClinic")},
    "html_errors": {
        ("U4", "error.not_problem_json", "listClinics"),
        ("U4", "error.not_problem_json", "getClinic"),
    },
    "bare_errors": {
        ("U4", "error.problem_body", "listClinics"),
        ("U4", "error.problem_body", "getClinic"),
        ("U4", "error.problem_body", "createReport"),
    },
}


@pytest.mark.parametrize("framework", ["fastapi", "flask"])
def test_a_correct_app_passes(framework: str, tmp_path: Path) -> None:
    """Plain house-style validation in either framework has no finding at all, and every operation counts."""
    serve = probing.fastapi_clinics if framework == "fastapi" else probing.flask_clinics
    with serve() as url:
        heard = probing.examined(contract.examine, url, tmp_path)
    assert heard.causes() == set()
    assert heard.outcomes() == {"U1": "pass", "C": "pass", "U4": "pass"}
    assert heard.evidence["C"].share == (3, 3)
    assert heard.progress[-1].done == heard.progress[-1].total


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_called_by_its_name(defect: str, tmp_path: Path) -> None:
    """Each planted defect gives exactly the findings that it should, with a request that a person can repeat."""
    with probing.fastapi_clinics(defect) as url:
        heard = probing.examined(contract.examine, url, tmp_path)
    assert heard.causes() == DEFECTS[defect]
    for evidence in heard.evidence.values():
        assert evidence.outcome == ("fail" if evidence.findings else "pass")
        for finding in evidence.findings:
            assert finding.exchange is not None
            assert finding.exchange.curl.startswith("curl")
            assert "http://localhost:8000/" in finding.exchange.curl
            assert finding.count >= 1


def test_findings_tell_what_was_expected(tmp_path: Path) -> None:
    """A schema finding names the JSON path, the rule and both values; an accepted value names the input."""
    with probing.fastapi_clinics("beds_text") as url:
        heard = probing.examined(contract.examine, url, tmp_path, only=frozenset({"U1"}))
    assert set(heard.evidence) == {"U1"}
    finding = heard.finding("contract.schema")
    assert (finding.at, finding.params["rule"], finding.expected) == ("data[].beds", "type", ["integer", "null"])
    with probing.fastapi_clinics("any_limit") as url:
        heard = probing.examined(contract.examine, url, tmp_path)
    finding = heard.finding("contract.accepts_invalid")
    assert finding.at == "query.limit"
    assert finding.params["name"] == "limit"
    assert finding.expected == {"status": ["400", "404"]}
    assert heard.evidence["C"].share == (2, 3)


def test_a_hostile_answer_hides_no_other_bug(tmp_path: Path) -> None:
    """An operation that answers ``[[[[`` fails by that, and the bug planted in another operation is still found."""
    with probing.fastapi_clinics("deep") as url:
        heard = probing.examined(contract.examine, url, tmp_path)
    assert ("U1", "response.too_deep", "listClinics") in heard.causes()
    assert ("U1", "contract.server_error", "getClinic") in heard.causes()
    assert heard.evidence["C"].share == (2, 3)


def test_a_server_that_dies_never_passes(tmp_path: Path) -> None:
    """Operations that were not asked before the server died are not tested, which fails U1 and C."""
    pack, world = probing.mini()
    assert pack.id == "mini"
    with probing.asgi(clinics_fastapi.build(probing.clinics_of(world)), lifetime=2) as url:
        heard = probing.examined(contract.examine, url, tmp_path)
    assert heard.outcomes() == {"U1": "fail", "C": "fail", "U4": "pass"}
    assert {("U1", "app.no_answer", "getClinic"), ("U1", "contract.not_tested", "getClinic")} <= heard.causes()
    assert ("C", "contract.not_tested", "createReport") in heard.causes()
    assert heard.evidence["C"].share == (0, 3)


def test_two_runs_are_equal_and_do_not_depend_on_the_app(tmp_path: Path) -> None:
    """The same seed sends the same requests in the same order, to a correct app as to a broken one."""
    _, world = probing.mini()
    streams, causes = [], []
    for app in (
        clinics_fastapi.build(probing.clinics_of(world), "any_limit"),
        clinics_fastapi.build(probing.clinics_of(world), "any_limit"),
        clinics_fastapi.build(probing.clinics_of(world), "html_errors"),
    ):
        stream: list[bytes] = []
        with probing.asgi(app, heard=stream) as url:
            heard = probing.examined(contract.examine, url, tmp_path)
        streams.append(stream)
        causes.append(
            [
                (one.fingerprint, one.count, one.params, one.exchange.curl if one.exchange else "")
                for each in heard.evidence.values()
                for one in each.findings
            ]
        )
    assert len(streams[0]) > 100
    assert streams[0] == streams[1] == streams[2]
    assert causes[0] == causes[1]
    assert causes[0] != causes[2]


def test_a_contract_that_cannot_be_tested_enough_is_the_authors_fault(tmp_path: Path) -> None:
    """More requests demanded than can be made is PackInvalid, with the operation and the key to change."""
    with probing.flask_clinics() as url, probing.session(url, tmp_path) as given:
        budget = given.pack.exercise.contract.model_copy(update={"minimum_requests": 900})
        exercise = given.pack.exercise.model_copy(update={"contract": budget})
        greedy = probing.replaced(given, pack=given.pack.model_copy(update={"exercise": exercise}))
        with pytest.raises(PackInvalid) as caught:
            contract.examine(greedy, probing.Heard())
    assert caught.value.where == "contract.minimum_requests"


def test_a_guard_that_gives_up_is_our_fault(tmp_path: Path) -> None:
    """When the guard's own budget is spent nothing is said about the app."""
    with probing.flask_clinics() as url, pytest.raises(InfrastructureFault):
        probing.examined(contract.examine, url, tmp_path, limits=Limits(exchanges=20))


def test_nothing_is_done_for_checks_of_other_families(tmp_path: Path) -> None:
    """A run that asks for a scenario only sends nothing here."""
    _, world = probing.mini()
    with probing.wsgi(clinics_flask.build(probing.clinics_of(world))) as url:
        heard = probing.examined(contract.examine, url, tmp_path, only=frozenset({"M-S1"}))
    assert heard.evidence == {}
    assert heard.progress == []
