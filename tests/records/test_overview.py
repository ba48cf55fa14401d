"""What the staff of a round are told to look at: computed from many people, which a portal's small world has not."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from grader.records import Records, create_records
from grader.rosters import RosterRow
from grader.services import causes, gists, rostering, rounds
from grader.services.overview import Line, Overview, overview
from grader.services.receiving import submit
from grader.verdict import Verdict
from tests.fixtures.portal import PACK, grade, verdict_for

CHECKS = tuple(PACK.checks)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    """Six people, one observer, one exercise that closes tomorrow."""
    made = create_records(tmp_path / "data")
    rounds.create_round(made, code="r1", name="รุ่นทดสอบ", by="setup", starts_on=date(2026, 11, 2))
    rows = [RosterRow(code=f"p{n}", name=f"คนที่ {n}", unit_code="97001", unit_name="สาธิต") for n in range(1, 7)]
    rows.append(RosterRow(code="obs", name="ผู้ดู", unit_code="97001", unit_name="สาธิต", part="observer"))
    rostering.import_roster(made, round_code="r1", rows=rows, by="setup")
    rounds.assign(made, round_code="r1", pack=PACK, by="setup", closes_at=datetime.now(UTC) + timedelta(hours=24))
    yield made
    made.close()


def hand_in(records: Records, code: str, content: bytes, *, failing: tuple[str, ...] | None = None) -> str:
    """Hand something in for somebody, and grade it unless ``failing`` is None."""
    with records.reading() as session:
        seat = rostering.seat_of(session, round_code="r1", person_code=code).id
        assignment = rounds.assignment_of(session, "r1", "e1").id
    made = submit(records, seat=seat, assignment=assignment, filename="x.zip", chunks=[content], by=code).submission
    if failing is not None:
        assert grade(records, verdict_for(PACK, failing=failing)) == made
    return made


def seen(records: Records) -> Overview:
    """The round as it is now."""
    with records.reading() as session:
        return overview(session, "r1", records.database.now(session))


def line(page: Overview, code: str) -> Line:
    """The line of somebody."""
    return next(one for one in page.lines if one.code == code)


def test_the_strip_counts_trainees(records: Records) -> None:
    """An observer is on the list and in no count; what waits is in the queue, not among the passed."""
    hand_in(records, "p1", b"1", failing=())
    hand_in(records, "p2", b"2", failing=(CHECKS[0],))
    hand_in(records, "p3", b"3")
    hand_in(records, "obs", b"4")
    counts = seen(records).counts
    assert (counts.enrolled, counts.handed_in, counts.passed, counts.queue) == (6, 3, 1, 2)
    assert (counts.appeals, counts.faults) == (0, 0)
    assert len(seen(records).lines) == 7


def test_a_cell_holds_the_best_and_the_latest(records: Records) -> None:
    """A worse second try takes nothing away."""
    first = hand_in(records, "p1", b"1", failing=())
    second = hand_in(records, "p1", b"2", failing=(CHECKS[0],))
    mine = line(seen(records), "p1")
    (cell,) = mine.cells
    assert cell.best is not None
    assert cell.latest is not None
    assert (cell.best.id, cell.latest.id, cell.state, len(cell.handed)) == (first, second, "pass", 2)
    assert (mine.points, mine.passed) == (100, 1)


def test_who_has_not_begun_is_named_until_more_time_was_given(records: Records) -> None:
    """Only trainees, only before the closing time, and nobody who has more than two days of their own."""
    hand_in(records, "p1", b"1")
    with records.reading() as session:
        seat = rostering.seat_of(session, round_code="r1", person_code="p2").id
        assignment = rounds.assignment_of(session, "r1", "e1").id
    later = datetime.now(UTC) + timedelta(days=9)
    rounds.extend(records, assignment=assignment, seat=seat, by="setup", reason="ลา", closes_at=later)
    (found,) = (one for one in seen(records).attention if one.need == "not_started")
    assert {name for _, name, _ in found.people} == {"คนที่ 3", "คนที่ 4", "คนที่ 5", "คนที่ 6"}
    with records.reading() as session:
        after = overview(session, "r1", datetime.now(UTC) + timedelta(days=2))
    assert not [one for one in after.attention if one.need == "not_started"]


def test_five_tries_without_gain(records: Records) -> None:
    """Four say nothing yet; a try that gains begins the count again."""
    worse, better = CHECKS[:2], CHECKS[:1]
    for number in range(4):
        hand_in(records, "p1", b"a%d" % number, failing=worse)
        hand_in(records, "p2", b"b%d" % number, failing=worse)
    assert not [one for one in seen(records).attention if one.need == "no_gain"]
    hand_in(records, "p1", b"a5", failing=worse)
    hand_in(records, "p2", b"b5", failing=better)
    (found,) = (one for one in seen(records).attention if one.need == "no_gain")
    assert ([name for _, name, _ in found.people], found.tries) == (["คนที่ 1"], 5)


def test_one_file_of_two_people(records: Records) -> None:
    """The same bytes twice from one person mean nothing; from two they do."""
    hand_in(records, "p1", b"same")
    hand_in(records, "p1", b"same")
    assert not [one for one in seen(records).attention if one.need == "alike"]
    hand_in(records, "p2", b"same")
    (found,) = (one for one in seen(records).attention if one.need == "alike")
    assert {name for _, name, _ in found.people} == {"คนที่ 1", "คนที่ 2"}


def test_causes_are_counted_by_people_in_their_latest_work(records: Records) -> None:
    """What was mended is no cause any more, and two tries of one person count once."""
    check = CHECKS[0]
    hand_in(records, "p1", b"1", failing=(check,))
    hand_in(records, "p1", b"2", failing=(check,))
    hand_in(records, "p2", b"3", failing=(check,))
    hand_in(records, "p2", b"4", failing=())
    latest = hand_in(records, "p3", b"5", failing=(check,))
    page = seen(records)
    with records.reading() as session:
        (found,) = causes.causes(session, page.lines, "e1")
    assert (found.check, found.people, found.of, found.example) == (check, 2, 3, latest)
    assert found.first_seen <= found.last_seen
    assert not found.suspect


def test_a_check_that_nearly_everybody_fails_is_suspected(records: Records) -> None:
    """Five of five do; with one who passes it is people again."""
    check = CHECKS[0]
    for number in range(1, 6):
        hand_in(records, f"p{number}", b"%d" % number, failing=(check,))
    page = seen(records)
    with records.reading() as session:
        assert [one.suspect for one in causes.causes(session, page.lines, "e1")] == [True]
        rows = {one.check: one for one in causes.checks(session, page.lines, "e1", CHECKS)}
    assert rows[check].suspect
    assert not rows[CHECKS[1]].suspect
    hand_in(records, "p6", b"6", failing=())
    page = seen(records)
    with records.reading() as session:
        assert not any(one.suspect for one in causes.causes(session, page.lines, "e1"))


def test_checks_by_first_and_best_try(records: Records) -> None:
    """One passes at once, one at the third try, one never."""
    check = CHECKS[0]
    hand_in(records, "p1", b"1", failing=())
    for number, failing in enumerate(((check,), (check,), ())):
        hand_in(records, "p2", b"2%d" % number, failing=failing)
    hand_in(records, "p3", b"3", failing=(check,))
    page = seen(records)
    with records.reading() as session:
        row = next(one for one in causes.checks(session, page.lines, "e1", CHECKS) if one.check == check)
    assert (row.of, row.first, row.best, row.tries) == (3, 1, 2, 2.0)


def test_each_verdict_is_read_once_however_often_the_page_is_asked_for(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second look costs no document; a new verdict costs one, and only that."""
    read: list[str] = []
    original = Verdict.from_json

    def counted(document: dict[str, Any]) -> Verdict:
        read.append(document["outcome"])
        return original(document)

    monkeypatch.setattr(gists.Verdict, "from_json", counted)
    check = CHECKS[0]
    hand_in(records, "p1", b"once1", failing=(check,))
    hand_in(records, "p2", b"once2", failing=(check,))
    assert [people_failing(records), people_failing(records)] == [2, 2]
    assert len(read) == 2
    hand_in(records, "p2", b"once3", failing=())
    assert people_failing(records) == 1
    assert len(read) == 3


def people_failing(records: Records) -> int:
    """How many people have the first cause of the page."""
    page = seen(records)
    with records.reading() as session:
        return causes.causes(session, page.lines, "e1")[0].people
