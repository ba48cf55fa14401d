"""The world of E1: one facility register of จังหวัดสาธิต, dirtied on purpose, and what a correct service answers.

``build`` makes plain rows first and then lets each mutator dirty rows of its own, so that one mistake of a trainee
shows in one check. The oracle reads the finished rows and knows nothing of the mutators: it is the rules, in code.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any

from grader.packs.synthetic import (
    PROVINCE_CODE,
    SHARED_TAMBON_NAME,
    MutationLog,
    Tambon,
    Untouched,
    generator,
    geography,
    people,
)
from grader.packs.world import Quota, World

from .oracle import BANGKOK, FIRST_AREA, Oracle, areacode, is_open

FacilityRow = dict[str, str | None]

FIRST_CODE = "00712"

TYPES = {
    "05": "โรงพยาบาลศูนย์",
    "06": "โรงพยาบาลทั่วไป",
    "07": "โรงพยาบาลชุมชน",
    "13": "ศูนย์บริการสาธารณสุข",
    "16": "คลินิกเอกชน",
    "18": "โรงพยาบาลส่งเสริมสุขภาพตำบล",
    "5 ": "คลินิกทันตกรรม",
    "8 ": "ศูนย์แม่และเด็ก",
}
"""hostype as the register stores it. "5 " is padded and is not "05": a code is never a number."""

PLAIN_TYPES = ("07", "13", "16", "18", "18", "18", "06", "05")
PADDED_TYPES = ("5 ", "8 ")
ORPHAN_TYPE = "99"

NAME_STARTS = {
    "05": "โรงพยาบาลศูนย์",
    "06": "โรงพยาบาล",
    "07": "โรงพยาบาล",
    "13": "ศูนย์บริการสาธารณสุข",
    "16": "คลินิก",
    "18": "รพ.สต.",
}
NAME_ENDS = ("สาธิต", "ร่มเย็น", "เกื้อกูล", "แสงตะวัน", "ใจดี", "เพื่อนชุมชน", "เมตตา", "พัฒนา", "อุ่นรัก", "ไออุ่น")

SPECIAL_NAMES = {
    "name_percent": ("คลินิกนมแม่ 100% สาธิต", "ศูนย์เด็กยิ้ม 100%"),
    "name_hundred": ("ศูนย์สุขภาพ 1000 วันแรก", "คลินิก 100 ปีสาธิต"),
    "name_underscore": ("รพ.สต.บ้านใหม่_สาขา 2", "คลินิก_ทดสอบ"),
    "name_quote": ("คลินิกทันตกรรม O'Smile", "คลินิก ' OR 1=1 -- สาขาทดสอบ"),
}

BED_FORMS: Mapping[str, str | None] = {
    "bed_empty": "",
    "bed_dash": "-",
    "bed_thai_digits": "๓๐",
    "bed_padded": " 45 ",
    "bed_words": "10 เตียง",
    "bed_unknown": None,
}


def build(seed: int) -> World:
    """The world of one attempt: 340 to 380 facilities of which more than 250 are open on the date of AS_OF."""
    rng = generator("e1", seed)
    # Always in the past, so that a service that reads the wall clock instead of AS_OF is wrong on every seed.
    today = date(2025, 1, 6) + timedelta(days=rng.randrange(500))
    tambons = geography(rng)
    rows = _plain_rows(rng, tambons, today)
    log = MutationLog()
    _dirty(rng, rows, today, log)
    rng.shuffle(rows)  # the order in the table means nothing
    tables: dict[str, list[dict[str, Any]]] = {
        "chostype": [{"hostype": code, "typename": name} for code, name in TYPES.items()],
        "carea": [
            {"areacode": area.areacode, "prov_th": area.province, "dist_th": area.district, "tambon_th": area.name}
            for area in tambons
        ],
        "chospital": [dict(row) for row in rows],
    }
    as_of = f"{today.isoformat()}T08:00:00+07:00"
    oracle = Oracle(tables=tables, as_of=as_of, mutations=tuple(log.entries))
    return World(
        seed=seed,
        as_of=as_of,
        tables={"facility": tables},
        oracle=oracle,
        examples=_examples(oracle),
        people=people(rng, 8),
        mutations=tuple(log.entries),
        quotas=_quotas(oracle),
    )


def _plain_rows(rng: Random, tambons: Sequence[Tambon], today: date) -> list[FacilityRow]:
    """Clean, open facilities: at least 5 in every tambon and 40 in the first, which scenarios page through."""
    places = [area for area in tambons for _ in range(5)]
    places += [tambons[0]] * 35
    places += rng.choices(tambons, k=rng.randint(340, 380) - len(places))
    numbers = rng.sample(range(1_000, 100_000), len(places))  # codes below 01000 come from a mutator
    return [_plain_row(rng, f"{number:05d}", area, today) for number, area in zip(numbers, places, strict=True)]


def _plain_row(rng: Random, hoscode: str, area: Tambon, today: date) -> FacilityRow:
    hostype = rng.choice(PLAIN_TYPES)
    updated = datetime.combine(today, time(), BANGKOK) - timedelta(minutes=rng.randrange(60, 500_000))
    return {
        "hoscode": hoscode,
        "hoscodenew": f"{rng.choice('ABCDEFGH')}A{rng.randrange(10_000_000):07d}",
        "hosname": f"{NAME_STARTS[hostype]}{area.name}{rng.choice(NAME_ENDS)}",
        "hostype": hostype,
        "provcode": area.areacode[:2],
        "distcode": area.areacode[2:4],
        "subdistcode": area.areacode[4:],
        "mu": f"{rng.randint(1, 15):02d}",
        "postcode": area.postcode,
        "bed": str(rng.choice((0, 0, 0, 5, 10, 30, 60, 120))),
        "tel": f"0-97{rng.randint(0, 99):02d}-{rng.randint(0, 9999):04d}",
        "closed_date": None,
        "d_update": updated.strftime("%Y%m%d%H%M%S"),
    }


def _dirty(rng: Random, rows: list[FacilityRow], today: date, log: MutationLog) -> None:
    """Let every mutator dirty rows of its own; the order of the mutators is fixed, the rows are drawn."""
    untouched = Untouched(rng, rows)

    def mutate(name: str, changes: Sequence[FacilityRow], *, outside: str = "none") -> None:
        taken = untouched.take(len(changes), where=lambda row: not areacode(row).startswith(outside))
        for row, change in zip(taken, changes, strict=True):
            row.update(change)
            log.note(name, row["hoscode"] or "", ", ".join(f"{column}={value!r}" for column, value in change.items()))

    def closing(days: Iterable[int]) -> list[FacilityRow]:
        return [{"closed_date": _compact(today + timedelta(days=day))} for day in days]

    zeros = {int(FIRST_CODE): None, **dict.fromkeys(rng.sample(range(100, 1_000), 12))}
    mutate("leading_zero", [{"hoscode": f"{number:05d}"} for number in zeros])
    mutate("padded_type", [{"hostype": code} for code in PADDED_TYPES * 3])
    mutate("orphan_type", [{"hostype": ORPHAN_TYPE}] * 2)
    for form, text in BED_FORMS.items():
        mutate(form, [{"bed": text}] * 2)
    for kind, names in SPECIAL_NAMES.items():
        mutate(kind, [{"hosname": name} for name in names])
    # Not in 9701, so that counting by tambon and district is right or wrong for reasons of its own.
    mutate("unknown_tambon", [{"subdistcode": "00"}] * 4, outside=FIRST_AREA[:4])
    mutate("unknown_district", [{"distcode": "00", "subdistcode": "00"}] * 2)
    mutate("blank_texts", [{"hoscodenew": "", "mu": None, "postcode": "", "tel": " "}] * 4)
    mutate("closed_zero", [{"closed_date": "00000000"}] * 3)
    mutate("closed_blank", [{"closed_date": ""}] * 3)
    mutate("closed", closing(-rng.randint(2, 3_000) for _ in range(rng.randint(20, 40))))
    mutate("closes_on_as_of", closing((0, 0)))
    mutate("closes_next_day", closing((1, 1)))
    mutate("closes_later", closing(rng.randint(2, 30) for _ in range(3)))


def _compact(day: date) -> str:
    return day.strftime("%Y%m%d")


def _examples(oracle: Oracle) -> dict[str, list[dict[str, Any]]]:
    """Requests that a correct service answers with 200; every code in them exists in this world."""
    plain = oracle.open_facilities(area=FIRST_AREA)[3]
    # Dirt that breaks an answer's form is asked for by name: what breaks on it then breaks in every attempt.
    edges = [*BED_FORMS, "padded_type", "blank_texts", "closed_zero", "closed_blank", "closed", "closes_on_as_of"]
    district = areacode(oracle.row(oracle.dirtied("unknown_tambon")[0]))[:4]
    return {
        "listFacilities": [
            {},
            {"limit": 1},
            {"limit": 100},
            {"area": PROVINCE_CODE, "limit": 5},
            {"area": district},
            {"area": FIRST_AREA, "type": "18"},
            {"type": "5"},
            {"open_on": (oracle.today - timedelta(days=400)).isoformat()},
            {"q": "คลินิก"},
            {"q": "100%"},
        ],
        "getFacility": [
            {"hoscode": code} for code in (FIRST_CODE, plain, *(oracle.dirtied(edge)[0] for edge in edges))
        ],
        "countFacilities": [{"areacode": PROVINCE_CODE}, {"areacode": FIRST_AREA[:4]}, {"areacode": FIRST_AREA}],
    }


def _quotas(oracle: Oracle) -> list[Quota]:
    """The edge cases that the checks need, counted in the finished rows and not in the mutators' log."""
    rows = oracle.tables["chospital"]
    today = _compact(oracle.today)
    closings = [row["closed_date"] or "" for row in rows]
    found = {
        "leading_zero": (3, sum(row["hoscode"].startswith("0") for row in rows)),
        "hoscode_00712": (1, sum(row["hoscode"] == FIRST_CODE for row in rows)),
        "padded_type": (2, sum(row["hostype"].endswith(" ") for row in rows)),
        "orphan_type": (1, sum(row["hostype"] == ORPHAN_TYPE for row in rows)),
        **{form: (1, sum(row["bed"] == text for row in rows)) for form, text in BED_FORMS.items()},
        "closed": (5, sum(not is_open(row, oracle.today) for row in rows)),
        "closes_on_as_of": (1, closings.count(today)),
        "closes_after_as_of": (2, sum(day > today for day in closings)),
        "closed_zero": (2, closings.count("00000000")),
        "unknown_tambon": (3, sum(row["subdistcode"] == "00" and row["distcode"] != "00" for row in rows)),
        "shared_tambon_name": (3, sum(area["tambon_th"] == SHARED_TAMBON_NAME for area in oracle.tables["carea"])),
        "name_percent": (1, sum("%" in row["hosname"] for row in rows)),
        "name_underscore": (1, sum("_" in row["hosname"] for row in rows)),
        "name_quote": (1, sum("'" in row["hosname"] for row in rows)),
        "name_hundred_without_percent": (1, sum("100" in row["hosname"] and "%" not in row["hosname"] for row in rows)),
        "open": (251, len(oracle.open_facilities())),
        "open_in_first_tambon": (25, len(oracle.open_facilities(area=FIRST_AREA))),
    }
    return [Quota(name=name, minimum=minimum, count=count) for name, (minimum, count) in found.items()]
