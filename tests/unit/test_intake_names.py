"""Names: encodings, what is dropped by rule, and what the receipt says."""

import io
import tarfile
from typing import Any

import pytest

from grader.intake import jail, names
from tests.fixtures.archives import DIRECTORY, PROJECT, Piece, forge, make_zip, project_pieces


def accepted(data: bytes) -> tuple[dict[str, Any], list[str]]:
    """Return the receipt of an archive and the files of its tree."""
    target = io.BytesIO()
    report = jail.examine(data, target.write)
    with tarfile.open(fileobj=io.BytesIO(target.getvalue())) as archive:
        return report["receipt"], [member.name for member in archive.getmembers() if member.isfile()]


def test_cp874_names_are_decoded_and_listed() -> None:
    """A Thai name zipped by Windows is read as Thai and listed for the trainee's confirmation."""
    thai = "รายงาน/ข้อมูลผู้ป่วย.txt"
    receipt, files = accepted(forge(*project_pieces(Piece(name=thai.encode("cp874"), content=b"x"))))
    assert thai in files
    assert receipt["decoded_names"] == [thai]


@pytest.mark.parametrize("flags", [0, 0x800])
def test_utf8_names_are_not_guessed(flags: int) -> None:
    """A name that is valid UTF-8 is taken as such, with or without the flag, and is not listed."""
    receipt, files = accepted(forge(*project_pieces(Piece(name="คู่มือ.txt".encode(), flags=flags))))
    assert "คู่มือ.txt" in files
    assert receipt["decoded_names"] == []


def test_shell_characters_are_harmless_names() -> None:
    """Leading dashes, dollar signs and percent codes are letters like others."""
    odd = ["-rf", "$(id)", ";id", "%2e%2e/x", "a b.txt", "[slug].tsx"]
    _, files = accepted(forge(*project_pieces(*(Piece(name=name.encode()) for name in odd))))
    assert set(odd) <= set(files)


def test_backslashes_separate_folders() -> None:
    """Windows PowerShell writes backslashes: they make folders, and the receipt says so."""
    receipt, files = accepted(forge(*project_pieces(Piece(name=b"app\\models\\person.py", content=b"x = 1\n"))))
    assert "app/models/person.py" in files
    assert "receipt.backslash_paths" in receipt["notes"]


def test_dropped_paths_are_listed_once() -> None:
    """Version control, virtual environments and caches are left out at every depth; the receipt lists each once."""
    extra = {
        ".git/config": b"[core]\nfsmonitor = x\n",
        ".git/hooks/post-checkout": b"#!/bin/sh\n",
        "node_modules/a/index.js": b"x",
        "app/__pycache__/main.cpython-311.pyc": b"x",
        "app/.DS_Store": b"x",
        "__MACOSX/._main.py": b"x",
        ".venv/lib/x.py": b"x",
        ".env": b"A=1\n",
    }
    receipt, files = accepted(make_zip({**PROJECT, **extra}))
    assert sorted(files) == sorted([*PROJECT, ".env"])
    assert [item["path"] for item in receipt["dropped"]] == [
        ".git",
        ".venv",
        "__MACOSX",
        "app/.DS_Store",
        "app/__pycache__",
        "node_modules",
    ]


def test_links_inside_a_dropped_folder_do_no_harm() -> None:
    """A zipped virtual environment has links to the interpreter: they are dropped with it."""
    link = Piece(name=b".venv/bin/python", content=b"/usr/bin/python3", attributes=0o120777 << 16)
    receipt, files = accepted(forge(*project_pieces(link)))
    assert sorted(files) == sorted(PROJECT)
    assert receipt["dropped"] == [{"path": ".venv", "rule": ".venv"}]


@pytest.mark.parametrize("prefix", ["work/", "work-main/work/"])
def test_single_folder_is_unwrapped(prefix: str) -> None:
    """A folder that holds everything is taken off, also twice, and also beside macOS's own folder."""
    wrapped = {prefix + name: content for name, content in PROJECT.items()}
    receipt, files = accepted(make_zip({**wrapped, "__MACOSX/work/._main.py": b"x"}))
    assert sorted(files) == sorted(PROJECT)
    assert "receipt.single_folder_unwrapped" in receipt["notes"]


def test_empty_directory_beside_the_folder_prevents_unwrapping() -> None:
    """A second top-level folder means that the first one does not hold everything; empty folders are kept."""
    pieces = (*project_pieces(), Piece(name=b"static/", attributes=DIRECTORY))
    receipt, files = accepted(forge(*pieces))
    assert receipt["notes"] == []
    assert sorted(files) == sorted(PROJECT)


def test_dockerfile_stays_with_a_note() -> None:
    """A Dockerfile is no reason to refuse; the receipt says that it is not used."""
    receipt, files = accepted(make_zip({**PROJECT, "Dockerfile": b"FROM scratch\n"}))
    assert "Dockerfile" in files
    assert receipt["notes"] == ["receipt.dockerfile_ignored"]


def test_thai_names_are_portable() -> None:
    """Thai names with marks fold to themselves and survive being shown."""
    assert names.folded("ผู้ป่วย") == "ผู้ป่วย"
    assert names.shown("ผู้ป่วย.py") == "ผู้ป่วย.py"
    assert len(names.shown("ก" * 500)) <= 121


def test_installed_packages_of_php_are_dropped() -> None:
    """Composer's folder of packages is left out as a whole and listed; the installed layer has its own."""
    extra = {
        "vendor/autoload.php": b"<?php",
        "vendor/composer/installed.json": b"{}",
        "vendor/slim/slim/composer.json": b"{}",
    }
    receipt, files = accepted(make_zip({**PROJECT, **extra}))
    assert receipt["dropped"] == [{"path": "vendor", "rule": "vendor"}]
    assert files == sorted(PROJECT)


def test_other_vendor_folders_stay() -> None:
    """A folder named vendor with files of a page is the trainee's own."""
    receipt, files = accepted(make_zip({**PROJECT, "static/vendor/chart.js": b"x", "vendor/own.php": b"<?php"}))
    assert receipt["dropped"] == []
    assert {"static/vendor/chart.js", "vendor/own.php"} <= set(files)
