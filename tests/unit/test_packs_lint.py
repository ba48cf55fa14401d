"""The lint rules: each one fires on what it is there for, alone, and is silent on a clean exercise."""

from collections.abc import Callable
from pathlib import Path

import pytest

from grader.packs.lint import LOADING, RULES, lint, sentences
from grader.packs.lint.texts import count_words
from grader.packs.world import synthetic_cid
from tests.fixtures.pack_builder import PackBuilder, build_pack

Breaking = Callable[[PackBuilder], object]

REBUILD = "PK050"
"""Starts a process; left out where another rule is looked at."""
FAST = [rule for rule in RULES if rule.id != REBUILD]
SOMEONE, SOMEONE_ELSE = synthetic_cid(1, 1), synthetic_cid(2, 1017)

LOOSE_ANSWER = """\
        "default": { description: Anything else }
"""

REST_STORE = """
[tables.item]
columns = ["code"]
[routes.items]
kind = "list"
path = "/items"
table = "item"
"""

SCENARIO = """
@pytest.mark.check("DEMO-S1")
def test_more(api):
    {}
"""


@pytest.fixture
def builder(tmp_path: Path) -> PackBuilder:
    """A clean pack that the test breaks."""
    return build_pack(tmp_path)


def _append(file: str, text: str) -> Breaking:
    return lambda pack: pack.write(file, (pack.root / file).read_text("utf-8") + text)


def _real_number(pack: PackBuilder) -> PackBuilder:
    pack.replace("world.py", "import Quota", "import Quota, cid_check_digit as digit")
    return pack.replace("world.py", '"name": f"', '"name": "110000000000" + str(digit("110000000000")) + f" ')


def _overlay(base: str, own: str) -> Breaking:
    """Make ``bad-s1`` an overlay on another sample, with one file that is the same as the others' requirements.txt."""

    def breaking(pack: PackBuilder) -> PackBuilder:
        pack.remove("samples/bad-s1/source/requirements.txt")
        if own:
            pack.write(f"samples/bad-s1/source/{own}", "flask\n")
        return pack.replace("samples/bad-s1/expected.toml", "points =", f'base = "{base}"\npoints =')

    return breaking


def _with_person(pack: PackBuilder) -> PackBuilder:
    pack.replace("world.py", "import Quota", "import Person, Quota")
    return pack.replace(
        "world.py", "oracle=oracle,", f'oracle=oracle,\n        people=[Person(cid="{SOMEONE}", name="")],'
    )


def _about_people(pack: PackBuilder) -> PackBuilder:
    pack.replace("checks.toml", "mandatory = false", 'mandatory = false\nfamily = "privacy"')
    return pack.replace("exercise.toml", "scenario = 50", "scenario = 30\nprivacy = 20")


def test_a_check_about_people_needs_no_scenario(builder: PackBuilder) -> None:
    """The engine judges it, so the tests that were its own may belong to another check."""
    _about_people(_with_person(builder))
    builder.replace("scenarios/test_items.py", '"DEMO-S2"', '"DEMO-S1"')
    assert lint(builder.root, FAST) == []


def _as_rest_agency(pack: PackBuilder) -> PackBuilder:
    """The store over HTTP, with a table that lacks a column of the world's rows."""
    pack.replace("exercise.toml", 'engine = "postgres"', 'engine = "http"')
    pack.replace("exercise.toml", "agencies/store.sql", "agencies/store.toml")
    return pack.write("agencies/store.toml", REST_STORE)


def test_a_clean_pack_has_no_problem(builder: PackBuilder) -> None:
    """The exercise that every other test breaks holds every rule."""
    assert lint(builder.root) == []


CASES: list[tuple[str, str, str, Breaking]] = [
    ("PK001", "exercise.toml", "hourz", lambda pack: pack.replace("exercise.toml", "hours", "hourz")),
    ("PK002", "samples/bad-s1/expected.toml", "", lambda pack: pack.remove("samples/bad-s1/expected.toml")),
    ("PK003", "world.py", "leading_zero", lambda pack: pack.replace("world.py", "minimum=3", "minimum=300")),
    (
        "PK003",
        "world.py",
        "line 31",
        lambda pack: pack.replace("world.py", "    rng =", "    assert seed != 5\n    rng ="),
    ),
    ("PK004", "scenarios/test_more.py", "line 1", lambda pack: pack.write("scenarios/test_more.py", "def\n")),
    ("PK010", "brief.th.md", "", lambda pack: pack.remove("brief.th.md")),
    ("PK011", "checks.toml", "DEMO-S2.task", lambda pack: pack.replace("brief.en.md", "## 2.", "##")),
    ("PK012", "starter/python/", "", lambda pack: (pack.root / "starter").rename(pack.root / "samples" / ".gone")),
    (
        "PK013",
        "exercise.toml",
        "title.en",
        lambda pack: pack.replace("exercise.toml", "The equipment book", "long " * 17),
    ),
    ("PK013", "checks.toml", "DEMO-S1.title.th", lambda pack: pack.replace("checks.toml", "อ่านอุปกรณ์", "ยาว" * 30)),
    ("PK014", "checks.toml", "DEMO-S1.hint.en", lambda pack: pack.replace("checks.toml", "Keep the code", "so " * 81)),
    ("PK014", "checks.toml", "DEMO-S1.hint.th", lambda pack: pack.replace("checks.toml", "เก็บรหัส", "รหัส" * 81)),
    ("PK015", "exercise.toml", "id", lambda pack: pack.replace("exercise.toml", '"demo"', '"dem"')),
    (
        "PK020",
        "scenarios/",
        "DEMO-S2",
        lambda pack: pack.replace("scenarios/test_items.py", '"DEMO-S2"', '"DEMO-S1"'),
    ),
    (
        "PK021",
        "scenarios/test_items.py",
        "line 26, test_more",
        _append("scenarios/test_items.py", SCENARIO.format("api.get('/')").replace("DEMO-S1", "DEMO-S9")),
    ),
    (
        "PK021",
        "scenarios/test_items.py",
        "line 24, test_bare",
        _append("scenarios/test_items.py", "def test_bare(): 1"),
    ),
    (
        "PK021",
        "scenarios/test_items.py",
        "line 6, test_one_item_keeps_its_zeros",
        lambda pack: pack.replace("scenarios/test_items.py", 'check("DEMO-S1")', 'check("DEMO-S" + "1")'),
    ),
    (
        "PK022",
        "scenarios/test_items.py",
        "line 1",
        lambda pack: pack.replace("scenarios/test_items.py", "import pytest", "import subprocess, pytest"),
    ),
    (
        "PK022",
        "scenarios/test_items.py",
        "line 27",
        _append("scenarios/test_items.py", SCENARIO.format("from grader.sandbox import docker")),
    ),
    (
        "PK023",
        "scenarios/test_items.py",
        "line 29",
        _append("scenarios/test_items.py", SCENARIO.format("import time as t\n    t.sleep(1)\n    t.time()")),
    ),
    (
        "PK024",
        "world.py",
        "line 31",
        lambda pack: pack.replace("world.py", 'random.Random(f"demo/{seed}")', "random.Random()").replace(
            "world.py", "    numbers =", "    rng.seed(seed)\n    numbers ="
        ),
    ),
    (
        "PK024",
        "world.py",
        "line 32",
        lambda pack: pack.replace("world.py", "import random", "import random\nfrom datetime import datetime").replace(
            "world.py", "    rng =", "    assert datetime.now()\n    rng ="
        ),
    ),
    ("PK024", "world.py", "line 3", lambda pack: pack.replace("world.py", "import random", "import os, random")),
    ("PK024", "more.py", "line 2", lambda pack: pack.write("more.py", "def more():\n    return open('a')\n")),
    ("PK030", "samples/", "DEMO-S2", lambda pack: (pack.root / "samples/bad-s2").rename(pack.root / "samples/.gone")),
    (
        "PK031",
        "samples/",
        "python",
        lambda pack: (pack.root / "samples/reference/source/requirements.txt").rename(
            pack.root / "samples/reference/source/package.json"
        ),
    ),
    (
        "PK031",
        "samples/",
        "node",
        lambda pack: pack.replace("exercise.toml", '["python"]', '["python", "node"]').write("starter/node/a.js", ""),
    ),
    (
        "PK032",
        "samples/bad-s2/expected.toml",
        "fails",
        lambda pack: pack.sample("bad-s2", outcome="pass", fails=["DEMO-S2", "U6"], kills="DEMO-S2", points=78).replace(
            "samples/bad-s2/expected.toml", 'outcome = "pass"', 'outcome = "fail"'
        ),
    ),
    (
        "PK032",
        "samples/more/expected.toml",
        "fails",
        lambda pack: pack.sample("more", outcome="pass", fails=["DEMO-S9"], kills="DEMO-S9", points=100),
    ),
    (
        "PK033",
        "samples/bad-s1/expected.toml",
        "outcome",
        lambda pack: pack.replace("samples/bad-s1/expected.toml", '"fail"', '"pass"'),
    ),
    (
        "PK033",
        "samples/bad-s1/expected.toml",
        "points",
        lambda pack: pack.replace("samples/bad-s1/expected.toml", "points = 70", "points = 71"),
    ),
    (
        "PK033",
        "samples/bad-s1/expected.toml",
        "fails",
        lambda pack: pack.replace("samples/bad-s1/expected.toml", '"fail"', '"start_failed"'),
    ),
    ("PK034", "samples/bad-s1/expected.toml", "base", _overlay("bad-s2", "app.py")),
    ("PK035", "samples/bad-s1/expected.toml", "base", _overlay("reference", "")),
    ("PK035", "samples/bad-s1/expected.toml", "base", _overlay("reference", "requirements.txt")),
    ("PK040", "contract.yaml", "GET /items", lambda pack: pack.replace("contract.yaml", '"200"', '"300"')),
    (
        "PK041",
        "contract.yaml",
        "GET /items",
        lambda pack: pack.replace("contract.yaml", '        "400": {', '        "401": {'),
    ),
    ("PK041", "contract.yaml", "GET /items/{code}", lambda pack: pack.replace("contract.yaml", '"404"', '"403"')),
    (
        "PK041",
        "contract.yaml",
        "GET /items",
        lambda pack: pack.replace(
            "contract.yaml", "operationId: listItems", "operationId: listItems\n      requestBody: {}"
        ),
    ),
    (
        "PK042",
        "contract.yaml",
        "GET /items",
        lambda pack: pack.replace("contract.yaml", '        "400"', f'{LOOSE_ANSWER}        "400"'),
    ),
    (
        "PK042",
        "contract.yaml",
        "GET /items",
        lambda pack: pack.replace("contract.yaml", "application/problem+json", "application/json"),
    ),
    (
        "PK043",
        "contract.yaml",
        "paths./items.get.parameters[0].schema.maximum",
        lambda pack: pack.replace("contract.yaml", "maximum: 100", "maximum: 9007199254740992"),
    ),
    (
        "PK044",
        "contract.yaml",
        "GET /items/{code}",
        lambda pack: pack.replace("contract.yaml", "name: code", "name: id"),
    ),
    (
        "PK044",
        "contract.yaml",
        "GET /items/{code}",
        lambda pack: pack.replace("contract.yaml", "required: true", "required: false"),
    ),
    (
        "PK045",
        "contract.yaml",
        "paths./healthz",
        lambda pack: pack.replace("contract.yaml", "paths:", "paths:\n  /healthz: {}"),
    ),
    (
        "PK051",
        "world.py",
        "seed 2",
        lambda pack: pack.replace("world.py", 'f"demo/{seed}"', '"demo"'),
    ),
    ("PK052", "world.py", "seed 1, store.item.name", _real_number),
    (
        "PK053",
        "world.py",
        "seed 1, examples.getItem",
        lambda pack: pack.replace("world.py", '[{"code": FIRST_CODE}, {"code": oracle.codes()[-1]}]', "[]"),
    ),
    (
        "PK054",
        "world.py",
        "seed 1, tables.store",
        lambda pack: pack.replace(
            "world.py", '{"store": {"item": items}}', '{"store": {"item": []}}, env={"A": str(items)}'
        ),
    ),
    ("PK055", "world.py", "seed 1", lambda pack: pack.replace("world.py", "seed=seed", "seed=0")),
    ("PK056", "world.py", "seed 1, tables.store.item.name", _as_rest_agency),
    ("PK057", "world.py", "seed 1, people", _about_people),
    (
        "PK058",
        "world.py",
        "seed 1, store.item.name",
        lambda pack: _about_people(_with_person(pack)).replace("world.py", '"name": f"', f'"name": f"{SOMEONE_ELSE} '),
    ),
    (
        "PK059",
        "world.py",
        "seed 1, examples.listItems",
        lambda pack: _with_person(pack).replace("world.py", '{"limit": 5}', f'{{"limit": 5, "of": "{SOMEONE}"}}'),
    ),
    (
        "PK059",
        "contract.yaml",
        "seed 1",
        lambda pack: _with_person(pack).replace("contract.yaml", "The equipment book", f"Of {SOMEONE}"),
    ),
]


@pytest.mark.parametrize(
    ("rule", "path", "where", "breaking"), CASES, ids=[f"{rule}-{where or path}" for rule, path, where, _ in CASES]
)
def test_a_rule_fires_alone(builder: PackBuilder, rule: str, path: str, where: str, breaking: Breaking) -> None:
    """One broken thing gives problems of one rule, the first of them at its place, with a way out."""
    breaking(builder)
    problems = lint(builder.root, FAST)
    assert {problem.rule for problem in problems} == {rule}
    first = next(problem for problem in problems if problem.rule == rule)
    assert (first.path, first.where) == (path, where)
    assert first.problem
    assert first.fix


def test_an_overlay_with_a_file_of_its_own_is_clean(builder: PackBuilder) -> None:
    """What the rules want of an overlay is what docs/packs.md shows."""
    _overlay("reference", "app.py")(builder)
    assert lint(builder.root, FAST) == []


def test_a_reference_may_be_an_overlay(builder: PackBuilder) -> None:
    """Its runtime is then told by its base's files."""
    builder.sample("another", outcome="pass", fails=[], kills="", points=100)
    builder.remove("samples/another/source/requirements.txt").write("samples/another/source/app.py", "another\n")
    builder.replace("samples/another/expected.toml", "points =", 'base = "reference"\npoints =')
    assert lint(builder.root, FAST) == []


def test_a_world_that_differs_between_processes(builder: PackBuilder) -> None:
    """A world that goes through a set is found out, because another process goes through it in another order."""
    builder.replace("world.py", "enumerate([FIRST_CODE, *(", "enumerate([FIRST_CODE, *set(")
    assert [(problem.rule, problem.where) for problem in lint(builder.root)] == [(REBUILD, "seed 1")]


def test_every_rule_is_tested() -> None:
    """A rule without a case here would be a rule that nobody has seen firing."""
    assert {rule for rule, *_ in CASES} | {REBUILD} == set(sentences())


def test_every_rule_has_its_sentence() -> None:
    """Ids are unique and in order, and each has one sentence that ends with a full stop."""
    ids = [*LOADING, *(rule.id for rule in RULES)]
    assert ids == sorted(set(ids))
    assert all(sentence.endswith(".") and sentence for sentence in sentences().values())


def test_every_rule_is_documented() -> None:
    """docs/packs.md lists every rule with its sentence."""
    text = (Path(__file__).parents[2] / "docs" / "packs.md").read_text("utf-8")
    for rule, sentence in sentences().items():
        assert f"| {rule} | {sentence} |" in text


def test_words_are_counted_in_both_languages() -> None:
    """Thai has no spaces, so four characters count as a word."""
    assert count_words("Use one handler, please.") == 4
    assert count_words("รหัสรหัสรห") == 3
    assert count_words("ใช้ null เมื่อ") == 1 + 1 + 2
