"""Dates as two agencies write them: HDC in CE, DOPA in BE and with "00" for what nobody knows."""

import re
from datetime import date
from functools import lru_cache
from typing import NamedTuple

BE_OFFSET = 543
FISCAL_YEAR_STARTS = 10  # October

EIGHT_DIGITS = "([0-9]{4})([0-9]{2})([0-9]{2})"

THAI_DIGITS = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")

DAYS_KEPT = 20_000  # the same few thousand days are read again for every answer


class PartialDate(NamedTuple):
    """A CE date; month and day are 0 where the registry has "00"."""

    year: int
    month: int
    day: int

    def agrees(self, other: "PartialDate") -> bool:
        """Both are the same date."""
        return self == other

    @property
    def exact(self) -> date | None:
        return _existing(self.year, self.month, self.day)


@lru_cache(DAYS_KEPT)
def ce_date(text: str | None) -> date | None:
    """An HDC date; whatever is not eight digits of an existing day counts as not recorded."""
    found = re.fullmatch(EIGHT_DIGITS, (text or "").strip())
    return _existing(*map(int, found.groups())) if found else None


@lru_cache(DAYS_KEPT)
def hdc_birth(text: str | None) -> PartialDate | None:
    """A birth in HDC."""
    found = re.fullmatch(EIGHT_DIGITS, (text or "").strip())
    if found is None:
        return None
    year, month, day = map(int, found.groups())
    return PartialDate(year, month, day)


@lru_cache(DAYS_KEPT)
def dopa_date(text: str) -> PartialDate:
    """A BE date of eight digits. The year becomes CE before anything is parsed: 29 Feb 2567 exists, in 2024 CE."""
    year, month, day = int(text[:4]) - BE_OFFSET, int(text[4:6]), int(text[6:])
    return PartialDate(year, month, day)


def fiscal_year_be(day: date) -> int:
    """The Thai fiscal year, named after the year it ends in: it begins on 1 October."""
    return day.year + BE_OFFSET + (day.month >= FISCAL_YEAR_STARTS)


def gestation_days(text: str | None) -> int | None:
    """Days of a gestational age: "11", "11+3" or "11 สัปดาห์"; None for anything else."""
    arabic = (text or "").strip().translate(THAI_DIGITS)
    found = re.fullmatch(r"([0-9]{1,2})(?:\+([0-6])| *สัปดาห์)?", arabic)
    return int(found[1]) * 7 + int(found[2] or 0) if found else None


def _existing(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
