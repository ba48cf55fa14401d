"""Retention and erasure: what is over its age goes, what proves something stays, and nothing goes unasked."""

import json
import os
import threading
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from grader.errors import EnvironmentProblem, UsageProblem
from grader.queue import claim, fault
from grader.records import (
    Appeal,
    AuditEntry,
    Base,
    Fetch,
    Grading,
    Person,
    PortalSession,
    ProgressEvent,
    Records,
    Seat,
    Submission,
    Throttle,
    TrainingRound,
    open_records,
)
from grader.services import purging, regrading, standings
from grader.services.accounts import people, sessions, throttling
from grader.services.keeping import backup, hold
from grader.services.overriding import appeal, decide_appeal
from grader.services.purging import PurgeReport, erase_person, purge
from grader.services.receiving import Receipt, submit
from grader.services.restoring import restore
from grader.services.rounds import note
from tests.fixtures.keeping import broken, graded
from tests.fixtures.records import CODE, MINI, Classroom, Clock

YEAR = timedelta(days=365)
NAME, EMAIL = "นายสมชาย ใจดีมาก", "somchai.jaidee@example.go.th"
NEEDLES = ("สมชาย", "ใจดีมาก", "somchai", "jaidee")


def named(room: Classroom, seat: int, content: bytes, filename: str) -> Receipt:
    """Work in a file of this name."""
    return submit(
        room.records,
        seat=room.seats[seat],
        assignment=room.assignment,
        filename=filename,
        chunks=[content],
        by=f"trainee{seat}",
    )


def age_files(records: Records, seconds: float = 2 * 24 * 3600) -> None:
    """Let all files look as if they had been put there earlier."""
    for name in records.blobs.names():
        os.utime(records.blobs.path(name), (time.time() - seconds,) * 2)


def names_of(records: Records) -> set[str]:
    """The contents that are kept."""
    return set(records.blobs.names())


def work(room: Classroom) -> dict[str, Submission]:
    """All submissions."""
    return {one.id: one for one in room.all(Submission)}


def end_round(room: Classroom, day: date) -> None:
    """Let the round have ended on a day."""
    with room.records.upkeep() as session:
        session.execute(update(TrainingRound).values(starts_on=day, ends_on=day))
        standings.refresh_all(session)


def everything(records: Records) -> Iterator[tuple[str, str]]:
    """Every value of every table as text, with its place; every content; and the database's own files as they are."""
    with records.reading() as session:
        for table in Base.metadata.sorted_tables:
            for row in session.execute(select(table)).mappings():
                for name, value in row.items():
                    shown = json.dumps(value, ensure_ascii=False, default=str)
                    yield f"{table.name}.{name}", shown
    for path in records.folder.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes().decode("utf-8", "replace")


def traces(records: Records) -> list[str]:
    """Where a word of the person is still found."""
    return [place for place, text in everything(records) if any(one in text.casefold() for one in NEEDLES)]


@pytest.fixture
def known(timed: Classroom) -> Person:
    """The first trainee with a name that stands wherever people and programs may write one."""
    with timed.records.upkeep() as session:
        seat = session.get_one(Seat, timed.seats[0])
        seat.note = "โทรหาสมชาย ใจดีมาก ก่อน"
        seat.person.name, seat.person.email = NAME, EMAIL
        session.get_one(Seat, timed.seats[1]).note = f"นั่งข้าง สมชาย  ใจดีมาก ({EMAIL.upper()})"
    first = named(timed, 0, f"# โดย {NAME} {EMAIL}".encode(), "งาน-สมชาย.zip")
    graded(timed, log=[{"เขียนโดย สมชาย_ใจดีมาก": f"mailto:{EMAIL}"}])
    named(timed, 0, b"shared", "Somchai_final.zip")
    graded(timed)
    named(timed, 1, b"shared", "ของ สมชายใจดีมาก.zip")
    graded(timed)
    made = appeal(timed.records, submission=first.submission, text="ผมสมชาย ขอให้ตรวจใหม่", by="t")
    decide_appeal(timed.records, appeal_id=made.id, accept=False, answer="ตอบคุณสมชาย ใจดีมาก แล้ว", by="instructor")
    with timed.records.reading() as session:
        return session.get_one(Seat, timed.seats[0]).person


# -- erasing ----------------------------------------------------------------------------------------------------------


def test_nothing_of_an_erased_person_is_found(timed: Classroom, known: Person, tmp_path: Path, clock: Clock) -> None:
    """Not in any table, not in any content, not in the engine's files, not in a backup; and every promise holds."""
    records = timed.records
    assert len(traces(records)) > 8
    outcomes = {(one.id, one.outcome, one.points) for one in timed.all(Grading)}
    age_files(records)
    report = erase_person(records, person=known.code, by="office", reason="ที่ สธ 0901/1234")
    assert (report.people, report.left, len(report.erased_submissions), report.files) == ((known.id,), (), 2, 1)
    assert traces(records) == []
    assert broken(records) == []
    assert {(one.id, one.outcome, one.points) for one in timed.all(Grading)} == outcomes
    with records.reading() as session:
        person = session.get_one(Person, known.id)
    assert (person.name, person.email, person.erased_at) == ("", "", clock())
    assert person.code.startswith("erased-")
    saved = backup(records, tmp_path / "b.tar").file
    assert not any(one.encode() in saved.read_bytes() for one in NEEDLES)
    restore(saved, tmp_path / "new", by="operator", clock=clock)
    other = open_records(tmp_path / "new", clock=clock)
    assert traces(other) == []
    assert broken(other) == []
    other.close()


def test_a_content_that_another_person_handed_in_too_stays(timed: Classroom, known: Person) -> None:
    """The same bytes are somebody else's work as well, and their receipt is a promise."""
    age_files(timed.records)
    erase_person(timed.records, person=known.id, by="office", reason="ขอลบ")
    purged = {one.sha256: one.purged_at for one in work(timed).values() if one.seat_id == timed.seats[1]}
    assert list(purged.values()) == [None]
    assert set(purged) <= names_of(timed.records)


def test_receipts_stay_what_they_were(timed: Classroom, known: Person) -> None:
    """Only a file name with the person's name in it goes, and what the person holds stays genuine."""
    before = {one.id: Receipt.model_validate(one.receipt) for one in work(timed).values()}
    timed.submit(2)
    graded(timed)
    untouched = {one.id: one.receipt for one in work(timed).values() if one.seat_id == timed.seats[2]}
    erase_person(timed.records, person=known.id, by="office", reason="ขอลบ")
    for one in work(timed).values():
        now = Receipt.model_validate(one.receipt)
        assert now.genuine(timed.records.keys)
        if one.id in untouched:
            assert one.receipt == untouched[one.id]
        else:
            assert before[one.id].genuine(timed.records.keys)
            changed = {name for name, value in now if value != getattr(before[one.id], name)}
            assert changed == {"filename", "signature"}


def test_erasing_can_be_tried_first(timed: Classroom, known: Person) -> None:
    """What would go is named, and nothing does."""
    before = list(everything(timed.records))
    age_files(timed.records)
    tried = erase_person(timed.records, person=known.id, by="office", reason="ขอลบ", dry_run=True)
    assert list(everything(timed.records)) == before
    done = erase_person(timed.records, person=known.id, by="office", reason="ขอลบ")
    assert done == PurgeReport(**{**{name: getattr(tried, name) for name in tried.__slots__}, "dry_run": False})


def test_a_name_where_nothing_may_change_is_reported(timed: Classroom, known: Person) -> None:
    """A reason that somebody typed into a note stays, because notes are evidence; the operator hears where."""
    event = note(timed.records, seat=timed.seats[1], kind="withdrew", by="c", reason="ไปกับสมชาย ใจดีมาก")
    report = erase_person(timed.records, person=known.id, by="office", reason="ขอลบ")
    with timed.records.reading() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "seat.noted")).one()
    assert set(report.left) == {f"seat_event {event.id} reason", f"audit {entry.number} after"}
    assert broken(timed.records) == []


def test_who_still_waits_for_something_is_not_erased(timed: Classroom, known: Person) -> None:
    """First the grading and the answer, then the erasure."""
    receipt = timed.submit(0)
    for _ in range(2):
        with pytest.raises(UsageProblem) as caught:
            erase_person(timed.records, person=known.id, by="office", reason="ขอลบ")
        assert caught.value.code == "purge.person_busy"
        if timed.job(receipt.submission).state == "queued":
            graded(timed)
            appeal(timed.records, submission=receipt.submission, text="ขอให้ตรวจใหม่", by="t")


@pytest.mark.parametrize(
    ("person", "reason", "code"),
    [
        ("nobody", "ขอลบ", "purge.person_unknown"),
        ("t0000", " ", "purge.reason_missing"),
        ("t0000", f"คำขอของ{NAME}", "purge.reason_names"),
    ],
)
def test_a_request_that_cannot_be_followed_is_refused(
    timed: Classroom, known: Person, person: str, reason: str, code: str
) -> None:
    """A person must be there, and the reason is kept for ever: it is given, and holds no name."""
    with pytest.raises(UsageProblem) as caught:
        erase_person(timed.records, person=person, by="office", reason=reason)
    assert caught.value.code == code
    assert traces(timed.records)
    assert known.code == "t0000"


def test_an_erasure_can_be_repeated(timed: Classroom, known: Person) -> None:
    """Files that were too young the first time go the second time; nobody is erased twice."""
    first = erase_person(timed.records, person=known.id, by="office", reason="ขอลบ")
    assert (first.files, first.waiting) == (0, 1)
    age_files(timed.records, 2 * 3600)
    second = erase_person(timed.records, person=known.id, by="office", reason="ขอลบ")
    assert (second.people, second.files, second.waiting) == ((), 1, 0)
    entries = [one for one in timed.all(AuditEntry) if one.action == "person.erased"]
    assert [one.object for one in entries] == [known.id]
    assert traces(timed.records) == []


# -- ages -------------------------------------------------------------------------------------------------------------


def test_without_ages_only_leftovers_go(timed: Classroom, clock: Clock) -> None:
    """No age was confirmed: ten years later all code and names are there; files of nobody and old progress are not."""
    timed.submit()
    graded(timed)
    stray = timed.records.blobs.put([b"upload that was never accepted"]).sha256
    end_round(timed, date(2026, 11, 22))
    clock.pass_by(10 * 365 * 24 * 3600)
    age_files(timed.records)
    before = names_of(timed.records)
    tried = purge(timed.records, by="cron", dry_run=True)
    assert (tried.files, tried.events, tried.submissions, tried.people) == (1, 1, (), ())
    assert names_of(timed.records) == before
    done = purge(timed.records, by="cron", dry_run=False)
    assert (done.files, done.events, done.submissions, done.people) == (1, 1, (), ())
    assert names_of(timed.records) == before - {stray}
    assert timed.all(ProgressEvent) == []
    assert broken(timed.records) == []


def test_code_goes_after_its_age(timed: Classroom, clock: Clock) -> None:
    """Past the age there are 0 contents and all records; what is younger, shared, or still needed stays."""
    records = timed.records
    old = timed.submit(0, b"old")
    shared = timed.submit(1, b"shared")
    asked = timed.submit(2, b"asked")
    for _ in range(3):
        graded(timed)
    appeal(records, submission=asked.submission, text="ขอให้ตรวจใหม่", by="t")
    waiting = timed.submit(3, b"waiting")
    clock.pass_by(YEAR.total_seconds() + 1)
    young = timed.submit(4, b"young")
    again = timed.submit(5, b"shared")
    age_files(records)
    tried = purge(records, by="cron", code_older_than=YEAR, dry_run=True)
    assert set(tried.submissions) == {old.submission, shared.submission}
    assert tried.files == 1
    assert all(one.purged_at is None for one in work(timed).values())
    done = purge(records, by="cron", code_older_than=YEAR, dry_run=False)
    assert (set(done.submissions), done.files) == (set(tried.submissions), 1)
    assert old.sha256 not in names_of(records)
    assert {one.sha256 for one in (shared, asked, waiting, young, again)} <= names_of(records)
    marked = {one.id for one in work(timed).values() if one.purged_at is not None}
    assert marked == {old.submission, shared.submission}
    assert all(Receipt.model_validate(one.receipt).genuine(records.keys) for one in work(timed).values())
    assert {one.object for one in timed.all(AuditEntry) if one.action == "code.purged"} == marked
    again_done = purge(records, by="cron", code_older_than=YEAR, dry_run=False)
    assert (again_done.submissions, again_done.files) == ((), 0)
    sweep_leases(timed, clock)
    assert broken(records) == []


def sweep_leases(room: Classroom, clock: Clock) -> None:
    """Nothing runs in these tests when they end."""
    while (held := claim(room.records, "w")) is not None:
        fault(room.records, held, "infrastructure.engine")
        clock.pass_by(61)


def test_a_regrade_keeps_the_code_that_it_needs(timed: Classroom, clock: Clock) -> None:
    """Work that is being graded again is needed, however old it is."""
    receipt = timed.submit()
    graded(timed)
    clock.pass_by(2 * YEAR.total_seconds())
    regrade = regrading.begin(timed.records, assignment=timed.assignment, pack=MINI, by="i", reason="ทดสอบ").id
    age_files(timed.records)
    assert purge(timed.records, by="cron", code_older_than=YEAR, dry_run=False).submissions == ()
    regrading.drop(timed.records, regrade=regrade, by="i")
    done = purge(timed.records, by="cron", code_older_than=YEAR, dry_run=False)
    assert done.submissions == (receipt.submission,)


def test_names_go_after_the_last_round(timed: Classroom, known: Person, clock: Clock) -> None:
    """People go when their last round is over for so long; a round without an end, or a later one, keeps them."""
    records = timed.records
    age_files(records)
    assert purge(records, by="cron", names_older_than=YEAR, dry_run=False).people == ()
    end_round(timed, date(2026, 11, 22))
    with records.change(by="c") as change:
        later = TrainingRound(
            id="rnd_later", code=f"{CODE}-2", name="", ends_on=date(2027, 6, 1), sessions=0, created_at=change.at
        )
        change.session.add(later)
        change.session.flush()
        second = change.session.get_one(Seat, timed.seats[1])
        change.session.add(
            Seat(id="sea_later", round_id=later.id, person_id=second.person_id, unit_id=second.unit_id,
                 created_at=change.at)
        )  # fmt: skip
        change.session.flush()
        standings.refresh(change.session, "sea_later")
        change.audit("roster.imported", later.id)
        stays = second.person_id
    clock.pass_by(YEAR.total_seconds())
    assert purge(records, by="cron", names_older_than=YEAR, dry_run=True).people == (), "not on the day itself"
    clock.pass_by(24 * 3600)
    tried = purge(records, by="cron", names_older_than=YEAR, dry_run=True)
    done = purge(records, by="cron", names_older_than=YEAR, dry_run=False)
    assert set(tried.people) == set(done.people) == {one.id for one in timed.all(Person)} - {stays}
    assert {one.id for one in timed.all(Person) if one.name} == {stays}
    assert len({one.code for one in timed.all(Person)}) == 11
    assert traces(records) == []
    assert known.id in done.people
    assert broken(records) == []
    assert [one.text for one in timed.all(Appeal)] == ["[…]"]


@pytest.mark.parametrize("age", [timedelta(0), timedelta(hours=23), timedelta(days=-1)])
def test_an_age_that_is_a_mistake_is_refused(timed: Classroom, age: timedelta) -> None:
    """Nobody means to remove the work of this morning."""
    for options in ({"code_older_than": age}, {"names_older_than": age}):
        with pytest.raises(UsageProblem) as caught:
            purge(timed.records, by="cron", dry_run=False, **options)
        assert caught.value.code == "purge.age"


# -- together with others ---------------------------------------------------------------------------------------------


def test_a_purge_waits_for_no_backup(timed: Classroom) -> None:
    """Contents do not go while they are copied."""
    with hold(timed.records, "backup.busy"), pytest.raises(EnvironmentProblem) as caught:
        purge(timed.records, by="cron", dry_run=False)
    assert caught.value.code == "purge.busy"


def test_a_content_that_is_handed_in_again_meanwhile_stays(timed: Classroom, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between looking and removing the same bytes arrive anew: they are put back, and the receipt holds."""
    content = b"left behind"
    stray = timed.records.blobs.put([content]).sha256
    age_files(timed.records)
    gone = purging._gone

    def late(records: Records, name: str, least: timedelta) -> bool:
        timed.submit(0, content)
        return gone(records, name, least)

    monkeypatch.setattr(purging, "_gone", late)
    report = purge(timed.records, by="cron", dry_run=False)
    assert (report.files, report.waiting) == (0, 1)
    assert stray in names_of(timed.records)
    assert broken(timed.records) == []


def test_purging_beside_people_who_work_loses_nothing(timed: Classroom, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same few contents come again and again while everything that is nobody's is removed: all receipts hold."""
    monkeypatch.setattr(purging, "STRAY", timedelta(seconds=0.05))
    stop, receipts = threading.Event(), list[Receipt]()

    def hand_in() -> None:
        while not stop.is_set():
            for seat in range(11):
                timed.records.blobs.put([b"refused", bytes([seat])])
                held = claim(timed.records, "w")
                if held is not None:
                    fault(timed.records, held, "infrastructure.engine")
                try:
                    receipts.append(timed.submit(seat, bytes([len(receipts) % 7])))
                except UsageProblem:  # enough of this one waits
                    stop.wait(0.01)

    thread = threading.Thread(target=hand_in)
    thread.start()
    removed = 0
    while removed < 20 or len(receipts) < 20:
        removed += purge(timed.records, by="cron", dry_run=False).files
    stop.set()
    thread.join()
    assert {one.submission for one in receipts} == set(work(timed))
    assert [one for one in broken(timed.records) if one.startswith("I1")] == []


# -- what the machinery keeps -----------------------------------------------------------------------------------------


def test_keys_of_what_was_sent_go_after_a_day(timed: Classroom, clock: Clock) -> None:
    """Until then the same key gives the same receipt; afterwards it is a new key, and what was accepted stays."""
    old = timed.submit(0, b"old", idempotency_key="k")
    clock.pass_by(purging.KEYS_KEPT.total_seconds())
    purge(timed.records, by="cron", dry_run=True)
    purge(timed.records, by="cron", dry_run=False)
    assert timed.submit(0, b"old", idempotency_key="k") == old
    young = timed.submit(1, b"young", idempotency_key="k")
    clock.pass_by(1)
    purge(timed.records, by="cron", dry_run=True)
    assert work(timed)[old.submission].idempotency_key == "k", "a trial changes nothing"
    purge(timed.records, by="cron", dry_run=False)
    assert work(timed)[old.submission].idempotency_key == old.submission
    assert work(timed)[young.submission].idempotency_key == "k"
    new = timed.submit(0, b"old", idempotency_key="k")
    assert new.submission != old.submission
    assert timed.submit(1, b"young", idempotency_key="k") == young
    assert work(timed)[old.submission].receipt == old.model_dump(mode="json")
    assert broken(timed.records) == []


def test_keys_of_fetches_go_when_they_are_over(timed: Classroom, clock: Clock) -> None:
    """One that waits keeps its key, however long it has to wait."""
    with timed.records.upkeep() as session:
        for number, state in enumerate(("waiting", "running", "refused", "done")):
            session.add(
                Fetch(
                    id=f"fet_{number:016x}",
                    seat_id=timed.seats[0],
                    assignment_id=timed.assignment,
                    git_url="x",
                    git_ref="x",
                    idempotency_key=state,
                    by="trainee0",
                    asked_at=clock(),
                    not_before=clock(),
                    state=state,
                )
            )
    clock.pass_by(2 * 24 * 3600)
    purge(timed.records, by="cron", dry_run=False)
    keys = {one.state: one.idempotency_key for one in timed.all(Fetch)}
    assert (keys["waiting"], keys["running"]) == ("waiting", "running")
    assert {keys["refused"], keys["done"]} == {"fet_0000000000000002", "fet_0000000000000003"}


def test_counters_and_sessions_go_after_their_time(timed: Classroom, clock: Clock) -> None:
    """Tries and limits after a day, sessions thirty days after their end; what still holds stays."""
    account = people.create(timed.records, login="office", name="office", by="setup")
    ended, lives = (sessions.open(timed.records, account=account.id) for _ in range(2))
    sessions.end(timed.records, ended)
    throttling.take(timed.records, key="old", most=1, per=timedelta(hours=1))
    throttling.take(timed.records, key="long", most=1, per=timedelta(days=60))

    def left() -> tuple[int, int]:
        purge(timed.records, by="cron", dry_run=False)
        return len(timed.all(Throttle)), len(timed.all(PortalSession))

    assert lives
    assert left() == (2, 2)
    clock.pass_by(throttling.KEPT.total_seconds() + 1)
    assert left() == (1, 2)
    clock.pass_by(timedelta(days=29, hours=-1).total_seconds())
    assert left() == (1, 2)
    clock.pass_by(timedelta(days=1, hours=2).total_seconds())
    assert timedelta(days=30) == sessions.KEPT
    assert left()[1] < 2
    clock.pass_by(timedelta(days=60).total_seconds())
    assert left() == (0, 0)
