"""Whatever is handed in: a typed code, the promised exit code, a sentence with a next step, and nothing left behind."""

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grader.sandbox.engine import GuardedClient
from grader.sandbox.images import ImageStore
from tests.fixtures.leftovers import NOTHING, leftovers

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "exercises" / "e1" / "samples" / "reference-flask" / "source"
HEALTHY = 'from flask import Flask\n\napp = Flask(__name__)\n\n\n@app.get("/healthz")\ndef healthz():\n    return {}\n'


def grader(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a person would."""
    return subprocess.run(
        [sys.executable, "-m", "grader", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=ROOT,
    )


def project(folder: Path, main: str, requirements: str | None = None) -> Path:
    """A project with one file."""
    folder.mkdir()
    (folder / "main.py").write_text(main, encoding="utf-8")
    if requirements is None:
        shutil.copy(REFERENCE / "requirements.txt", folder)
    elif requirements:
        (folder / "requirements.txt").write_text(requirements, encoding="utf-8")
    return folder


def front_controller(folder: Path, source: str) -> Path:
    """A PHP project with one file: PHP's own server reads it anew for each request."""
    folder.mkdir()
    (folder / "index.php").write_text(source, encoding="utf-8")
    return folder


def archive(path: Path, *entries: str) -> Path:
    """A zip with these names in it."""
    with zipfile.ZipFile(path, "w") as bundle:
        for name in entries:
            bundle.writestr(name, "x")
    return path


def not_a_zip(folder: Path) -> Path:
    """A file that only has the name of an archive."""
    path = folder / "x.zip"
    path.write_bytes(b"hello")
    return path


CASES: dict[str, tuple[Callable[[Path], Path], str, str, int]] = {
    "not a zip": (not_a_zip, "rejected", "archive.not_zip", 3),
    "empty zip": (lambda tmp: archive(tmp / "x.zip"), "rejected", "archive.empty", 3),
    "climbing zip": (lambda tmp: archive(tmp / "x.zip", "a.py", "../x"), "rejected", "archive.path_traversal", 3),
    "no dependency file": (lambda tmp: project(tmp / "p", HEALTHY, ""), "rejected", "project.no_dependency_file", 3),
    "unknown package": (
        lambda tmp: project(tmp / "p", HEALTHY, "flask==3.1.3\nno-such-package-of-anybody==1.0\n"),
        "build_failed",
        "build.package_not_found",
        3,
    ),
    "syntax error": (
        lambda tmp: project(tmp / "p", HEALTHY + "def broken(:\n"),
        "start_failed",
        "start.syntax_error",
        3,
    ),
    "syntax error in a server that lives on": (
        lambda tmp: front_controller(tmp / "p", "<?php\n\nfunction broken( {\n"),
        "start_failed",
        "start.syntax_error",
        3,
    ),
    "ends at once": (
        lambda tmp: project(tmp / "p", HEALTHY + "raise SystemExit(3)\n"),
        "start_failed",
        "start.exited",
        3,
    ),
    "never listens": (
        lambda tmp: project(tmp / "p", HEALTHY + "import time\ntime.sleep(600)\n"),
        "start_failed",
        "start.not_ready",
        3,
    ),
    "never healthy": (
        lambda tmp: project(tmp / "p", HEALTHY.replace("return {}", "return {}, 503")),
        "start_failed",
        "start.unhealthy",
        3,
    ),
    "crashes on the first request": (
        lambda tmp: project(
            tmp / "p", HEALTHY + "import os\n\n\n@app.get('/facilities')\ndef crash():\n    os._exit(9)\n"
        ),
        "fail",
        "verdict.mandatory_failed",
        1,
    ),
}


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exercise with a short start limit, outside the tree: the code is tested, not the patience."""
    folder = tmp_path_factory.mktemp("packs") / "e1"
    shutil.copytree(ROOT / "exercises" / "e1", folder, ignore=shutil.ignore_patterns("samples", "starter"))
    toml = folder / "exercise.toml"
    text = toml.read_text(encoding="utf-8")
    assert "start_seconds = 60" in text
    toml.write_text(text.replace("start_seconds = 60", "start_seconds = 12"), encoding="utf-8")
    return folder


@pytest.mark.parametrize("case", CASES)
def test_a_bad_submission_gets_its_code_and_leaves_nothing(
    case: str, impatient: Path, tmp_path: Path, engine: GuardedClient, store: ImageStore
) -> None:
    """One JSON document on stdout, the exit code of the outcome, and a clean engine."""
    assert store.missing() == ()
    make, outcome, code, status = CASES[case]
    before = leftovers(engine)
    done = grader("check", make(tmp_path), "--exercise", impatient, "--seed", 1, "--json")
    verdict: dict[str, Any] = json.loads(done.stdout)
    assert (verdict["outcome"], verdict["code"], done.returncode) == (outcome, code, status), done.stderr
    assert [check["id"] for check in verdict["checks"]][:1] == ["E1-S1"]
    assert sum(check["max"] for check in verdict["checks"]) == verdict["max"] == 100
    assert leftovers(engine) == before


def test_a_crash_is_named_with_its_exit_code(impatient: Path, tmp_path: Path) -> None:
    """The app that ended by itself gets one finding that says so."""
    make = CASES["crashes on the first request"][0]
    done = grader("check", make(tmp_path), "--exercise", impatient, "--seed", 1, "--only", "U1", "--json")
    (u1,) = [check for check in json.loads(done.stdout)["checks"] if check["id"] == "U1"]
    assert "run.crashed" in {finding["code"] for finding in u1["findings"]}


@pytest.mark.parametrize(
    ("case", "file", "line"),
    [("syntax error", "main.py", 9), ("syntax error in a server that lives on", "index.php", 3)],
)
def test_the_syntax_error_is_shown_with_file_and_line(
    case: str, file: str, line: int, impatient: Path, tmp_path: Path
) -> None:
    """A person reads where it is, in Thai and in English."""
    bad = CASES[case][0](tmp_path)
    for lang, place in (("th", f"{file} บรรทัด {line}"), ("en", f"{file} line {line}")):
        done = grader("check", bad, "--exercise", impatient, "--seed", 1, "--lang", lang)
        assert place in " ".join(done.stdout.split())


def test_an_unknown_exercise_lists_those_that_exist(tmp_path: Path) -> None:
    """Usage, exit 2."""
    done = grader("check", tmp_path, "--exercise", "e99")
    assert done.returncode == 2
    assert "usage.unknown_exercise" in done.stderr
    assert "e1" in done.stderr


def test_a_missing_path_is_a_usage_problem(tmp_path: Path) -> None:
    """Usage, exit 2, and the path is named."""
    done = grader("check", tmp_path / "absent", "--exercise", "e1")
    assert done.returncode == 2
    assert "absent" in done.stderr.replace("\n", "")


def test_a_broken_pack_names_file_and_fix(impatient: Path, tmp_path: Path) -> None:
    """The author's fault: exit 3, and neither a verdict nor a trace."""
    broken = tmp_path / "e1"
    shutil.copytree(impatient, broken)
    with (broken / "exercise.toml").open("a", encoding="utf-8") as toml:
        toml.write("\n[surprise]\nkey = 1\n")
    done = grader("check", REFERENCE, "--exercise", broken, "--json")
    assert done.returncode == 3
    problem = json.loads(done.stdout)
    assert problem["code"].startswith("pack.")
    assert problem["params"]["file"] == "exercise.toml"
    assert "Traceback" not in done.stderr


def test_a_world_that_raises_is_the_authors_fault(impatient: Path, tmp_path: Path, engine: GuardedClient) -> None:
    """It shows only in the probe, and still says which file and line; nothing is left."""
    broken = tmp_path / "e1"
    shutil.copytree(impatient, broken)
    with (broken / "world.py").open("a", encoding="utf-8") as world:
        world.write("\n\ndef build(seed):\n    raise KeyError('no such thing')\n")
    before = leftovers(engine)
    done = grader("check", REFERENCE, "--exercise", broken, "--seed", 1, "--json")
    assert (done.returncode, json.loads(done.stdout)["code"]) == (3, "pack.world_raises")
    assert leftovers(engine) == before


def test_nothing_is_left_in_the_end(engine: GuardedClient) -> None:
    """After all of the above the engine holds no object of a grading."""
    found = leftovers(engine)
    assert found == NOTHING
