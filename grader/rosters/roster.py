"""What a roster is: its rows, what is wrong or noteworthy in a file, and what reading a file gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, TypeAlias

from grader.errors import Params
from grader.rosters.tidying import fold_digits, tidy_line, tidy_text

Part: TypeAlias = Literal["trainee", "external", "observer"]
"""The same as that of the indicator (``grader.kpi``), which this package must not know; a test holds them together."""

Field: TypeAlias = Literal[
    "number",
    "code",
    "prefix",
    "first_name",
    "last_name",
    "name",
    "email",
    "unit_code",
    "unit_name",
    "part",
    "registered_on",
    "note",
]
"""What a column can hold. ``number`` counts the lines of a printed list and is not read; ``prefix`` is คำนำหน้า."""

Encoding: TypeAlias = Literal["utf-8", "utf-16", "cp874"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RosterRow:
    """One person on the roster of a training round. All text is tidied, so that equal rows look equal.

    ``code`` is by what a person is recognised in all rounds: a code of the office or a user name, never a citizen
    number. ``registered_on`` is the day on which the person registered, in the common era; None: invited only.
    """

    code: str
    name: str
    unit_code: str
    unit_name: str
    email: str = ""
    part: Part = "trainee"
    registered_on: date | None = None
    note: str = ""

    def __post_init__(self) -> None:
        for name in ("code", "unit_code"):
            object.__setattr__(self, name, fold_digits(tidy_line(getattr(self, name))))
        for name in ("name", "unit_name", "email"):
            object.__setattr__(self, name, tidy_line(getattr(self, name)))
        object.__setattr__(self, "note", tidy_text(self.note))


@dataclass(frozen=True, kw_only=True, slots=True)
class Issue:
    """Something in a file that is wrong or should be looked at; ``code`` is ``roster.*`` and has words in the reports.

    ``row`` is the row as the spreadsheet counts it, from 1; None: it is about the file. ``column`` is the heading as it
    stands in the file, or the letters of the column where it has none; "" when it is about no column.
    """

    code: str
    row: int | None = None
    column: str = ""
    params: Params = field(default_factory=dict)

    @property
    def values(self) -> Params:
        """What the sentence of the code is filled with: the params with row and column."""
        return {**self.params, "row": self.row, "column": self.column or None}


@dataclass(frozen=True, kw_only=True, slots=True)
class RosterPreview:
    """What a file says, before anything of it is used.

    ``rows`` are the rows without an error of their own and ``row_numbers`` where each stands, counted from 1;
    ``errors`` and ``warnings`` are all there are, from above. ``columns`` says which heading was read as what;
    ``encoding`` is None for a workbook, and ``sheet`` is "" for a text file. Names are masked where they hold a citizen
    number.
    """

    rows: tuple[RosterRow, ...]
    row_numbers: tuple[int, ...]
    errors: tuple[Issue, ...]
    warnings: tuple[Issue, ...]
    columns: Mapping[Field, str]
    header_row: int
    encoding: Encoding | None = None
    sheet: str = ""

    @property
    def ok(self) -> bool:
        """Whether the file may be used: a roster with an error is used as a whole or not at all."""
        return not self.errors
