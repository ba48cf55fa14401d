"""A submission before and after intake, as plain data that every later stage can hold.

It lives below intake and sandbox because both need these types and neither may import the other.
"""

from pathlib import Path
from typing import Literal

from grader.evidence import Frozen

RuntimeName = Literal["python", "node", "php"]


class DroppedPath(Frozen):
    """A path that intake left out by rule (version control, virtual environments, caches), with the rule's name."""

    path: str
    rule: str


class Dependencies(Frozen):
    """What the builder installs: ``lines`` are validated requirement lines with their line number in ``file``."""

    file: str
    lines: tuple[tuple[int, str], ...] = ()


class Receipt(Frozen):
    """What was received. ``digest`` is ``sha256:`` over the normalised tree, equal for every route of submission."""

    digest: str
    files: int
    size: int
    dropped: tuple[DroppedPath, ...] = ()
    notes: tuple[str, ...] = ()
    decoded_names: tuple[str, ...] = ()


class SourceLeak(Frozen):
    """A secret or a citizen number found in the source: ``kind`` names it, ``shown`` is masked."""

    file: str
    line: int
    kind: str
    shown: str


class Workspace(Frozen):
    """A submission after intake: a normalised tar on disk, and what was read from it inside the jail.

    ``tar`` holds regular files and directories only, sorted by name, owner 0, mode 0644/0755, time 0. ``start`` is the
    command that starts the app; ``$PORT`` in it stands for the port.
    """

    tar: Path
    receipt: Receipt
    runtime: RuntimeName
    start: tuple[str, ...]
    dependencies: Dependencies
    leaks: tuple[SourceLeak, ...] = ()
