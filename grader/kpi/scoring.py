"""From a percentage to a score. What is scored is the printed, rounded percentage, so that a reader can check it."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeAlias

from grader.errors import UsageProblem
from grader.kpi.rounding import half_up

Scoring: TypeAlias = Literal["none", "five_level_linear"]

LEVELS: Final = 5
SCORE_DECIMALS: Final = 4


class Score(NamedTuple):
    """A score with 4 decimals and what it weighs, with 4 decimals (None: no weight is set)."""

    value: Decimal
    weighted: Decimal | None


def check_thresholds(thresholds: Sequence[Decimal]) -> None:
    """Refuse levels that cannot be interpolated.

    Raises:
        UsageProblem: ``kpi.thresholds`` unless there are five, each above the one before.
    """
    if len(thresholds) != LEVELS or any(low >= high for low, high in pairwise(thresholds)):
        raise UsageProblem("kpi.thresholds", thresholds=" / ".join(str(one) for one in thresholds))


def score(
    a: int,
    percent: Decimal | None,
    *,
    scoring: Scoring,
    thresholds: Sequence[Decimal] | None,
    weight: Decimal | None,
    no_work_score: int = 1,
) -> Score | None:
    """The score of a figure; None without scoring and without data (B = 0).

    ``percent`` is the rounded percentage. ``no_work_score`` is what A = 0 gets: 1 like everything below the first
    level, or 0, as in some offices.

    Raises:
        UsageProblem: ``kpi.thresholds``, also when levels are asked for and there are none.
    """
    if percent is None or (strategy := STRATEGIES[scoring]) is None:
        return None
    check_thresholds(thresholds or ())
    value = Fraction(no_work_score) if a == 0 else strategy(percent, thresholds or ())
    rounded = half_up(value, SCORE_DECIMALS)
    weighted = None if weight is None else half_up(Fraction(rounded) * Fraction(weight) / 100, SCORE_DECIMALS)
    return Score(rounded, weighted)


def _five_level_linear(percent: Decimal, thresholds: Sequence[Decimal]) -> Fraction:
    """1 at the first threshold and below, 5 at the last and above, in between by the rule of three."""
    if percent <= thresholds[0]:
        return Fraction(1)
    for level, (low, high) in enumerate(pairwise(thresholds), start=1):
        if percent < high:
            return level + Fraction(percent - low) / Fraction(high - low)
    return Fraction(LEVELS)


STRATEGIES: Final[Mapping[Scoring, Callable[[Decimal, Sequence[Decimal]], Fraction] | None]] = MappingProxyType(
    {
        "none": None,
        "five_level_linear": _five_level_linear,
    }
)
