"""Women of จังหวัดสาธิต and what two agencies write about them: rows of HDC's three files and of DOPA's registry."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any

from grader.packs.synthetic import MutationLog, Tambon, people
from grader.packs.world import Person, synthetic_cid

from .oracle import BE_OFFSET, UNUSABLE, fiscal_year

TIE_AREA = "970101"
"""The tambon whose linked women are counted out, so that a rate of it rounds; others do not live there by chance."""

FIRST_FACILITY = "00712"
FACILITIES = 24

EARLY_DAYS = (25, 80)
LATE_DAYS = (98, 190)
"""First visits of ordinary women, in days from the LMP: nowhere near day 90, which has cases of its own."""


AS_IT_IS = "as it is"
"""Stands for the right value where a blank one is a value of its own."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A woman at one facility: the key of her row in ``person``."""

    hospcode: str
    pid: str


@dataclass(kw_only=True)
class Woman:
    """A woman who does not exist. ``typed`` is her number as facilities write it, None where they leave it out.

    ``outcome`` is only what she was made for; what the rules say of her is the oracle's business.
    """

    cid: str
    name: str
    birth: date
    areacode8: str
    typed: str | None
    hdc_birth: str
    birth_be: str
    outcome: str = "linked"
    places: list[Place] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    """Other numbers that stand for her: written wrongly on purpose."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One pregnancy as it was made; ``lmp`` is the day that everybody means, also where a file lacks it."""

    woman: Woman
    place: Place
    gravida: int
    lmp: date


class Files:
    """The agencies' tables while they are written; everything is drawn from one ``Random``."""

    def __init__(self, rng: Random, *, today: date, tambons: Sequence[Tambon]) -> None:
        self._rng, self._today, self._tambons = rng, today, tambons
        others = rng.sample(range(1_000, 100_000), FACILITIES - 1)
        self.hospcodes = [FIRST_FACILITY, *(f"{number:05d}" for number in others)]
        self._running = iter(rng.sample(range(1, 10_000_000), 2_000))
        self._pids = iter(rng.sample(range(3_000_000_000, 9_000_000_000), 3_000))
        self._names = [person.name for person in people(rng, 60)]
        self.women: list[Woman] = []
        self.person: list[dict[str, Any]] = []
        self.prenatal: list[dict[str, Any]] = []
        self.anc: list[dict[str, Any]] = []
        self.dopa: list[dict[str, Any]] = []
        self.log = MutationLog()

    # -- days ----------------------------------------------------------------------------------------------------------

    def day_in(self, fy_be: int) -> date:
        """A day of a fiscal year, at least three weeks from either end."""
        return date(fy_be - BE_OFFSET - 1, 10, 22) + timedelta(days=self._rng.randrange(320))

    def first_day(self, *, early: float = 0.6) -> int:
        """Days from the LMP to an ordinary first visit."""
        return self._rng.randint(*(EARLY_DAYS if self._rng.random() < early else LATE_DAYS))

    # -- people --------------------------------------------------------------------------------------------------------

    def woman(self, *, pregnant: date, area: str = "", avoid: str = "none", outcome: str = "linked") -> Woman:
        """A woman of 18 to 38 on the day ``pregnant``; both agencies know her whole date of birth.

        ``area`` and ``avoid`` are starts of the area code: where she lives, and where she does not.
        """
        born = pregnant.year - self._rng.randint(18, 38)
        birth = date(born, self._rng.randint(1, 12), self._rng.randint(2, 28))  # never HDC's unknown, 1 January
        tambon = self._rng.choice(
            [one for one in self._tambons if one.areacode.startswith(area) and not one.areacode.startswith(avoid)]
        )
        cid = synthetic_cid(self._rng.randint(1, 6), next(self._running), self._rng.choice((1, 1, 1, 2, 3, 5)))
        woman = Woman(
            cid=cid,
            name=self._rng.choice(self._names),
            birth=birth,
            areacode8=f"{tambon.areacode}{self._rng.randint(1, 12):02d}",
            typed=cid,
            hdc_birth=compact(birth),
            birth_be=be(birth),
            outcome=outcome,
        )
        self.women.append(woman)
        return woman

    def linked(self, lmp: date, *, area: str = "") -> Woman:
        """A woman whom the registry knows and who lives where it says; outside of TIE_AREA unless asked for."""
        woman = self.woman(pregnant=lmp, area=area, avoid="none" if area else TIE_AREA)
        self.enrol(woman)
        return woman

    def place(self, woman: Woman, *, typed: str | None = AS_IT_IS) -> Place:
        """Register her at a facility that does not know her yet; ``typed`` is how it writes her number."""
        known = {place.hospcode for place in woman.places}
        hospcode = self._rng.choice([code for code in self.hospcodes if code not in known])
        place = Place(hospcode=hospcode, pid=f"{next(self._pids):011d}")
        woman.places.append(place)
        row = {
            "hospcode": place.hospcode,
            "pid": place.pid,
            "cid": woman.typed if typed == AS_IT_IS else typed,
            "sex": "2",
            "birth": woman.hdc_birth,
            "typearea": self._rng.choice("11134"),
            "discharge": "9",
            "d_update": self.stamp(self._today - timedelta(days=self._rng.randrange(1, 300))),
        }
        self.person.append(row)
        return place

    def enrol(
        self, woman: Woman, *, cid: str = "", sex: str = "2", status: str = "alive", event_be: str | None = None
    ) -> None:
        """Write her into DOPA's registry, or somebody of another sex under the number ``cid``."""
        row = {
            "cid": cid or woman.cid,
            "sex": sex,
            "birth_be": woman.birth_be,
            "status": status,
            "areacode8": woman.areacode8,
            "event_date_be": event_be,
        }
        self.dopa.append(row)

    # -- pregnancies ---------------------------------------------------------------------------------------------------

    def expect(self, case: Case, *, place: Place | None = None, lmp: str | None = AS_IT_IS, updated: str = "") -> None:
        """A row of ``prenatal``; ``lmp`` and ``updated`` are what is written."""
        at = place or case.place
        row = {
            "hospcode": at.hospcode,
            "pid": at.pid,
            "gravida": str(case.gravida),
            "lmp": compact(case.lmp) if lmp == AS_IT_IS else lmp,
            "edc": compact(case.lmp + timedelta(days=280)),
            "d_update": updated or self.stamp(case.lmp + timedelta(days=self._rng.randint(30, 90))),
        }
        self.prenatal.append(row)

    def visit(
        self, case: Case, day: int, *, place: Place | None = None, ga: str | None = AS_IT_IS, gravida: str = ""
    ) -> None:
        """A row of ``anc``, ``day`` days after the LMP; ``ga`` is what is written, or full weeks."""
        at, when = place or case.place, case.lmp + timedelta(days=day)
        if when >= self._today:
            return
        row = {
            "hospcode": at.hospcode,
            "pid": at.pid,
            "seq": f"{len(self.anc) + 1:06d}",
            "date_serv": compact(when),
            "gravida": gravida or str(case.gravida),
            "ancno": str(min(9, 1 + max(0, day) // 60)),
            "ga": str(day // 7) if ga == AS_IT_IS else ga,
            "d_update": self.stamp(when),
        }
        self.anc.append(row)

    def visits(self, case: Case, first: int | None, *, place: Place | None = None) -> None:
        """An ordinary series of visits that begins ``first`` days after the LMP; None: she never came."""
        if first is None:
            return
        day = first
        for _ in range(self._rng.randint(1, 3)):
            self.visit(case, day, place=place)
            day += self._rng.randint(24, 40)

    def case(self, woman: Woman, lmp: date, *, gravida: int = 0, place: Place | None = None) -> Case:
        """A pregnancy of hers, still without any row of ``prenatal`` or ``anc``."""
        at = place or (woman.places[0] if woman.places else self.place(woman))
        return Case(woman=woman, place=at, gravida=gravida or self._rng.choice((1, 1, 1, 2, 2, 3)), lmp=lmp)

    def ordinary(self, woman: Woman, lmp: date, *, first: int | None, gravida: int = 0) -> Case:
        """A pregnancy without any surprise: one facility, one row of ``prenatal``, a few visits."""
        case = self.case(woman, lmp, gravida=gravida)
        self.expect(case)
        self.visits(case, first)
        return case

    def note(self, mutator: str, case: Case, *, number: str = "") -> None:
        """Log an edge case by what its case_id is made of; ``number`` when she is not asked for by her own."""
        usable = case.woman.outcome not in UNUSABLE
        at = f"{number or case.woman.cid}" if usable else f"{case.place.hospcode}:{case.place.pid}:"
        self.log.note(mutator, f"{at}{case.gravida}", f"lmp {case.lmp}, fiscal year {fiscal_year(case.lmp)}")

    def people(self) -> tuple[Person, ...]:
        """Every woman with all numbers that would tell who she is."""
        return tuple(
            Person(cid=woman.cid, name=woman.name, identifiers=(*(place.pid for place in woman.places), *woman.numbers))
            for woman in self.women
        )

    def stamp(self, day: date) -> str:
        """A ``d_update`` during working hours of ``day``."""
        return f"{compact(day)}{self._rng.randint(8, 16):02d}{self._rng.randrange(60):02d}{self._rng.randrange(60):02d}"


def compact(day: date) -> str:
    """YYYYMMDD CE."""
    return f"{day:%Y%m%d}"


def be(day: date) -> str:
    """YYYYMMDD BE, as DOPA writes it."""
    return f"{day.year + BE_OFFSET}{day:%m%d}"


def plain_be(day: date) -> str:
    """A BE date that has the same form in both calendars: leap days have a case of their own."""
    return be(day - timedelta(days=1) if (day.month, day.day) == (2, 29) else day)
