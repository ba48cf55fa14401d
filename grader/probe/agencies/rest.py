"""A REST agency, driven through its control side."""
# ruff: noqa: D102 - AgencyHandle documents these methods

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from grader.errors import PackInvalid
from grader.packs.rest import RestDescription, read_description
from grader.packs.world import Row
from grader.probe.agencies.control import AgencyControl
from grader.probe.agencies.handle import AgencyRequest, Script, Tables


class RestAgency:
    """A REST agency; its "schema" is the description of its tables and routes."""

    def __init__(self, name: str, *, control: AgencyControl) -> None:
        self.name = name
        self._control = control
        self._description: RestDescription | None = None
        self._dirty = False

    @property
    def dirty(self) -> bool:
        return self._dirty

    def create_schema(self, script: str) -> None:
        description = read_description(script, file=f"agencies.{self.name}")
        self._control.call("create_schema", "PUT", "/description", description.model_dump(mode="json"))
        self._description = description

    def load(self, tables: Tables) -> None:
        self._fill("load", tables)

    def reset(self, tables: Tables) -> None:
        self._fill("reset", tables)

    def insert(self, table: str, row: Row) -> None:
        self._change("insert", "POST", table, row=dict(row))

    def update(self, table: str, values: Row, *, where: Row) -> int:
        return self._change("update", "PATCH", table, values=dict(values), where=dict(where))

    def delete(self, table: str, *, where: Row) -> int:
        return self._change("delete", "POST", f"{table}/delete", where=dict(where))

    def fetch(self, query: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        del params
        raise PackInvalid(
            "pack.agency_data",
            file="scenarios",
            where=f"{self.name}.fetch",
            problem=f"{self.name} is a REST agency and takes no query: {query[:100]}",
            fix="take the rows from world.tables; only a database agency has fetch",
        )

    def statements(self) -> int:
        return self._control.requests_in_all()

    def requests(self, route: str | None = None) -> list[AgencyRequest]:
        routes = self._description.routes if self._description is not None else {}
        if route is not None and route not in routes:
            raise self._control.refused("requests", f"there is no route {route}; there are: {', '.join(routes)}")
        return [one for one in self._control.requests() if route is None or one.route == route]

    def connections(self) -> int:
        return self._control.connections()

    def forget(self) -> None:
        self._control.forget()

    def faults(self, script: Script) -> None:
        self._control.play(script)

    def heal(self) -> None:
        self._control.heal()

    def close(self) -> None:
        """Nothing is open between two calls."""

    def _fill(self, action: str, tables: Tables) -> None:
        rows = {table: [dict(row) for row in found] for table, found in tables.items()}
        self._control.call(action, "PUT", "/rows", rows)
        self._dirty = False

    def _change(self, action: str, method: str, path: str, **body: Mapping[str, Any]) -> int:
        answer = self._control.call(action, method, f"/rows/{quote(path)}", body)
        self._dirty = True
        return int(answer.get("count", 0))
