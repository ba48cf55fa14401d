"""Judging: the denominator never changes, points are whole, and only what was confirmed counts."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from grader.errors import (
    BuildFailed,
    InfrastructureFault,
    PackInvalid,
    StartFailed,
    SubmissionFault,
    SubmissionRejected,
)
from grader.evidence import (
    CheckEvidence,
    Evidence,
    Exchange,
    Finding,
    LogWindow,
    Outcome,
    Phase,
    Request,
    Response,
)
from grader.packs import Check, Exercise, Pack, PassRule, Text, Weights
from grader.verdict import Note, RunFacts, Verdict, confirm, judge, judge_fault, merge

POINTS = {"E1-S1": 40, "E1-S2": 20, "C": 35, "U1": 3, "U2": 2}
MANDATORY = {"E1-S1", "U1"}


def _pack(*, pass_points: int = 80) -> Pack:
    words = Text(th="ชื่อ", en="title")
    return Pack(
        root=Path(),
        exercise=Exercise(
            schema=1,
            id="e1",
            version="1.0.0",
            level="beginner",
            hours=1,
            runtimes=("python",),
            title=words,
            summary=words,
            pass_rule=PassRule(points=pass_points),
            weights=Weights(universal=5, contract=35, scenario=60),
        ),
        checks={
            check: Check(id=check, family="scenario", mandatory=check in MANDATORY, points=points, title=words)
            for check, points in POINTS.items()
        },
        contract={},
        operations=(),
        digest="sha256:00",
    )


FACTS = RunFacts(
    submission="sha256:11",
    notes=(Note(code="receipt.left_out", params={"names": ".git"}),),
    grader_version="0.1.0",
    images={"probe": "sha256:22"},
    seed=4711,
    started_at=datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC),
    phases=(Phase(name="start", seconds=1.25),),
)


def _finding(check: str, code: str = "response.status", at: str = "", count: int = 1) -> Finding:
    return Finding(check=check, code=code, at=at, expected=404, got=200, count=count)


def _seen(
    check: str, outcome: Outcome = "pass", *findings: Finding, share: tuple[int, int] | None = None
) -> CheckEvidence:
    return CheckEvidence(check=check, outcome=outcome, findings=findings, share=share)


def _judged(*changes: CheckEvidence, pass_points: int = 80) -> Verdict:
    """Everything passes but what ``changes`` say."""
    checks = {check: _seen(check) for check in POINTS} | {changed.check: changed for changed in changes}
    return judge(Evidence(checks=checks), _pack(pass_points=pass_points), facts=FACTS)


def test_everything_passes() -> None:
    """A full pass has all points and no code."""
    verdict = _judged(_seen("C", share=(3, 3)))
    assert (verdict.outcome, verdict.code, verdict.points, verdict.max) == ("pass", None, 100, 100)
    assert verdict.succeeded


def test_a_mandatory_check_decides_whatever_the_points_are() -> None:
    """97 points are no pass when a mandatory check fails."""
    verdict = _judged(_seen("U1", "fail", _finding("U1")))
    assert (verdict.outcome, verdict.code, verdict.points) == ("fail", "verdict.mandatory_failed", 97)
    assert verdict.params == {"checks": "U1"}


@pytest.mark.parametrize(
    ("pass_points", "outcome", "code"), [(80, "pass", None), (81, "fail", "verdict.too_few_points")]
)
def test_the_pass_rule_counts_from_its_points_on(pass_points: int, outcome: str, code: str | None) -> None:
    """Exactly the points of the rule pass; one less does not."""
    verdict = _judged(_seen("E1-S2", "fail", _finding("E1-S2")), pass_points=pass_points)
    assert (verdict.points, verdict.outcome, verdict.code) == (80, outcome, code)


def test_missing_evidence_is_not_run_and_the_denominator_stays() -> None:
    """A check nobody looked at has no points, keeps its maximum, and a mandatory one prevents a pass."""
    verdict = judge(Evidence(), _pack(), facts=FACTS)
    assert [(check.id, check.outcome, check.points, check.max) for check in verdict.checks] == [
        (check, "not_run", 0, points) for check, points in POINTS.items()
    ]
    assert (verdict.points, verdict.max, verdict.outcome) == (0, 100, "fail")


@pytest.mark.parametrize(("share", "points"), [((0, 3), 0), ((1, 3), 11), ((2, 3), 23), ((3, 3), 35), ((9, 10), 31)])
def test_a_share_is_rounded_down_and_passes_only_when_whole(share: tuple[int, int], points: int) -> None:
    """35 points times the share, whole points only; the check passes at 3 of 3 even if it was reported otherwise."""
    check = next(check for check in _judged(_seen("C", share=share)).checks if check.id == "C")
    assert check.points == points
    assert check.outcome == ("pass" if share[0] == share[1] else "fail")


@pytest.mark.parametrize("share", [(0, 0), (4, 3), (-1, 3)])
def test_a_share_of_nothing_is_our_fault(share: tuple[int, int]) -> None:
    """A share that measures nothing is neither a pass nor a failure of the trainee."""
    verdict = _judged(_seen("C", share=share))
    assert (verdict.outcome, verdict.code) == ("infrastructure", "infrastructure.check_error")


def test_an_error_of_one_check_is_infrastructure() -> None:
    """A check that could not be judged by our fault outranks every failure."""
    verdict = _judged(_seen("E1-S2", "error"), _seen("E1-S1", "fail", _finding("E1-S1")))
    assert (verdict.outcome, verdict.params) == ("infrastructure", {"checks": "E1-S2"})


def test_a_reported_pass_with_findings_is_a_failure() -> None:
    """A pass is never taken on trust."""
    verdict = _judged(_seen("E1-S2", "pass", _finding("E1-S2")))
    assert next(check for check in verdict.checks if check.id == "E1-S2").points == 0


def test_intermittent_findings_cost_nothing() -> None:
    """What was seen once is in the verdict and takes no points."""
    once = CheckEvidence(check="E1-S1", outcome="pass", intermittent=(_finding("E1-S1"),))
    verdict = _judged(once)
    assert (verdict.outcome, verdict.points) == ("pass", 100)
    assert verdict.checks[0].intermittent == once.intermittent


def test_evidence_of_an_unknown_check_is_the_authors_fault() -> None:
    """A scenario that reports a check which is not listed breaks the pack, not the verdict."""
    with pytest.raises(PackInvalid, match="unknown_check"):
        _judged(_seen("E1-S9"))


def test_chosen_checks_are_never_a_pass_but_can_succeed() -> None:
    """A run with --only keeps the denominator; it succeeds when all chosen checks pass."""
    facts = FACTS.model_copy(update={"only": ("E1-S2",)})
    good = judge(Evidence(checks={"E1-S2": _seen("E1-S2")}), _pack(), facts=facts)
    bad = judge(Evidence(checks={"E1-S2": _seen("E1-S2", "fail")}), _pack(), facts=facts)
    assert (good.outcome, good.code, good.points, good.max) == ("fail", "verdict.partial", 20, 100)
    assert (good.succeeded, bad.succeeded) == (True, False)


@pytest.mark.parametrize(
    ("error", "outcome", "log"),
    [
        (SubmissionRejected("archive.not_zip"), "rejected", ()),
        (BuildFailed("build.failed", log=("a", "b")), "build_failed", ("a", "b")),
        (StartFailed("start.exited", log=("c",), exit_code=1), "start_failed", ("c",)),
        (SubmissionFault("run.crashed"), "fail", ()),
        (InfrastructureFault("infrastructure.probe_died"), "infrastructure", ()),
    ],
)
def test_a_fault_keeps_the_denominator_and_what_is_known(
    error: SubmissionFault | InfrastructureFault, outcome: str, log: tuple[str, ...]
) -> None:
    """Each kind of fault has its outcome; checks that were judged before it keep their points."""
    evidence = Evidence(checks={"U2": _seen("U2")})
    verdict = judge_fault(error, _pack(), FACTS, evidence)
    assert (verdict.outcome, verdict.code, verdict.params, verdict.log) == (outcome, error.code, error.params, log)
    assert (verdict.points, verdict.max) == (2, 100)
    assert {check.id: check.outcome for check in verdict.checks} == {
        "U2": "pass",
        **dict.fromkeys(("E1-S1", "E1-S2", "C", "U1"), "not_run"),
    }
    assert not verdict.succeeded


def test_a_long_log_keeps_its_end() -> None:
    """The cause of a failed build stands at the end of its log."""
    log = tuple(f"line {number}" for number in range(1000))
    assert judge_fault(BuildFailed("build.failed", log=log), _pack(), FACTS).log == log[-200:]


def test_the_document_keeps_every_promise() -> None:
    """Every promised key is there with its promised form, and the document reads back to the same verdict."""
    exchange = Exchange(
        method="GET",
        path="/x",
        request=Request(method="GET", path="/x"),
        response=Response(status=500, body="ข้อผิดพลาด", size=30),
        curl="curl http://app/x",
    )
    finding = Finding(
        check="E1-S1",
        code="response.status",
        params={"n": 1},
        expected={"status": 404},
        got={"status": 500},
        exchange=exchange,
        log=LogWindow(start=120, end=131, lines=("boom",)),
        count=37,
    )
    verdict = _judged(_seen("E1-S1", "fail", finding), _seen("C", share=(2, 3)))
    document = json.loads(json.dumps(verdict.to_json()))
    assert document["schema"] == "verdict/1"
    assert (document["outcome"], document["code"]) == ("fail", "verdict.mandatory_failed")
    assert (document["points"], document["max"], document["pass_points"]) == (48, 100, 80)
    assert document["exercise"] == {"id": "e1", "version": "1.0.0", "digest": "sha256:00"}
    assert document["submission"] == {
        "digest": "sha256:11",
        "notes": [{"code": "receipt.left_out", "params": {"names": ".git"}}],
    }
    assert document["grader"] == {"version": "0.1.0"}
    assert document["images"] == {"probe": "sha256:22"}
    assert (document["seed"], document["started_at"]) == (4711, "2026-11-22T01:02:03+00:00")
    assert document["phases"][0].items() >= {"name": "start", "seconds": 1.25}.items()
    check = document["checks"][0]
    assert {key: check[key] for key in ("id", "family", "mandatory", "outcome", "points", "max")} == {
        "id": "E1-S1",
        "family": "scenario",
        "mandatory": True,
        "outcome": "fail",
        "points": 0,
        "max": 40,
    }
    found = check["findings"][0]
    assert found["fingerprint"] == finding.fingerprint
    assert (found["code"], found["params"], found["count"]) == ("response.status", {"n": 1}, 37)
    assert (found["expected"], found["got"]) == ({"status": 404}, {"status": 500})
    assert found["log"] == {"from": 120, "to": 131, "lines": ["boom"]}
    assert found["exchange"]["response"]["status"] == 500
    assert (found["exchange"]["method"], found["exchange"]["path"], found["exchange"]["curl"]) == (
        "GET",
        "/x",
        "curl http://app/x",
    )
    assert document["checks"][2]["share"] == [2, 3]
    assert Verdict.from_json(document) == verdict


def test_a_document_without_notes_can_still_be_read() -> None:
    """Documents that were stored before there were notes have no such key."""
    document = _judged().to_json()
    del document["submission"]["notes"]
    assert Verdict.from_json(document).facts.notes == ()


def test_a_document_of_another_schema_is_refused() -> None:
    """A future schema is not read as if it were this one."""
    with pytest.raises(ValueError, match="verdict/1"):
        Verdict.from_json({**_judged().to_json(), "schema": "verdict/2"})


def test_confirm_keeps_what_showed_twice() -> None:
    """A finding of both runs stays; those of one run become intermittent, whichever run it was."""
    both, first, second = (_finding("U1", at=at) for at in ("both", "first", "second"))
    confirmed = confirm(_seen("U1", "fail", both, first), _seen("U1", "fail", both, second))
    assert (confirmed.outcome, confirmed.findings, confirmed.intermittent) == ("fail", (both,), (first, second))


def test_confirm_clears_what_did_not_show_again() -> None:
    """Nothing in common is a pass with intermittent findings, and its share is whole."""
    first = _seen("C", "fail", _finding("C", at="a"), share=(2, 3))
    confirmed = confirm(first, _seen("C", "pass", share=(3, 3)))
    assert (confirmed.outcome, confirmed.findings, confirmed.share) == ("pass", (), (3, 3))
    assert [finding.at for finding in confirmed.intermittent] == ["a"]


def test_confirm_takes_the_better_share() -> None:
    """While a finding stays, the run that went better counts."""
    shared = _finding("C")
    confirmed = confirm(_seen("C", "fail", shared, share=(1, 3)), _seen("C", "fail", shared, share=(2, 3)))
    assert confirmed.share == (2, 3)


@pytest.mark.parametrize("outcome", ["error", "not_run"])
def test_confirm_without_a_repeat_is_our_fault(outcome: Outcome) -> None:
    """A repeat that could not be made neither confirms nor clears."""
    assert confirm(_seen("U1", "fail", _finding("U1")), _seen("U1", outcome)).outcome == "error"


def test_confirm_leaves_other_outcomes_and_silent_failures() -> None:
    """What did not fail is not touched; a failure without findings that fails again stays a failure."""
    passed = _seen("U1")
    assert confirm(passed, _seen("U1", "fail", _finding("U1"))) == passed
    assert confirm(_seen("U1", "fail"), _seen("U1", "fail")).outcome == "fail"
    assert confirm(_seen("U1", "fail"), _seen("U1", "pass")).outcome == "pass"


def test_confirm_and_merge_refuse_different_checks() -> None:
    """Evidence of two checks is never mixed."""
    with pytest.raises(ValueError, match="U2"):
        confirm(_seen("U1"), _seen("U2"))
    with pytest.raises(ValueError, match="exactly one"):
        merge(_seen("U1"), _seen("U2"))
    with pytest.raises(ValueError, match="exactly one"):
        merge()


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (("pass", "pass"), "pass"),
        (("pass", "not_run"), "not_run"),
        (("not_run", "fail"), "fail"),
        (("fail", "error"), "error"),
    ],
)
def test_merge_takes_the_worst_outcome(outcomes: tuple[Outcome, ...], expected: Outcome) -> None:
    """Error before fail before not run before pass, in any order."""
    parts = [_seen("U4", outcome) for outcome in outcomes]
    assert merge(*parts).outcome == merge(*reversed(parts)).outcome == expected


def test_merge_adds_counts_and_shares() -> None:
    """One cause seen in two places is one finding with both counts; shares add up."""
    merged = merge(
        _seen("C", "fail", _finding("C", count=2), share=(1, 2)),
        _seen("C", "fail", _finding("C", count=3), _finding("C", at="b"), share=(1, 1)),
    )
    assert [(finding.at, finding.count) for finding in merged.findings] == [("", 5), ("b", 1)]
    assert merged.share == (2, 3)


def test_the_same_evidence_gives_the_same_verdict() -> None:
    """Judging is pure: no clock and no order of arrival is in it."""
    checks = {check: _seen(check) for check in POINTS}
    backwards = dict(reversed(checks.items()))
    assert judge(Evidence(checks=checks), _pack(), facts=FACTS) == judge(
        Evidence(checks=backwards), _pack(), facts=FACTS
    )
