"""Evidence in, verdict out: pure, so that the same evidence gives the same verdict for ever.

The denominator never changes: every check of the pack is in the verdict with its maximum, whatever could be run. Points
are whole numbers. Sentences are never stored; a report renders ``code`` + ``params`` in the reader's language.
"""

from typing import Any, Final, Literal, TypeAlias

from pydantic import AwareDatetime, Field

from grader.errors import BuildFailed, InfrastructureFault, PackInvalid, StartFailed, SubmissionFault
from grader.evidence import (
    CheckEvidence,
    Evidence,
    Exchange,
    Finding,
    Frozen,
    LogWindow,
    Outcome,
    Phase,
)
from grader.packs import Check, Pack
from grader.packs.model import Family

SCHEMA: Final = "verdict/1"

VerdictOutcome: TypeAlias = Literal["pass", "fail", "build_failed", "start_failed", "rejected", "infrastructure"]

CHECK_PRECEDENCE: Final[tuple[Outcome, ...]] = ("error", "fail", "not_run", "pass")
"""Which outcome wins when one check was looked at in several places: the first that occurs."""

MAX_LOG_LINES = 200
"""Lines of a build or start log that a verdict keeps; the last ones, because the cause stands at the end."""

CODE_MANDATORY = "verdict.mandatory_failed"
CODE_POINTS = "verdict.too_few_points"
CODE_PARTIAL = "verdict.partial"
CODE_CHECK_ERROR = "infrastructure.check_error"


class ExerciseRef(Frozen):
    """Which exercise was graded; ``digest`` is ``sha256:…`` over its graded files."""

    id: str
    version: str
    digest: str


class Note(Frozen):
    """What was noticed when a submission was received (codes ``receipt.*``); it costs nothing and may explain a lot."""

    code: str
    params: dict[str, str | int | float | bool | None] = Field(default_factory=dict)


class RunFacts(Frozen):
    """What a grading knows about itself, beside the evidence.

    ``submission`` is the digest of the normalised tree ("" when it was refused before one existed), ``notes`` what was
    noticed about it then. ``only`` lists the check ids that were asked for; empty means all of them, which is the only
    kind of run that can be a pass.
    """

    submission: str = ""
    notes: tuple[Note, ...] = ()
    grader_version: str
    images: dict[str, str] = Field(default_factory=dict)
    seed: int
    started_at: AwareDatetime
    phases: tuple[Phase, ...] = ()
    only: tuple[str, ...] = ()


class CheckVerdict(Frozen):
    """One row of the verdict. ``points`` is a whole number from 0 to ``max``; ``intermittent`` never costs points."""

    id: str
    family: Family
    mandatory: bool
    outcome: Outcome
    points: int
    max: int
    findings: tuple[Finding, ...] = ()
    intermittent: tuple[Finding, ...] = ()
    share: tuple[int, int] | None = None
    seconds: float = 0.0


class Verdict(Frozen):
    """The result of one grading. ``code`` is None exactly when the outcome is a pass; ``params`` belong to it."""

    outcome: VerdictOutcome
    code: str | None
    params: dict[str, str | int | float | bool | None] = Field(default_factory=dict)
    points: int
    max: int
    pass_points: int
    pass_confirmed: bool
    exercise: ExerciseRef
    facts: RunFacts
    checks: tuple[CheckVerdict, ...]
    log: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        """A pass, or a run of chosen checks that all passed: what an exit code of 0 says."""
        chosen = [check.outcome == "pass" for check in self.checks if check.id in self.facts.only]
        return self.outcome == "pass" or (bool(chosen) and all(chosen) and self.outcome == "fail")

    def to_json(self) -> dict[str, Any]:
        """The promised document ``verdict/1``; keys are only ever added."""
        facts = self.facts
        return {
            "schema": SCHEMA,
            "outcome": self.outcome,
            "code": self.code,
            "params": dict(self.params),
            "points": self.points,
            "max": self.max,
            "pass_points": self.pass_points,
            "pass_confirmed": self.pass_confirmed,
            "exercise": self.exercise.model_dump(),
            "submission": {
                "digest": facts.submission,
                "notes": [note.model_dump() for note in facts.notes],
            },
            "grader": {"version": facts.grader_version},
            "images": dict(facts.images),
            "seed": facts.seed,
            "started_at": facts.started_at.isoformat(),
            "phases": [phase.model_dump() for phase in facts.phases],
            "only": list(facts.only),
            "checks": [_check_json(check) for check in self.checks],
            "log": list(self.log),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Verdict":
        """Read a stored document back, so that an old verdict can be shown again in either language.

        Raises:
            ValueError: the document is not ``verdict/1`` or breaks its shape.
        """
        if document.get("schema") != SCHEMA:
            message = f"expected schema {SCHEMA}, got {document.get('schema')!r}"
            raise ValueError(message)
        return cls(
            **{key: document[key] for key in ("outcome", "code", "points", "max", "pass_points", "exercise")},
            **{key: document[key] for key in ("params", "pass_confirmed", "log")},
            facts=RunFacts(
                submission=document["submission"]["digest"],
                notes=document["submission"].get("notes", ()),  # documents of before there were notes have none
                grader_version=document["grader"]["version"],
                **{key: document[key] for key in ("images", "seed", "started_at", "phases", "only")},
            ),
            checks=tuple(_check_from_json(check) for check in document["checks"]),
        )


def judge(evidence: Evidence, pack: Pack, *, facts: RunFacts) -> Verdict:
    """Turn everything that was seen into a verdict.

    Pass means: every mandatory check passes and the points reach the pass rule. A check without evidence is
    ``not_run``; a check with outcome ``error`` makes the whole verdict ``infrastructure``.

    Raises:
        PackInvalid: the evidence names a check that the pack does not have.
    """
    checks = _judge_checks(evidence, pack)
    errors = [check.id for check in checks if check.outcome == "error"]
    missed = [check.id for check in checks if check.mandatory and check.outcome != "pass"]
    points = sum(check.points for check in checks)
    needed = pack.exercise.pass_rule.points
    outcome: VerdictOutcome = "fail"
    params: dict[str, str | int | float | bool | None] = {}
    code: str | None
    if errors:
        outcome, code, params = "infrastructure", CODE_CHECK_ERROR, {"checks": ", ".join(errors)}
    elif facts.only:
        code, params = CODE_PARTIAL, {"checks": ", ".join(facts.only)}
    elif missed:
        code, params = CODE_MANDATORY, {"checks": ", ".join(missed)}
    elif points < needed:
        code, params = CODE_POINTS, {"points": points, "needed": needed}
    else:
        outcome, code = "pass", None
    return _verdict(outcome, code, params, checks, pack, _with_evidence(facts, evidence))


def judge_fault(
    error: SubmissionFault | InfrastructureFault, pack: Pack, facts: RunFacts, evidence: Evidence | None = None
) -> Verdict:
    """The verdict of a grading that stopped early: rejected, not built, not started, or broken on our side.

    Checks that ``evidence`` already holds keep what they got; all others are ``not_run`` with 0 points.
    """
    seen = evidence or Evidence()
    log: tuple[str, ...] = ()
    outcome: VerdictOutcome = "rejected"
    if isinstance(error, InfrastructureFault):
        outcome = "infrastructure"
    elif isinstance(error, BuildFailed):
        outcome, log = "build_failed", error.log
    elif isinstance(error, StartFailed):
        outcome, log = "start_failed", error.log
    elif error.code.startswith("run."):
        outcome = "fail"  # it was built and it started: neither refused nor unable to start
    checks = _judge_checks(seen, pack)
    kept = log[-MAX_LOG_LINES:] or seen.log[-MAX_LOG_LINES:]
    return _verdict(outcome, error.code, dict(error.params), checks, pack, _with_evidence(facts, seen), log=kept)


def confirm(first: CheckEvidence, second: CheckEvidence) -> CheckEvidence:
    """What counts after a failed check was repeated on a fresh app: only findings that showed both times.

    The others become intermittent. A repeat that could not be made (``error`` or ``not_run``) confirms nothing and
    clears nothing, so the check becomes ``error``: ours, to be graded again. ``first`` that did not fail stays.

    Raises:
        ValueError: the two are not about the same check.
    """
    if first.check != second.check:
        message = f"cannot confirm {first.check} with {second.check}"
        raise ValueError(message)
    if first.outcome != "fail":
        return first
    seconds = first.seconds + second.seconds
    if second.outcome in {"error", "not_run"}:
        return first.model_copy(update={"outcome": "error", "seconds": seconds})
    again = {finding.fingerprint for finding in second.findings}
    before = {finding.fingerprint for finding in first.findings}
    kept = tuple(finding for finding in first.findings if finding.fingerprint in again)
    once = [finding for finding in first.findings if finding.fingerprint not in again]
    once += [finding for finding in second.findings if finding.fingerprint not in before]
    silent_twice = not before and not again and second.outcome == "fail"
    failed = bool(kept) or silent_twice
    return CheckEvidence(
        check=first.check,
        outcome="fail" if failed else "pass",
        findings=kept,
        intermittent=_union((*first.intermittent, *second.intermittent, *once)),
        share=_better_share(first.share, second.share, failed=failed),
        seconds=seconds,
    )


def merge(*parts: CheckEvidence) -> CheckEvidence:
    """One check that was looked at in several places (several tests, several families) as one piece of evidence.

    Findings with one fingerprint become one and their counts add up; shares add up; the worst outcome wins by
    CHECK_PRECEDENCE.

    Raises:
        ValueError: no part was given, or they are not all about the same check.
    """
    names = {part.check for part in parts}
    if len(names) != 1:
        message = f"merge needs evidence of exactly one check, got {sorted(names)}"
        raise ValueError(message)
    findings = _union(tuple(finding for part in parts for finding in part.findings))
    outcomes = {part.outcome for part in parts} | ({"fail"} if findings else set())
    shares = [part.share for part in parts if part.share is not None]
    return CheckEvidence(
        check=names.pop(),
        outcome=next(outcome for outcome in CHECK_PRECEDENCE if outcome in outcomes),
        findings=findings,
        intermittent=_union(tuple(finding for part in parts for finding in part.intermittent)),
        share=(sum(done for done, _ in shares), sum(total for _, total in shares)) if shares else None,
        seconds=sum(part.seconds for part in parts),
    )


def _judge_checks(evidence: Evidence, pack: Pack) -> tuple[CheckVerdict, ...]:
    unknown = sorted(set(evidence.checks) - set(pack.checks))
    if unknown:
        raise PackInvalid(
            "pack.unknown_check",
            file="checks.toml",
            where=", ".join(unknown),
            problem="a scenario reports a check that is not listed",
            fix="add a table with this id, or correct the id in the scenario's mark",
        )
    return tuple(_judge_check(check, evidence.checks.get(check.id)) for check in pack.checks.values())


def _judge_check(check: Check, seen: CheckEvidence | None) -> CheckVerdict:
    outcome: Outcome = "not_run"
    if seen is not None:
        outcome = _outcome(seen)
    points = 0
    if seen is not None and outcome in {"pass", "fail"}:
        if seen.share is not None:
            done, total = seen.share
            points = check.points * done // total
        elif outcome == "pass":
            points = check.points
    return CheckVerdict(
        id=check.id,
        family=check.family,
        mandatory=check.mandatory,
        outcome=outcome,
        points=points,
        max=check.points,
        findings=seen.findings if seen else (),
        intermittent=seen.intermittent if seen else (),
        share=seen.share if seen else None,
        seconds=seen.seconds if seen else 0.0,
    )


def _outcome(seen: CheckEvidence) -> Outcome:
    """The outcome that the evidence supports; a pass is never taken on trust."""
    if seen.outcome in {"error", "not_run"}:
        return seen.outcome
    if seen.share is not None:
        done, total = seen.share
        if not 0 <= done <= total or total == 0:
            return "error"  # a share of nothing was not measured: ours, never a pass
        if done < total:
            return "fail"
    return "fail" if seen.findings else seen.outcome


def _union(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Findings in order of appearance, one for each fingerprint, counts added."""
    by_cause: dict[str, Finding] = {}
    for finding in findings:
        known = by_cause.get(finding.fingerprint)
        by_cause[finding.fingerprint] = (
            known.model_copy(update={"count": known.count + finding.count}) if known else finding
        )
    return tuple(by_cause.values())


def _better_share(
    first: tuple[int, int] | None, second: tuple[int, int] | None, *, failed: bool
) -> tuple[int, int] | None:
    """The share that is kinder to the trainee; whole when nothing was confirmed."""
    shares = [share for share in (first, second) if share is not None and share[1] > 0]
    if not shares:
        return None
    done, total = max(shares, key=lambda share: share[0] / share[1])
    return (done, total) if failed else (total, total)


def _with_evidence(facts: RunFacts, evidence: Evidence) -> RunFacts:
    """The facts of the run, filled up with what only the evidence knows."""
    return facts.model_copy(
        update={"images": {**evidence.images, **facts.images}, "phases": facts.phases or evidence.phases}
    )


def _verdict(  # noqa: PLR0917 - private; each caller names its values
    outcome: VerdictOutcome,
    code: str | None,
    params: dict[str, str | int | float | bool | None],
    checks: tuple[CheckVerdict, ...],
    pack: Pack,
    facts: RunFacts,
    *,
    log: tuple[str, ...] = (),
) -> Verdict:
    exercise = pack.exercise
    return Verdict(
        outcome=outcome,
        code=code,
        params=params,
        points=sum(check.points for check in checks),
        max=sum(check.max for check in checks),
        pass_points=exercise.pass_rule.points,
        pass_confirmed=exercise.pass_rule.confirmed,
        exercise=ExerciseRef(id=exercise.id, version=exercise.version, digest=pack.digest),
        facts=facts,
        checks=checks,
        log=log,
    )


def _check_json(check: CheckVerdict) -> dict[str, Any]:
    return {
        **check.model_dump(exclude={"findings", "intermittent", "share"}),
        "share": list(check.share) if check.share else None,
        "findings": [_finding_json(finding) for finding in check.findings],
        "intermittent": [_finding_json(finding) for finding in check.intermittent],
    }


def _check_from_json(document: dict[str, Any]) -> CheckVerdict:
    lists = {
        key: tuple(_finding_from_json(finding) for finding in document[key]) for key in ("findings", "intermittent")
    }
    return CheckVerdict(**{**document, **lists})


def _finding_json(finding: Finding) -> dict[str, Any]:
    log = finding.log
    return {
        **finding.model_dump(mode="json", exclude={"log"}),
        "fingerprint": finding.fingerprint,
        "log": {"from": log.start, "to": log.end, "lines": list(log.lines)} if log else None,
    }


def _finding_from_json(document: dict[str, Any]) -> Finding:
    log = document["log"]
    window = LogWindow(start=log["from"], end=log["to"], lines=log["lines"]) if log else None
    exchange = Exchange.model_validate(document["exchange"]) if document["exchange"] else None
    plain = {key: value for key, value in document.items() if key not in {"fingerprint", "log", "exchange"}}
    return Finding(**plain, log=window, exchange=exchange)
