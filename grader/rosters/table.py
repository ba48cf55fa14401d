"""A table as it stands in a file, whatever the file is: rows with their numbers, and cells with what was typed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

from grader.rosters.roster import Encoding

Cell: TypeAlias = str | float | date
"""What was typed, or a number or a day that a workbook holds as such; "" for nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SheetRow:
    """A row with content; ``number`` is how the spreadsheet counts it, from 1, and the last cell is not empty."""

    number: int
    cells: tuple[Cell, ...]

    def cell(self, place: int) -> Cell:
        """The cell of a column, counted from 0; "" beyond the last."""
        return self.cells[place] if place < len(self.cells) else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """The rows with content of a text file, or of one sheet of a workbook; ``others`` are the sheets that are not read.

    ``rows`` end after ``MAX_TABLE_ROWS``: who counts the people sees that there are too many.
    """

    rows: tuple[SheetRow, ...]
    encoding: Encoding | None = None
    sheet: str = ""
    others: tuple[str, ...] = ()


def sheet_row(number: int, cells: Iterable[Cell]) -> SheetRow | None:
    """A row without the empty cells at its end; None when all are empty."""
    kept = list(cells)
    while kept and isinstance(kept[-1], str) and not kept[-1].strip():
        kept.pop()
    return SheetRow(number=number, cells=tuple(kept)) if kept else None


def text_of(cell: object) -> str:
    """What a person sees in a cell, more or less: whole numbers have no decimals, days are 2026-11-22."""
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def letters(place: int) -> str:
    """The letters by which a spreadsheet calls a column that is counted from 0: A, B … Z, AA."""
    name = ""
    while place >= 0:
        place, rest = divmod(place, 26)
        name, place = chr(ord("A") + rest) + name, place - 1
    return name
