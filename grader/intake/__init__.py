"""Receive a submission: an archive goes into a jail, a workspace comes out.

A folder or a zip is read in a separate process without network, privileges or files (:mod:`grader.intake.jail`); the
parent keeps the deadline and spools what comes out (:mod:`grader.intake.parent`). Nothing is ever unpacked here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from grader.submission import Workspace

__all__ = ["as_archive", "receive"]


def receive(path: Path, *, spool: Path) -> "Workspace":
    """Read the folder or zip at ``path`` in the jail and write its normalised tar to the file ``spool``.

    Raises:
        UsageProblem: ``path`` is missing or not readable (``usage.path_missing``, ``usage.path_unreadable``).
        SubmissionRejected: the submission is refused; codes ``archive.*``, ``project.*``, ``dependencies.*``.
        InfrastructureFault: the jail or the spool broke (``infrastructure.jail``, ``infrastructure.spool``).
    """
    # The jail imports this package as well: the models that the parent needs would triple its start-up.
    from grader.intake import parent  # noqa: PLC0415 - see above

    return parent.receive(path, spool=spool)


@contextmanager
def as_archive(path: Path) -> Iterator[IO[bytes]]:
    """The bytes that a folder or a zip is handed in as; a folder is packed without anything in it being run.

    Raises:
        UsageProblem: ``path`` is missing or not readable (``usage.path_missing``, ``usage.path_unreadable``).
    """
    from grader.intake import parent  # noqa: PLC0415 - see above

    with parent.as_archive(path) as archive:
        yield archive
