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
    """What the builder installs: ``lines`` are validated requirement lines with their line number in ``file``.

    A line is ``flask==3.0.3`` (Python), ``express@^4.19.2`` (Node; the range follows the last ``@`` and may hold
    blanks) or ``slim/slim:^4.0`` (PHP). ``lock`` is the normalised text of ``package-lock.json`` or ``composer.lock``,
    or empty: names, exact versions and hashes of all packages, in agreement with ``lines``. ``autoload`` is the
    normalised ``autoload`` of a ``composer.json`` as JSON text, or empty: the project's folders, for the class loader.
    """

    file: str
    lines: tuple[tuple[int, str], ...] = ()
    lock: str = ""
    autoload: str = ""


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
