"""Days and moments as people in Bangkok write them."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from grader.reports.dates import day, in_bangkok, moment


@pytest.mark.parametrize(
    ("value", "thai", "english"),
    [
        (datetime(2026, 11, 22, 7, 5, tzinfo=UTC), "22 พ.ย. 2569 14:05 น.", "22 Nov 2026 14:05 (Bangkok)"),
        (datetime(2026, 12, 31, 18, tzinfo=UTC), "1 ม.ค. 2570 01:00 น.", "1 Jan 2027 01:00 (Bangkok)"),
        (datetime(2026, 9, 30, 17, tzinfo=UTC), "1 ต.ค. 2569 00:00 น.", "1 Oct 2026 00:00 (Bangkok)"),
    ],
)
def test_a_moment_is_told_by_the_clock_of_bangkok(value: datetime, thai: str, english: str) -> None:
    """The day and the year are those of Bangkok, whatever zone the moment was written in."""
    elsewhere = value.astimezone(timezone(timedelta(hours=-8)))
    assert (moment(value, "th"), moment(elsewhere, "th"), moment(value, "en")) == (thai, thai, english)


def test_every_month_has_its_name() -> None:
    """Twelve different names in each language, and a leap day."""
    months = [date(2028, month, 29) for month in range(1, 13)]
    assert (
        len({day(one, "th").split()[1] for one in months}) == len({day(one, "en").split()[1] for one in months}) == 12
    )
    assert (day(date(2028, 2, 29), "th"), day(date(2028, 2, 29), "en")) == ("29 ก.พ. 2571", "29 Feb 2028")


def test_a_moment_without_a_zone_is_refused() -> None:
    """Nobody can know which moment it is."""
    with pytest.raises(ValueError, match="zone"):
        in_bangkok(datetime(2026, 11, 22))  # noqa: DTZ001 - that is the point
