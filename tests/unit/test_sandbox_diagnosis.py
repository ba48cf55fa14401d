"""Why an app did not start: the file and line that cannot be read, when that is the cause, and else what was seen."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from grader.errors import StartFailed
from grader.packs.model import Limits
from grader.sandbox.agency_set import AgencySet
from grader.sandbox.app import App
from grader.sandbox.diagnosis import SourceFault, blamed, read_faults
from grader.sandbox.driver import AppImage, Examination, LogLine
from grader.sandbox.engine import GuardedClient

INDEX = SourceFault(file="index.php", line=3, message='syntax error, unexpected token "}"')
OTHER = SourceFault(file="lib/old.php", line=8, message="syntax error")
PHP_LOG = """[22 Nov 08:00:01] PHP 8.2.7 Development Server (http://0.0.0.0:8080) started
[22 Nov 08:00:02] PHP Parse error:  syntax error, unexpected token "}" in /app/index.php on line 3
[22 Nov 08:00:02] 10.20.0.4:40000 [500]: GET /healthz - syntax error in /app/index.php on line 3"""
WATCHER_LOG = """INFO:     Started reloader process [7]
  File "/app/lib/old.php", line 8
SyntaxError: invalid syntax"""
QUIET_LOG = "[500]: GET /healthz"


def lines(text: str) -> tuple[LogLine, ...]:
    """A log."""
    return tuple(LogLine(at=0.0, text=line) for line in text.splitlines())


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (PHP_LOG, INDEX),
        (WATCHER_LOG, OTHER),
        ("at /app/lib/old.php:8\nat /app/index.php:3", INDEX),
        (QUIET_LOG, None),
        ("/app/index.phpx /app/index.php/more /var/app2/index.php", None),
        ("", None),
    ],
)
def test_a_broken_file_is_blamed_when_the_app_spoke_of_it(log: str, expected: SourceFault | None) -> None:
    """Every interpreter names the whole path; a file that nobody loaded is not the cause."""
    assert blamed((INDEX, OTHER), lines(log)) == expected


@pytest.mark.parametrize("said", [b"", b"[", b"null", b"3", b'[{"file": "a"}]', b'["a"]', b"\xff"])
def test_what_no_diagnosis_is_names_nothing(said: bytes) -> None:
    """A reader that was ended in the middle, or said something else."""
    assert read_faults(said) == ()


def test_a_diagnosis_is_read_and_an_unknown_line_stays_unknown() -> None:
    """Line 0 is how a compiler says that it has none."""
    said = json.dumps(
        [{"file": "a.py", "line": 0, "message": "null bytes"}, {"file": "b.py", "line": 4, "message": "x"}]
    )
    assert read_faults(said.encode()) == (
        SourceFault(file="a.py", line=None, message="null bytes"),
        SourceFault(file="b.py", line=4, message="x"),
    )


@dataclass
class Engine:
    """The few calls of an engine that start one app, which prints ``log`` and lives or has ended."""

    log: str
    faults: tuple[SourceFault, ...]
    running: bool
    killed: bool = False
    removed: list[str] = field(default_factory=list)

    def start(self, container: str) -> None:
        """Started."""

    def wait(self, container: str, timeout: int) -> None:
        """Ended."""

    def create_container_from_config(self, config: Mapping[str, Any]) -> dict[str, str]:
        """The container that reads the source; it has no network."""
        assert config["HostConfig"]["NetworkMode"] == "none"
        return {"Id": "diagnosis"}

    def inspect_container(self, container: str) -> dict[str, Any]:
        """The app's state."""
        assert container == "app"
        return {"State": {"Running": self.running, "ExitCode": 1, "OOMKilled": self.killed}}

    def logs(self, container: str, **_: object) -> bytes:
        """What the app printed, or the result of the diagnosis."""
        if container == "diagnosis":
            return json.dumps([vars(fault) for fault in self.faults]).encode()
        return "\n".join(f"2026-11-22T01:00:00.000000000Z {line}" for line in self.log.splitlines()).encode()

    def remove_container(self, container: str, **_: object) -> None:
        """Gone."""
        self.removed.append(container)


def not_started(engine: Engine, **said: str) -> StartFailed:
    """Start an app of which the probe gets no healthy answer but this."""

    def command(_name: str, **_: object) -> Examination:
        return Examination(data={"ready": False, **said})

    agencies = SimpleNamespace(
        slot=SimpleNamespace(number=1),
        create=lambda *_args, **_kwargs: "app",
        channel=SimpleNamespace(command=command),
    )
    limits = Limits.model_construct(memory_mb=512, cpus=1.0, start_seconds=0.05)  # type: ignore[arg-type]
    app = App(cast("GuardedClient", engine), cast("AgencySet", agencies), limits, {}, {})
    image = AppImage(ident="sha256:app", start=("php", "-S", "0.0.0.0:$PORT"), diagnose=("look",))
    with pytest.raises(StartFailed) as caught:
        app.start(image)
    assert engine.removed in ([], ["diagnosis"]), "what looks at the source is removed"
    return caught.value


UNHEALTHY = {"code": "start.unhealthy", "last": "500"}
SILENT = {"code": "start.not_ready", "last": "ConnectError"}


@pytest.mark.parametrize(
    ("engine", "said", "code", "place"),
    [
        (Engine(log=PHP_LOG, faults=(INDEX,), running=True), UNHEALTHY, "start.syntax_error", ("index.php", 3)),
        (
            Engine(log=WATCHER_LOG, faults=(INDEX, OTHER), running=True),
            SILENT,
            "start.syntax_error",
            ("lib/old.php", 8),
        ),
        (Engine(log=QUIET_LOG, faults=(OTHER,), running=True), UNHEALTHY, "start.unhealthy", None),
        (Engine(log=PHP_LOG, faults=(), running=True), UNHEALTHY, "start.unhealthy", None),
        (Engine(log=QUIET_LOG, faults=(OTHER,), running=True), SILENT, "start.not_ready", None),
        (
            Engine(log=WATCHER_LOG, faults=(INDEX, OTHER), running=False),
            SILENT,
            "start.syntax_error",
            ("lib/old.php", 8),
        ),
        (Engine(log=QUIET_LOG, faults=(INDEX, OTHER), running=False), SILENT, "start.syntax_error", ("index.php", 3)),
        (Engine(log=QUIET_LOG, faults=(), running=False), SILENT, "start.exited", None),
        (Engine(log=PHP_LOG, faults=(INDEX,), running=False, killed=True), SILENT, "start.out_of_memory", None),
    ],
    ids=[
        "a server that answers 500 for a broken file",
        "a watcher whose child ended",
        "another reason to be unhealthy",
        "a log that speaks of a file that can be read",
        "another reason to be silent",
        "ended, and said at which file",
        "ended without a word",
        "ended, and everything can be read",
        "out of memory",
    ],
)
def test_the_cause_of_a_failed_start(
    engine: Engine, said: dict[str, str], code: str, place: tuple[str, int] | None
) -> None:
    """A line is named where the app's own log, or its end, shows that it is the cause; the log comes along."""
    fault = not_started(engine, **said)
    assert fault.code == code
    assert fault.log == tuple(engine.log.splitlines())
    assert (fault.params.get("file"), fault.params.get("line")) == (place or (None, None))
