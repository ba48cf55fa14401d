"""From register rows to the objects of the contract. Pure: no clock, no database."""

import re
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row

from config import BANGKOK
from register import UNKNOWN_PART

THAI_DIGITS = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")


def text(value: str | None) -> str | None:
    """Trimmed text; a blank is unknown."""
    return (value or "").strip() or None


def beds(value: str | None) -> int | None:
    digits = (value or "").strip().translate(THAI_DIGITS)
    return int(digits) if re.fullmatch("[0-9]+", digits) else None


def closing_date(value: str | None) -> date | None:
    digits = text(value)
    if digits is None or digits == "00000000":
        return None
    return datetime.strptime(digits, "%Y%m%d").date()


def moment(value: str | None) -> str | None:
    digits = text(value)
    if digits is None:
        return None
    return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=BANGKOK).isoformat()


class AreaNames:
    """Names by prefix, so that a facility of an unknown tambon still has its province and district."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.provinces: dict[str, str | None] = {}
        self.districts: dict[str, str | None] = {}
        self.tambons: dict[str, str | None] = {}
        for row in rows:
            self.provinces.setdefault(row.areacode[:2], text(row.prov_th))
            self.districts.setdefault(row.areacode[:4], text(row.dist_th))
            self.tambons.setdefault(row.areacode, text(row.tambon_th))

    def describe(self, areacode: str) -> dict[str, str | None]:
        province, district, tambon = areacode[:2], areacode[2:4], areacode[4:]
        return {
            "areacode": areacode,
            "province_name": self.provinces.get(areacode[:2]) if province != UNKNOWN_PART else None,
            "district_name": self.districts.get(areacode[:4]) if district != UNKNOWN_PART else None,
            "tambon_name": self.tambons.get(areacode) if tambon != UNKNOWN_PART else None,
        }


def facility(row: Row, names: AreaNames, today: date) -> dict[str, Any]:
    closed = closing_date(row.closed_date)
    return {
        "hoscode": row.code,
        "hoscodenew": text(row.hoscodenew),
        "name": text(row.hosname),
        "type": {"code": text(row.type_code), "name": text(row.type_name)},
        "area": names.describe(row.areacode),
        "moo": text(row.mu),
        "postcode": text(row.postcode),
        "tel": text(row.tel),
        "bed": beds(row.bed),
        "closed_date": closed.isoformat() if closed else None,
        "is_open": closed is None or today < closed,
        "updated_at": moment(row.d_update),
    }
