"""Writing a roster, so that reading the file gives the same rows: what was typed is text in both formats (rule S50)."""

import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from grader.rosters.columns import HEADINGS, PART_WORDS, WRITTEN, Lang
from grader.rosters.delimited import written
from grader.rosters.limits import MAX_ROWS
from grader.rosters.roster import Field, RosterRow

DAY_FORMATS: Final[Mapping[Lang, str]] = {"th": "[$-107041E]d mmm yyyy;@", "en": "d mmm yyyy"}
"""The locale of the first is Thai with the Buddhist calendar: the cell stays a day, and shows 22 พ.ย. 2569."""

_SHEET: Final[Mapping[Lang, str]] = {"th": "รายชื่อ", "en": "Roster"}
_WIDTHS: Final[Mapping[Field, int]] = {
    "code": 18,
    "name": 32,
    "email": 30,
    "unit_code": 16,
    "unit_name": 40,
    "part": 22,
    "registered_on": 18,
    "note": 44,
}
"""In letters."""

_NO_MOMENT: Final = datetime(1980, 1, 1)  # noqa: DTZ001 - a workbook knows no zones
"""Otherwise a workbook carries the moment at which it was written, and the same rows give other bytes."""


def write_csv(rows: Iterable[RosterRow], *, lang: Lang = "th") -> bytes:
    """CSV in UTF-8 with a byte order mark; days are 2026-11-22, which no spreadsheet can take for another day."""
    return written([_headings(lang), *([_text(row, name, lang) for name in WRITTEN] for row in rows)])


def write_xlsx(rows: Iterable[RosterRow], *, lang: Lang = "th") -> bytes:
    """A workbook with one sheet; without rows it is a form to fill in. The same rows give the same bytes.

    Raises:
        ValueError: a text is longer than a cell can hold (32 767 characters), which no row that was read is.
    """
    import xlsxwriter  # noqa: PLC0415 - most commands never write a workbook, and must start fast

    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        book.set_properties({"created": _NO_MOMENT})
        sheet = book.add_worksheet(_SHEET[lang])
        _columns(book, sheet, lang)
        day = book.add_format({"num_format": DAY_FORMATS[lang], "align": "left", "valign": "top"})
        text = book.add_format({"num_format": "@", "valign": "top"})
        wrapped = book.add_format({"num_format": "@", "valign": "top", "text_wrap": True})
        for line, row in enumerate(rows, start=1):
            for column, name in enumerate(WRITTEN):
                if name != "registered_on":
                    _write_text(sheet, line, column, _text(row, name, lang), wrapped if name == "note" else text)
                elif row.registered_on:
                    sheet.write_datetime(line, column, row.registered_on, day)
    return out.getvalue()


def table_xlsx(rows: Sequence[Sequence[str | int | None]], *, sheet: str) -> bytes:
    """A workbook of a plain table whose first row are headings: numbers are numbers, all else is text, None is empty.

    Raises:
        ValueError: a text is longer than a cell can hold.
    """
    import xlsxwriter  # noqa: PLC0415 - most commands never write a workbook, and must start fast

    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        book.set_properties({"created": _NO_MOMENT})
        page = book.add_worksheet(sheet)
        head = book.add_format({"bold": True, "bg_color": "#E7ECF2", "bottom": 1})
        text = book.add_format({"num_format": "@"})
        for line, row in enumerate(rows):
            for column, value in enumerate(row):
                if isinstance(value, int):
                    page.write_number(line, column, value)
                else:
                    _write_text(page, line, column, value or "", text if line else head)
        page.set_column(0, len(rows[0]) - 1, 18)
        page.freeze_panes(1, 2)
    return out.getvalue()


def _columns(book: Any, sheet: Any, lang: Lang) -> None:
    """The headings, which stay in sight, and columns that keep what is typed into them later as it is typed."""
    head = book.add_format({"bold": True, "bg_color": "#E7ECF2", "bottom": 1, "valign": "top"})
    typed = {True: book.add_format({"num_format": DAY_FORMATS[lang]}), False: book.add_format({"num_format": "@"})}
    for column, name in enumerate(WRITTEN):
        # A column of text: otherwise Excel would make 12 of 0012.
        sheet.set_column(column, column, _WIDTHS[name], typed[name == "registered_on"])
    for column, title in enumerate(_headings(lang)):
        sheet.write_string(0, column, title, head)
    sheet.freeze_panes(1, 0)
    part = WRITTEN.index("part")
    words = [one[lang] for one in PART_WORDS.values()]
    sheet.data_validation(1, part, MAX_ROWS, part, {"validate": "list", "source": words})


def _write_text(sheet: Any, line: int, column: int, text: str, form: Any) -> None:
    # write() would make formulas, numbers and links of what looks like one; an empty text leaves the cell empty.
    if sheet.write_string(line, column, text, form) != 0:
        message = f"row {line + 1}: a cell of a workbook cannot hold {len(text)} characters"
        raise ValueError(message)


def _headings(lang: Lang) -> list[str]:
    return [HEADINGS[name][lang] for name in WRITTEN]


def _text(row: RosterRow, name: Field, lang: Lang) -> str:
    if name == "part":
        return PART_WORDS[row.part][lang]
    if name == "registered_on":
        return row.registered_on.isoformat() if row.registered_on else ""
    return str(getattr(row, name))
