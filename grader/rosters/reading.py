"""Reading a roster: from the bytes of a file to a preview with all of its errors, before anything of it is used."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Final

from grader.errors import UsageProblem
from grader.rosters.checking import NOTHING, check, citizen_numbers
from grader.rosters.citizen import masked
from grader.rosters.columns import HEADINGS, Header, columns_of, find_header
from grader.rosters.comparing import duplicates, likely_mistakes
from grader.rosters.delimited import read_delimited
from grader.rosters.limits import HEADER_ROWS, MAX_COLUMNS, MAX_FILE_BYTES, MAX_ROWS, MAX_SHOWN, MIB
from grader.rosters.roster import Field, Issue, RosterPreview
from grader.rosters.table import SheetRow, Table, text_of
from grader.rosters.tidying import shorten, tidy_line
from grader.rosters.workbook import read_workbook

_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""An old Excel file (XLS), and every workbook with a password."""
_ENDINGS: Final = {"", ".csv", ".tsv", ".txt", ".xlsx"}


def read_roster(data: bytes, filename: str) -> RosterPreview:
    """Read a CSV or XLSX file. ``filename`` only tells files that are neither: what a file is, its bytes say.

    Raises:
        UsageProblem: the file cannot be read at all: ``roster.empty``, ``roster.too_large``, ``roster.file_kind``,
            ``roster.old_workbook``, ``roster.unreadable``, ``roster.too_expensive``, ``roster.encoding``,
            ``roster.quotes``, ``roster.no_header``, ``roster.columns_missing``, ``roster.columns_ambiguous``,
            ``roster.too_many_columns``, ``roster.too_many_rows``.
        InfrastructureFault: ``infrastructure.roster_reader``: the reader of workbooks broke.
    """
    table = _table(data, filename)
    header = find_header(table.rows)
    if header is None:
        raise UsageProblem("roster.no_header", rows=HEADER_ROWS)
    columns = columns_of(header)
    wide = next((row for row in table.rows if len(row.cells) > MAX_COLUMNS), None)
    if wide:
        raise UsageProblem("roster.too_many_columns", row=wide.number, limit=MAX_COLUMNS)
    people, ignored = _people(table, header, columns)
    if len(people) > MAX_ROWS:
        raise UsageProblem("roster.too_many_rows", limit=MAX_ROWS)
    return _preview(table, header, columns, people, ignored)


def _table(data: bytes, filename: str) -> Table:
    if not data:
        raise UsageProblem("roster.empty")
    if len(data) > MAX_FILE_BYTES:
        raise UsageProblem("roster.too_large", limit_mb=MAX_FILE_BYTES // MIB)
    ending = PurePath(filename).suffix.casefold()
    if data.startswith(_OLE):
        raise UsageProblem("roster.old_workbook")
    if ending not in _ENDINGS:
        raise UsageProblem("roster.file_kind", kind=_named(ending))
    if data.startswith(_ZIP):
        return read_workbook(data)
    if ending == ".xlsx":
        raise UsageProblem("roster.unreadable")
    return read_delimited(data)


def _people(table: Table, header: Header, columns: Mapping[Field, int]) -> tuple[list[SheetRow], list[SheetRow]]:
    """The rows below the header that say something in a column that is read, and those that do so in others only.

    A prepared form has numbered lines that nobody filled in; they are neither.
    """
    people, ignored = [], []
    read = set(columns.values())
    numbers = set(header.places.get("number", ()))
    for row in table.rows:
        if row.number <= header.row:
            continue
        filled = {place for place, cell in enumerate(row.cells) if tidy_line(text_of(cell))}
        if filled & read:
            people.append(row)
        elif filled - numbers:
            ignored.append(row)
    return people, ignored


def _preview(
    table: Table, header: Header, columns: Mapping[Field, int], people: Sequence[SheetRow], ignored: Sequence[SheetRow]
) -> RosterPreview:
    named = {name: header.column(place) for name, place in columns.items()}
    checked = [check(row, header, columns) for row in people]
    twice = list(duplicates(people, columns["code"], named["code"]))
    errors = [issue for one in checked for issue in one.errors]
    seen = {row.number for row in people}
    errors += (issue for row in table.rows if row.number not in seen for issue in citizen_numbers(row, header))
    refused = {issue.row for issue in twice}
    good = [one for one in checked if one.row is not None and one.number not in refused]
    warnings = [
        *_about_file(table, header, columns, people),
        *(Issue(code="roster.row_ignored", row=row.number) for row in ignored),
        *likely_mistakes(good, named),
    ]
    return RosterPreview(
        rows=tuple(one.row for one in good if one.row is not None),
        row_numbers=tuple(one.number for one in good),
        errors=_from_above([*errors, *twice]),
        warnings=_from_above(warnings),
        columns=named,
        header_row=header.row,
        encoding=table.encoding,
        sheet=_named(table.sheet),
    )


def _about_file(
    table: Table, header: Header, columns: Mapping[Field, int], people: Sequence[SheetRow]
) -> Iterator[Issue]:
    """Warnings about the file as a whole: what was guessed, what was not read, and what was assumed of everybody."""
    if table.encoding == "cp874":
        yield Issue(code="roster.encoding_guessed")
    if table.others:
        names = ", ".join(map(_named, table.others))
        yield Issue(code="roster.other_sheets", params={"sheet": _named(table.sheet), "others": names})
    for title in header.ignored:
        yield Issue(code="roster.column_ignored", row=header.row, column=title)
    if not people:
        yield Issue(code="roster.no_rows", row=header.row)
        return
    part = columns.get("part")
    unsaid = sum(part is None or tidy_line(text_of(row.cell(part))) in NOTHING for row in people)
    if unsaid:
        column = HEADINGS["part"]["th"] if part is None else header.column(part)
        yield Issue(code="roster.part_assumed", column=column, params={"count": unsaid})
    if "registered_on" not in columns:
        yield Issue(code="roster.registration_unknown", column=HEADINGS["registered_on"]["th"])
    for name in ("code", "unit_code"):
        if any(isinstance(row.cell(columns[name]), float) for row in people):
            yield Issue(code="roster.code_numbers", column=header.column(columns[name]))


def _named(text: str) -> str:
    """A name out of a file as it may be shown."""
    return shorten(masked(tidy_line(text)), MAX_SHOWN)


def _from_above(issues: Sequence[Issue]) -> tuple[Issue, ...]:
    """Those about the file first, then by row; what is found in one row keeps its order, from left to right."""
    return tuple(sorted(issues, key=lambda issue: issue.row or 0))
