"""Exercises come into the records whole: what work was graded with can be graded with again, whatever changed since."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.errors import GraderError, InfrastructureFault
from grader.packs import Pack, find_pack, load_pack
from grader.packs.transfer import pack_tar, unpack_pack
from grader.records import Change, ExerciseVersion, Records


def publish(records: Records, change: Change, pack: Pack) -> ExerciseVersion:
    """Keep this version of an exercise; one that is kept already is given back as it is."""
    known = change.session.get(ExerciseVersion, pack.digest)
    if known is not None:
        return known
    stored = records.blobs.put([pack_tar(pack)])
    version = ExerciseVersion(
        digest=pack.digest,
        exercise=pack.exercise.id,
        version=pack.exercise.version,
        title=pack.exercise.title.model_dump(),
        checks={check.id: check.points for check in pack.checks.values()},
        pass_points=pack.exercise.pass_rule.points,
        archive=stored.sha256,
        added_at=change.at,
    )
    change.session.add(version)
    change.audit("exercise.published", pack.digest, after={"exercise": version.exercise, "version": version.version})
    return version


def version_of(session: Session, digest: str) -> ExerciseVersion:
    """One version.

    Raises:
        GraderError: ``records.not_found``.
    """
    found = session.get(ExerciseVersion, digest)
    if found is None:
        raise GraderError("records.not_found", what=digest)
    return found


def versions(session: Session, exercise: str) -> list[ExerciseVersion]:
    """All versions of an exercise that are kept, the newest first."""
    statement = select(ExerciseVersion).where(ExerciseVersion.exercise == exercise)
    return list(session.scalars(statement.order_by(ExerciseVersion.added_at.desc(), ExerciseVersion.digest)))


@contextmanager
def pack_of(records: Records, digest: str, exercises: Path, *, to_read: bool = False) -> Iterator[Pack]:
    """The exercise to grade with: the folder's when it still is this version, else the one that was kept.

    ``to_read``: it is only shown beside a verdict that exists already, so the rules of today's grader do not matter.

    Raises:
        InfrastructureFault: ``infrastructure.other_engine``: the kept exercise has another digest with this version of
            the grader, so that a verdict would be one of another rule; a regrade is for somebody to decide.
    """
    with records.reading() as session:
        version = version_of(session, digest)
    try:
        pack = load_pack(find_pack(version.exercise, exercises))
    except GraderError:
        pack = None  # it was renamed, removed or broken since: the kept one does not care
    if pack is not None and pack.digest == digest:
        yield pack
        return
    with tempfile.TemporaryDirectory(prefix="pack-") as folder:
        kept = load_pack(unpack_pack(records.blobs.open(version.archive).read_bytes(), Path(folder) / version.exercise))
        if kept.digest != digest and not to_read:
            raise InfrastructureFault("infrastructure.other_engine", wanted=digest, found=kept.digest)
        yield kept
