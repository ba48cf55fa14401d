"""Lint in a process of its own: for a program that serves people meanwhile and must not run an author's world.py.

``python -m grader.services.linting FOLDER`` prints everything to mend in a pack, as a list in JSON.
"""

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

import grader
from grader.errors import EnvironmentProblem
from grader.packs.lint import Problem, lint

SECONDS: Final = 180
_PROBLEMS: Final = TypeAdapter(list[Problem])


@dataclass(frozen=True, kw_only=True, slots=True)
class Linted:
    """What a lint found, and whether the folder is still the one that was looked at."""

    at: datetime
    problems: tuple[Problem, ...]
    fresh: bool

    @property
    def errors(self) -> int:
        """Problems that keep an exercise from being given to anybody."""
        return sum(one.severity == "error" for one in self.problems)


class LintDesk:
    """The last lint of every folder, for as long as the program runs.

    One is made at a time, because it takes a core, and nobody waits for another one's: they are told to come again.
    """

    def __init__(self) -> None:
        self._found: dict[Path, tuple[object, datetime, tuple[Problem, ...]]] = {}
        self._lock = threading.Lock()

    def last(self, folder: Path) -> Linted | None:
        """The last lint of a folder; None: none was made."""
        if folder not in self._found:
            return None
        state, at, problems = self._found[folder]
        return Linted(at=at, problems=problems, fresh=state == _state(folder))

    def run(self, folder: Path, at: datetime) -> None:
        """Lint a folder now, unless it is as it was the last time.

        Raises:
            EnvironmentProblem: ``environment.lint_unfinished``, ``environment.lint_busy``.
        """
        last = self.last(folder)
        if last is not None and last.fresh:
            return
        if not self._lock.acquire(blocking=False):
            raise EnvironmentProblem("environment.lint_busy")
        try:
            state = _state(folder)
            self._found[folder] = (state, at, tuple(lint_apart(folder)))
        finally:
            self._lock.release()


def lint_apart(path: Path, *, seconds: float = SECONDS) -> list[Problem]:
    """What :func:`grader.packs.lint.lint` finds; nothing of this process's environment reaches the pack.

    Raises:
        EnvironmentProblem: ``environment.lint_unfinished``: it took too long, or the process died.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-B", "-m", "grader.services.linting", str(path)],
            env={"PATH": os.defpath, "PYTHONPATH": str(Path(grader.__file__).parents[1])},
            capture_output=True,
            timeout=seconds,
            check=True,
        )
        return _PROBLEMS.validate_json(done.stdout)
    except (subprocess.SubprocessError, OSError, ValidationError) as problem:
        raise EnvironmentProblem("environment.lint_unfinished", limit=round(seconds)) from problem


def _state(folder: Path) -> object:
    """Changes whenever a file of the folder does."""
    files = [one for one in folder.rglob("*") if one.is_file() and "__pycache__" not in one.parts]
    return sorted((str(one), one.stat().st_mtime_ns, one.stat().st_size) for one in files)


if __name__ == "__main__":
    sys.stdout.write(json.dumps([problem.model_dump() for problem in lint(Path(sys.argv[1]))]))
