"""Named moments at which a test may make this process die, stop or fail; in the product nothing listens.

Code that promises to lose nothing says where it is: ``reached("upload.rename")``. Tests install a listener, and one of
them fails when a name of :data:`POINTS` is never reached by any test. No setting and no variable can install one.
"""

from collections.abc import Callable
from typing import Final

POINTS: Final = frozenset(
    {
        "upload.first_byte",
        "upload.mid",
        "upload.fsync",
        "upload.rename",
        "upload.dirsync",
        "upload.pre_commit",
        "upload.post_commit",
        "upload.pre_response",
        "lease.pre",
        "lease.post",
        "grading.begin",
        "grading.intake",
        "grading.build",
        "grading.sandbox",
        "grading.start",
        "grading.contract",
        "grading.scenarios",
        "grading.universal",
        "grading.privacy",
        "grading.stop",
        "grading.teardown",
        "record.computed",
        "record.pre_commit",
        "record.post_commit",
        "sweep.pre_commit",
        "sweep.post_commit",
        "release.pre_commit",
        "release.post_commit",
        "regrade.pre_commit",
        "regrade.post_commit",
        "audit.checkpoint",
    }
)
"""Every name, and nothing else, may be reached."""

_listeners: list[Callable[[str], None]] = []


def reached(name: str) -> None:
    """Say that the process is at this point."""
    assert name in POINTS, name
    for listener in _listeners:
        listener(name)


def listen(listener: Callable[[str], None]) -> Callable[[], None]:
    """Install a listener (tests only); returns what removes it again."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)
