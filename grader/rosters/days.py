"""Days as people in Thailand write them. Years above 2400 are years of the Buddhist era, in whatever form they come."""

import re
from datetime import date
from typing import Final

from grader.rosters.tidying import fold_digits, tidy_line

BE_OFFSET: Final = 543
BE_FROM_YEAR: Final = 2400
"""A larger year is one of the Buddhist era: the two eras are so far apart that no day of a training can be in doubt."""
FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2199
"""Common era. Nobody registers outside of these years: another year is a slip of the hand."""

_MONTHS: Final = (
    ("มกราคม", "มค", "january", "jan"),
    ("กุมภาพันธ์", "กพ", "february", "feb"),
    ("มีนาคม", "มีค", "march", "mar"),
    ("เมษายน", "เมย", "april", "apr"),
    ("พฤษภาคม", "พค", "may"),
    ("มิถุนายน", "มิย", "june", "jun"),
    ("กรกฎาคม", "กค", "july", "jul"),
    ("สิงหาคม", "สค", "august", "aug"),
    ("กันยายน", "กย", "september", "sep", "sept"),
    ("ตุลาคม", "ตค", "october", "oct"),
    ("พฤศจิกายน", "พย", "november", "nov"),
    ("ธันวาคม", "ธค", "december", "dec"),
)
_MONTH_OF: Final = {name: number for number, names in enumerate(_MONTHS, start=1) for name in names}

_TIME: Final = r"(?:[ T,]+[0-9]{1,2}[:.][0-9]{2}(?:[:.][0-9]{2}(?:\.[0-9]+)?)?(?: ?น\.?)?)?"
"""Forms on the web add the time; the day is what counts."""
_YEAR_FIRST: Final = re.compile(rf"(?P<year>[0-9]{{4}})([-/.])(?P<month>[0-9]{{1,2}})\2(?P<day>[0-9]{{1,2}}){_TIME}")
_DAY_FIRST: Final = re.compile(rf"(?P<day>[0-9]{{1,2}})([-/.])(?P<month>[0-9]{{1,2}})\2(?P<year>[0-9]{{4}}){_TIME}")
_IN_WORDS: Final = re.compile(
    r"(?:วัน[^0-9]*?ที่)? ?(?P<day>[0-9]{1,2})[ \-/.]*(?P<month>[^\W0-9_][^0-9]*?)"
    rf"[ \-/,]*(?P<era>พ\.? ?ศ\.?|ค\.? ?ศ\.?)? ?(?P<year>[0-9]{{4}}){_TIME}"
)


def read_day(value: str | date) -> date | None:
    """The day that a cell means, in the common era; None when it cannot be read, or is not between 2000 and 2199.

    Read are 2026-11-22, 22/11/2569 (day first), 22 พ.ย. 2569, 22 November 2026 and their likes, with Thai digits too,
    and days that a spreadsheet holds as such. A year of two digits could be of either era and is not read.
    """
    if isinstance(value, date):
        return _day(value.year, value.month, value.day)
    text = fold_digits(tidy_line(value))
    if found := _YEAR_FIRST.fullmatch(text) or _DAY_FIRST.fullmatch(text):
        return _day(int(found["year"]), int(found["month"]), int(found["day"]))
    found = _IN_WORDS.fullmatch(text)
    month = _MONTH_OF.get(re.sub(r"[. ]", "", found["month"]).casefold()) if found else None
    if found is None or month is None:
        return None
    year, era = int(found["year"]), found["era"] or ""
    if era and (year > BE_FROM_YEAR) != era.startswith("พ"):
        return None
    return _day(year, month, int(found["day"]))


def _day(year: int, month: int, day: int) -> date | None:
    year -= BE_OFFSET if year > BE_FROM_YEAR else 0
    try:
        return date(year, month, day) if FIRST_YEAR <= year <= LAST_YEAR else None
    except ValueError:
        return None
