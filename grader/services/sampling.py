"""The last time that every sample of an exercise was graded, in one small file an exercise.

The command writes it, which may start containers; the portal reads it, which may not. It lies beside the records and is
no part of them.
"""

from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from grader.errors import EnvironmentProblem
from grader.evidence import Frozen

FOLDER: Final = "verified"
LARGEST: Final = 1024 * 1024
"""Bytes of a file that is read; ours are a few kilobytes."""


class SampleSeen(Frozen):
    """What became of one sample; ``differences`` from what its author expects are empty when they agree."""

    sample: str
    outcome: str
    points: int
    failing: tuple[str, ...]
    differences: tuple[str, ...]
    seconds: float


class Verified(Frozen):
    """All samples of one version of an exercise, graded with one seed."""

    exercise: str
    digest: str
    seed: int
    grader_version: str
    at: datetime
    samples: tuple[SampleSeen, ...]

    @property
    def differing(self) -> int:
        """How many samples got another verdict than their author expects."""
        return sum(bool(one.differences) for one in self.samples)


def keep(data: Path, verified: Verified) -> None:
    """Write it, where this machine has records; elsewhere there is no portal that would read it.

    Raises:
        EnvironmentProblem: ``records.not_writable``.
    """
    if not data.is_dir():
        return
    file = _file(data, verified.exercise)
    fresh = file.with_suffix(".new")
    try:
        file.parent.mkdir(exist_ok=True)
        fresh.write_text(verified.model_dump_json(), encoding="utf-8")
        fresh.replace(file)
    except OSError as problem:
        raise EnvironmentProblem("records.not_writable", problem=f"{file.name}: {problem.strerror}") from problem


def last(data: Path, exercise: str) -> Verified | None:
    """The last one of an exercise; None: there is none, or none that can be read."""
    file = _file(data, exercise)
    try:
        if file.stat().st_size > LARGEST:
            return None
        return Verified.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None


def _file(data: Path, exercise: str) -> Path:
    return data / FOLDER / f"{exercise}.json"
