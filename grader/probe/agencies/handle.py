"""The door to an agency database: what every engine's handle promises."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from grader.errors import PackInvalid
from grader.packs.world import Row

Tables: TypeAlias = Mapping[str, Sequence[Row]]
"""Table name -> rows, parents before children."""


class AgencyHandle(Protocol):
    """One agency database.

    Every method raises InfrastructureFault when the database itself fails and PackInvalid when what the exercise asked
    of it is wrong (unknown table, broken SQL, duplicate key).
    """

    name: str

    @property
    def dirty(self) -> bool:
        """Whether rows were changed since the last load or reset."""

    def create_schema(self, script: str) -> None:
        """Run the exercise's SQL file; does nothing when the database has tables already."""

    def load(self, tables: Tables) -> None:
        """Make these the rows (column -> value) in one transaction, and let the app's role read them."""

    def reset(self, tables: Tables) -> None:
        """Put back exactly these rows, whatever was changed, without disturbing the app's connections."""

    def insert(self, table: str, row: Row) -> None:
        """Add one row."""

    def update(self, table: str, values: Row, *, where: Row) -> int:
        """Change the rows that equal ``where`` in every column named there; returns how many."""

    def delete(self, table: str, *, where: Row) -> int:
        """Remove the rows that equal ``where``; returns how many."""

    def fetch(self, query: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Rows of a query with ``%s`` placeholders, as column -> value."""

    def statements(self) -> int:
        """How many statements on the agency's tables the app's role ran since the last reset_statements."""

    def reset_statements(self) -> None:
        """Count statements from 0 again."""

    def close(self) -> None:
        """Drop the connection; the next use opens a new one (needed before a fork)."""


def authors_mistake(name: str, action: str, problem: Exception) -> PackInvalid:
    """What an exercise asked of agency ``name`` and the database refused."""
    first_line = str(problem).partition("\n")[0]
    return PackInvalid(
        "pack.agency_data",
        file="scenarios" if action in {"insert", "update", "delete", "fetch"} else f"agencies.{name}",
        where=f"{name}.{action}",
        problem=f"{type(problem).__name__}: {first_line}"[:500],
        fix="use the tables, columns and types of the agency's SQL file",
    )
