"""From the cells of a row to the row of a roster: what each cell may say, and all that is wrong with it."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, TypeAlias

from grader.errors import UsageProblem
from grader.rosters.citizen import holds_citizen_number
from grader.rosters.columns import PART_WORDS, REQUIRED, Header, part_of
from grader.rosters.days import read_day
from grader.rosters.limits import MAX_CODE, MAX_EMAIL, MAX_NAME, MAX_NOTE, MAX_SHOWN
from grader.rosters.roster import Field, Issue, Part, RosterRow
from grader.rosters.table import Cell, SheetRow, letters, text_of
from grader.rosters.tidying import fold_digits, shorten, tidy_line, tidy_text

Read: TypeAlias = Callable[[Cell], Any]

FORMULA_ERRORS: Final = {"#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#SPILL!", "#CALC!"}
_SCIENTIFIC: Final = re.compile(r"[0-9](?:\.[0-9]+)?E\+[0-9]+")
"""What Excel makes of a long number in a column that is not text; the digits are lost."""
_EMAIL: Final = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>.]+")
NOTHING: Final = {"", "-", "–", "—"}
"""How lists say "none"; read so where a dash can mean nothing else."""
_NAME_PARTS: Final[tuple[Field, ...]] = ("prefix", "first_name", "last_name", "name")


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What a row says: its place, the row of the roster unless something in it is wrong, and all that is wrong."""

    number: int
    row: RosterRow | None
    errors: tuple[Issue, ...]


def citizen_numbers(row: SheetRow, header: Header) -> Iterator[Issue]:
    """An error for each cell with a citizen number, also in columns that are not read; the number is not in it."""
    for place in sorted(_citizen_places(row)):
        # Down to the header there is no heading over a cell, or the cell is one.
        column = header.column(place) if row.number > header.row else letters(place)
        yield Issue(code="roster.citizen_number", row=row.number, column=column)


def check(row: SheetRow, header: Header, columns: Mapping[Field, int]) -> Checked:
    """Read the cells of one person.

    A cell with a citizen number has that error and no other: the others could repeat what is in it.
    """
    errors = list(citizen_numbers(row, header))
    refused = _citizen_places(row)
    values: dict[Field, Any] = {}
    for field, place in columns.items():
        if place not in refused:
            try:
                values[field] = _value(field, row.cell(place))
            except UsageProblem as problem:
                column = header.column(place)
                errors.append(Issue(code=problem.code, row=row.number, column=column, params=problem.params))
    name = _joined(values)
    if len(name) > MAX_NAME and not errors:
        column = header.column(columns["first_name" if "first_name" in columns else "name"])
        errors.append(Issue(code="roster.too_long", row=row.number, column=column, params={"limit": MAX_NAME}))
    kept = {field: value for field, value in values.items() if field not in _NAME_PARTS}
    return Checked(number=row.number, row=None if errors else RosterRow(name=name, **kept), errors=tuple(errors))


def _citizen_places(row: SheetRow) -> set[int]:
    return {place for place, cell in enumerate(row.cells) if holds_citizen_number(tidy_line(text_of(cell)))}


def _value(field: Field, cell: Cell) -> Any:
    text = tidy_line(text_of(cell))
    if text in FORMULA_ERRORS:
        raise UsageProblem("roster.formula_error", value=text)
    if not text and field in _NEEDED:
        raise UsageProblem("roster.cell_empty")
    return _READ[field](cell)


def _joined(values: Mapping[Field, str]) -> str:
    """The name as it is spoken: a Thai title is written on to the name, other words have a blank between them."""
    name = values.get("name") or f"{values.get('first_name', '')} {values.get('last_name', '')}".strip()
    prefix = values.get("prefix", "")
    if not prefix or name.startswith(prefix):
        return name
    return f"{prefix}{'' if _is_thai(prefix[-1]) or prefix[-1] == '.' else ' '}{name}"


def _is_thai(sign: str) -> bool:
    return "\u0e01" <= sign <= "\u0e4e"


# -- one cell ---------------------------------------------------------------------------------------------------------


def _line(limit: int) -> Read:
    def read(cell: Cell) -> str:
        return _within(tidy_line(text_of(cell)), limit)

    return read


def _note(cell: Cell) -> str:
    return _within(tidy_text(text_of(cell)), MAX_NOTE)


def _code(cell: Cell) -> str:
    text = fold_digits(tidy_line(text_of(cell)))
    # Excel makes a day of 1-2 and 1.2E+12 of a long number, and nobody can say what it was before.
    if isinstance(cell, date) or _SCIENTIFIC.fullmatch(text):
        raise UsageProblem("roster.code_converted", value=_quoted(text))
    if " " in text:
        raise UsageProblem("roster.code_blank", value=_quoted(text))
    return _within(text, MAX_CODE)


def _email(cell: Cell) -> str:
    text = _within(tidy_line(text_of(cell)), MAX_EMAIL)
    if text in NOTHING:
        return ""
    if not _EMAIL.fullmatch(text):
        raise UsageProblem("roster.email", value=_quoted(text))
    return text


def _part(cell: Cell) -> Part:
    text = tidy_line(text_of(cell))
    part = "trainee" if text in NOTHING else part_of(text)
    if part is None:
        known = ", ".join(f"{words['th']} ({words['en']})" for words in PART_WORDS.values())
        raise UsageProblem("roster.part", value=_quoted(text), known=known)
    return part


def _day(cell: Cell) -> date | None:
    text = tidy_line(text_of(cell))
    if text in NOTHING:
        return None
    day = read_day(cell if isinstance(cell, date) else text)
    if day is None:
        raise UsageProblem("roster.day", value=_quoted(text))
    return day


def _within(text: str, limit: int) -> str:
    if len(text) > limit:
        raise UsageProblem("roster.too_long", limit=limit)
    return text


def _quoted(text: str) -> str:
    return shorten(text, MAX_SHOWN)


_READ: Final[Mapping[Field, Read]] = {
    "code": _code,
    "prefix": _line(MAX_NAME),
    "first_name": _line(MAX_NAME),
    "last_name": _line(MAX_NAME),
    "name": _line(MAX_NAME),
    "email": _email,
    "unit_code": _code,
    "unit_name": _line(MAX_NAME),
    "part": _part,
    "registered_on": _day,
    "note": _note,
}
_NEEDED: Final = {*REQUIRED, "first_name"}
