"""Building worlds: what a good world.py gives, and whose fault a bad one is."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.errors import PackInvalid
from grader.packs import build_world
from grader.packs.fingerprint import fingerprint
from grader.packs.world import cid_check_digit, synthetic_cid
from grader.packs.worldbuild import digit_runs, is_real_looking, is_synthetic
from tests.fixtures.pack_builder import PackBuilder, build_pack

Breaking = Callable[[PackBuilder], object]

CID = synthetic_cid(1, 5)
BANGKOK_12 = "1" + "10" + 9 * "0"
"""Made here, so that no number of a real province stands in a file."""
BANGKOK = BANGKOK_12 + str(cid_check_digit(BANGKOK_12))


@pytest.fixture
def builder(tmp_path: Path) -> PackBuilder:
    """A clean pack that the test breaks."""
    return build_pack(tmp_path)


def test_a_world_is_built_for_its_seed(builder: PackBuilder) -> None:
    """The seed is in the world, the same seed gives the same world and another seed another."""
    pack = builder.load()
    first, again, other = build_world(pack, 7), build_world(pack, 7), build_world(pack, 8)
    assert first.seed == 7
    assert fingerprint(first) == fingerprint(again) != fingerprint(other)


def test_building_writes_nothing_into_the_pack(builder: PackBuilder) -> None:
    """No byte code is left behind, and Python's own setting is as before."""
    before = sys.dont_write_bytecode
    build_world(builder.load(), 1)
    assert not list(builder.root.rglob("__pycache__"))
    assert sys.dont_write_bytecode == before


def test_two_builds_share_nothing(builder: PackBuilder) -> None:
    """What a world.py keeps in its module does not reach the next build."""
    builder.replace("world.py", "    rng =", "    NAMES_SEEN.append(seed)\n    assert len(NAMES_SEEN) == 1\n    rng =")
    builder.replace("world.py", "NAMES = (", "NAMES_SEEN: list[int] = []\nNAMES = (")
    pack = builder.load()
    assert [build_world(pack, seed).seed for seed in (1, 2)] == [1, 2]


def test_a_world_may_have_a_neighbour(builder: PackBuilder) -> None:
    """world.py imports a module beside it relatively, and two packs with the same names do not mix."""
    builder.write("numbers.py", "COUNT = 3\n")
    builder.replace("world.py", "FIRST_CODE =", "from .numbers import COUNT\nFIRST_CODE =")
    builder.replace("world.py", "as_of=", 'env={"COUNT": str(COUNT)}, as_of=')
    assert build_world(builder.load(), 1).env == {"COUNT": "3"}
    builder.write("numbers.py", "COUNT = 40\n")
    assert build_world(builder.load(), 1).env == {"COUNT": "40"}


def person(arguments: str) -> Breaking:
    """Put one person into the world."""
    people = f"        oracle=oracle,\n        people=[Person({arguments})],"
    return lambda pack: pack.replace("world.py", "        oracle=oracle,", people).replace(
        "world.py", "import Quota", "import Person, Quota"
    )


def test_a_person_may_have_other_numbers_and_no_name(builder: PackBuilder) -> None:
    """PIDs and HNs of 7 to 15 digits, a number written wrongly, and a full name or none."""
    person(f'cid="{CID}", name="", identifiers=("0001234", "197010000001", "204700331000001")')(builder)
    (someone,) = build_world(builder.load(), 1).people
    assert len(someone.identifiers) == 3


FAULTS: list[tuple[str, str, Breaking]] = [
    ("pack.world_raises", "line 2", lambda pack: pack.write("world.py", "x = 1\nraise KeyError(x)\n")),
    ("pack.world_raises", "line 1", lambda pack: pack.write("world.py", "def build(seed:\n")),
    ("pack.world_raises", "line 2", lambda pack: pack.write("world.py", "def build(seed):\n    return 1 / 0\n")),
    ("pack.world_raises", "line 1", lambda pack: pack.write("world.py", "import nothing_of_this_name\n")),
    ("pack.world_raises", "line 2", lambda pack: pack.write("world.py", "import sys\nsys.exit(0)\n")),
    ("pack.world_no_build", "build", lambda pack: pack.replace("world.py", "def build(", "def make(")),
    ("pack.world_type", "build", lambda pack: pack.write("world.py", "def build(seed):\n    return {}\n")),
    ("pack.world_as_of", "as_of", lambda pack: pack.replace("world.py", "+07:00", "")),
    ("pack.world_as_of", "as_of", lambda pack: pack.replace("world.py", "2026-11-22T08", "2569-13-22T08")),
    ("pack.world_agency", "tables.stor", lambda pack: pack.replace("world.py", '{"store":', '{"stor":')),
    ("pack.world_operation", "examples.getItm", lambda pack: pack.replace("world.py", '"getItem":', '"getItm":')),
    ("pack.quota_empty", "leading_zero", lambda pack: pack.replace("world.py", "minimum=3", "minimum=300")),
    ("pack.world_person", "people", person('cid="1", name=""')),
    ("pack.world_person", "people.name", person(f'cid="{CID}", name="ดาว"')),
    *(
        ("pack.world_person", "people.identifiers", person(f'cid="{CID}", name="", identifiers=("{number}",)'))
        for number in ("000123", "HN1234567", "1234567890123456", "๑๒๓๔๕๖๗", "19970101", "25400000", "97010203")
    ),
]


@pytest.mark.parametrize(("code", "where", "breaking"), FAULTS, ids=[f"{code}-{where}" for code, where, _ in FAULTS])
def test_a_broken_world_is_the_authors_fault(builder: PackBuilder, code: str, where: str, breaking: Breaking) -> None:
    """Each fault has its code and its place in world.py."""
    breaking(builder)
    with pytest.raises(PackInvalid) as caught:
        build_world(builder.load(), 1)
    assert (caught.value.code, caught.value.file, caught.value.where) == (code, "world.py", where)


def test_the_line_is_that_of_the_packs_own_code(builder: PackBuilder) -> None:
    """An error deep in the standard library names the deepest line of the pack."""
    builder.write("world.py", 'import json\n\n\ndef build(seed):\n    return json.loads("{")\n')
    with pytest.raises(PackInvalid) as caught:
        build_world(builder.load(), 1)
    assert caught.value.where == "line 5"


def test_an_error_in_a_neighbour_names_its_file(builder: PackBuilder) -> None:
    """The file of the message is the one to open."""
    builder.write("numbers.py", "\n1 / 0\n")
    builder.replace("world.py", "import random", "import random\nfrom .numbers import COUNT")
    with pytest.raises(PackInvalid) as caught:
        build_world(builder.load(), 1)
    assert (caught.value.file, caught.value.where) == ("numbers.py", "line 2")


def test_citizen_numbers_that_nobody_has() -> None:
    """97 to 99 are no province; a valid number of a real province could be somebody's."""
    assert is_synthetic(synthetic_cid(1, 5))
    assert is_real_looking(BANGKOK)
    assert not is_real_looking(BANGKOK_12 + str((cid_check_digit(BANGKOK_12) + 1) % 10)), "the check digit is wrong"
    assert not is_real_looking(synthetic_cid(1, 5))


def test_citizen_numbers_are_found_in_disguise() -> None:
    """Hyphens, spaces and Thai digits hide no number; longer runs of digits are none."""
    number = synthetic_cid(1, 5)
    hyphened = f"x{number[0]}-{number[1:5]}-{number[5:10]}-{number[10:12]}-{number[12]}y"
    thai = number.translate(str.maketrans("0123456789", "๐๑๒๓๔๕๖๗๘๙"))
    assert digit_runs(hyphened) == digit_runs(thai) == [number]
    assert digit_runs("12345678901234") == []
