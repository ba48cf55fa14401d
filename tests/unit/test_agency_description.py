"""The description of a REST agency: what it may say, and that each mistake is told with its place."""

import tomllib

import pytest

from grader.errors import PackInvalid
from grader.packs.rest import (
    BatchRoute,
    ListRoute,
    OneRoute,
    RestDescription,
    RowMisfit,
    read_description,
    refuse_equal_keys,
    refuse_unfit_row,
)
from tests.fixtures.agencies import REGISTRY
from tests.test_docs import ROOT

FILE = "agencies/registry.toml"
TABLE = '[tables.t]\ncolumns = ["id", "x"]\nkey = "id"\n'
ROUTE = '[routes.r]\nkind = "{}"\npath = "{}"\ntable = "t"\n'


def refused(text: str) -> tuple[str, str, str]:
    """Code, place and fix of what is wrong with a description."""
    with pytest.raises(PackInvalid) as caught:
        read_description(text, file=FILE)
    assert caught.value.file == FILE
    assert caught.value.problem
    return caught.value.code, caught.value.where, caught.value.fix


def test_a_description_becomes_a_value_and_survives_its_journey() -> None:
    """Routes have their kinds, and what the agency reads from JSON is what the file says."""
    found = read_description(REGISTRY, file=FILE)
    kinds = {name: type(route) for name, route in found.routes.items()}
    assert (kinds["person"], kinds["batch"], kinds["walk"]) == (OneRoute, BatchRoute, ListRoute)
    assert (found.routes["person"].method, found.routes["batch"].method) == ("GET", "POST")
    assert RestDescription.model_validate_json(found.model_dump_json()) == found


def test_the_examples_of_the_documentation_can_be_read() -> None:
    """Both TOML blocks of docs/packs.md about REST agencies, together with the tables that the second leaves out."""
    text = (ROOT / "docs" / "packs.md").read_text("utf-8").partition(": a REST agency\n")[2]
    first, second = (block.partition("\n```")[0] for block in text.split("```toml\n")[1:3])
    found = read_description(first, file=FILE)
    assert {"person", "batch"} <= found.routes.keys()
    tables = '[tables.s_facility]\ncolumns = ["hospcode", "areacode", "b_year"]\n[tables.centers]\ncolumns = ["ชื่อ"]\n'
    assert tomllib.loads(second)["routes"].keys() == read_description(tables + second, file=FILE).routes.keys()


@pytest.mark.parametrize(
    ("text", "code", "where", "fix"),
    [
        ("[tables", "pack.toml_syntax", "line 1", ""),
        ("", "pack.missing_key", "tables", ""),
        (TABLE, "pack.missing_key", "routes", ""),
        (TABLE + "[routes]\n", "pack.wrong_value", "routes", ""),
        (TABLE + "[auht]\n" + ROUTE.format("list", "/r"), "pack.unknown_key", "auht", "auth"),
        (TABLE + '[auth]\nheader = "A b"\n' + ROUTE.format("list", "/r"), "pack.wrong_value", "auth.header", ""),
        ("[tables.t]\n" + ROUTE.format("list", "/r"), "pack.missing_key", "tables.t.columns", ""),
        (TABLE.replace('"x"', '"id"') + ROUTE.format("list", "/r"), "pack.wrong_value", "tables.t.columns", "once"),
        (TABLE.replace('"id"\n', '"idd"\n') + ROUTE.format("list", "/r"), "pack.wrong_value", "tables.t.key", "id"),
        (TABLE + ROUTE.format("lists", "/r"), "pack.wrong_value", "routes.r.kind", "list"),
        (TABLE + '[routes.r]\npath = "/r"\ntable = "t"\n', "pack.wrong_value", "routes.r.kind", "one"),
        (TABLE + ROUTE.format("list", "r"), "pack.wrong_value", "routes.r.path", ""),
        (TABLE + ROUTE.format("list", "/r/{id}"), "pack.wrong_value", "routes.r.path", "one"),
        (TABLE + ROUTE.format("one", "/r"), "pack.wrong_value", "routes.r.path", "one"),
        (TABLE + ROUTE.format("one", "/r/{id}/{x}"), "pack.wrong_value", "routes.r.path", "one"),
        (TABLE + ROUTE.format("one", "/r/{idd}"), "pack.wrong_value", "routes.r.path", "id"),
        (
            TABLE + ROUTE.format("one", "/r/{id}") + "missing = {status = 204}\n",
            *("pack.wrong_value", "routes.r.missing", ""),
        ),
        (
            TABLE + ROUTE.format("one", "/r/{id}") + "missing = {status = 200}\n",
            *("pack.wrong_value", "routes.r.missing", ""),
        ),
        (TABLE + ROUTE.format("one", "/r/{n}") + 'column = "xx"\n', "pack.wrong_value", "routes.r.column", "x"),
        (TABLE + ROUTE.format("list", "/r").replace('"t"', '"tt"'), "pack.wrong_value", "routes.r.table", "t"),
        (TABLE + ROUTE.format("list", "/r") + 'asks = "ids"\n', "pack.unknown_key", "routes.r.asks", ""),
        (TABLE + ROUTE.format("list", "/r") + 'filter = {x = "x"}\n', "pack.unknown_key", "routes.r.filter", "filters"),
        (TABLE + ROUTE.format("list", "/r") + 'filters = {x = "y"}\n', "pack.wrong_value", "routes.r.filters.x", ""),
        (TABLE + ROUTE.format("list", "/r") + 'input = "body"\n', "pack.wrong_value", "routes.r.input", "POST"),
        (TABLE + ROUTE.format("list", "/r") + 'encoding = "cp874"\n', "pack.wrong_value", "routes.r.encoding", "csv"),
        (
            TABLE + ROUTE.format("list", "/r") + 'format = "csv"\nwrap = "d"\n',
            "pack.wrong_value",
            "routes.r.format",
            "",
        ),
        (TABLE + ROUTE.format("batch", "/r") + "limit = 5\n", "pack.missing_key", "routes.r.asks", ""),
        (TABLE + ROUTE.format("batch", "/r") + 'asks = "ids"\nlimit = 0\n', "pack.wrong_value", "routes.r.limit", ""),
        (
            TABLE.replace('key = "id"\n', "") + ROUTE.format("batch", "/r") + 'asks = "ids"\nlimit = 5\n',
            *("pack.wrong_value", "routes.r.column", "key"),
        ),
        (
            TABLE + ROUTE.format("one", "/r/{id}") + ROUTE.replace("[routes.r]", "[routes.s]").format("one", "/r/{x}"),
            *("pack.wrong_value", "routes.s.path", "own"),
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, code: str, where: str, fix: str) -> None:
    """The code, the key that is wrong, and the nearest word or another way out."""
    found = refused(text)
    assert found[:2] == (code, where)
    assert fix in found[2]


@pytest.mark.parametrize(
    ("table", "row", "where"),
    [
        ("persons", {"cid": "1", "sex": None}, None),
        ("persons", {"cid": {"nested": ["☂"]}}, None),
        ("centers", {"ชื่อ": "“ศูนย์”"}, None),
        ("centers", {"ชื่อ": "☂"}, "centers.ชื่อ"),
        ("persons", {"cidd": "1"}, "persons.cidd"),
        ("person", {}, "person"),
        ("persons", ["cid"], "persons"),
    ],
)
def test_a_row_fits_or_is_told_where_not(table: str, row: object, where: str | None) -> None:
    """Columns of its table, and text that a CSV's encoding has."""
    description = read_description(REGISTRY, file=FILE)
    if where is None:
        refuse_unfit_row(description, table, row)
    else:
        with pytest.raises(RowMisfit) as caught:
            refuse_unfit_row(description, table, row)
        assert caught.value.where == where


def test_keys_are_unique_as_the_app_sees_them() -> None:
    """A number and its text are one key; a table without a key may hold anything twice."""
    description = read_description(REGISTRY, file=FILE)
    refuse_equal_keys(description, "centers", [{"รหัส": "1"}, {"รหัส": "1"}])
    refuse_equal_keys(description, "persons", [{"cid": "1"}, {"cid": "2"}])
    with pytest.raises(RowMisfit):
        refuse_equal_keys(description, "persons", [{"cid": "1"}, {"cid": 1}])
