"""How an exercise tells people apart: how their points spread, and which checks separate strong work from weak."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import StatisticsError, correlation
from typing import Final

from sqlalchemy.orm import Session

from grader.services.gists import gists
from grader.services.overview import Line

BANDS: Final = 10
"""Bands of the histogram, each of a tenth of the points; full points are in the last one."""
FEWEST: Final = 10
"""Fewer people say nothing about how a check separates them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """People whose best work got from ``low`` to ``high`` percent of the points."""

    low: int
    high: int
    people: int


def histogram(lines: Sequence[Line], exercise: str) -> tuple[Band, ...]:
    """Everybody's best graded work of an exercise by its share of the points; empty while there is none."""
    counts = [0] * BANDS
    for line in lines:
        for cell in line.cells:
            best = cell.best
            if cell.exercise == exercise and best and best.outcome != "infrastructure" and best.max:
                counts[min((best.points or 0) * BANDS // best.max, BANDS - 1)] += 1
    width = 100 // BANDS
    return tuple(
        Band(low=place * width, high=(place + 1) * width - (place + 1 < BANDS), people=count)
        for place, count in enumerate(counts)
        if any(counts)
    )


def discriminations(
    session: Session, lines: Sequence[Line], exercise: str, ids: Sequence[str]
) -> Mapping[str, float | None]:
    """Of each check how passing it goes with passing the others, from -1 to 1, over everybody's best graded work.

    None where nothing can be said: too few people, or all of them alike. Near 0 or below it, who does well otherwise
    does not do better here: the check or its text deserves a look.
    """
    best = {
        cell.best.id
        for line in lines
        for cell in line.cells
        if cell.exercise == exercise and cell.best and cell.best.outcome != "infrastructure"
    }
    passed = [gist.passed for _, _, gist in gists(session, best)]
    return {check: _discrimination(check, passed) for check in ids}


def _discrimination(check: str, passed: Sequence[frozenset[str]]) -> float | None:
    if len(passed) < FEWEST:
        return None
    try:
        return correlation([float(check in one) for one in passed], [float(len(one - {check})) for one in passed])
    except StatisticsError:  # all of them alike
        return None
