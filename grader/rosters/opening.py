"""The process that opens a workbook: ``python -I -m grader.rosters.opening``, bytes on stdin, one JSON value on stdout.

It says which sheet has a header, the rows of that sheet, and what the other visible ones are called; or why the
workbook is refused. It limits itself before it reads a byte; see :mod:`grader.rosters.workbook` for the other side.
"""

import io
import json
import resource
import sys
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from itertools import islice
from typing import Any, TypeAlias

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from grader.errors import UsageProblem
from grader.rosters.columns import find_header
from grader.rosters.limits import (
    HEADER_ROWS,
    MAX_TABLE_ROWS,
    MAX_WORKBOOK_TEXT,
    READER_CPU_SECONDS,
    READER_MEMORY_BYTES,
)
from grader.rosters.table import Cell, SheetRow, sheet_row, text_of

Sent: TypeAlias = str | float | dict[str, str]


def open_workbook(data: bytes) -> dict[str, Any]:
    """The rows of the first visible sheet with a header, as JSON values.

    Raises:
        UsageProblem: ``roster.unreadable``, ``roster.no_header``, ``roster.too_expensive`` (too much text).
    """
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        # What is hidden was not meant for whoever looks at the file, and nobody would miss it in a preview.
        names = [
            sheet.name
            for sheet in book.sheets_metadata
            if sheet.typ == SheetTypeEnum.WorkSheet and sheet.visible == SheetVisibleEnum.Visible
        ]
        for name in names:
            rows = list(islice(_rows(book.get_sheet_by_name(name).iter_rows()), MAX_TABLE_ROWS))
            if find_header(rows):
                others = [other for other in names if other != name]
                return {"sheet": name, "others": others, "rows": list(_sent(rows))}
    except CalamineError as problem:
        raise UsageProblem("roster.unreadable") from problem
    raise UsageProblem("roster.no_header", rows=HEADER_ROWS)


def _rows(values: Iterable[list[Any]]) -> Iterator[SheetRow]:
    for number, cells in enumerate(values, start=1):
        row = sheet_row(number, map(_cell, cells))
        if row:
            yield row


def _cell(value: Any) -> Cell:
    """A day without its time, a number as a number, and the rest as text; what has an error in it is empty."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return float(value)
    return value if isinstance(value, date) else str(value)


def _sent(rows: Iterable[SheetRow]) -> Iterator[tuple[int, list[Sent]]]:
    left = MAX_WORKBOOK_TEXT
    for row in rows:
        left -= sum(len(text_of(cell)) for cell in row.cells)
        if left < 0:
            raise UsageProblem("roster.too_expensive")
        yield row.number, [{"day": cell.isoformat()} if isinstance(cell, date) else cell for cell in row.cells]


def limit() -> None:
    """Bound this process: memory, CPU time, and no file that could be written."""
    for kind, wanted in (
        (resource.RLIMIT_AS, READER_MEMORY_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, READER_CPU_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
    ):
        # A host may already allow less, which only root could raise.
        hard = resource.getrlimit(kind)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (value, value))


def main() -> None:
    """Limit this process, read the workbook and say what is in it."""
    limit()
    try:
        result = open_workbook(sys.stdin.buffer.read())
    except UsageProblem as refusal:
        result = {"refused": refusal.code, "params": refusal.params}
    except MemoryError:
        result = {"refused": "roster.too_expensive", "params": {}}
    except BaseException as problem:
        # The parser is of another language; what it did not expect of a file comes as an exception that has no name
        # to import. All others are ours.
        if type(problem).__name__ != "PanicException":
            raise
        result = {"refused": "roster.unreadable", "params": {}}
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
