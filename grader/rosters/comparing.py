"""What only shows when rows are compared: somebody twice, and the same word for two things."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from grader.errors import Params
from grader.rosters.checking import Checked
from grader.rosters.citizen import holds_citizen_number
from grader.rosters.limits import MAX_SHOWN
from grader.rosters.roster import Field, Issue, RosterRow
from grader.rosters.table import SheetRow, text_of
from grader.rosters.tidying import fold_digits, shorten, tidy_line


def duplicates(rows: Iterable[SheetRow], place: int, column: str) -> Iterator[Issue]:
    """An error for each row whose code an earlier row has; capitals make no difference, so that nobody is two people.

    It looks at all rows, also at those that have other errors. A citizen number is no code, and is not quoted.
    """
    first: dict[str, int] = {}
    for row in rows:
        code = fold_digits(tidy_line(text_of(row.cell(place))))
        if not code or holds_citizen_number(code):
            continue
        earlier = first.setdefault(code.casefold(), row.number)
        if earlier != row.number:
            params: Params = {"value": shorten(code, MAX_SHOWN), "first_row": earlier}
            yield Issue(code="roster.duplicate_code", row=row.number, column=column, params=params)


def likely_mistakes(checked: Sequence[Checked], columns: Mapping[Field, str]) -> Iterator[Issue]:
    """Warnings about rows that agree in one thing and differ in another, each with the earlier row."""
    rows = [(one.number, one.row) for one in checked if one.row is not None]
    name = columns.get("name") or columns.get("first_name", "")
    for code, column, same, other in _PAIRS:
        shown = name if column == "name" else columns.get(column, "")
        yield from _unlike(rows, code, shown, same, other)


_Of = Callable[[RosterRow], str]

_PAIRS: tuple[tuple[str, Field, _Of, _Of], ...] = (
    ("roster.same_name", "name", lambda row: row.name, lambda row: row.code.casefold()),
    ("roster.same_email", "email", lambda row: row.email.casefold(), lambda row: row.code.casefold()),
    ("roster.unit_name_differs", "unit_name", lambda row: row.unit_code.casefold(), lambda row: row.unit_name),
    ("roster.unit_code_differs", "unit_code", lambda row: row.unit_name, lambda row: row.unit_code.casefold()),
)
"""Code, column that is named, what is the same, and what should be then."""


def _unlike(rows: Iterable[tuple[int, RosterRow]], code: str, column: str, same: _Of, other: _Of) -> Iterator[Issue]:
    first: dict[str, tuple[int, str]] = {}
    for number, row in rows:
        if not same(row):
            continue
        earlier, value = first.setdefault(same(row), (number, other(row)))
        if value != other(row):
            yield Issue(code=code, row=number, column=column, params={"first_row": earlier})
