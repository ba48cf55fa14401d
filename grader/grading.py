"""One submission from archive to verdict.

The way is always the same: intake, image, pod, start, probe, stop. Whatever fails is repeated once on a fresh app, and
only what shows again counts. What goes wrong by our fault is tried again from the start, and is never a fail.
"""

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from grader import __version__
from grader.errors import InfrastructureFault, StartFailed, SubmissionFault
from grader.evidence import CheckEvidence, Evidence, Finding, Phase
from grader.intake import receive
from grader.packs import Pack
from grader.people import find_people
from grader.sandbox.driver import AppExit, AppImage, Listener, LogLine, Sandbox, SandboxDriver, window
from grader.sandbox.reaper import scratch_folder
from grader.submission import Workspace
from grader.verdict import RunFacts, Verdict, confirm, judge, judge_fault, merge

FAMILIES = ("contract", "scenarios", "universal", "privacy")
"""The probe's commands, in the order in which they run on one app."""

CHECK_SOURCE = "U2"
CHECK_LOG = "U3"
CHECK_STOP = "U5"
CHECK_CRASH = "U1"
"""Checks that are judged from facts of intake and engine; the exercise's own checks are never named here."""

TRIES = 2
"""How often a grading is begun before our own fault is reported."""


@dataclass(kw_only=True)
class _Run:
    """What one grading collects on its way."""

    pack: Pack
    listen: Listener
    only: frozenset[str]
    phases: list[Phase] = field(default_factory=list)
    images: dict[str, str] = field(default_factory=dict)
    submission: str = ""

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase and say that it began."""
        self.listen(name, "")
        started = time.monotonic()
        try:
            yield
        finally:
            self.phases.append(Phase(name=name, seconds=round(time.monotonic() - started, 3)))

    def wants(self, *checks: str) -> bool:
        """Whether any of these checks was asked for."""
        return not self.only or bool(self.only & set(checks))


def grade(
    path: Path,
    pack: Pack,
    driver: SandboxDriver,
    *,
    seed: int,
    listen: Listener = lambda _phase, _what: None,
    only: frozenset[str] = frozenset(),
) -> Verdict:
    """Take one submission (folder or archive) from bytes to a verdict.

    ``only`` restricts the checks; such a verdict is never a pass of the exercise. Raises PackInvalid when the exercise
    itself is broken, and EnvironmentProblem when this machine cannot grade; both say nothing about the submission.
    """
    started_at = datetime.now(UTC)
    for attempt in range(1, TRIES + 1):
        run = _Run(pack=pack, listen=listen, only=only)
        evidence = Evidence()
        try:
            with scratch_folder() as folder:
                for evidence in _collect(run, path, folder, driver, seed):  # noqa: B007 - the last one counts
                    pass
            return judge(evidence, pack, facts=_facts(run, seed, started_at))
        except SubmissionFault as fault:
            return judge_fault(fault, pack, _facts(run, seed, started_at), evidence)
        except InfrastructureFault as fault:
            if attempt == TRIES:
                return judge_fault(fault, pack, _facts(run, seed, started_at), evidence)
            listen("retry", fault.code)
    raise AssertionError


def _facts(run: _Run, seed: int, started_at: datetime) -> RunFacts:
    return RunFacts(
        submission=run.submission,
        grader_version=__version__,
        images=run.images,
        seed=seed,
        started_at=started_at,
        phases=tuple(run.phases),
        only=tuple(sorted(run.only)),
    )


def _collect(run: _Run, path: Path, folder: Path, driver: SandboxDriver, seed: int) -> Iterator[Evidence]:
    """Yield the evidence so far after each step, so that an early end keeps what is already known."""
    ident = secrets.token_hex(6)
    with run.phase("intake"):
        workspace = receive(path, spool=folder / "source.tar")
    run.submission = workspace.receipt.digest
    seen = _Seen(_source_evidence(run, workspace))
    yield seen.evidence()
    with run.phase("build"):
        image = driver.prepare(workspace, ident, run.listen)
    run.images = {**driver.images(), "app": image.ident}
    with run.phase("sandbox"):
        context = driver.open(run.pack, seed, ident, run.listen)
        sandbox = context.__enter__()
    try:
        first = _examine(run, sandbox, image, frozenset(), repeat=False)
        failing = frozenset(check for check, found in first.items() if found.outcome == "fail")
        if failing:
            second = _repeat(run, sandbox, image, failing)
            first = {check: _confirmed(found, second) if check in failing else found for check, found in first.items()}
        seen.add(first)
        run.phases.append(Phase(name="cpu", seconds=0.0, cpu_seconds=sandbox.cpu_seconds()))
    finally:
        with run.phase("teardown"):
            context.__exit__(None, None, None)
    yield seen.evidence()


def _repeat(
    run: _Run, sandbox: Sandbox, image: AppImage, failing: frozenset[str]
) -> dict[str, CheckEvidence]:
    """Look again at what failed, on a fresh app. One that does not start this time clears nothing."""
    try:
        return _examine(run, sandbox, image, failing, repeat=True)
    except StartFailed:
        return {}


def _confirmed(found: CheckEvidence, second: dict[str, CheckEvidence]) -> CheckEvidence:
    """What counts of a failed check. A repeat that the app itself made impossible (it ended) clears nothing."""
    again = second.get(found.check)
    return found if again is None or again.outcome == "not_run" else confirm(found, again)


class _Seen:
    """Evidence by check, merged where several places looked at one check."""

    def __init__(self, first: dict[str, CheckEvidence] | None = None) -> None:
        self._checks = dict(first or {})

    def add(self, more: dict[str, CheckEvidence]) -> None:
        for check, found in more.items():
            known = self._checks.get(check)
            self._checks[check] = merge(known, found) if known else found

    def checks(self) -> dict[str, CheckEvidence]:
        return dict(self._checks)

    def evidence(self) -> Evidence:
        return Evidence(checks=self.checks())


def _judged(check: str, findings: tuple[Finding, ...]) -> CheckEvidence:
    return CheckEvidence(check=check, outcome="fail" if findings else "pass", findings=findings)


def _source_evidence(run: _Run, workspace: Workspace) -> dict[str, CheckEvidence]:
    """U2: what intake read in the source, inside its jail."""
    if CHECK_SOURCE not in run.pack.checks or not run.wants(CHECK_SOURCE):
        return {}
    findings = tuple(
        Finding(
            check=CHECK_SOURCE,
            code="privacy.cid_in_source" if leak.kind == "citizen_number" else "privacy.secret_in_source",
            at=f"{leak.file}:{leak.line}",
            params={"file": leak.file, "line": leak.line, "kind": leak.kind, "shown": leak.shown},
        )
        for leak in workspace.leaks
    )
    return {CHECK_SOURCE: _judged(CHECK_SOURCE, findings)}


def _examine(
    run: _Run, sandbox: Sandbox, image: AppImage, only: frozenset[str], *, repeat: bool
) -> dict[str, CheckEvidence]:
    """Start a fresh app, let every family look at it, stop it, and judge how it stopped and what it printed."""
    suffix = "-again" if repeat else ""
    with run.phase(f"start{suffix}"):
        sandbox.start_app(image)
    wanted = only or run.only or None
    seen = _Seen()
    crash: AppExit | None = None
    end: AppExit | None = None
    for family in FAMILIES:
        if not _family_wanted(run.pack, family, wanted):
            continue
        with run.phase(f"{family}{suffix}"):
            examined = sandbox.examine(family, wanted)
        seen.add({found.check: found for found in examined.results})
        if not sandbox.app_alive():
            crash = sandbox.stop_app()
            seen.add(_crash_evidence(run, crash, family))
            try:
                with run.phase(f"restart{suffix}"):
                    sandbox.start_app(image)
            except StartFailed:
                break  # it started once and ended by itself: the crash is the finding, the rest was not run
    else:
        with run.phase(f"stop{suffix}"):
            end = sandbox.stop_app()
    log = tuple(line for part in (crash, end) if part is not None for line in part.log)
    if end is not None:
        seen.add(_stop_evidence(run, end, wanted))
    seen.add(_log_evidence(run, sandbox, log, wanted))
    return {check: _with_log(found, log) for check, found in seen.checks().items()}


def _family_wanted(pack: Pack, family: str, wanted: frozenset[str] | None) -> bool:
    """Whether a family has anything to look at; U4 is seen by two families, so universal checks ask for both."""
    if wanted is None:
        return True
    families = {pack.checks[check].family for check in wanted if check in pack.checks}
    match family:
        case "scenarios":
            return "scenario" in families
        case "contract":
            return bool(families & {"contract", "universal"})
        case "universal":
            return "universal" in families
        case _:
            return CHECK_LOG in wanted


def _crash_evidence(run: _Run, end: AppExit, family: str) -> dict[str, CheckEvidence]:
    """An app that ended by itself while it was examined broke the first rule of all: it has to keep answering."""
    if CHECK_CRASH not in run.pack.checks or not run.wants(CHECK_CRASH):
        return {}
    finding = Finding(
        check=CHECK_CRASH,
        code="run.out_of_memory" if end.out_of_memory else "run.crashed",
        params={"exit_code": end.exit_code, "family": family},
    )
    return {CHECK_CRASH: _judged(CHECK_CRASH, (finding,))}


def _stop_evidence(run: _Run, end: AppExit, wanted: frozenset[str] | None) -> dict[str, CheckEvidence]:
    """U5: SIGTERM ends the app within the grace period."""
    if CHECK_STOP not in run.pack.checks or (wanted is not None and CHECK_STOP not in wanted):
        return {}
    if end.died:
        return {CHECK_STOP: CheckEvidence(check=CHECK_STOP, outcome="not_run")}
    late = Finding(check=CHECK_STOP, code="stop.ignored_sigterm", params={"seconds": round(end.seconds)})
    return {CHECK_STOP: _judged(CHECK_STOP, (late,) if end.killed else ())}


def _log_evidence(
    run: _Run, sandbox: Sandbox, log: Sequence[LogLine], wanted: frozenset[str] | None
) -> dict[str, CheckEvidence]:
    """U3: nobody of this world stands in what the app printed."""
    if CHECK_LOG not in run.pack.checks or (wanted is not None and CHECK_LOG not in wanted):
        return {}
    findings = find_people([line.text for line in log], sandbox.people)
    return {CHECK_LOG: _judged(CHECK_LOG, findings)}


def _with_log(found: CheckEvidence, log: Sequence[LogLine]) -> CheckEvidence:
    """Put what the app printed around each failing exchange beside it."""
    if not found.findings:
        return found
    findings = tuple(
        finding.model_copy(update={"log": window(log, finding.exchange.at)})
        if finding.exchange is not None and finding.log is None
        else finding
        for finding in found.findings
    )
    return found.model_copy(update={"findings": findings})
