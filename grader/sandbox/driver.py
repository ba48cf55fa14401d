"""What the pipeline needs of a sandbox, and nothing about how one is made.

Two drivers keep this promise: ``docker.DockerDriver`` and ``fake.FakeDriver``; one contract test runs on both.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from grader.evidence import CheckEvidence, LogWindow
from grader.packs import Pack, Person
from grader.submission import Workspace

Listener = Callable[[str, str], None]
"""Called with (phase, what is happening); must return quickly."""


@dataclass(frozen=True, kw_only=True)
class AppImage:
    """A submission ready to start: the image's id, the command, and what the dependency layer was made from.

    ``diagnose`` is the command that names the lines of the source which cannot be read, ``lazy`` whether a server
    starts without reading them (see ``RuntimeSpec``).
    ``images`` are the platform's images that were used to make it, name -> id.
    """

    ident: str
    start: tuple[str, ...]
    layer: str = ""
    packages: tuple[str, ...] = ()
    diagnose: tuple[str, ...] = ()
    lazy: bool = False
    images: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One line that the app printed; ``at`` is Unix time in seconds."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class AppExit:
    """How an app ended. ``killed``: it outlived the grace period after SIGTERM, which took ``seconds``.

    ``died`` is True when it had ended by itself before it was asked to. ``log`` is what it printed, oldest first.
    """

    exit_code: int
    seconds: float
    killed: bool = False
    died: bool = False
    out_of_memory: bool = False
    log: tuple[LogLine, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What one probe command found: evidence by check, free data, and its cost in seconds."""

    results: tuple[CheckEvidence, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float = 0.0


class Sandbox(Protocol):
    """One grading's agencies and probe. The app in it can be started afresh any number of times, one at a time."""

    @property
    def people(self) -> Sequence[Person]:
        """The synthetic people of this world."""

    def start_app(self, image: AppImage) -> None:
        """Start a fresh app on the world's data and wait until it is healthy; StartFailed when it never is."""

    def examine(self, command: str, only: frozenset[str] | None = None) -> Examination:
        """Let the probe run one family of checks against the app."""

    def app_alive(self) -> bool:
        """Whether the app's process is still running."""

    def stop_app(self) -> AppExit:
        """Ask the app to stop, wait for the grace period, and say how it ended."""

    def cpu_seconds(self) -> dict[str, float]:
        """CPU seconds used so far, by container."""


class SandboxDriver(Protocol):
    """Makes app images and sandboxes."""

    def require_images(self) -> None:
        """Find every image that a grading can need; EnvironmentProblem names the first one that is missing."""

    def prepare(self, workspace: Workspace, run: str, listen: Listener) -> AppImage:
        """Install the dependencies and make the app's image; BuildFailed names the package and line."""

    def expect(self, pack: Pack) -> AbstractContextManager[None]:
        """Within this block a sandbox for this exercise will probably be opened: get ready meanwhile."""

    def open(self, pack: Pack, seed: int, run: str, listen: Listener) -> AbstractContextManager[Sandbox]:
        """Start agencies and probe on the world of this seed; everything is gone when the context ends."""

    def images(self, pack: Pack) -> dict[str, str]:
        """The ids of the images that a sandbox for this exercise is made of, by name."""

    def close(self) -> None:
        """Let go of everything that waits for the next grading."""


def window(log: Sequence[LogLine], at: float, *, seconds: float = 2.0, most: int = 30) -> LogWindow | None:
    """The lines printed within ``seconds`` of a moment, at most ``most`` of them; None when there are none."""
    near = [number for number, line in enumerate(log) if abs(line.at - at) <= seconds]
    if not near:
        return None
    first = near[0]
    last = min(near[-1], first + most - 1)
    return LogWindow(start=first + 1, end=last + 1, lines=tuple(line.text for line in log[first : last + 1]))
