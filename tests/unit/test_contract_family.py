"""The contract family on real apps through a real guard: correct ones pass, each defect is called by its name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from grader.errors import InfrastructureFault, PackInvalid
from grader.probe import contract
from grader.probe.guard import Limits
from tests.fixtures import probing
from tests.fixtures.apps import clinics_fastapi, clinics_flask

pytestmark = pytest.mark.usefixtures("tester_tables")

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


@dataclass(frozen=True, kw_only=True)
class Run:
    """What the family said about an app with one defect, and every request that the app heard."""

    heard: probing.Heard
    requests: list[bytes]


def run_on(defect: str, folder: Path) -> Run:
    """A run of the family on a fresh app."""
    _, world = probing.mini()
    requests: list[bytes] = []
    with probing.asgi(clinics_fastapi.build(probing.clinics_of(world), defect), heard=requests) as url:
        return Run(heard=probing.examined(contract.examine, url, folder), requests=requests)


@pytest.fixture(scope="module")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """The run on the app with one defect; made once, because each costs two seconds and nothing changes it."""
    runs: dict[str, Run] = {}

    def run(defect: str) -> Run:
        if defect not in runs:
            runs[defect] = run_on(defect, tmp_path_factory.mktemp("run"))
        return runs[defect]

    return run


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
def test_a_defect_is_called_by_its_name(defect: str, run_of: Callable[[str], Run]) -> None:
    """Each planted defect gives exactly the findings that it should, with a request that a person can repeat."""
    heard = run_of(defect).heard
    assert heard.causes() == DEFECTS[defect]
    for evidence in heard.evidence.values():
        assert evidence.outcome == ("fail" if evidence.findings else "pass")
        for finding in evidence.findings:
            assert finding.exchange is not None
            assert finding.exchange.curl.startswith("curl")
            assert "http://localhost:8000/" in finding.exchange.curl
            assert finding.count >= 1


def test_findings_tell_what_was_expected(run_of: Callable[[str], Run], tmp_path: Path) -> None:
    """A schema finding names the JSON path, the rule and both values; an accepted value names the input."""
    with probing.fastapi_clinics("beds_text") as url:
        heard = probing.examined(contract.examine, url, tmp_path, only=frozenset({"U1"}))
    assert set(heard.evidence) == {"U1"}
    finding = heard.finding("contract.schema")
    assert (finding.at, finding.params["rule"], finding.expected) == ("data[].beds", "type", ["integer", "null"])
    heard = run_of("any_limit").heard
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


def test_two_runs_are_equal_and_do_not_depend_on_the_app(run_of: Callable[[str], Run], tmp_path: Path) -> None:
    """The same seed sends the same requests in the same order, to a correct app as to a broken one."""
    first, other = run_of("any_limit"), run_of("html_errors")
    again = run_on("any_limit", tmp_path)
    assert len(first.requests) > 100
    assert first.requests == again.requests == other.requests
    assert causes(first) == causes(again)
    assert causes(first) != causes(other)


def causes(run: Run) -> list[tuple[object, ...]]:
    """Everything about the findings that must be the same in every run."""
    return [
        (one.fingerprint, one.count, one.params, one.exchange.curl if one.exchange else "")
        for each in run.heard.evidence.values()
        for one in each.findings
    ]


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
