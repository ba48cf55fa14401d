"""From cases to the objects of the contract."""

from datetime import date, datetime
from typing import Any

from dates import BE_OFFSET
from dopa import Registered
from linkage import Case, Rate


def rate(found: Rate, fy_be: int, area: str) -> dict[str, Any]:
    return {
        "fy_be": fy_be,
        "areacode": area,
        "a": found.a,
        "b": found.b,
        "rate": float(found.percent) if found.percent is not None else None,
        "not_linked": found.not_linked,
    }


def row(case: Case) -> dict[str, Any]:
    return {"case_id": case.case_id, "outcome": case.outcome, "reason": case.reason}


def whole(case: Case) -> dict[str, Any]:
    pregnancy = case.pregnancy
    return row(case) | {
        "fy_be": pregnancy.fy_be,
        "lmp": _iso(pregnancy.lmp),
        "lmp_source": pregnancy.lmp_source,
        "first_visit_date": _iso(pregnancy.first_visit),
        "first_visit_day": pregnancy.first_visit_day,
        "in_time": pregnancy.in_time,
        "registry": _registry(case.registered) if case.registered else None,
    }


def _registry(person: Registered) -> dict[str, Any]:
    event = _from_be(person.event_date_be) if person.event_date_be else None
    return {"status": person.status, "event_date": _iso(event), "areacode6": person.areacode8[:6]}


def _from_be(text: str) -> date | None:
    try:
        day = datetime.strptime(text, "%Y%m%d").date()
        return day.replace(year=day.year - BE_OFFSET)
    except ValueError:  # unknown parts
        return None


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
