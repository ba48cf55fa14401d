"""A driver without containers: it keeps the same promises and plays a script instead of an app.

It ships with the package so that the pipeline can be tested, and tried, on a machine without an engine. A script says
what each start of an app does; the rules of the sandbox (one app at a time, nothing before a start, nothing after the
end) are the same as the real driver's and are held by the same contract test.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from grader.errors import BuildFailed, InfrastructureFault, StartFailed
from grader.evidence import CheckEvidence
from grader.packs import Pack, Person
from grader.sandbox.agency_set import agencies_of, images_of
from grader.sandbox.driver import AppExit, AppImage, Examination, Listener, LogLine
from grader.submission import Workspace

Results = Mapping[str, Sequence[CheckEvidence]]
"""Probe command -> what it finds."""


@dataclass(frozen=True, kw_only=True)
class Play:
    """What one start of the app does: what the probe finds, how it starts, dies and stops, and what it prints.

    ``dies_during`` names the command during which the app ends by itself; ``breaks`` one that fails by our fault.
    """

    results: Results = field(default_factory=dict)
    start: StartFailed | None = None
    dies_during: str = ""
    breaks: str = ""
    ignores_stop: bool = False
    log: Sequence[str] = ()


@dataclass(kw_only=True)
class FakeDriver:
    """Plays one Play per app start; the last one is repeated."""

    plays: Sequence[Play] = (Play(),)
    build: BuildFailed | None = None
    people: Sequence[Person] = ()
    calls: list[str] = field(default_factory=list)
    open_now: int = 0

    def require_images(self) -> None:
        """None is missing."""

    def images(self, pack: Pack) -> dict[str, str]:
        """A fixed id for each image that a sandbox is made of."""
        return {name: f"sha256:fake-{name}" for name in images_of(agencies_of(pack))}

    def prepare(self, workspace: Workspace, run: str, listen: Listener) -> AppImage:
        """Fail as scripted, or make an image that stands for the workspace."""
        self.calls.append(f"prepare {run}")
        listen("build", "fake")
        if self.build is not None:
            raise self.build
        runtime = f"runtime-{workspace.runtime}"
        return AppImage(
            ident=f"sha256:fake-{workspace.receipt.digest}",
            start=workspace.start,
            images={runtime: f"sha256:fake-{runtime}"},
        )

    @contextmanager
    def expect(self, pack: Pack) -> Iterator[None]:
        """Nothing has to be made ready."""
        self.calls.append(f"expect {pack.exercise.id}")
        yield

    def close(self) -> None:
        """Nothing waits."""

    @contextmanager
    def open(self, pack: Pack, seed: int, run: str, listen: Listener) -> Iterator["FakeSandbox"]:
        """A sandbox that is closed when the context ends, whatever happened in it."""
        self.calls.append(f"open {pack.exercise.id} {seed} {run}")
        listen("sandbox", "fake")
        self.open_now += 1
        sandbox = FakeSandbox(self)
        try:
            yield sandbox
        finally:
            sandbox.close()
            self.open_now -= 1


class FakeSandbox:
    """The fake of one grading."""

    def __init__(self, driver: FakeDriver) -> None:
        self._driver = driver
        self._starts = 0
        self._play: Play | None = None
        self._alive = False
        self._closed = False

    @property
    def people(self) -> Sequence[Person]:
        """The synthetic people of this world."""
        return self._driver.people

    def close(self) -> None:
        """Nothing works after this."""
        self._closed = True
        self._play = None

    def _playing(self) -> Play:
        if self._play is None or self._closed:
            raise InfrastructureFault("infrastructure.no_app")
        return self._play

    def start_app(self, image: AppImage) -> None:
        """Play the next start."""
        if self._closed:
            raise InfrastructureFault("infrastructure.no_app")
        self._driver.calls.append(f"start {image.ident}")
        plays = self._driver.plays
        play = plays[min(self._starts, len(plays) - 1)]
        self._starts += 1
        self._play, self._alive = play, play.start is None
        if play.start is not None:
            raise play.start

    def examine(self, command: str, only: frozenset[str] | None = None) -> Examination:
        """What the script finds for this command, restricted to the checks asked for."""
        play = self._playing()
        self._driver.calls.append(f"examine {command}")
        if play.breaks == command:
            raise InfrastructureFault("infrastructure.probe_died", command=command)
        if play.dies_during == command:
            self._alive = False
        found = play.results.get(command, ())
        return Examination(results=tuple(one for one in found if only is None or one.check in only))

    def app_alive(self) -> bool:
        """Whether the scripted app still runs."""
        self._playing()
        return self._alive

    def stop_app(self) -> AppExit:
        """End the app as scripted."""
        play = self._playing()
        died, self._alive, self._play = not self._alive, False, None
        log = tuple(LogLine(at=float(number), text=text) for number, text in enumerate(play.log))
        killed = play.ignores_stop and not died
        code = 1 if died else 137 if killed else 0
        return AppExit(exit_code=code, seconds=10.0 if killed else 0.1, killed=killed, died=died, log=log)

    def cpu_seconds(self) -> dict[str, float]:
        """A fake costs nothing."""
        return {"app": 0.0, "probe": 0.0}
