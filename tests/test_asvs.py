"""The table of requirements (docs/asvs.csv) is whole, and names tests that exist and places that are there.

``python -m tests.test_asvs`` prints how many requirements stand where.
"""

import ast
import csv
import re
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "docs" / "asvs.csv"
STATES = ("met", "partly", "not_met", "operator", "not_applicable")
PROVED = frozenset({"met", "partly"})
LEVELS = {"1": 70, "2": 183, "3": 8}
"""How many requirements of ASVS 5.0.0 each level adds; of level 3 the eight that this project chose."""
CHOSEN = {"5.2.4", "5.2.5", "5.3.3", "6.3.8", "7.5.3", "15.2.4", "15.4.2", "16.5.4"}
LEAST_REASON = 6


class Row(NamedTuple):
    """One requirement. ``test`` has one or more names of tests, with blanks between them."""

    requirement: str
    level: str
    status: str
    test: str
    note: str


def rows(path: Path = TABLE) -> list[Row]:
    """The table."""
    with path.open(encoding="utf-8", newline="") as file:
        head, *lines = csv.reader(file)
    assert tuple(head) == Row._fields
    return [Row(*line) for line in lines]


@cache
def names_in(file: str) -> frozenset[str]:
    """The tests of a file, without importing it."""
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_bytes())
    return frozenset(one.name for one in tree.body if isinstance(one, ast.FunctionDef) and one.name.startswith("test_"))


@cache
def headings_of(page: str) -> frozenset[str]:
    """The headings of a page as links name them."""
    path = ROOT / page
    found = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE) if path.is_file() else []
    return frozenset(re.sub(r"[^\w\- ]", "", one.strip().lower()).replace(" ", "-") for one in found)


def unknown_tests(row: Row) -> list[str]:
    """The tests that a row names and that are not there."""
    return [one for one in row.test.split() if one.partition("::")[2] not in names_in(one.partition("::")[0])]


def unknown_places(row: Row) -> list[str]:
    """The files and headings that a note points to and that are not there."""
    missing = []
    for page, _, heading in re.findall(r"((?:docs/[\w.-]+|[A-Z]+)\.md)(#([\w-]+))?", row.note):
        if not (ROOT / page).is_file() or (heading and heading not in headings_of(page)):
            missing.append(f"{page}#{heading}")
    return missing


def order(row: Row) -> tuple[int, ...]:
    """Where a requirement stands in the standard."""
    return tuple(map(int, row.requirement.split(".")))


def test_every_requirement_is_there_once() -> None:
    """All of levels 1 and 2 and the chosen ones of level 3, in the order of the standard."""
    table = rows()
    assert [row.requirement for row in table] == [row.requirement for row in sorted(table, key=order)]
    assert len({row.requirement for row in table}) == len(table)
    assert Counter(row.level for row in table) == LEVELS
    assert {row.requirement for row in table if row.level == "3"} == CHOSEN


def test_every_row_is_proved_or_has_a_reason() -> None:
    """What is met, even in part, names a test that exists; all else says why, and names no test."""
    table = rows()
    assert {row.status for row in table} <= set(STATES)
    assert {row.requirement: unknown_tests(row) for row in table if unknown_tests(row)} == {}
    assert [row.requirement for row in table if (row.status in PROVED) != bool(row.test)] == []
    reasons = [row.requirement for row in table if row.status != "met" and len(row.note) < LEAST_REASON]
    assert reasons == []


def test_what_the_notes_point_to_is_there() -> None:
    """Requirements that ask for documentation are met by it: the page and the heading exist, and say something."""
    table = rows()
    assert {row.requirement: unknown_places(row) for row in table if unknown_places(row)} == {}
    assert sum("docs/security.md#" in row.note for row in table) > 10
    text = (ROOT / "docs" / "security.md").read_text("utf-8")
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        assert len(part.split()) > 40, part[:40]


def test_a_row_that_lies_is_found() -> None:
    """A test or a heading that nobody wrote is named."""
    good = Row("1.1.1", "2", "met", "tests/test_asvs.py::test_a_row_that_lies_is_found", "docs/security.md#zones")
    assert (unknown_tests(good), unknown_places(good)) == ([], [])
    for name in ("tests/test_asvs.py::test_nothing", "tests/test_none.py::test_a", "tests/test_asvs.py"):
        assert unknown_tests(good._replace(test=name)) == [name]
    for note in ("docs/security.md#nothing", "see docs/none.md"):
        assert unknown_places(good._replace(note=note))


def main() -> None:
    """Print how many requirements stand where, and which are not met."""
    table = rows()
    counts = {level: Counter(row.status for row in table if row.level == level) for level in LEVELS}
    print("level  " + "  ".join(f"{state:>14}" for state in STATES))  # noqa: T201 - the result of the command
    for level, count in counts.items():
        print(f"{level:>5}  " + "  ".join(f"{count[state]:>14}" for state in STATES))  # noqa: T201 - same
    for row in table:
        if row.status in {"partly", "not_met"}:
            print(f"{row.requirement:<8}{row.status:<9}{row.note}")  # noqa: T201 - same


if __name__ == "__main__":
    sys.exit(main())
