"""How a database agency gets its rows and gets them back: what PostgreSQL and MariaDB have in common.

After loading, the server keeps a copy of every table where the app cannot look. A reset compares each table with a sum
over its rows and puts back, inside the server, those that differ: an app start after which nothing changed costs one
read, and nothing is sent a second time.
"""
# ruff: noqa: D102 - AgencyHandle documents these methods

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager

from grader.probe.agencies.control import AgencyControl, BehindDoor
from grader.probe.agencies.handle import Tables

KEPT = "kept"
"""Where the copies are: a schema (PostgreSQL) or database (MariaDB) that the app's account has no right on."""


class KeptRows(BehindDoor, ABC):
    """Loading and resetting. Every private method may raise what its database's driver raises."""

    def __init__(self, control: AgencyControl | None) -> None:
        super().__init__(control)
        self._touched: set[str] = set()
        self._loaded: Tables | None = None
        self._sums: dict[str, str] = {}

    @property
    def dirty(self) -> bool:
        return bool(self._touched)

    def load(self, tables: Tables) -> None:
        self._loaded = None
        with self._translated("load"):
            self._store(tables)
            self._keep()
            self._sums = dict(self._measured())
        self._loaded = tables
        self._touched.clear()

    def reset(self, tables: Tables) -> None:
        if tables != self._loaded:
            self.load(tables)
            return
        with self._translated("reset"):
            now = self._measured()
            # What was changed through this handle is put back in any case: a sum is no proof.
            changed = [table for table in self._sums if table in self._touched or now.get(table) != self._sums[table]]
            if changed:
                self._restore(changed)
        self._touched.clear()

    @abstractmethod
    def _store(self, tables: Tables) -> None:
        """Make these the rows, in one transaction and without waiting for an app that reads, and let the app read."""

    @abstractmethod
    def _keep(self) -> None:
        """Copy every table to KEPT, in place of what was there."""

    @abstractmethod
    def _measured(self) -> Mapping[str, str]:
        """Of each table a sum over its rows that tells whether they changed."""

    @abstractmethod
    def _restore(self, names: Collection[str]) -> None:
        """Put back these tables from KEPT, in one transaction and without waiting for an app that reads."""

    @abstractmethod
    def _translated(self, action: str) -> AbstractContextManager[None]:
        """Turn what the driver raises into PackInvalid or InfrastructureFault."""
