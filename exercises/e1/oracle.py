"""What a correct service of E1 answers, computed from the register's rows by the rules of the brief."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

from grader.packs.synthetic import PROVINCE_CODE, to_arabic_digits
from grader.packs.world import Mutation

FIRST_AREA = "970101"
"""The tambon with the most facilities; every world has it."""

NEWCOMER_CODE = "00001"
"""Kept free by every world, so that a scenario can insert it; it sorts before every other code of its tambon."""

BANGKOK = timezone(timedelta(hours=7))


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """The expected answers of E1.

    Days are ``date`` objects; hoscodes and areacodes are text. Nothing here looks at how the rows were made, except
    :meth:`dirtied`, which tells a scenario where an edge case is.
    """

    tables: Mapping[str, Sequence[Mapping[str, Any]]]
    as_of: str
    mutations: Sequence[Mutation]

    @property
    def today(self) -> date:
        """The date of AS_OF in +07:00."""
        return datetime.fromisoformat(self.as_of).date()

    def dirtied(self, mutator: str) -> list[str]:
        """The hoscodes that a mutator dirtied, in the order of the log."""
        return [mutation.target for mutation in self.mutations if mutation.mutator == mutator]

    def row(self, hoscode: str) -> Mapping[str, Any]:
        """The register's row as it is stored; KeyError when no facility has this code."""
        for row in self.tables["chospital"]:
            if row["hoscode"] == hoscode:
                return row
        raise KeyError(hoscode)

    def closing_day(self, hoscode: str) -> date | None:
        """The first day on which the facility is closed; None when it is not to close."""
        return closing_day(self.row(hoscode))

    def knows(self, hoscode: object) -> bool:
        """Whether the register holds a facility with exactly this code."""
        return any(row["hoscode"] == hoscode for row in self.tables["chospital"])

    def open_facilities(self, *, day: date | None = None, area: str = "", hostype: str = "", q: str = "") -> list[str]:
        """The hoscodes that listFacilities returns over all pages, in order; ``day`` defaults to the date of AS_OF."""
        found = [
            row
            for row in self.tables["chospital"]
            if is_open(row, day or self.today)
            and areacode(row).startswith(area)
            and (not hostype or _text(row["hostype"]) == hostype)
            and q.lower() in row["hosname"].lower()
        ]
        return [row["hoscode"] for row in sorted(found, key=lambda row: (areacode(row), row["hoscode"]))]

    def facility(self, hoscode: str) -> dict[str, Any]:
        """The facility object that getFacility returns in ``data``; KeyError when there is none."""
        row = self.row(hoscode)
        closed = closing_day(row)
        return {
            "hoscode": row["hoscode"],
            "hoscodenew": _text(row["hoscodenew"]),
            "name": row["hosname"],
            "type": {"code": _text(row["hostype"]), "name": self._type_name(row)},
            "area": self._area(row),
            "moo": _text(row["mu"]),
            "postcode": _text(row["postcode"]),
            "tel": _text(row["tel"]),
            "bed": beds(row["bed"]),
            "closed_date": closed.isoformat() if closed else None,
            "is_open": is_open(row, self.today),
            "updated_at": datetime.strptime(row["d_update"], "%Y%m%d%H%M%S").replace(tzinfo=BANGKOK).isoformat(),
        }

    def count(self, area: str) -> int | None:
        """Facilities of the area that are open on the date of AS_OF; None when no area has this code or prefix."""
        if not any(known["areacode"].startswith(area) for known in self.tables["carea"]):
            return None
        return len(self.open_facilities(area=area))

    def unknown_areas(self) -> tuple[str, str, str]:
        """One well-formed code of 2, 4 and 6 digits each that no area has."""
        return ("99", f"{PROVINCE_CODE}99", f"{FIRST_AREA[:4]}99")

    def newcomer(self, hostype: str = "18") -> dict[str, str | None]:
        """A new, open facility to insert: its key sorts before every other facility of the first tambon."""
        row = dict(next(row for row in self.tables["chospital"] if areacode(row) == FIRST_AREA))
        clean = {"bed": "0", "closed_date": None, "hosname": "รพ.สต.เปิดใหม่", "hoscodenew": None, "hostype": hostype}
        return {**row, **clean, "hoscode": NEWCOMER_CODE}

    def _type_name(self, row: Mapping[str, Any]) -> str | None:
        names = {_text(kind["hostype"]): kind["typename"] for kind in self.tables["chostype"]}
        return names.get(_text(row["hostype"]))

    def _area(self, row: Mapping[str, Any]) -> dict[str, str | None]:
        code = areacode(row)
        return {
            "areacode": code,
            "province_name": self._area_name(code[:2], "prov_th"),
            "district_name": self._area_name(code[:4], "dist_th"),
            "tambon_name": self._area_name(code, "tambon_th"),
        }

    def _area_name(self, prefix: str, column: str) -> str | None:
        """The name that any area with this prefix gives its part; a last part "00" is unknown and has none."""
        if prefix.endswith("00"):
            return None
        return next((known[column] for known in self.tables["carea"] if known["areacode"].startswith(prefix)), None)


def areacode(row: Mapping[str, Any]) -> str:
    """Rule 1: the 6 digits of a facility's area."""
    return f"{row['provcode']}{row['distcode']}{row['subdistcode']}"


def closing_day(row: Mapping[str, Any]) -> date | None:
    """Rule 3: the first day on which the facility is closed; None when it is not to close."""
    text = _text(row["closed_date"])
    return None if text is None or text == "00000000" else date.fromisoformat(text)


def is_open(row: Mapping[str, Any], day: date) -> bool:
    """Rule 3: a facility is open before its closing day and closed from that day on."""
    closed = closing_day(row)
    return closed is None or day < closed


def beds(text: str | None) -> int | None:
    """Rule 7: the number of beds, or None when the register holds no number."""
    digits = to_arabic_digits((text or "").strip())
    return int(digits) if re.fullmatch(r"[0-9]+", digits) else None


def _text(value: str | None) -> str | None:
    """Rule 8: without the padding of char columns; blank is unknown."""
    return (value or "").strip() or None
