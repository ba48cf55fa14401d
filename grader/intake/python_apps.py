"""Find the app object of a Python project by reading its source; nothing is imported or run."""

import ast
import re
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Framework = Literal["fastapi", "flask"]

FACTORY_NAMES = ("create_app", "make_app", "build_app", "get_app")
MARKER = re.compile(rb"\b(?:FastAPI|Flask)\b|\b(?:create|make|build|get)_app\b")
"""A file without any of these is not parsed."""

_CLASSES: Mapping[str, Framework] = {"FastAPI": "fastapi", "Flask": "flask"}
_APP_NAMES = ("app", "application", "api")
# What is left of an app object in a file that does not parse.
_ASSIGNED = re.compile(r"^(\w+)[ \t]*(?::[^=\n]+)?=[ \t]*(?:\w+\.)?(FastAPI|Flask)\(", re.MULTILINE)
_CALLED = re.compile(r"\b(FastAPI|Flask)\(")


@dataclass(frozen=True, kw_only=True, slots=True)
class App:
    """An app object, or a factory that returns one, at the top level of a file."""

    file: str
    name: str
    framework: Framework
    factory: bool = False
    parsed: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class SyntaxProblem:
    """Why a file could not be parsed. ``line`` counts from 1, 0 is unknown."""

    line: int
    problem: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """What one file says: its own apps, names bound to a factory's result, and what it imports.

    ``absolute`` are the top-level names of its imports, ``relative`` the highest number of leading dots.
    """

    file: str
    apps: tuple[App, ...] = ()
    calls: tuple[tuple[str, str], ...] = ()
    absolute: frozenset[str] = frozenset()
    relative: int = 0
    problem: SyntaxProblem | None = None


def read_source(file: str, content: bytes) -> Source:
    """Read one file; a file that does not parse is searched by pattern and says why it did not."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp874", "replace")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = ast.parse(text)
    except SyntaxError as error:
        return _unparsed(file, text, SyntaxProblem(line=error.lineno or 0, problem=str(error.msg)[:200]))
    except (ValueError, RecursionError, MemoryError):
        # NUL characters, and expressions nested deeper than the parser goes.
        return _unparsed(file, text, SyntaxProblem(line=0, problem="too deeply nested, or not text"))
    return _Reader(file, module).read()


def _unparsed(file: str, text: str, problem: SyntaxProblem) -> Source:
    found = _ASSIGNED.search(text)
    call = _CALLED.search(text)
    apps: tuple[App, ...] = ()
    if found:
        apps = (App(file=file, name=found[1], framework=_CLASSES[found[2]], parsed=False),)
    elif call:
        apps = (App(file=file, name="app", framework=_CLASSES[call[1]], parsed=False),)
    return Source(file=file, apps=apps, problem=problem)


class _Reader:
    """One pass over the statements of a module, with the names that stand for a framework's class."""

    def __init__(self, file: str, module: ast.Module) -> None:
        self._file = file
        self._module = module
        self._classes: dict[str, Framework] = dict(_CLASSES)
        self._modules: dict[str, Framework] = {"fastapi": "fastapi", "flask": "flask"}
        self._apps: list[App] = []
        self._calls: list[tuple[str, str]] = []

    def read(self) -> Source:
        for statement in _top_level(self._module.body):
            self._statement(statement)
        absolute, relative = _imports(self._module)
        return Source(
            file=self._file,
            apps=tuple(self._apps),
            calls=tuple(self._calls),
            absolute=absolute,
            relative=relative,
        )

    def _statement(self, statement: ast.stmt) -> None:
        match statement:
            case ast.ImportFrom(module="fastapi" | "flask", level=0, names=imported):
                self._alias(imported)
            case ast.Import(names=imported):
                self._alias_module(imported)
            case ast.ClassDef(name=name, bases=bases):
                framework = next((known for base in bases if (known := self._class(base))), None)
                if framework:
                    self._classes[name] = framework
            case ast.FunctionDef(name=name) if name in FACTORY_NAMES:
                framework = self._made_by(statement)
                if framework:
                    self._apps.append(App(file=self._file, name=name, framework=framework, factory=True))
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=func)):
                self._bind(name, func)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Call(func=func)):
                self._bind(name, func)
            case _:
                pass

    def _alias_module(self, imported: list[ast.alias]) -> None:
        for alias in imported:
            framework = self._modules.get(alias.name)
            if alias.asname and framework:
                self._modules[alias.asname] = framework

    def _alias(self, imported: list[ast.alias]) -> None:
        for alias in imported:
            if alias.asname and alias.name in _CLASSES:
                self._classes[alias.asname] = _CLASSES[alias.name]

    def _class(self, node: ast.expr) -> Framework | None:
        match node:
            case ast.Name(id=name):
                return self._classes.get(name)
            case ast.Attribute(value=ast.Name(id=module), attr="FastAPI" | "Flask"):
                return self._modules.get(module)
            case _:
                return None

    def _made_by(self, function: ast.FunctionDef) -> Framework | None:
        """Return the framework of a factory that can be called without arguments."""
        arguments = function.args
        needed = len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)
        if needed or any(default is None for default in arguments.kw_defaults):
            return None
        calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
        return next((framework for func in calls if (framework := self._class(func))), None)

    def _bind(self, name: str, func: ast.expr) -> None:
        if framework := self._class(func):
            self._apps.append(App(file=self._file, name=name, framework=framework))
        elif isinstance(func, ast.Name) and func.id in FACTORY_NAMES and name in _APP_NAMES:
            self._calls.append((name, func.id))


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run on import, also inside ``if``, ``try`` and ``with``."""
    waiting = list(reversed(body))
    while waiting:
        statement = waiting.pop()
        yield statement
        match statement:
            case ast.If(test=ast.Compare(left=ast.Name(id="__name__"))):
                pass
            case ast.If() | ast.Try():
                waiting.extend(reversed(statement.body + statement.orelse))
            case ast.With():
                waiting.extend(reversed(statement.body))
            case _:
                pass


def _imports(module: ast.Module) -> tuple[frozenset[str], int]:
    absolute: set[str] = set()
    relative = 0
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            absolute.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            relative = max(relative, node.level)
            if not node.level and node.module:
                absolute.add(node.module.split(".")[0])
    return frozenset(absolute), relative


def resolve(sources: Collection[Source], *, default: Framework | None) -> list[App]:
    """Return all apps of a project, best first; ``app = create_app()`` counts as an app where it stands.

    ``default`` is the framework of a factory whose own file shows none.
    """
    factories = {app.name: app.framework for source in sources for app in source.apps if app.factory}
    apps = [app for source in sources for app in source.apps]
    for source in sources:
        for name, factory in source.calls:
            framework = factories.get(factory, default)
            if framework:
                apps.append(App(file=source.file, name=name, framework=framework))
    return sorted(apps, key=_rank)


_PLACES = (
    "main.py",
    "app.py",
    "app/main.py",
    "app/app.py",
    "app/__init__.py",
    "src/main.py",
    "src/app.py",
    "api.py",
    "server.py",
    "asgi.py",
    "wsgi.py",
    "run.py",
    "index.py",
    "api/main.py",
)
_ENTRY_NAMES = ("main.py", "app.py", "__init__.py", "api.py", "server.py", "asgi.py", "wsgi.py")


def place_rank(file: str) -> tuple[int, int, str]:
    """Order files by how usual they are as an entry point: the listed places, usual names elsewhere, the rest."""
    if file in _PLACES:
        return _PLACES.index(file), 0, file
    name = file.rsplit("/", 1)[-1]
    usual = _ENTRY_NAMES.index(name) if name in _ENTRY_NAMES else len(_ENTRY_NAMES)
    return len(_PLACES) + usual, file.count("/"), file


def is_usual_place(file: str) -> bool:
    """Say whether an entry point is expected in this file."""
    return place_rank(file)[0] < len(_PLACES)


def _rank(app: App) -> tuple[object, ...]:
    """Order apps: by place, objects before factories, ``app`` before ``application`` before ``api``, by name."""
    names = FACTORY_NAMES if app.factory else _APP_NAMES
    return (place_rank(app.file), app.factory, names.index(app.name) if app.name in names else len(names), app.name)


def import_base(source: Source, paths: Collection[str]) -> str:
    """Return the folder from which the file's own imports work, ``""`` for the root of the project.

    The folder with the most local imports resolved wins, the outermost among equals; a ``src`` folder that is no
    package is a base by convention.
    """
    folders = source.file.split("/")[:-1]
    bases = ["/".join(folders[:depth]) for depth in range(len(folders) + 1)]
    allowed = [base for depth, base in enumerate(bases) if len(folders) - depth >= source.relative]
    allowed = [base for base in allowed if "." not in source.file[len(base) : -len(".py")].strip("/")]
    if not allowed:
        return ""
    is_src = bool(folders) and folders[0] == "src" and "src/__init__.py" not in paths
    known = {"/".join(path.split("/")[: depth + 1]) for path in paths for depth in range(path.count("/") + 1)}

    def score(base: str) -> tuple[int, bool, int]:
        prefix = f"{base}/" if base else ""
        local = sum(f"{prefix}{name}.py" in known or f"{prefix}{name}" in known for name in source.absolute)
        return local, is_src and base == "src", -base.count("/") - bool(base)

    return max(allowed, key=score)
