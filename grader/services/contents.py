"""What is in a file that was handed in, to be read by people: opened in the jail of intake, shown as plain text.

Nothing is ever unpacked to a name that the archive chose: the jail gives one normalised tar, and text is read from it.
"""

import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grader.errors import UsageProblem
from grader.intake import receive
from grader.records import Records, Submission
from grader.reports.plain import clean
from grader.services.rounds import need

SHOWN_BYTES: Final = 200_000
"""Of one file; what is longer is cut, and says so."""
SHOWN_FILES: Final = 2_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """The files of a submission with their sizes; ``text`` is that of the one asked for, None when it is no text."""

    files: tuple[tuple[str, int], ...]
    more: bool
    name: str
    text: str | None
    cut: bool


def contents(records: Records, submission: str, name: str = "") -> Contents:
    """List the files; with a name, read that one, too.

    Raises:
        SubmissionRejected: the archive is one that intake refuses.
        UsageProblem: ``records.not_found``, ``submission.purged``.
    """
    with records.reading() as session:
        found = need(session.get(Submission, submission), submission)
        if found.purged_at is not None:
            raise UsageProblem("submission.purged")
        sha256 = found.sha256
    with tempfile.TemporaryDirectory(prefix="read-") as folder:
        workspace = receive(records.blobs.open(sha256), spool=Path(folder) / "work.tar")
        with tarfile.open(workspace.tar) as archive:
            members = {one.name: one for one in archive.getmembers() if one.isfile()}
            chosen = members.get(name)
            if name and chosen is None:
                raise UsageProblem("records.not_found", what=name)
            source = archive.extractfile(chosen) if chosen else None
            data = source.read(SHOWN_BYTES) if source else b""
    return Contents(
        files=tuple((one.name, one.size) for one in list(members.values())[:SHOWN_FILES]),
        more=len(members) > SHOWN_FILES,
        name=name,
        text=_text(data),
        cut=bool(chosen and chosen.size > SHOWN_BYTES),
    )


def _text(data: bytes) -> str | None:
    """UTF-8, or else the Thai of Windows; a zero byte is in no text. Signs that hide or turn text are left out.

    The last letter may have been cut in two.
    """
    if b"\0" in data:
        return None
    for encoding in ("utf-8-sig", "cp874"):
        for cut in range(3 if len(data) == SHOWN_BYTES else 1):
            try:
                return clean(data[: len(data) - cut].decode(encoding))
            except UnicodeDecodeError:
                continue
    return None
