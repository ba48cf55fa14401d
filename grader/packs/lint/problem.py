"""What a rule finds, and what a rule is given to look at."""

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from grader.evidence import Frozen
from grader.packs.model import Check, Pack, Sample
from grader.packs.world import World

Severity: TypeAlias = Literal["error", "warning"]


class Problem(Frozen):
    """One thing to mend: ``path`` inside the pack, ``where`` in that file, what is wrong and what to do."""

    rule: str
    severity: Severity
    path: str
    where: str = ""
    problem: str
    fix: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """A Problem before the registry adds the rule's id and severity."""

    path: str
    problem: str
    fix: str
    where: str = ""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A pack that loaded, with everything that rules look at.

    ``samples`` and ``worlds`` (by seed) are None when they could not be read or built: that is a problem of its own,
    and the rules about them are left out. ``scenarios`` and ``worldcode`` map a path to its syntax tree.
    """

    pack: Pack
    samples: tuple[Sample, ...] | None
    worlds: Mapping[int, World] | None
    scenarios: Mapping[str, ast.Module]
    worldcode: Mapping[str, ast.Module]

    @property
    def specific(self) -> list[Check]:
        """The checks that the author wrote."""
        return [check for check in self.pack.checks.values() if check.specific]


Look: TypeAlias = Callable[[Subject], Iterator[Found]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule: its stable id, its severity and the function whose first docstring line is its sentence."""

    id: str
    look: Look
    severity: Severity = "error"

    @property
    def sentence(self) -> str:
        """What must hold, in one sentence."""
        return (self.look.__doc__ or "").strip().splitlines()[0]
