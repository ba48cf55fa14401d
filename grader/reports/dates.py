"""A moment as people in Bangkok write it: Buddhist era in Thai, common era in English."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from grader.reports.catalogue import Lang

BANGKOK: Final = ZoneInfo("Asia/Bangkok")
BE_OFFSET: Final = 543

_TH_MONTHS: Final = ["ม.ค.", "ก.พ.", "มี.ค.", "เม.ย.", "พ.ค.", "มิ.ย.", "ก.ค.", "ส.ค.", "ก.ย.", "ต.ค.", "พ.ย.", "ธ.ค."]
_EN_MONTHS: Final = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def moment(value: datetime, lang: Lang) -> str:
    """A moment with its zone, to the minute, in Bangkok time."""
    local = value.astimezone(BANGKOK)
    if lang == "th":
        return f"{local.day} {_TH_MONTHS[local.month - 1]} {local.year + BE_OFFSET} {local:%H:%M} น."
    return f"{local.day} {_EN_MONTHS[local.month - 1]} {local.year} {local:%H:%M} (Bangkok)"
