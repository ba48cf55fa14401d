"""The report as CSV for spreadsheets and programs: UTF-8 with a byte order mark, which Excel needs to see Thai.

Each file is one rectangular table. The whole report is a long one, a row a value; units and people have their own.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from grader.reports.catalogue import Lang, label
from grader.reports.kpi.document import KpiDocument, UnitRow
from grader.reports.kpi.lines import Line, heading
from grader.reports.kpi.people import PersonRow

COLUMNS: Final = ("section", "key", "label", "value", "text")
"""``section`` and ``key`` are the same in every language, ``value`` is for programs, ``text`` for people."""

_BYTE_ORDER_MARK: Final = "\ufeff"
_BEGINS_FORMULA: Final = tuple("=+-@＝＋－＠")


def to_csv(document: KpiDocument) -> bytes:
    """The whole report as a long table with the columns ``COLUMNS``; people are not in it."""
    return _written([COLUMNS, *_long_rows(document)])


def units_to_csv(document: KpiDocument) -> bytes:
    """A row a unit, in the order of their names, and the total at the end; a hidden number is an empty cell."""
    lang = document.lang
    titles = ("kpi_unit_code", "kpi_unit", "kpi_a", "kpi_b", "kpi_percent", "kpi_note")
    rows = (
        (safe(row.key), safe(row.name), _digits(row.a), _digits(row.b), _digits(row.percent), safe(row.note))
        for row in (*document.units, document.total)
    )
    return _written([[heading(name, lang) for name in titles], *rows])


def people_to_csv(rows: Iterable[PersonRow], lang: Lang) -> bytes:
    """A row a person, as ``explain_rows`` gives them."""
    names = ("person_code", "person", "unit", "status", "result", "in_b", "in_a", "seats", "reason", "why")
    answer = {True: label("kpi_yes", lang), False: label("kpi_no", lang)}
    told = (
        (
            safe(row.key),
            safe(row.name),
            safe(row.unit),
            row.status_word,
            row.result_word,
            answer[row.in_b],
            answer[row.in_a],
            str(row.seats),
            row.reason_word,
            row.why,
        )
        for row in rows
    )
    return _written([[heading(f"kpi_{name}", lang) for name in names], *told])


def safe(text: str) -> str:
    """Text that a spreadsheet would take for a formula gets an apostrophe, which a spreadsheet takes for "text"."""
    return f"'{text}" if text.lstrip().startswith(_BEGINS_FORMULA) else text


def _long_rows(document: KpiDocument) -> Iterator[Sequence[str]]:
    told = document.headline
    yield ("report", "title", "", "", safe(document.title))
    yield ("report", "standing", "", told.standing, told.judgement)
    sections: tuple[tuple[str, tuple[Line, ...]], ...] = (
        ("field", document.fields),
        ("beside", document.beside),
        ("unconfirmed", document.unconfirmed),
        ("count", document.counts),
        ("definition", document.definition),
        ("source", document.source),
    )
    for section, lines in sections:
        for line in lines:
            mark = f" ({label('unconfirmed', document.lang)})" if line.unconfirmed else ""
            value = safe(line.machine) if line.kind == "text" else line.machine
            yield (section, line.key, safe(line.label), value, safe(f"{line.text}{mark}"))
    for row in (*document.units, document.total):
        yield from _unit_values(row, document.lang)
    for place, one in enumerate(document.overrides, start=1):
        words = (one.at_text, one.by, one.about, one.change, one.reason)
        for name, text in zip(("at", "by", "about", "change", "reason"), words, strict=True):
            key = f"{place}.{name}"
            yield ("override", key, heading(f"kpi_override_{name}", document.lang), safe(text), safe(text))


def _unit_values(row: UnitRow, lang: Lang) -> Iterator[Sequence[str]]:
    """Three rows a unit; the total has the section ``total``, so that no id of a unit can be taken for it."""
    section, lead = ("unit", f"{row.key}.") if row.key else ("total", "")
    values = {"a": (row.a, row.a_text), "b": (row.b, row.b_text), "percent": (row.percent, row.percent_text)}
    for name, (value, text) in values.items():
        yield (section, safe(f"{lead}{name}"), safe(f"{row.name}: {label(f'kpi_{name}', lang)}"), _digits(value), text)


def _digits(value: object) -> str:
    return "" if value is None else str(value)


def _written(rows: Iterable[Sequence[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return (_BYTE_ORDER_MARK + out.getvalue()).encode()
