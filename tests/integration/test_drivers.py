"""One contract for every driver: what a sandbox promises its pipeline, on the fake and on the real engine."""

import contextlib
import dataclasses
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from grader.errors import InfrastructureFault, StartFailed
from grader.evidence import CheckEvidence
from grader.intake import receive
from grader.packs import Pack
from grader.sandbox import golden, labels
from grader.sandbox.docker import DockerDriver, DockerSandbox
from grader.sandbox.driver import AppImage, Sandbox, SandboxDriver
from grader.sandbox.engine import GuardedClient
from grader.sandbox.fake import FakeDriver, Play
from tests.fixtures.workspaces import APPS, Running, quiet, running

CHECKS = ("U4", "U6", "U7")
"""What the command ``universal`` gives evidence for."""


@dataclass(frozen=True, kw_only=True)
class Driven:
    """A driver, an image of the counting app, and where to ask whether something is left."""

    driver: SandboxDriver
    image: AppImage
    pack: Pack
    engine: GuardedClient | None

    def open(self, run: str) -> AbstractContextManager[Sandbox]:
        """A sandbox of this driver."""
        return self.driver.open(self.pack, 1, run, quiet)


@pytest.fixture(scope="module", params=["fake", "docker"])
def driven(request: pytest.FixtureRequest, e1: Pack) -> Iterator[Driven]:
    """Each driver with the same app."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = receive(APPS / "counter", spool=Path(folder) / "source.tar")
        if request.param == "fake":
            found = [CheckEvidence(check=check, outcome="pass") for check in CHECKS]
            fake = FakeDriver(plays=[Play(results={"universal": found}, log=["asked 1 times"])])
            yield Driven(driver=fake, image=fake.prepare(workspace, "drivers", quiet), pack=e1, engine=None)
            return
        engine: GuardedClient = request.getfixturevalue("engine")
        docker: DockerDriver = request.getfixturevalue("driver")
        image = docker.prepare(workspace, "drivers", quiet)
        try:
            yield Driven(driver=docker, image=image, pack=e1, engine=engine)
        finally:
            engine.remove_image(image.ident, force=True)


@pytest.fixture(scope="module")
def sandbox(driven: Driven) -> Iterator[Sandbox]:
    """A sandbox that several tests share; each starts its own app in it."""
    with driven.open("drivers-shared") as opened:
        yield opened


def refuses(sandbox: Sandbox) -> None:
    """Without an app there is nothing to examine, to ask after or to stop, and that is our fault."""
    for use in (lambda: sandbox.examine("universal"), sandbox.app_alive, sandbox.stop_app):
        with pytest.raises(InfrastructureFault):
            use()


def test_a_driver_names_its_images(driven: Driven) -> None:
    """A verdict says which images it was reached with, by digest: the builder only if it had to install packages."""
    images = {**driven.driver.images(driven.pack), **driven.image.images}
    assert images.keys() - {"builder"} == {"probe", "agency-postgres", "runtime-python"}
    assert all(ident.startswith("sha256:") for ident in images.values())
    assert driven.image.ident.startswith("sha256:")
    assert driven.image.start


def test_preparing_says_what_it_does(driven: Driven) -> None:
    """The phase of the listener is ``build``."""
    heard: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        workspace = receive(APPS / "counter", spool=Path(folder) / "source.tar")
        image = driven.driver.prepare(workspace, "drivers-heard", lambda phase, what: heard.append((phase, what)))
    assert image.start == driven.image.start
    assert {phase for phase, _ in heard} == {"build"}
    if driven.engine is not None:
        driven.engine.remove_image(image.ident, force=True)


def test_nothing_works_before_a_start(driven: Driven, sandbox: Sandbox) -> None:
    """Also after an app was stopped, until the next start."""
    refuses(sandbox)
    sandbox.start_app(driven.image)
    assert sandbox.app_alive()
    sandbox.stop_app()
    refuses(sandbox)


def test_only_the_checks_asked_for_are_examined(driven: Driven, sandbox: Sandbox) -> None:
    """None means all of a command; a set means no other."""
    sandbox.start_app(driven.image)
    assert {found.check for found in sandbox.examine("universal").results} == set(CHECKS)
    some = frozenset({"U6", "E1-S1"})
    examined = sandbox.examine("universal", some)
    assert [found.check for found in examined.results] == ["U6"]
    assert examined.seconds >= 0
    assert examined.cpu_seconds >= 0
    sandbox.stop_app()


def test_an_app_that_stops_when_asked_says_so(driven: Driven, sandbox: Sandbox) -> None:
    """Its status is its own, it was not killed, it did not die, and its last words are kept."""
    sandbox.start_app(driven.image)
    if isinstance(sandbox, DockerSandbox):
        sandbox.ask("GET", "/count")
    end = sandbox.stop_app()
    assert (end.exit_code, end.killed, end.died, end.out_of_memory) == (0, False, False, False)
    assert 0 <= end.seconds < golden.STOP_SECONDS
    assert "asked 1 times" in [line.text for line in end.log]
    assert [line.at for line in end.log] == sorted(line.at for line in end.log)


def test_a_second_start_replaces_the_first(driven: Driven, sandbox: Sandbox) -> None:
    """There is one app at a time, and it can be started any number of times."""
    sandbox.start_app(driven.image)
    sandbox.start_app(driven.image)
    assert sandbox.app_alive()
    sandbox.stop_app()
    refuses(sandbox)


def test_an_app_that_does_not_start_is_the_trainees(driven: Driven) -> None:
    """StartFailed with a code, and the sandbox can be left as always."""
    start: AppImage = dataclasses.replace(driven.image, start=("python3", "-c", "raise SystemExit(3)"))
    driver = driven.driver
    if isinstance(driver, FakeDriver):
        driver = FakeDriver(plays=[Play(start=StartFailed("start.exited", exit_code=3))])
    with driver.open(driven.pack, 1, "drivers-start", quiet) as opened:
        with pytest.raises(StartFailed) as caught:
            opened.start_app(start)
        assert (caught.value.code, caught.value.params["exit_code"]) == ("start.exited", 3)
        assert opened.app_alive() is False


def test_what_was_spent_is_never_negative_and_never_less(driven: Driven, sandbox: Sandbox) -> None:
    """CPU seconds by container; the app's go on counting over several starts."""
    sandbox.start_app(driven.image)
    before = sandbox.cpu_seconds()
    sandbox.stop_app()
    after = sandbox.cpu_seconds()
    assert {"app", "probe"} <= set(after)
    assert all(0 <= before[name] <= after[name] for name in before)


def test_people_are_known_while_the_sandbox_is_open(sandbox: Sandbox) -> None:
    """The synthetic people of the world, whose numbers no real person has."""
    assert all(len(person.cid) == 13 and person.cid[1:3] == "97" for person in sandbox.people)


@pytest.mark.parametrize("ending", ["quietly", "by an error"])
def test_nothing_works_and_nothing_is_left_after_the_end(driven: Driven, ending: str) -> None:
    """Whatever ended the block, with an app still running in it."""
    shared = driven.driver.open_now if isinstance(driven.driver, FakeDriver) else 0
    with contextlib.suppress(KeyError), driven.open("drivers-end") as opened:
        opened.start_app(driven.image)
        if ending == "by an error":
            raise KeyError(ending)
    refuses(opened)
    with pytest.raises(InfrastructureFault):
        opened.start_app(driven.image)
    if isinstance(driven.driver, FakeDriver):
        assert driven.driver.open_now == shared
    else:
        assert driven.engine is not None
        of_run = {"label": f"{labels.RUN}=drivers-end"}
        assert driven.engine.containers(all=True, filters=of_run) == []
        assert driven.engine.networks(filters=of_run) == []


# -- what only real containers can show ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(driver: DockerDriver, e1: Pack) -> Iterator[Running]:
    """The counting app beside a real agency."""
    with running(driver, e1, "counter", "drivers-real") as started:
        yield started


def test_every_start_is_a_fresh_app(real: Running) -> None:
    """Neither its memory nor its disk outlives an app."""
    real.again()
    assert real.ask("/count") == {"count": 1, "marked": False}
    assert real.ask("/count") == {"count": 2, "marked": True}
    real.again()
    assert real.ask("/count") == {"count": 1, "marked": False}


def test_the_agency_holds_the_worlds_data_at_every_start(real: Running, engine: GuardedClient) -> None:
    """What was changed meanwhile is as the world says again."""
    real.again()
    rows = real.ask("/rows")["rows"]
    assert rows > 100
    (agency,) = [
        one["Id"]
        for one in engine.containers(filters={"label": [f"{labels.RUN}={real.run}"]})
        if one["Labels"].get(labels.IMAGE) == "agency-postgres"
    ]
    change = "PGPASSWORD=$GRADER_PASSWORD psql -h $VERIFY_ADDRESS -U grader -d agency -c 'DELETE FROM chospital'"
    subprocess.run(["docker", "exec", agency, "sh", "-c", change], check=True, capture_output=True)
    assert real.ask("/rows") == {"rows": 0}
    real.again()
    assert real.ask("/rows") == {"rows": rows}


def test_an_app_that_ended_by_itself_is_told_with_its_status(real: Running) -> None:
    """It died, nobody killed it, and its log is still there."""
    real.again()
    real.ask("/count")
    real.sandbox.ask("GET", "/exit")
    assert real.sandbox.app_alive() is False
    end = real.sandbox.stop_app()
    assert (end.exit_code, end.died, end.killed) == (7, True, False)
    assert "asked 1 times" in [line.text for line in end.log]


def test_an_app_that_does_not_stop_is_killed_in_time(real: Running) -> None:
    """Ten seconds after SIGTERM it is over."""
    real.again()
    real.ask("/ignore")
    end = real.sandbox.stop_app()
    assert (end.exit_code, end.died, end.killed) == (137, False, True)
    assert golden.STOP_SECONDS <= end.seconds < golden.STOP_SECONDS + 5


def test_cpu_time_of_stopped_apps_is_counted(real: Running) -> None:
    """An app's CPU seconds are read while it runs, because a stopped container has none to show."""
    real.again()
    before = real.sandbox.cpu_seconds()["app"]
    real.ask("/burn")
    real.sandbox.stop_app()
    after = real.sandbox.cpu_seconds()
    assert after["app"] > before > 0
    assert after["facility"] > 0
    assert after["probe"] > 0
