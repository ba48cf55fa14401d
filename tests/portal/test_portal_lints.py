"""What no code of ours may do with text of others: the gates of ``make test``, each shown to find what it forbids."""

import ast
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

import pytest
from jinja2 import DictLoader, Environment, select_autoescape

from grader.reports import html
from grader.reports.printing.engine import templates_of
from portal.pages import Pages
from tests.fixtures.portal import HOME

TEMPLATES: Final = sorted(
    path for folder in ("portal", "grader") for ending in ("*.html", "*.j2") for path in (HOME / folder).rglob(ending)
)
MARKUP: Final = {
    "grader/reports/qr.py": 1,
    "grader/reports/html.py": 1,
    "grader/reports/printing/engine.py": 1,
    "portal/markdown.py": 1,
}
"""Module -> how many texts it declares to be markup; each says why where it does."""
PROGRAMS: Final = frozenset({
    "grader/cli/serve.py", "grader/intake/leash.py", "grader/intake/parent.py", "grader/packs/lint/code.py",
    "grader/packs/lint/worlds.py", "grader/probe/contract/play.py", "grader/rosters/workbook.py",
    "grader/sandbox/host.py", "grader/sandbox/images.py", "grader/services/linting.py", "grader/worker/git.py",
    "grader/worker/supervisor.py", "portal/assets.py",
})  # fmt: skip
"""Modules that start programs: a new one is looked at by somebody, because an argument may be read as an option."""

Rule = Callable[[ast.Module], Iterator[str]]


def named(node: ast.expr) -> str:
    """The last part of a dotted name."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Every call of a module."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def put_together(node: ast.expr) -> bool:
    """Whether a text is made of pieces where it stands."""
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    if isinstance(node, ast.BinOp):
        return (
            isinstance(node.op, ast.Mod)
            or put_together(node.left)
            or put_together(node.right)
            or not (isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant))
        )
    return isinstance(node, ast.Call) and named(node.func) in {"format", "join", "format_map"}


def templates_from_text(tree: ast.Module) -> Iterator[str]:
    """Templates that are no files, environments that do not always escape, and the one that escapes by file name."""
    for call in calls(tree):
        name = named(call.func)
        escaping = [one.value for one in call.keywords if one.arg == "autoescape"]
        careless = name == "Environment" and not (
            len(escaping) == 1 and isinstance(escaping[0], ast.Constant) and escaping[0].value is True
        )
        if careless or name in {"from_string", "Jinja2Templates", "select_autoescape", "Template"}:
            yield f"{call.lineno}: {name}"


def formats_from_text(tree: ast.Module) -> Iterator[str]:
    """Format strings that do not stand where they are used: one that somebody wrote reads the program's objects."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            literal = isinstance(node.func.value, ast.Constant)
            if node.func.attr in {"format", "format_map", "vformat"} and not literal:
                yield f"{node.lineno}: {node.func.attr}"
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) and isinstance(node.left, ast.JoinedStr):
            yield f"{node.lineno}: %"


STATEMENTS: Final = frozenset({"text", "execute", "exec_driver_sql", "executescript", "literal_column"})


def queries_put_together(tree: ast.Module) -> Iterator[str]:
    """Statements whose text is made of pieces: values are bound, names stand in the program."""
    for call in calls(tree):
        if named(call.func) in STATEMENTS and call.args and put_together(call.args[0]):
            yield f"{call.lineno}: {named(call.func)}"


def modules(*folders: str) -> dict[str, ast.Module]:
    """Every module of these folders."""
    found = {
        path.relative_to(HOME).as_posix(): ast.parse(path.read_bytes())
        for folder in folders
        for path in sorted((HOME / folder).rglob("*.py"))
    }
    assert found
    return found


SERVED: Final = (
    "portal", "grader/services", "grader/records", "grader/queue", "grader/reports", "grader/kpi", "grader/rosters",
)  # fmt: skip
RULES: Final[dict[str, tuple[Rule, tuple[str, ...], frozenset[str], tuple[str, ...], str]]] = {
    "templates are files, and always escape": (
        templates_from_text,
        ("portal", "grader"),
        frozenset(),
        ("e.from_string(a)", "Environment(loader=x)", "Environment(autoescape=select_autoescape())", "j.Template(a)"),
        "Environment(loader=x, autoescape=True).get_template('a').render()",
    ),
    "nobody's text is a format string": (
        formats_from_text,
        SERVED,
        frozenset(),
        ("a.format(b)", "f'{a}'.format(b)", "self.words.format_map(b)", "f'{a} %s' % b"),
        "'{}'.format(a); f'{a}'; format(a, 'd'); a % 2; '%s' % a",
    ),
    "no query is put together from texts": (
        queries_put_together,
        SERVED,
        # A setting of the database and names of tables, which stand in the program; a row of zeros in a migration.
        frozenset({
            "grader/records/database.py",
            "grader/services/erasing.py",
            "grader/records/migrations/versions/0001_tables_of_the_first_version.py",
        }),
        ("text(f'SELECT {a}')", "s.execute('SELECT ' + a)", "s.execute('SELECT %s' % a)", "text('{}'.format(a))"),
        "s.execute(select(a).where(a.b == c)); s.execute(text('SELECT 1'), {'a': a}); text(f'SELECT 1')",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_the_rule_holds(name: str) -> None:
    """In every module of ours; an exception that is not needed any more fails, too."""
    rule, folders, free, _, _ = RULES[name]
    found = {path: list(rule(tree)) for path, tree in modules(*folders).items()}
    assert {path: lines for path, lines in found.items() if lines and path not in free} == {}
    assert {path for path in free if not found[path]} == set()


@pytest.mark.parametrize("name", RULES)
def test_the_rule_finds_what_it_forbids(name: str) -> None:
    """Each way of doing it, and nothing else."""
    rule, _, _, broken, kept = RULES[name]
    for code in broken:
        assert list(rule(ast.parse(code))), code
    assert list(rule(ast.parse(kept))) == []


def test_only_these_texts_are_markup() -> None:
    """What is not escaped is counted, module by module."""
    found = {
        path: sum(named(call.func) == "Markup" and bool(call.args) for call in calls(tree))
        for path, tree in modules("portal", "grader").items()
    }
    assert {path: count for path, count in found.items() if count} == MARKUP


def test_only_these_modules_start_programs() -> None:
    """The portal itself starts none; the assets are prepared before it."""
    found = {
        path
        for path, tree in modules("portal", "grader").items()
        if any(
            (isinstance(node, ast.Import) and any(one.name == "subprocess" for one in node.names))
            or (isinstance(node, ast.ImportFrom) and node.module == "subprocess")
            or (isinstance(node, ast.Attribute) and re.fullmatch("exec[lv]p?e?|spawn[lv]p?e?|posix_spawnp?", node.attr))
            for node in ast.walk(tree)
        )
    }
    assert found - PROGRAMS == set()


def environments() -> dict[str, Environment]:
    """Every environment that templates are rendered in."""
    pages = Pages(lambda: None)  # type: ignore[arg-type,return-value] - nothing is rendered that asks for the time
    return {
        "pages": pages._environment,
        "report": html._environment(),
        **{name: templates_of(f"grader.reports.{name}") for name in ("kpi", "sheet", "certificate")},
    }


def escapes(environment: Environment, name: str) -> bool:
    """Whether a template of this name would escape what it shows."""
    rendered = environment.overlay(loader=DictLoader({name: "{{ value }}"})).get_template(name).render(value="<x>")
    return rendered == "&lt;x&gt;"


def test_every_template_is_read_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no visitor waits for it, and one that cannot be read stops the portal before anybody comes."""
    pages = Pages(lambda: datetime.now(UTC))
    pages.prepare()
    loader = pages._environment.loader
    assert loader is not None
    monkeypatch.setattr(loader, "load", lambda *_: pytest.fail("read when it was needed"))
    read = [name for name in pages._environment.list_templates() if name.endswith((".html", ".html.j2"))]
    for name in read:
        pages._environment.get_template(name)
    assert len(read) > 60


def test_every_template_escapes_whatever_it_is_called() -> None:
    """Those that there are, and the names that an environment that goes by names would let through."""
    names = {path.name for path in TEMPLATES} | {"mail.txt", "report.j2", "badge.svg", "a.html.j2"}
    assert len(names) > 40
    for environment in environments().values():
        assert [name for name in names if not escapes(environment, name)] == []
    by_name = Environment(autoescape=select_autoescape(), loader=DictLoader({}))
    assert not escapes(by_name, "report.j2")


UNSAFE: Final = {
    "is not escaped": r"\|\s*safe\b|autoescape\s+false|\bMarkup\b",
    "stands in no quotes": r"<[^>{}]*\s[\w:-]+=\{\{",
    "is script or style": r"<script[^>]*>[^<]*\{\{|\son[a-z]+=[\"']|\sstyle\s*=\s*[\"']",
    "is a format string": r"\{\{\s*[\w.]+\s*\|\s*format\(",
}
"""What a template does with a value -> how that is written."""


@pytest.mark.parametrize("what", UNSAFE)
def test_no_template_shows_a_value_that(what: str) -> None:
    """Neither the portal's nor the reports'."""
    assert TEMPLATES
    found = [str(path.relative_to(HOME)) for path in TEMPLATES if re.search(UNSAFE[what], path.read_text("utf-8"))]
    assert found == []
    broken = {
        "is not escaped": "{{ a | safe }}", "stands in no quotes": "<a href={{ a }}>",
        "is script or style": "<script>var a = {{ a }}</script>", "is a format string": "{{ text | format(a) }}",
    }  # fmt: skip
    assert re.search(UNSAFE[what], broken[what])
