"""Work that was sent: looked at before it is accepted, counted for its person, and read in pieces."""

import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from typing import IO, Final

from grader.errors import SubmissionRejected
from grader.intake import receive
from grader.records import Fetch
from grader.records.blobs import CHUNK
from grader.services import fetching, receiving
from grader.services.receiving import Receipt
from portal.access.door import Door
from portal.limits import pace

_LOOK: Final = "grader-look-"
LEFT_SECONDS: Final = 3600
"""Looking takes a minute at most; a folder that is older was left by a process that was killed."""


def hand_over(door: Door, *, seat: str, assignment: str, file: IO[bytes], filename: str, key: str) -> Receipt:
    """Hand a file in, or give the receipt that there is for the key.

    What is refused before anything is done with the file is not counted for the limit, nor is what was accepted before.

    Raises:
        NotAccepted, SubmissionRejected, TooOften: nothing was kept.
    """
    digest, limit = sha256_of(file), door.visit.settings.limits.queue
    known = receiving.ready(
        door.records, seat=seat, assignment=assignment, idempotency_key=key, sha256=digest, queue_limit=limit
    )
    if known is not None:
        return known
    pace(door.visit, "submissions")
    look_at(file)
    return receiving.submit(
        door.records,
        seat=seat,
        assignment=assignment,
        filename=filename,
        chunks=pieces(file),
        by=door.by,
        idempotency_key=key,
        request=door.visit.request.state.request,
        sha256=digest,
        queue_limit=limit,
    )


def ask_for(door: Door, *, seat: str, assignment: str, git_url: str, ref: str, key: str) -> Fetch:
    """Ask for work at a git address, or give the asking that there is for the key; counted like a file.

    Raises:
        NotAccepted, NotFetched, TooOften: nothing was kept.
    """
    settings = door.visit.settings
    hosts, limit = settings.base.git, settings.limits.queue
    known = fetching.asked_before(
        door.records,
        seat=seat,
        assignment=assignment,
        git_url=git_url,
        ref=ref,
        hosts=hosts,
        idempotency_key=key,
        queue_limit=limit,
    )
    if known is not None:
        return known
    pace(door.visit, "submissions")
    return fetching.ask(
        door.records,
        seat=seat,
        assignment=assignment,
        git_url=git_url,
        ref=ref,
        hosts=hosts,
        by=door.by,
        idempotency_key=key,
        request=door.visit.request.state.request,
        queue_limit=limit,
    )


def look_at(file: IO[bytes]) -> None:
    """Read the archive in the jail as the grader will, and throw away what came out.

    Raises:
        SubmissionRejected: it would be refused.
    """
    with tempfile.TemporaryDirectory(prefix=_LOOK) as folder:
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


def tidy() -> None:
    """Remove what processes left that were killed while they looked at a file."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_LOOK}*"):
        with suppress(OSError):  # somebody else removed it just now
            facts = folder.lstat()
            if facts.st_uid == os.geteuid() and facts.st_mtime < time.time() - LEFT_SECONDS:
                rmtree(folder)
