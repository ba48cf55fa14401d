"""The pipeline on the fake driver: whose fault is whose, what counts, what is repeated, what is cleaned up."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from grader.errors import BuildFailed, InfrastructureFault, PackInvalid, StartFailed, UsageProblem
from grader.evidence import CheckEvidence, Exchange, Finding, Request, Response
from grader.grading import facts, grade
from grader.packs import Check, Pack, Person, Text, load_pack
from grader.people import People, find_people
from grader.sandbox.fake import FakeDriver, Play
from grader.submission import Receipt
from grader.verdict import Verdict

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
PROJECT = FIXTURES / "apps" / "knock"
PERSON = Person(cid="1970100000011", name="สมหญิง ทดสอบ", identifiers=("204700331",))
OWN = "M-S3"
"""A check of the exercise about people."""


@pytest.fixture(scope="module")
def pack() -> Pack:
    """A small exercise."""
    return load_pack(FIXTURES / "packs" / "mini")


def passing(pack: Pack, *, but: Sequence[CheckEvidence] = ()) -> dict[str, list[CheckEvidence]]:
    """What the probe finds when everything is right, with exceptions."""
    other = {found.check: found for found in but}
    command = {"scenario": "scenarios", "contract": "contract", "universal": "universal"}
    results: dict[str, list[CheckEvidence]] = {"privacy": []}
    for check in pack.checks.values():
        if check.family in command:
            found = other.get(
                check.id, CheckEvidence(check=check.id, outcome="pass", share=(2, 2) if check.id == "C" else None)
            )
            results.setdefault(command[check.family], []).append(found)
    return results


def failing(check: str, code: str = "response.status", *, at: float = 0.0) -> CheckEvidence:
    """A failed check with one finding."""
    exchange = Exchange(
        method="GET", path="/x", request=Request(method="GET", path="/x"), response=Response(status=200), at=at
    )
    return CheckEvidence(check=check, outcome="fail", findings=(Finding(check=check, code=code, exchange=exchange),))


def run(pack: Pack, *plays: Play, **options: object) -> tuple[Verdict, FakeDriver]:
    """Grade on a fake driver."""
    driver = FakeDriver(plays=plays, people=[PERSON], **options)  # type: ignore[arg-type]
    return grade(PROJECT, pack, driver, seed=1), driver


def outcome(verdict: Verdict, check: str) -> str:
    """The outcome of one check."""
    return next(found.outcome for found in verdict.checks if found.id == check)


def first_scenario(pack: Pack) -> str:
    """The id of a check that scenarios judge."""
    return next(check.id for check in pack.checks.values() if check.family == "scenario")


def test_everything_right_is_a_pass_with_all_points(pack: Pack) -> None:
    """One start, every family once, one stop."""
    verdict, driver = run(pack, Play(results=passing(pack)))
    assert (verdict.outcome, verdict.points, verdict.code) == ("pass", verdict.max, None)
    assert [call for call in driver.calls if call.startswith("start")] == ["start " + verdict.facts.images["app"]]
    assert driver.open_now == 0


def test_a_verdict_names_the_images_that_were_used_and_no_other(pack: Pack) -> None:
    """Those of the app's image, of the exercise's sandbox, and the app itself; also when the app did not start."""
    for play in (Play(results=passing(pack)), Play(start=StartFailed("start.exited", exit_code=1))):
        images = run(pack, play)[0].facts.images
        agencies = {f"agency-{spec.engine}" for spec in pack.exercise.agencies.values()}
        assert set(images) == {"app", "probe", "runtime-python", *agencies}
        assert all(ident.startswith("sha256:") for ident in images.values())
    assert run(pack, Play(), build=BuildFailed("build.failed"))[0].facts.images == {}


def test_a_verdict_says_what_was_noticed_when_the_submission_came(pack: Pack, tmp_path: Path) -> None:
    """Also when it could not be built: a note may be the explanation. One name stands for all places it was met at."""
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("__pycache__"))
    (project / "Dockerfile").touch()
    for folder in ("venv", "lib/__pycache__", "lib/more/__pycache__"):
        (project / folder).mkdir(parents=True)
    expected = {"receipt.left_out": {"names": "__pycache__, venv"}, "receipt.dockerfile_ignored": {}}
    for driver in (FakeDriver(plays=[Play(results=passing(pack))]), FakeDriver(build=BuildFailed("build.failed"))):
        verdict = grade(project, pack, driver, seed=1)
        assert {note.code: note.params for note in verdict.facts.notes} == expected
    assert run(pack, Play(results=passing(pack)))[0].facts.notes == ()


def test_names_that_had_to_be_guessed_are_told_of() -> None:
    """A name that was not written in UTF-8 may have been read wrongly."""
    receipt = Receipt(digest="sha256:1", files=1, size=1, notes=("receipt.no_lock",), decoded_names=("ก.py", "ข.py"))
    assert [(note.code, note.params) for note in facts.notes(receipt)] == [
        ("receipt.names_decoded", {"count": 2, "example": "ก.py"}),
        ("receipt.no_lock", {}),
    ]


def test_a_failure_that_shows_twice_counts(pack: Pack) -> None:
    """The failing family is repeated on a fresh app, and only that one."""
    check = first_scenario(pack)
    verdict, driver = run(pack, Play(results=passing(pack, but=[failing(check)])))
    assert outcome(verdict, check) == "fail"
    assert [call for call in driver.calls if call.startswith("examine")] == [
        "examine contract",
        "examine scenarios",
        "examine universal",
        "examine privacy",
        "examine scenarios",
    ]


def test_a_failure_that_shows_once_is_intermittent(pack: Pack) -> None:
    """It is shown and costs nothing."""
    check = first_scenario(pack)
    verdict, _ = run(pack, Play(results=passing(pack, but=[failing(check)])), Play(results=passing(pack)))
    assert verdict.outcome == "pass"
    found = next(one for one in verdict.checks if one.id == check)
    assert [finding.code for finding in found.intermittent] == ["response.status"]


def test_different_failures_each_time_count_as_neither(pack: Pack) -> None:
    """Two causes that were seen once each are both intermittent."""
    check = first_scenario(pack)
    verdict, _ = run(
        pack,
        Play(results=passing(pack, but=[failing(check, "response.status")])),
        Play(results=passing(pack, but=[failing(check, "response.value")])),
    )
    assert outcome(verdict, check) == "pass"


def test_our_fault_is_tried_again_and_then_named(pack: Pack) -> None:
    """A probe that breaks says nothing about the submission."""
    verdict, driver = run(pack, Play(results=passing(pack), breaks="scenarios"))
    assert (verdict.outcome, verdict.code) == ("infrastructure", "infrastructure.probe_died")
    assert sum(call.startswith("open") for call in driver.calls) == 2
    assert driver.open_now == 0


def test_what_cannot_be_built_is_not_started(pack: Pack) -> None:
    """The verdict names the package; the checks are not run and keep their maximum."""
    verdict, driver = run(pack, Play(), build=BuildFailed("build.package_not_found", package="x"))
    assert (verdict.outcome, verdict.code, verdict.points) == ("build_failed", "build.package_not_found", 2)
    assert not any(call.startswith("open") for call in driver.calls)
    assert sum(check.max for check in verdict.checks) == verdict.max


def test_what_does_not_start_fails_with_its_log(pack: Pack) -> None:
    """Nothing is examined, the sandbox is closed."""
    verdict, driver = run(pack, Play(start=StartFailed("start.exited", log=("boom",), exit_code=1)))
    assert (verdict.outcome, verdict.code, verdict.log) == ("start_failed", "start.exited", ("boom",))
    assert driver.open_now == 0


def test_an_app_that_ends_by_itself_fails_and_the_rest_is_still_examined(pack: Pack) -> None:
    """A crash is a finding with its family; a fresh app serves the other families."""
    verdict, driver = run(pack, Play(results=passing(pack), dies_during="contract"))
    found = next(one for one in verdict.checks if one.id == "U1")
    assert [finding.code for finding in found.findings] == ["run.crashed"]
    assert "examine scenarios" in driver.calls
    assert verdict.outcome == "fail"


def test_an_app_that_crashes_and_never_starts_again_is_a_fail_not_our_fault(pack: Pack) -> None:
    """Crashing for good must not be a way to be graded for ever."""
    crash = Play(results=passing(pack), dies_during="contract")
    verdict, _ = run(pack, crash, Play(start=StartFailed("start.exited", exit_code=1)))
    assert verdict.outcome == "fail"
    assert outcome(verdict, "U1") == "fail"
    assert outcome(verdict, first_scenario(pack)) == "not_run"


def test_an_app_that_never_starts_again_for_the_repeat_keeps_its_failure(pack: Pack) -> None:
    """A repeat that the app makes impossible clears nothing."""
    check = first_scenario(pack)
    verdict, _ = run(
        pack,
        Play(results=passing(pack, but=[failing(check)])),
        Play(start=StartFailed("start.exited", exit_code=1)),
    )
    assert verdict.outcome == "fail"
    assert outcome(verdict, check) == "fail"


def test_ignoring_sigterm_fails_u5(pack: Pack) -> None:
    """Seen at both stops, so it counts."""
    verdict, _ = run(pack, Play(results=passing(pack), ignores_stop=True))
    assert outcome(verdict, "U5") == "fail"


def test_a_person_in_the_log_fails_u3(pack: Pack) -> None:
    """The number is found with dashes, too, and shown masked."""
    verdict, _ = run(pack, Play(results=passing(pack), log=["caller 1-9701-00000-01-1"]))
    found = next(one for one in verdict.checks if one.id == "U3")
    assert found.outcome == "fail"
    assert PERSON.cid not in str(found.findings)


@pytest.fixture(scope="module")
def own(pack: Pack) -> Pack:
    """The same exercise with a check of the family privacy."""
    check = Check(id=OWN, family="privacy", points=0, title=Text(th="ไม่มีใคร", en="Nobody"))
    return pack.model_copy(update={"checks": {OWN: check, **pack.checks}})


def seen_by_privacy(pack: Pack, found: CheckEvidence) -> dict[str, list[CheckEvidence]]:
    """What the probe finds when everything is right but for the privacy family's word on the own check."""
    return {**passing(pack), "privacy": [found]}


NOBODY = CheckEvidence(check=OWN, outcome="pass")


def test_a_person_seen_once_was_seen(own: Pack) -> None:
    """A clean repeat clears no proof: a number of this world cannot appear by luck."""
    leak = failing(OWN, "privacy.person_shown")
    verdict, _ = run(own, Play(results=seen_by_privacy(own, leak)), Play(results=seen_by_privacy(own, NOBODY)))
    found = next(one for one in verdict.checks if one.id == OWN)
    assert (found.outcome, found.intermittent) == ("fail", ())
    assert [finding.code for finding in found.findings] == ["privacy.person_shown"]


def test_a_person_seen_both_times_is_one_finding(own: Pack) -> None:
    """The repeat shows it again, and nothing is listed twice."""
    verdict, _ = run(own, Play(results=seen_by_privacy(own, failing(OWN, "privacy.person_shown"))))
    found = next(one for one in verdict.checks if one.id == OWN)
    assert (len(found.findings), found.intermittent) == (1, ())


def test_proof_leaves_other_findings_to_the_repeat(own: Pack) -> None:
    """A check that has scenarios too: what they saw once is intermittent, the person counts."""
    leak = failing(OWN, "privacy.person_shown")
    results = {**passing(own), "privacy": [leak], "scenarios": [failing(OWN), *passing(own)["scenarios"]]}
    verdict, driver = run(own, Play(results=results), Play(results=seen_by_privacy(own, NOBODY)))
    found = next(one for one in verdict.checks if one.id == OWN)
    assert [finding.code for finding in found.findings] == ["privacy.person_shown"]
    assert [finding.code for finding in found.intermittent] == ["response.status"]
    assert [call for call in driver.calls if call.startswith("examine")][4:] == ["examine scenarios", "examine privacy"]


@pytest.mark.parametrize(
    ("line", "kind"), [("pid=204700331", "identifier"), ("hello สมหญิง ทดสอบ", "name"), ("๑๙๗๐๑๐๐๐๐๐๐๑๑", "cid")]
)
def test_a_person_in_the_log_fails_the_exercises_check_too(own: Pack, line: str, kind: str) -> None:
    """The log is looked at for U3 and for each check about people, and nobody is shown."""
    verdict, _ = run(own, Play(results=seen_by_privacy(own, NOBODY), log=["begin", line, "end"]))
    for check in ("U3", OWN):
        (finding,) = next(one for one in verdict.checks if one.id == check).findings
        assert (finding.check, finding.code, finding.at) == (check, "privacy.person_in_log", kind)
        assert finding.log is not None
        assert find_people(list(finding.log.lines), People([PERSON])) == ()


def test_a_silent_log_alone_passes_only_u3(own: Pack) -> None:
    """The exercise's check asks for the answers too; when nobody looked at them it was not run."""
    crash = Play(results=passing(own), dies_during="contract")
    verdict, _ = run(own, crash, Play(start=StartFailed("start.exited", exit_code=1)))
    assert (outcome(verdict, "U3"), outcome(verdict, OWN)) == ("pass", "not_run")


def test_a_check_about_people_can_be_asked_for_alone(own: Pack) -> None:
    """Its family runs, and the scenarios, where tests of its own may be."""
    driver = FakeDriver(plays=[Play(results=seen_by_privacy(own, NOBODY))], people=[PERSON])
    verdict = grade(PROJECT, own, driver, seed=1, only=frozenset({OWN}))
    assert verdict.succeeded
    assert [call for call in driver.calls if call.startswith("examine")] == ["examine scenarios", "examine privacy"]


def test_evidence_of_other_checks_shows_nobody(pack: Pack) -> None:
    """A scenario's answer, its sentence and the log beside it are shown without the people in them."""
    check = first_scenario(pack)
    (finding,) = failing(check, at=1.0).findings
    assert finding.exchange is not None
    cut = '{"name":"สมหญิง ทดสอบ","pid":204700331,"cid":"' + "x" * 2000
    response = Response(status=200, headers={"x-note": "1-9701-00000-01-1"}, body=cut[:1993] + PERSON.cid[:7])
    request = Request(method="GET", path="/x/1970100000011", body="สมหญิง ทดสอบ")
    exchange = finding.exchange.model_copy(update={"path": request.path, "request": request, "response": response})
    whole = finding.model_copy(
        update={"exchange": exchange, "got": {"204700331": ["สมหญิง ทดสอบ"]}, "at": "data.code", "count": 3}
    )
    found = CheckEvidence(check=check, outcome="fail", findings=(whole,))
    verdict, _ = run(pack, Play(results=passing(pack, but=[found]), log=["zero 1970100000011", "one 204700331", "two"]))
    (shown,) = next(one for one in verdict.checks if one.id == check).findings
    assert (shown.fingerprint, shown.count, shown.at) == (whole.fingerprint, 3, "data.code")
    assert find_people([shown.model_dump_json()], People([PERSON])) == ()
    assert shown.log is not None
    assert len(shown.log.lines) == 3
    assert PERSON.cid[:7] not in shown.model_dump_json()


def test_log_lines_are_put_beside_the_exchange(pack: Pack) -> None:
    """A finding shows what the app printed at that moment."""
    check = first_scenario(pack)
    verdict, _ = run(pack, Play(results=passing(pack, but=[failing(check, at=1.0)]), log=["zero", "one", "two"]))
    log = next(one for one in verdict.checks if one.id == check).findings[0].log
    assert log is not None
    assert log.lines == ("zero", "one", "two")


def test_only_some_checks_is_never_a_pass(pack: Pack) -> None:
    """A partial run says so."""
    check = first_scenario(pack)
    driver = FakeDriver(plays=[Play(results=passing(pack))])
    verdict = grade(PROJECT, pack, driver, seed=1, only=frozenset({check}))
    assert (verdict.outcome, verdict.code) == ("fail", "verdict.partial")
    assert [call for call in driver.calls if call.startswith("examine")] == ["examine scenarios"]


def test_a_scenario_that_reports_an_unknown_check_is_the_authors_fault(pack: Pack) -> None:
    """It is neither the trainee's nor ours."""
    results = passing(pack)
    results["scenarios"].append(CheckEvidence(check="X-1", outcome="pass"))
    with pytest.raises(PackInvalid, match="unknown_check"):
        run(pack, Play(results=results))


def test_a_missing_path_is_refused_without_a_sandbox(pack: Pack, tmp_path: Path) -> None:
    """Nothing was built or opened."""
    driver = FakeDriver()
    with pytest.raises(UsageProblem):
        grade(tmp_path / "absent", pack, driver, seed=1)
    assert driver.calls == []


def test_the_fake_keeps_the_rules_of_a_sandbox(pack: Pack) -> None:
    """Nothing can be examined before a start or after the end."""
    driver = FakeDriver()
    with driver.open(pack, 1, "r", lambda _a, _b: None) as sandbox, pytest.raises(InfrastructureFault):
        sandbox.examine("contract")
