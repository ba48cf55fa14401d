"""Days and moments as people in Bangkok write them: Buddhist era in Thai, common era in English.

Only what people read is written so; whatever is stored or computed with stays in the common era with its zone.
"""

from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from grader.reports.catalogue import Lang

BANGKOK: Final = ZoneInfo("Asia/Bangkok")
BE_OFFSET: Final = 543

_TH_MONTHS: Final = ["ม.ค.", "ก.พ.", "มี.ค.", "เม.ย.", "พ.ค.", "มิ.ย.", "ก.ค.", "ส.ค.", "ก.ย.", "ต.ค.", "พ.ย.", "ธ.ค."]
_EN_MONTHS: Final = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def in_bangkok(value: datetime) -> datetime:
    """The same moment on a clock in Bangkok.

    Raises:
        ValueError: the moment has no zone, so nobody can know which one it is.
    """
    if value.tzinfo is None:
        message = "a moment without a zone cannot be shown"
        raise ValueError(message)
    return value.astimezone(BANGKOK)


def day(value: date, lang: Lang) -> str:
    """A day, such as 22 พ.ย. 2569 or 22 Nov 2026; for the day of a moment ask :func:`in_bangkok` first."""
    if lang == "th":
        return f"{value.day} {_TH_MONTHS[value.month - 1]} {value.year + BE_OFFSET}"
    return f"{value.day} {_EN_MONTHS[value.month - 1]} {value.year}"


def moment(value: datetime, lang: Lang) -> str:
    """A moment with its zone, to the minute, in Bangkok time.

    Raises:
        ValueError: the moment has no zone.
    """
    local = in_bangkok(value)
    return f"{day(local, lang)} {local:%H:%M} {'น.' if lang == 'th' else '(Bangkok)'}"
