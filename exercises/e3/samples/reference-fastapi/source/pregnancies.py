"""From the rows of many facilities to one entry for each pregnancy. Pure: no database, no registry, no clock."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Literal

from sqlalchemy import Row

from citizens import is_usable, normalise
from dates import PartialDate, ce_date, fiscal_year_be, gestation_days, hdc_birth
from hdc import Files

IN_TIME_DAYS = 12 * 7 + 6

LmpSource = Literal["prenatal", "ga", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Woman:
    """Whom a pregnancy belongs to: a citizen number that can be one, or only a facility and its PID."""

    cid: str | None
    has_no_cid: bool
    births: frozenset[PartialDate]
    key: str
    """The beginning of the message that her case ids are made of."""


@dataclass(frozen=True, kw_only=True)
class Pregnancy:
    """One pregnancy of one woman, from all facilities that wrote about it."""

    woman: Woman
    gravida: int
    lmp: date | None
    lmp_source: LmpSource
    visits: tuple[date, ...]
    """Days of her visits, in order."""

    @property
    def message(self) -> str:
        """What the case id is the pseudonym of."""
        return f"{self.woman.key}{self.gravida}"

    @property
    def fy_be(self) -> int | None:
        return fiscal_year_be(self.lmp) if self.lmp else None

    @cached_property
    def first_visit(self) -> date | None:
        """The earliest visit that can belong to this pregnancy: one before the LMP cannot."""
        if self.lmp is None:
            return None
        return min((day for day in self.visits if day >= self.lmp), default=None)

    @property
    def first_visit_day(self) -> int | None:
        if self.lmp is None or self.first_visit is None:
            return None
        return (self.first_visit - self.lmp).days

    @property
    def in_time(self) -> bool | None:
        """Whether the first visit was early enough; None when nobody knows the LMP."""
        if self.lmp is None:
            return None
        return self.first_visit_day is not None and self.first_visit_day <= IN_TIME_DAYS


@dataclass(kw_only=True)
class _Rows:
    prenatals: list[Row] = field(default_factory=list)
    visits: list[Row] = field(default_factory=list)


def assemble(files: Files) -> list[Pregnancy]:
    """Every pregnancy that PRENATAL or ANC knows, once, however many facilities saw her."""
    women = _women(files.persons)
    found: defaultdict[tuple[str, int], _Rows] = defaultdict(_Rows)
    by_key = {woman.key: woman for woman in women.values()}
    for row in files.prenatals:
        found[women[row.hospcode, row.pid].key, int(row.gravida)].prenatals.append(row)
    for row in files.visits:
        found[women[row.hospcode, row.pid].key, int(row.gravida)].visits.append(row)
    return [_pregnancy(by_key[key], gravida, rows) for (key, gravida), rows in found.items()]


def _women(persons: Iterable[Row]) -> Mapping[tuple[str, str], Woman]:
    """Who each (hospcode, pid) is: several of them are one woman when they carry the same usable number."""
    cids = {(row.hospcode, row.pid): normalise(row.cid) for row in persons}
    births: defaultdict[str, set[PartialDate]] = defaultdict(set)
    for row in persons:
        if birth := hdc_birth(row.birth):
            births[cids[row.hospcode, row.pid]].add(birth)
    women = {}
    for (hospcode, pid), cid in cids.items():
        usable = is_usable(cid)
        women[hospcode, pid] = Woman(
            cid=cid if usable else None,
            has_no_cid=not cid,
            births=frozenset(births[cid]) if usable else frozenset(),
            key=cid if usable else f"{hospcode}:{pid}:",
        )
    return women


def _pregnancy(woman: Woman, gravida: int, rows: _Rows) -> Pregnancy:
    lmp, source = _lmp(rows)
    days = sorted(day for day in (ce_date(row.date_serv) for row in rows.visits) if day)
    return Pregnancy(woman=woman, gravida=gravida, lmp=lmp, lmp_source=source, visits=tuple(days))


def _lmp(rows: _Rows) -> tuple[date | None, LmpSource]:
    """From the newest PRENATAL row; else counted back from the first visit that says how far she was."""
    if rows.prenatals:
        # Sorting is stable: among the newest rows the smallest hospcode stays in front.
        by_facility = sorted(rows.prenatals, key=lambda row: row.hospcode)
        newest = sorted(by_facility, key=lambda row: row.d_update, reverse=True)[0]
        if recorded := ce_date(newest.lmp):
            return recorded, "prenatal"
    told = [
        (day, row.hospcode, row.seq, age)
        for row in rows.visits
        if (day := ce_date(row.date_serv)) and (age := gestation_days(row.ga)) is not None
    ]
    if not told:
        return None, "unknown"
    day, _, _, age = min(told)
    return day - timedelta(days=age), "ga"
