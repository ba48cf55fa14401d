"""Backups: of one moment while people work, proved before they are used, restored whole or not at all."""

import json
import os
import resource
import tarfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from grader.errors import EnvironmentProblem, UsageProblem
from grader.records import (
    APPEND_ONLY,
    Base,
    Grading,
    RecordsUnavailable,
    Submission,
    open_records,
)
from grader.services import admitting, backups, keeping
from grader.services.backups import KINDS, Kind, from_line, kind_of, to_line
from grader.services.keeping import backup, check_backup, scrub
from grader.services.proving import BackupUnusable
from grader.services.receiving import Receipt
from grader.services.restoring import restore
from tests.fixtures.keeping import Other, broken, busy, graded, in_child, restored, rows
from tests.fixtures.records import ENGINES, Classroom

# -- what is in it ----------------------------------------------------------------------------------------------------


def test_every_column_can_be_written() -> None:
    """A column of a type that backups do not know fails here, before anybody relies on a backup."""
    kinds = {kind_of(column) for table in Base.metadata.sorted_tables for column in table.columns}
    assert kinds <= {kind for kind, _ in KINDS}


def test_every_value_survives_its_line() -> None:
    """Moments to the microsecond, bytes, and what no encoding likes: a lone surrogate, the character 0, line ends."""
    row = {
        "text": 'ก\r\n\u2028\ud800\0"',
        "json": {"\ud800": [1.5, None, "\x85"]},
        "moment": datetime(2026, 11, 22, 9, 0, 0, 1, tzinfo=UTC),
        "date": date(2026, 11, 22),
        "bytes": bytes(range(256)),
        "bool": True,
        "int": 2**31,
    }
    columns: dict[str, Kind] = {kind: kind for kind, _ in KINDS}
    line = to_line(row, columns)
    assert line.count(b"\n") == 1
    assert len(line.splitlines()) == 1
    assert from_line(line, columns) == row
    assert from_line(to_line(dict.fromkeys(row), columns), columns) == dict.fromkeys(row)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_backup_comes_back_on_either_engine(
    engine: str, classroom: Classroom, saved: Path, tmp_path: Path, other: Other
) -> None:
    """From each engine to each engine: all rows are equal, all promises hold, and the triggers guard as before."""
    before = rows(classroom.records)
    with restored(saved, tmp_path / "new", other(engine)) as records:
        after = rows(records, "audit_head")
        assert after.pop("audit")[: len(before["audit"])] == before.pop("audit")
        marks = before.pop("audit_checkpoint")
        assert after.pop("audit_checkpoint")[: len(marks)] == marks
        assert after == {name: found for name, found in before.items() if name in after}
        assert broken(records) == []
        for table in APPEND_ONLY & {"audit", "override"}:
            with records.database.engine.connect() as connection, pytest.raises(DBAPIError, match="append-only"):
                connection.execute(text(f'DELETE FROM "{table}"'))
        again = backup(records, tmp_path / "again.tar")
    assert check_backup(again.file).holds
    with restored(again.file, tmp_path / "back", other(classroom.records.database.dialect)) as records:
        assert broken(records) == []
        assert rows(records, "audit", "audit_head", "audit_checkpoint") == after


def test_a_backup_says_what_it_holds(classroom: Classroom, saved: Path) -> None:
    """The report, the manifest and the check agree, and any tool can read the rows."""
    proof = check_backup(saved, key=classroom.records.keys.id)
    assert proof.holds, proof.wrong
    assert proof.manifest is not None
    assert {name: len(found) for name, found in rows(classroom.records).items()} == {
        name: table.rows for name, table in proof.manifest.tables.items()
    }
    assert saved.stat().st_mode & 0o777 == 0o600, "the signing key is in it"
    with tarfile.open(saved) as archive:
        assert archive.getnames()[-1] == "manifest.json"
        lines = archive.extractfile("tables/person/000001.jsonl")
        assert lines is not None
        assert {json.loads(line)["name"] for line in lines} == {f"ผู้เรียน {number}" for number in range(4)}
    assert check_backup(saved, key="0" * 16).wrong == ("signing-key.pem other_key",)


def test_a_folder_gets_a_name_with_the_moment(classroom: Classroom, tmp_path: Path) -> None:
    """Backups into a folder do not get in each other's way; a file that is there is never replaced."""
    report = backup(classroom.records, tmp_path)
    assert report.file.name == f"backup-{report.as_of:%Y%m%dT%H%M%SZ}.tar"
    with pytest.raises(UsageProblem) as caught:
        backup(classroom.records, report.file)
    assert caught.value.code == "backup.exists"


def test_rows_of_many_parts_come_back(
    classroom: Classroom, tmp_path: Path, other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that does not fit into one part is cut, and what refers to a later row of its own table comes back."""
    monkeypatch.setattr(backups, "PART_BYTES", 500)
    busy(classroom)
    file = backup(classroom.records, tmp_path / "b.tar").file
    with tarfile.open(file) as archive:
        assert len([name for name in archive.getnames() if name.startswith("tables/grading/")]) > 3
    with restored(file, tmp_path / "new", other(classroom.records.database.dialect)) as records:
        assert rows(records)["grading"] == rows(classroom.records)["grading"]
        with records.reading() as session:
            assert session.scalars(select(Grading.replaces).where(Grading.replaces.is_not(None))).all()


# -- while people work ------------------------------------------------------------------------------------------------


def test_a_backup_under_load_is_of_one_moment(
    classroom: Classroom, tmp_path: Path, other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Submissions and results arrive all the time: what came back keeps all promises and every earlier receipt."""
    monkeypatch.setattr(admitting, "MOST_WAITING", 1_000)
    stop, receipts, problems = threading.Event(), list[tuple[datetime, Receipt]](), list[Exception]()

    def work(role: Callable[[], object]) -> None:
        try:
            while not stop.is_set():
                role()
        except Exception as problem:  # noqa: BLE001 - the test must hear of it
            problems.append(problem)

    def hand_in() -> None:
        receipt = classroom.submit(len(receipts) % 4, os.urandom(20_000))
        receipts.append((datetime.now(UTC), receipt))

    threads = [threading.Thread(target=work, args=(role,)) for role in (hand_in, hand_in, lambda: graded(classroom))]
    for thread in threads:
        thread.start()
    try:
        while len(receipts) < 20:
            time.sleep(0.01)
        known = [receipt for _, receipt in list(receipts)]
        report = backup(classroom.records, tmp_path / "b.tar")
        while len(receipts) < len(known) + 20:
            time.sleep(0.01)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert problems == []
    assert check_backup(report.file).wrong == ()
    with restored(report.file, tmp_path / "new", other(classroom.records.database.dialect)) as records:
        assert broken(records) == []
        with records.reading() as session:
            there = {one.id: one for one in session.scalars(select(Submission))}
        assert {one.submission for one in known} <= set(there)
        assert {receipt.submission for _, receipt in receipts} - set(there), "work went on after the snapshot"
        assert all(receipt.submission in there for given, receipt in receipts if given < report.as_of)


# -- damage -----------------------------------------------------------------------------------------------------------


def test_one_flipped_byte_in_each_part_is_found(saved: Path, tmp_path: Path) -> None:
    """Rows, contents, key, checkpoints, manifest: the check names the part, and nothing is restored from it."""
    whole = bytearray(saved.read_bytes())
    with tarfile.open(saved) as archive:
        parts = [(member.name, member.offset, member.offset_data, member.size) for member in archive]
    assert len(parts) > 15
    for name, header, begin, size in parts:
        assert size, name
        for place in (header + 3, begin, begin + size // 2, begin + size - 1):
            whole[place] ^= 1
            saved.write_bytes(whole)
            proof = check_backup(saved)
            assert not proof.holds, (name, place)
            if place > header + 3:
                assert any(name in one for one in proof.wrong), (name, proof.wrong)
            whole[place] ^= 1
    whole[parts[3][2]] ^= 1
    saved.write_bytes(whole)
    with pytest.raises(BackupUnusable) as caught:
        restore(saved, tmp_path / "new", by="operator")
    assert caught.value.code == "backup.damaged"
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("keep", [0, 0.3, 0.9, 0.999])
def test_a_backup_that_was_cut_off_is_found(saved: Path, keep: float) -> None:
    """The manifest is the last part: without the end there is none."""
    with tarfile.open(saved) as archive:
        last = archive.getmembers()[-1]
    end = last.offset_data + last.size - 1  # what follows is empty blocks, which nobody would miss
    with saved.open("r+b") as file:
        file.truncate(int(end * keep) // 512 * 512)
    assert not check_backup(saved).holds


def test_a_part_that_does_not_belong_is_found(saved: Path, tmp_path: Path) -> None:
    """Nobody can add something to a backup, nor a path that leads out of the folder."""
    with tarfile.open(saved, "a") as archive:
        archive.add(__file__, arcname="../outside")
    assert check_backup(saved).wrong == ("../outside unexpected",)
    with pytest.raises(BackupUnusable):
        restore(saved, tmp_path / "new", by="operator")
    assert not (tmp_path / "outside").exists()


def test_every_flipped_content_is_found(classroom: Classroom, tmp_path: Path) -> None:
    """The scrub finds every file that changed or went, with who needs it; a backup of them is refused."""
    busy(classroom)
    records = classroom.records
    assert scrub(records).damaged == ()
    names = sorted(records.blobs.names())
    for name in names[1:]:
        content = bytearray(records.blobs.path(name).read_bytes())
        content[len(content) // 2] ^= 1
        records.blobs.path(name).write_bytes(content)
    records.blobs.remove(names[0])
    found = scrub(records)
    assert [one.sha256 for one in found.damaged] == names
    assert [one.problem for one in found.damaged] == ["missing", *["changed"] * (len(names) - 1)]
    assert all(one.needed_by for one in found.damaged)
    with pytest.raises(RecordsUnavailable) as caught:
        backup(records, tmp_path / "b.tar")
    assert caught.value.code in {"records.blob_missing", "records.blob_damaged"}
    assert list(tmp_path.glob("b.tar*")) == []


# -- where it goes ----------------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_no_half_backup(classroom: Classroom, address: str, tmp_path: Path) -> None:
    """When the file cannot grow the answer says so, and nothing of it is left."""
    classroom.submit(content=os.urandom(300_000))

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        backup(open_records(classroom.records.folder, address), tmp_path / "b.tar")

    assert in_child(fill) == 100
    assert list(tmp_path.glob("b.tar*")) == []


@pytest.mark.parametrize("place", ["nowhere/b.tar", "file/b.tar"])
def test_a_target_that_cannot_be_written_is_said(classroom: Classroom, tmp_path: Path, place: str) -> None:
    """A folder that is not there, or is none."""
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentProblem) as caught:
        backup(classroom.records, tmp_path / place)
    assert caught.value.code == "backup.not_writable"


def test_a_backup_waits_for_no_purge(classroom: Classroom, tmp_path: Path) -> None:
    """Contents do not go while they are copied: one of the two is asked to come again."""
    with keeping.hold(classroom.records, "purge.busy"), pytest.raises(EnvironmentProblem) as caught:
        backup(classroom.records, tmp_path / "b.tar")
    assert caught.value.code == "backup.busy"
    assert list(tmp_path.glob("b.tar*")) == []
