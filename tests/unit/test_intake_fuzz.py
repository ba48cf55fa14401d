"""Random and mutated input: only typed refusals escape."""

import functools
import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.errors import SubmissionRejected
from grader.intake import jail, php_versions
from grader.intake.dependencies import read_dependencies
from grader.intake.detection import detect
from grader.intake.source_scan import scan
from tests.fixtures.archives import PROJECT, Piece, forge, make_zip, project_pieces

HONEST = make_zip({**PROJECT, "app/รายงาน.txt": b"x" * 300})


def family(attempt: Callable[[], object]) -> str:
    """Return the family of the code with which the attempt was refused, or ``accepted``; nothing else may escape."""
    try:
        attempt()
    except SubmissionRejected as refusal:
        return refusal.code.split(".")[0]
    return "accepted"


def survives(data: bytes) -> None:
    """Examine the archive; anything but a report or a typed refusal fails the test."""
    outcome = family(lambda: jail.examine(data, lambda _: None))
    assert outcome in {"accepted", "archive", "project", "dependencies"}


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.binary(max_size=400))
def test_random_bytes(content: bytes) -> None:
    """Bytes without any structure, plain and behind the magic number."""
    survives(content)
    survives(b"PK\x03\x04" + content)
    survives(HONEST[:-22] + content)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, len(HONEST) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_flipped_bytes(changes: list[tuple[int, int]]) -> None:
    """An honest archive with a few bytes changed anywhere."""
    data = bytearray(HONEST)
    for at, value in changes:
        data[at] = value
    survives(bytes(data))


@pytest.mark.parametrize("step", [7])
def test_every_truncation_is_refused(step: int) -> None:
    """No beginning of an archive passes for an archive."""
    for length in range(0, len(HONEST), step):
        with pytest.raises(SubmissionRejected):
            jail.examine(HONEST[:length], lambda _: None)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    name=st.binary(min_size=1, max_size=40),
    content=st.binary(max_size=60),
    method=st.sampled_from([0, 8, 9]),
    flags=st.integers(0, 0xFFFF),
    attributes=st.integers(0, 0xFFFFFFFF),
    extra=st.binary(max_size=20),
)
def test_forged_entries(*, name: bytes, content: bytes, method: int, flags: int, attributes: int, extra: bytes) -> None:
    """An entry whose headers agree with each other and are otherwise arbitrary."""
    piece = Piece(name=name, content=content, method=method, flags=flags, attributes=attributes, extra=extra)
    survives(forge(*project_pieces(piece)))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.binary(max_size=200), st.text(max_size=120))
def test_texts(content: bytes, text: str) -> None:
    """Arbitrary dependency files, configurations and sources, as bytes and as text."""
    for data in (content, text.encode("utf-8", "replace")):
        scan("x.py", data)
        survives(make_zip({"requirements.txt": b"fastapi\nuvicorn\n", "main.py": data}))
        survives(make_zip({**PROJECT, "grader.toml": data}))
        for file in ("requirements.txt", "pyproject.toml"):
            outcome = family(functools.partial(read_dependencies, {file: data}))
            assert outcome in {"accepted", "dependencies"}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["^1.0", "*", "."]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = [
    "dependencies",
    "optionalDependencies",
    "devDependencies",
    "scripts",
    "main",
    "workspaces",
    "overrides",
    "packages",
    "lockfileVersion",
    "require",
    "autoload",
    "repositories",
    "config",
    "minimum-stability",
    "node_modules/a",
    "a/b",
    "start",
    "psr-4",
    "classmap",
    "dist",
    "version",
    "name",
    "link",
]
SHAPED = st.recursive(JSON, lambda inner: st.dictionaries(st.sampled_from(KEYS), inner, max_size=4), max_leaves=12)


def understood(files: dict[str, bytes]) -> None:
    """Detect a project of these files; anything but a project or a typed refusal fails the test."""
    assert family(lambda: detect(files, frozenset(files))) in {"accepted", "project", "dependencies"}


@settings(max_examples=200, deadline=None, derandomize=True)
@given(document=SHAPED, lock=SHAPED, raw=st.binary(max_size=60))
def test_json_documents(document: object, lock: object, raw: bytes) -> None:
    """Documents whose every value may have any type, and bytes that are none, in the files of Node and PHP."""
    text, locked = json.dumps(document).encode(), json.dumps(lock).encode()
    for content in (text, raw, text[: len(text) // 2]):
        understood({"package.json": content, "package-lock.json": locked, "server.js": b""})
        understood({"composer.json": content, "composer.lock": locked, "index.php": b""})
    understood({"package.json": b'{"dependencies": {"a": "^1"}}', "package-lock.json": raw, "server.js": b""})
    understood({"composer.json": b'{"require": {"a/b": "^1"}}', "composer.lock": locked, "index.php": b""})


@settings(max_examples=200, deadline=None, derandomize=True)
@given(entry=SHAPED, shape=st.dictionaries(st.sampled_from(KEYS), SHAPED, max_size=4))
def test_lock_entries(entry: object, shape: dict[str, object]) -> None:
    """Locks that belong to their project, with an entry whose fields may have any type."""
    for packages in (entry, {"version": "1.0.0", **shape}, {"version": "1.0.0", "dependencies": entry, "bin": entry}):
        node = {"lockfileVersion": 3, "packages": {"": {"dependencies": {"a": "^1"}}, "node_modules/a": packages}}
        lock = json.dumps(node).encode()
        understood({"package.json": b'{"dependencies": {"a": "^1"}}', "package-lock.json": lock, "server.js": b""})
    for package in (entry, {"name": "a/b", "version": "1.0", "type": "metapackage", "autoload": entry, **shape}):
        lock = json.dumps({"packages": [package]}).encode()
        understood({"composer.json": b'{"require": {"a/b": "^1"}}', "composer.lock": lock, "index.php": b""})


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(alphabet="0123456789.^~<>=|*xv -@,abrc/:", max_size=40))
def test_versions(text: str) -> None:
    """Anything that looks like a version range, for both kinds of packages."""
    php_versions.satisfies((8, 2, 0, 0), text)
    understood({"package.json": json.dumps({"dependencies": {"a": text}}).encode(), "server.js": b""})
    understood({"composer.json": json.dumps({"require": {"a/b": text, "php": text}}).encode(), "index.php": b""})


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(alphabet="node -r.=/$PORT{}&'\"\\sjtx\n", max_size=40), st.text(max_size=30))
def test_start_scripts(script: str, text: str) -> None:
    """Anything that looks like a start command, in the script and in main."""
    for start in (script, f"node {script}", text):
        package = json.dumps({"scripts": {"start": start}, "main": script}).encode()
        understood({"package.json": package, "server.js": b""})
