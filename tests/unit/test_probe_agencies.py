"""The agency handle: what a scenario may rely on, whichever database stands behind it."""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pymysql
import pytest

from grader.errors import InfrastructureFault, PackInvalid
from grader.probe.agencies import (
    AgencyHandle,
    InMemoryAgency,
    MariadbAgency,
    PostgresAgency,
    Tables,
    mariadb,
    open_agency,
)
from grader.probe.agencies.kept import KeptRows

SCHEMA = (
    "CREATE TABLE area (code char(6) PRIMARY KEY, name text); CREATE TABLE place (id char(5) PRIMARY KEY, bed text)"
)
TABLES: Tables = {
    "area": [{"code": "970101", "name": "ตำบลหนึ่ง"}],
    "place": [{"id": "00712", "bed": "๓๐"}, {"id": "07918", "bed": None}, {"id": "5", "bed": "it's \\ 100%\t"}],
}


def keeps_the_contract(agency: AgencyHandle) -> None:
    """Every promise of AgencyHandle; ``agency`` is an empty database. Integration tests call it with a real server."""
    agency.create_schema(SCHEMA)
    agency.create_schema(SCHEMA)
    agency.load(TABLES)
    assert not agency.dirty
    rows = agency.fetch("SELECT id, bed FROM place ORDER BY id")
    assert [(row["id"].rstrip(" "), row["bed"]) for row in rows] == [
        *(("00712", "๓๐"), ("07918", None), ("5", "it's \\ 100%\t")),
    ]

    agency.insert("place", {"id": "00999", "bed": "1"})
    assert agency.dirty
    assert agency.update("place", {"bed": "2"}, where={"id": "00999", "bed": "1"}) == 1
    assert agency.update("place", {"bed": "3"}, where={"id": "none"}) == 0
    assert agency.fetch("SELECT bed FROM place WHERE id = %s", ["00999"]) == [{"bed": "2"}]
    assert agency.delete("place", where={"id": "00712"}) == 1

    agency.reset(TABLES)
    assert not agency.dirty
    assert agency.fetch("SELECT id, bed FROM place ORDER BY id") == rows

    with pytest.raises(PackInvalid) as caught:
        agency.insert("nowhere", {"id": "1"})
    assert caught.value.params["where"] == f"{agency.name}.insert"
    with pytest.raises(PackInvalid):
        agency.insert("area", {"code": "970101", "name": "twice"})
    with pytest.raises(PackInvalid):
        agency.fetch("SELECT what FROM place")
    agency.forget()
    assert agency.statements() == 0
    agency.close()
    assert agency.fetch("SELECT count(*) AS n FROM place") == [{"n": 3}]


def test_the_agency_in_memory_keeps_the_contract() -> None:
    """The shipped second implementation does what a real agency does."""
    keeps_the_contract(InMemoryAgency("facility"))


def test_the_agency_in_a_file_keeps_the_contract(tmp_path: Path) -> None:
    """So does the one that another process can look into."""
    keeps_the_contract(InMemoryAgency("facility", file=tmp_path / "agency.db"))


def test_only_reads_of_the_agencys_tables_are_counted() -> None:
    """A driver's own questions are no statements of the app."""
    agency = InMemoryAgency("facility")
    agency.create_schema(SCHEMA)
    agency.load(TABLES)
    agency.app_query("SELECT 1")
    for _ in range(3):
        agency.app_query("SELECT * FROM place WHERE id = ?", ["00712"])
    assert agency.statements() == 3
    agency.forget()
    assert agency.statements() == 0


def test_a_broken_schema_is_the_authors() -> None:
    """A script that the database refuses names the agency it belongs to."""
    with pytest.raises(PackInvalid) as caught:
        InMemoryAgency("facility").create_schema("CREATE TABEL x")
    assert caught.value.params["file"] == "agencies.facility"


@pytest.mark.parametrize("kind", [PostgresAgency, MariadbAgency])
def test_a_database_that_cannot_be_reached_is_ours(kind: type[PostgresAgency] | type[MariadbAgency]) -> None:
    """No answer from an agency says nothing about the app."""
    scheme = "postgresql" if kind is PostgresAgency else "mysql"
    agency = kind("facility", dsn=f"{scheme}://a:b@127.0.0.1:1/agency", app_role="app", start_seconds=0.3)
    started = time.monotonic()
    with pytest.raises(InfrastructureFault) as caught:
        agency.fetch("SELECT 1")
    assert caught.value.params["agency"] == "facility"
    assert time.monotonic() - started > 0.3, "an agency that is still starting is waited for"


@pytest.mark.parametrize(
    ("problem", "authors"),
    [
        (pymysql.ProgrammingError(1146, "Table 'agency.nowhere' doesn't exist"), True),
        (pymysql.OperationalError(1054, "Unknown column 'x'"), True),
        (pymysql.IntegrityError(1062, "Duplicate entry"), True),
        (pymysql.DataError(1406, "Data too long"), True),
        (pymysql.ProgrammingError("TypeError: a value that no statement can hold"), True),
        (pymysql.OperationalError(1205, "Lock wait timeout exceeded"), False),
        (pymysql.OperationalError(1969, "max_statement_time exceeded"), False),
        (pymysql.OperationalError(1227, "Access denied"), False),
        (pymysql.OperationalError(2013, "Lost connection"), False),
        (pymysql.InterfaceError(0, ""), False),
    ],
)
def test_what_mariadb_refuses_is_the_authors_and_what_it_suffers_is_ours(
    problem: pymysql.Error, *, authors: bool
) -> None:
    """The driver has one class for a misspelt column and for a lost connection, so the number decides."""
    agency = MariadbAgency("hdc", dsn="mysql://a:b@127.0.0.1:1/agency", app_role="app")
    with pytest.raises(PackInvalid if authors else InfrastructureFault), agency._translated("insert"):
        raise problem
    with pytest.raises(InfrastructureFault), agency._translated("statements", ours=True):
        raise problem


def test_statements_are_read_from_the_lines_of_the_meter() -> None:
    """Those of the app's account on the agency's tables; one that is just being written is left for the next look."""
    log = """20261122 08:00:01,sandbox,app,localhost,7,41,READ,agency,person,
20261122 08:00:01,sandbox,app,localhost,7,41,READ,agency,area,
20261122 08:00:02,sandbox,grader,10.0.0.2,3,42,WRITE,agency,person,
20261122 08:00:02,sandbox,app,localhost,8,43,READ,information_schema,tables,
20261122 08:00:03,sandbox,app,localhost,8,44,READ,agency,ตาราง,
20261122 08:00:03,sandbox,app,localhost,8,4""".encode()
    assert list(mariadb._opened_tables(log, "app", "agency")) == [(7, 41), (7, 41), (8, 44)]
    assert list(mariadb._opened_tables(b"", "app", "agency")) == []


def test_names_and_values_of_an_exercise_stay_what_they_are() -> None:
    """A statement is put together by the driver with %, so a name may hold that and a quote."""
    assert mariadb._formatted("a`b%s") == "`a``b%%s`"
    assert mariadb._quoted("a`b%s") == "`a``b%s`"


class Kept(KeptRows):
    """A database that only notes what it is asked to do; ``rows`` are its tables."""

    name = "facility"

    def __init__(self) -> None:
        super().__init__(None)
        self.rows: dict[str, object] = {}
        self.notes: list[object] = []

    def _store(self, tables: Tables) -> None:
        self.notes.append("store")
        self.rows = dict(tables)

    def _keep(self) -> None:
        self.notes.append("keep")

    def _measured(self) -> Mapping[str, str]:
        return {name: repr(rows) for name, rows in self.rows.items()}

    def _restore(self, names: Collection[str]) -> None:
        self.notes.append(sorted(names))

    @contextmanager
    def _translated(self, action: str) -> Iterator[None]:
        self.notes.append(action)
        yield


def test_only_tables_that_changed_are_put_back() -> None:
    """Changes through the handle are known, all others are found, and other rows are loaded anew."""
    agency = Kept()
    agency.load(TABLES)
    assert agency.notes == ["load", "store", "keep"]
    agency.notes.clear()
    agency.reset(dict(TABLES))
    assert agency.notes == ["reset"], "nothing changed, nothing is written"
    agency._touched.add("area")
    assert agency.dirty
    agency.reset(TABLES)
    assert agency.notes == ["reset", "reset", ["area"]], "though its sum is the same"
    assert not agency.dirty
    agency.rows = {**TABLES, "place": []}
    agency.notes.clear()
    agency.reset(TABLES)
    assert agency.notes == ["reset", ["place"]]
    agency.notes.clear()
    agency.reset({"area": []})
    assert agency.notes == ["load", "store", "keep"]


def test_an_engine_without_a_handle_is_ours() -> None:
    """Exercise and probe are of two versions when the one names an engine that the other cannot drive."""
    assert isinstance(open_agency("a", engine="postgres", dsn="x", app_role="app"), PostgresAgency)
    assert isinstance(open_agency("a", engine="mariadb", dsn="x", app_role="app"), MariadbAgency)
    with pytest.raises(InfrastructureFault):
        open_agency("a", engine="oracle", dsn="x", app_role="app")
