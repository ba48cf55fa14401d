"""Runs an exercise's scenarios with pytest in a forked child and gathers what each check saw."""

import os
import time
from collections.abc import Mapping
from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from grader.errors import InfrastructureFault, PackInvalid
from grader.evidence import CheckEvidence, Finding
from grader.packs import Check
from grader.probe.events import Progress, merged
from grader.probe.forked import ChildEnded, Forked, Receive, Send, last_lines
from grader.probe.routes import Routes
from grader.probe.scenarios.messages import MESSAGE, Asked, Collected, Ended, Fault, Finished, Started
from grader.probe.scenarios.plugin import ScenarioPlugin
from grader.probe.session import Emit, Session
from grader.probe.stage import Restarted
from grader.probe.target import Target

FOLDER = "scenarios"
COLLECT_SECONDS = 60.0
_UNWANTED = (
    *("cacheprovider", "skipping"),  # nothing is kept, and a check cannot be skipped
    *("unraisableexception", "threadexception"),  # collect garbage of the whole warm process: 0.2 s and no news
    *("doctest", "junitxml", "pastebin", "stepwise", "unittest"),
)
_RESTARTED: TypeAdapter[Restarted] = TypeAdapter(Restarted)
TEST_SECONDS = 120.0
"""More than the app's own budget for one test (60 s): only a scenario that hangs by itself ever comes here."""


def run_scenarios(session: Session, emit: Emit, *, test_seconds: float = TEST_SECONDS) -> None:
    """Emit one CheckEvidence for each wanted check that the exercise's author wrote.

    ``test_seconds`` is how long the child may be silent before it is killed.
    Raises PackInvalid for what the author, InfrastructureFault for what we did wrong; then no evidence was emitted.
    """
    gathered = _Gathered(emit)
    child_folder = session.workdir / "empty"
    child_folder.mkdir(exist_ok=True)
    (session.workdir / "pytest.ini").write_text("[pytest]\n")
    output = session.workdir / "scenarios.log"
    for agency in session.agencies.values():
        agency.close()  # a database connection may not be shared with a child
    child = Forked(
        lambda send, receive: _pytest(session, send, receive),
        folder=child_folder,
        output=output,
        deadline=time.monotonic() + COLLECT_SECONDS,
    )
    try:
        for line in child:
            message = MESSAGE.validate_json(line)
            if isinstance(message, Asked):
                child.reply(session.stage.restart_app(message.env))
            gathered.take(message)
            child.deadline = time.monotonic() + test_seconds
    except ChildEnded as problem:
        if gathered.fault is None:
            _restore(session)
            raise _explained(problem, running=gathered.running, printed=last_lines(output)) from problem
    if gathered.fault is not None:
        _restore(session)
        raise _raised(gathered.fault)
    gathered.emit_all([check for check in session.pack.checks.values() if check.specific and session.wants(check.id)])


class _Gathered:
    """What the child told so far."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._findings: dict[str, list[Finding]] = {}
        self._seconds: dict[str, float] = {}
        self._total = self._done = 0
        self.ended = False
        self.running = ""
        self.fault: Fault | None = None

    def take(self, message: object) -> None:
        match message:
            case Collected():
                self._total = message.tests
            case Started():
                self.running = message.test
            case Finished():
                self._findings.setdefault(message.check, []).extend(message.findings)
                self._seconds[message.check] = self._seconds.get(message.check, 0.0) + message.seconds
                self._done += 1
                self._emit(Progress(phase="scenarios", done=self._done, total=self._total))
            case Fault():
                self.fault = message
            case Ended():
                self.ended = True

    def emit_all(self, checks: list[Check]) -> None:
        wanted = [check.id for check in checks if check.id in self._seconds or not check.about_people]
        if not self.ended or self._done != self._total or any(check not in self._seconds for check in wanted):
            raise InfrastructureFault("infrastructure.scenarios_incomplete", done=self._done, total=self._total)
        for check in wanted:
            findings = merged(self._findings[check])
            self._emit(
                CheckEvidence(
                    check=check,
                    outcome="fail" if findings else "pass",
                    findings=findings,
                    seconds=round(self._seconds[check], 3),
                )
            )


class _ParentStage:
    """The stage as a forked test run has it: its parent asks the host."""

    def __init__(self, send: Send, receive: Receive) -> None:
        self._send, self._receive = send, receive

    def restart_app(self, env: Mapping[str, str]) -> Restarted:
        """Ask, and wait for the parent's word."""
        self._send(Asked(env=dict(env)).model_dump_json())
        return _RESTARTED.validate_python(self._receive())


def _pytest(session: Session, send: Send, receive: Receive) -> None:
    """In the child: pytest on the exercise's folder, with nothing from outside it."""
    for name in [one for one in os.environ if one.startswith("PYTEST_")]:
        del os.environ[name]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    routes = Routes((one.operation_id, one.method, one.path) for one in session.pack.operations)
    target = Target(session.base_url, routes=routes)
    own = replace(session, target=target, stage=_ParentStage(send, receive))
    plugin = ScenarioPlugin(own, lambda message: send(message.model_dump_json()))
    folder = str(session.pack.root / FOLDER)
    options = ["-c", str(session.workdir / "pytest.ini"), "--rootdir", folder, "--confcutdir", folder]
    pytest.main([*options, "--import-mode=importlib", "--tb=short", *_without(*_UNWANTED), folder], [plugin])


def _without(*plugins: str) -> list[str]:
    return [word for name in plugins for word in ("-p", f"no:{name}")]


def _restore(session: Session) -> None:
    """Put the world back after a child that may have died between a change and its undoing."""
    for name, agency in session.agencies.items():
        agency.reset(session.world.tables.get(name, {}))


def _explained(problem: ChildEnded, *, running: str, printed: str) -> PackInvalid | InfrastructureFault:
    if problem.reason == "timeout":
        return PackInvalid(
            "pack.scenario_hangs",
            file=FOLDER,
            where=running,
            problem="the test went on without end, though the app's answers have their own time limit",
            fix="bound every loop and wait of the scenario",
        )
    return InfrastructureFault(
        "infrastructure.scenarios_died", reason=problem.reason, status=problem.status, test=running, printed=printed
    )


def _raised(fault: Fault) -> PackInvalid | InfrastructureFault:
    if fault.whose == "infrastructure":
        return InfrastructureFault(fault.code, **fault.params)
    texts = {name: str(value) for name, value in fault.params.items()}
    return PackInvalid(fault.code, file=texts["file"], where=texts["where"], problem=texts["problem"], fix=texts["fix"])
