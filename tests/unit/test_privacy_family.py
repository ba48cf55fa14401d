"""The privacy family on real apps: what a caller says of a person never comes back."""

from pathlib import Path

import pytest

from grader.probe import privacy
from grader.probe.privacy import find_people
from tests.fixtures import probing


@pytest.mark.parametrize("framework", ["fastapi", "flask"])
def test_a_correct_app_passes(framework: str, tmp_path: Path) -> None:
    """An app that ignores the note passes, and every person was sent."""
    _, world = probing.mini()
    serve = probing.fastapi_clinics if framework == "fastapi" else probing.flask_clinics
    with serve() as url:
        heard = probing.examined(privacy.examine, url, tmp_path)
    assert heard.outcomes() == {"U3": "pass"}
    assert len(heard.progress) >= len(world.people)


@pytest.mark.parametrize(("defect", "where"), [("leak", "body"), ("echo_headers", "header")])
def test_a_person_in_an_answer_is_found_and_not_shown(defect: str, where: str, tmp_path: Path) -> None:
    """Number and name in a body or a header are findings, whose evidence holds neither."""
    _, world = probing.mini()
    with probing.fastapi_clinics(defect) as url:
        heard = probing.examined(privacy.examine, url, tmp_path)
    (evidence,) = heard.evidence.values()
    assert evidence.outcome == "fail"
    assert {one.code for one in evidence.findings} == {"privacy.person_in_answer"}
    assert {one.at for one in evidence.findings} == {f"{where}.cid", f"{where}.name"}
    assert find_people([evidence.model_dump_json()], world.people) == ()


def test_an_app_that_never_answers_is_not_run(tmp_path: Path) -> None:
    """Silence is no proof of discretion."""
    with probing.asgi(None, lifetime=0) as url:
        pass
    heard = probing.examined(privacy.examine, url, tmp_path)
    assert heard.outcomes() == {"U3": "not_run"}
