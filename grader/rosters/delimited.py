"""Text tables (CSV and its kin): how they are encoded, what separates their cells, and how to write one safely."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from grader.errors import UsageProblem
from grader.rosters.columns import find_header
from grader.rosters.limits import HEADER_ROWS, MAX_TABLE_ROWS
from grader.rosters.roster import Encoding
from grader.rosters.table import SheetRow, Table, sheet_row

BYTE_ORDER_MARK: Final = "\ufeff"

_DELIMITERS: Final = (",", ";", "\t")
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_SEPARATOR_LINE: Final = re.compile(r"\A\"?sep=([,;\t])\"?\r?\n", re.IGNORECASE)
"""A first line that only Excel reads, and does not show."""

_FORMULA: Final = re.compile(r"'*\s*[=+\-@＝＋－＠]|'*[\t\r]")
"""How a text begins that a spreadsheet would take for a formula, after any number of apostrophes."""


def read_delimited(data: bytes) -> Table:
    """The table of a text file.

    Raises:
        UsageProblem: ``roster.encoding``: neither Unicode nor Windows Thai; ``roster.quotes``: a cell has no end.
    """
    text, encoding = _decoded(data)
    named = _SEPARATOR_LINE.match(text)
    if named:
        return _table(text[named.end() :], named[1], encoding)
    return _table(text, max(_DELIMITERS, key=lambda one: _headings(text, one)), encoding)


def written(rows: Iterable[Sequence[str]]) -> bytes:
    """A table as CSV: UTF-8 with a byte order mark, which Excel needs to see Thai, and no cell that is a formula."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([harmless(cell) for cell in row] for row in rows)
    return (BYTE_ORDER_MARK + out.getvalue()).encode()


def harmless(text: str) -> str:
    """Text that a spreadsheet would calculate gets an apostrophe before it, which a spreadsheet takes for "text"."""
    return f"'{text}" if _FORMULA.match(text) else text


def original(text: str) -> str:
    """What :func:`harmless` was given: the apostrophe goes, and none that a person typed before other text."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _decoded(data: bytes) -> tuple[str, Encoding]:
    # Excel saves "Unicode text" as UTF-16, and "CSV" in the code page of Windows: in Thailand, 874.
    tries: tuple[tuple[str, Encoding], ...] = (("utf-8-sig", "utf-8"), ("cp874", "cp874"))
    if data.startswith(_UTF16_MARKS):
        tries = (("utf-16", "utf-16"),)
    for codec, encoding in tries:
        try:
            text = data.decode(codec)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:  # which no text has, and most other files have
            return text.removeprefix(BYTE_ORDER_MARK), encoding
    raise UsageProblem("roster.encoding")


def _headings(text: str, delimiter: str) -> int:
    """How many headings are known when the cells are separated by this: better evidence than counting signs."""
    # A broken cell further down is no reason to choose another one: _table names it.
    header = find_header(islice(_rows(text, delimiter, strict=False), HEADER_ROWS))
    return len(header.places) if header else 0


def _table(text: str, delimiter: str, encoding: Encoding) -> Table:
    rows = tuple(islice(_rows(text, delimiter, strict=True), MAX_TABLE_ROWS))
    return Table(rows=rows, encoding=encoding)


def _rows(text: str, delimiter: str, *, strict: bool) -> Iterator[SheetRow]:
    number = 0
    try:
        # Strict, because otherwise one quotation mark too many swallows all people after it without a word.
        for number, cells in enumerate(
            csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict), 1
        ):
            row = sheet_row(number, map(original, cells))
            if row:
                yield row
    except csv.Error as problem:
        if strict:
            raise UsageProblem("roster.quotes", row=number + 1) from problem
