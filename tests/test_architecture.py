"""The rules of the house that a tool can see. Each is shown to find what it forbids, before it is trusted."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("grader", "portal", "sandboxes", "tests")
PACKS_OF_TESTS = ROOT / "tests" / "fixtures" / "packs"
"""Exercises that tests grade: data, like those of exercises/."""

MAX_LINES = 500
LONGER: dict[str, str] = {}
"""Modules that may be longer, with the reason. It is empty, and an entry that is not needed any more fails too."""

NAMELESS = frozenset({"utils", "util", "helpers", "helper", "common", "misc"})
"""Names that say nothing about what is inside."""


def modules(*folders: str) -> list[Path]:
    """All Python files of these folders of the project."""
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    assert found, f"no Python file in {folders}"
    return found


def files_of_tests() -> list[Path]:
    """The files that pytest collects tests from, and the fixtures beside them."""
    return [path for path in modules("tests") if not path.is_relative_to(PACKS_OF_TESTS)]


# -- imports ----------------------------------------------------------------------------------------------------------

CONTRACTS = frozenset(
    contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
)

VIOLATIONS = {
    "One direction: a stage knows only the stages before it": ("grader/errors.py", "import grader.verdict"),
    "The web process never touches the engine or learner code": ("portal/__init__.py", "import grader.grading"),
    "The engine does not know the web": ("grader/cli/words.py", "import fastapi"),
    "Check families do not know each other": ("grader/probe/privacy/__init__.py", "import grader.probe.universal"),
    "The probe imports only evidence, packs, submission and errors": ("grader/probe/routes.py", "import docker"),
    "An agency knows its description and nothing else of an exercise": (
        "grader/agency/rest.py",
        "import grader.packs.load",
    ),
    "Beside a database server an agency needs h11 and nothing else": ("grader/agency/wire.py", "import pydantic"),
    "A figure is made from plain values alone": ("grader/kpi/figure.py", "import sqlalchemy"),
    "Judging is pure": ("grader/evidence.py", "import subprocess"),
    "httpx stays behind one module": ("grader/intake/limits.py", "import httpx"),
}
"""For each contract an import that breaks it: the module and the line."""


def lint_imports(folder: Path) -> tuple[dict[str, str], str]:
    """Contract name to KEPT or BROKEN for the project in ``folder``, and all that import-linter said."""
    program = Path(sys.executable).with_name("lint-imports")
    environment = {**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1", "COLUMNS": "200"}
    done = subprocess.run(
        [program, "--no-cache", "--no-logo"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    states = dict(re.findall(r"^(.+?) (KEPT|BROKEN)(?: \(.*\))?$", said, re.MULTILINE))
    assert (done.returncode == 0) == (set(states.values()) == {"KEPT"}), said
    return states, said


def test_every_import_contract_is_kept() -> None:
    """Imports have one direction, and the contracts of pyproject.toml say which."""
    states, said = lint_imports(ROOT)
    assert states == dict.fromkeys(CONTRACTS, "KEPT"), said


@pytest.mark.parametrize("contract", sorted(CONTRACTS))
def test_every_import_contract_can_fail(contract: str, tmp_path: Path) -> None:
    """One import planted in a copy of the project breaks the contract that forbids it."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in ("grader", "portal"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    file, line = VIOLATIONS[contract]
    with (tmp_path / file).open("a", encoding="utf-8") as module:
        module.write(f"\n{line}\n")
    states, said = lint_imports(tmp_path)
    assert states[contract] == "BROKEN", said


DOORS: dict[str, str | tuple[str, ...]] = {
    "docker": "grader/sandbox/",
    "fontTools": ("grader/reports/printing/text_layer.py", "portal/assets.py"),
    "h11": ("grader/probe/guard", "grader/agency/wire.py"),
    "httpx": "grader/probe/target.py",
    "jinja2": ("grader/reports/html.py", "grader/reports/printing/engine.py", "portal/pages.py"),
    "markdown_it": "portal/markdown.py",
    "nh3": "portal/markdown.py",
    "psycopg": "grader/probe/agencies/postgres.py",
    "pwdlib": "grader/services/accounts/passwords.py",
    "pymysql": "grader/probe/agencies/mariadb",
    "schemathesis": "grader/probe/contract/",
    "segno": "grader/reports/qr.py",
    "typer": "grader/cli/",
    "uvicorn": "portal/__main__.py",
    "weasyprint": "grader/reports/printing/engine.py",
    "xlsxwriter": ("grader/reports/kpi/xlsx.py", "grader/rosters/"),
    "zipfile": ("grader/intake/", "grader/services/exporting.py", "grader/worker/trees.py"),
    "zxcvbn": "grader/services/accounts/passwords.py",
}
"""Library to the only place, or places, that import it."""


def imported(tree: ast.Module) -> set[str]:
    """The top-level names of everything that a module imports, wherever in it."""
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    return {name.partition(".")[0] for name in names}


def test_a_library_stays_behind_its_door() -> None:
    """What may have to be replaced one day, or speaks to a database or the engine, is imported in one place."""
    users: dict[str, list[str]] = {library: [] for library in DOORS}
    for path in modules("grader", "portal"):
        for library in imported(ast.parse(path.read_bytes())) & DOORS.keys():
            users[library].append(path.relative_to(ROOT).as_posix())
    strays = [
        (library, user) for library, found in users.items() for user in found if not user.startswith(DOORS[library])
    ]
    assert strays == []
    assert all(users.values()), "a door that nobody uses is to be removed"


# -- sizes and names --------------------------------------------------------------------------------------------------


def test_no_module_is_too_long() -> None:
    """Five hundred lines are the limit; at three hundred one should already ask why."""
    lines = {path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines()) for path in modules(*FOLDERS)}
    assert {name: count for name, count in lines.items() if count > MAX_LINES and name not in LONGER} == {}
    assert [name for name in LONGER if lines.get(name, 0) <= MAX_LINES] == [], "the allow-list has an entry too many"


def test_every_module_is_named_for_what_it_holds() -> None:
    """No drawer for everything."""
    assert [str(path) for path in modules(*FOLDERS) if path.stem in NAMELESS] == []
    assert [str(path) for path in modules(*FOLDERS) if NAMELESS.intersection(path.relative_to(ROOT).parts)] == []


# -- what a syntax tree shows -----------------------------------------------------------------------------------------


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """All functions of a module."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def dotted(node: ast.expr) -> str:
    """``pytest.mark.skip`` as it is written; "" for anything that is no dotted name."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def wordless_tests(tree: ast.Module) -> Iterator[str]:
    """Test functions without a docstring."""
    for function in functions(tree):
        if function.name.startswith("test_") and not (ast.get_docstring(function) or "").strip():
            yield f"{function.lineno}: {function.name}"


_GIVES_UP = re.compile(r"(?:pytest\.(?:mark\.)?|mark\.)?(?:skip|skipif|xfail|importorskip)|unittest\.skip\w*")


def ways_not_to_run(tree: ast.Module) -> Iterator[str]:
    """Uses of skip and xfail: calls, marks, and names imported for that; raising skip's exception counts too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (_GIVES_UP.fullmatch(dotted(node)) or node.attr == "SkipTest"):
            yield f"{node.lineno}: {dotted(node)}"
        elif isinstance(node, ast.ImportFrom) and node.module in {"pytest", "unittest"}:
            yield from (f"{node.lineno}: {one.name}" for one in node.names if _GIVES_UP.fullmatch(one.name))


_SHELLS = frozenset({"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"})


def shells(tree: ast.Module) -> Iterator[str]:
    """Calls that give a text to a shell."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            shell = next((keyword.value for keyword in node.keywords if keyword.arg == "shell"), None)
            if dotted(node.func) in _SHELLS or not (
                shell is None or (isinstance(shell, ast.Constant) and shell.value is False)
            ):
                yield f"{node.lineno}: {dotted(node.func)}"


def patches(tree: ast.Module) -> Iterator[str]:
    """Replacements by a dotted string: they test a place and not a promise."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = dotted(node.func)
            if name.endswith(("patch", "monkeypatch.setattr")) and isinstance(node.args[0].value, str):
                yield f"{node.lineno}: {name}"


EXERCISES = sorted(path.parent.name for path in (ROOT / "exercises").glob("*/exercise.toml"))


def exercises_named(tree: ast.Module) -> Iterator[str]:
    """String literals that are an exercise's id, one of its check ids, or a path with it; docstrings are free."""
    free = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    ids = "|".join(map(re.escape, EXERCISES))
    named = re.compile(rf"(?:.*/)?(?:{ids})(?:-s[0-9]*)?(?:/.*)?", re.IGNORECASE)
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) and id(node) not in free else None
        if isinstance(text, str) and named.fullmatch(text):
            yield f"{node.lineno}: {text}"


Rule = Callable[[ast.Module], Iterator[str]]

RULES: dict[str, tuple[Rule, Callable[[], list[Path]], tuple[str, ...], str]] = {
    "every test says in a sentence what it holds": (
        wordless_tests,
        files_of_tests,
        ("def test_a(): assert x", "async def test_a(): ...", "class A:\n def test_a(self):\n  '  '"),
        "def test_a():\n 'A sentence.'\ndef helper(): ...",
    ),
    "every test runs": (
        ways_not_to_run,
        files_of_tests,
        (
            "pytest.skip('no engine')",
            "@pytest.mark.skip\ndef f(): ...",
            "@pytest.mark.skipif(True, reason='')\ndef f(): ...",
            "marks = [pytest.mark.xfail]",
            "pytest.importorskip('docker')",
            "from pytest import skip",
            "raise unittest.SkipTest",
        ),
        "cases.find('skipped')\nreport.skipped",
    ),
    "nothing is patched by a dotted string": (
        patches,
        files_of_tests,
        ("mocker.patch('a.b', 1)", "monkeypatch.setattr('a.b', 1)", "@mock.patch('a.b')\ndef f(): ..."),
        "monkeypatch.setattr(module, 'name', 1)\nclient.patch(url)",
    ),
    "the engine gives nothing to a shell": (
        shells,
        lambda: modules("grader", "portal", "sandboxes"),
        ("subprocess.run('ls', shell=True)", "subprocess.Popen(x, shell=flag)", "os.system('ls')", "os.popen(x)"),
        "subprocess.run(['ls'])\nsubprocess.run(['ls'], shell=False)",
    ),
    "the engine knows no exercise by name": (
        exercises_named,
        lambda: modules("grader", "portal", "sandboxes"),
        tuple(
            source
            for one in EXERCISES
            for source in (f"x == '{one}'", f"x = ['{one.upper()}-S1']", f"open('exercises/{one}/world.py')")
        ),
        f"def f():\n 'Such as {EXERCISES[0]}.'\nx = 'like [{EXERCISES[0].upper()}-S1]'\ny = 'value1'",
    ),
}
"""What must hold: the rule, where it is looked for, sources that break it one by one, and a source that does not."""


@pytest.mark.parametrize("name", RULES)
def test_the_rule_holds(name: str) -> None:
    """Every file keeps the rule."""
    rule, places, *_ = RULES[name]
    found = {str(path.relative_to(ROOT)): list(rule(ast.parse(path.read_bytes()))) for path in places()}
    assert {path: problems for path, problems in found.items() if problems} == {}


@pytest.mark.parametrize("name", RULES)
def test_the_rule_finds_what_it_forbids(name: str) -> None:
    """Each source that breaks the rule is found, and one that does not is left alone."""
    rule, _, bad, good = RULES[name]
    assert bad
    assert [source for source in bad if not list(rule(ast.parse(source)))] == []
    assert list(rule(ast.parse(good))) == []
