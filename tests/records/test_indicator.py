"""The indicator over real records: from rows to a published figure, and nothing that was published ever changes."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from grader.errors import GraderError
from grader.kpi import Rules, preset_rounds
from grader.queue import claim
from grader.records import (
    AuditEntry,
    Base,
    IndicatorVersion,
    Person,
    Records,
    SeatStanding,
    SettingsVersion,
    SnapshotRecord,
    create_records,
)
from grader.reports.kpi import EvidenceItem, Narrative, explain_rows, kpi_document
from grader.services import indicator, overriding, rounds, standings
from tests.fixtures.records import MINI, Classroom, Clock, furnish, recorded

FY = 2570
RULE = {"course.pass_rule": {"groups": [{"at_least": 1, "of": [MINI.exercise.id]}]}}
LEVELS = {"kpi.scoring": "five_level_linear", "kpi.level_thresholds": ["60", "65", "70", "75", "80"]}
AFTER_CUTOFF = datetime(2027, 3, 10, 3, tzinfo=UTC)


@pytest.fixture
def office(timed: Classroom) -> Classroom:
    """A room of eleven whose course is the small exercise, and the rounds of the year."""
    return opened(timed)


def opened(room: Classroom, **values: Any) -> Classroom:
    """Set what the indicator needs."""
    indicator.revise(room.records, RULE | values, by="officer")
    indicator.propose_rounds(room.records, FY, by="officer")
    return room


def teach(room: Classroom, outcomes: Sequence[str]) -> list[str]:
    """One after the other comes, and hands in work with this outcome ("" for nothing); gives the submissions."""
    handed = []
    for seat, outcome in enumerate(outcomes):
        rounds.note(room.records, seat=room.seats[seat], kind="check_in", by="c", session_number=1)
        if outcome:
            handed.append(room.submit(seat).submission)
            held = claim(room.records, "w")
            assert held is not None
            assert recorded(room.records, held, outcome, 0)
    return handed


def refused(work: Callable[[], object]) -> str:
    """The code with which something is refused."""
    with pytest.raises(GraderError) as caught:
        work()
    return caught.value.code


def actions(room: Classroom) -> list[str]:
    """What the audit chain says was done to the indicator, in order."""
    families = {"settings", "definition", "reporting_round", "snapshot", "report", "role"}
    with room.records.reading() as session:
        said = session.scalars(select(AuditEntry.action).order_by(AuditEntry.number)).all()
    return [action for action in said if action.partition(".")[0] in families]


def count(room: Classroom, model: type[Base]) -> int:
    """How many rows a table has."""
    with room.records.reading() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


# -- settings ---------------------------------------------------------------------------------------------------------


def test_settings_are_kept_version_by_version(timed: Classroom) -> None:
    """What was set and confirmed is read back with its history; a value that stays the same stays confirmed."""
    records = timed.records
    with records.reading() as session:
        assert indicator.settings_of(session).version == 1
    indicator.revise(records, {"kpi.target": "80", "kpi.decimals": 1}, by="officer")
    indicator.confirm(records, "kpi.target", by="officer", confirmed_by="head", source="สธ 0000/1")
    kept = indicator.revise(records, {"kpi.target": "80.00", "kpi.decimals": 2}, by="officer")
    with records.reading() as session:
        found = indicator.settings_of(session)
    assert found == kept
    assert found.version == 4
    assert found.rules.kpi_target == Decimal(80)
    changed = found.setting("kpi.target")
    assert (changed.confirmed_by, changed.source) == (None, ""), "80.00 is printed in another way than 80"
    assert [past.confirmed_by for past in changed.history] == [None, None, "head"]
    indicator.confirm(records, "kpi.target", by="officer", source="สธ 0000/1")
    found = indicator.revise(records, {"kpi.target": "80.00", "kpi.decimals": 3}, by="officer")
    assert found.setting("kpi.target").confirmed
    assert count(timed, SettingsVersion) == 5
    assert actions(timed)[-1] == "settings.revised"


def test_settings_that_cannot_be_used_change_nothing(timed: Classroom) -> None:
    """A wrong key or value, no change at all, or a confirmation without a document is refused."""
    records = timed.records
    revise = lambda values: indicator.revise(records, values, by="o")  # noqa: E731
    assert refused(lambda: revise({"kpi.nothing": 1})) == "kpi.setting_unknown"
    assert refused(lambda: revise({"kpi.target": 0.1})) == "kpi.setting_value"
    assert refused(lambda: revise({"kpi.scoring": "five_level_linear"})) == "kpi.thresholds"
    assert refused(lambda: revise({"kpi.decimals": 2})) == "indicator.no_change"
    confirm = lambda: indicator.confirm(records, "kpi.target", by="o", source=" ")  # noqa: E731
    assert refused(confirm) == "kpi.confirmation_incomplete"
    assert count(timed, SettingsVersion) == 0


def test_two_people_who_set_at_the_same_moment_do_not_overwrite_each_other(
    records: Records, in_parallel: Callable[..., list[object]]
) -> None:
    """Each change is a version of its own, or is told that it came too late."""
    room = furnish(records, people=1)

    def revise(number: int) -> str:
        try:
            indicator.revise(records, {"kpi.small_number": number}, by=f"o{number}")
        except GraderError as problem:
            return problem.code
        return ""

    said = in_parallel(revise, range(10, 20), threads=5)
    assert set(said) <= {"", "indicator.changed_meanwhile"}
    assert count(room, SettingsVersion) == said.count("")


def test_another_pass_rule_makes_the_standings_again(office: Classroom) -> None:
    """In the same transaction: there is no moment at which a figure is counted by an old rule."""
    teach(office, ["pass", "fail"])
    passed = lambda: sum(one.passed_at is not None for one in office.all(SeatStanding))  # noqa: E731
    assert passed() == 1
    indicator.revise(office.records, {"course.pass_rule": {"groups": [{"at_least": 1, "of": ["other"]}]}}, by="o")
    assert passed() == 0
    indicator.revise(office.records, RULE, by="o")
    assert passed() == 1
    with office.records.reading() as session:
        assert standings.differing(session) == []


# -- definition and rounds --------------------------------------------------------------------------------------------


def test_what_the_office_stated_is_shipped_and_nothing_else_is_confirmed(office: Classroom) -> None:
    """Name, owner and target group come from the office; proposals and gaps are marked until somebody confirms them."""
    with office.records.reading() as session:
        shipped = indicator.definition_of(session, FY)
    assert shipped.name.text.startswith("ร้อยละของการผ่านเกณฑ์การประเมินผล กลุ่มเป้าหมายที่เข้ารับการพัฒนาศักยภาพ")
    assert set(indicator.PASSAGES) - set(shipped.unconfirmed) == {"name", "owner", "target_group"}
    assert (shipped.version, shipped.code.text, shipped.indicator) == (1, "", "indicator")


def test_a_definition_has_versions_of_its_own_for_each_year(office: Classroom) -> None:
    """A change is a new version, not confirmed; earlier versions and other years stay as they were."""
    records = office.records
    indicator.define(records, FY, {"code": "065.3", "a": "ผู้ผ่านเกณฑ์"}, by="o")
    found = indicator.confirm_definition(records, FY, "code", by="o", confirmed_by="head", source="สธ 0000/2")
    assert (found.version, found.indicator, found.code.confirmed_by) == (3, "065.3", "head")
    assert found.code.confirmed
    assert not found.a.confirmed
    with records.reading() as session:
        assert indicator.definition_of(session, FY) == found
        assert indicator.definition_of(session, FY + 1) == indicator.SHIPPED
    assert count(office, IndicatorVersion) == 2
    define = lambda texts: indicator.define(records, FY, texts, by="o")  # noqa: E731
    assert refused(lambda: define({"code": " 065.3 "})) == "indicator.no_change"
    assert refused(lambda: define({"colour": "x"})) == "indicator.passage_unknown"
    confirm = lambda name, source: indicator.confirm_definition(records, FY, name, by="o", source=source)  # noqa: E731
    assert refused(lambda: confirm("contact", "x")) == "indicator.passage_empty"
    assert refused(lambda: confirm("code", "")) == "kpi.confirmation_incomplete"


def test_rounds_are_proposed_and_then_set(office: Classroom) -> None:
    """A preset adds what is missing and changes nothing that is there; cut-off and due date are the office's."""
    records = office.records
    cutoff = datetime(2027, 3, 10, 9, tzinfo=UTC)
    first = preset_rounds("five_five", FY)[0].model_copy(update={"cutoff_at": cutoff, "report_due": date(2027, 3, 15)})
    indicator.set_round(records, first, by="o")
    assert refused(lambda: indicator.propose_rounds(records, FY, by="o")) == "indicator.no_change"
    indicator.propose_rounds(records, FY, by="o", preset="quarters")
    with records.reading() as session:
        assert indicator.reporting_round(session, FY, "r1") == first
        codes = [one.code for one in indicator.reporting_rounds(session, FY)]
        assert codes == ["q1", "r1", "q2", "r2", "q3", "q4"]
        assert refused(lambda: indicator.reporting_round(session, FY + 1, "r1")) == "indicator.round_unknown"


# -- the figure -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "percent", "score"),
    [
        (8, 11, "72.73", "3.5460"),
        (0, 0, None, None),
        (3, 5, "60.00", "1.0000"),
        (6, 11, "54.55", "1.0000"),
        (8, 10, "80.00", "5.0000"),
        (11, 11, "100.00", "5.0000"),
    ],
)
def test_worked_examples_through_real_rows(
    timed: Classroom, a: int, b: int, percent: str | None, score: str | None
) -> None:
    """People, seats, check-ins, submissions, gradings: the printed percentage and the score from it."""
    office = opened(timed, **LEVELS)
    teach(office, ["pass"] * a + ["fail"] * (b - a))
    found = indicator.live(office.records, FY, "r1")
    assert (found.a, found.b) == (a, b)
    assert [None if one is None else str(one) for one in (found.percent, found.score)] == [percent, score]
    tally = indicator.tally(office.records, FY, "r1")
    assert (tally.a, tally.b, tally.percent) == (a, b, found.percent)


def test_twenty_two_of_thirty(address: str, tmp_path: Path, clock: Clock) -> None:
    """The example of the definition: 73.33 per cent, and with 60/65/70/75/80 a score of 3.6660 and not 3.6667."""
    records = create_records(tmp_path / "data", address, clock=clock)
    room = opened(furnish(records, people=40), **LEVELS, **{"kpi.weight": "20"})
    teach(room, ["pass"] * 22 + ["fail"] * 5 + ["build_failed", "rejected", ""])
    for seat in range(30, 40):
        rounds.note(records, seat=room.seats[seat], kind="registered", by="c")
    found = indicator.live(records, FY, "r1")
    assert (found.a, found.b, found.percent, found.score) == (22, 30, Decimal("73.33"), Decimal("3.6660"))
    assert found.weighted_score == Decimal("0.7332")
    assert found.counts == {"passed": 22, "failed": 7, "no_submission": 1, "no_show": 10}
    units = indicator.tally_by_unit(records, FY, "r1")
    assert (sum(one.a for one in units.values()), sum(one.b for one in units.values())) == (22, 30)
    assert len(units) == 2
    records.close()


def test_who_is_where_and_why(office: Classroom) -> None:
    """Everybody on the roster with a reason; names only for who may see them, and none that was forgotten."""
    teach(office, ["pass", "fail", "", "pass"])
    rounds.note(office.records, seat=office.seats[3], kind="withdrew", by="c")
    plain = indicator.explain(office.records, FY, "r1")
    assert len(plain) == 11
    assert not any(one.name for one in plain)
    with office.records.change(by="o") as change:
        (person,) = change.session.scalars(select(Person).where(Person.code == "t0001"))
        person.name, person.erased_at = "", change.at
        change.audit("person.erased", person.id)
    named = {one.name: one.placement.reason for one in indicator.explain(office.records, FY, "r1", names=True)}
    assert named["ผู้เรียน 0"] == "passed"
    assert named[""] == "failed"
    assert named["ผู้เรียน 2"] == "no_submission"
    assert named["ผู้เรียน 3"] == "withdrew"
    assert named["ผู้เรียน 4"] == "no_reply"


def test_the_data_of_an_earlier_moment(office: Classroom, clock: Clock) -> None:
    """What came later is not seen; a moment to come has no data."""
    teach(office, ["pass"])
    then = clock()
    clock.pass_by(3600)
    teach(office, ["", "pass"])
    now, before = indicator.live(office.records, FY, "r1"), indicator.live(office.records, FY, "r1", as_of=then)
    assert ((now.a, now.b), (before.a, before.b)) == ((2, 2), (1, 1))
    assert indicator.tally(office.records, FY, "r1", as_of=then).b == 1
    later = clock() + timedelta(seconds=1)
    for ask in (indicator.live, indicator.tally, indicator.tally_by_unit, indicator.explain):
        assert refused(lambda ask=ask: ask(office.records, FY, "r1", as_of=later)) == "indicator.as_of_future"


# -- snapshots --------------------------------------------------------------------------------------------------------


def frozen(room: Classroom, **options: Any) -> str:
    """The digest of a fresh snapshot."""
    return indicator.freeze(room.records, FY, "r1", by="officer", **options).sha256


def test_a_snapshot_stays_and_is_proved_when_it_is_read(office: Classroom, clock: Clock) -> None:
    """The same content is the same snapshot; the table refuses a change; other bytes are found out."""
    teach(office, ["pass", "fail"])
    one = frozen(office)
    assert frozen(office) == one
    assert count(office, SnapshotRecord) == 1
    clock.pass_by(1)
    assert frozen(office) != one, "the moment of the data is a part of it"
    assert frozen(office, as_of=clock() - timedelta(seconds=1)) == one
    records = office.records
    with records.reading() as session:
        assert indicator.read(session, one).sha256 == one
        assert {kept.sha256 for kept in indicator.kept(session, FY, "r1")} > {one}
        assert indicator.kept(session, FY, "r2") == []
        assert refused(lambda: indicator.read(session, "0" * 64)) == "records.not_found"
    with pytest.raises(DBAPIError, match="append-only"), records.database.engine.begin() as connection:
        connection.execute(text("UPDATE kpi_snapshot SET document = document"))
    with records.database.engine.connect() as connection:  # as somebody could who owns the database
        off = ("DROP TRIGGER kpi_snapshot_no_update", "ALTER TABLE kpi_snapshot DISABLE TRIGGER USER")
        connection.execute(text(off[records.database.dialect == "postgresql"]))
        statement = text("UPDATE kpi_snapshot SET document = :forged WHERE sha256 = :one")
        document = connection.scalar(select(SnapshotRecord.document).where(SnapshotRecord.sha256 == one))
        connection.execute(statement, {"forged": bytes(document).replace(b'"a":1', b'"a":2'), "one": one})
        connection.commit()
    with records.reading() as session:
        assert refused(lambda: indicator.read(session, one)) == "kpi.snapshot_changed"


def test_a_correction_names_what_it_replaces_and_why(office: Classroom, clock: Clock) -> None:
    """After an override the difference names the person; a snapshot has one correction, of the same round."""
    _, failed = teach(office, ["pass", "fail"])
    old = frozen(office)
    overriding.override(office.records, submission=failed, to="pass", by="instructor", reason="เกณฑ์กำกวม")
    clock.pass_by(60)
    assert refused(lambda: frozen(office, replaces=old)) == "indicator.reason_missing"
    assert refused(lambda: frozen(office, replaces="0" * 64, reason="x")) == "records.not_found"
    new = frozen(office, replaces=old, reason="ปรับผลตามคำร้อง")
    records = office.records
    with records.reading() as session:
        found = indicator.difference(session, old, new)
        before, after = indicator.read(session, old), indicator.read(session, new)
    assert ((before.a, before.b), (after.a, after.b)) == ((1, 2), (2, 2))
    assert [(one.moves, one.before, one.after) for one in found.changes] == [(("entered_a",), "failed", "passed")]
    assert after.replaces is not None
    assert (after.replaces.sha256, after.replaces.reason) == (old, "ปรับผลตามคำร้อง")
    clock.pass_by(60)
    assert refused(lambda: frozen(office, replaces=old, reason="x")) == "indicator.replaced"
    other = lambda: indicator.freeze(records, FY, "r2", by="o", replaces=new, reason="x")  # noqa: E731
    assert refused(other) == "indicator.other_round"
    assert frozen(office, replaces=new, reason="x")


# -- reports ----------------------------------------------------------------------------------------------------------


def finished(room: Classroom, clock: Clock) -> str:
    """The snapshot of a round that is over: one passed, one failed and was overridden, one failed."""
    _, second, _ = teach(room, ["pass", "fail", "fail"])
    overriding.override(room.records, submission=second, to="pass", by="instructor", reason="ตรวจด้วยมือ")
    clock.now = AFTER_CUTOFF
    return frozen(room)


def test_a_report_is_prepared_sent_back_and_certified(office: Classroom, clock: Clock) -> None:
    """Draft, awaiting, draft, awaiting, certified: each step leaves its entry, and after the last one nothing moves."""
    records, one = office.records, finished(office, clock)
    indicator.grant_certifier(records, "head", by="admin")
    indicator.draft(records, one, by="officer")
    told = Narrative(results="อบรมครบ", problems="–", suggestions="เพิ่มเวลา")
    indicator.write(records, one, by="officer", narrative=told, evidence=[EvidenceItem(title="รายชื่อ", reference="1")])
    indicator.submit(records, one, by="officer")
    assert refused(lambda: indicator.write(records, one, by="o", narrative=Narrative())) == "kpi.wrong_state"
    assert refused(lambda: indicator.send_back(records, one, by="officer", reason="x")) == "kpi.not_granted"
    assert refused(lambda: indicator.send_back(records, one, by="head", reason=" ")) == "kpi.reason_missing"
    assert indicator.send_back(records, one, by="head", reason="เพิ่มหลักฐาน").state == "draft"
    indicator.submit(records, one, by="officer")
    certified = indicator.certify(records, one, by="head")
    assert (certified.state, certified.certified_by, certified.certified_at) == ("certified", "head", clock())
    assert "kpi.target" in certified.unconfirmed
    for step in (indicator.submit, indicator.certify):
        assert refused(lambda step=step: step(records, one, by="head")) == "kpi.wrong_state"
    assert refused(lambda: indicator.draft(records, one, by="o")) == "indicator.report_exists"
    states = ["draft", "written", "awaiting", "draft", "awaiting", "certified"]
    assert [action for action in actions(office) if action.startswith("report.")] == [f"report.{one}" for one in states]
    with records.reading() as session:
        snapshot, beside = indicator.read(session, one), indicator.particulars(session, indicator.read(session, one))
        assert indicator.report_of(session, one) == certified
        assert indicator.report_of(session, "0" * 64) is None
    assert beside.names is None
    assert beside.narrative == told
    assert [item.title for item in beside.evidence] == ["รายชื่อ"]
    assert [(made.by, made.before, made.after) for made in beside.overrides] == [("instructor", "fail", "pass")]
    document = kpi_document(snapshot, beside, certified, "th")
    assert document.overrides
    with records.reading() as session:
        named = indicator.particulars(session, snapshot, names=True)
    assert {row.name for row in explain_rows(snapshot, named, "th")} == {f"ผู้เรียน {number}" for number in range(11)}


def test_certifying_is_refused_for_each_reason(office: Classroom, clock: Clock) -> None:
    """Nobody may until it is granted, never who overrode a result of the round, and not what is unfinished."""
    records, one = office.records, finished(office, clock)
    indicator.draft(records, one, by="officer")
    assert refused(lambda: indicator.certify(records, one, by="head")) == "kpi.wrong_state"
    indicator.submit(records, one, by="officer")
    assert refused(lambda: indicator.certify(records, one, by="head", reason="x")) == "kpi.not_granted"
    for who in ("head", "instructor"):
        indicator.grant_certifier(records, who, by="admin")
    assert refused(lambda: indicator.grant_certifier(records, "head", by="admin")) == "indicator.granted"
    assert refused(lambda: indicator.certify(records, one, by="instructor", reason="x")) == "kpi.certifier_overrode"
    with records.reading() as session:
        assert [found.code for found in indicator.obstacles(session, one, by="instructor")] == [
            "kpi.certifier_overrode"
        ]
        assert indicator.obstacles(session, one, by="head") == ()
        assert indicator.certifiers(session) == {"head", "instructor"}
    indicator.revoke_certifier(records, "head", by="admin")
    assert refused(lambda: indicator.certify(records, one, by="head")) == "kpi.not_granted"
    assert refused(lambda: indicator.revoke_certifier(records, "head", by="admin")) == "indicator.not_granted"


def test_an_unfinished_round_is_certified_only_with_a_reason(office: Classroom) -> None:
    """Before the cut-off, with somebody being graded: it takes a recorded reason, and the report keeps both."""
    teach(office, ["pass"])
    office.submit(1)
    one = frozen(office)
    records = office.records
    indicator.grant_certifier(records, "head", by="admin")
    indicator.draft(records, one, by="officer")
    indicator.submit(records, one, by="officer")
    assert refused(lambda: indicator.certify(records, one, by="head")) == "kpi.round_running"
    certified = indicator.certify(records, one, by="head", reason="ผู้บริหารขอข้อมูลเบื้องต้น")
    assert [found.code for found in certified.despite] == ["kpi.round_running", "kpi.still_grading"]


def test_a_round_has_one_line_of_published_figures(office: Classroom, clock: Clock) -> None:
    """What is certified can only be corrected; a snapshot beside it, or one that was corrected, goes no further."""
    one = finished(office, clock)
    records = office.records
    indicator.grant_certifier(records, "head", by="admin")
    clock.pass_by(60)
    beside = frozen(office)
    for each in (one, beside):
        indicator.draft(records, each, by="officer")
        indicator.submit(records, each, by="officer")
    indicator.certify(records, one, by="head")
    assert refused(lambda: indicator.certify(records, beside, by="head")) == "indicator.certified"
    clock.pass_by(60)
    assert refused(lambda: frozen(office)) == "indicator.certified"
    second = frozen(office, replaces=one, reason="แก้รายชื่อ")
    clock.pass_by(60)
    third = frozen(office, replaces=second, reason="แก้อีกครั้ง")
    assert refused(lambda: indicator.draft(records, second, by="officer")) == "indicator.replaced"
    indicator.draft(records, third, by="officer")
    indicator.submit(records, third, by="officer")
    assert indicator.certify(records, third, by="head").state == "certified"
    with pytest.raises(GraderError) as caught:
        frozen(office)
    assert caught.value.params["sha256"] == third, "the last one of the line is the one to correct"


def test_who_overrode_in_another_year_may_certify(office: Classroom, clock: Clock) -> None:
    """Only results that the snapshot counts stand against a certifier."""
    clock.now = datetime(2026, 9, 1, tzinfo=UTC)
    (early,) = teach(office, ["fail"])
    overriding.override(office.records, submission=early, to="pass", by="head", reason="x")
    clock.now = datetime(2026, 11, 22, tzinfo=UTC)
    one = finished_without_override(office, clock)
    indicator.grant_certifier(office.records, "head", by="admin")
    with office.records.reading() as session:
        assert indicator.overrode(session, indicator.read(session, one)) == frozenset()
        assert indicator.obstacles(session, one, by="head") == ()


def finished_without_override(room: Classroom, clock: Clock) -> str:
    """The snapshot of a round in which one more person passed, and nobody decided anything."""
    rounds.note(room.records, seat=room.seats[1], kind="check_in", by="c", session_number=1)
    room.submit(1)
    held = claim(room.records, "w")
    assert held is not None
    assert recorded(room.records, held)
    clock.now = AFTER_CUTOFF
    return frozen(room)


def test_rules_of_a_snapshot_are_those_of_its_time(office: Classroom, clock: Clock) -> None:
    """Later settings, rounds and definitions do not reach into it."""
    one = finished(office, clock)
    indicator.revise(office.records, {"membership.withdrew": False, "kpi.target": "90"}, by="o")
    first = preset_rounds("five_five", FY)[0]
    indicator.set_round(office.records, first.model_copy(update={"cutoff_at": AFTER_CUTOFF}), by="o")
    indicator.define(office.records, FY, {"code": "1"}, by="o")
    with office.records.reading() as session:
        kept = indicator.read(session, one)
    assert kept.rules.model_dump(exclude={"course_pass_rule"}) == Rules().model_dump(exclude={"course_pass_rule"})
    assert (kept.round, kept.indicator, kept.definition_version) == (first, "indicator", 1)
