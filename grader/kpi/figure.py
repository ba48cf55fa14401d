"""The figure: A, B, the printed percentage, how it stands to the target, and the same for each unit.

``B = 0`` has no percentage; it is neither 0 nor 100. The printed, rounded percentage is the one that is judged, so that
a reader with a calculator comes to the same verdict. Units are added up as people, never as percentages.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Literal, Protocol, Self, TypeAlias

from pydantic import Field, model_validator

from grader.evidence import Frozen
from grader.kpi.membership import Reason
from grader.kpi.rounding import scaled_half_up

Standing: TypeAlias = Literal["reached", "below", "no_data", "no_target", "target_unconfirmed", "running"]
"""How a figure stands to its target; only the first two are a judgement."""


class Counted(Protocol):
    """What a figure looks at of one person or seat: a Placement, or a Member of a snapshot."""

    @property
    def unit(self) -> str: ...  # noqa: D102 - as in Placement
    @property
    def reason(self) -> Reason: ...  # noqa: D102 - same
    @property
    def in_b(self) -> bool: ...  # noqa: D102 - same
    @property
    def in_a(self) -> bool: ...  # noqa: D102 - same


def percentage(a: int, b: int, decimals: int = 2) -> Decimal | None:
    """``A / B × 100``, a half rounded up; None without data (B = 0)."""
    return None if b == 0 else Decimal(scaled_half_up(a * 100, b, decimals)).scaleb(-decimals)


class Figure(Frozen):
    """A and B with their percentage. ``counts`` is the number of people, or seats, for each reason; all add up."""

    a: int = Field(ge=0)
    b: int = Field(ge=0)
    decimals: int = 2
    counts: dict[Reason, int] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _a_is_part_of_b(self) -> Self:
        if self.a > self.b:
            message = f"A = {self.a} is more than B = {self.b}"
            raise ValueError(message)
        return self

    @property
    def percent(self) -> Decimal | None:
        """The printed percentage; None: no data."""
        return percentage(self.a, self.b, self.decimals)

    def count(self, reason: Reason) -> int:
        """How many have this reason."""
        return self.counts.get(reason, 0)

    @property
    def unfinished(self) -> int:
        """Whose result may still change: being graded, or not graded because of a fault of ours."""
        return self.count("grading") + self.count("grader_fault")


def figure_of(placements: Iterable[Counted], *, decimals: int = 2) -> Figure:
    """The figure of these people, whatever their order."""
    a = b = 0
    counts: Counter[Reason] = Counter()
    for one in placements:
        a += one.in_a
        b += one.in_b
        counts[one.reason] += 1
    return Figure(a=a, b=b, decimals=decimals, counts=dict(sorted(counts.items())))


# -- the target -------------------------------------------------------------------------------------------------------


def gap(of: Figure, target: Decimal | None) -> Decimal | None:
    """The printed percentage less the target, in points (ผลต่างจากเป้าหมาย); None without data or target."""
    return None if of.percent is None or target is None else of.percent - target


def more_passes_needed(of: Figure, target: Decimal | None) -> int | None:
    """How many more of the same B must pass until the printed percentage reaches the target (ต้องผ่านอีก n คน).

    0: it is reached. None without data or target. ``target`` is from 0 to 100, so B is always enough.
    """
    if of.b == 0 or target is None:
        return None
    # The smallest A whose percentage, rounded as in percentage(), is not below the target. In units of the last
    # decimal: floor((200 · A · unit + B) / 2B) ≥ wanted  ⇔  A ≥ B · (2 · wanted - 1) / (200 · unit)
    unit: int = 10**of.decimals
    wanted = math.ceil(target.scaleb(of.decimals))
    smallest = -(-of.b * (2 * wanted - 1) // (200 * unit))
    return max(0, smallest - of.a)


def standing(of: Figure, target: Decimal | None, *, confirmed: bool, running: bool) -> Standing:
    """The status word of a figure; a target that nobody confirmed, or a round that still runs, gets no judgement."""
    missing = gap(of, target)
    if target is None:
        return "no_target"
    if missing is None:
        return "no_data"
    if not confirmed:
        return "target_unconfirmed"
    if running:
        return "running"
    return "reached" if missing >= 0 else "below"


# -- units ------------------------------------------------------------------------------------------------------------


class UnitFigure(Frozen):
    """One row of the table of units; ``figure`` is None where it is hidden.

    ``small``: too few people, shown as "n<5". ``protects``: hidden so that a small one cannot be found by subtracting
    the others from the total.
    """

    unit: str
    figure: Figure | None
    hidden: Literal["small", "protects"] | None = None


class UnitTable(Frozen):
    """The units in the order of their names, and the total of all of them, hidden ones included: ΣA / ΣB."""

    rows: tuple[UnitFigure, ...]
    total: Figure


def by_unit(placements: Iterable[Counted], *, decimals: int = 2, small_number: int = 0) -> UnitTable:
    """A, B and percentage of each unit; a B below ``small_number`` (and above 0) is hidden, 0 hides nothing."""
    people: dict[str, list[Counted]] = {}
    for one in placements:
        people.setdefault(one.unit, []).append(one)
    figures = {unit: figure_of(people[unit], decimals=decimals) for unit in sorted(people)}
    hidden = hidden_units({unit: one.b for unit, one in figures.items() if one.b}, small_number)
    return UnitTable(
        rows=tuple(
            UnitFigure(unit=unit, figure=None if unit in hidden else one, hidden=hidden.get(unit))
            for unit, one in figures.items()
        ),
        total=figure_of((one for group in people.values() for one in group), decimals=decimals),
    )


def hidden_units(sizes: Mapping[str, int], small_number: int) -> dict[str, Literal["small", "protects"]]:
    """Which units are hidden, and why; ``sizes`` are their B, all above 0.

    The total less what is shown gives the sum of what is hidden. So that this says nothing about a small unit, the next
    larger ones are hidden with it until they have ``small_number`` people together, which are two units at least.
    """
    ascending = sorted(sizes, key=lambda unit: (sizes[unit], unit))
    hidden: dict[str, Literal["small", "protects"]] = {}
    together = 0
    for unit in ascending:
        small = sizes[unit] < small_number
        if not small and (not hidden or together >= small_number):
            break
        hidden[unit] = "small" if small else "protects"
        together += sizes[unit]
    return hidden
