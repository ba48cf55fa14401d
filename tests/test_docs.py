"""The documents say what is there: every command, setting, exit code, check and key, and nothing that is not."""

import ast
import re
import shutil
import subprocess
import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import typer

from grader import __version__, errors
from grader.cli import app
from grader.evidence import CheckEvidence, Evidence, Finding
from grader.intake import node_packages, php_packages
from grader.intake.detection import CONFIG_KEYS, RUNTIME_FILES
from grader.intake.limits import MAX_ARCHIVE_BYTES, MAX_FILES, MAX_UNPACKED_BYTES, MIB
from grader.intake.names import DROPPED_NAMES, VENDOR
from grader.packs import load_pack
from grader.packs.model import Limits
from grader.packs.transfer import UNIVERSAL
from grader.reports.catalogue import catalogue
from grader.sandbox import golden
from grader.sandbox.policies import read_specs
from grader.settings import Settings
from grader.verdict import RunFacts, VerdictOutcome, judge

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
HEADINGS = ["Context", "Decision", "Consequences", "Alternatives", "Rule that enforces it"]


def read(name: str) -> str:
    """A document of the project."""
    return (ROOT / name).read_text("utf-8")


def title(page: Path) -> str:
    """How a test names a page."""
    return page.relative_to(ROOT).as_posix()


def section(text: str, heading: str) -> str:
    """What stands under a heading, to the next one of any level; fails when the heading is not there once."""
    parts = re.split(r"^#+ (.*)$", without_code(text), flags=re.MULTILINE)
    found = [body for name, body in zip(parts[1::2], parts[2::2], strict=True) if name.strip("` ") == heading]
    assert len(found) == 1, f"{len(found)} headings {heading!r}"
    return found[0]


def without_code(text: str) -> str:
    """A page without its code blocks, whose lines may look like headings or links."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def first_cells(table: str) -> list[str]:
    """The first cell of each row of the tables in a text, without the backquotes."""
    return [cell.strip("` ") for cell in re.findall(r"^\| ([^|]+?) \|", table, re.MULTILINE)]


# -- the command ------------------------------------------------------------------------------------------------------


def commands(command: Any, *path: str) -> Iterator[tuple[str, Any]]:
    """Every command of the tree with its full name, groups included."""
    yield " ".join(path), command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, *path, name)


COMMANDS = dict(commands(typer.main.get_command(app), "grader"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_with_its_options(name: str) -> None:
    """docs/cli.md has a heading for each command, a row for each option and no other, and names the arguments."""
    documented = section(read("docs/cli.md"), name)
    options = {option for one in COMMANDS[name].params for option in one.opts if option.startswith("--")}
    assert set(re.findall(r"^\| `(--[a-z-]+)` \|", documented, re.MULTILINE)) == options
    arguments = {one.name for one in COMMANDS[name].params if not one.opts[0].startswith("--")}
    assert {one for one in arguments if f"`{one}`" not in documented} == set()


def shown_commands(text: str) -> Iterator[list[str]]:
    """What a page shows as a command line of ours, in words: lines of code blocks, and code within a sentence."""
    blocks = re.findall(r"^```.*?$(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for code in [*"\n".join(blocks).splitlines(), *re.findall(r"`([^`\n]+)`", without_code(text))]:
        line = code.strip().removeprefix(".venv/bin/").partition("#")[0]
        if line.split()[:1] == ["grader"]:
            yield line.split()


def unknown_in(words: list[str]) -> list[str]:
    """The words of a command line that are no command and no option of that command."""
    name, rest = words[0], words[1:]
    while rest and getattr(COMMANDS[name], "commands", {}) and not rest[0].startswith("-"):
        if f"{name} {rest[0]}" not in COMMANDS:
            return rest[:1]
        name, rest = f"{name} {rest[0]}", rest[1:]
    known = {option for one in COMMANDS[name].params for option in one.opts} | {"--help"}
    return [word for word in rest if word.startswith("--") and word not in known]


def test_the_commands_that_documents_show_exist() -> None:
    """A command or option in any document is one that can be typed."""
    shown = [(title(page), words) for page in PAGES for words in shown_commands(page.read_text("utf-8"))]
    assert len(shown) > 30
    assert [(page, words) for page, words in shown if unknown_in(words)] == []
    assert unknown_in(["grader", "figures"]) == ["figures"]
    assert unknown_in(["grader", "check", "x", "--fast"]) == ["--fast"]


def test_every_command_has_help_in_both_languages() -> None:
    """Thai stands before the dot, English after it, in the first line on each command, option and argument."""
    texts = {name: one.help or "" for name, one in COMMANDS.items()}
    texts |= {f"{name} {one.name}": one.help or "" for name, command in COMMANDS.items() for one in command.params}
    first_lines = {name: text.partition("\n")[0] for name, text in texts.items() if name != "grader"}
    halves = {name: line.partition(" · ") for name, line in first_lines.items()}
    thai = re.compile(r"[\u0e00-\u0e7f]")
    assert [name for name, (th, _, en) in halves.items() if not thai.search(th) or not en or thai.search(en)] == []


@pytest.mark.parametrize("page", ["README.md", "docs/cli.md"])
def test_every_exit_code_is_documented(page: str) -> None:
    """Both tables of exit codes list exactly the codes of grader/errors.py."""
    heading = "Using the command" if page == "README.md" else "Exit codes"
    codes = {str(value) for name, value in vars(errors).items() if name.startswith("EXIT_")}
    assert len(codes) == 6
    assert set(first_cells(section(read(page), heading))) - {"exit code", "code", "---"} == codes


def test_every_target_of_make_that_a_person_needs_is_in_the_readme() -> None:
    """The README names the targets of the Makefile, and only those."""
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    named = set(re.findall(r"`?make ([a-z]+)`?", read("README.md")))
    assert named <= targets
    assert {"demo", "test", "setup"} <= named


# -- settings ---------------------------------------------------------------------------------------------------------


def test_every_setting_is_documented() -> None:
    """The table of the README lists the variables that grader/settings.py reads; each field names its own."""
    source = read("grader/settings.py")
    table = set(first_cells(section(read("README.md"), "Settings"))) - {"variable", "---"}
    read_here = set(re.findall(r'environ\.get\("(GRADER_[A-Z_]+)"', source))
    assert table == read_here
    described = re.findall(r'"""(GRADER_[A-Z_]+):', source)
    assert len(described) == len(fields(Settings))
    assert set(described) == read_here


def test_every_setting_of_the_portal_is_documented() -> None:
    """The table of docs/portal.md lists the variables that portal/settings.py reads."""
    source = read("portal/settings.py")
    table = set(first_cells(section(read("docs/portal.md"), "Settings"))) - {"variable", "---"}
    assert table == set(re.findall(r'environ\.get\("(GRADER_[A-Z_]+)"', source))


# -- verdicts ---------------------------------------------------------------------------------------------------------


def a_document() -> dict[str, Any]:
    """The document of a verdict with a finding in it."""
    pack = load_pack(next((ROOT / "exercises").glob("*/exercise.toml")).parent)
    evidence = Evidence(
        checks={
            "U4": CheckEvidence(check="U4", outcome="fail", findings=(Finding(check="U4", code="response.status"),))
        }
    )
    facts = RunFacts(grader_version=__version__, seed=1, started_at=datetime(2026, 11, 22, tzinfo=UTC))
    return judge(evidence, pack, facts=facts).to_json()


def keys_of(text: str, heading: str) -> set[str]:
    """The keys in backquotes of the first column of the table that begins with this heading."""
    table = text[text.index(f"| {heading} |") :].partition("\n\n")[0]
    return {key for row in table.splitlines()[2:] for key in re.findall(r"`(\w+)`", row.split(" | ")[0])}


def test_every_key_of_the_verdict_document_is_documented() -> None:
    """docs/verdict.md lists the keys of the document, of a check and of a finding, and no other."""
    text, document = read("docs/verdict.md"), a_document()
    check = next(one for one in document["checks"] if one["findings"])
    assert keys_of(text, "key") == set(document)
    assert keys_of(text, "key of a check") == set(check)
    assert keys_of(text, "key of a finding") == set(check["findings"][0])


def test_every_outcome_is_documented() -> None:
    """docs/verdict.md lists the outcomes of a verdict."""
    outcomes = set(VerdictOutcome.__args__)
    assert set(first_cells(section(read("docs/verdict.md"), "Outcomes"))) - {"outcome", "---"} == outcomes


def test_every_universal_check_is_documented() -> None:
    """docs/verdict.md lists C and U1 to U7, with ★ where the check is mandatory."""
    table = first_cells(section(read("docs/verdict.md"), "Checks that every exercise has"))
    checks = tomllib.loads(UNIVERSAL.read_text("utf-8"))
    stars = {f"{name} ★" if one.get("mandatory") else name for name, one in checks.items()}
    assert set(table) - {"check", "---"} == stars


def test_every_code_that_documents_name_has_a_text() -> None:
    """A code in docs/scenarios.md or docs/packs.md is one that a report can put into words."""
    words, found = catalogue("en"), set()
    for page in ("docs/scenarios.md", "docs/packs.md"):
        found |= set(re.findall(r"`((?:response|list|count|agency|app|scenario|pack)\.[a-z_]+[a-z])`", read(page)))
    assert len(found) > 20
    assert {code for code in found if code not in words and f"{code.partition('.')[0]}.any" not in words} == set()


# -- what a trainee hands in -------------------------------------------------------------------------------------------


def test_the_page_for_trainees_says_what_the_sandbox_is() -> None:
    """docs/submitting.md: files, keys, places, variables and limits are those of the code and of the images."""
    page = read("docs/submitting.md")
    app = golden.app_shape(uid=1, start=(), environment={}, memory=1, cpus=1.0)
    targets = {one.runtime.name: one.runtime.target for one in read_specs(ROOT / "sandboxes").values() if one.runtime}
    inside = {"python": "", "node": "/node_modules", "php": "/vendor"}
    facts = [
        *(f"`{name}`" for names in RUNTIME_FILES.values() for name in names if "/" not in name),
        *(f"`{name}`" for name in (node_packages.LOCK, php_packages.LOCK)),
        *(f"`{target}{inside[name]}`" for name, target in targets.items()),
        *(f"`{one}`" for one in re.findall(r"NODE_ENV=\w+", read("sandboxes/runtime-node/Dockerfile"))),
        f"({golden.APP_PORT} at present)",
        f"within {golden.STOP_SECONDS} s",
        f"(usually {Limits().start_seconds} s)",
        f"{app.pids} processes",
        f"({re.findall(r'size=([0-9]+)m', app.tmpfs['/tmp'])[0]} MiB,",
        f"{MAX_ARCHIVE_BYTES // MIB} MiB packed, {MAX_UNPACKED_BYTES // MIB} MiB and {MAX_FILES:,} files",
    ]
    assert len(facts) > 12
    assert [one for one in facts if one not in page] == []
    (example,) = re.findall(r"^```toml$(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert tuple(tomllib.loads(example)) == CONFIG_KEYS
    sizes = section(page, "ขนาดและสิ่งที่ไม่นำเข้าตรวจ · Sizes, and what is left out")
    assert {name.casefold() for name in re.findall(r"`([^`]+)`", sizes)} == DROPPED_NAMES | {VENDOR}


# -- decisions --------------------------------------------------------------------------------------------------------


def test_decisions_are_numbered_and_listed() -> None:
    """Numbers run without a gap, and the list has every page by its title."""
    assert [page.name[:4] for page in DECISIONS] == [f"{number:04d}" for number in range(1, len(DECISIONS) + 1)]
    index = read("docs/decisions/README.md")
    for page in DECISIONS:
        number, _, name = page.read_text("utf-8").partition("\n")[0].removeprefix("# ").partition(" ")
        assert f"| [{number}]({page.name}) | {name} |" in index


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem[:40])
def test_a_decision_has_its_headings_and_a_rule_that_exists(page: Path) -> None:
    """Five headings with words under each; the last names a test, or a contract and the file that it is in."""
    text = page.read_text("utf-8")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADINGS
    for heading in HEADINGS:
        assert len(section(text, heading).strip()) > 40, heading
    rule = section(text, HEADINGS[-1])
    assert re.search(r"`tests/[\w/]+\.py::test_\w+`", rule), "no test is named"
    named = re.findall(r'contract "([^"]+)"|"([^"]+)" in\s+`pyproject\.toml`', " ".join(rule.split()))
    assert [one for pair in named for one in pair if one and f'name = "{one}"' not in read("pyproject.toml")] == []


# -- what documents point to ------------------------------------------------------------------------------------------


def anchor_of(heading: str) -> str:
    """The anchor of a heading: lower case, letters with their marks, digits and hyphens; blanks become hyphens."""
    kept = (one for one in heading.lower() if one.isalnum() or one in " _-" or unicodedata.category(one)[0] == "M")
    return "".join(kept).strip().replace(" ", "-")


def anchors(page: Path) -> set[str]:
    """The anchors of a page."""
    return {anchor_of(one) for one in re.findall(r"^#+ (.*)$", without_code(page.read_text("utf-8")), re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_links_lead_somewhere(page: Path) -> None:
    """A link of a document is a file of this project, and its anchor a heading there; none leaves the project."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text("utf-8"))):
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        known = file.exists() and file.is_relative_to(ROOT)
        if not known or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


_PLACE = re.compile(r"`((?:\.ci|docs|exercises|grader|portal|sandboxes|tests)/[^`\s]*)`")


def defined(file: Path) -> set[str]:
    """The names of the functions of a module."""
    tree = ast.parse(file.read_bytes())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_files_and_tests_that_documents_name_exist(page: Path) -> None:
    """A path in backquotes exists, and a test after :: stands in it; places with <…> are for something new."""
    missing = []
    for place in _PLACE.findall(page.read_text("utf-8")):
        name, _, test = place.partition("::")
        file = ROOT / name
        if "<" not in name and (not file.exists() or (test and test not in defined(file))):
            missing.append(place)
    assert missing == []


def test_names_in_capitals_that_documents_point_to_exist() -> None:
    """``NAME`` of or in `file`: the constant or function is there."""
    pattern = re.compile(r"`([A-Za-z_]\w+)`(?: \([^)]*\))?(?: of| in)\s+`((?:grader|tests|sandboxes)/[\w/.-]+)`")
    found = [(page, *pair) for page in PAGES for pair in pattern.findall(page.read_text("utf-8"))]
    assert len(found) > 10
    missing = [
        f"{title(page)}: {name} in {file}"
        for page, name, file in found
        if not re.search(rf"\b{name}\b", (ROOT / file).read_text("utf-8"))
    ]
    assert missing == []


# -- what no file may hold --------------------------------------------------------------------------------------------

MACHINE_PATHS = re.compile(
    r"(?<![\w.~)}\]-])/(?:" + "|".join(("wo" + "rk", "ro" + "ot", "ho" + "me", "Us" + "ers")) + r")/"
)
"""A path of somebody's machine: absolute, and in a folder that people work in."""

REGISTRIES = re.compile(
    r"\b(?:"
    + "|".join(
        re.escape(f"{name}.{ending}")
        for name, ending in (
            ("py" + "pi", "org"),
            ("python" + "hosted", "org"),
            ("npm" + "js", "org"),
            ("npm" + "js", "com"),
            ("yarn" + "pkg", "com"),
            ("packa" + "gist", "org"),
            ("cra" + "tes", "io"),
            ("gh" + "cr", "io"),
            ("qu" + "ay", "io"),
            ("gc" + "r", "io"),
            ("registry-1." + "docker", "io"),
            ("hub." + "docker", "com"),
            ("proxy." + "golang", "org"),
            ("deb." + "debian", "org"),
        )
    )
    + r")\b",
    re.IGNORECASE,
)
"""Hosts of package registries: which one is used is a setting of a machine and its tools."""


def project_files() -> Iterator[Path]:
    """Every file of the project, tracked or new; without git, what .gitignore does not name."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if shutil.which("git"):
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False).stdout.decode()
        if listed:
            yield from (path for path in (ROOT / name for name in listed.split("\0") if name) if path.is_file())
            return
    ignored = [line.strip("/") for line in read(".gitignore").split()] + [".git"]
    for path in sorted(ROOT.rglob("*")):
        inside = path.relative_to(ROOT).parts
        if path.is_file() and not any(fnmatch(part, rule) for part in inside for rule in ignored):
            yield path


def forbidden(text: str) -> list[str]:
    """Machine paths and registry hosts in a text."""
    return [match.group() for rule in (MACHINE_PATHS, REGISTRIES) for match in rule.finditer(text)]


def test_no_file_names_a_machine_or_a_registry() -> None:
    """The project can be built by anybody, anywhere, from any registry."""
    found, looked_at = {}, 0
    for path in project_files():
        looked_at += 1
        if problems := forbidden(path.read_bytes().decode("utf-8", "replace")):
            found[title(path)] = problems
    assert looked_at > 300
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "see /wo" + "rk/x",
        "cd /ro" + "ot/x",
        '"/ho' + 'me/me/x"',
        "https://files.python" + "hosted.org/",
        "PY" + "PI.org",
    ],
)
def test_machine_paths_and_registries_are_found(text: str) -> None:
    """The rule above can fail."""
    assert forbidden(text)


@pytest.mark.parametrize(
    "text", ["homework/x", "../work/x", "mysql://root:x@y/z", "Debian's docker.io", "{folder}/work/x"]
)
def test_what_only_looks_like_one_is_left_alone(text: str) -> None:
    """The rule above does not cry wolf."""
    assert forbidden(text) == []
