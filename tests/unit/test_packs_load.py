"""Loading an exercise: what a good one gives, and what the author is told about a bad one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from grader.errors import PackInvalid, UsageProblem
from grader.packs import Operation, describe, find_pack, list_packs, load_pack
from tests.fixtures.pack_builder import PackBuilder, build_pack

Breaking = Callable[[PackBuilder], object]


@pytest.fixture
def builder(tmp_path: Path) -> PackBuilder:
    """A clean pack that the test breaks."""
    return build_pack(tmp_path)


def test_checks_stand_in_report_order(builder: PackBuilder) -> None:
    """Specific checks come first, then the contract, then the engine's own; together they are 100 points."""
    pack = builder.load()
    assert list(pack.checks) == ["DEMO-S1", "DEMO-S2", "C", "U1", "U2", "U3", "U4", "U5", "U6", "U7"]
    assert sum(check.points for check in pack.checks.values()) == 100


def test_universal_checks_are_supplied_by_the_engine(builder: PackBuilder) -> None:
    """U1 to U3 are mandatory, the families say who judges, and the contract gets its points from the weights."""
    checks = builder.load().checks
    assert [name for name, check in checks.items() if check.mandatory] == ["DEMO-S1", "U1", "U2", "U3"]
    assert {name: check.family for name, check in checks.items() if not check.specific} == {
        "C": "contract",
        "U1": "contract",
        "U2": "privacy",
        "U3": "privacy",
        "U4": "universal",
        "U5": "resilience",
        "U6": "universal",
        "U7": "universal",
    }
    assert checks["C"].points == 35
    assert {check.group for name, check in checks.items() if name.startswith("U")} == {"universal"}


def test_an_exercise_may_weigh_universal_checks_differently(builder: PackBuilder) -> None:
    """A table [U1] with points replaces the engine's points, and the weights follow."""
    builder.write("checks.toml", (builder.root / "checks.toml").read_text("utf-8") + "\n[U1]\npoints = 2\n")
    builder.replace("exercise.toml", "universal = 15", "universal = 14")
    builder.replace("exercise.toml", "contract = 35", "contract = 36")
    checks = builder.load().checks
    assert checks["U1"].points == 2
    assert checks["U1"].mandatory


def test_specific_checks_may_belong_to_another_family(builder: PackBuilder) -> None:
    """A check with a family counts in the weight of that family."""
    builder.replace("checks.toml", "points = 20", 'family = "resilience"\npoints = 20')
    builder.replace("exercise.toml", "scenario = 50", "scenario = 30\nresilience = 20")
    assert builder.load().checks["DEMO-S2"].group == "resilience"


def test_operations_are_read_from_the_contract(builder: PackBuilder) -> None:
    """Operations keep the order of the contract, with methods in capitals."""
    assert builder.load().operations == (
        Operation(operation_id="listItems", method="GET", path="/items"),
        Operation(operation_id="getItem", method="GET", path="/items/{code}"),
    )


def test_statuses_and_dates_of_the_contract_are_texts(builder: PackBuilder) -> None:
    """A bare 200 and a bare date in YAML read as JSON would have them."""
    builder.replace("contract.yaml", '"200":', "200:")
    builder.replace("contract.yaml", "version: 0.1.0", "version: 2026-11-22")
    contract = builder.load().contract
    assert "200" in contract["paths"]["/items"]["get"]["responses"]
    assert contract["info"]["version"] == "2026-11-22"


ERRORS: list[tuple[str, str, str, Breaking]] = [
    ("pack.missing_file", "exercise.toml", "", lambda pack: pack.remove("exercise.toml")),
    ("pack.missing_file", "checks.toml", "", lambda pack: pack.remove("checks.toml")),
    ("pack.missing_file", "contract.yaml", "", lambda pack: pack.remove("contract.yaml")),
    ("pack.missing_file", "world.py", "", lambda pack: pack.remove("world.py")),
    ("pack.missing_file", "scenarios/", "", lambda pack: pack.remove("scenarios/test_items.py")),
    (
        "pack.missing_file",
        "agencies/store.sql",
        "agencies.store.schema",
        lambda pack: pack.remove("agencies/store.sql"),
    ),
    (
        "pack.missing_file",
        "../outside.sql",
        "agencies.store.schema",
        lambda pack: pack.replace("exercise.toml", "agencies/store.sql", "../outside.sql"),
    ),
    ("pack.toml_syntax", "exercise.toml", "line 2", lambda pack: pack.write("exercise.toml", "schema = 1\nid = \n")),
    ("pack.toml_syntax", "checks.toml", "line 1", lambda pack: pack.write("checks.toml", "[DEMO-S1\n")),
    ("pack.yaml_syntax", "contract.yaml", "line 2", lambda pack: pack.write("contract.yaml", "a: 1\n\tb: 2\n")),
    ("pack.yaml_syntax", "contract.yaml", "line 2", lambda pack: pack.write("contract.yaml", "a: 1\na: 2\n")),
    ("pack.unknown_key", "exercise.toml", "hourz", lambda pack: pack.replace("exercise.toml", "hours", "hourz")),
    (
        "pack.unknown_key",
        "exercise.toml",
        "limits.memory",
        lambda pack: pack.replace("exercise.toml", "memory_mb", "memory"),
    ),
    (
        "pack.unknown_key",
        "exercise.toml",
        "agencies.store.engin",
        lambda pack: pack.replace("exercise.toml", 'engine = "postgres"', 'engin = "postgres"'),
    ),
    (
        "pack.unknown_key",
        "checks.toml",
        "DEMO-S1.titel",
        lambda pack: pack.replace("checks.toml", "title =", "titel ="),
    ),
    (
        "pack.unknown_key",
        "checks.toml",
        "U1.mandatory",
        lambda pack: pack.replace("checks.toml", "[DEMO-S1]", "[U1]\nmandatory = false\n[DEMO-S1]"),
    ),
    ("pack.missing_key", "exercise.toml", "hours", lambda pack: pack.replace("exercise.toml", "hours = 3", "")),
    (
        "pack.wrong_value",
        "exercise.toml",
        "hours",
        lambda pack: pack.replace("exercise.toml", "hours = 3", 'hours = "three"'),
    ),
    (
        "pack.wrong_value",
        "exercise.toml",
        "schema",
        lambda pack: pack.replace("exercise.toml", "schema = 1", "schema = 2"),
    ),
    (
        "pack.missing_key",
        "exercise.toml",
        "agencies.store.schema",
        lambda pack: pack.replace("exercise.toml", 'schema = "agencies/store.sql"', ""),
    ),
    (
        "pack.wrong_value",
        "checks.toml",
        "DEMO-S2.family",
        lambda pack: pack.replace("checks.toml", "points = 20", 'family = "universal"\npoints = 20'),
    ),
    (
        "pack.missing_translation",
        "exercise.toml",
        "title.en",
        lambda pack: pack.replace("exercise.toml", ', en = "The equipment book"', ""),
    ),
    (
        "pack.missing_translation",
        "checks.toml",
        "DEMO-S1.title.en",
        lambda pack: pack.replace("checks.toml", "One item is read whole, and its code keeps its zeros", " "),
    ),
    ("pack.bad_id", "exercise.toml", "id", lambda pack: pack.replace("exercise.toml", '"demo"', '"Demo 1"')),
    ("pack.bad_id", "checks.toml", "zeros", lambda pack: pack.replace("checks.toml", "DEMO-S1", "zeros")),
    ("pack.bad_id", "checks.toml", "C", lambda pack: pack.replace("checks.toml", "DEMO-S1", "C")),
    ("pack.no_checks", "checks.toml", "", lambda pack: pack.write("checks.toml", "[U1]\npoints = 3\n")),
    (
        "pack.weights_sum",
        "exercise.toml",
        "weights",
        lambda pack: pack.replace("exercise.toml", "contract = 35", "contract = 30"),
    ),
    (
        "pack.points_sum",
        "checks.toml",
        "scenario",
        lambda pack: pack.replace("checks.toml", "points = 20", "points = 19"),
    ),
    (
        "pack.contract_version",
        "contract.yaml",
        "openapi",
        lambda pack: pack.replace("contract.yaml", "openapi: 3.1.0", "openapi: 3.0.3"),
    ),
    ("pack.contract_version", "contract.yaml", "openapi", lambda pack: pack.write("contract.yaml", "- a list\n")),
    (
        "pack.contract_shape",
        "contract.yaml",
        "paths",
        lambda pack: pack.write("contract.yaml", "openapi: 3.1.0\npaths: []\n"),
    ),
    (
        "pack.no_operation",
        "contract.yaml",
        "paths",
        lambda pack: pack.write("contract.yaml", "openapi: 3.1.0\npaths: {}\n"),
    ),
    (
        "pack.contract_external_ref",
        "contract.yaml",
        "paths./items.get.responses.400",
        lambda pack: pack.replace("contract.yaml", "#/components/responses/Problem", "https://example.org/a.yaml#/b"),
    ),
    (
        "pack.contract_ref",
        "contract.yaml",
        "paths./items.get.responses.400",
        lambda pack: pack.replace("contract.yaml", "#/components/responses/Problem", "#/components/responses/Problm"),
    ),
    (
        "pack.duplicate_operation",
        "contract.yaml",
        "paths./items/{code}.get",
        lambda pack: pack.replace("contract.yaml", "getItem", "listItems"),
    ),
    (
        "pack.operation_id",
        "contract.yaml",
        "paths./items/{code}.get",
        lambda pack: pack.replace("contract.yaml", "operationId: getItem", "summary: no id"),
    ),
    (
        "pack.link",
        "world2.py",
        "",
        lambda pack: (pack.root / "world2.py").symlink_to(pack.root / "world.py"),
    ),
]


@pytest.mark.parametrize(
    ("code", "file", "where", "breaking"), ERRORS, ids=[f"{code}-{where or file}" for code, file, where, _ in ERRORS]
)
def test_what_is_wrong_is_named_with_its_place(
    builder: PackBuilder, code: str, file: str, where: str, breaking: Breaking
) -> None:
    """Each fault has its code, its file, its place, and a sentence about what to do."""
    builder.load()
    breaking(builder)
    with pytest.raises(PackInvalid) as caught:
        builder.load()
    assert (caught.value.code, caught.value.file, caught.value.where) == (code, file, where)
    assert caught.value.problem
    assert caught.value.fix


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """A missing folder is the author's fault like a missing file."""
    with pytest.raises(PackInvalid) as caught:
        load_pack(tmp_path / "nowhere")
    assert caught.value.code == "pack.missing_folder"


def test_a_file_in_another_encoding(builder: PackBuilder) -> None:
    """A file in the old Thai code page is told from a file with a syntax error."""
    (builder.root / "checks.toml").write_bytes("# ไทย".encode("cp874"))
    with pytest.raises(PackInvalid) as caught:
        builder.load()
    assert (caught.value.code, caught.value.where) == ("pack.not_utf8", "byte 2")


def test_a_misspelt_key_suggests_the_nearest(builder: PackBuilder) -> None:
    """An unknown key lists the valid ones and names the one that was meant."""
    builder.replace("exercise.toml", "start_seconds", "start_second")
    with pytest.raises(PackInvalid) as caught:
        builder.load()
    assert caught.value.fix == "Write start_seconds instead of start_second."
    assert "cpus, memory_mb, start_seconds" in caught.value.problem


def test_a_key_like_no_other_is_to_be_removed(builder: PackBuilder) -> None:
    """Where no valid key is near, none is suggested; the key of the file is listed, not the field's name."""
    builder.replace("exercise.toml", "schema = 1", "schema = 1\nzzz = 1")
    with pytest.raises(PackInvalid) as caught:
        builder.load()
    assert caught.value.fix == "Remove zzz."
    assert ", schema, " in caught.value.problem


def test_a_pack_too_large_to_travel(builder: PackBuilder) -> None:
    """Graded files beyond the limit are refused before anything is sent."""
    (builder.root / "agencies" / "dump.sql").write_bytes(b"x" * (8 * 1024 * 1024))
    with pytest.raises(PackInvalid) as caught:
        builder.load()
    assert caught.value.code == "pack.too_large"


def test_an_exercise_is_found_by_id_or_path(builder: PackBuilder, tmp_path: Path) -> None:
    """An id is looked up under the root; a path works wherever the pack lives."""
    assert find_pack("demo", builder.root.parent) == builder.root
    assert find_pack(str(builder.root), tmp_path / "elsewhere") == builder.root


def test_an_unknown_exercise_lists_the_known_ones(builder: PackBuilder) -> None:
    """A wrong id is a usage problem that names what there is."""
    with pytest.raises(UsageProblem) as caught:
        find_pack("e99", builder.root.parent)
    assert caught.value.code == "usage.unknown_exercise"
    assert caught.value.params == {"ref": "e99", "known": "demo"}


def test_a_path_without_an_exercise(builder: PackBuilder) -> None:
    """A folder that exists but holds no exercise.toml is told so, not called an unknown id."""
    with pytest.raises(UsageProblem) as caught:
        find_pack(str(builder.root / "agencies"), builder.root.parent)
    assert caught.value.code == "usage.not_a_pack"


def test_packs_are_listed_in_order(builder: PackBuilder, tmp_path: Path) -> None:
    """Every folder with an exercise.toml is an exercise; others are not."""
    (tmp_path / "notes").mkdir()
    assert [pack.id for pack in list_packs(tmp_path)] == [builder.load().id]


def test_a_description_keeps_hidden_hints(builder: PackBuilder) -> None:
    """What is shown before a try has every check with its points, but no hint of a hidden one."""
    shown = describe(builder.load())
    checks = {check["id"]: check for check in shown["checks"]}
    assert shown["schema"] == 1
    assert "hint" in checks["DEMO-S1"]
    assert "hint" not in checks["DEMO-S2"]
    assert checks["DEMO-S2"]["points"] == 20
