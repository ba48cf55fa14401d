"""Which column of a table holds what: headings in Thai and English, in any order, below any title."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final, Literal, TypeAlias, cast, get_args

from grader.errors import UsageProblem
from grader.rosters.citizen import masked
from grader.rosters.limits import HEADER_ROWS, MAX_SHOWN
from grader.rosters.roster import Field, Part
from grader.rosters.table import SheetRow, letters, text_of
from grader.rosters.tidying import key, shorten, tidy_line

Lang: TypeAlias = Literal["th", "en"]

_DATA: Final[dict[str, dict[str, Any]]] = tomllib.loads(
    files("grader.rosters").joinpath("columns.toml").read_text(encoding="utf-8")
)


def _by_key(entries: Mapping[str, Any]) -> Mapping[str, str]:
    """Every word of each entry, as words are compared: key to the name of the entry."""
    return {key(word): name for name, one in entries.items() for word in (one["th"], one["en"], *one["also"])}


HEADINGS: Final[Mapping[Field, Mapping[Lang, str]]] = {
    cast("Field", name): {"th": one["th"], "en": one["en"]} for name, one in _DATA["column"].items()
}
"""The heading of each column as it is written."""

PART_WORDS: Final[Mapping[Part, Mapping[Lang, str]]] = {
    cast("Part", name): {"th": one["th"], "en": one["en"]} for name, one in _DATA["part"].items()
}
"""The word of each part as it is written."""

WRITTEN: Final[tuple[Field, ...]] = (
    "code",
    "name",
    "email",
    "unit_code",
    "unit_name",
    "part",
    "registered_on",
    "note",
)
"""The columns that are written, from the left."""

REQUIRED: Final[tuple[Field, ...]] = ("code", "name", "unit_code", "unit_name")

_FIELD_OF: Final = cast("Mapping[str, Field]", _by_key(_DATA["column"]))
_PARTS: Final[tuple[Part, ...]] = get_args(Part)
_PART_OF: Final[Mapping[str, Part]] = {
    **cast("Mapping[str, Part]", _by_key(_DATA["part"])),
    **{part: part for part in _PARTS},
}

_FEWEST: Final = 2
"""Headings that make a header: above it stand lines such as "หน่วยงาน | กองแผนงาน", which have one."""


def part_of(text: str) -> Part | None:
    """The part that a word means, in either language; None when it means none."""
    return _PART_OF.get(key(text))


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """The row of a table with the headings. ``places`` says for each field in which columns it is, counted from 0."""

    row: int
    titles: tuple[str, ...]
    places: Mapping[Field, tuple[int, ...]]

    def column(self, place: int) -> str:
        """How a column is named to a person: by its heading, or by its letters where it has none."""
        title = self.titles[place] if place < len(self.titles) else ""
        return title or letters(place)

    @property
    def ignored(self) -> tuple[str, ...]:
        """The headings of the columns that are not read."""
        known = {place for places in self.places.values() for place in places}
        return tuple(title for place, title in enumerate(self.titles) if title and place not in known)


def find_header(rows: Iterable[SheetRow]) -> Header | None:
    """The row with most known headings among the first twenty of a sheet, the upper one of equals; None without any."""
    best: Header | None = None
    for row in rows:
        if row.number > HEADER_ROWS:
            break
        header = _header(row)
        if _weight(header) >= max(_FEWEST, _weight(best) + 1):
            best = header
    return best


def columns_of(header: Header) -> Mapping[Field, int]:
    """The one column of each field that is read. ชื่อ alone is the whole name, beside นามสกุล it is the first.

    Raises:
        UsageProblem: ``roster.columns_ambiguous``: two headings are read as the same; ``roster.columns_missing``.
    """
    for name, places in header.places.items():
        if len(places) > 1 and name != "number":
            named = " · ".join(f"{header.column(place)} ({letters(place)})" for place in places)
            raise UsageProblem("roster.columns_ambiguous", row=header.row, columns=named)
    columns: dict[Field, int] = {name: places[0] for name, places in header.places.items() if name != "number"}
    if "first_name" in columns and "name" not in columns and "last_name" not in columns:
        columns["name"] = columns.pop("first_name")
    if "name" in columns:  # the parts of a name that is there as a whole are repetitions
        columns.pop("first_name", None)
        columns.pop("last_name", None)
    known = columns.keys() | ({"name"} if "first_name" in columns else set())
    missing = [HEADINGS[name] for name in REQUIRED if name not in known]
    if missing:
        named = ", ".join(f"{one['th']} ({one['en']})" for one in missing)
        raise UsageProblem("roster.columns_missing", row=header.row, columns=named)
    return columns


def _header(row: SheetRow) -> Header:
    places: dict[Field, tuple[int, ...]] = {}
    for place, cell in enumerate(row.cells):
        name = _FIELD_OF.get(key(text_of(cell)))
        if name is not None:
            places[name] = (*places.get(name, ()), place)
    return Header(row=row.number, titles=_titles(row.cells), places=places)


def _titles(cells: Sequence[object]) -> tuple[str, ...]:
    return tuple(shorten(masked(tidy_line(text_of(cell))), MAX_SHOWN) for cell in cells)


def _weight(header: Header | None) -> int:
    return len(header.places.keys() - {"number"}) if header else 0
