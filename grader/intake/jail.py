"""The process that reads a submission: ``python -I -m grader.intake.jail ARCHIVE_FD TAR_FD``.

The archive comes from one descriptor, the normalised tar goes to another, and one JSON line on stdout says what was
found or why the submission is refused. Nothing is unpacked to a disk, and nothing of the submission is imported or run.
This module and what it imports stay free of pydantic: the process starts in a tenth of a second.
"""

import codecs
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from grader.errors import SubmissionRejected
from grader.intake import archive, detection, source_scan
from grader.intake.confine import confine
from grader.intake.limits import (
    CHUNK_BYTES,
    MAX_ARCHIVE_BYTES,
    MAX_KEPT_BYTES,
    MAX_LEAKS,
    MAX_SCANNED_BYTES,
    MAX_SCANNED_TOTAL_BYTES,
    MAX_UNPACKED_BYTES,
)
from grader.intake.tarstream import TarStream
from grader.intake.tree import Tree, plan
from grader.intake.zipformat import Entry

for _codec in ("ascii", "cp437", "cp874", "latin-1", "utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-16-le"):
    codecs.lookup(_codec)  # a codec is loaded on its first use, when no file can be opened any more

Write = Callable[[bytes], object]


def read_upload(descriptor: int) -> bytes:
    """Read the whole archive, so that every reading of it sees the same bytes, and stop at the size limit."""
    parts, size = [], 0
    while chunk := os.pread(descriptor, 16 * CHUNK_BYTES, size):
        size += len(chunk)
        if size > MAX_ARCHIVE_BYTES:
            raise SubmissionRejected("archive.too_large", limit=MAX_ARCHIVE_BYTES)
        parts.append(chunk)
    return b"".join(parts)


class _Unpacking:
    """Streams the members of a tree into the tar, and looks at each file as it passes."""

    def __init__(self, data: bytes, write: Write) -> None:
        self._data = data
        self._tar = TarStream(write)
        self._scanned = 0
        self._kept = 0
        self.size = 0
        self.count = 0
        self.kept: dict[str, bytes] = {}
        self.leaks: list[source_scan.Leak] = []

    def run(self, tree: Tree) -> None:
        for path, entry in tree.members:
            if entry is None:
                self._tar.directory(path)
            else:
                self._file(path, entry)
        self._tar.close()

    def _file(self, path: str, entry: Entry) -> None:
        self.count += 1
        self._tar.file(path, entry.size)
        seen = bytearray()
        for chunk in archive.content(self._data, entry, path):
            self.size += len(chunk)
            if self.size > MAX_UNPACKED_BYTES:
                raise SubmissionRejected("archive.unpacked_too_large", limit=MAX_UNPACKED_BYTES)
            if len(seen) < MAX_SCANNED_BYTES:
                seen += chunk
            self._tar.add(chunk)
        self._look_at(path, bytes(seen), entry.size)

    def _look_at(self, path: str, content: bytes, size: int) -> None:
        if len(self.leaks) < MAX_LEAKS and self._scanned < MAX_SCANNED_TOTAL_BYTES:
            self._scanned += len(content)
            self.leaks += source_scan.scan(path, content)[: MAX_LEAKS - len(self.leaks)]
        if detection.is_wanted(path, size) and detection.keeps(path, content):
            expected = detection.is_expected(path)
            if expected or self._kept + size <= MAX_KEPT_BYTES:
                self._kept += 0 if expected else size
                self.kept[path] = content


def examine(data: bytes, write: Write) -> dict[str, Any]:
    """Check the archive, write its normalised tar with ``write``, and return what the parent makes a Workspace of.

    Raises:
        SubmissionRejected: any code of the archive, the project or its dependencies.
    """
    tree = plan(archive.read_archive(data))
    unpacking = _Unpacking(data, write)
    unpacking.run(tree)
    paths = frozenset(path for path, entry in tree.members if entry is not None)
    project = detection.detect(unpacking.kept, paths)
    return {
        "receipt": {
            "files": unpacking.count,
            "size": unpacking.size,
            "dropped": [{"path": path, "rule": rule} for path, rule in tree.dropped],
            "notes": [*tree.notes, *project.notes],
            "decoded_names": list(tree.decoded_names),
        },
        "runtime": project.runtime,
        "start": list(project.start),
        "dependencies": {
            "file": project.dependencies.file,
            "lines": [list(line) for line in project.dependencies.lines],
            "lock": project.dependencies.lock,
            "autoload": project.dependencies.autoload,
        },
        "leaks": [asdict(leak) for leak in unpacking.leaks],
    }


def main(arguments: list[str]) -> None:
    """Confine this process, then read the archive and report."""
    source, target = (int(argument) for argument in arguments)
    result: dict[str, Any] = {"confinement": asdict(confine(files=(source, target)))}

    def write(chunk: bytes) -> None:
        view = memoryview(chunk)
        while view:
            view = view[os.write(target, view) :]

    try:
        result["workspace"] = examine(read_upload(source), write)
    except SubmissionRejected as refusal:
        result["refused"] = {"code": refusal.code, "params": refusal.params}
    except (MemoryError, RecursionError):
        result["refused"] = {"code": "archive.too_expensive", "params": {"limit": "memory"}}
    os.close(target)
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
