"""The door to an agency: what every engine's handle promises."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from grader.errors import PackInvalid
from grader.packs.world import Row

Tables: TypeAlias = Mapping[str, Sequence[Row]]
"""Table name -> rows, parents before children."""

Script: TypeAlias = Sequence[Mapping[str, Any]]
"""Faults as data: steps such as ``{"t": 5, "mode": "latency", "ms": 3000}``, ``t`` in seconds from the start."""


@dataclass(frozen=True, kw_only=True)
class AgencyRequest:
    """One request that a REST agency got.

    ``at`` is in seconds since 1970, when the head was there. ``path`` has its query. ``route`` is its name in the
    description ("" for a path or method that is not there). ``status`` is None while there is no answer, and for ever
    when the client did not get one. ``headers`` have names in lower case; long values are cut.
    """

    at: float
    method: str
    path: str
    route: str
    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)


class AgencyHandle(Protocol):
    """One agency.

    Every method raises InfrastructureFault when the agency itself fails and PackInvalid when what the exercise asked
    of it is wrong (unknown table, broken SQL, duplicate key, unknown fault).
    """

    name: str

    @property
    def dirty(self) -> bool:
        """Whether rows were changed since the last load or reset."""

    def create_schema(self, script: str) -> None:
        """Run the exercise's SQL file, or take its description; does nothing when that was done already."""

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
        """Rows of a query with ``%s`` placeholders, as column -> value. A REST agency takes no query: PackInvalid."""

    def statements(self) -> int:
        """How many statements on the agency's tables the app's role ran since the last forget; of REST: requests."""

    def requests(self, route: str | None = None) -> list[AgencyRequest]:
        """The latest requests since the last forget, oldest first, of all routes or one; of a database: PackInvalid."""

    def connections(self) -> int:
        """How many connections the app opened since the last forget."""

    def forget(self) -> None:
        """Count statements, requests and connections from 0 again."""

    def faults(self, script: Script) -> None:
        """Begin to fail as the script says, in place of any script before; it acts until heal. Returns at its start."""

    def heal(self) -> None:
        """Be well from now on."""

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
