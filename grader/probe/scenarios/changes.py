"""The agencies as a scenario sees them: it may change rows, and the app gets the time that the exercise allows it."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from grader.errors import PackInvalid
from grader.packs.world import Row, World
from grader.probe.agencies import AgencyHandle, AgencyRequest, Script

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
    """One agency: its rows can be read and changed, what the app asks of it counted, and it can be made to fail."""

    def __init__(self, handle: AgencyHandle, changed: Callable[[], None]) -> None:
        self._handle, self._changed = handle, changed
        self._failing = False

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
        """Statements on the agency's tables that the app ran since the last forget; of a REST agency: its requests."""
        return self._handle.statements()

    def requests(self, route: str | None = None) -> list[AgencyRequest]:
        """The latest 5,000 requests to a REST agency since the last forget, oldest first; ``route`` names one route."""
        return self._handle.requests(route)

    def connections(self) -> int:
        """Connections that the app opened since the last forget."""
        return self._handle.connections()

    def forget(self) -> None:
        """Count from 0 again."""
        self._handle.forget()

    def fault(self, mode: str, **params: int) -> None:
        """Fail like this from now on, until the test ends, another fault begins or heal is called."""
        self.faults([{"t": 0, "mode": mode, **params}])

    def faults(self, script: Script) -> None:
        """Fail as the script says, from now on; ``t`` of its steps counts seconds from here."""
        if not all(isinstance(step, Mapping) for step in script):
            raise _unplayable(f"{self._handle.name}.faults", "a step of a script is a dict")
        self._failing = True
        self._handle.faults(script)

    def heal(self) -> None:
        """Be well again. Nothing has to be waited for: no row changed."""
        if self._failing:
            self._handle.heal()
            self._failing = False

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

    def play(self, script: Script) -> None:
        """Faults of several agencies; each step names its ``agency``, or goes on with that of the step before it."""
        name = ""
        steps: dict[str, list[Mapping[str, Any]]] = {}
        for number, step in enumerate(script):
            if not isinstance(step, Mapping):
                raise _unplayable(f"script[{number}]", "a step of a script is a dict")
            name = str(step.get("agency", name))
            if not name:
                raise _unplayable(f"script[{number}]", "the first step names no agency")
            steps.setdefault(name, []).append({key: value for key, value in step.items() if key != "agency"})
        failing = [(getattr(self, name), of_agency) for name, of_agency in steps.items()]
        for agency, of_agency in failing:
            agency.faults(of_agency)

    def reset(self) -> None:
        """Heal every agency, and put back the world's rows where a test changed them."""
        for agency in self._agencies.values():
            agency.heal()
        for name, handle in self._handles.items():
            if handle.dirty:
                handle.reset(self._world.tables.get(name, {}))
                self._changes.note()


def _unplayable(where: str, problem: str) -> PackInvalid:
    return PackInvalid(
        "pack.agency_fault",
        file="scenarios",
        where=where,
        problem=problem,
        fix='write steps such as {"t": 0, "agency": "registry", "mode": "latency", "ms": 3000}',
    )
