"""``kill -9`` of a grading at any moment: the next command leaves nothing of it, and its children end with it."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grader.cli.words import phase_word
from grader.sandbox import labels, reaper
from grader.sandbox.engine import GuardedClient
from grader.sandbox.images import ImageStore
from tests.fixtures.killing import are_gone, children
from tests.fixtures.leftovers import NOTHING, leftovers
from tests.fixtures.projects import REFERENCE, ROOT

UNCACHED = "flask==3.1.3\npsycopg[binary]==3.3.9\ntabulate==0.9.0\n"
"""What the reference needs and a little package more, so that its layer is never there."""
PHASE_SECONDS = 120
END_SECONDS = 5.0
INTERRUPTED = 130

PHASES: dict[str, tuple[str, ...]] = {
    "intake": (),
    "build": (),
    "sandbox": ("--only", "E1-S1"),
    "start": ("--only", "E1-S1"),
    "contract": ("--only", "C"),
    "scenarios": ("--only", "E1-S1"),
    "universal": ("--only", "U6"),
    "privacy": ("--only", "U3"),
    "stop": ("--only", "E1-S1"),
}
"""Phase -> what to grade so that it is reached soon."""


IDLE = """
import time
from grader.packs import load_pack
from grader.sandbox.docker import DockerDriver
from tests.fixtures.engine import ROOT, SETTINGS

driver = DockerDriver.on_this_machine(ROOT / "sandboxes", SETTINGS)
with driver.open(load_pack(ROOT / "exercises" / "e1"), 1, "idle", lambda *_: None):
    print("open", flush=True)
    time.sleep(60)
"""
"""A driver that has opened a sandbox and then says nothing more to its probe."""


@contextmanager
def checking(project: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """A running ``grader check`` that is surely gone afterwards."""
    command = [sys.executable, "-m", "grader", "check", str(project), "--exercise", "e1", "--seed", "1", "--lang", "en"]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def wait_for(running: "subprocess.Popen[str]", phase: str) -> None:
    """Return as soon as the command says that it is in this phase."""
    assert running.stderr is not None
    for line in running.stderr:
        if line.strip() == f"· {phase_word(phase, 'en')}":
            return
    pytest.fail(f"{phase} was never reached")


def wait_until(true: Callable[[], bool], *, seconds: float = 30.0) -> None:
    """Ask until it is so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.05)


def jails_of(pid: int) -> set[int]:
    """The jail processes among the children of a command."""
    return {child for child in children(pid) if b"grader.intake.jail" in Path(f"/proc/{child}/cmdline").read_bytes()}


def is_confined(jail: int) -> bool:
    """Whether a jail has given up everything; the last thing is that it can start no process."""
    limits = Path(f"/proc/{jail}/limits").read_text(encoding="ascii")
    return re.search(r"^Max processes +0 ", limits, re.MULTILINE) is not None


def images_of(engine: GuardedClient, pid: int) -> list[str]:
    """The images that belong to the runs of a living process."""
    filters = {"label": f"{labels.OWNER}={labels.owner(pid)}"}
    return [image["Id"] for image in engine.images(filters=filters) if image["Labels"].get(labels.RUN)]


def doctor() -> None:
    """The next command of ours: finds the machine in order, and removes what is nobody's."""
    done = subprocess.run(
        [sys.executable, "-m", "grader", "doctor", "--json"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    lines = {line["topic"]: line for line in json.loads(done.stdout)["lines"]}
    assert done.returncode == 0, lines
    assert lines["leftovers"]["state"] == "ok"


@pytest.fixture(autouse=True)
def clean(store: ImageStore, engine: GuardedClient) -> None:
    """All images are there and nothing is left of an earlier test."""
    assert store.missing() == ()
    reaper.reap(engine)
    assert leftovers(engine) == NOTHING


@pytest.fixture
def project(request: pytest.FixtureRequest, engine: GuardedClient, tmp_path: Path) -> Iterator[Path]:
    """The reference; where the build is to be killed, one whose packages are not there yet."""
    folder = tmp_path / "project"
    shutil.copytree(REFERENCE, folder)
    if "build" in request.node.name:
        (folder / "requirements.txt").write_text(UNCACHED, encoding="utf-8")
    yield folder
    for image in engine.images(filters={"label": labels.LAYER}):
        if "tabulate==0.9.0" in image["Labels"].get("grader.packages", "").split():  # no layer but this test's has it
            engine.remove_image(image["Id"], force=True)


@pytest.mark.parametrize("phase", PHASES)
def test_a_kill_leaves_nothing_after_the_next_command(phase: str, project: Path, engine: GuardedClient) -> None:
    """Containers, networks, volumes, images and files of the killed grading are gone, and so are its children."""
    with checking(project, *PHASES[phase]) as running:
        wait_for(running, phase)
        started = children(running.pid)
        running.kill()
        assert running.wait() == -signal.SIGKILL
    assert are_gone(started, within=END_SECONDS)
    left = leftovers(engine)
    assert left != NOTHING, "the kill came too late to prove anything"
    doctor()
    assert leftovers(engine) == NOTHING


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_command_that_is_asked_to_end_leaves_nothing_at_all(name: str, project: Path, engine: GuardedClient) -> None:
    """Not even until the next command: it takes its sandbox down itself."""
    with checking(project, "--only", "E1-S1") as running:
        wait_for(running, "scenarios")
        running.send_signal(signal.Signals[name])
        assert running.wait(timeout=60) == INTERRUPTED
    assert leftovers(engine) == NOTHING


def test_a_kill_while_the_build_layer_is_written_leaves_no_image(project: Path, engine: GuardedClient) -> None:
    """The unfinished image belongs to the run until its last step, so it is found."""
    with checking(project) as running:
        wait_for(running, "build")
        marks = [f"{labels.OWNER}={labels.owner(running.pid)}", f"{labels.IMAGE}=builder"]
        wait_until(lambda: len(engine.containers(all=True, filters={"label": marks})) == 2)
        wait_until(lambda: not engine.containers(all=True, filters={"label": marks}))
        wait_until(lambda: bool(images_of(engine, running.pid)))
        running.kill()
        running.wait()
    time.sleep(1)  # the engine finishes the step it is in
    assert leftovers(engine)["images"], "the kill came too late or too early to prove anything"
    doctor()
    assert leftovers(engine) == NOTHING


def test_the_jail_ends_with_the_command_that_started_it(tmp_path: Path) -> None:
    """Even one that is stopped, and so cannot find out by itself that nobody waits for its result."""
    project = tmp_path / "project"
    shutil.copytree(REFERENCE, project)
    for number in range(4):  # dense text is slow to scan, which gives the time to stop the jail
        (project / f"dense{number}.py").write_text("x = '" + "1-9701-00000-01-1 token=" * 300_000 + "'\n", "utf-8")
    jails = set[int]()
    try:
        with checking(project) as running:
            wait_for(running, "intake")
            wait_until(lambda: bool(jails_of(running.pid)))
            jails |= jails_of(running.pid)
            wait_until(lambda: all(is_confined(jail) for jail in jails))
            for jail in jails:
                os.kill(jail, signal.SIGSTOP)
            running.kill()
            running.wait()
            assert are_gone(jails, within=2.0)
    finally:
        for jail in jails:
            with contextlib.suppress(ProcessLookupError):
                os.kill(jail, signal.SIGKILL)
    doctor()


def test_a_probe_ends_by_itself_when_its_driver_is_killed(engine: GuardedClient) -> None:
    """The engine closes its input; no reaper is needed for that."""
    with subprocess.Popen([sys.executable, "-c", IDLE], stdout=subprocess.PIPE, text=True, cwd=ROOT) as driver:
        try:
            assert driver.stdout is not None
            assert driver.stdout.readline().strip() == "open"
            filters = {"label": [f"{labels.RUN}=idle", f"{labels.IMAGE}=probe"]}
            (probe,) = [one["Id"] for one in engine.containers(filters=filters)]
            assert engine.inspect_container(probe)["State"]["Running"] is True
        finally:
            driver.kill()
    wait_until(lambda: not engine.inspect_container(probe)["State"]["Running"], seconds=END_SECONDS)
    assert engine.inspect_container(probe)["State"]["ExitCode"] == 0
    doctor()
    assert leftovers(engine) == NOTHING
