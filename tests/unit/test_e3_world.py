"""The world of E3: the same seed gives the same files, every edge case is there, and the oracle knows the rules."""

import ast
import re
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from grader.packs import Pack, World, build_world, load_pack
from grader.packs.world import cid_check_digit

E3 = Path(__file__).parents[2] / "exercises" / "e3"


@pytest.fixture(scope="module")
def pack() -> Pack:
    """E3 as it is in the tree."""
    return load_pack(E3)


@pytest.fixture(scope="module")
def world(pack: Pack) -> World:
    """One world of E3."""
    return build_world(pack, 4711)


@pytest.fixture(scope="module")
def worlds(pack: Pack) -> list[World]:
    """The worlds of the seeds 1 to 8."""
    return [build_world(pack, seed) for seed in range(1, 9)]


def test_a_seed_always_gives_the_same_world(pack: Pack) -> None:
    """Two builds of one seed agree in every row, number and example."""
    first, second = build_world(pack, 7), build_world(pack, 7)
    assert first.tables == second.tables
    assert (first.as_of, first.env, first.people) == (second.as_of, second.env, second.people)
    assert (first.examples, first.mutations, first.quotas) == (second.examples, second.mutations, second.quotas)


def test_other_seeds_give_other_answers(worlds: list[World]) -> None:
    """Nothing that a check asks for can be written into a submission."""
    assert len({world.env["PSEUDONYM_KEY"] for world in worlds}) == len(worlds)
    assert len({world.as_of for world in worlds}) > 5
    assert len({tuple(world.oracle.counts().values()) for world in worlds}) == len(worlds)
    assert len({world.oracle.rate(world.oracle.years[0])["a"] for world in worlds}) > 4


@pytest.mark.parametrize("place", range(8))
def test_every_edge_case_is_there(worlds: list[World], place: int) -> None:
    """No check of any seed is empty, and no quota is content with nothing."""
    world = worlds[place]
    assert list(world.empty_quotas()) == []
    assert len({quota.name for quota in world.quotas}) == len(world.quotas) > 25
    assert all(quota.minimum > 0 for quota in world.quotas)


@pytest.mark.parametrize("place", range(8))
def test_ten_batches_hold_all_numbers_and_nine_do_not(worlds: list[World], place: int) -> None:
    """Twelve requests leave room for a batch or two more, but not for batches of 50."""
    counted = {quota.name: quota.count for quota in worlds[place].quotas}
    assert 901 <= counted["numbers_to_ask"] <= 1000
    assert 950 <= counted["pregnancies"] <= 1060


def test_the_database_takes_the_rows(worlds: list[World]) -> None:
    """Keys are unique, and every visit and pregnancy is that of a woman in person."""
    for world in worlds:
        hdc = world.tables["hdc"]
        person = Counter((row["hospcode"], row["pid"]) for row in hdc["person"])
        assert max(person.values()) == 1
        assert len({(row["hospcode"], row["pid"], row["seq"]) for row in hdc["anc"]}) == len(hdc["anc"])
        enrolled = Counter((row["hospcode"], row["pid"], row["gravida"]) for row in hdc["prenatal"])
        assert max(enrolled.values()) == 1
        assert all((row["hospcode"], row["pid"]) in person for row in (*hdc["prenatal"], *hdc["anc"]))
        cids = Counter(row["cid"] for row in world.tables["dopa"]["persons"])
        assert max(cids.values()) == 1


def test_columns_are_those_of_the_tables(world: World) -> None:
    """Every row has exactly the columns that agencies/hdc.sql creates, and no text is longer than its column."""
    tables = re.findall(r"CREATE TABLE (\w+) \((.*?)\n\)", (E3 / "agencies" / "hdc.sql").read_text("utf-8"), re.DOTALL)
    for name, body in tables:
        widths = {
            column: int(width) for column, width in re.findall(r"^    (\w+) +VARCHAR\((\d+)\)", body, re.MULTILINE)
        }
        for row in world.tables["hdc"][name]:
            assert set(row) == set(widths)
            assert all(value is None or len(value) <= widths[column] for column, value in row.items())


def test_rows_of_one_number_agree_on_the_birth_date(worlds: list[World]) -> None:
    """The brief promises it, so that it never depends on a row which birth date is compared."""
    for world in worlds:
        births: dict[str, set[str]] = {}
        for row in world.tables["hdc"]["person"]:
            digits = re.sub(r"\D", "", row["cid"] or "")
            births.setdefault("".join(str(int(one)) for one in digits), set()).add(row["birth"])
        del births[""]
        assert all(len(dates) == 1 for dates in births.values())


def test_riddles_lie_outside_of_the_years_that_rates_are_asked_for(worlds: list[World]) -> None:
    """A wrong third digit, a half known birth date or a dashed number never changes what E3-S1 compares."""
    apart = ("third_digit", "dashed", "thai_digits", "leap_day", "only_anc", "padded_gravida", "conflict_before_status")
    for oracle in (world.oracle for world in worlds):
        asked = {*oracle.years, oracle.elsewhere_year}
        births = [one.mutator for one in oracle.mutations if one.mutator.startswith("birth_")]
        for mutator in (*apart, *births):
            assert all(oracle.case(case_id)["fy_be"] not in asked for case_id in oracle.dirtied(mutator)), mutator
        for case_id in oracle.dirtied("elsewhere"):
            assert oracle.case(case_id)["fy_be"] == oracle.elsewhere_year
        assert all(one.outcome != "conflict" for one in oracle.pregnancies.values() if one.fy_be in asked)


def test_women_of_the_asked_years_are_first_seen_where_they_are_registered(worlds: list[World]) -> None:
    """Forgetting other facilities is the lesson of E3-S4 alone."""
    for world in worlds:
        oracle, hdc = world.oracle, world.tables["hdc"]
        cids = {(row["hospcode"], row["pid"]): row["cid"] for row in hdc["person"]}
        newest: dict[str, Any] = {}
        for row in sorted(hdc["prenatal"], key=lambda row: (row["d_update"], -int(row["hospcode"]))):
            newest[oracle.case_id(f"{cids[row['hospcode'], row['pid']]}{row['gravida']}")] = row
        own = Counter((row["hospcode"], row["pid"], int(row["gravida"]), row["date_serv"]) for row in hdc["anc"])
        for case_id, row in newest.items():
            case = oracle.pregnancies.get(case_id)
            if case is not None and case.fy_be in oracle.years and case.first_visit:
                assert own[row["hospcode"], row["pid"], int(row["gravida"]), f"{case.first_visit:%Y%m%d}"]


def test_visits_are_over_before_the_frozen_now(worlds: list[World]) -> None:
    """Nothing in the files is from the future of AS_OF."""
    for world in worlds:
        today = world.as_of[:10].replace("-", "")
        assert max(row["date_serv"] for row in world.tables["hdc"]["anc"]) < today
        assert max(row["d_update"][:8] for file in world.tables["hdc"].values() for row in file) < today


def test_everybody_is_synthetic(worlds: list[World]) -> None:
    """Citizen numbers are valid and belong to no province; PIDs are long enough to be told from other numbers."""
    for world in worlds:
        pids = [row["pid"] for row in world.tables["hdc"]["person"]]
        assert len(set(pids)) == len(pids)
        assert all(re.fullmatch(r"0[3-8][0-9]{9}", pid) for pid in pids)
        known = {number for person in world.people for number in (person.cid, *person.identifiers)}
        assert set(pids) <= known
        for person in world.people:
            assert re.fullmatch(r"[1-8]97[0-9]{10}", person.cid)
            assert cid_check_digit(person.cid[:12]) == int(person.cid[12])
            assert re.fullmatch(r"[ก-๙.]+ [ก-๙]+", person.name)
        typed = {re.sub(r"\D", "", row["cid"] or "") for row in world.tables["hdc"]["person"]} - {""}
        assert {"".join(str(int(one)) for one in text) for text in typed} <= known


def test_the_key_is_as_short_as_the_brief_allows(worlds: list[World]) -> None:
    """A service that uses the first 32 characters only is right until E3-S9 gives it a longer key."""
    assert {len(world.env["PSEUDONYM_KEY"]) for world in worlds} == {32}


def test_examples_name_what_is_there(world: World, pack: Pack) -> None:
    """Every example is a request that the oracle answers."""
    assert set(world.examples) == {operation.operation_id for operation in pack.operations}
    outcomes = {world.oracle.case(example["case_id"])["outcome"] for example in world.examples["getCase"]}
    assert outcomes == set(world.oracle.counts())
    for example in world.examples["listReconciliation"]:
        assert world.oracle.case_ids(example.get("outcome", ""))
    assert {len(example.get("area", "97")) for example in world.examples["getFirstVisitRate"]} == {2, 4, 6}


def test_what_the_oracle_says_keeps_the_contract(world: World, pack: Pack) -> None:
    """Every case and rate of a world is valid by contract.yaml."""

    def validator(name: str) -> Any:
        schema = {"$ref": f"#/components/schemas/{name}", "components": pack.contract["components"]}
        return jsonschema_rs.Draft202012Validator(schema)

    case, rate, counts = validator("Case"), validator("Rate"), validator("Counts")
    for case_id in world.oracle.case_ids():
        case.validate({**world.oracle.case(case_id), "reason": "…"})
    for year in (*world.oracle.years, world.oracle.elsewhere_year, 2600):
        for area in world.oracle.areas:
            rate.validate(world.oracle.rate(year, area))
    counts.validate(world.oracle.counts())
    assert sum(world.oracle.counts().values()) == len(world.oracle.case_ids())


def test_every_check_but_the_engines_has_a_scenario(pack: Pack) -> None:
    """The ids in @pytest.mark.check are the specific checks of checks.toml without those of the privacy family."""
    marked = set()
    for file in (E3 / "scenarios").glob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.check":
                marked.add(ast.literal_eval(node.args[0]))
    assert marked == {check.id for check in pack.checks.values() if check.specific and check.family != "privacy"}


@pytest.mark.parametrize("language", ["th", "en"])
def test_the_brief_tells_what_is_graded(pack: Pack, language: str) -> None:
    """Both briefs name every check with its points and mark, every operation, and the section each check points to."""
    brief = (E3 / f"brief.{language}.md").read_text("utf-8")
    headings = {match[1] for match in re.finditer(r"^#{2,3} ([0-9.]+) ", brief, re.MULTILINE)}
    for check in pack.checks.values():
        row = re.search(rf"^\| {check.id}(★?) \|.*\| ([0-9]+) \| [0-9.]+ \|$", brief, re.MULTILINE)
        assert row, check.id
        assert (bool(row[1]), int(row[2])) == (check.mandatory, check.points), check.id
        assert not check.task or check.task in headings, check.id
    for operation in pack.operations:
        assert operation.operation_id in brief
    for variable in ("PORT", "AGENCY_HDC_URL", "AGENCY_DOPA_URL", "AGENCY_DOPA_TOKEN", "PSEUDONYM_KEY", "AS_OF", "TZ"):
        assert f"`{variable}`" in brief
    for vector in ("HXPDI4XVG6XDG3DJ", "6ATHLTFUCBVWEQDB", "QSHLP66SSF6FPPMP"):
        assert f"`{vector}`" in brief
