"""The newest result of a trainee, beside what was asked for: what it gained, what each task got, what to mend first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from grader.packs import Pack
from grader.reports.cards import Card, failure_cards
from grader.reports.catalogue import Lang
from grader.services.desk import Handed
from grader.services.following import verdicts_of
from grader.verdict import CheckVerdict, Verdict

GRADED: Final = frozenset({"pass", "fail"})
"""Outcomes that say something about the work."""
FIRST: Final = 2
"""Causes that the desk names; the report has them all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Latest:
    """``gained`` are the points more than the graded attempt before had; None for the first, or out of another sum."""

    handed: Handed
    verdict: Verdict
    gained: int | None

    @property
    def checks(self) -> Mapping[str, CheckVerdict]:
        """What became of each check."""
        return {check.id: check for check in self.verdict.checks}

    def tasks(self, pack: Pack) -> Mapping[str, tuple[CheckVerdict, ...]]:
        """The checks of each task of the brief that was graded; a check that the exercise lost is left out."""
        found: dict[str, list[CheckVerdict]] = {}
        for check in self.verdict.checks:
            known = pack.checks.get(check.id)
            if known is not None and known.task:
                found.setdefault(known.task, []).append(check)
        return {task: tuple(checks) for task, checks in found.items()}

    def to_mend(self, pack: Pack, lang: Lang) -> tuple[Card, ...]:
        """The causes to begin with, in the order of the report."""
        return failure_cards(self.verdict, pack, lang)[:FIRST]


def latest_of(session: Session, attempts: Sequence[Handed]) -> Latest | None:
    """The newest of these attempts that was graded; what is still being graded, or was our fault, says nothing."""
    graded = [one for one in attempts if one.outcome in GRADED]
    if not graded:
        return None
    told = verdicts_of(session, (graded[-1].id,))
    earlier = graded[-2] if len(graded) > 1 and graded[-2].max == graded[-1].max else None
    gained = None if earlier is None else (graded[-1].points or 0) - (earlier.points or 0)
    return Latest(handed=graded[-1], verdict=Verdict.from_json(told[graded[-1].id]), gained=gained)
