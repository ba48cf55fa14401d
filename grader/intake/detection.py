"""What kind of project it is, how it starts and what it needs: read from files, never by running anything (rule S9)."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grader.errors import SubmissionRejected
from grader.intake import node_packages, node_start, php_packages, php_start, python_apps
from grader.intake.dependencies import PYPROJECT, REQUIREMENTS, Found, read_dependencies, read_toml
from grader.intake.json_files import read_json
from grader.intake.limits import MAX_CONFIG_BYTES, MAX_KEPT_SOURCES, MAX_LOCK_BYTES, MAX_SOURCE_BYTES

CONFIG = "grader.toml"
CONFIG_KEYS = ("runtime", "start")

RUNTIME_FILES: Mapping[str, tuple[str, ...]] = {
    "python": (REQUIREMENTS, PYPROJECT),
    "node": (node_packages.PACKAGE,),
    "php": (php_packages.COMPOSER, *php_start.FRONT_CONTROLLERS),
}
"""The files by which a runtime is known, in the order in which runtimes are looked for."""

_READ: Mapping[str, int] = {
    CONFIG: MAX_CONFIG_BYTES,
    REQUIREMENTS: MAX_CONFIG_BYTES,
    PYPROJECT: MAX_CONFIG_BYTES,
    node_packages.PACKAGE: MAX_CONFIG_BYTES,
    node_packages.LOCK: MAX_LOCK_BYTES,
    php_packages.COMPOSER: MAX_CONFIG_BYTES,
    php_packages.LOCK: MAX_LOCK_BYTES,
}
"""The files of the top folder that are read, and up to which size in bytes."""

_EXAMPLES = {
    "python": '["python", "-m", "uvicorn", "main:app", "--host", "0.0.0.0", "--port", "$PORT"]',
    "node": '["node", "server.js"]',
    "php": '["php", "-S", "0.0.0.0:$PORT", "-t", "public", "public/index.php"]',
}
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.DOTALL)
_SKIPPED_FOLDERS = frozenset({"tests", "test", "docs", "examples", "migrations", "alembic", "site-packages"})
_TEST_FILE = re.compile(r"(?:test_.*|.*_test|conftest)\.py")
_SHELL_WORDS = frozenset({"&&", "||", "|", ";", "&", ">", ">>", "<"})
_MAX_ARGUMENTS = 64
_MAX_ARGUMENT = 1_000
_NEEDS_UVICORN = frozenset({"uvicorn", "uvicorn-worker", "fastapi-cli"})
_EXTRAS_WITH_UVICORN = frozenset({"standard", "standard-no-fastapi-cloud-cli", "all"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """A project that can be started. ``start`` is an argument list in which ``$PORT`` stands for the port."""

    runtime: str
    start: tuple[str, ...]
    dependencies: Found
    notes: tuple[str, ...] = ()


def is_wanted(path: str, size: int) -> bool:
    """Say whether detection may want to read this file; :func:`keeps` decides when its content is known."""
    if path in _READ:
        return size <= _READ[path]
    folders, _, name = path.rpartition("/")
    if not name.endswith(".py") or size > MAX_SOURCE_BYTES or _TEST_FILE.fullmatch(name):
        return False
    return not _SKIPPED_FOLDERS.intersection(folders.split("/"))


def is_expected(path: str) -> bool:
    """Say whether the file is a configuration or stands where an entry point usually does: there are few of these."""
    return not path.endswith(".py") or python_apps.is_usual_place(path)


def keeps(path: str, content: bytes) -> bool:
    """Say whether a wanted file has something to say about how the project starts."""
    if is_expected(path) or path.rsplit("/", 1)[-1] == "manage.py":
        return True
    return python_apps.MARKER.search(content) is not None


def detect(files: Mapping[str, bytes], paths: frozenset[str]) -> Project:
    """Detect the project among ``paths`` (all files) with the contents of those that were kept.

    Raises:
        SubmissionRejected: ``project.bad_config``, ``project.no_dependency_file``, ``project.no_app``,
            ``project.syntax_error``, ``project.no_server``, those of :mod:`grader.intake.node_start` and
            :mod:`grader.intake.php_start`, and the codes ``dependencies.*``. A refusal of a project that could be of
            several runtimes has the others in ``others``.
    """
    too_large = sorted(paths.intersection({CONFIG, REQUIREMENTS, PYPROJECT}) - files.keys())
    for name in too_large:
        code = "project.bad_config" if name == CONFIG else "dependencies.too_large"
        raise SubmissionRejected(code, file=name, limit=MAX_CONFIG_BYTES, key="", problem="too_large", valid="")
    config = read_toml(CONFIG, files[CONFIG], code="project.bad_config") if CONFIG in files else {}
    wanted = _configured_runtime(config)
    found = [runtime for runtime, names in RUNTIME_FILES.items() if paths.intersection(names)]
    runtime = wanted or (found[0] if found else None)
    start = _configured_start(config, runtime or "python")
    if runtime is None:
        raise _no_dependency_file([name for names in RUNTIME_FILES.values() for name in names], paths)
    others = found[1:] if wanted is None else []
    try:
        project = _RUNTIMES[runtime](files, paths, start)
    except SubmissionRejected as refusal:
        if others:
            raise SubmissionRejected(refusal.code, **refusal.params, others=", ".join(others)) from None
        raise
    return Project(
        runtime=project.runtime,
        start=project.start,
        dependencies=project.dependencies,
        notes=(*(("receipt.several_runtimes",) if others else ()), *project.notes),
    )


def _bad_config(key: str, problem: str, valid: str) -> SubmissionRejected:
    return SubmissionRejected("project.bad_config", file=CONFIG, key=key[:100], problem=problem, valid=valid)


def _configured_runtime(config: dict[str, Any]) -> str | None:
    """Return the runtime that ``grader.toml`` names."""
    for key in config:
        if key not in CONFIG_KEYS:
            raise _bad_config(key, "unknown_key", ", ".join(CONFIG_KEYS))
    runtime = config.get("runtime")
    if runtime is not None and (not isinstance(runtime, str) or runtime not in RUNTIME_FILES):
        raise _bad_config("runtime", "unknown_value", ", ".join(RUNTIME_FILES))
    return runtime


def _configured_start(config: dict[str, Any], runtime: str) -> tuple[str, ...] | None:
    """Return the start command that ``grader.toml`` names."""
    start, example = config.get("start"), _EXAMPLES[runtime]
    if start is None:
        return None
    if isinstance(start, str):
        try:
            start = shlex.split(start)
        except ValueError:
            raise _bad_config("start", "unbalanced_quotes", example) from None
        if _SHELL_WORDS.intersection(start):
            # There is no shell: the words would reach the program as arguments.
            raise _bad_config("start", "shell_syntax", example)
    if not isinstance(start, list) or not start or not all(isinstance(word, str) for word in start):
        raise _bad_config("start", "no_list_of_strings", example)
    words = tuple(word.replace("${PORT}", "$PORT") for word in start)
    if len(words) > _MAX_ARGUMENTS or not words[0] or any(len(w) > _MAX_ARGUMENT or "\0" in w for w in words):
        raise _bad_config("start", "bad_argument", example)
    return ("env", *words) if _ASSIGNMENT.fullmatch(words[0]) else words


def _no_dependency_file(looked_for: Sequence[str], paths: frozenset[str]) -> SubmissionRejected:
    elsewhere = _nested({name.rpartition("/")[2] for name in looked_for}, paths)
    return SubmissionRejected("project.no_dependency_file", looked_for=", ".join(looked_for), found=elsewhere)


def _nested(names: set[str], paths: frozenset[str]) -> str:
    """Return a dependency file that lies in a folder, where it is not looked for; the hint of the refusal."""
    found = [path for path in paths if path.rsplit("/", 1)[-1] in names]
    return min(found, key=lambda path: (path.count("/"), path), default="")


def _python(files: Mapping[str, bytes], paths: frozenset[str], start: tuple[str, ...] | None) -> Project:
    dependencies = read_dependencies(files)
    if dependencies is None:
        raise _no_dependency_file(RUNTIME_FILES["python"], paths - {PYPROJECT})
    notes = dependencies.notes
    if start is None:
        start, more = _python_start(files, paths, dependencies)
        notes += more
    return Project(runtime="python", start=start, dependencies=dependencies, notes=notes)


def _python_start(
    files: Mapping[str, bytes],
    paths: frozenset[str],
    dependencies: Found,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    manage = _django_manage(files, dependencies)
    if manage:
        return ("python", manage, "runserver", "--noreload", "0.0.0.0:$PORT"), ()
    usual = sorted((name for name in files if name.endswith(".py")), key=python_apps.place_rank)
    sources = {name: python_apps.read_source(name, files[name]) for name in usual[:MAX_KEPT_SOURCES]}
    apps = python_apps.resolve(list(sources.values()), default=_framework(dependencies))
    # What does not parse is taken only where an entry point is expected, and after everything that does.
    apps = [app for app in apps if app.parsed] or [app for app in apps if python_apps.is_usual_place(app.file)]
    if not apps:
        raise _no_app(sources, paths)
    app = apps[0]
    notes = []
    if len({(other.file, other.name) for other in apps if not other.factory}) > 1:
        notes.append("receipt.several_apps")
    if not app.parsed:
        notes.append("receipt.entry_point_unparsed")
    base = python_apps.import_base(sources[app.file], paths)
    if app.framework == "flask":
        return _flask(app, base), tuple(notes)
    if not _brings_uvicorn(dependencies):
        raise SubmissionRejected("project.no_server", package="uvicorn", file=dependencies.file)
    return _uvicorn(app, base), tuple(notes)


def _django_manage(files: Mapping[str, bytes], dependencies: Found) -> str | None:
    if "django" not in dependencies.packages:
        return None
    found = [path for path, content in files.items() if path.endswith("manage.py") and b"django" in content]
    return min(found, key=lambda path: (path.count("/"), path), default=None)


def _framework(dependencies: Found) -> python_apps.Framework | None:
    if "fastapi" in dependencies.packages:
        return "fastapi"
    return "flask" if "flask" in dependencies.packages else None


def _brings_uvicorn(dependencies: Found) -> bool:
    packages = dependencies.packages
    extras = packages.get("fastapi", frozenset()) | packages.get("fastapi-slim", frozenset())
    return bool(_NEEDS_UVICORN & packages.keys() or _EXTRAS_WITH_UVICORN & extras)


def _module(app: python_apps.App, base: str) -> str:
    inside = app.file[len(base) + 1 :] if base else app.file
    return inside.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _uvicorn(app: python_apps.App, base: str) -> tuple[str, ...]:
    words = ["python", "-m", "uvicorn", f"{_module(app, base)}:{app.name}", "--host", "0.0.0.0", "--port", "$PORT"]  # noqa: S104 - inside the sandbox
    if app.factory:
        words.append("--factory")
    if base:
        words += ["--app-dir", base]
    return tuple(words)


def _flask(app: python_apps.App, base: str) -> tuple[str, ...]:
    # Flask has no option for the folder; given a path, it looks for the folder outside of all packages itself.
    target = app.file if base else _module(app, base)
    return ("python", "-m", "flask", "--app", f"{target}:{app.name}", "run", "--host", "0.0.0.0", "--port", "$PORT")  # noqa: S104 - inside the sandbox


def _no_app(sources: Mapping[str, python_apps.Source], paths: frozenset[str]) -> SubmissionRejected:
    for file in sorted(sources, key=python_apps.place_rank):
        problem = sources[file].problem
        if problem is not None:
            return SubmissionRejected("project.syntax_error", file=file, line=problem.line, problem=problem.problem)
    return SubmissionRejected(
        "project.no_app",
        looked_for="FastAPI(...), Flask(...), create_app(), manage.py, grader.toml",
        python_files=sum(path.endswith(".py") for path in paths),
    )


def _node(files: Mapping[str, bytes], paths: frozenset[str], start: tuple[str, ...] | None) -> Project:
    if node_packages.PACKAGE not in paths:
        raise _no_dependency_file(RUNTIME_FILES["node"], paths)
    content = files.get(node_packages.PACKAGE)
    if content is None:
        raise SubmissionRejected("dependencies.too_large", file=node_packages.PACKAGE, limit=MAX_CONFIG_BYTES)
    package = read_json(node_packages.PACKAGE, content, limit=MAX_CONFIG_BYTES)
    dependencies = node_packages.read_packages(package, files, paths)
    notes = dependencies.notes
    if start is None:
        start, more = node_start.start_of(package, paths)
        notes += more
    else:
        node_start.check_configured(start, CONFIG, package, paths)
    return Project(runtime="node", start=start, dependencies=dependencies, notes=notes)


def _php(files: Mapping[str, bytes], paths: frozenset[str], start: tuple[str, ...] | None) -> Project:
    if not paths.intersection(RUNTIME_FILES["php"]):
        raise _no_dependency_file(RUNTIME_FILES["php"], paths)
    start = start or php_start.start_of(paths)
    php_start.check(start, paths)
    if php_packages.COMPOSER in paths:
        dependencies = php_packages.read_packages(files, paths)
    else:
        dependencies = Found(file=php_start.front_controller(paths), lines=(), packages={})
    return Project(runtime="php", start=start, dependencies=dependencies, notes=dependencies.notes)


_Detector = Callable[[Mapping[str, bytes], frozenset[str], tuple[str, ...] | None], Project]
_RUNTIMES: Mapping[str, _Detector] = {"python": _python, "node": _node, "php": _php}
