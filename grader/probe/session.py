"""What every check family is given: the exercise, its world, and the three doors out of the probe."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from grader.evidence import CheckEvidence
from grader.packs import Pack, World
from grader.probe.agencies import AgencyHandle
from grader.probe.events import Progress
from grader.probe.guard import Guard
from grader.probe.stage import NoStage, Stage
from grader.probe.target import Target

Emit: TypeAlias = Callable[[CheckEvidence | Progress], None]
"""How a check family hands out what it saw; one CheckEvidence per check id."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """One attempt as seen from the probe.

    ``base_url`` is the guard's own ``http://127.0.0.1:PORT``: no family ever learns the app's address. ``target`` is
    bound to it. ``agencies`` maps the agency's name in exercise.toml to its admin handle. ``workdir`` is a folder that
    only this session writes to. ``only`` holds the check ids that were asked for, or None for all. ``stage``
    starts the app afresh for a scenario.
    """

    pack: Pack
    world: World
    base_url: str
    guard: Guard
    target: Target
    agencies: Mapping[str, AgencyHandle]
    workdir: Path
    only: frozenset[str] | None = None
    stage: Stage = field(default_factory=NoStage)

    def wants(self, check: str) -> bool:
        """Whether this check id was asked for."""
        return self.only is None or check in self.only
