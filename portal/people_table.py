"""The table of people of a round: which lines an address asks for, in which order. What nobody offered is ignored."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from grader.reports.sorting import thai_key
from grader.services.overview import Column, Line, Overview

STATES: Final = ("to_do", "waiting", "running", "needs_operator", "fail", "pass", "not_open")
SORTS: Final[dict[str, Callable[[Line], Any]]] = {
    "name": lambda line: thai_key(line.name),
    "unit": lambda line: (thai_key(line.unit), thai_key(line.name)),
    "points": lambda line: line.points,
    "passed": lambda line: line.passed,
}
OF_EXERCISE: Final = "exercise."
"""Before the id of an exercise: sorted by how far each person came with it."""
LONGEST_SEARCH: Final = 100


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What an address asks for, as far as it can be; "" is everything."""

    exercise: str
    unit: str
    status: str
    search: str
    sort: str

    @classmethod
    def of(cls, seen: Overview, asked: QueryParams) -> "Wanted":
        """What these parameters of an address ask of a round."""
        exercises = {column.exercise for column in seen.columns}
        unit, status, sort = asked.get("unit", ""), asked.get("status", ""), asked.get("sort", "")
        plain = sort.removeprefix("-")
        known = plain in SORTS or (plain.startswith(OF_EXERCISE) and plain.removeprefix(OF_EXERCISE) in exercises)
        return cls(
            exercise=found if (found := asked.get("exercise", "")) in exercises else "",
            unit=unit if unit in {line.unit_code for line in seen.lines} else "",
            status=status if status in STATES else "",
            search=asked.get("search", "")[:LONGEST_SEARCH].strip(),
            sort=sort if known else "name",
        )

    def columns(self, seen: Overview) -> list[Column]:
        """The exercises that are shown."""
        return [column for column in seen.columns if self.exercise in {"", column.exercise}]

    def lines(self, seen: Overview) -> list[Line]:
        """The people who are shown, in order; those who are equal stand as in a Thai dictionary."""
        chosen, text = {column.exercise for column in self.columns(seen)}, self.search.casefold()
        lines = [
            line
            for line in seen.lines
            if self.unit in {"", line.unit_code}
            and (not self.status or any(c.state == self.status for c in line.cells if c.exercise in chosen))
            and (text in line.name.casefold() or text in line.code.casefold())
        ]
        lines.sort(key=lambda line: thai_key(line.name))
        plain = self.sort.removeprefix("-")
        lines.sort(key=SORTS.get(plain) or _by(plain.removeprefix(OF_EXERCISE)), reverse=self.sort.startswith("-"))
        return lines

    def address(self, base: str, **changed: object) -> str:
        """The address that asks for this, but for what is changed."""
        query = {**vars(self), **changed}
        return f"{base}?" + urlencode({name: value for name, value in query.items() if value})


def _by(exercise: str) -> Callable[[Line], tuple[bool, int, int]]:
    """A pass before no pass, then points, then tries; those who handed in nothing come last."""

    def key(line: Line) -> tuple[bool, int, int]:
        cell = next(one for one in line.cells if one.exercise == exercise)
        points = cell.best.points if cell.best and cell.best.points is not None else -1
        return cell.state == "pass", points, len(cell.handed)

    return key
