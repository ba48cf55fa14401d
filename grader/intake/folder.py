"""A folder on this machine, packed to a zip so that it takes the same route as an upload."""

import os
import stat
import tempfile
import zipfile
from pathlib import Path
from typing import IO

from grader.errors import SubmissionRejected, UsageProblem
from grader.intake.limits import CHUNK_BYTES, MAX_DEPTH, MAX_DIRECTORIES, MAX_FILES, MAX_UNPACKED_BYTES
from grader.intake.names import DROPPED_NAMES, VENDOR, VENDOR_MARKS, shown

_TIME = (1980, 1, 1, 0, 0, 0)
_DOS_DIRECTORY = 0x10


def pack(folder: Path) -> IO[bytes]:
    """Return a temporary zip of the folder, positioned at its start; it has no name and vanishes when it is closed.

    What is dropped by rule is not read: an empty entry stands for it, so that the receipt lists it. Links and devices
    are packed as what they are, unread, and refused by the jail like those of any archive.

    Raises:
        UsageProblem: ``usage.path_unreadable`` (path, reason).
        SubmissionRejected: ``archive.unpacked_too_large``, ``archive.too_many_files``, ``archive.path_too_deep``,
            ``archive.bad_name``: the limits that must hold before the jail can look.
    """
    target = tempfile.TemporaryFile(prefix="grader-intake-")  # noqa: SIM115 - the caller closes it
    try:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            _Packing(archive, folder).run()
    except BaseException:
        target.close()
        raise
    target.seek(0)
    return target


class _Packing:
    def __init__(self, archive: zipfile.ZipFile, folder: Path) -> None:
        self._archive = archive
        self._folder = folder
        self._files = self._directories = self._size = 0

    def run(self) -> None:
        waiting: list[tuple[str, ...]] = [()]
        while waiting:
            parts = waiting.pop()
            try:
                with os.scandir(self._folder.joinpath(*parts)) as listing:
                    found = sorted(listing, key=lambda entry: entry.name)
            except OSError as error:
                raise self._unreadable(parts, error) from None
            waiting += [(*parts, entry.name) for entry in found if self._take(entry, (*parts, entry.name))]

    def _take(self, entry: os.DirEntry[str], parts: tuple[str, ...]) -> bool:
        """Pack one entry, and say whether it is a directory to go into."""
        name = "/".join(parts)
        try:
            name.encode()
        except UnicodeEncodeError:
            raise SubmissionRejected("archive.bad_name", name=shown(name), why="encoding") from None
        directory = entry.is_dir(follow_symlinks=False)
        mark = self._vendor_mark(entry, parts) if directory else None
        if mark:
            self._archive.writestr(self._info("/".join(mark), stat.S_IFREG), b"")
            return False
        if entry.name.casefold() in DROPPED_NAMES:
            self._archive.writestr(self._info(name + "/" if directory else name, stat.S_IFREG), b"")
            return False
        if directory:
            self._directories += 1
            if len(parts) > MAX_DEPTH:
                raise SubmissionRejected("archive.path_too_deep", name=shown(name), limit=MAX_DEPTH)
            self._archive.writestr(self._info(name + "/", stat.S_IFDIR), b"")
        else:
            self._files += 1
            self._pack_file(parts, name)
        if self._files > MAX_FILES or self._directories > MAX_DIRECTORIES:
            raise SubmissionRejected("archive.too_many_files", limit=MAX_FILES)
        return directory

    def _vendor_mark(self, entry: os.DirEntry[str], parts: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return the file by which the jail knows Composer's folder of packages, if this is one."""
        if entry.name != VENDOR:
            return None
        try:
            with os.scandir(self._folder.joinpath(*parts, "composer")) as listing:
                inside = {found.name for found in listing if found.is_file(follow_symlinks=False)}
        except OSError:
            return None  # no such folder; one that may not be read is met again on the way into it
        return next(((*parts, "composer", name) for name in VENDOR_MARKS if name in inside), None)

    def _pack_file(self, parts: tuple[str, ...], name: str) -> None:
        path = self._folder.joinpath(*parts)
        try:
            kind = stat.S_IFMT(path.lstat().st_mode)
            if kind != stat.S_IFREG:
                self._archive.writestr(self._info(name, kind), b"")
                return
            # Between the look and the opening it may have become something else: neither follow it nor wait for it.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise self._unreadable(parts, error) from None
        with open(descriptor, "rb") as source, self._archive.open(self._info(name, kind), "w") as target:  # noqa: PTH123 - an open descriptor
            while chunk := source.read(CHUNK_BYTES):
                self._size += len(chunk)
                if self._size > MAX_UNPACKED_BYTES:
                    raise SubmissionRejected("archive.unpacked_too_large", limit=MAX_UNPACKED_BYTES)
                target.write(chunk)

    @staticmethod
    def _info(name: str, kind: int) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(name, _TIME)
        info.compress_type = zipfile.ZIP_STORED if kind != stat.S_IFREG or name.endswith("/") else zipfile.ZIP_DEFLATED
        dos = _DOS_DIRECTORY if kind == stat.S_IFDIR else 0
        info.external_attr = (kind | 0o644) << 16 | dos
        return info

    def _unreadable(self, parts: tuple[str, ...], error: OSError) -> UsageProblem:
        where = shown(str(self._folder.joinpath(*parts)))
        return UsageProblem("usage.path_unreadable", path=where, reason=error.strerror or "unknown")
