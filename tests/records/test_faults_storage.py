"""Disks that fill up, bytes that change, exercises that are replaced: refused or graded truly, and never in silence.

Each test names the fault that it makes happen, and shows that it did happen. A full disk is a real one: a small file
system of the test's own.
"""

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from grader.errors import GraderError
from grader.packs import Pack, load_pack
from grader.queue import retry
from grader.records import (
    AuditEntry,
    BlobLost,
    BlobStore,
    ExerciseVersion,
    Grading,
    Job,
    Records,
    RecordsUnavailable,
    Submission,
    create_records,
)
from grader.services import admitting, receiving, rounds
from grader.verdict import Verdict
from tests.fixtures.records import CODE, MINI, Classroom, furnish
from tests.fixtures.slots import SlotThread, WishingDriver, finals, need_promises, project, until

MIB = 1024**2


@pytest.fixture
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB, or with the options that a test gives."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = getattr(request, "param", "size=16m")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False, capture_output=True, text=True
    )
    if done.returncode:
        pytest.fail(f"These tests fill a disk of their own, and only an administrator may mount one: {done.stderr}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, *, leave: int = 0) -> Path:
    """Take all space of a disk but so many bytes; returns the file that holds it."""
    filler = disk / f"filler-{os.urandom(4).hex()}"
    with filler.open("wb", buffering=0) as file:
        left = shutil.disk_usage(disk).free - leave
        try:
            while left > 0:
                left -= file.write(b"\0" * min(left, MIB // 16))
        except OSError as problem:
            if problem.errno != errno.ENOSPC:
                raise
    assert shutil.disk_usage(disk).free <= leave, "the disk is full"
    return filler


def fill_names(disk: Path) -> None:
    """Take all names that a disk has, which leaves its space free."""
    while os.statvfs(disk).f_favail:
        (disk / f"filler-{os.urandom(8).hex()}").touch()
    assert shutil.disk_usage(disk).free > MIB


def free(disk: Path) -> None:
    """Give all space back."""
    for filler in disk.glob("filler-*"):
        filler.unlink()


def refused(work: Callable[[], object]) -> str:
    """The code with which the records refuse."""
    with pytest.raises(RecordsUnavailable) as caught:
        work()
    return caught.value.code


def hand_in(room: Classroom, chunks: Iterable[bytes]) -> receiving.Receipt:
    """Work of the first trainee, always with the same key."""
    return receiving.submit(
        room.records,
        seat=room.seats[0],
        assignment=room.assignment,
        filename="งาน.zip",
        chunks=chunks,
        by="trainee0",
        idempotency_key="k",
    )


# -- F11: no space ----------------------------------------------------------------------------------------------------


def on(disk: Path, records: Records, reserve: int) -> BlobStore:
    """Let records keep their blobs on this disk."""
    records.blobs = BlobStore(disk / "blobs", reserve=reserve)
    records.blobs.create()
    return records.blobs


def test_below_the_reserve_nothing_is_even_read(classroom: Classroom, small_disk: Path) -> None:
    """F11: with less space than the reserve an upload is refused before its first byte, and later accepted."""
    on(small_disk, classroom.records, reserve=4 * MIB)
    read = []

    def chunks() -> Iterator[bytes]:
        read.append(1)
        yield project()

    fill(small_disk, leave=4 * MIB - 1)
    assert refused(lambda: hand_in(classroom, chunks())) == "records.disk_full"
    assert (read, classroom.all(Submission), classroom.all(Job)) == ([], [], [])
    free(small_disk)
    receipt = hand_in(classroom, chunks())
    assert classroom.records.blobs.open(receipt.sha256).read_bytes() == project()


@pytest.mark.parametrize(
    ("small_disk", "exhaust"), [("size=16m", fill), ("size=16m,nr_inodes=100", fill_names)], indirect=["small_disk"]
)
def test_a_disk_that_fills_during_an_upload(
    classroom: Classroom, small_disk: Path, exhaust: Callable[[Path], object]
) -> None:
    """F11: the last byte or the last file: refused in words, nothing kept, nothing acknowledged, and later accepted."""
    blobs = on(small_disk, classroom.records, reserve=0)

    def chunks() -> Iterator[bytes]:
        yield b"PK begins"
        exhaust(small_disk)
        yield b"x" * MIB

    assert refused(lambda: hand_in(classroom, chunks())) == "records.disk_full"
    assert (list(blobs.names()), list((small_disk / "blobs" / "incoming").iterdir())) == ([], [])
    assert (classroom.all(Submission), classroom.all(Job)) == ([], [])
    free(small_disk)
    receipt = hand_in(classroom, [b"PK whole"])
    assert blobs.open(receipt.sha256).read_bytes() == b"PK whole"


def test_a_full_disk_under_the_embedded_database(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F11: changes are refused whole, what was acknowledged stays, and with space it goes on without anybody's help."""
    monkeypatch.setattr(admitting, "MOST_WAITING", 1_000)
    (tmp_path / "blobs").mkdir()
    with closing(create_records(small_disk / "data")) as records:
        on(tmp_path, records, reserve=0)
        room = furnish(records)
        receipts, code = [], ""
        while not code:
            fill(small_disk)
            try:
                receipts.append(room.submit(len(receipts) % 4, project()))
            except RecordsUnavailable as problem:
                code = problem.code
            assert len(receipts) < 500, "the disk never was full"
        assert code == "records.disk_full"
        assert {one.id for one in room.all(Submission)} == {one.submission for one in receipts}
        assert refused(lambda: [records.checkpoint() for _ in range(500)]) in {
            "records.disk_full",
            "records.not_writable",
        }
        assert list((small_disk / "data").glob("audit-checkpoints.txt.*")) == [], "no half file"
        with closing(SlotThread(room, WishingDriver(), monkeypatch)) as slot:
            with pytest.raises(AssertionError):
                until(lambda: slot.ended, 2)
            free(small_disk)
            after = room.submit(0, project())
            until(lambda: sum(finals(room).values()) == len(receipts) + 1, 120)
        assert finals(room)[after.submission] == 1
        need_promises(records)


# -- F16: changed bytes -----------------------------------------------------------------------------------------------


def flip(file: Path) -> None:
    """Change one bit of a file; doing it again mends it."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("what", ["submission", "exercise"])
def test_a_flipped_bit_is_never_graded(
    classroom: Classroom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """F16: it is found before use, is our fault and nobody's result; others go on, and mended it is graded."""
    records = classroom.records
    damaged, healthy = classroom.submit(0, project(notes="a")), classroom.submit(1, project(notes="b"))
    exercises = MINI.root.parent
    file = records.blobs.path(damaged.sha256)
    if what == "exercise":  # the folder has it no more, so that the kept one is needed
        exercises = tmp_path
        (version,) = classroom.all(ExerciseVersion)
        file = records.blobs.path(version.archive)
    flip(file)
    with pytest.raises(BlobLost):
        records.blobs.open(file.name)
    driver = WishingDriver()
    with closing(SlotThread(classroom, driver, monkeypatch, exercises=exercises)):
        until(lambda: classroom.job(damaged.submission).state == "needs_operator")
        assert classroom.job(damaged.submission).code == "records.blob_damaged"
        assert finals(classroom)[damaged.submission] == 0
        if what == "submission":
            until(lambda: finals(classroom)[healthy.submission] == 1)
        else:
            until(lambda: classroom.job(healthy.submission).state == "needs_operator")
            assert driver.calls == []
        flip(file)
        with records.change(by="operator") as change:
            for job in change.session.query(Job).filter_by(state="needs_operator"):
                retry(job, change.at)
                change.audit("job.retried", job.id)
        until(lambda: sum(finals(classroom).values()) == 2)
    assert {one.outcome for one in classroom.all(Grading)} == {"pass"}
    need_promises(records)


def test_a_lost_file_is_our_fault_too(classroom: Classroom, monkeypatch: pytest.MonkeyPatch) -> None:
    """F16: what is gone is not taken for an empty project; the job ends with a person."""
    receipt = classroom.submit(content=project())
    classroom.records.blobs.remove(receipt.sha256)
    with closing(SlotThread(classroom, WishingDriver(), monkeypatch)):
        until(lambda: classroom.job(receipt.submission).state == "needs_operator")
    assert classroom.job(receipt.submission).code == "records.blob_missing"
    assert classroom.all(Grading) == []
    faults = [entry for entry in classroom.all(AuditEntry) if entry.action == "job.fault"]
    assert [entry.after["code"] for entry in faults] == ["records.blob_missing"] * 2


# -- F22: power loss --------------------------------------------------------------------------------------------------


def test_folders_that_a_dead_process_made_are_durable_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """F22: all folders down to a blob are synced before it is acknowledged, also those that were there already."""
    blobs = BlobStore(tmp_path / "blobs", reserve=0)
    blobs.create()
    content = b"PK work"
    target = blobs.path("".join(blobs.put([content])[:1]))
    blobs.remove(target.name)
    assert target.parent.is_dir(), "made by somebody who died before saying so to the disk"
    synced = []

    def watched(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", watched)
    blobs.put([content])
    assert synced[0].parent == blobs.folder / "incoming", "the bytes come first"
    assert synced[1:] == [target.parent, target.parent.parent, blobs.folder]


# -- F30: another exercise --------------------------------------------------------------------------------------------


@pytest.fixture
def changed(tmp_path: Path) -> Pack:
    """The next version of the exercise, in a folder of its own."""
    folder = tmp_path / "exercises" / "mini"
    shutil.copytree(MINI.root, folder)
    file = folder / "exercise.toml"
    file.write_text(file.read_text("utf-8").replace('version = "1.0.0"', 'version = "1.1.0"'), encoding="utf-8")
    return load_pack(folder)


def test_work_is_graded_with_the_version_it_was_accepted_for(
    classroom: Classroom, changed: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F30: replaced while it waits, the exercise is graded from what was kept; later submissions get the new one."""
    before = classroom.submit(0, project(notes="before"))
    rounds.assign(classroom.records, round_code=CODE, pack=changed, by="coordinator")
    after = classroom.submit(1, project(notes="after"))
    assert changed.digest != MINI.digest
    with closing(SlotThread(classroom, WishingDriver(), monkeypatch, exercises=changed.root.parent)):
        until(lambda: sum(finals(classroom).values()) == 2)
    graded = {one.submission_id: one for one in classroom.all(Grading)}
    for receipt, version, digest in ((before, "1.0.0", MINI.digest), (after, "1.1.0", changed.digest)):
        verdict = Verdict.from_json(graded[receipt.submission].verdict)
        assert (verdict.exercise.version, verdict.exercise.digest) == (version, digest)
        assert graded[receipt.submission].digest == receipt.digest == digest
    need_promises(classroom.records)


def test_a_broken_exercise_folder_stops_nobody(
    classroom: Classroom, changed: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F30: whatever somebody does to the folder meanwhile, what was accepted is graded from the archive."""
    receipt = classroom.submit(content=project())
    (changed.root / "exercise.toml").write_text("schema = [", encoding="utf-8")
    with pytest.raises(GraderError):
        load_pack(changed.root)
    with closing(SlotThread(classroom, WishingDriver(), monkeypatch, exercises=changed.root.parent)):
        until(lambda: finals(classroom)[receipt.submission] == 1)
    assert classroom.all(Grading)[0].digest == MINI.digest
