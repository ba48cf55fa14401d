"""Detection: which command starts a project, and what is said when there is none."""

import pytest

from grader.errors import SubmissionRejected
from grader.intake.detection import Project, detect

FASTAPI = b"from fastapi import FastAPI\napp = FastAPI()\n"
FLASK = b"from flask import Flask\napp = Flask(__name__)\n"
TAIL = ("--host", "0.0.0.0", "--port", "$PORT")


def project(files: dict[str, bytes], requirements: bytes | None = b"fastapi\nuvicorn\nflask\n") -> Project:
    """Detect a project of these files, with a dependency file unless None is given."""
    if requirements is not None:
        files = {"requirements.txt": requirements, **files}
    return detect(files, frozenset(files))


def refusal(files: dict[str, bytes], requirements: bytes | None = b"fastapi\nuvicorn\nflask\n") -> SubmissionRejected:
    """Return the refusal of a project that must be refused."""
    with pytest.raises(SubmissionRejected) as caught:
        project(files, requirements)
    return caught.value


UVICORN = {
    "main": ({"main.py": FASTAPI}, "main:app", ()),
    "app file": ({"app.py": FASTAPI}, "app:app", ()),
    "package": ({"app/main.py": FASTAPI, "app/__init__.py": b""}, "app.main:app", ()),
    "package __init__": ({"app/__init__.py": FASTAPI}, "app:app", ()),
    "other name": ({"main.py": b"import fastapi\nservice: fastapi.FastAPI = fastapi.FastAPI()\n"}, "main:service", ()),
    "alias": ({"main.py": b"from fastapi import FastAPI as F\napi = F()\n"}, "main:api", ()),
    "module alias": ({"main.py": b"import fastapi as fa\napi = fa.FastAPI()\n"}, "main:api", ()),
    "subclass": (
        {"main.py": b"from fastapi import FastAPI\nclass A(FastAPI):\n    pass\napp = A()\n"},
        "main:app",
        (),
    ),
    "inside try": (
        {"main.py": b"from fastapi import FastAPI\ntry:\n    app = FastAPI()\nfinally:\n    pass\n"},
        "main:app",
        (),
    ),
    "src folder": ({"src/main.py": FASTAPI}, "main:app", ("--app-dir", "src")),
    "src layout": ({"src/shop/__init__.py": b"", "src/shop/main.py": FASTAPI}, "shop.main:app", ("--app-dir", "src")),
    "src as a package": (
        {"src/__init__.py": b"", "src/db.py": b"", "src/main.py": b"from src.db import x\n" + FASTAPI},
        "src.main:app",
        (),
    ),
    "relative imports": ({"src/db.py": b"", "src/main.py": b"from .db import x\n" + FASTAPI}, "src.main:app", ()),
    "folder as root": (
        {"backend/db.py": b"", "backend/main.py": b"from db import x\n" + FASTAPI},
        "main:app",
        ("--app-dir", "backend"),
    ),
    "factory": (
        {"main.py": b"from fastapi import FastAPI\ndef create_app():\n    return FastAPI()\n"},
        "main:create_app",
        ("--factory",),
    ),
    "factory called elsewhere": (
        {
            "service/factory.py": b"from fastapi import FastAPI\ndef create_app():\n    return FastAPI()\n",
            "main.py": b"from service.factory import create_app\napp = create_app()\n",
        },
        "main:app",
        (),
    ),
    "main before others": ({"main.py": FASTAPI, "zoo/app.py": FASTAPI, "tests/main.py": FASTAPI}, "main:app", ()),
    "not under __main__": (
        {
            "app.py": FASTAPI,
            "main.py": b"from fastapi import FastAPI\nif __name__ == '__main__':\n    app = FastAPI()\n",
        },
        "app:app",
        (),
    ),
    "byte order mark": ({"main.py": b"\xef\xbb\xbf" + FASTAPI}, "main:app", ()),
}


@pytest.mark.parametrize(("files", "target", "more"), UVICORN.values(), ids=UVICORN.keys())
def test_fastapi_is_started_by_uvicorn(files: dict[str, bytes], target: str, more: tuple[str, ...]) -> None:
    """Each usual layout of a FastAPI project gives the command that its author would type."""
    assert project(files).start == ("python", "-m", "uvicorn", target, *TAIL, *more)


FLASKS = {
    "app": ({"app.py": FLASK}, "app:app"),
    "wsgi": ({"wsgi.py": b"from flask import Flask\napplication = Flask(__name__)\n"}, "wsgi:application"),
    "factory": (
        {"app/__init__.py": b"from flask import Flask\ndef create_app(config=None):\n    return Flask(__name__)\n"},
        "app:create_app",
    ),
    "folder as root": (
        {"backend/db.py": b"", "backend/app.py": b"import db\n" + FLASK},
        "backend/app.py:app",
    ),
}


@pytest.mark.parametrize(("files", "target"), FLASKS.values(), ids=FLASKS.keys())
def test_flask_is_started_by_flask(files: dict[str, bytes], target: str) -> None:
    """Each usual layout of a Flask project gives the command of the flask module."""
    assert project(files).start == ("python", "-m", "flask", "--app", target, "run", *TAIL)


def test_django_is_started_by_manage() -> None:
    """A Django project starts by its manage.py, without the reloader."""
    manage = b"from django.core.management import execute_from_command_line\n"
    found = project({"manage.py": manage, "site/settings.py": b""}, b"Django>=5\n")
    assert found.start == ("python", "manage.py", "runserver", "--noreload", "0.0.0.0:$PORT")


def test_several_apps_are_noted() -> None:
    """With two candidates the more usual place is taken, and the receipt says that there was a choice."""
    found = project({"app.py": FLASK, "main.py": FASTAPI})
    assert found.start[3] == "main:app"
    assert found.notes == ("receipt.several_apps",)


def test_factory_that_needs_arguments_is_no_candidate() -> None:
    """A factory with a required argument cannot be called by the server."""
    source = b"from fastapi import FastAPI\ndef create_app(settings):\n    return FastAPI()\n"
    assert refusal({"main.py": source}).code == "project.no_app"


def test_no_app_says_what_was_looked_for() -> None:
    """Without an app object the refusal lists what detection knows."""
    error = refusal({"main.py": b"print('hello')\n"})
    assert error.code == "project.no_app"
    assert "FastAPI" in str(error.params["looked_for"])
    assert error.params["python_files"] == 1


def test_syntax_error_names_file_and_line() -> None:
    """An entry point that does not parse and shows no app is refused with its place."""
    error = refusal({"main.py": b"import os\n\ndef f(:\n"})
    assert (error.code, error.params["file"], error.params["line"]) == ("project.syntax_error", "main.py", 3)


def test_syntax_error_with_a_visible_app_is_left_to_the_start() -> None:
    """Where the app object can be seen, the app is started: its traceback says more than a refusal."""
    found = project({"main.py": FASTAPI + b"\ndef f(:\n"})
    assert found.start[3] == "main:app"
    assert found.notes == ("receipt.entry_point_unparsed",)


DEEP = {
    "parentheses": b"x = " + b"(" * 50_000 + b")" * 50_000,
    "unary": b"x = " + b"-" * 100_000 + b"1",
    "attributes": b"x = a" + b".b" * 60_000,
    "additions": b"x = 1" + b" + 1" * 60_000,
    "nul": b"x = '\0'",
    "bytes": bytes(range(1, 256)),
}


@pytest.mark.parametrize("source", DEEP.values(), ids=DEEP.keys())
def test_hostile_source_does_not_end_detection(source: bytes) -> None:
    """Source that no parser can take is a file without an app, not a crash."""
    assert project({"app.py": source, "main.py": FASTAPI}).start[3] == "main:app"
    assert refusal({"app.py": source}).code in {"project.no_app", "project.syntax_error"}


def test_missing_server_is_named() -> None:
    """FastAPI without a server would fail only after the build; the refusal names the package."""
    error = refusal({"main.py": FASTAPI}, b"fastapi\n")
    assert (error.code, error.params["package"]) == ("project.no_server", "uvicorn")


@pytest.mark.parametrize("line", [b"fastapi[standard]\n", b"fastapi[all]>=0.1\n", b"fastapi\nUvicorn[standard]\n"])
def test_server_may_come_as_an_extra(line: bytes) -> None:
    """The extras of FastAPI that bring uvicorn count as naming it."""
    assert project({"main.py": FASTAPI}, line).start[3] == "main:app"


def test_no_dependency_file_hints_at_a_nested_one() -> None:
    """A dependency file in a folder is not used, but the refusal says where it is."""
    error = refusal({"main.py": FASTAPI, "backend/requirements.txt": b"fastapi\n"}, None)
    assert (error.code, error.params["found"]) == ("project.no_dependency_file", "backend/requirements.txt")


def test_pyproject_without_project_table_is_no_dependency_file() -> None:
    """A pyproject.toml with settings of tools only says nothing about dependencies."""
    error = refusal({"main.py": FASTAPI, "pyproject.toml": b"[tool.ruff]\nline-length = 100\n"}, None)
    assert error.code == "project.no_dependency_file"


@pytest.mark.parametrize(
    ("files", "runtime"),
    [
        ({"package.json": b"{}", "server.js": b""}, "node"),
        ({"composer.json": b"{}", "index.php": b"<?php"}, "php"),
        ({"index.php": b"<?php"}, "php"),
        ({"public/index.php": b"<?php"}, "php"),
        ({"package.json": b"{}", "server.js": b"", "index.php": b"<?php"}, "node"),
    ],
)
def test_runtime_is_known_by_its_files(files: dict[str, bytes], runtime: str) -> None:
    """Each runtime is recognised by its own files, Node before PHP."""
    assert project(files, None).runtime == runtime


def test_python_wins_beside_a_frontend() -> None:
    """A package.json beside requirements.txt is a frontend's; the receipt notes it."""
    assert project({"main.py": FASTAPI, "package.json": b"{}"}).notes == ("receipt.several_runtimes",)


@pytest.mark.parametrize(
    ("config", "start"),
    [
        (b'start = ["python", "serve.py", "$PORT"]', ("python", "serve.py", "$PORT")),
        (
            b"start = \"python serve.py --title 'a b' --port=${PORT}\"",
            ("python", "serve.py", "--title", "a b", "--port=$PORT"),
        ),
    ],
)
def test_configured_start_is_used(config: bytes, start: tuple[str, ...]) -> None:
    """The start command of grader.toml needs no app object, as a list or as a line."""
    assert project({"grader.toml": config, "serve.py": b""}).start == start


@pytest.mark.parametrize(
    ("config", "key", "problem"),
    [
        (b"port = 80", "port", "unknown_key"),
        (b'runtime = "cobol"', "runtime", "unknown_value"),
        (b"start = 5", "start", "no_list_of_strings"),
        (b"start = []", "start", "no_list_of_strings"),
        (b'start = "a \'b"', "start", "unbalanced_quotes"),
        (b'start = "alembic upgrade head && python main.py"', "start", "shell_syntax"),
        (b'start = ["a\\u0000b"]', "start", "bad_argument"),
    ],
)
def test_bad_configuration_says_what_is_valid(config: bytes, key: str, problem: str) -> None:
    """Each mistake in grader.toml names its key and what would be valid."""
    error = refusal({"main.py": FASTAPI, "grader.toml": config})
    assert error.code == "project.bad_config"
    assert (error.params["key"], error.params["problem"]) == (key, problem)
    assert error.params["valid"]


@pytest.mark.parametrize("config", [b"start = ", b"\xff", b"a = " + b"[" * 5_000])
def test_unreadable_configuration_is_refused(config: bytes) -> None:
    """A grader.toml that is no TOML is a typed refusal."""
    assert refusal({"main.py": FASTAPI, "grader.toml": config}).code == "project.bad_config"


def test_configured_runtime_is_respected() -> None:
    """A runtime named in grader.toml wins over the files, and the choice needs no note."""
    files = {"main.py": FASTAPI, "package.json": b"{}", "server.js": b"", "grader.toml": b'runtime = "node"'}
    found = project(files)
    assert (found.runtime, found.start, found.notes) == ("node", ("node", "server.js"), ())


def test_configured_runtime_needs_its_own_file() -> None:
    """A runtime named in grader.toml without its dependency file is refused with the one that lies deeper."""
    error = refusal({"main.py": FASTAPI, "api/package.json": b"{}", "grader.toml": b'runtime = "node"'})
    assert error.code == "project.no_dependency_file"
    assert (error.params["looked_for"], error.params["found"]) == ("package.json", "api/package.json")


def test_refusal_names_the_other_runtimes() -> None:
    """A refusal says which other runtime it may be: a PHP project may have a package.json for its styles."""
    error = refusal({"package.json": b"{}", "composer.json": b"{}", "public/index.php": b"<?php"}, None)
    assert (error.code, error.params["others"]) == ("project.no_start_file", "php")


def test_configured_settings_are_set_by_env() -> None:
    """A start command that begins with a variable gets the program that sets it, because there is no shell."""
    found = project({"grader.toml": b'start = "MODE=fast python serve.py"', "serve.py": b""})
    assert found.start == ("env", "MODE=fast", "python", "serve.py")
