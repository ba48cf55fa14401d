"""Node projects: which command starts one, and what its packages may be."""

import json
from typing import Any

import pytest

from grader.errors import SubmissionRejected
from grader.intake.detection import Project, detect, is_wanted
from grader.intake.limits import MAX_CONFIG_BYTES, MAX_LOCK_BYTES, MAX_REQUIREMENTS


def detected(package: dict[str, Any] | bytes, *files: str, config: bytes = b"") -> Project:
    """Detect a project with this package.json and these empty files."""
    content = package if isinstance(package, bytes) else json.dumps(package, indent=2).encode()
    tree = {"package.json": content, **dict.fromkeys(files, b"")}
    if config:
        tree["grader.toml"] = config
    return detect(tree, frozenset(tree))


def refusal(package: dict[str, Any] | bytes, *files: str, config: bytes = b"") -> SubmissionRejected:
    """Return the refusal of a project that must be refused."""
    with pytest.raises(SubmissionRejected) as caught:
        detected(package, *files, config=config)
    return caught.value


def script(start: object, **more: object) -> dict[str, Any]:
    """Return a package.json with this start script."""
    return {"scripts": {"start": start, **more}}


STARTS: dict[str, tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]] = {
    "script": (script("node server.js"), ("server.js", "app.js"), ("node", "server.js")),
    "script with dot slash": (script("node ./src/index.mjs"), ("src/index.mjs",), ("node", "src/index.mjs")),
    "script without ending": (script("node dist/main"), ("dist/main.js",), ("node", "dist/main.js")),
    "script with a folder": (script("node src"), ("src/index.js",), ("node", "src/index.js")),
    "script of express": (script("node ./bin/www"), ("bin/www", "app.js"), ("node", "bin/www")),
    "script of Windows": (script(r"node .\src\app.js"), ("src/app.js",), ("node", "src/app.js")),
    "script with the project": ({**script("node ."), "main": "lib/a.js"}, ("lib/a.js",), ("node", "lib/a.js")),
    "project without main": (script("node ."), ("index.js",), ("node", "index.js")),
    "flags": (
        script("node --max-old-space-size=256 -r dotenv/config server.js --port=${PORT}"),
        ("server.js",),
        ("node", "--max-old-space-size=256", "-r", "dotenv/config", "server.js", "--port=$PORT"),
    ),
    "tab": (script("node\tserver.js ก"), ("server.js",), ("node", "server.js", "ก")),
    "quotes": (script("node \"my server.js\" 'a b'"), ("my server.js",), ("node", "my server.js", "a b")),
    "setting": (
        script("NODE_ENV=production node server.js"),
        ("server.js",),
        ("env", "NODE_ENV=production", "node", "server.js"),
    ),
    "setting for Windows": (
        script("cross-env NODE_ENV=production A=1 node server.js"),
        ("server.js",),
        ("env", "NODE_ENV=production", "A=1", "node", "server.js"),
    ),
    "main": ({"main": "lib/start.js"}, ("lib/start.js", "server.js"), ("node", "lib/start.js")),
    "main without ending": ({"main": "./lib/start"}, ("lib/start.js",), ("node", "lib/start.js")),
    "main that is a folder": ({"main": "lib"}, ("lib/index.cjs",), ("node", "lib/index.cjs")),
    "usual place": ({}, ("app.js", "index.js"), ("node", "app.js")),
    "usual place in src": ({"type": "module"}, ("src/main.mjs",), ("node", "src/main.mjs")),
    "compiled": ({}, ("dist/index.js", "src/index.ts"), ("node", "dist/index.js")),
    "name like an option": ({"main": "-e.js"}, ("-e.js",), ("node", "./-e.js")),
}


@pytest.mark.parametrize(("package", "files", "start"), STARTS.values(), ids=STARTS.keys())
def test_start_command(package: dict[str, Any], files: tuple[str, ...], start: tuple[str, ...]) -> None:
    """Each usual way to start gives the command that npm would run, without npm and without a shell."""
    found = detected(package, *files)
    assert (found.runtime, found.start) == ("node", start)


def test_byte_order_mark_is_taken() -> None:
    """An editor of Windows may put a byte order mark before the JSON; Node takes such a file, too."""
    assert detected(b"\xef\xbb\xbf{}", "server.js").start == ("node", "server.js")


NOTES: dict[str, tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]] = {
    "main of npm init": ({"main": "index.js"}, ("server.js",), ("receipt.main_ignored",)),
    "several": ({}, ("server.js", "app.js"), ("receipt.several_entry_points",)),
    "port": (script("PORT=3000 node a.js"), ("a.js",), ("receipt.start_port_ignored",)),
    "hooks": (script("node a.js", prestart="tsc"), ("a.js",), ("receipt.start_hooks_ignored",)),
    "development": ({"devDependencies": {"x": "github:a/b"}}, ("app.js",), ("receipt.dev_dependencies_ignored",)),
    "peers": ({"peerDependencies": {"x": "1"}}, ("app.js",), ("receipt.peer_dependencies_ignored",)),
    "no lock": ({"dependencies": {"x": "1"}}, ("app.js",), ("receipt.no_lock",)),
    "optional": (
        {"optionalDependencies": {"x": "1"}},
        ("app.js",),
        ("receipt.optional_dependencies_required", "receipt.no_lock"),
    ),
    "other tools": (
        {"dependencies": {"x": "1"}},
        ("app.js", "yarn.lock"),
        ("receipt.other_lock_ignored", "receipt.no_lock"),
    ),
    "nothing": ({}, ("app.js",), ()),
}


@pytest.mark.parametrize(("package", "files", "notes"), NOTES.values(), ids=NOTES.keys())
def test_notes(package: dict[str, Any], files: tuple[str, ...], notes: tuple[str, ...]) -> None:
    """What is passed over is noted in the receipt."""
    assert detected(package, *files).notes == notes


def test_port_of_a_script_is_not_set() -> None:
    """A script that sets the port itself would start an app that nobody finds."""
    assert detected(script("PORT=3000 A=1 node a.js"), "a.js").start == ("env", "A=1", "node", "a.js")


SCRIPTS = {
    "npm": ("npm run serve", "npm"),
    "nodemon": ("nodemon server.js", "nodemon"),
    "framework": ("next start -p $PORT", "next"),
    "two commands": ("npm run build && node server.js", "&"),
    "default of a shell": ("node server.js --port ${PORT:-3000}", "$"),
    "pipe": ("node server.js | pino-pretty", "|"),
    "Windows": ("set NODE_ENV=production&& node server.js", "&"),
    "substitution": ("node `pwd`/server.js", "`"),
    "lines": ("node server.js\nnode other.js", ""),
    "no file": ("node", "node"),
    "code": ("node -e 1", "-e"),
    "watch": ("node --watch server.js", "--watch"),
    "watched path": ("node --watch-path=src server.js", "--watch-path=src"),
    "other language": ("python app.py", "python"),
    "only a setting": ("NODE_ENV=production", ""),
    "open quote": ("node 'server.js", ""),
    "control character": ("node server.js \0", ""),
    "half a character": ("node server.js \ud800", ""),
    "endless": ("node server.js " + "a" * 3_000, ""),
    "many words": ("node server.js" + " a" * 100, "node"),
}


@pytest.mark.parametrize(("start", "word"), SCRIPTS.values(), ids=SCRIPTS.keys())
def test_script_that_needs_more_than_node_is_refused(start: str, word: str) -> None:
    """A script for npm, a shell or another tool is refused with the word, and with what to write instead."""
    error = refusal(script(start), "server.js", "app.js")
    assert (error.code, error.params["word"]) == ("project.start_script", word)
    assert (error.params["where"], error.params["example"]) == ("package.json scripts.start", "node server.js")
    assert len(str(error.params["script"])) <= 200


def test_refused_script_suggests_its_own_file() -> None:
    """What to write instead names the file of the script, not a usual place."""
    assert refusal(script("nodemon api/run.js"), "api/run.js", "app.js").params["example"] == "node api/run.js"


TYPESCRIPT: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "tool": (script("tsx src/server.ts"), ("src/server.ts",)),
    "tool with a setting": (script("A=1 ts-node server.ts"), ("server.ts",)),
    "build before": (script("tsc && node dist/server.js"), ("server.ts",)),
    "loader": (script("node --loader ts-node/esm server.ts"), ("server.ts",)),
    "required": (script("node -r ts-node/register/transpile-only src/a.js"), ("src/a.js",)),
    "import": (script("node --import=tsx server.js"), ("server.js",)),
    "file": (script("node server.ts"), ("server.ts",)),
    "no script": ({"main": "src/index.ts"}, ("src/index.ts", "src/index.d.ts")),
    "nothing else": ({}, ("src/app.ts",)),
}


@pytest.mark.parametrize(("package", "files"), TYPESCRIPT.values(), ids=TYPESCRIPT.keys())
def test_typescript_is_refused(package: dict[str, Any], files: tuple[str, ...]) -> None:
    """Nothing is compiled here: TypeScript gets a refusal of its own."""
    assert refusal(package, *files).code == "project.start_typescript"


def test_folder_named_like_a_tool_is_no_tool() -> None:
    """Only an option of Node loads a translator; a folder may have any name."""
    assert detected(script("node tsx/server.js"), "tsx/server.js").start == ("node", "tsx/server.js")


MISSING: dict[str, tuple[dict[str, Any], tuple[str, ...], str, str]] = {
    "script": (script("node dist/index.js"), ("src/index.js",), "dist/index.js", ""),
    "other case": (script("node Server.js"), ("server.js",), "Server.js", "server.js"),
    "main": ({"main": "lib/a.js"}, ("lib/b.js",), "lib/a.js", ""),
    "outside": (script("node ../server.js"), ("server.js",), "../server.js", ""),
    "absolute": (script("node /server.js"), ("server.js",), "/server.js", ""),
}


@pytest.mark.parametrize(("package", "files", "file", "found"), MISSING.values(), ids=MISSING.keys())
def test_missing_file_is_named(package: dict[str, Any], files: tuple[str, ...], file: str, found: str) -> None:
    """A file that is not in the submission is named, with one that differs in upper and lower case only."""
    error = refusal(package, *files)
    assert error.code == "project.start_file_missing"
    assert (error.params["file"], error.params["found"]) == (file, found)


def test_no_entry_point_says_what_was_looked_for() -> None:
    """Without any usual file the refusal lists what detection knows."""
    error = refusal({}, "routes.js")
    assert error.code == "project.no_start_file"
    assert "server.js" in str(error.params["looked_for"])


@pytest.mark.parametrize(
    ("config", "code"),
    [
        (b'start = "npm start"', "project.start_script"),
        (b'start = ["env", "A=1", "nodemon", "server.js"]', "project.start_script"),
        (b'start = "tsx server.ts"', "project.start_typescript"),
        (b'start = ["node", "other.js"]', "project.start_file_missing"),
        (b'start = "node server.js && echo"', "project.bad_config"),
    ],
)
def test_configured_start_is_checked(config: bytes, code: str) -> None:
    """A start command of grader.toml that cannot work is refused before anything is installed."""
    error = refusal({}, "server.js", config=config)
    assert error.code == code
    assert "python" not in str(error.params)


@pytest.mark.parametrize(
    ("config", "start"),
    [
        (b'start = ["node", "--no-warnings", "api/run.js"]', ("node", "--no-warnings", "api/run.js")),
        (b'start = "sh run.sh"', ("sh", "run.sh")),
        (b'start = "A=1 node api/run.js"', ("env", "A=1", "node", "api/run.js")),
    ],
)
def test_configured_start_is_used(config: bytes, start: tuple[str, ...]) -> None:
    """The start command of grader.toml wins over the script, which may be anything then."""
    assert detected(script("npm run all"), "api/run.js", config=config).start == start


def test_allowed_packages() -> None:
    """Names, scopes, ranges and tags are read with their lines, in one spelling."""
    package = b"""{
  "dependencies": {
    "express": "^4.19.2",
    "@fastify/cors": ">= 8.0.0  < 10",
    "pg": "8.x || 9.0.0-rc.1",
    "JSONStream": "",
    "a": "1.2 - 2", "b": "latest",
    "c": "v1.0.0+build.5"
  },
  "optionalDependencies": {
    "pg": "~8.11.0"
  }
}"""
    found = detected(package, "app.js").dependencies
    assert found.file == "package.json"
    assert found.lines == (
        (3, "express@^4.19.2"),
        (4, "@fastify/cors@>= 8.0.0 < 10"),
        (11, "pg@~8.11.0"),
        (6, "JSONStream@*"),
        (7, "a@1.2 - 2"),
        (7, "b@latest"),
        (8, "c@v1.0.0+build.5"),
    )


@pytest.mark.parametrize(
    "spec",
    [
        "git+https://user:pass@example.com/x.git",
        "git@example.com:a/b.git",
        "github:a/b",
        "a/b",
        "a/b#main",
        "https://example.com/x.tgz",
        "http://example.com/x.tgz",
        "file:../x",
        "./x",
        "../x",
        ".",
        "/x",
        "C:\\x",
        "x.tgz",
        "x.tar.gz",
        "link:../x",
        "workspace:*",
        "npm:other@1.0.0",
        "npm:other",
        "portal:../x",
        "patch:x@1#./p",
    ],
)
@pytest.mark.parametrize("section", ["dependencies", "optionalDependencies"])
def test_addresses_are_refused_by_line(spec: str, section: str) -> None:
    """Everything that is no version of the registry's is refused with its line, and without its password."""
    error = refusal({"name": "x", section: {"ok": "1", "bad": spec}}, "app.js")
    assert error.code == "dependencies.not_allowed"
    assert (error.params["file"], error.params["line"]) == ("package.json", 5)
    assert str(error.params["text"]).startswith('"bad": "')
    assert "pass" not in str(error.params["text"])


@pytest.mark.parametrize(
    "spec", ["^", "1.2.3.4", "1 2 banana", ">1 ||| 2", "1" * 300, "latest next", 5, None, ["1"], {}]
)
def test_unreadable_versions_are_refused(spec: object) -> None:
    """What is neither a range nor a tag is refused with its line."""
    error = refusal({"dependencies": {"bad": spec}}, "app.js")
    assert (error.code, error.params["line"]) == ("dependencies.bad_line", 3)


@pytest.mark.parametrize(
    "name", ["", "-x", "--registry", "_x", ".x", "../x", "@a", "@a/", "a/b", "a b", "ก", "__proto__", "x" * 300]
)
def test_names_that_are_no_packages_are_refused(name: str) -> None:
    """A name that an installer could take for an option or a place never reaches it."""
    assert refusal({"dependencies": {name: "1"}}, "app.js").code == "dependencies.bad_line"


def test_workspaces_are_refused() -> None:
    """Packages in folders of the project would not be installed; that is said, with the line."""
    error = refusal({"name": "x", "workspaces": ["api"]}, "app.js")
    assert (error.code, error.params["line"]) == ("dependencies.not_allowed", 3)


HOSTILE = {
    "deep arrays": b"[" * 100_000,
    "deep objects": b'{"a":' * 50_000,
    "deep and closed": b'{"a":' + b"[" * 70 + b"]" * 70 + b"}",
    "no object": b"[]",
    "text": b"hello",
    "nothing": b"",
    "not a number": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "huge number": b'{"a": ' + b"9" * 10_000 + b"}",
    "duplicate": b'{"dependencies": {"x": "1", "x": "file:."}}',
    "duplicate section": b'{"dependencies": {}, "dependencies": {"x": "1"}}',
    "open string": b'{"a": "' + b'\\"' * 10_000,
    "comment": b'{"a": 1 // x\n}',
    "trailing comma": b'{"a": 1,}',
    "section is a list": b'{"dependencies": ["express"]}',
    "section is text": b'{"scripts": "node"}',
    "script is a list": b'{"scripts": {"start": ["node"]}}',
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_files_are_refused(content: bytes) -> None:
    """A file that no two readers would take alike is refused as a whole, with a reason that can be shown."""
    error = refusal(content, "app.js")
    assert (error.code, error.params["file"]) == ("dependencies.bad_file", "package.json")
    assert str(error.params["problem"]).isprintable()
    assert 0 < len(str(error.params["problem"])) <= 200


def test_syntax_errors_name_their_line() -> None:
    """A missing comma is found by its line."""
    error = refusal(b'{\n "a": 1\n "b": 2\n}', "app.js")
    assert str(error.params["problem"]).startswith("line 3")


@pytest.mark.parametrize("content", ["{}".encode("utf-16"), b"{}\0", '{"a": "ก"}'.encode("cp874")])
def test_other_encodings_are_refused(content: bytes) -> None:
    """Node reads UTF-8 only, and so does the installer."""
    assert refusal(content, "app.js").code == "dependencies.encoding"


def test_huge_numbers_of_float_are_harmless() -> None:
    """A number beyond every float is a value like another, in a field that nobody reads."""
    assert detected(b'{"version": 1e99999}', "app.js").start == ("node", "app.js")


def test_sizes_are_limited() -> None:
    """Files and lists that are too long are refused, and a file that is too long is not even kept."""
    many = {f"p{number}": "1" for number in range(MAX_REQUIREMENTS + 1)}
    assert refusal({"dependencies": many}, "app.js").code == "dependencies.too_large"
    assert refusal(b"{}" + b" " * MAX_CONFIG_BYTES, "app.js").code == "dependencies.too_large"
    assert not is_wanted("package.json", MAX_CONFIG_BYTES + 1)
    assert is_wanted("package-lock.json", MAX_LOCK_BYTES)
    assert not is_wanted("package-lock.json", MAX_LOCK_BYTES + 1)
    assert not is_wanted("web/package.json", 2)


@pytest.mark.parametrize("missing", ["package.json", "package-lock.json"])
def test_files_that_were_not_kept_are_too_large(missing: str) -> None:
    """A file that is there and was not kept is too long; it is not taken for missing."""
    files = {"package.json": b'{"dependencies": {"x": "1"}}', "package-lock.json": b"{}", "app.js": b""}
    paths = frozenset(files)
    del files[missing]
    with pytest.raises(SubmissionRejected) as caught:
        detect(files, paths)
    assert (caught.value.code, caught.value.params["file"]) == ("dependencies.too_large", missing)
