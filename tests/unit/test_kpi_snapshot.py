"""Snapshots are frozen, found out when they are changed, compared, and published under conditions."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from grader.errors import GraderError, UsageProblem
from grader.kpi import (
    Attempt,
    AttemptOutcome,
    Change,
    Enrolment,
    KpiSettings,
    Mark,
    Replaces,
    Report,
    Snapshot,
    certify,
    difference,
    draft,
    obstacles,
    preset_rounds,
    read_snapshot,
    send_back,
    submit,
    take_snapshot,
)

CALENDAR = preset_rounds("five_five", 2570)
CAME = datetime(2027, 2, 2, 2, tzinfo=UTC)
AFTER = datetime(2027, 3, 10, 3, tzinfo=UTC)
SETTINGS = KpiSettings().revise({"course.pass_rule": {"groups": [{"at_least": 1, "of": ["e1"]}]}})


def person(name: str, outcome: AttemptOutcome | None, **facts: Any) -> Enrolment:
    """Somebody who came and handed in one exercise, or none."""
    tried = () if outcome is None else (Attempt(exercise="e1", received_at=CAME, outcome=outcome),)
    usual = {"unit": "u1", "starts_on": date(2027, 2, 2), "check_ins": (CAME,), "attempts": tried}
    return Enrolment(id=f"seat-{name}", person=name, **(usual | facts))


PEOPLE = (person("ann", "pass"), person("ben", "fail"), person("cho", "pass"), person("dao", None))


def taken(people: Iterable[Enrolment] = PEOPLE, settings: KpiSettings = SETTINGS, **facts: Any) -> Snapshot:
    """A snapshot of the first round."""
    usual = {"indicator": "012", "definition_version": 1, "round_": CALENDAR[0], "calendar": CALENDAR, "as_of": AFTER}
    return take_snapshot(people, settings, **(usual | facts))


def test_a_snapshot_holds_the_figure_and_every_person() -> None:
    """A, B, percentage, counts and each reason; ids and no names."""
    one = taken()
    assert (one.a, one.b, str(one.percent), one.score) == (2, 4, "50.00", None)
    assert {member.key: member.reason for member in one.members} == {
        "ann": "passed",
        "ben": "failed",
        "cho": "passed",
        "dao": "no_submission",
    }
    assert dict(one.counts) == {"passed": 2, "failed": 1, "no_submission": 1}
    assert (one.settings_version, "kpi.target" in one.unconfirmed, one.final) == (2, True, True)


def test_equal_facts_give_equal_bytes() -> None:
    """Neither the order of the roster nor the zone in which a moment was written shows."""
    other_zone = AFTER.astimezone(timezone(timedelta(hours=7)))
    assert taken(reversed(PEOPLE), as_of=other_zone).canonical() == taken().canonical()


def test_the_document_is_canonical_json_and_its_digest_that_of_the_file() -> None:
    """Keys in order, no blanks, no binary fractions; the digest is what sha256sum says."""
    settings = SETTINGS.revise({"kpi.target": "80.50", "kpi.weight": "20"})
    one = taken(settings=settings)
    document = json.loads(one.canonical(), parse_float=lambda text: pytest.fail(f"{text} is a binary fraction"))
    canonical = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    assert one.canonical() == canonical
    assert one.sha256 == hashlib.sha256(canonical).hexdigest()
    assert (document["format"], document["percent"], document["as_of"]) == (
        "kpi-snapshot/1",
        "50.00",
        "2027-03-10T03:00:00Z",
    )


def test_a_snapshot_comes_back_as_it_was() -> None:
    """Reading the file with the printed digest gives the same snapshot and the same bytes."""
    levels = {"kpi.scoring": "five_level_linear", "kpi.level_thresholds": ["40", "45", "50", "55", "60"]}
    one = taken(settings=SETTINGS.revise(levels | {"kpi.weight": "20"}))
    back = read_snapshot(one.canonical(), one.sha256)
    assert back == one
    assert back.canonical() == one.canonical()
    assert (str(back.score), str(back.weighted_score)) == ("3.0000", "0.6000")


def test_a_changed_byte_is_found() -> None:
    """Another document has another digest, also when its figure is right."""
    one = taken()
    with pytest.raises(GraderError) as problem:
        read_snapshot(one.canonical().replace(b'"indicator":"012"', b'"indicator":"013"'), one.sha256)
    assert problem.value.code == "kpi.snapshot_changed"


@pytest.mark.parametrize(
    "change",
    [
        {"a": 3},
        {"b": 5},
        {"percent": "50.01"},
        {"score": "5.0000"},
        {"counts": {"passed": 4}},
        {"format": "kpi-snapshot/2"},
        {"extra": 1},
    ],
)
def test_a_forged_figure_is_found_although_its_digest_is_right(change: dict[str, Any]) -> None:
    """The figure must be that of the people in the document."""
    forged = json.dumps(json.loads(taken().canonical()) | change).encode()
    with pytest.raises(GraderError) as problem:
        read_snapshot(forged, hashlib.sha256(forged).hexdigest())
    assert problem.value.code == "kpi.snapshot_changed"


@pytest.mark.parametrize(
    ("index", "change"), [(1, {"key": "ann"}), (1, {"key": "zoe"}), (0, {"in_b": False, "in_a": True})]
)
def test_members_are_in_order_once_and_a_is_a_part_of_b(index: int, change: dict[str, Any]) -> None:
    """A document that lists somebody twice, or a pass outside of B, is none of ours."""
    document = json.loads(taken().canonical())
    document["members"][index] |= change
    document["b"] = sum(member["in_b"] for member in document["members"])
    document["percent"] = "66.67" if document["b"] == 3 else "50.00"
    with pytest.raises(ValidationError):
        Snapshot.model_validate(document)


def test_nothing_of_a_snapshot_can_be_changed() -> None:
    """A frozen value refuses assignment."""
    with pytest.raises(ValidationError, match="frozen"):
        taken().a = 3


def test_units_of_a_snapshot_hide_small_numbers() -> None:
    """The table of units is made from the snapshot's own people and settings."""
    people = [person(f"p{number}", "pass", unit="big") for number in range(6)] + [person("x", "fail", unit="small")]
    table = taken(people).units
    assert {row.unit: row.hidden for row in table.rows} == {"big": "protects", "small": "small"}
    assert (table.total.a, table.total.b) == (6, 7)


# -- corrections and differences --------------------------------------------------------------------------------------


def test_a_correction_names_what_it_replaces_and_why() -> None:
    """The digest of the old snapshot and a reason are part of the new one, and so of its digest."""
    old = taken()
    new = taken(as_of=AFTER + timedelta(days=1), replaces=Replaces(sha256=old.sha256, reason="ปรับผลตามคำขอทบทวน"))
    assert json.loads(new.canonical())["replaces"] == {"sha256": old.sha256, "reason": "ปรับผลตามคำขอทบทวน"}
    for wrong in ({"sha256": old.sha256, "reason": "  "}, {"sha256": "abc", "reason": "x"}):
        with pytest.raises(ValidationError):
            Replaces(**wrong)


def test_the_difference_says_who_moved_and_why() -> None:
    """Overrides, a late entry, a withdrawal and a vanished seat: each with the moves and both reasons."""
    gone = Mark(at=CAME + timedelta(days=1), kind="withdrew")
    now = (
        replace(PEOPLE[0], marks=(gone,)),
        person("ben", "pass"),
        person("dao", "fail"),
        person("eve", "pass"),
        person("fay", None, check_ins=()),
    )
    found = difference(taken(), taken(now))
    assert found.changes == (
        Change(key="ann", moves=("left_a",), before="passed", after="withdrew"),
        Change(key="ben", moves=("entered_a",), before="failed", after="passed"),
        Change(key="cho", moves=("left_b", "left_a"), before="passed", after=None),
        Change(key="eve", moves=("entered_b", "entered_a"), before=None, after="passed"),
    )
    assert (found.count("entered_a"), found.count("left_b"), found.settings) == (2, 1, ())


def test_the_difference_of_a_snapshot_to_itself_is_empty() -> None:
    """A new computation that comes to the same says so."""
    found = difference(taken(), taken(as_of=AFTER + timedelta(days=9)))
    assert (found.changes, found.settings) == ((), ())


def test_a_changed_setting_is_part_of_the_difference() -> None:
    """Who left B because of a setting is listed, and the setting is named."""
    excluded = Mark(at=CAME + timedelta(days=1), kind="excluded", by="head", reason="x", document="no. 1")
    people = [replace(PEOPLE[1], marks=(excluded,))]
    found = difference(taken(people), taken(people, SETTINGS.revise({"membership.excluded": False})))
    assert found.settings == ("membership.excluded",)
    assert found.changes == (Change(key="ben", moves=("left_b",), before="excluded", after="excluded"),)


def test_people_and_seats_are_not_compared() -> None:
    """Their keys mean different things."""
    with pytest.raises(UsageProblem) as problem:
        difference(taken(), taken(settings=SETTINGS.revise({"membership.count_by": "seat"})))
    assert problem.value.code == "kpi.not_comparable"


# -- publishing -------------------------------------------------------------------------------------------------------

GRANTED = frozenset({"boss"})
NOBODY: frozenset[str] = frozenset()
WAITING = (*PEOPLE, person("eve", "grading"), person("fay", "grader_fault"), person("gus", "grader_fault"))


def certified(snapshot: Snapshot, report: Report | None = None, **facts: Any) -> Report:
    """An attempt to certify by a certifier who overrode nothing."""
    waiting = report or submit(draft(snapshot, by="coordinator"), at=AFTER)
    return certify(
        waiting, snapshot, **({"by": "boss", "at": AFTER, "certifiers": GRANTED, "overrode": NOBODY} | facts)
    )


def refusal(snapshot: Snapshot, report: Report | None = None, **facts: Any) -> str:
    """The code with which certifying is refused."""
    with pytest.raises(GraderError) as problem:
        certified(snapshot, report, **facts)
    return problem.value.code


def test_a_report_goes_from_draft_to_certified() -> None:
    """Each state leads to the next only; a certified report leads nowhere."""
    snapshot = taken()
    first = draft(snapshot, by="coordinator")
    waiting = submit(first, at=AFTER)
    done = certified(snapshot, waiting)
    assert [one.state for one in (first, waiting, done)] == ["draft", "awaiting", "certified"]
    assert (done.certified_by, done.certified_at, done.despite) == ("boss", AFTER, ())
    assert refusal(snapshot, first) == "kpi.wrong_state"
    assert refusal(snapshot, done) == "kpi.wrong_state"
    for step in (
        lambda: submit(waiting, at=AFTER),
        lambda: send_back(done, reason="x"),
        lambda: submit(done, at=AFTER),
    ):
        with pytest.raises(UsageProblem) as problem:
            step()
        assert problem.value.code == "kpi.wrong_state"


def test_unconfirmed_settings_are_named_and_do_not_stop_it() -> None:
    """The certified report carries the list of what nobody confirmed."""
    snapshot = taken()
    assert certified(snapshot).unconfirmed == snapshot.unconfirmed
    assert "kpi.target" in certified(snapshot).unconfirmed


def test_a_report_is_sent_back_with_a_reason() -> None:
    """It is a draft again; without a reason nobody would know what to mend."""
    waiting = submit(draft(taken(), by="coordinator"), at=AFTER)
    back = send_back(waiting, reason="ขาดเอกสาร")
    assert (back.state, back.sent_back_because, back.submitted_at) == ("draft", "ขาดเอกสาร", None)
    assert submit(back, at=AFTER).sent_back_because == ""
    with pytest.raises(UsageProblem) as problem:
        send_back(waiting, reason=" ")
    assert problem.value.code == "kpi.reason_missing"


def test_unfinished_gradings_and_faults_need_a_reason() -> None:
    """Everything that stands against it is listed; with a reason it is certified and the report says despite what."""
    snapshot = taken(WAITING)
    found = obstacles(snapshot, by="boss", certifiers=GRANTED, overrode=NOBODY)
    assert [(one.code, one.count) for one in found] == [("kpi.still_grading", 1), ("kpi.grader_faults", 2)]
    assert refusal(snapshot) == "kpi.still_grading"
    assert refusal(snapshot, reason="  ") == "kpi.still_grading"
    assert refusal(taken(WAITING[5:])) == "kpi.grader_faults"
    done = certified(snapshot, reason="ระบบหยุดเพื่อบำรุงรักษา")
    assert (done.state, done.despite, done.reason) == ("certified", found, "ระบบหยุดเพื่อบำรุงรักษา")


def test_a_round_that_still_runs_needs_a_reason() -> None:
    """The figure may change until the cut-off."""
    early = taken(as_of=CALENDAR[0].cutoff - timedelta(seconds=1))
    assert not early.final
    assert refusal(early) == "kpi.round_running"
    assert certified(early, reason="x").state == "certified"
    assert taken(as_of=CALENDAR[0].cutoff).final


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"certifiers": NOBODY}, "kpi.not_granted"),
        ({"by": "coordinator"}, "kpi.not_granted"),
        ({"overrode": GRANTED}, "kpi.certifier_overrode"),
    ],
)
def test_no_reason_replaces_the_right_to_certify(facts: dict[str, Any], code: str) -> None:
    """Nobody certifies without the grant, and nobody who overrode a result of the round."""
    assert refusal(taken(), **facts, reason="because") == code


def test_what_is_certified_is_the_snapshot_of_the_report() -> None:
    """A newer snapshot under an old report would certify what nobody looked at."""
    old = submit(draft(taken(), by="coordinator"), at=AFTER)
    assert refusal(taken(PEOPLE[:2]), old) == "kpi.other_snapshot"
