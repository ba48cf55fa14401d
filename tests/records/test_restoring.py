"""What comes back from a backup: whole, proved, and going on from where it was; or nothing at all."""

from datetime import timedelta
from pathlib import Path

import pytest

from grader.errors import EnvironmentProblem, UsageProblem
from grader.queue import beat, claim
from grader.records import (
    AuditEntry,
    Run,
    create_records,
    default_url,
    open_records,
    schema,
)
from grader.records.store import CHECKPOINT_FILE
from grader.services import keeping, refilling, restoring
from grader.services.keeping import backup, check_backup
from grader.services.proving import BackupUnusable
from grader.services.restoring import restore
from tests.fixtures.keeping import Other, broken, busy, dies_at_line, graded, lines_of, restored
from tests.fixtures.records import Classroom


def test_work_goes_on_after_a_restore(classroom: Classroom, tmp_path: Path, other: Other) -> None:
    """What was being graded waits again and loses no try; its old worker cannot record; the audit says so."""
    receipt = classroom.submit()
    held = claim(classroom.records, "w1")
    assert held is not None
    manifest = check_backup(backup(classroom.records, tmp_path / "b.tar").file).need()
    report = restore(tmp_path / "b.tar", tmp_path / "new", url := other(classroom.records.database.dialect), by="op")
    assert (report.queued_again, report.digest) == (1, manifest.digest)
    assert timedelta(0) <= report.lost < timedelta(minutes=5)
    records = open_records(tmp_path / "new", url)
    room = Classroom(records=records, assignment=classroom.assignment, seats=classroom.seats)
    job = room.job(receipt.submission)
    assert (job.state, job.tries, job.attempt) == ("queued", 0, 1)
    assert [run.ended for run in room.all(Run)] == ["released"]
    entry = room.all(AuditEntry)[-1]
    assert (entry.action, entry.object, entry.by) == ("records.restored", manifest.digest, "op")
    assert (entry.after or {})["queued_again"] == [job.id]
    assert not beat(records, held)
    assert graded(room)
    assert broken(records) == []
    records.close()


def test_a_backup_over_newer_data_is_shown_by_the_copied_checkpoint(
    classroom: Classroom, tmp_path: Path, other: Other
) -> None:
    """Whoever restores an old backup cannot hide that there was more: the file on another machine knows."""
    saved = backup(classroom.records, tmp_path / "b.tar").file
    classroom.submit()
    classroom.records.checkpoint()
    copied = tmp_path / "elsewhere.txt"
    copied.write_bytes((classroom.records.folder / CHECKPOINT_FILE).read_bytes())
    assert broken(classroom.records, off_host=copied) == []
    with restored(saved, tmp_path / "new", other(classroom.records.database.dialect)) as records:
        assert broken(records) == []
        (found,) = broken(records, off_host=copied)
        assert found.startswith("I6")
        for _ in range(5):
            classroom_again = Classroom(records=records, assignment=classroom.assignment, seats=classroom.seats)
            classroom_again.submit()
            assert graded(classroom_again)
        (found,) = broken(records, off_host=copied)
        assert "checkpoint_wrong" in found, "later entries with the same numbers do not hide it either"


# -- refused -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["records", "key", "blobs"])
def test_nothing_is_restored_over_something(
    what: str, classroom: Classroom, saved: Path, tmp_path: Path, other: Other
) -> None:
    """Records that are there, also fresh ones, or any part of them, are somebody's."""
    folder, url = tmp_path / "new", other(classroom.records.database.dialect)
    if what == "records":
        create_records(folder, url).close()
    else:
        folder.mkdir()
        (folder / {"key": "signing-key.pem", "blobs": "blobs"}[what]).mkdir()
    before = sorted(folder.rglob("*"))
    with pytest.raises(UsageProblem) as caught:
        restore(saved, folder, url, by="operator")
    assert caught.value.code == "restore.not_empty"
    assert sorted(folder.rglob("*")) == before


def test_a_database_that_is_in_use_is_not_restored_into(
    classroom: Classroom, address: str, saved: Path, tmp_path: Path
) -> None:
    """An empty folder does not make the database behind it empty."""
    url = address or default_url(classroom.records.folder)
    with pytest.raises(UsageProblem) as caught:
        restore(saved, tmp_path / "new", url, by="operator")
    assert caught.value.code == "restore.not_empty"
    assert broken(classroom.records) == []


def test_a_backup_of_a_later_version_is_refused(
    classroom: Classroom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A schema that this version has never heard of is not guessed at."""
    monkeypatch.setattr(schema, "head", lambda: "9999")
    saved = backup(classroom.records, tmp_path / "b.tar").file
    monkeypatch.undo()
    with pytest.raises(BackupUnusable) as caught:
        restore(saved, tmp_path / "new", by="operator")
    assert (caught.value.code, caught.value.params["found"]) == ("restore.newer", "9999")


def test_what_breaks_a_promise_is_not_restored(
    classroom: Classroom, tmp_path: Path, other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup can be whole and wrong: then the new installation stays empty, on the server too."""
    classroom.submit()
    monkeypatch.setattr(keeping, "needed_blobs", lambda _: {})  # as if somebody had left something out on purpose
    saved = backup(classroom.records, tmp_path / "b.tar").file
    assert check_backup(saved).holds
    url = other(classroom.records.database.dialect)
    with pytest.raises(BackupUnusable) as caught:
        restore(saved, tmp_path / "new", url, by="operator")
    assert (caught.value.code, caught.value.params["promise"]) == ("restore.promise_broken", "I1")
    assert list((tmp_path / "new").iterdir()) == []
    with pytest.raises(EnvironmentProblem, match="not_initialised"):
        open_records(tmp_path / "new", url)


# -- killed in the middle ---------------------------------------------------------------------------------------------


def is_there(folder: Path, url: str) -> bool:
    """Whether there is an installation, which then must be whole; anything between is an error."""
    try:
        records = open_records(folder, url)
    except EnvironmentProblem as problem:
        if problem.code != "records.not_initialised":
            raise
        return False
    assert broken(records) == []
    records.close()
    return True


def test_a_restore_that_is_killed_leaves_nothing_or_everything(
    classroom: Classroom, tmp_path: Path, other: Other
) -> None:
    """Killed before each line in turn: there is no installation, or a whole one; the next try meets what was left."""
    classroom.submit()
    saved = backup(classroom.records, tmp_path / "b.tar").file
    report = 10  # lines that only put the report together
    places = [*lines_of(restoring._restore)[:-report], *lines_of(restoring._appear), *lines_of(refilling.refill)[::7]]
    folder, url = tmp_path / "new", other(classroom.records.database.dialect)
    empty, whole = 0, 0
    for file, line in places:
        if dies_at_line(line, file, lambda: restore(saved, folder, url, by="operator")):  # noqa: B023
            empty += not is_there(folder, url)
        if is_there(folder, url):  # it lived, because it did not come by, or died when everything was done
            with pytest.raises(UsageProblem, match="not_empty"):
                restore(saved, folder, url, by="operator")
            whole += 1
            folder, url = tmp_path / f"new{whole}", other(classroom.records.database.dialect)
    assert empty > 10
    assert whole > 1
    restore(saved, folder, url, by="operator")
    assert is_there(folder, url)


def test_a_backup_that_is_killed_is_not_there(classroom: Classroom, address: str, tmp_path: Path) -> None:
    """Killed before each line in turn: there is no file of that name or a whole one, and the next one gets through."""
    busy(classroom)
    file = tmp_path / "b.tar"
    died = 0
    for source, line in lines_of(backup):
        died += dies_at_line(line, source, lambda: backup(open_records(classroom.records.folder, address), file))
        if file.exists():
            assert check_backup(file).holds
            file.unlink()
    assert died > 10
    backup(classroom.records, file)
    assert check_backup(file).holds
    assert not list(tmp_path.glob("*.partial"))
