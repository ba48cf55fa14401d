"""What the API tells of the indicator beyond its figure: units, rounds in a row, and the numbers beside it."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from portal.api.models import Counted, Out


class ProgressOut(Out):
    """Numbers beside the figure: of B who handed in, of these who passed at once, and the median of days to pass."""

    fiscal_year_be: int
    code: str
    as_of: datetime
    handed_in: Counted
    passed_first: Counted
    median_days: Decimal | None
    passed: int


class TrendPoint(Out):
    """The figure of one round, published (with the digest of its snapshot) or as the facts are now."""

    fiscal_year_be: int
    code: str
    figure: Counted | None
    hidden: Literal["small", "protects"] | None
    sha256: str | None


class Trend(Out):
    """Up to eight rounds, the oldest first; the last one is the round that was asked for."""

    fiscal_year_be: int
    code: str
    as_of: datetime
    points: tuple[TrendPoint, ...]


class ExerciseOut(Out):
    """An exercise of the people of a unit who are in B: how many handed it in, how many passed it."""

    exercise: str
    handed_in: int
    passed: int


class UnitOut(Trend):
    """One unit: its figure is null where it is hidden, and no exercise is listed then."""

    unit: str
    name: str
    figure: Counted | None
    hidden: Literal["small", "protects"] | None
    more_passes_needed: int | None
    exercises: tuple[ExerciseOut, ...]
