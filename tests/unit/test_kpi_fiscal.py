"""Fiscal years, rounds and periods, on the worked examples of the specification and at every border."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.errors import UsageProblem
from grader.kpi import (
    PRESETS,
    Preset,
    Round,
    bangkok_date,
    first_day,
    fiscal_year,
    fiscal_year_at,
    last_day,
    period_of,
    preset_rounds,
    quarter,
)

DATES_2570 = {
    "five_five": [("r1", "2026-10-01", "2027-02-28"), ("r2", "2027-03-01", "2027-07-31")],
    "three_six_nine_twelve": [
        ("m3", "2026-10-01", "2026-12-31"),
        ("m6", "2026-10-01", "2027-03-31"),
        ("m9", "2026-10-01", "2027-06-30"),
        ("m12", "2026-10-01", "2027-09-30"),
    ],
    "quarters": [
        ("q1", "2026-10-01", "2026-12-31"),
        ("q2", "2027-01-01", "2027-03-31"),
        ("q3", "2027-04-01", "2027-06-30"),
        ("q4", "2027-07-01", "2027-09-30"),
    ],
}


@pytest.mark.parametrize(
    ("day", "year"), [("2026-09-30", 2569), ("2026-10-01", 2570), ("2026-12-31", 2570), ("2027-01-01", 2570)]
)
def test_the_year_is_named_by_where_it_ends(day: str, year: int) -> None:
    """30 September ends a fiscal year, 1 October begins the next."""
    assert fiscal_year(date.fromisoformat(day)) == year


def test_the_year_of_a_moment_is_that_of_bangkok() -> None:
    """17:00 UTC on 30 September is midnight of 1 October in Bangkok."""
    border = datetime(2026, 9, 30, 17, tzinfo=UTC)
    assert (fiscal_year_at(border - timedelta(microseconds=1)), fiscal_year_at(border)) == (2569, 2570)
    assert bangkok_date(border) == date(2026, 10, 1)


def test_a_moment_without_a_zone_has_no_day() -> None:
    """Guessing a zone would put people into the wrong year."""
    with pytest.raises(ValueError, match="zone"):
        bangkok_date(datetime(2026, 9, 30, 17))  # noqa: DTZ001 - what is refused


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_have_the_dates_of_the_specification(preset: Preset) -> None:
    """The computed dates for 2570; cut-off and due date are left to the office."""
    rounds = preset_rounds(preset, 2570)
    assert [(one.code, str(one.start), str(one.end)) for one in rounds] == DATES_2570[preset]
    assert {(one.cutoff_at, one.report_due) for one in rounds} == {(None, None)}


def test_the_first_five_months_of_a_leap_year_end_on_the_29th() -> None:
    """February 2028 is in fiscal year 2571."""
    assert preset_rounds("five_five", 2571)[0].end == date(2028, 2, 29)


@given(st.dates(min_value=date(2000, 1, 1), max_value=date(2100, 1, 1)))
def test_every_day_is_in_its_year_and_in_the_quarter_of_that_number(day: date) -> None:
    """Year, its first and last day, and the dates of quarters agree with each other on every day."""
    year = fiscal_year(day)
    assert first_day(year) <= day <= last_day(year)
    assert last_day(year) + timedelta(days=1) == first_day(year + 1)
    inside = [one.code for one in preset_rounds("quarters", year) if one.start <= day <= one.end]
    assert inside == [f"q{quarter(day)}"]


@pytest.mark.parametrize(
    ("start", "end"), [("2026-09-30", "2027-01-01"), ("2027-09-01", "2027-10-01"), ("2027-02-01", "2027-01-01")]
)
def test_a_round_lies_in_its_year(start: str, end: str) -> None:
    """A round that begins after its end or leaves its fiscal year is refused."""
    with pytest.raises(UsageProblem) as problem:
        Round(fy_be=2570, code="x", start=date.fromisoformat(start), end=date.fromisoformat(end))
    assert problem.value.code == "kpi.round_dates"


def test_a_cut_off_does_not_lie_before_its_round() -> None:
    """Such a round could count nobody."""
    with pytest.raises(UsageProblem) as problem:
        Round(
            fy_be=2570,
            code="x",
            start=date(2026, 10, 1),
            end=date(2026, 12, 31),
            cutoff_at=datetime(2026, 9, 30, 16, tzinfo=UTC),
        )
    assert problem.value.code == "kpi.round_cutoff"


def test_without_a_cut_off_the_last_day_counts_to_its_end() -> None:
    """The last moment of 28 February in Bangkok is one tick before 17:00 UTC."""
    first, _ = preset_rounds("five_five", 2570)
    assert first.cutoff == datetime(2027, 2, 28, 17, tzinfo=UTC) - timedelta(microseconds=1)


LATE = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("cumulative", "first"), [(True, date(2026, 10, 1)), (False, date(2027, 3, 1))])
def test_a_period_begins_with_the_year_or_with_the_round(cumulative: bool, first: date) -> None:  # noqa: FBT001
    """Cumulative is from 1 October, in-round from the first day of the round."""
    calendar = preset_rounds("five_five", 2570)
    period = period_of(calendar[1], calendar=calendar, cumulative=cumulative, carry_over_years=True, as_of=LATE)
    assert (period.first, period.last, period.cutoff) == (first, date(2027, 7, 31), calendar[1].cutoff)


def test_late_passes_begin_at_the_cut_off_before_the_period() -> None:
    """In-round that is the cut-off of the round before, cumulative the last one of the year before."""
    calendar = (*preset_rounds("five_five", 2569), *preset_rounds("five_five", 2570))
    second = calendar[3]

    def passed_after(*, cumulative: bool) -> datetime:
        return period_of(
            second, calendar=calendar, cumulative=cumulative, carry_over_years=True, as_of=LATE
        ).passed_after

    assert passed_after(cumulative=False) == calendar[2].cutoff
    assert passed_after(cumulative=True) == calendar[1].cutoff


def test_without_an_earlier_cut_off_late_passes_begin_with_the_period() -> None:
    """The first moment of the period is one of them."""
    (only,) = preset_rounds("five_five", 2570)[:1]
    period = period_of(only, calendar=[only], cumulative=True, carry_over_years=True, as_of=LATE)
    assert period.passed_after == datetime(2026, 9, 30, 17, tzinfo=UTC) - timedelta(microseconds=1)


def test_a_round_that_still_runs_is_cut_at_the_data() -> None:
    """Nobody is judged by what has yet to happen."""
    calendar = preset_rounds("five_five", 2570)
    now = datetime(2026, 11, 22, 7, tzinfo=UTC)
    period = period_of(calendar[0], calendar=calendar, cumulative=True, carry_over_years=False, as_of=now)
    assert (period.cutoff, period.carried_from) == (now, date(2026, 10, 1))


@pytest.mark.parametrize(("carry_over_years", "since"), [(True, None), (False, date(2026, 10, 1))])
def test_late_passes_are_carried_within_the_year_at_least(carry_over_years: bool, since: date | None) -> None:  # noqa: FBT001
    """In-round, people of an earlier round of the same year are always carried over."""
    calendar = preset_rounds("five_five", 2570)
    period = period_of(calendar[1], calendar=calendar, cumulative=False, carry_over_years=carry_over_years, as_of=LATE)
    assert period.carried_from == since
