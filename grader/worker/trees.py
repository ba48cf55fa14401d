"""The tree of a commit as a zip, as if its owner had packed it: nothing is checked out, and nothing of it is run.

Names, links and sizes are judged by intake, like those of any archive. Here only what must hold before it can look:
how many entries, how many bytes, and what git keeps in a way that no archive has (submodules, files elsewhere).
"""

import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from grader.errors import SubmissionRejected
from grader.intake.limits import (
    CHUNK_BYTES,
    MAX_ARCHIVE_BYTES,
    MAX_ENTRIES,
    MAX_FILES,
    MAX_PATH_BYTES,
    MAX_UNPACKED_BYTES,
)
from grader.intake.names import DROPPED_NAMES, shown
from grader.services.addresses import NotFetched
from grader.worker.git import Repository

_SUBMODULE: Final = 0o160000
_POINTER: Final = b"version https://git-lfs.github.com/spec/"
_TIME: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry:
    mode: int
    object: str
    size: int
    path: str


def pack_tree(repository: Repository, tree: str, target: Path) -> None:
    """Write the zip.

    Raises:
        SubmissionRejected: ``archive.too_many_files``, ``archive.unpacked_too_large``, ``archive.too_large``,
            ``archive.bad_name``: the limits that must hold before the jail can look.
        NotFetched: ``git.submodule``, ``git.lfs``, and what reading may say.
    """
    entries = _listed(repository, tree)
    with (
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        repository.reading("cat-file", "--batch") as (ask, answer),
    ):
        for one in entries:
            info = zipfile.ZipInfo(one.path, _TIME)
            kind = stat.S_IFMT(one.mode)
            info.external_attr = (kind | 0o644) << 16
            if kind != stat.S_IFREG or one.size == 0:  # a link is packed as what it is, unread: intake refuses it
                archive.writestr(info, b"")
                continue
            info.compress_type = zipfile.ZIP_DEFLATED
            ask.write(f"{one.object}\n".encode())
            ask.flush()
            with archive.open(info, "w") as file:
                for chunk in _blob(answer, one):
                    file.write(chunk)
            _need_small(target)
    _need_small(target)


def _need_small(target: Path) -> None:
    if target.stat().st_size > MAX_ARCHIVE_BYTES:
        raise SubmissionRejected("archive.too_large", limit=MAX_ARCHIVE_BYTES)


def _listed(repository: Repository, tree: str) -> list[_Entry]:
    """What is in the tree, counted while it is read: a small repository may name the same folder a billion times."""
    found: list[_Entry] = []
    dropped: set[str] = set()
    count = size = 0
    with repository.reading("ls-tree", "-r", "-l", "-z", "--full-tree", tree) as (_, answer):
        for line in _lines(answer):
            one = _entry(line)
            count += 1
            if count > MAX_ENTRIES:
                raise SubmissionRejected("archive.too_many_files", limit=MAX_FILES)
            if (left_out := _dropped(one.path)) is not None:
                if left_out not in dropped:  # an empty entry stands for it, so that the receipt lists it
                    dropped.add(left_out)
                    found.append(_Entry(mode=stat.S_IFREG, object="", size=0, path=left_out))
                continue
            if one.mode == _SUBMODULE:
                raise NotFetched("git.submodule", path=shown(one.path))
            size += one.size
            if size > MAX_UNPACKED_BYTES:
                raise SubmissionRejected("archive.unpacked_too_large", limit=MAX_UNPACKED_BYTES)
            found.append(one)
    return found


def _lines(source: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while chunk := source.read1(CHUNK_BYTES):  # type: ignore[attr-defined]
        *whole, rest = (rest + chunk).split(b"\0")
        yield from whole
        if len(rest) > MAX_PATH_BYTES + CHUNK_BYTES:
            raise SubmissionRejected("archive.path_too_deep", limit=MAX_PATH_BYTES)


def _entry(line: bytes) -> _Entry:
    facts, _, raw = line.partition(b"\t")
    mode, _, name, size = facts.decode().split()
    try:
        path = raw.decode()
    except UnicodeDecodeError:
        raise SubmissionRejected("archive.bad_name", name=shown(raw.decode(errors="replace")), why="encoding") from None
    return _Entry(mode=int(mode, 8), object=name, size=0 if size == "-" else int(size), path=path)


def _dropped(path: str) -> str | None:
    """The part of a path up to what is left out by rule; None: it stays."""
    parts = path.split("/")
    for number, part in enumerate(parts, start=1):
        if part.casefold() in DROPPED_NAMES:
            return "/".join(parts[:number]) + ("/" if number < len(parts) else "")
    return None


def _blob(answer: IO[bytes], one: _Entry) -> Iterator[bytes]:
    """The content of a file; one whose content lies on another server is no file that can be graded."""
    told = answer.readline().split()
    if told[1:] != [b"blob", str(one.size).encode()]:
        raise NotFetched("git.broken", path=shown(one.path))
    left, first = one.size, True
    while left:
        chunk = answer.read(min(left, CHUNK_BYTES))
        if not chunk:
            raise NotFetched("git.broken", path=shown(one.path))
        if first and chunk.startswith(_POINTER):
            raise NotFetched("git.lfs", path=shown(one.path))
        left, first = left - len(chunk), False
        yield chunk
    answer.read(1)
