"""Who is in B and in A: each row of the membership table, and every border between two rows."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from grader.errors import UsageProblem
from grader.kpi import (
    Attempt,
    AttemptOutcome,
    Decision,
    Enrolment,
    Group,
    Mark,
    MarkKind,
    PassRule,
    Period,
    Placement,
    Rules,
    assess,
    decided,
    place,
    place_seats,
    status_at,
)
from grader.kpi.fiscal import BANGKOK

RULE = PassRule(groups=(Group(at_least=2, of=("e1", "e2")), Group(at_least=1, of=("e6", "e7"))))
RULES = Rules(course_pass_rule=RULE)
DAY_1 = date(2027, 2, 2)


def at(text: str) -> datetime:
    """A moment in Bangkok: ``02-10`` or ``02-10 09:00``, in 2027."""
    return datetime.fromisoformat(f"2027-{text}").replace(tzinfo=BANGKOK)


CUTOFF = at("03-10")
TICK = timedelta(microseconds=1)
PERIOD = Period(first=date(2026, 10, 1), last=date(2027, 2, 28), cutoff=CUTOFF, passed_after=at("01-01"))


def attempts(*exercises: str, on: str = "02-20", outcome: AttemptOutcome = "pass") -> tuple[Attempt, ...]:
    """One attempt at each exercise."""
    return tuple(Attempt(exercise=one, received_at=at(on), outcome=outcome) for one in exercises)


ALL = attempts("e1", "e2", "e7")


def mark(kind: MarkKind, on: str) -> Mark:
    """A complete note of the coordinator."""
    return Mark(at=at(on), kind=kind, by="head", reason="a reason", document="no. 1/2570")


def seat(**facts: Any) -> Enrolment:
    """A seat of somebody who registered, with more facts."""
    usual = {"id": "s1", "person": "p1", "unit": "u1", "starts_on": DAY_1, "registered_at": at("01-15")}
    return Enrolment(**(usual | facts))


def came(**facts: Any) -> Enrolment:
    """A seat of somebody who came on the first day, with more facts."""
    return seat(check_ins=(at("02-02 09:00"),), **facts)


def only(enrolments: Iterable[Enrolment] | Enrolment, rules: Rules = RULES, period: Period = PERIOD) -> Placement:
    """The place of the only person."""
    (one,) = place([enrolments] if isinstance(enrolments, Enrolment) else enrolments, rules, period)
    return one


ROWS = {
    "no_reply": (seat(registered_at=None), "no_reply", None, False, False),
    "declined": (seat(marks=(mark("declined", "02-01"),)), "declined", None, False, False),
    "no_show": (seat(), "no_show", None, False, False),
    "replaced": (seat(marks=(mark("replaced", "02-01"),)), "replaced", None, False, False),
    "passed": (came(attempts=ALL), "attended", "passed", True, True),
    "failed": (came(attempts=attempts("e1", "e2")), "attended", "failed", True, False),
    "withdrew": (came(marks=(mark("withdrew", "02-03"),)), "withdrew", "no_submission", True, False),
    "excluded": (came(marks=(mark("excluded", "02-03"),)), "excluded", "no_submission", True, False),
    "no_submission": (came(), "attended", "no_submission", True, False),
    "grading": (
        came(attempts=attempts("e1", "e2") + attempts("e7", outcome="grading")),
        "attended",
        "grading",
        True,
        False,
    ),
    "grader_fault": (
        came(attempts=attempts("e1") + attempts("e2", outcome="grader_fault")),
        "attended",
        "grader_fault",
        True,
        False,
    ),
    "passed_late": (
        came(attempts=attempts("e1", "e2") + attempts("e7", on="03-11")),
        "attended",
        "passed_late",
        True,
        False,
    ),
    "external": (came(part="external", attempts=ALL), "external", None, False, False),
    "observer": (came(part="observer", attempts=ALL), "observer", None, False, False),
    "not_started": (seat(starts_on=None), "not_started", None, False, False),
}


@pytest.mark.parametrize("reason", ROWS)
def test_every_row_of_the_table(reason: str) -> None:
    """Status, result, B and A of each row of the specification, with its reason."""
    enrolment, status, result, in_b, in_a = ROWS[reason]
    one = only(enrolment)
    assert (one.reason, one.status, one.result, one.in_b, one.in_a) == (reason, status, result, in_b, in_a)
    assert one.code == f"membership.{reason}"


# -- entering ---------------------------------------------------------------------------------------------------------


def test_a_first_submission_is_entering() -> None:
    """Who never checked in but handed something in has entered, even when it did not pass."""
    one = only(seat(attempts=attempts("e1", outcome="fail")))
    assert (one.status, one.reason, one.in_b, one.entered_at) == ("attended", "failed", True, at("02-20"))


def test_a_fact_at_the_cut_off_counts_and_one_after_it_does_not() -> None:
    """The cut-off is the last moment that counts."""
    later = at("03-10 00:00:00.000001")
    period = Period(first=date(2026, 10, 1), last=date(2027, 7, 31), cutoff=CUTOFF, passed_after=at("01-01"))
    assert only(seat(check_ins=(CUTOFF,)), period=period).in_b
    assert only(seat(check_ins=(later,)), period=period).reason == "no_show"
    assert only(came(attempts=ALL[:2] + attempts("e6", on="03-10"))).in_a
    assert only(came(marks=(Mark(at=CUTOFF, kind="withdrew"),))).reason == "withdrew"
    assert only(came(marks=(Mark(at=later, kind="withdrew"),))).reason == "no_submission"


def test_the_day_of_entering_is_that_of_bangkok() -> None:
    """23:59 of the last day is in the round, midnight after it is not."""
    assert only(seat(check_ins=(at("02-28 23:59"),))).in_b
    assert only(seat(check_ins=(at("03-01 00:00"),))).reason == "outside_period"
    before = datetime(2026, 9, 30, 23, 59, tzinfo=BANGKOK)
    assert only(seat(check_ins=(before,))).reason == "outside_period"
    assert only(seat(check_ins=(before.replace(month=10, day=1, hour=0, minute=0),))).in_b


def test_two_facts_of_one_moment() -> None:
    """A note of the moment of the first check-in stands, and of two notes of a moment the later in the list."""
    came_at = "02-02 09:00"
    assert only(came(marks=(mark("withdrew", came_at),))).reason == "withdrew"
    assert only(came(marks=(mark("withdrew", "02-05"), mark("excluded", "02-05")))).reason == "excluded"
    assert only(came(marks=(mark("excluded", "02-05"), mark("withdrew", "02-05")))).reason == "withdrew"


def test_the_first_and_the_last_moment_of_a_period_belong_to_it() -> None:
    """To the tick on both ends, also where late passes begin to be carried over."""
    first = datetime(2026, 10, 1, tzinfo=BANGKOK)
    for moment, reason in (
        (first, "no_submission"),
        (first - TICK, "outside_period"),
        (at("03-01") - TICK, "no_submission"),
        (at("03-01"), "outside_period"),
    ):
        assert only(seat(check_ins=(moment,))).reason == reason
    second = Period(
        first=date(2027, 3, 1),
        last=date(2027, 7, 31),
        cutoff=at("08-10"),
        passed_after=CUTOFF,
        carried_from=date(2026, 10, 1),
    )
    late = attempts("e1", "e2", "e7", on="04-01")
    assert only(seat(check_ins=(first,), attempts=late), period=second).reason == "carried"
    assert only(seat(check_ins=(first - TICK,), attempts=late), period=second).reason == "outside_period"


def test_facts_are_kept_in_utc() -> None:
    """Whatever zone they come in, so that they compare fast and are written alike."""
    enrolment = came(attempts=ALL, marks=(mark("cleared", "02-03"),))
    moments = [enrolment.registered_at, *enrolment.check_ins, ALL[0].received_at, enrolment.marks[0].at]
    assert {moment.tzinfo for moment in moments if moment} == {UTC}
    assert enrolment.check_ins == (at("02-02 09:00"),)


# -- notes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "reason"), [("declined", "no_show"), ("withdrew", "no_show"), ("excluded", "declined")]
)
def test_only_notice_before_day_1_or_a_memo_saves_from_no_show(kind: MarkKind, reason: str) -> None:
    """A cancellation noted on day 1 or later is a no-show, so that it cannot hide one; an approved memo is notice."""
    assert only(seat(marks=(mark(kind, "02-02 00:00"),))).reason == reason
    assert only(seat(marks=(mark(kind, "02-01 23:59"),))).reason == "declined"


@pytest.mark.parametrize("kind", ["declined", "withdrew", "excluded", "replaced"])
def test_who_came_after_a_note_came(kind: MarkKind) -> None:
    """A note from before the first check-in is void once the person is there."""
    assert only(came(marks=(mark(kind, "02-01"),), attempts=ALL)).reason == "passed"


@pytest.mark.parametrize("kind", ["declined", "withdrew", "replaced"])
def test_whatever_the_note_leaving_after_coming_is_withdrawing(kind: MarkKind) -> None:
    """Nobody who entered leaves B by being called declined or replaced, not even after all passes."""
    one = only(came(marks=(mark(kind, "02-25"),), attempts=ALL))
    assert (one.reason, one.result, one.in_b, one.in_a) == ("withdrew", "passed", True, False)


def test_a_note_can_be_taken_back() -> None:
    """The last note at the cut-off stands; a submission alone takes nothing back."""
    notes = (mark("withdrew", "02-10"), mark("cleared", "02-12"))
    assert only(came(marks=notes, attempts=ALL)).in_a
    assert only(came(marks=notes[:1], attempts=ALL)).reason == "withdrew"
    assert only(came(marks=(*reversed(notes), mark("excluded", "03-11")), attempts=ALL)).in_a


def test_a_late_cancellation_by_somebody_who_never_registered_is_no_reply() -> None:
    """A no-show is somebody who had registered by the cut-off."""
    assert only(seat(registered_at=None, marks=(mark("declined", "02-02"),))).reason == "no_reply"
    assert only(seat(registered_at=CUTOFF)).reason == "no_show"
    assert only(seat(registered_at=CUTOFF + TICK)).reason == "no_reply"


def test_before_day_1_nobody_is_a_no_show() -> None:
    """Who has not registered or come to a training that has yet to begin is counted among neither."""
    early = Period(first=date(2026, 10, 1), last=date(2027, 2, 28), cutoff=at("02-01 23:59"), passed_after=at("01-01"))
    assert only(seat(), period=early).reason == "not_started"
    assert only(seat(registered_at=None), period=early).reason == "not_started"
    assert only(seat(), period=early.model_copy(update={"cutoff": at("02-02 00:00")})).reason == "no_show"


def test_an_absence_belongs_to_the_period_of_day_1() -> None:
    """A no-show of another period is not shown beside this figure; an outsider is one in every period."""
    assert only(seat(part="external", starts_on=date(2026, 9, 30))).reason == "external"
    assert only(seat(starts_on=date(2026, 10, 1))).reason == "no_show"
    assert only(seat(starts_on=date(2027, 2, 28))).reason == "no_show"
    assert only(seat(starts_on=date(2026, 9, 30))).reason == "outside_period"
    assert only(seat(starts_on=date(2027, 3, 1))).reason == "outside_period"


@pytest.mark.parametrize("missing", ["by", "reason", "document"])
def test_an_exclusion_needs_who_why_and_a_document(missing: str) -> None:
    """Without them it would be a way to make failures vanish."""
    with pytest.raises(UsageProblem) as problem:
        replace(mark("excluded", "02-03"), **{missing: " "})
    assert (problem.value.code, problem.value.params) == ("kpi.exclusion_incomplete", {"missing": missing})


def test_moments_without_a_zone_are_refused() -> None:
    """A fact whose moment is ambiguous gets into no roster."""
    bare = datetime(2027, 2, 2)  # noqa: DTZ001 - what is refused
    for make in (
        lambda: seat(check_ins=(bare,)),
        lambda: seat(registered_at=bare),
        lambda: Mark(at=bare, kind="withdrew"),
        lambda: Attempt(exercise="e1", received_at=bare, outcome="pass"),
    ):
        with pytest.raises(ValueError, match="zone"):
            make()


# -- settings of the table --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["withdrew", "excluded"])
def test_withdrawn_and_excluded_can_be_left_out_of_b(kind: MarkKind) -> None:
    """A setting of each row; the reason stays, so that the number can still be printed."""
    rules = Rules(course_pass_rule=RULE, **{f"membership_{kind}": False})
    one = only(came(marks=(mark(kind, "02-25"),), attempts=ALL), rules)
    assert (one.reason, one.in_b, one.in_a) == (kind, False, False)


def test_external_people_can_count_and_observers_never() -> None:
    """When the office says so, an external participant is a trainee like others; an observer has no setting."""
    rules = Rules(course_pass_rule=RULE, membership_external=True)
    assert only(came(part="external", attempts=ALL), rules).in_a
    assert only(seat(part="external"), rules).reason == "no_show"
    assert only(came(part="observer", attempts=ALL), rules).reason == "observer"
    with pytest.raises(ValueError, match="membership_observer"):
        Rules(membership_observer=True)


def test_a_late_pass_of_an_earlier_round_counts_in_this_one() -> None:
    """Entered before the period, passed after the cut-off before it: in B and A here, and once only."""
    second = Period(first=date(2027, 3, 1), last=date(2027, 7, 31), cutoff=at("08-10"), passed_after=CUTOFF)
    late = came(attempts=ALL[:2] + attempts("e7", on="03-11"))
    assert (only(late).reason, only(late, period=second).reason) == ("passed_late", "carried")
    assert (only(late, period=second).in_b, only(late, period=second).in_a) == (True, True)
    in_time = came(attempts=ALL[:2] + attempts("e7", on="03-10"))
    assert (only(in_time).reason, only(in_time, period=second).reason) == ("passed", "outside_period")
    gone = replace(late, marks=(mark("withdrew", "04-01"),))
    assert only(gone, period=second).reason == "outside_period"
    this_year = second.model_copy(update={"carried_from": date(2027, 2, 3)})
    assert only(late, period=this_year).reason == "outside_period"
    assert only(late, period=this_year.model_copy(update={"carried_from": date(2027, 2, 2)})).reason == "carried"


def test_who_comes_only_after_the_period_is_no_late_pass_of_it() -> None:
    """Passing early in the next round is a matter of that round."""
    ahead = Period(first=date(2026, 10, 1), last=date(2027, 1, 31), cutoff=at("03-10"), passed_after=at("01-01"))
    assert only(came(attempts=ALL), period=ahead).reason == "outside_period"


# -- several seats of one person --------------------------------------------------------------------------------------


def test_a_person_counts_once_and_passes_if_passed_in_any() -> None:
    """Failed in one training round and passed in another: one in B, one in A, with the unit of the pass."""
    failed = came(attempts=attempts("e1"))
    passed = replace(came(attempts=ALL), id="s2", unit="u2")
    one = only([failed, passed])
    assert (one.key, one.unit, one.enrolment, one.in_a, one.seats) == ("p1", "u2", "s2", True, 2)
    seats = place([failed, passed], Rules(course_pass_rule=RULE, membership_count_by="seat"), PERIOD)
    assert [(one.key, one.in_b, one.in_a) for one in seats] == [("s1", True, False), ("s2", True, True)]
    assert seats == place_seats([passed, failed], RULES, PERIOD)


def test_halves_of_two_training_rounds_make_no_pass() -> None:
    """The course is passed within one training round."""
    halves = [came(attempts=attempts("e1", "e2")), replace(came(attempts=attempts("e7")), id="s2")]
    assert only(halves).reason == "failed"


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (seat(), "failed"),
        (came(part="observer"), "failed"),
        (came(marks=(mark("withdrew", "02-03"),)), "failed"),
        (came(attempts=attempts("e1", outcome="grading")), "grading"),
        (came(attempts=attempts("e1", outcome="grader_fault")), "grader_fault"),
    ],
)
def test_of_several_seats_what_may_still_change_is_shown(other: Enrolment, reason: str) -> None:
    """A person who waits for us is not listed as one who failed, and one who came not as one who did not."""
    failed = came(attempts=attempts("e1"))
    for seats in ([failed, replace(other, id="s2")], [replace(other, id="s2"), failed]):
        assert only(seats).reason == reason


def test_a_seat_in_b_wins_over_one_that_settings_leave_out() -> None:
    """Somebody excluded here and present there is in B, because of there."""
    rules = Rules(course_pass_rule=RULE, membership_excluded=False)
    one = only([came(marks=(mark("excluded", "02-03"),)), replace(came(), id="s2")], rules)
    assert (one.in_b, one.enrolment, one.seats) == (True, "s2", 1)


def test_a_seat_in_b_wins_whatever_the_order_of_reasons() -> None:
    """Withdrawn people left out, excluded ones in: the person is in B for the exclusion."""
    rules = Rules(course_pass_rule=RULE, membership_withdrew=False)
    withdrew = came(marks=(mark("withdrew", "02-03"),))
    one = only([withdrew, replace(came(marks=(mark("excluded", "02-03"),)), id="s2")], rules)
    assert (one.in_b, one.reason) == (True, "excluded")


# -- results ----------------------------------------------------------------------------------------------------------


def decision(by: str, outcome: str, hour: int) -> Decision:
    """A decision at an hour of one day."""
    return Decision(at=at(f"02-21 {hour:02}:00"), by=by, outcome=outcome)


@pytest.mark.parametrize(
    ("decisions", "outcome"),
    [
        ((), "grading"),
        ((decision("grading", "fail", 1),), "fail"),
        ((decision("grading", "grader_fault", 1),), "grader_fault"),
        ((decision("grading", "grader_fault", 1), decision("grading", "pass", 2)), "pass"),
        ((decision("grading", "pass", 1), decision("regrade", "fail", 2)), "fail"),
        ((decision("grading", "pass", 1), decision("regrade", "grader_fault", 2)), "pass"),
        ((decision("grading", "fail", 1), decision("override", "pass", 2)), "pass"),
        ((decision("grading", "fail", 1), decision("override", "pass", 2), decision("regrade", "fail", 3)), "pass"),
        ((decision("override", "pass", 2), decision("override", "fail", 3), decision("grading", "pass", 4)), "fail"),
        ((decision("grading", "grader_fault", 1), decision("override", "pass", 1)), "pass"),
    ],
)
def test_what_was_decided_about_an_attempt(decisions: tuple[Decision, ...], outcome: str) -> None:
    """The last override, else the last automatic result, else our fault; in whatever order they are given."""
    assert decided(decisions) == outcome
    assert decided(reversed(decisions)) == outcome


def test_the_grading_may_end_after_the_cut_off() -> None:
    """An attempt counts by when it was received: once graded, the round has it, however long that took."""
    waiting = came(attempts=ALL[:2] + attempts("e7", on="03-09", outcome="grading"))
    graded = came(attempts=ALL[:2] + attempts("e7", on="03-09"))
    assert (only(waiting).reason, only(graded).reason) == ("grading", "passed")


def test_the_best_attempt_counts() -> None:
    """A fail, a fault or a grading of an exercise that was passed changes nothing."""
    more = (
        *attempts("e1", on="02-25", outcome="fail"),
        *attempts("e2", on="02-25", outcome="grader_fault"),
        *attempts("e7", on="02-25", outcome="grading"),
    )
    assert only(came(attempts=ALL + more)).reason == "passed"
    assert only(came(attempts=ALL[:2] + more[:2])).reason == "failed"


def test_gradings_that_cannot_change_the_result_do_not_block() -> None:
    """An exercise outside of the course may wait without holding up the report."""
    assert only(came(attempts=attempts("e1") + attempts("e8", outcome="grading"))).reason == "failed"


def test_a_later_pass_does_not_end_a_grading_of_before() -> None:
    """What waits from before the cut-off may still be a pass of this round, even if a later one passed already."""
    waiting = attempts("e1", outcome="grading")
    late = attempts("e1", on="03-11")
    assert only(came(attempts=ALL[1:] + waiting + late)).reason == "grading"
    assert only(came(attempts=ALL[1:] + late)).reason == "passed_late"


def test_what_is_handed_in_at_the_cut_off_is_and_later_is_not() -> None:
    """A fail at the last moment is a fail, one tick later there was no submission."""
    last, later = (Attempt(exercise="e1", received_at=moment, outcome="fail") for moment in (CUTOFF, CUTOFF + TICK))
    assert only(came(attempts=(last,))).reason == "failed"
    assert only(came(attempts=(later,))).reason == "no_submission"


def test_a_fault_shows_before_a_grading() -> None:
    """Of both, the one that somebody must act on."""
    both = attempts("e1", outcome="grading") + attempts("e2", outcome="grader_fault")
    assert only(came(attempts=both)).reason == "grader_fault"


@pytest.mark.parametrize(("share", "sessions", "owed"), [("80", 6, 5), ("50", 6, 3), ("0", 6, 0), ("33.4", 3, 2)])
def test_attendance_is_asked_for_where_the_office_says_so(share: str, sessions: int, owed: int) -> None:
    """The share is rounded up to whole sessions, and the pass begins with the last one that was owed."""
    rules = Rules(course_pass_rule=RULE, course_min_attendance_pct=Decimal(share))

    def with_days(days: int) -> Enrolment:
        check_ins = tuple(at(f"02-{2 + day:02} 09:00") for day in range(days))
        return seat(sessions=sessions, check_ins=check_ins, attempts=ALL)

    assert only(with_days(owed), rules).in_a
    assert only(with_days(owed)).in_a
    if owed:
        assert only(with_days(owed - 1), rules).reason == "failed"
        late = replace(with_days(owed - 1), check_ins=(at("03-11"), *with_days(owed - 1).check_ins))
        assert only(late, rules).reason == "passed_late"


def test_where_no_session_was_held_none_is_owed() -> None:
    """A course on one's own is not failed for attendance."""
    rules = Rules(course_pass_rule=RULE, course_min_attendance_pct=Decimal(80))
    assert only(seat(attempts=ALL), rules).in_a


def test_the_pass_begins_when_the_last_needed_exercise_came_in() -> None:
    """Of one of e6 and e7 the earlier counts, of several passes of one exercise the first."""
    passes = (
        *attempts("e1", on="02-05"),
        *attempts("e2", on="02-20"),
        *attempts("e2", on="02-10"),
        *attempts("e6", on="02-18"),
        *attempts("e7", on="02-12"),
    )
    found = assess(came(attempts=passes), rule=RULE, min_attendance_pct=None, cutoff=CUTOFF)
    assert found == ("passed", at("02-12"))


@pytest.mark.parametrize("groups", [((3, ("e1", "e2")),), ((1, ("e1", "e1")),), ((1, ("e1",)), (1, ("e1", "e2")))])
def test_a_rule_that_cannot_be_met_or_counts_twice_is_refused(groups: tuple[tuple[int, tuple[str, ...]], ...]) -> None:
    """More than there are, or one exercise in two places."""
    with pytest.raises(UsageProblem) as problem:
        PassRule(groups=tuple(Group(at_least=least, of=of) for least, of in groups))
    assert problem.value.code == "kpi.pass_rule"


def test_the_status_alone_can_be_asked_for() -> None:
    """A roster page shows the status at any moment, without a period."""
    enrolment = came(marks=(mark("withdrew", "02-10"),))
    moments = ("02-01", "02-02 09:00", "02-10")
    assert [status_at(enrolment, cutoff=at(one)) for one in moments] == ["not_started", "attended", "withdrew"]
    assert status_at(came(part="external"), cutoff=CUTOFF) == "external"
    assert status_at(came(part="external"), cutoff=CUTOFF, external_counts=True) == "attended"
