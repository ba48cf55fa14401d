"""What a correct service of E3 answers, computed from the agencies' rows by the rules of the brief."""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from itertools import groupby
from typing import Any

from grader.packs.synthetic import PROVINCE_CODE, to_arabic_digits
from grader.packs.world import Mutation, cid_check_digit

Row = Mapping[str, Any]

OUTCOMES = ("no_cid", "invalid_cid", "not_found", "conflict", "dead", "moved_out", "linked")
UNUSABLE = ("no_cid", "invalid_cid")
IDENTIFIED = ("dead", "moved_out", "linked")
"""Outcomes for which the registry's record is known to be hers."""

BE_OFFSET = 543
IN_TIME_DAYS = 90
"""12 weeks and 6 days."""


@dataclass(frozen=True, kw_only=True)
class Pregnancy:
    """One pregnancy and what the rules make of it.

    ``message`` is what its case_id is the pseudonym of. ``record`` is DOPA's row of its number, whoever that is.
    """

    message: str
    outcome: str
    lmp: date | None
    lmp_source: str
    first_visit: date | None
    record: Row | None

    @property
    def fy_be(self) -> int | None:
        """Rule 6.4.1: the fiscal year that the LMP falls in."""
        return None if self.lmp is None else fiscal_year(self.lmp)

    @property
    def first_visit_day(self) -> int | None:
        """Days from the LMP to the first visit that counts."""
        return None if self.lmp is None or self.first_visit is None else (self.first_visit - self.lmp).days

    @property
    def in_time(self) -> bool | None:
        """Rule 6.4.3; None when the LMP is unknown."""
        if self.lmp is None:
            return None
        return self.first_visit_day is not None and self.first_visit_day <= IN_TIME_DAYS


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """The expected answers of E3.

    ``years`` are the fiscal years and ``areas`` the areas that E3-S1 asks for; ``elsewhere_year`` is the one of E3-S4.
    Nothing here looks at how the rows were made, except :meth:`dirtied`, which tells a scenario where an edge case is.
    """

    hdc: Mapping[str, Sequence[Row]]
    persons: Sequence[Row]
    key: str
    years: tuple[int, ...] = ()
    areas: tuple[str, ...] = ()
    elsewhere_year: int = 0
    mutations: Sequence[Mutation] = ()

    @cached_property
    def pregnancies(self) -> Mapping[str, Pregnancy]:
        """All pregnancies by case_id, in the order of listReconciliation."""
        cids = {(row["hospcode"], row["pid"]): normalised(row["cid"]) for row in self.hdc["person"]}
        prenatal = _grouped(self.hdc["prenatal"], cids)
        visits = _grouped(self.hdc["anc"], cids)
        found = [
            self._pregnancy(key, prenatal.get(key, []), visits.get(key, [])) for key in sorted({*prenatal, *visits})
        ]
        return dict(sorted((self.case_id(one.message), one) for one in found))

    def case_id(self, message: str, key: str | None = None) -> str:
        """Rule 6.6: the pseudonym of ``message`` under ``key`` (None: the key of this attempt)."""
        return pseudonym(self.key if key is None else key, message)

    def dirtied(self, mutator: str) -> list[str]:
        """The case_ids of the pregnancies that a mutator made, in the order of the log."""
        return [self.case_id(one.target) for one in self.mutations if one.mutator == mutator]

    def case_ids(self, outcome: str = "") -> list[str]:
        """What listReconciliation lists over all pages, in order."""
        return [case_id for case_id, one in self.pregnancies.items() if outcome in ("", one.outcome)]

    def counts(self) -> dict[str, int]:
        """``meta.counts``: all pregnancies by outcome."""
        return {outcome: len(self.case_ids(outcome)) for outcome in OUTCOMES}

    def rate(self, fy_be: int, area: str = PROVINCE_CODE) -> dict[str, Any]:
        """``data`` of getFirstVisitRate."""
        year = [one for one in self.pregnancies.values() if one.fy_be == fy_be]
        below = [
            one
            for one in year
            if one.outcome == "linked" and one.record is not None and one.record["areacode8"].startswith(area)
        ]
        above = sum(one.in_time is True for one in below)
        return {
            "fy_be": fy_be,
            "areacode": area,
            "a": above,
            "b": len(below),
            "rate": percent(above, len(below)),
            "not_linked": sum(one.outcome != "linked" for one in year),
        }

    def case(self, case_id: str) -> dict[str, Any]:
        """``data`` of getCase without ``reason``; KeyError when there is no such case."""
        one = self.pregnancies[case_id]
        record = one.record if one.outcome in IDENTIFIED else None
        return {
            "case_id": case_id,
            "outcome": one.outcome,
            "fy_be": one.fy_be,
            "lmp": one.lmp.isoformat() if one.lmp else None,
            "lmp_source": one.lmp_source,
            "first_visit_date": one.first_visit.isoformat() if one.first_visit else None,
            "first_visit_day": one.first_visit_day,
            "in_time": one.in_time,
            "registry": None
            if record is None
            else {
                "status": record["status"],
                "event_date": be_date(record["event_date_be"]),
                "areacode6": record["areacode8"][:6],
            },
        }

    @cached_property
    def _registry(self) -> Mapping[str, Row]:
        return {row["cid"]: row for row in self.persons}

    @cached_property
    def _births(self) -> Mapping[str, str]:
        """Date of birth that HDC has for each usable number; the rows of one number agree."""
        return {normalised(row["cid"]): row["birth"] for row in self.hdc["person"]}

    def _pregnancy(self, key: "_Key", prenatal: Sequence[Row], visits: Sequence[Row]) -> Pregnancy:
        outcome, record = self._outcome(key.cid)
        lmp, source = _lmp(prenatal, visits)
        days = [day for row in visits if (day := ce_date(row["date_serv"])) is not None]
        counted = [day for day in days if lmp is not None and day >= lmp]
        return Pregnancy(
            message=key.message,
            outcome=outcome,
            lmp=lmp,
            lmp_source=source,
            first_visit=min(counted, default=None),
            record=record,
        )

    def _outcome(self, cid: str) -> tuple[str, Row | None]:
        """Rule 6.2, and DOPA's row of this number."""
        if not is_usable(cid):
            return "invalid_cid" if cid else "no_cid", None
        record = self._registry.get(cid)
        if record is None:
            return "not_found", None
        if record["sex"] != "2" or not births_agree(self._births[cid], record["birth_be"]):
            return "conflict", record
        return {"dead": "dead", "moved": "moved_out"}.get(record["status"], "linked"), record


@dataclass(frozen=True, kw_only=True, order=True)
class _Key:
    """Rule 6.3.1: which pregnancy a row belongs to; ``place`` is empty when the number is usable."""

    cid: str
    place: tuple[str, ...]
    gravida: int

    @property
    def message(self) -> str:
        """Rule 6.6: what the case_id is made of."""
        return f"{':'.join(self.place)}:{self.gravida}" if self.place else f"{self.cid}{self.gravida}"


def _grouped(rows: Sequence[Row], cids: Mapping[tuple[str, str], str]) -> dict[_Key, list[Row]]:
    def key(row: Row) -> _Key:
        place = row["hospcode"], row["pid"]
        cid = cids[place]
        return _Key(cid=cid, place=() if is_usable(cid) else place, gravida=int(row["gravida"]))

    return {one: list(group) for one, group in groupby(sorted(rows, key=key), key=key)}


def _lmp(prenatal: Sequence[Row], visits: Sequence[Row]) -> tuple[date | None, str]:
    """Rules 6.3.3 to 6.3.6: the LMP and where it comes from."""
    if prenatal:
        newest = max(row["d_update"] for row in prenatal)
        chosen = min((row for row in prenatal if row["d_update"] == newest), key=lambda row: row["hospcode"])
        told = ce_date(chosen["lmp"])
        if told is not None:
            return told, "prenatal"
    readable = [
        (day, row["hospcode"], row["seq"], days)
        for row in visits
        if (day := ce_date(row["date_serv"])) is not None and (days := gestation(row["ga"])) is not None
    ]
    if not readable:
        return None, "unknown"
    day, _, _, days = min(readable)
    return day - timedelta(days=days), "ga"


def normalised(cid: str | None) -> str:
    """Rule 6.1.1: without spaces and dashes, in Arabic digits; "" when there is none."""
    return to_arabic_digits(re.sub(r"[\s-]", "", cid or ""))


def is_usable(cid: str) -> bool:
    """Rule 6.1.2: 13 digits of which the last is right."""
    return re.fullmatch(r"[0-9]{13}", cid) is not None and cid_check_digit(cid[:12]) == int(cid[12])


def births_agree(hdc: str, dopa_be: str) -> bool:
    """Rule 6.1.4: ``hdc`` is YYYYMMDD CE, ``dopa_be`` is YYYYMMDD BE; only what both sides know is compared."""
    if int(dopa_be[:4]) - BE_OFFSET != int(hdc[:4]):
        return False
    if hdc[4:] == "0101":
        return True
    parts = (slice(4, 6), slice(6, 8))
    return all(dopa_be[part] in ("00", hdc[part]) for part in parts)


def be_date(text: str | None) -> str | None:
    """Rule 6.5: YYYYMMDD BE as an ISO date CE; None when it is absent or has an unknown part."""
    if text is None or "00" in (text[4:6], text[6:8]):
        return None
    return date(int(text[:4]) - BE_OFFSET, int(text[4:6]), int(text[6:8])).isoformat()


def ce_date(text: str | None) -> date | None:
    """Rule 6.3.7: a date of HDC, or None when it is none."""
    if text is None or not re.fullmatch(r"[0-9]{8}", text):
        return None
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None


def gestation(text: str | None) -> int | None:
    """Rule 6.3.8: the gestational age in days, or None when it cannot be read."""
    plain = to_arabic_digits((text or "").strip())
    match = re.fullmatch(r"([0-9]{1,2})(?:\+([0-6])|\s*สัปดาห์)?", plain)
    return int(match[1]) * 7 + int(match[2] or 0) if match else None


def fiscal_year(day: date) -> int:
    """Rule 6.4.1: the BE year in which the fiscal year of ``day`` ends."""
    return day.year + BE_OFFSET + (day.month >= 10)


def percent(above: int, below: int) -> float | None:
    """Rule 6.4.4: 2 decimals, half up, as the nearest JSON number; None when there is nobody to count."""
    if below == 0:
        return None
    return float((Decimal(100) * above / below).quantize(Decimal("0.01"), ROUND_HALF_UP))


def pseudonym(key: str, message: str) -> str:
    """Rule 6.6: the first 16 characters of base32(HMAC-SHA256(key, message))."""
    digest = hmac.new(key.encode(), message.encode(), hashlib.sha256).digest()
    return base64.b32encode(digest).decode()[:16]
