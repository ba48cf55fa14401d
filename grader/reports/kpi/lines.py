"""One line of the report: a label with its value, once for people and once for a spreadsheet.

Every format prints ``text`` or writes ``value``, and none of them words or rounds anything by itself.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from grader.evidence import Frozen
from grader.reports.catalogue import Lang, label
from grader.reports.dates import day, in_bangkok, moment
from grader.reports.plain import clean

Kind: TypeAlias = Literal["text", "count", "percent", "points", "score", "day", "moment"]
"""What ``value`` is: text (str or None), count (int), percent (0 to 100), points (of per cent), score, date, moment."""

Value: TypeAlias = int | Decimal | datetime | date | str | None

_MINUS: Final = "\N{MINUS SIGN}"


class Line(Frozen):
    """A label and a value. ``value`` is None where there is no data; ``text`` then says so.

    ``key`` is the same in every language. ``items`` are the entries of a list, and ``text`` then holds all of them.
    ``unconfirmed`` marks a value that follows from a setting which nobody confirmed; ``note`` says what the value is.
    """

    key: str
    label: str
    text: str
    value: Value = None
    kind: Kind = "text"
    items: tuple[str, ...] = ()
    unconfirmed: bool = False
    note: str = ""

    @property
    def machine(self) -> str:
        """The value for programs: plain digits, ISO 8601 with the zone of Bangkok; empty without data."""
        if self.value is None:
            return ""
        if isinstance(self.value, datetime):
            return in_bangkok(self.value).isoformat()
        return format(self.value, "f") if isinstance(self.value, Decimal) else str(self.value)


def heading(name: str, lang: Lang, /, **values: object) -> str:
    """A label that begins a line: like :func:`label`, with a capital letter."""
    words = label(name, lang, **values)
    return words[:1].upper() + words[1:]


def words_line(key: str, name: str, words: str, lang: Lang, *, empty: str = "kpi_not_given") -> Line:
    """What a person wrote; it is made safe to show, and where there is nothing, the line says that."""
    safe = clean(words).strip()
    return Line(key=key, label=heading(name, lang), text=safe or label(empty, lang), value=safe or None)


def count_line(key: str, name: str, count: int) -> Line:
    """A number of people or seats; ``name`` is in the reader's language already."""
    return Line(key=key, label=name, text=str(count), value=count, kind="count")


def moment_line(key: str, name: str, value: datetime, lang: Lang) -> Line:
    """A moment."""
    return Line(key=key, label=heading(name, lang), text=moment(value, lang), value=value, kind="moment")


def days(first: date, last: date, lang: Lang) -> str:
    """A span of days, both included."""
    return label("kpi_days", lang, first=day(first, lang), last=day(last, lang))


def signed(points: Decimal) -> str:
    """A difference with its sign, and a true minus sign, which no spreadsheet takes for a formula."""
    return f"{points:+f}".replace("-", _MINUS) if points else f"{points:f}"
