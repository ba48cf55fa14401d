"""The report as a workbook: numbers are numbers, days are real days shown in the Buddhist era, text is no formula."""

import io
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from grader.reports.catalogue import Lang, label
from grader.reports.dates import in_bangkok
from grader.reports.kpi.document import KpiDocument, UnitRow
from grader.reports.kpi.lines import Kind, Line, Value, heading

DAY_FORMATS: Final[dict[Lang, str]] = {"th": "[$-107041E]d mmm yyyy;@", "en": "d mmm yyyy"}
"""The locale of the first is Thai with the Buddhist calendar: the cell stays a date, and shows 22 พ.ย. 2569."""

MOMENT_FORMATS: Final[dict[Lang, str]] = {"th": '[$-107041E]d mmm yyyy hh:mm "น.";@', "en": "d mmm yyyy hh:mm"}

_TEXT, _NUMBER, _WIDE = 44, 14, 70
"""Widths of columns, in letters."""

_A4: Final = 9


def to_xlsx(document: KpiDocument) -> bytes:
    """The workbook: summary, units, people (only for a reader who may see names), definition, source of the data.

    The same document gives the same bytes.
    """
    import xlsxwriter  # noqa: PLC0415 - most commands never write a workbook, and must start fast

    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        # Without a moment of its own a workbook would carry the one at which it was written.
        book.set_properties({"title": document.title, "created": document.as_of.astimezone(UTC).replace(tzinfo=None)})
        sheets = _Book(book, document)
        _summary(sheets.sheet("kpi_part_summary"), document)
        _units(sheets.sheet("kpi_part_units"), document)
        if document.people is not None:
            _people(sheets.sheet("kpi_part_people"), document)
        _lines(sheets.sheet("kpi_part_definition"), document, [("", document.definition)])
        _lines(sheets.sheet("kpi_part_source"), document, [("", document.source)])
    return out.getvalue()


class _Book:
    """The formats of a workbook, each made once, and its sheets."""

    def __init__(self, book: Any, document: KpiDocument) -> None:
        self.book, self.document, self.lang = book, document, document.lang
        self.look = {"font_name": "Tahoma", "font_size": 10, "valign": "top"}
        wrapped = self.look | {"text_wrap": True, "align": "left"}
        self.text = book.add_format(wrapped)
        self.strong = book.add_format(wrapped | {"bold": True})
        self.plain = book.add_format(self.look)
        self.title = book.add_format(self.look | {"bold": True, "font_size": 13})
        self.head = book.add_format(wrapped | {"bold": True, "bg_color": "#E7ECF2", "bottom": 1})
        self.made: dict[tuple[str, str, bool], Any] = {}

    def number(self, form: str, align: str, *, strong: bool) -> Any:
        """The format of a number or a day; a workbook has room for few formats, so each is made once."""
        key = (form, align, strong)
        if key not in self.made:
            look = {"num_format": form, "align": align, "bold": strong}
            self.made[key] = self.book.add_format(self.look | look)
        return self.made[key]

    def sheet(self, name: str) -> "_Sheet":
        """A new sheet, ready to be printed on A4 in whole columns."""
        sheet = self.book.add_worksheet(heading(name, self.lang))
        sheet.set_paper(_A4)
        sheet.fit_to_pages(1, 0)
        sheet.set_footer(f"&L{self.document.state_word}&R&P / &N")
        return _Sheet(sheet, self)


def _form(kind: Kind, value: Value, lang: Lang) -> str:
    """The number format of a value: as many decimals as it has, so that a cell shows what the report prints."""
    exponent = value.as_tuple().exponent if isinstance(value, Decimal) else 0
    decimals = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    plain = f"0.{'0' * decimals}" if decimals else "0"
    forms: dict[Kind, str] = {
        "percent": f"{plain}%",
        "points": f"+{plain};\N{MINUS SIGN}{plain};{plain}",
        "day": DAY_FORMATS[lang],
        "moment": MOMENT_FORMATS[lang],
    }
    return forms.get(kind, plain)


class _Sheet:
    """A sheet that is written from above, row by row."""

    def __init__(self, sheet: Any, book: _Book) -> None:
        self.sheet, self.book, self.row, self.align = sheet, book, 0, "right"

    def head(self, titles: Sequence[str], widths: Sequence[int]) -> None:
        """The titles of the columns; they stay in sight, and come back on each printed page."""
        for column, (title, width) in enumerate(zip(titles, widths, strict=True)):
            self.sheet.set_column(column, column, width)
            self.sheet.write_string(self.row, column, title, self.book.head)
        self.row += 1
        self.sheet.freeze_panes(self.row, 0)
        self.sheet.repeat_rows(self.row - 1)

    def cells(self, cells: Iterable[tuple[Kind, Value, str]], *, strong: bool = False) -> None:
        """One row. A cell is a kind, a value, and what stands there where the value is None."""
        for column, (kind, value, text) in enumerate(cells):
            self._cell(column, kind, value, text, strong=strong)
        self.row += 1

    def _cell(self, column: int, kind: Kind, value: Value, text: str, *, strong: bool) -> None:
        sheet, book = self.sheet, self.book
        number = book.number(_form(kind, value, book.lang), self.align, strong=strong)
        if isinstance(value, datetime):  # a spreadsheet knows no zones: it gets the clock of Bangkok
            sheet.write_datetime(self.row, column, in_bangkok(value).replace(tzinfo=None), number)
        elif isinstance(value, date):
            sheet.write_datetime(self.row, column, value, number)
        elif isinstance(value, int | Decimal):
            sheet.write_number(self.row, column, value / 100 if kind == "percent" else value, number)
        else:
            sheet.write_string(self.row, column, text, book.strong if strong else book.text)


def _summary(sheet: _Sheet, document: KpiDocument) -> None:
    told = document.headline
    lead = " · ".join(part for part in (told.percent, told.of, told.judgement, told.needed) if part)
    parts = [
        (heading("kpi_part_figure", document.lang), document.fields),
        (heading("kpi_part_beside", document.lang), document.beside),
        (heading("kpi_part_counts", document.lang), document.counts),
        (heading("kpi_unconfirmed_used", document.lang), document.unconfirmed),
    ]
    sheet.sheet.write_string(0, 0, document.title, sheet.book.title)
    for text in (lead, *document.notices):
        sheet.row += 1
        sheet.sheet.write_string(sheet.row, 0, text, sheet.book.plain)
    sheet.row += 2
    _lines(sheet, document, [part for part in parts if part[1]])
    _overrides(sheet, document)


def _lines(sheet: _Sheet, document: KpiDocument, parts: Iterable[tuple[str, Sequence[Line]]]) -> None:
    lang, sheet.align = document.lang, "left"  # the column of values is wide, because it holds texts too
    sheet.head([heading(name, lang) for name in ("kpi_item", "kpi_value", "kpi_note")], [_TEXT, _WIDE, _TEXT])
    for title, lines in parts:
        if title:
            sheet.cells([("text", None, title)], strong=True)
        for line in lines:
            notes = [label("unconfirmed", lang)] if line.unconfirmed else []
            note = " · ".join([*notes, line.note] if line.note else notes)
            sheet.cells([("text", None, line.label), (line.kind, line.value, line.text), ("text", None, note)])


def _overrides(sheet: _Sheet, document: KpiDocument) -> None:
    if not document.overrides:
        return
    sheet.cells([("text", None, heading("kpi_part_overrides", document.lang))], strong=True)
    for one in document.overrides:
        told = f"{one.change} · {one.about} · {one.by}"
        sheet.cells([("moment", one.at, ""), ("text", None, told), ("text", None, one.reason)])


def _units(sheet: _Sheet, document: KpiDocument) -> None:
    names = ("kpi_unit", "kpi_a", "kpi_b", "kpi_percent", "kpi_note", "kpi_unit_code")
    sheet.head([heading(name, document.lang) for name in names], [_TEXT, _NUMBER, _NUMBER, _NUMBER, _TEXT, _NUMBER])
    for row in document.units:
        sheet.cells(_unit_cells(row))
    sheet.sheet.autofilter(0, 0, max(sheet.row - 1, 0), len(names) - 1)
    sheet.cells(_unit_cells(document.total), strong=True)


def _unit_cells(row: UnitRow) -> list[tuple[Kind, Value, str]]:
    return [
        ("text", None, row.name),
        ("count", row.a, row.a_text),
        ("count", row.b, row.b_text),
        ("percent", row.percent, row.percent_text),
        ("text", None, row.note),
        ("text", None, row.key),
    ]


def _people(sheet: _Sheet, document: KpiDocument) -> None:
    lang = document.lang
    names = ("person", "unit", "status", "result", "in_b", "in_a", "seats", "reason", "why", "person_code")
    widths = (30, 36, 22, 22, 10, 10, 12, 26, 60, 20)
    sheet.head([heading(f"kpi_{name}", lang) for name in names], widths)
    answer = {True: label("kpi_yes", lang), False: label("kpi_no", lang)}
    for row in document.people or ():
        words = (row.name, row.unit, row.status_word, row.result_word, answer[row.in_b], answer[row.in_a])
        after = (row.reason_word, row.why, row.key)
        sheet.cells(
            [*(("text", None, one) for one in words), ("count", row.seats, ""), *(("text", None, one) for one in after)]
        )
    sheet.sheet.autofilter(0, 0, max(sheet.row - 1, 0), len(names) - 1)
    sheet.sheet.set_landscape()
