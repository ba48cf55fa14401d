"""The agency handle: what a scenario may rely on, whichever database stands behind it."""

import time
from pathlib import Path

import pytest

from grader.errors import InfrastructureFault, PackInvalid
from grader.probe.agencies import AgencyHandle, InMemoryAgency, PostgresAgency, Tables, open_agency

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


def test_a_database_that_cannot_be_reached_is_ours() -> None:
    """No answer from an agency says nothing about the app."""
    agency = PostgresAgency("facility", dsn="postgresql://a:b@127.0.0.1:1/agency", app_role="app", start_seconds=0.3)
    started = time.monotonic()
    with pytest.raises(InfrastructureFault) as caught:
        agency.fetch("SELECT 1")
    assert caught.value.params["agency"] == "facility"
    assert time.monotonic() - started > 0.3, "an agency that is still starting is waited for"


def test_an_engine_without_a_handle_is_ours() -> None:
    """Exercise and probe are of two versions when the one names an engine that the other cannot drive."""
    assert isinstance(open_agency("a", engine="postgres", dsn="x", app_role="app"), PostgresAgency)
    with pytest.raises(InfrastructureFault):
        open_agency("a", engine="oracle", dsn="x", app_role="app")
