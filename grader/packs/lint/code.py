"""Rules about scenarios and world.py, read as syntax trees; nothing is run."""

import ast
from collections.abc import Iterator, Mapping

from grader.packs.lint.problem import Found, Subject

SCENARIO_MODULES = frozenset(
    {
        *("pytest", "grader.probe.scenarios", "grader.packs"),
        *("datetime", "time", "itertools", "random", "math", "json", "re"),
        *("collections", "dataclasses", "decimal", "functools", "string", "typing"),
    }
)
"""What a scenario may import; a name covers the modules below it."""

IMPURE_MODULES = frozenset(
    {
        *("os", "io", "pathlib", "shutil", "tempfile", "glob", "subprocess", "multiprocessing", "threading", "asyncio"),
        *("socket", "ssl", "http", "urllib", "httpx", "requests", "psycopg", "sqlite3"),
        *("time", "secrets", "uuid", "platform", "locale"),
    }
)
"""What world.py may not import: it has no clock, no network, no file and no chance but its seed."""

CLOCKS = frozenset(
    {
        *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
        *("time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.strftime", "time.ctime"),
    }
)
SEEDED = frozenset({"random.Random"})


def checks_have_scenarios(subject: Subject) -> Iterator[Found]:
    """Every specific check has at least one scenario that carries its mark; the family privacy may do without."""
    marked = {mark for tree in subject.scenarios.values() for _, marks in _tests(tree) for mark in marks}
    for check in subject.specific:
        if check.id not in marked and not check.about_people:
            yield Found(
                path="scenarios/",
                where=check.id,
                problem=f"no scenario is marked with {check.id}",
                fix=f'Write a test with @pytest.mark.check("{check.id}").',
            )


def scenarios_have_checks(subject: Subject) -> Iterator[Found]:
    """Every test in scenarios carries one mark, and it names a check of checks.toml."""
    known = {check.id for check in subject.specific}
    for file, tree in subject.scenarios.items():
        for test, marks in _tests(tree):
            place = f"line {test.lineno}, {test.name}"
            if len(marks) != 1:
                yield Found(
                    path=file,
                    where=place,
                    problem=f"the test carries {len(marks)} check marks",
                    fix='Write exactly one @pytest.mark.check("…") with the id as a literal text above it.',
                )
            for mark in marks:
                if mark not in known:
                    yield Found(
                        path=file,
                        where=place,
                        problem=f"{mark} is no check of checks.toml",
                        fix=f"Use one of: {', '.join(sorted(known))}.",
                    )


def _tests(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, list[str]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            yield node, [mark for decorator in node.decorator_list for mark in _mark(decorator)]


def _mark(decorator: ast.expr) -> Iterator[str]:
    if isinstance(decorator, ast.Call) and _dotted(decorator.func).endswith("mark.check"):
        for argument in decorator.args:
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield argument.value


def scenario_imports(subject: Subject) -> Iterator[Found]:
    """Scenarios import only pytest, the probe's scenario tools, grader.packs and pure standard modules."""
    for file, tree in subject.scenarios.items():
        for line, name in _imports(tree):
            if not any(name == allowed or name.startswith(f"{allowed}.") for allowed in SCENARIO_MODULES):
                yield Found(
                    path=file,
                    where=f"line {line}",
                    problem=f"a scenario may not import {name}",
                    fix="Use the fixtures api, agencies, world, oracle and clock; docs/scenarios.md lists them.",
                )


def scenarios_are_repeatable(subject: Subject) -> Iterator[Found]:
    """Scenarios read no date from the wall clock and draw no unseeded chance."""
    for file, line, name in _impure_calls(subject.scenarios):
        yield Found(
            path=file,
            where=f"line {line}",
            problem=f"{name} gives another value in every run",
            fix="Use the fixture clock for dates, and random.Random(world.seed) for chance.",
        )


def world_is_pure(subject: Subject) -> Iterator[Found]:
    """world.py reads no clock, no file, no network, and draws only from a seeded random.Random."""
    for file, line, name in _impure_calls(subject.worldcode):
        yield Found(
            path=file,
            where=f"line {line}",
            problem=f"{name} gives another value in every run",
            fix="Write as_of as a constant, and draw from random.Random(seed).",
        )
    for file, tree in subject.worldcode.items():
        for line, name in _imports(tree):
            if name.split(".")[0] in IMPURE_MODULES:
                yield Found(
                    path=file,
                    where=f"line {line}",
                    problem=f"{name} reaches out of the world",
                    fix="Compute everything from the seed.",
                )
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _dotted(node.func) in ("open", "input", "exec", "eval", "__import__"):
                yield Found(
                    path=file,
                    where=f"line {node.lineno}",
                    problem=f"{_dotted(node.func)}() reaches out of the world",
                    fix="Compute everything from the seed.",
                )


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")


def _impure_calls(trees: Mapping[str, ast.Module]) -> Iterator[tuple[str, int, str]]:
    """Calls that differ between runs as (file, line, name), with names resolved through the file's imports."""
    for file, tree in trees.items():
        names = _bound_names(tree)
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            head, _, rest = _dotted(node.func).partition(".")
            full = ".".join(part for part in (names.get(head, head), rest) if part)
            short = ".".join(full.split(".")[-2:])
            unseeded = full.startswith("random.") and full not in SEEDED
            seedless = full in SEEDED and not node.args and not node.keywords
            if short in CLOCKS or unseeded or seedless:
                yield file, node.lineno, full


def _bound_names(tree: ast.Module) -> dict[str, str]:
    """Local name to the full name it was imported as: ``from random import choice as c`` gives c -> random.choice."""
    bound: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            bound.update({alias.asname: alias.name for alias in node.names if alias.asname})
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            bound.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    return bound


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        head = _dotted(node.value)
        return f"{head}.{node.attr}" if head else ""
    return ""
