"""A file that was sent: looked at before it is accepted, and read in pieces."""

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from grader.errors import SubmissionRejected
from grader.intake import receive
from grader.records.blobs import CHUNK
from grader.services import receiving


def look_at(file: IO[bytes]) -> None:
    """Read the archive in the jail as the grader will, and throw away what came out.

    Raises:
        SubmissionRejected: it would be refused.
    """
    with tempfile.TemporaryDirectory(prefix="look-") as folder:
        copy = Path(folder) / "work.zip"
        size = 0
        with copy.open("wb") as target:
            for piece in pieces(file):
                size += len(piece)
                if size > receiving.UPLOAD_LIMIT:
                    raise SubmissionRejected("archive.too_large", limit=receiving.UPLOAD_LIMIT)
                target.write(piece)
        if size:
            receive(copy, spool=Path(folder) / "work.tar")
    file.seek(0)


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """The bytes of the file from its beginning, some at a time."""
    file.seek(0)
    return iter(lambda: file.read(CHUNK), b"")


def sha256_of(file: IO[bytes]) -> str:
    """What the file is told by."""
    found = hashlib.sha256()
    for piece in pieces(file):
        found.update(piece)
    return found.hexdigest()
