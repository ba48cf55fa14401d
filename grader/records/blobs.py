"""Files by their content: what was handed in, and exercises as they were. Kept before anybody is told that it is.

The order is what the promise rests on: bytes to a new file, fsync, rename to the name of the content, fsync of the
folder; only then may a row that names the content be committed.
"""

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from grader.errors import SubmissionRejected
from grader.faultpoints import reached
from grader.records.database import RecordsUnavailable

RESERVE_BYTES: Final = 512 * 1024 * 1024
"""Free space below which nothing more is accepted: the database and running gradings need it."""
CHUNK: Final = 1024 * 1024
_INCOMING: Final = "incoming"
_STALE_SECONDS: Final = 24 * 3600


class BlobLost(RecordsUnavailable):
    """A content is gone or is not what it was: asking again does not bring it back, somebody has to look."""


class Stored(NamedTuple):
    """Where a content is kept: its SHA-256 in hex, and its size in bytes."""

    sha256: str
    size: int


class BlobStore:
    """Blobs under a folder; ``reserve`` is the free space in bytes that must be left."""

    def __init__(self, folder: Path, *, reserve: int = RESERVE_BYTES) -> None:
        self.folder = folder
        self._incoming = folder / _INCOMING
        self._reserve = reserve

    def create(self) -> None:
        """Make the folders."""
        self._incoming.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Where a content is, or would be."""
        return self.folder / sha256[:2] / sha256[2:4] / sha256

    def put(self, chunks: Iterable[bytes], *, limit: int | None = None) -> Stored:
        """Keep a content for good. Once this returns, a power failure takes nothing of it.

        Raises:
            SubmissionRejected: ``archive.too_large``: more than ``limit`` bytes came, counted as they came.
            RecordsUnavailable: ``records.disk_full``, ``records.not_writable``; nothing was kept.
        """
        incoming = self._incoming / f"{os.getpid()}-{time.monotonic_ns()}-{os.urandom(4).hex()}"
        try:
            with _our_files():
                self._need_space()
                descriptor = os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                stored = _write(descriptor, chunks, limit)
                with _our_files():
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            reached("upload.fsync")
            with _our_files():
                self._place(incoming, stored.sha256)
        finally:
            incoming.unlink(missing_ok=True)
        return stored

    def _place(self, incoming: Path, sha256: str) -> None:
        """Give the file the name of its content; the folders that lead to it are made durable too.

        Also those that were there: whoever made them may have died before, and syncing a clean folder costs nothing.
        """
        target = self.path(sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(incoming, target)  # noqa: PTH105 - the same content may be there already, and is the same
        reached("upload.rename")
        for folder in (target.parent, target.parent.parent, self.folder):
            _sync_folder(folder)
        reached("upload.dirsync")

    def _need_space(self) -> None:
        if shutil.disk_usage(self.folder).free < self._reserve:
            raise RecordsUnavailable("records.disk_full", problem=f"less than {self._reserve >> 20} MB are free")

    def open(self, sha256: str) -> Path:
        """The file of a content, after proof that it still is that content.

        Raises:
            BlobLost: ``records.blob_missing``, ``records.blob_damaged``.
        """
        path = self.path(sha256)
        if not path.is_file():
            raise BlobLost("records.blob_missing", sha256=sha256)
        if digest_of(path) != sha256:
            raise BlobLost("records.blob_damaged", sha256=sha256)
        return path

    def names(self) -> Iterator[str]:
        """The digests of everything that is kept."""
        for path in self.folder.glob("??/??/*"):
            yield path.name

    def remove(self, sha256: str) -> None:
        """Forget a content; it is no error when it is gone."""
        self.path(sha256).unlink(missing_ok=True)

    def sweep(self) -> int:
        """Remove uploads that were broken off more than a day ago; returns how many."""
        removed = 0
        for path in self._incoming.glob("*"):
            with suppress(FileNotFoundError):  # it was placed, or removed by another worker, just now
                if path.stat().st_mtime < time.time() - _STALE_SECONDS:
                    path.unlink()
                    removed += 1
        return removed


_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def _our_files() -> Iterator[None]:
    """What goes wrong with the files here is ours; what goes wrong while bytes come in is the sender's."""
    try:
        yield
    except OSError as problem:
        code = "records.disk_full" if problem.errno in _FULL else "records.not_writable"
        raise RecordsUnavailable(code, problem=problem.strerror or str(problem)) from problem


def _write(descriptor: int, chunks: Iterable[bytes], limit: int | None) -> Stored:
    digest, size = hashlib.sha256(), 0
    for number, chunk in enumerate(chunks):
        size += len(chunk)
        if limit is not None and size > limit:
            raise SubmissionRejected("archive.too_large", limit=limit)
        digest.update(chunk)
        with _our_files():
            view = memoryview(chunk)
            while view:
                view = view[os.write(descriptor, view) :]
        reached("upload.mid" if number else "upload.first_byte")
    return Stored(digest.hexdigest(), size)


def digest_of(path: Path) -> str:
    """The SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def chunks_of(path: Path) -> Iterator[bytes]:
    """A file in pieces."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
