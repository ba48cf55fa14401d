"""Units of the indicator and the numbers beside it: sorted, compared, hidden where small, and counted a second time."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any, Final

import pytest
from sqlalchemy import select

from grader.kpi import Attempt, Enrolment, KpiSettings, Mark, Period, place
from grader.records import (
    Grading,
    Job,
    Records,
    ReportingRound,
    Seat,
    SeatEvent,
    Submission,
    Unit,
    WorkerRecord,
    new_id,
)
from grader.services import indicator
from grader.services.indicator.progress import counted
from tests.fixtures.portal import World, words_of
from tests.fixtures.portal_kpi import NOW, UNITS, Office
from tests.portal.test_portal_kpi import at

TWO, FOUR = "ศูนย์อนามัยสาธิตที่ 2", "สำนักสาธิตการสาธารณสุข"
DAY: Final = timedelta(days=1)


def unit_id(office: Office, name: str) -> str:
    """The id of a unit."""
    with office.world.records.reading() as session:
        return session.scalars(select(Unit.id).where(Unit.name == name)).one()


def order(html: str) -> list[str]:
    """The names of the table of units, from top to bottom."""
    table = html.partition('id="unit-table"')[2].partition("<tfoot>")[0].partition("<tbody>")[2]
    return [words_of(one) for one in re.findall(r'<th scope="row">(.*?)</th>', table, re.DOTALL)]


def rows_of(html: str, table: str) -> list[list[str]]:
    """The cells of a table's rows."""
    found = html.partition(f'id="{table}"')[2].partition("</table>")[0].partition("<tbody>")[2]
    return [
        [words_of(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)]
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", found, re.DOTALL)
    ]


# -- the table --------------------------------------------------------------------------------------------------------


def test_the_table_is_sorted_by_what_was_chosen(office: Office) -> None:
    """Shown numbers in order, hidden ones behind them whichever way: where they stand must tell nothing."""
    browser = office.world.browser("executive")
    percents = {name: a / b for name, (a, b) in UNITS.items() if b >= 5}
    by_percent = sorted(percents, key=lambda name: percents[name])
    hidden = {"กองแผนงานสาธิต", "ศูนย์อนามัยสาธิตที่ 1"}
    up = order(browser.get(f"{office.address}?sort=percent").text)
    down = order(browser.get(f"{office.address}?sort=-percent").text)
    assert [one for one in up if one in percents] == by_percent
    assert [one for one in down if one in percents] == by_percent[::-1]
    assert up[:2] == by_percent
    assert down[:2] == by_percent[::-1]
    most = order(browser.get(f"{office.address}?sort=-b").text)
    assert most[:3] == [FOUR, TWO, "ศูนย์สาธิตที่ 10"]
    assert set(most[3:]) == hidden
    assert order(browser.get(f"{office.address}?sort=b").text)[3:] == most[3:]
    plain = order(browser.get(office.address).text)
    assert order(browser.get(f"{office.address}?sort=-name").text) == plain[::-1]
    odd = browser.get(f"{office.address}?sort=name;drop")
    assert odd.status_code == 200
    assert order(odd.text) == plain
    assert 'aria-sort="descending"' in browser.get(f"{office.address}?sort=-b").text


def test_the_bar_leads_to_what_was_chosen(office: Office) -> None:
    """Year, round and unit by one form without scripts; a round that the year does not have leads to the year."""
    browser, unit = office.world.browser("executive"), unit_id(office, TWO)

    def leads(**query: str) -> str:
        answer = browser.get("/kpi/choose", params=query)
        assert answer.status_code == 303
        return str(answer.headers["location"])

    assert leads(year=str(office.year), code=office.code) == office.address
    assert leads(year=str(office.year), code=office.code, unit=unit) == f"{office.address}/units/{unit}"
    assert leads(year=str(office.year), code=office.code, unit="//evil.example") == office.address
    assert leads(year=str(office.year - 1), code=office.code) == f"/kpi/{office.year - 1}"
    assert leads(year="https://x", code=office.code) == "/kpi"
    page = browser.get(office.address).text
    form = page.partition('action="/kpi/choose"')[2].partition("</form>")[0]
    assert f'<option value="{office.year}" selected' in form
    assert f'<option value="{office.code}" selected' in form
    assert f'<option value="{unit}"' in form


def test_a_unit_by_itself(office: Office) -> None:
    """A, B, what is missing to the target, exercises, rounds; people are one link further for who may see them."""
    a, b = UNITS[TWO]
    address = f"{office.address}/units/{unit_id(office, TWO)}"
    page = office.world.browser("executive").get(address)
    assert page.status_code == 200
    assert at(page.text, "percent") == f"{Decimal(a * 100) / b:.2f} %"
    assert at(page.text, "of") == f"{a} จาก {b} คน (A/B)"
    assert rows_of(page.text, "exercise-table")[0][1:] == [str(a), str(a)]
    assert "people" not in page.text.partition("<main")[2]
    assert "แห่งศูนย์" not in page.text
    assert "/people?unit=" in office.world.browser("coordinator").get(address).text
    assert '<html lang="en"' in office.world.browser("executive").get(f"{address}?lang=en").text
    assert office.world.browser("executive").get(f"{office.address}/units/unt_0000000000000000").status_code == 404


@pytest.mark.parametrize("name", ["กองแผนงานสาธิต", "ศูนย์อนามัยสาธิตที่ 1"])
def test_a_small_unit_shows_nothing_of_itself(office: Office, name: str) -> None:
    """Neither the figure nor the exercises nor the rounds: each would tell of few people."""
    page = office.world.browser("executive").get(f"{office.address}/units/{unit_id(office, name)}").text
    assert at(page, "withheld")
    assert 'id="percent"' not in page
    assert "exercise-table" not in page
    assert rows_of(page, "trend-table")[0][1] == "—"


def test_a_unit_without_anybody_says_so(office: Office) -> None:
    """No 0 % and no empty table."""
    page = office.world.browser("executive").get(f"{office.address}/units/{unit_id(office, 'ศูนย์สาธิตที่ 10')}").text
    assert at(page, "percent") == "—"
    assert "ยังไม่มีคนของหน่วยงานนี้ใน B" in page


def test_units_are_compared_with_the_round_before(fresh_office: Office) -> None:
    """The difference in points from the last round that ended earlier, the same as on the unit's own page."""
    records = fresh_office.world.records
    with records.change(by="setup") as change:
        change.session.add(
            ReportingRound(
                id=new_id("rpr"), fy_be=fresh_office.year, code="early", label="ต้นปี",
                start=NOW.date() - 50 * DAY, end=NOW.date() + 3 * DAY, cutoff_at=None, report_due=None,
            )
        )  # fmt: skip
        change.audit("reporting_round.set", "early")
    with records.reading() as session:
        ends = {one.code: one.end for one in indicator.reporting_rounds(session, fresh_office.year)}
    assert ends["early"] < ends[fresh_office.code]
    browser = fresh_office.world.browser("executive")
    page = browser.get(fresh_office.address).text
    shown = {row[0]: row for row in rows_of(page, "unit-table")}
    assert shown[TWO][6] == "0 จุด" or shown[TWO][6].startswith("0")
    assert shown["กองแผนงานสาธิต"][6] == "—"
    unit = browser.get(f"{fresh_office.address}/units/{unit_id(fresh_office, TWO)}").text
    assert [row[1:4] for row in rows_of(unit, "trend-table")] == [["4", "6", "66.67 %"]] * 2
    assert "ต้นปี" in unit


def test_what_is_late_is_said(fresh_office: Office) -> None:
    """Results that wait are counted; without anybody who grades them the page says that the figure lacks them."""
    records, browser = fresh_office.world.records, fresh_office.world.browser("executive")
    assert 'id="stale"' not in browser.get(fresh_office.address).text
    with records.change(by="setup") as change:
        job = change.session.scalars(select(Job).limit(1)).one()
        job.state = "queued"
        change.audit("job.requeued", job.id)
    assert "ค้าง 1 รายการ" in at(browser.get(fresh_office.address).text, "stale")
    with records.change(by="setup") as change:
        change.session.add(
            WorkerRecord(id="w/0", host="h", started_at=NOW, seen_at=NOW, grader_version="t", waits_for="")
        )
        change.audit("worker.started", "w/0")
    page = browser.get(fresh_office.address).text
    assert 'id="stale"' not in page
    assert "กำลังตรวจอีก 1 รายการ" in at(page, "waiting")


# -- the numbers beside it --------------------------------------------------------------------------------------------


def attempt(day: int, outcome: Any, exercise: str = "e1") -> Attempt:
    """Handed in so many days after the start."""
    return Attempt(exercise=exercise, received_at=NOW + day * DAY, outcome=outcome)


def somebody(name: str, *attempts: Attempt, came: bool = True, marks: tuple[Mark, ...] = ()) -> Enrolment:
    """Somebody on the roster who came on the first day."""
    return Enrolment(
        id=f"seat-{name}", person=name, unit="u", part="trainee", starts_on=NOW.date(), sessions=1,
        registered_at=None, check_ins=(NOW,) if came else (), attempts=attempts, marks=marks,
    )  # fmt: skip


def test_the_numbers_are_those_that_a_hand_counts() -> None:
    """Eight people: seven in B, six handed in, five passed, three of them at once, in 0, 2, 3, 4 and 10 days."""
    people = [
        somebody("at-once", attempt(0, "pass")),
        somebody("at-once-later-worse", attempt(2, "pass"), attempt(5, "fail")),
        somebody("second-try", attempt(1, "fail"), attempt(3, "pass")),
        somebody("fault-first", attempt(1, "grader_fault"), attempt(4, "pass")),
        somebody("other-exercise-failed", attempt(1, "fail", "e2"), attempt(10, "pass")),
        somebody("failed", attempt(1, "fail")),
        somebody("nothing"),
        somebody("never-came", came=False),
    ]
    rules = KpiSettings().revise({"course.pass_rule": {"groups": [{"at_least": 1, "of": ["e1"]}]}}).rules
    cutoff = NOW + 60 * DAY
    period = Period(
        first=NOW.date(), last=(NOW + 90 * DAY).date(), cutoff=cutoff, passed_after=datetime(2000, 1, 1, tzinfo=UTC)
    )
    placed = place(people, rules, period)
    assert sum(one.in_b for one in placed) == 7
    told = counted(placed, people, cutoff=cutoff, decimals=2)
    assert (told["handed"].a, told["handed"].b) == (6, 7)
    assert (told["first"].a, told["first"].b) == (3, 6)
    assert told["passed"] == 5
    assert told["days"] == Decimal(3)
    assert counted((), (), cutoff=cutoff, decimals=2)["days"] is None
    early = counted(placed, people, cutoff=NOW - DAY, decimals=2)
    assert early["handed"].a == 0


def by_hand(records: Records) -> tuple[int, int, int, list[int]]:
    """B, handed in, passed at the first attempt, days to pass; from the tables, by other means than the service."""
    with records.reading() as session:
        events = session.execute(select(SeatEvent.seat_id, SeatEvent.at).where(SeatEvent.kind == "check_in"))
        came: dict[str, datetime] = {}
        for seat, moment in events:
            came[seat] = min(moment, came.get(seat, moment))
        rows = session.execute(
            select(Submission.seat_id, Submission.received_at, Grading.outcome)
            .join(Grading, Grading.submission_id == Submission.id)
            .where(Grading.standing == "final")
            .order_by(Submission.number)
        ).all()
        seats = set(session.scalars(select(Seat.id)))
    handed: dict[str, list[tuple[datetime, str]]] = {}
    for seat, moment, outcome in rows:
        handed.setdefault(seat, []).append((moment, outcome))
        came[seat] = min(moment, came.get(seat, moment))
    first = sum(tries[0][1] == "pass" for tries in handed.values())
    days = [
        (next(moment for moment, outcome in tries if outcome == "pass") - came[seat]).days
        for seat, tries in handed.items()
        if any(outcome == "pass" for _, outcome in tries)
    ]
    assert seats >= came.keys()
    return len(came), len(handed), first, days


def test_the_cards_say_what_the_tables_hold(office: Office) -> None:
    """On their own page, which the page of the round loads, with the words that say how they are counted."""
    b, handed, first, days = by_hand(office.world.records)
    browser = office.world.browser("executive")
    page = browser.get(f"{office.address}/progress")
    assert page.status_code == 200
    told = words_of(page.text)
    assert f"{handed} จาก {b} คน" in told
    assert f"{first} จาก {handed} คน" in told
    assert f"{median(map(Decimal, days))} วัน" in told
    assert f"ของ {len(days)} คนที่ผ่าน" in told
    assert "ค่ามัธยฐาน" in told
    assert "Median of calendar days" in browser.get(f"{office.address}/progress?lang=en").text
    round_page = browser.get(office.address).text
    assert f'hx-get="{office.address}/progress"' in round_page
    assert f'href="{office.address}/progress"' in round_page, "without scripts the numbers are one link away"
    assert "แห่งศูนย์" not in page.text


def test_a_round_without_anybody_has_no_percentages(fresh_world: World) -> None:
    """0 of 0 is no 0 %, and no day is a median."""
    indicator.propose_rounds(fresh_world.records, 2575, by="setup", preset="quarters")
    told = words_of(fresh_world.browser("executive").get("/kpi/2575/q1/progress").text)
    assert "— 0 จาก 0 คน" in told
    assert "0.00 %" not in told


# -- for programs -----------------------------------------------------------------------------------------------------


def test_programs_read_what_the_pages_show(office: Office) -> None:
    """The unit, the numbers beside the figure and the row of rounds, each as JSON for who may read the indicator."""
    browser, unit = office.world.browser("executive"), unit_id(office, TWO)
    base = f"/api/v1/kpi/{office.year}/{office.code}"
    b, handed, first, days = by_hand(office.world.records)
    progress = browser.get(f"{base}/progress").json()
    assert (progress["handed_in"]["a"], progress["handed_in"]["b"]) == (handed, b)
    assert (progress["passed_first"]["a"], progress["passed"]) == (first, len(days))
    assert Decimal(progress["median_days"]) == median(map(Decimal, days))
    one = browser.get(f"{base}/units/{unit}").json()
    assert (one["figure"]["a"], one["figure"]["b"], one["hidden"]) == (*UNITS[TWO], None)
    assert one["exercises"][0]["passed"] == UNITS[TWO][0]
    small = browser.get(f"{base}/units/{unit_id(office, 'กองแผนงานสาธิต')}").json()
    assert (small["figure"], small["hidden"], small["exercises"]) == (None, "small", [])
    assert small["points"][-1]["figure"] is None
    trend = browser.get(f"{base}/trend").json()
    assert trend["points"][-1]["code"] == office.code
    assert trend["points"][-1]["figure"]["percent"] == "63.16"
    for address in ("progress", "trend", f"units/{unit}"):
        assert office.world.browser("instructor").get(f"{base}/{address}").status_code == 403
    assert browser.get(f"{base}/units/unt_0000000000000000").status_code == 404
