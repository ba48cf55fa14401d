"""The universal family on real apps through a real guard."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from grader.probe import universal
from tests.fixtures import probing

DEFECTS = {
    "html_errors": {
        ("U4", "error.not_problem_json", ""),
        ("U4", "error.not_problem_json", "listClinics"),
        ("U4", "error.not_problem_json", "getClinic"),
    },
    "bare_errors": {("U4", "error.problem_body", "listClinics")},
    "shuffled": {("U6", "repeat.differs", "listClinics")},
    "big": {("U7", "latency.too_big", "listClinics")},
    "missing_operation": set(),
    "slow": {("U7", "latency.slow", "listClinics")},
}


def examined(defect: str, folder: Path) -> probing.Heard:
    """Everything that the family says about an app with this defect."""
    with probing.fastapi_clinics(defect) as url:
        return probing.examined(universal.examine, url, folder)


@pytest.fixture(scope="module", autouse=True)
def slow_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[probing.Heard]]:
    """The run on the slow app: eleven seconds of waiting, so it begins with the module and its own test comes last."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(examined, "slow", tmp_path_factory.mktemp("slow"))


@pytest.mark.parametrize("framework", ["fastapi", "flask"])
def test_a_correct_app_passes(framework: str, tmp_path: Path) -> None:
    """U4, U6 and U7 pass for a correct app of either framework."""
    serve = probing.fastapi_clinics if framework == "fastapi" else probing.flask_clinics
    with serve() as url:
        heard = probing.examined(universal.examine, url, tmp_path)
    assert heard.causes() == set()
    assert heard.outcomes() == {"U4": "pass", "U6": "pass", "U7": "pass"}


def test_nothing_passes_that_was_never_measured(tmp_path: Path) -> None:
    """An app that answers nothing has no quick and no repeatable answers: not run, and U4 fails."""
    with probing.asgi(None, lifetime=0) as url:
        pass
    heard = probing.examined(universal.examine, url, tmp_path)
    assert heard.outcomes() == {"U4": "fail", "U6": "not_run", "U7": "not_run"}


def test_only_what_was_asked_is_done(tmp_path: Path) -> None:
    """A run for U4 alone says nothing about the others."""
    with probing.flask_clinics() as url:
        heard = probing.examined(universal.examine, url, tmp_path, only=frozenset({"U4"}))
    assert heard.outcomes() == {"U4": "pass"}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_called_by_its_name(defect: str, tmp_path: Path, slow_app: Future[probing.Heard]) -> None:
    """Each planted defect gives exactly its findings; an operation that is not there is for the contract check."""
    heard = slow_app.result(120) if defect == "slow" else examined(defect, tmp_path)
    assert heard.causes() == DEFECTS[defect]
