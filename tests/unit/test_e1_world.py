"""The world of E1: the same seed gives the same register, every edge case is there, and the oracle knows the rules."""

import ast
import re
import time
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from grader.packs import Pack, World, build_world, load_pack
from grader.packs.synthetic import generator, geography, people
from grader.packs.world import cid_check_digit

E1 = Path(__file__).parents[2] / "exercises" / "e1"

AREAS = [
    {"areacode": "970101", "prov_th": "สาธิต", "dist_th": "เมืองสาธิต", "tambon_th": "ในเมือง"},
    {"areacode": "970102", "prov_th": "สาธิต", "dist_th": "เมืองสาธิต", "tambon_th": "หนองบัว"},
    {"areacode": "970301", "prov_th": "สาธิต", "dist_th": "เขาทดลอง", "tambon_th": "หนองบัว"},
]
TYPES = [{"hostype": "05", "typename": "โรงพยาบาลศูนย์"}, {"hostype": "5 ", "typename": "คลินิกทันตกรรม"}]
PLAIN = {
    "hoscode": "00712",
    "hoscodenew": "EA0000712",
    "hosname": "รพ.สต.ตัวอย่าง",
    "hostype": "05",
    "provcode": "97",
    "distcode": "01",
    "subdistcode": "01",
    "mu": "03",
    "postcode": "97100",
    "bed": "30",
    "tel": "0-9700-0001",
    "closed_date": None,
    "d_update": "20241231235959",
}


@pytest.fixture(scope="module")
def pack() -> Pack:
    """E1 as it is in the tree."""
    return load_pack(E1)


@pytest.fixture(scope="module")
def world(pack: Pack) -> World:
    """One world of E1."""
    return build_world(pack, 4711)


@pytest.fixture(scope="module")
def worlds(pack: Pack) -> list[World]:
    """The worlds of the seeds 1 to 30."""
    return [build_world(pack, seed) for seed in range(1, 31)]


@pytest.fixture
def register(world: World) -> Any:
    """Makes an oracle of hand-written rows: each is the plain facility with some columns changed."""

    def make(*changes: dict[str, Any]) -> Any:
        rows = [{**PLAIN, **change} for change in changes]
        tables = {"chospital": rows, "carea": AREAS, "chostype": TYPES}
        return type(world.oracle)(tables=tables, as_of="2026-11-22T08:00:00+07:00", mutations=())

    return make


def test_a_seed_always_gives_the_same_world(pack: Pack) -> None:
    """Two builds of one seed agree in every row, name and example."""
    first, second = build_world(pack, 7), build_world(pack, 7)
    assert first.tables == second.tables
    assert (first.as_of, first.people, first.examples) == (second.as_of, second.people, second.examples)
    assert (first.mutations, first.quotas) == (second.mutations, second.quotas)


def test_other_seeds_give_other_answers(worlds: list[World]) -> None:
    """Nothing that a check asks for can be written into a submission."""
    assert len({world.oracle.count("97") for world in worlds}) > 5
    assert len({world.as_of for world in worlds}) > 15
    assert len({world.oracle.facility("00712")["name"] for world in worlds}) > 15


@pytest.mark.parametrize("place", range(30))
def test_every_edge_case_is_there(worlds: list[World], place: int) -> None:
    """No check of any seed is empty, and no quota is content with nothing."""
    world = worlds[place]
    assert list(world.empty_quotas()) == []
    assert len({quota.name for quota in world.quotas}) == len(world.quotas) > 15
    assert all(quota.minimum > 0 for quota in world.quotas)
    assert len(world.oracle.open_facilities()) > 250


def test_no_row_is_dirtied_twice(worlds: list[World]) -> None:
    """One mistake of a trainee shows in one check only if defects do not meet in one facility."""
    for world in worlds:
        targets = [mutation.target for mutation in world.mutations]
        assert len(targets) == len(set(targets)) > 60


def test_facility_codes_are_unique_and_the_newcomer_is_free(worlds: list[World]) -> None:
    """The primary key holds, and the row that a scenario inserts sorts before the others of its tambon."""
    for oracle in (world.oracle for world in worlds):
        codes = [row["hoscode"] for row in oracle.tables["chospital"]]
        newcomer = oracle.newcomer()
        assert len(codes) == len(set(codes))
        assert newcomer["hoscode"] not in codes
        assert newcomer["hoscode"] < min(oracle.open_facilities(area="970101"))
        assert "712" not in codes


def test_the_frozen_now_is_in_the_past(worlds: list[World]) -> None:
    """An app that reads the wall clock lists too few facilities on every seed: some close the day after AS_OF."""
    for oracle in (world.oracle for world in worlds):
        assert oracle.today < date(2026, 6, 1)
        assert oracle.dirtied("closes_next_day")


def test_everybody_is_synthetic(worlds: list[World]) -> None:
    """Citizen numbers are valid, belong to no province, and each person has a name of its own."""
    for crowd in (world.people for world in worlds):
        assert len(crowd) == 8
        assert len({person.name for person in crowd}) == len({person.cid for person in crowd}) == 8
        for person in crowd:
            assert re.fullmatch(r"[1-8]97[0-9]{10}", person.cid)
            assert cid_check_digit(person.cid[:12]) == int(person.cid[12])
            assert re.fullmatch(r"[ก-๙.]+ [ก-๙]+", person.name)


def test_geography_is_that_of_the_imagined_province() -> None:
    """Six districts 9701 to 9706, six-digit tambons in order, and one tambon name in four districts."""
    tambons = geography(generator("any", 1))
    codes = [tambon.areacode for tambon in tambons]
    assert codes == sorted(set(codes))
    assert {code[:4] for code in codes} == {f"970{district}" for district in range(1, 7)}
    assert "970101" in codes
    assert sum(tambon.name == "หนองบัว" for tambon in tambons) == 4


def test_exercises_draw_apart() -> None:
    """The same seed gives two exercises different people."""
    assert people(generator("e1", 1), 5) != people(generator("e2", 1), 5)


def test_building_takes_no_time_worth_mentioning(pack: Pack) -> None:
    """A world costs less than 0.3 CPU seconds, so that a grading can build it as often as it likes."""
    started = time.process_time()
    build_world(pack, 99)
    assert time.process_time() - started < 0.3


def test_examples_name_what_is_there(world: World, pack: Pack) -> None:
    """Every example is a request that the oracle answers with data."""
    assert set(world.examples) == {operation.operation_id for operation in pack.operations}
    for example in world.examples["getFacility"]:
        assert world.oracle.facility(example["hoscode"])
    for example in world.examples["countFacilities"]:
        assert world.oracle.count(example["areacode"])
    for example in world.examples["listFacilities"]:
        wanted = {name: example[name] for name in ("area", "q") if name in example}
        day = date.fromisoformat(example["open_on"]) if "open_on" in example else None
        assert world.oracle.open_facilities(day=day, hostype=example.get("type", ""), **wanted)


def test_what_the_oracle_says_keeps_the_contract(world: World, pack: Pack) -> None:
    """Every facility of a world is a valid facility of contract.yaml."""
    schema = {"$ref": "#/components/schemas/Facility", "components": pack.contract["components"]}
    validator = jsonschema_rs.Draft202012Validator(schema)
    for row in world.tables["facility"]["chospital"]:
        validator.validate(world.oracle.facility(row["hoscode"]))


@pytest.mark.parametrize(
    ("closed_date", "expected"),
    [
        ("20261122", [True, False, False]),
        ("20261123", [True, True, False]),
        ("20261121", [False, False, False]),
        (None, [True, True, True]),
        ("", [True, True, True]),
        ("        ", [True, True, True]),
        ("00000000", [True, True, True]),
    ],
)
def test_a_facility_is_open_before_its_closing_day(
    register: Any, closed_date: str | None, expected: list[bool]
) -> None:
    """Rule 3, asked on 21, 22 and 23 November 2026."""
    oracle = register({"closed_date": closed_date})
    days = [date(2026, 11, 21), date(2026, 11, 22), date(2026, 11, 23)]
    assert [oracle.open_facilities(day=day) == ["00712"] for day in days] == expected
    assert oracle.facility("00712")["is_open"] is expected[1]


def test_unknown_parts_have_no_name_and_known_parts_keep_theirs(register: Any) -> None:
    """Rule 2: "00" is unknown; province and district names come from any area that shares their digits."""
    oracle = register(
        {"distcode": "03", "subdistcode": "00"}, {"hoscode": "00713", "distcode": "00", "subdistcode": "00"}
    )
    assert oracle.facility("00712")["area"] == {
        "areacode": "970300",
        "province_name": "สาธิต",
        "district_name": "เขาทดลอง",
        "tambon_name": None,
    }
    assert oracle.facility("00713")["area"] == {
        "areacode": "970000",
        "province_name": "สาธิต",
        "district_name": None,
        "tambon_name": None,
    }
    assert oracle.open_facilities() == ["00713", "00712"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("30", 30), ("๓๐", 30), (" 45 ", 45), ("๓0", 30), ("0", 0)),
        *((text, None) for text in ("", "-", None, "10 เตียง", "-5", "3.5", "²")),
    ],
)
def test_beds_are_digits_or_unknown(register: Any, text: str | None, number: int | None) -> None:
    """Rule 7: trimmed, Thai digits count, and what is not only digits is unknown."""
    assert register({"bed": text}).facility("00712")["bed"] == number


def test_codes_stay_text(register: Any) -> None:
    """Rule 8: padding goes, zeros stay, and "5 " is not "05"."""
    oracle = register({"hostype": "5 "}, {"hoscode": "07918"})
    assert oracle.facility("00712")["type"] == {"code": "5", "name": "คลินิกทันตกรรม"}
    assert oracle.facility("07918")["type"] == {"code": "05", "name": "โรงพยาบาลศูนย์"}
    assert oracle.open_facilities(hostype="5") == ["00712"]
    assert oracle.open_facilities(hostype="05") == ["07918"]
    assert not oracle.knows("712")
    assert not oracle.knows(712)


def test_blank_is_null(register: Any) -> None:
    """Unknown is null in every optional field, and a type that has no name keeps its code."""
    blank = {
        "hoscodenew": "         ",
        "mu": "  ",
        "postcode": "",
        "tel": " ",
        "hostype": "99",
        "closed_date": "00000000",
    }
    facility = register(blank).facility("00712")
    assert [facility[name] for name in ("hoscodenew", "moo", "postcode", "tel", "closed_date")] == [None] * 5
    assert facility["type"] == {"code": "99", "name": None}


def test_dates_are_iso_in_thai_time(register: Any) -> None:
    """Text of the register becomes ISO 8601 with +07:00."""
    facility = register({"closed_date": "20270101"}).facility("00712")
    assert facility["closed_date"] == "2027-01-01"
    assert facility["updated_at"] == "2024-12-31T23:59:59+07:00"


def test_lists_are_ordered_by_area_and_code(register: Any) -> None:
    """Rule 6: area code first, hoscode second, both as text; names and table order mean nothing."""
    oracle = register(
        {"hoscode": "10000", "subdistcode": "02", "hosname": "ก"},
        {"hoscode": "09999", "subdistcode": "02", "hosname": "เ"},
        {"hoscode": "99999", "hosname": "ฮ"},
    )
    assert oracle.open_facilities() == ["99999", "09999", "10000"]


def test_search_text_is_literal_and_knows_no_case(register: Any) -> None:
    """Rule 5: %, _ and quotes stand for themselves."""
    oracle = register(
        {"hoscode": "00001", "hosname": "คลินิก 100% O'Smile"},
        {"hoscode": "00002", "hosname": "ศูนย์ 1000 วัน_แรก"},
    )
    assert oracle.open_facilities(q="100%") == ["00001"]
    assert oracle.open_facilities(q="_") == ["00002"]
    assert oracle.open_facilities(q="o's") == ["00001"]
    assert oracle.open_facilities(q="' OR 1=1 --") == []


def test_counts_are_of_open_facilities_with_the_prefix(register: Any) -> None:
    """An area without a facility has 0, an area that does not exist has no count at all."""
    oracle = register(
        {"hoscode": "00001"},
        {"hoscode": "00002", "subdistcode": "00"},
        {"hoscode": "00003", "closed_date": "20261122"},
    )
    counts = [oracle.count(area) for area in ("97", "9701", "970101", "970102", "9703", "970100", "98", "9702")]
    assert counts == [2, 2, 1, 0, 0, None, None, None]
    assert [oracle.count(area) for area in oracle.unknown_areas()] == [None, None, None]


def test_every_check_of_the_exercise_has_a_scenario(pack: Pack) -> None:
    """The ids in @pytest.mark.check are exactly the specific checks of checks.toml, and every file compiles."""
    marked = set()
    for file in (E1 / "scenarios").glob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.check":
                marked.add(ast.literal_eval(node.args[0]))
    assert marked == {check.id for check in pack.checks.values() if check.specific}


@pytest.mark.parametrize("language", ["th", "en"])
def test_the_brief_tells_what_is_graded(pack: Pack, language: str) -> None:
    """Both briefs name every check with its points and mark, every operation, and the section each check points to."""
    brief = (E1 / f"brief.{language}.md").read_text("utf-8")
    headings = {match[1] for match in re.finditer(r"^#{2,3} ([0-9.]+) ", brief, re.MULTILINE)}
    for check in pack.checks.values():
        row = re.search(rf"^\| {check.id}(★?) \|.*\| ([0-9]+) \| [0-9.]+ \|$", brief, re.MULTILINE)
        assert row, check.id
        assert (bool(row[1]), int(row[2])) == (check.mandatory, check.points), check.id
        assert not check.task or check.task in headings, check.id
    for operation in pack.operations:
        assert operation.operation_id in brief
    for variable in ("PORT", "AGENCY_FACILITY_URL", "AS_OF", "TZ"):
        assert f"`{variable}`" in brief
