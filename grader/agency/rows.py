"""The rows of a REST agency: as the world gave them, and as they are now."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from grader.packs.rest import RestDescription, RowMisfit, as_text, refuse_equal_keys, refuse_unfit_row

Row: TypeAlias = dict[str, Any]


class Rows:
    """Rows by table. Each has every column of its table; what it was not given is None.

    Every change raises RowMisfit, and then changes nothing, for what the description does not allow.
    """

    def __init__(self, description: RestDescription) -> None:
        self._description = description
        self._loaded: dict[str, list[Row]] = {name: [] for name in description.tables}
        self._current: dict[str, list[Row]] = {name: [] for name in description.tables}
        self._indexes: dict[tuple[bool, str, str], dict[str, list[int]]] = {}

    def load(self, tables: Any) -> None:
        """Make these the rows, table -> list of rows; a table that is not named gets none."""
        if not isinstance(tables, dict):
            raise RowMisfit("rows", "rows map table to a list of rows")
        loaded: dict[str, list[Row]] = {name: [] for name in self._description.tables}
        for name, rows in tables.items():
            if not isinstance(rows, list):
                raise RowMisfit(name, "the rows of a table are a list")
            refuse_unfit_row(self._description, name, {})
            loaded[name] = [self._complete(name, row) for row in rows]
            refuse_equal_keys(self._description, name, loaded[name])
        self._loaded = loaded
        self._current = {name: [dict(row) for row in rows] for name, rows in loaded.items()}
        self._indexes.clear()

    def insert(self, table: str, row: Any) -> None:
        """Add one row at the end."""
        added = self._complete(table, row)
        self._replace(table, [*self._current[table], added])

    def update(self, table: str, values: Any, where: Any) -> int:
        """Change the rows that equal ``where``; gives how many."""
        chosen = self._matching(table, where)
        refuse_unfit_row(self._description, table, values)
        self._replace(table, [row | values if n in chosen else row for n, row in enumerate(self._current[table])])
        return len(chosen)

    def delete(self, table: str, where: Any) -> int:
        """Remove the rows that equal ``where``; gives how many."""
        chosen = self._matching(table, where)
        self._replace(table, [row for n, row in enumerate(self._current[table]) if n not in chosen])
        return len(chosen)

    def of(self, table: str, *, stale: bool = False) -> Sequence[Row]:
        """The rows of a table; ``stale`` gives those that were loaded, whatever was changed since."""
        return (self._loaded if stale else self._current)[table]

    def places(self, table: str, column: str, sought: str, *, stale: bool = False) -> Sequence[int]:
        """Where in ``of`` the rows are whose ``column``, as text, is ``sought``."""
        index = self._indexes.get((stale, table, column))
        if index is None:
            index = {}
            for place, row in enumerate(self.of(table, stale=stale)):
                index.setdefault(as_text(row[column]), []).append(place)
            self._indexes[stale, table, column] = index
        return index.get(sought, ())

    def _matching(self, table: str, where: Any) -> set[int]:
        refuse_unfit_row(self._description, table, where)
        rows = self._current[table]
        return {n for n, row in enumerate(rows) if all(row[column] == where[column] for column in where)}

    def _complete(self, table: str, row: Any) -> Row:
        refuse_unfit_row(self._description, table, row)
        return {column: row.get(column) for column in self._description.tables[table].columns}

    def _replace(self, table: str, rows: list[Row]) -> None:
        refuse_equal_keys(self._description, table, rows)
        self._current[table] = rows
        self._indexes.clear()
