"""The agencies as a scenario sees them: it may change rows, and the app gets the time that the exercise allows it."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from grader.errors import PackInvalid
from grader.packs.world import Row, World
from grader.probe.agencies import AgencyHandle

SETTLE_SECONDS = 1.1
"""An app may keep an agency's rows for 1 s; asking sooner after a change would make a correct app look wrong."""


class Changes:
    """When an agency's rows changed last."""

    def __init__(self, *, settle_seconds: float = SETTLE_SECONDS) -> None:
        self._settle_seconds = settle_seconds
        self._until = 0.0

    def note(self) -> None:
        """Rows changed just now."""
        self._until = time.monotonic() + self._settle_seconds

    def forget(self) -> None:
        """Nothing can be cached: the app was started afresh."""
        self._until = 0.0

    def settle(self) -> None:
        """Wait until an app may no longer answer from before the last change."""
        remaining = self._until - time.monotonic()
        if remaining > 0:
            time.sleep(remaining)


class ScenarioAgency:
    """One agency: its rows can be read and changed, and the app's statements counted."""

    def __init__(self, handle: AgencyHandle, changed: Callable[[], None]) -> None:
        self._handle, self._changed = handle, changed

    def insert(self, table: str, row: Row) -> None:
        """Add one row."""
        self._handle.insert(table, row)
        self._changed()

    def update(self, table: str, values: Row, *, where: Row) -> int:
        """Change the rows that equal ``where``; at least one must, or the scenario is wrong."""
        return self._counted(self._handle.update(table, values, where=where), table)

    def delete(self, table: str, *, where: Row) -> int:
        """Remove the rows that equal ``where``; at least one must, or the scenario is wrong."""
        return self._counted(self._handle.delete(table, where=where), table)

    def fetch(self, query: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Rows of a query with ``%s`` placeholders."""
        return self._handle.fetch(query, params)

    def statements(self) -> int:
        """Statements on the agency's tables that the app ran so far."""
        return self._handle.statements()

    def _counted(self, count: int, table: str) -> int:
        if count == 0:
            raise PackInvalid(
                "pack.agency_data",
                file="scenarios",
                where=f"{self._handle.name}.{table}",
                problem="no row equals where, so nothing changed and the check would prove nothing",
                fix="take the row from world or oracle, so that it exists for every seed",
            )
        self._changed()
        return count


class ScenarioAgencies:
    """All agencies of the exercise by name: ``agencies.facility``."""

    def __init__(self, handles: Mapping[str, AgencyHandle], world: World, changes: Changes) -> None:
        self._handles, self._world, self._changes = handles, world, changes
        self._agencies = {name: ScenarioAgency(handle, changes.note) for name, handle in handles.items()}

    def __getattr__(self, name: str) -> ScenarioAgency:
        agencies = self.__dict__.get("_agencies", {})
        if name in agencies:
            found: ScenarioAgency = agencies[name]
            return found
        if name.startswith("_"):
            raise AttributeError(name)
        raise PackInvalid(
            "pack.unknown_agency",
            file="scenarios",
            where=f"agencies.{name}",
            problem=f"the exercise has no agency {name}; it has {', '.join(agencies) or 'none'}",
            fix="use a name from [agencies] of exercise.toml",
        )

    def reset(self) -> None:
        """Put back the world's rows where a test changed them."""
        for name, handle in self._handles.items():
            if handle.dirty:
                handle.reset(self._world.tables.get(name, {}))
                self._changes.note()
