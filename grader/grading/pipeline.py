"""One submission from archive to verdict.

The way is always the same: intake, image, pod, start, probe, stop. Whatever fails is repeated once on a fresh app, and
only what shows again counts. What goes wrong by our fault is tried again from the start, and is never a fail.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from grader import __version__
from grader.errors import InfrastructureFault, StartFailed, SubmissionFault, SubmissionRejected
from grader.evidence import CheckEvidence, Evidence, Phase
from grader.grading import facts
from grader.intake import receive
from grader.packs import Pack
from grader.people import People
from grader.sandbox.driver import AppExit, AppImage, Listener, Sandbox, SandboxDriver
from grader.sandbox.reaper import scratch_folder
from grader.verdict import Note, RunFacts, Verdict, confirm, judge, judge_fault, merge

FAMILIES = ("contract", "scenarios", "universal", "privacy")
"""The probe's commands, in the order in which they run on one app."""

PROOF = "privacy."
"""Codes of what is proved by being seen once."""

TRIES = 2
"""How often a grading is begun before our own fault is reported."""

Checks = dict[str, CheckEvidence]


@dataclass(kw_only=True)
class _Run:
    """What one grading collects on its way; an early end keeps what is already known."""

    pack: Pack
    listen: Listener
    only: frozenset[str]
    phases: list[Phase] = field(default_factory=list)
    images: dict[str, str] = field(default_factory=dict)
    submission: str = ""
    notes: tuple[Note, ...] = ()
    checks: Checks = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase and say that it began."""
        self.listen(name, "")
        started = time.monotonic()
        try:
            yield
        finally:
            self.phases.append(Phase(name=name, seconds=round(time.monotonic() - started, 3)))

    def wants(self, check: str, wanted: frozenset[str] | None) -> bool:
        """Whether the exercise has this check and it was asked for."""
        return check in self.pack.checks and (wanted is None or check in wanted)


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
    attempt = 0
    while True:
        attempt += 1
        run = _Run(pack=pack, listen=listen, only=only)
        fault: SubmissionFault | InfrastructureFault | None = None
        try:
            with scratch_folder() as folder:
                _collect(run, path, folder, driver, seed)
        except SubmissionFault as problem:
            fault = problem
        except InfrastructureFault as problem:
            fault = problem
            if attempt < TRIES:
                listen("retry", problem.code)
                continue
        about = RunFacts(
            submission=run.submission,
            notes=run.notes,
            grader_version=__version__,
            images=run.images,
            seed=seed,
            started_at=started_at,
            phases=tuple(run.phases),
            only=tuple(sorted(only)),
        )
        evidence = Evidence(checks=run.checks)
        return judge(evidence, pack, facts=about) if fault is None else judge_fault(fault, pack, about, evidence)


def _collect(run: _Run, path: Path, folder: Path, driver: SandboxDriver, seed: int) -> None:
    """Walk the whole way once, leaving in ``run`` what each step learned."""
    ident = secrets.token_hex(6)
    with run.phase("intake"):
        workspace = receive(path, spool=folder / "source.tar")
        _refuse_other_runtime(run.pack, workspace.runtime)
    run.submission, run.notes = workspace.receipt.digest, facts.notes(workspace.receipt)
    if run.wants(facts.SOURCE, run.only or None):
        run.checks[facts.SOURCE] = facts.source(workspace.leaks)
    sandboxes = ExitStack()
    try:
        sandboxes.enter_context(driver.expect(run.pack))
        with run.phase("build"):
            image = driver.prepare(workspace, ident, run.listen)
        run.images = {**image.images, **driver.images(run.pack), "app": image.ident}
        with run.phase("sandbox"):
            sandbox = sandboxes.enter_context(driver.open(run.pack, seed, ident, run.listen))
        first = _examine(run, sandbox, image, run.only or None)
        failing = frozenset(check for check, found in first.items() if found.outcome == "fail")
        second = _repeat(run, sandbox, image, failing) if failing else {}
        for check, found in first.items():
            _add(run.checks, _confirmed(found, second) if check in failing else found)
        run.phases.append(Phase(name="cpu", seconds=0.0, cpu_seconds=sandbox.cpu_seconds()))
    finally:
        with run.phase("teardown"):
            sandboxes.close()


def _refuse_other_runtime(pack: Pack, runtime: str) -> None:
    offered = pack.exercise.runtimes
    if runtime not in offered:
        raise SubmissionRejected("project.runtime_not_offered", runtime=runtime, offered=", ".join(offered))


def _repeat(run: _Run, sandbox: Sandbox, image: AppImage, failing: frozenset[str]) -> Checks:
    """Look again at what failed, on a fresh app. One that does not start this time clears nothing."""
    try:
        return _examine(run, sandbox, image, failing, suffix="-again")
    except StartFailed:
        return {}


def _confirmed(found: CheckEvidence, second: Checks) -> CheckEvidence:
    """What counts of a failed check. A repeat that the app itself made impossible (it ended) clears nothing."""
    again = second.get(found.check)
    return found if again is None or again.outcome == "not_run" else _with_proof(confirm(found, again))


def _with_proof(judged: CheckEvidence) -> CheckEvidence:
    """A person who was seen once was seen: a number of this world cannot appear by luck, so it needs no second time."""
    proof = tuple(finding for finding in judged.intermittent if finding.code.startswith(PROOF))
    if not proof:
        return judged
    others = tuple(finding for finding in judged.intermittent if finding not in proof)
    return judged.model_copy(update={"outcome": "fail", "findings": (*judged.findings, *proof), "intermittent": others})


def _add(checks: Checks, found: CheckEvidence) -> None:
    """Put evidence to what other places saw of the same check."""
    known = checks.get(found.check)
    checks[found.check] = merge(known, found) if known else found


def _examine(
    run: _Run, sandbox: Sandbox, image: AppImage, wanted: frozenset[str] | None, *, suffix: str = ""
) -> Checks:
    """Start a fresh app, let every family look at it, stop it, and judge how it stopped and what it printed."""
    with run.phase(f"start{suffix}"):
        sandbox.start_app(image)
    seen: Checks = {}
    ends: list[AppExit] = []
    for family in FAMILIES:
        if not _family_wanted(run.pack, family, wanted):
            continue
        with run.phase(f"{family}{suffix}"):
            examined = sandbox.examine(family, wanted)
        for found in examined.results:
            _add(seen, found)
        if sandbox.app_alive():
            continue
        ends.append(sandbox.stop_app())
        if run.wants(facts.CRASH, wanted):
            _add(seen, facts.crash(ends[-1], family))
        try:
            with run.phase(f"restart{suffix}"):
                sandbox.start_app(image)
        except StartFailed:
            break  # it started once and ended by itself: the crash is the finding, the rest was not run
    else:
        with run.phase(f"stop{suffix}"):
            ends.append(sandbox.stop_app())
        if run.wants(facts.STOP, wanted):
            _add(seen, facts.stop(ends[-1]))
        if ends[-1].died and run.wants(facts.CRASH, wanted):
            _add(seen, facts.crash(ends[-1], FAMILIES[-1]))  # it ended after the last look and before it was asked to
    lines, people = [line for end in ends for line in end.log], People(sandbox.people)
    about = [check for check in _about_people(run.pack) if run.wants(check, wanted)]
    for found in facts.log(lines, people, about, answers_seen=frozenset(seen)):
        _add(seen, found)
    return {check: facts.discreet(facts.beside_log(found, lines), people) for check, found in seen.items()}


def _about_people(pack: Pack) -> list[str]:
    return [check.id for check in pack.checks.values() if check.id == facts.LOG or check.about_people]


def _family_wanted(pack: Pack, family: str, wanted: frozenset[str] | None) -> bool:
    """Whether a family has anything to look at; U4 is seen by two families, so universal checks ask for both."""
    if wanted is None:
        return True
    checks = [pack.checks[check] for check in wanted if check in pack.checks]
    families = {check.family for check in checks}
    match family:
        case "scenarios":
            return any(check.specific for check in checks)
        case "contract":
            return bool(families & {"contract", "universal"})
        case "universal":
            return "universal" in families
        case _:
            return not wanted.isdisjoint(_about_people(pack))
