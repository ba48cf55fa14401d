"""Several people of a round at once: sorted, searched, chosen, given time, graded again, exported; and analytics."""

import io
import re
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import select

from grader.queue import claim
from grader.records import AuditEntry, Extension, Job, Person, Regrade, Seat, WorkerRecord
from grader.services import rounds, selecting, spread
from grader.services.desk import Handed
from grader.services.overview import Cell, Line
from grader.services.receiving import submit
from tests.fixtures.portal import PACK, World, grade, verdict_for, words_of

REASON = "ระบบของศูนย์ขัดข้องหนึ่งวัน"
NAME = re.compile(r"นางสาว (\w+) สาธิต</a>\s+<span")


def closes(world: World, at: datetime) -> None:
    """Let the exercise of the first round close."""
    rounds.assign(world.records, round_code="r1", pack=PACK, by="setup", closes_at=at)


def local(at: datetime) -> str:
    """A moment as a browser in Bangkok types it."""
    return (at + timedelta(hours=7)).strftime("%Y-%m-%dT%H:%M")


def test_the_table_is_sorted_by_an_exercise_and_searched_by_name(world: World) -> None:
    """Every column is a link; a search finds a part of a name or a code, and what is typed comes back as text."""
    browser = world.browser("instructor")
    page = browser.get("/rounds/r1").text
    for column in ("name", "unit", "exercise.e1", "points", "passed"):
        assert re.search(rf'class="sort" href="/rounds/r1\?[^"]*sort=-?{re.escape(column)}"', page), column
    assert NAME.findall(browser.get("/rounds/r1?sort=exercise.e1").text) == ["owner", "peer"]
    assert NAME.findall(browser.get("/rounds/r1?sort=-exercise.e1").text) == ["peer", "owner"]
    assert NAME.findall(browser.get("/rounds/r1?sort=-exercise.e9").text) == ["owner", "peer"]  # none such: by name
    assert NAME.findall(browser.get("/rounds/r1?search=EER").text) == ["peer"]
    wild = browser.get("/rounds/r1?search=%3Cscript%3E").text
    assert "<script>" not in wild.replace("<script src", "")
    assert 'value="&lt;script&gt;"' in wild
    assert "ไม่มีผู้ใดตรงกับตัวกรอง" in wild
    assert "search=peer" in browser.get("/rounds/r1?search=peer").text  # sorting keeps the search


def test_more_time_is_given_to_all_of_them_or_to_nobody(fresh_world: World) -> None:
    """Who has more already keeps it, extra attempts stay, each has an entry; a wrong form changes nothing."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    closes(fresh_world, now + timedelta(days=1))
    seats, assignment = fresh_world.seats, fresh_world.assignments["r1"]
    rounds.extend(fresh_world.records, assignment=assignment, seat=seats["owner"], by="x", reason="x", attempts=3)
    far = now + timedelta(days=9)
    rounds.extend(fresh_world.records, assignment=assignment, seat=seats["peer"], by="x", reason="x", closes_at=far)
    form = f"/rounds/r1/selection/extension?seat={seats['owner']}&seat={seats['peer']}&target=e1"
    browser = fresh_world.browser("coordinator")
    assert fresh_world.browser("instructor").get(form).status_code == 403
    page = browser.get(form)
    assert "ผู้ที่เลือก (2 คน)" in page.text
    both = f"{seats['owner']} {seats['peer']}"
    good = {"target": "e1", "seats": both, "closes_at": local(now + timedelta(days=3)), "reason": REASON}
    wrongs = (
        {"reason": "สั้น"}, {"reason": ""}, {"closes_at": ""}, {"closes_at": "soon"}, {"closes_at": local(now)},
        {"seats": f"{both} {seats['other']}"}, {"seats": ""}, {"seats": f"{both} nothing"},
    )  # fmt: skip
    for wrong in wrongs:
        answer = browser.post("/rounds/r1/selection/extension", data={**good, **wrong})
        assert answer.status_code == 422, wrong
        assert 'id="error-summary-title"' in answer.text
        if "reason" in wrong:
            assert f'value="{good["closes_at"]}"' in answer.text  # what was typed is there
    assert len(_extensions(fresh_world)) == 2
    assert browser.post("/rounds/r1/selection/extension", data={**good, "target": "e9"}).status_code == 404
    assert browser.post("/rounds/r1/selection/extension", data=good).headers["location"] == "/rounds/r1"
    made = _extensions(fresh_world)[2:]
    assert [(one.seat_id, one.closes_at, one.attempts, one.by) for one in made] == [
        (seats["owner"], now + timedelta(days=3), 3, "coordinator")
    ]
    assert _audited(fresh_world, "extension.given")[-1] == ("coordinator", seats["owner"])


def _extensions(world: World) -> list[Extension]:
    with world.records.reading() as session:
        return list(session.scalars(select(Extension).order_by(Extension.at, Extension.number)))


def _audited(world: World, action: str) -> list[tuple[str, str]]:
    with world.records.reading() as session:
        found = select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.number)
        return [(one.by, one.object) for one in session.scalars(found)]


def test_a_batch_that_fails_in_the_middle_gives_nobody_anything(
    fresh_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One transaction: the first of two is taken back when the second cannot be done."""
    now = datetime.now(UTC)
    closes(fresh_world, now + timedelta(days=1))
    real, calls = rounds.give, []

    def second_fails(*given: object, **named: object) -> object:
        calls.append(1)
        if len(calls) > 1:
            raise OSError
        return real(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(rounds, "give", second_fails)
    with pytest.raises(OSError):  # noqa: PT011 - ours
        selecting.extend(
            fresh_world.records, training=_training(fresh_world), assignment=fresh_world.assignments["r1"],
            seats=[fresh_world.seats["owner"], fresh_world.seats["peer"]], by="x", reason=REASON,
            closes_at=now + timedelta(days=3),
        )  # fmt: skip
    assert len(calls) == 2
    assert _extensions(fresh_world) == []


def _training(world: World) -> str:
    with world.records.reading() as session:
        return session.get_one(Seat, world.seats["owner"]).round_id


def test_an_exercise_that_never_closes_is_not_made_to_close(fresh_world: World) -> None:
    """A closing time where there is none would take time away."""
    page = fresh_world.browser("coordinator").get("/rounds/r1/selection/extension?everyone=1&target=e1")
    assert page.status_code == 422
    assert "ไม่มีกำหนดปิดรับ" in page.text
    assert '<form class="narrow"' not in page.text


def test_nobody_chosen_is_told_and_is_not_everybody(fresh_world: World) -> None:
    """No ticked box, people of another round, and filters that show nobody: each is refused, nothing is begun."""
    browser, other = fresh_world.browser("instructor"), fresh_world.seats["other"]
    for query in ("", f"seat={other}", "seat=x", "everyone=1&search=nobody-is-called-so"):
        for what in ("results", "regrade"):
            answer = browser.get(f"/rounds/r1/selection/{what}?target=e1&{query}")
            assert answer.status_code == 422, (what, query)
            assert "ยังไม่ได้เลือกใคร" in answer.text or "ไม่มีผู้ที่เลือกไว้" in answer.text
    form = "/rounds/r1/assignments/e1/regrade"
    answer = browser.post(form, data={"reason": REASON, "seats": other})
    assert answer.status_code == 422
    with fresh_world.records.reading() as session:
        assert session.scalars(select(Regrade).where(Regrade.state == "running")).all() == []


def test_a_regrade_of_the_chosen_is_estimated_and_takes_only_theirs(fresh_world: World) -> None:
    """Without a worker there is no estimate, and none is made up; with one it follows from what gradings took."""
    grade(fresh_world.records, verdict_for(PACK))  # what waited
    browser, seat = fresh_world.browser("instructor"), fresh_world.seats["peer"]
    address = f"/rounds/r1/selection/regrade?seat={seat}&target=e1"
    page = browser.get(address)
    assert "ประมาณเวลาไม่ได้" in page.text
    assert "นางสาว peer สาธิต" in page.text
    assert "นางสาว owner สาธิต" not in page.text
    with fresh_world.records.upkeep() as session:
        now = fresh_world.records.database.now(session)
        session.add(WorkerRecord(id="w/1", host="w", started_at=now, seen_at=now, grader_version="test"))
    assert "2 งาน ~1 นาที" in browser.get(address).text
    assert fresh_world.browser("coordinator").get(address).status_code == 403
    begun = browser.post("/rounds/r1/assignments/e1/regrade", data={"reason": REASON, "seats": seat})
    assert begun.status_code == 303
    with fresh_world.records.reading() as session:
        jobs = session.scalars(select(Job).where(Job.regrade_id == begun.headers["location"].rpartition("/")[2]))
        assert {one.submission_id for one in jobs} == {fresh_world.work["peer.passed"], fresh_world.work["peer.failed"]}
    assert claim(fresh_world.records, "test/0") is not None


def test_results_leave_as_text_and_it_is_noted(fresh_world: World) -> None:
    """A name that looks like a formula is text in both formats; the entry says who took how many."""
    with fresh_world.records.change(by="setup") as change:
        peer = change.session.get_one(Seat, fresh_world.seats["peer"]).person_id
        change.session.get_one(Person, peer).name = '=HYPERLINK("http://x")'
        change.audit("person.renamed", peer)
    browser = fresh_world.browser("coordinator")
    csv = browser.get("/rounds/r1/selection/results?everyone=1&format=csv")
    text = csv.content.decode("utf-8-sig")
    assert "'=HYPERLINK" in text
    assert text.count("\r\n") == 3
    assert "E1 คะแนน" in text
    assert "results-r1.csv" in csv.headers["content-disposition"]
    only = browser.get(f"/rounds/r1/selection/results?seat={fresh_world.seats['peer']}&lang=en")
    rows = CalamineWorkbook.from_filelike(io.BytesIO(only.content)).get_sheet_by_index(0).to_python()
    assert rows[1][:2] == ["peer", '=HYPERLINK("http://x")']
    assert rows[1][4:8] == ["passed", 100, 100, 2]
    assert len(rows) == 2
    with zipfile.ZipFile(io.BytesIO(only.content)) as book:
        assert b"<f>" not in book.read("xl/worksheets/sheet1.xml")
    assert [by for by, _ in _audited(fresh_world, "results.exported")] == ["coordinator", "coordinator"]


def line(name: str, points: int) -> Line:
    """Somebody with one graded work of so many points."""
    handed = Handed(
        id=name, number=1, filename="", size=1, received_at=datetime(2026, 11, 1, tzinfo=UTC), late=False, state="done",
        outcome="fail", code="x", points=points, max=100, result="fail", decided=False,
    )  # fmt: skip
    cell = Cell(exercise="e1", handed=(handed,), state="fail")
    return Line(seat=name, code=name, name=name, unit_code="", unit="", part="trainee", cells=(cell,))


def test_points_are_counted_in_bands(world: World) -> None:
    """Each person is in exactly one band, full points in the last; without work there is none."""
    bands = spread.histogram([line(str(points), points) for points in (0, 9, 10, 99, 100)], "e1")
    assert [(one.low, one.high, one.people) for one in bands if one.people] == [(0, 9, 2), (10, 19, 1), (90, 100, 2)]
    assert spread.histogram([line("a", 5)], "e2") == ()
    page = words_of(world.browser("instructor").get("/rounds/r1/checks?exercise=e1").text)
    assert "การกระจายของคะแนน" in page
    assert re.search(r"90–100 % \s*2 คน", page), page
    assert "อำนาจจำแนก" in page


def test_a_check_is_compared_with_the_others(fresh_world: World) -> None:
    """Passed by who passes the rest: 1; by who fails the rest: −1; by everybody, or asked of too few: nothing."""
    ids = list(PACK.checks)
    with fresh_world.records.reading() as session:
        assert set(spread.discriminations(session, [line("a", 1)], "e1", ids).values()) == {None}
    good = [frozenset(ids) - {"U2"}] * 6 + [frozenset({"U2", "U1"})] * 6
    assert spread._discrimination("C", good) == pytest.approx(1)
    assert spread._discrimination("U2", good) == pytest.approx(-1)
    assert spread._discrimination("U1", good) is None
    assert spread._discrimination("C", good[3:9]) is None


def test_a_page_of_a_large_selection_needs_no_long_address(fresh_world: World) -> None:
    """All people of the filters go by the filters; what comes back by the form is one field, however many they are."""
    for number in range(3):
        submit(
            fresh_world.records, seat=fresh_world.seats["peer"], assignment=fresh_world.assignments["r1"],
            filename="x.zip", chunks=[b"%d" % number], by="peer", idempotency_key=str(number),
        )  # fmt: skip
        grade(fresh_world.records, verdict_for(PACK))
    page = fresh_world.browser("instructor").get("/rounds/r1/selection/regrade?everyone=1&target=e1").text
    found = re.findall(r'name="seats" value="([^"]*)"', page)
    assert [set(one.split()) for one in found] == [{fresh_world.seats["owner"], fresh_world.seats["peer"]}]
