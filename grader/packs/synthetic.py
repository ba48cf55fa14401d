"""Pieces that worlds are built from: the imagined จังหวัดสาธิต (97), people who do not exist, a log of what was dirtied.

Pure and standard library only, because worlds are built inside the probe. Everything draws from a ``random.Random``
that :func:`generator` seeds, so that the same seed gives the same data on every machine.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from typing import Generic, TypeVar

from grader.packs.world import Mutation, Person, synthetic_cid

T = TypeVar("T")

PROVINCE_CODE = "97"
PROVINCE_NAME = "สาธิต"

DISTRICT_NAMES = ("เมืองสาธิต", "น้ำใส", "เขาทดลอง", "ทุ่งตัวอย่าง", "ท่าฝึกหัด", "ป่าเรียนรู้")
"""อำเภอ 9701 to 9706, in the order of their codes."""

SHARED_TAMBON_NAME = "หนองบัว"
"""The tambon name that several districts share: names are never a key."""

TAMBON_NAMES = (
    "ในเมือง", "บ้านใหม่", "โนนสูง", "ท่าช้าง", "คลองยาว", "ดอนแก้ว", "ทุ่งทอง", "ห้วยทราย", "ป่าสัก", "วังน้ำเย็น",
    "โคกสว่าง", "หนองแสง", "บึงงาม", "สระแก้ว", "เขาน้อย", "นาดี", "ศรีสุข", "แม่ใส", "เกาะกลาง", "บางพลับ",
    "หัวนา", "ไผ่ล้อม", "แสนสุข", "โพธิ์ทอง", "เวียงใหม่", "กุดชุม", "ลำดวน", "สวนผึ้ง", "ปากน้ำ", "ดงเย็น",
)  # fmt: skip

_PREFIXES = {1: ("นาย", "ด.ช."), 2: ("นาง", "นางสาว", "ด.ญ.")}
_GIVEN_NAMES = {
    1: ("กล้าทดลอง", "เก่งสมมุติ", "ขยันเรียน", "ชัยสาธิต", "ดนัยทดสอบ", "พลตัวอย่าง", "ภูมิฝึกหัด", "วีระจำลอง"),
    2: ("กานดาทดลอง", "จันทร์สมมุติ", "ดาวเรียน", "นวลสาธิต", "พิมพ์ทดสอบ", "มาลีตัวอย่าง", "รุ้งฝึกหัด", "อรจำลอง"),
}
_FAMILY_NAMES = ("มิได้มีจริง", "สมมุติวงศ์", "ตัวอย่างดี", "ทดลองกิจ", "สาธิตกุล", "จำลองพันธ์", "แบบฝึกหัด", "ลองดูก่อน")

_THAI_DIGITS = str.maketrans("0123456789", "๐๑๒๓๔๕๖๗๘๙")
_ARABIC_DIGITS = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")


def generator(exercise: str, seed: int) -> Random:
    """The only source of chance of a world; two exercises with one seed still get different data."""
    return Random(f"{exercise}/{seed}")  # noqa: S311 - repeatable on purpose, nothing secret comes from it


def to_thai_digits(text: str) -> str:
    """``"30"`` becomes ``"๓๐"``; everything that is no ASCII digit stays."""
    return text.translate(_THAI_DIGITS)


def to_arabic_digits(text: str) -> str:
    """``"๓๐"`` becomes ``"30"``; everything that is no Thai digit stays."""
    return text.translate(_ARABIC_DIGITS)


@dataclass(frozen=True, kw_only=True)
class Tambon:
    """One tambon of จังหวัดสาธิต. ``areacode`` has 6 digits; ``postcode`` has 5 and is shared by its district."""

    areacode: str
    province: str
    district: str
    name: str
    postcode: str


def geography(rng: Random, *, per_district: tuple[int, int] = (6, 10), shared: int = 4) -> tuple[Tambon, ...]:
    """The tambons of all six districts in the order of their codes; 970101 is always one of them.

    Codes have gaps as in real data. ``shared`` districts hold a tambon called SHARED_TAMBON_NAME.
    """
    sharing = set(rng.sample(range(len(DISTRICT_NAMES)), shared))
    tambons: list[Tambon] = []
    for place, district in enumerate(DISTRICT_NAMES):
        count = rng.randint(*per_district)
        names = rng.sample(TAMBON_NAMES, count)
        if place in sharing:
            names[rng.randrange(count)] = SHARED_TAMBON_NAME
        codes = [1, *sorted(rng.sample(range(2, count + 4), count - 1))]
        tambons += (
            Tambon(
                areacode=f"{PROVINCE_CODE}{place + 1:02d}{code:02d}",
                province=PROVINCE_NAME,
                district=district,
                name=name,
                postcode=f"{PROVINCE_CODE}{place + 1}00",
            )
            for code, name in zip(codes, names, strict=True)
        )
    return tuple(tambons)


def people(rng: Random, count: int) -> tuple[Person, ...]:
    """``count`` different people who do not exist: a valid CID with digits 2-3 = 97, and a Thai full name."""
    running = rng.sample(range(1, 10_000_000), count)
    found: dict[str, Person] = {}
    for number in running:
        name = _full_name(rng)
        while name in found:
            name = _full_name(rng)
        found[name] = Person(cid=synthetic_cid(rng.randint(1, 6), number, rng.choice((1, 3, 5, 8))), name=name)
    return tuple(found.values())


def _full_name(rng: Random) -> str:
    sex = rng.choice((1, 2))
    return f"{rng.choice(_PREFIXES[sex])}{rng.choice(_GIVEN_NAMES[sex])} {rng.choice(_FAMILY_NAMES)}"


@dataclass(frozen=True, kw_only=True)
class MutationLog:
    """What the mutators of one world did, in order."""

    entries: list[Mutation] = field(default_factory=list)

    def note(self, mutator: str, target: str, detail: str = "") -> None:
        """Remember that ``mutator`` dirtied the row with the key ``target``."""
        self.entries.append(Mutation(mutator=mutator, target=target, detail=detail))


class Untouched(Generic[T]):
    """Rows that no mutator has taken yet, in random order: two defects never meet in one row by accident."""

    def __init__(self, rng: Random, rows: Sequence[T]) -> None:
        self._rows = rng.sample(list(rows), len(rows))

    def take(self, count: int, *, where: Callable[[T], bool] = lambda _: True) -> list[T]:
        """``count`` rows that nobody has and that satisfy ``where``; ValueError when the world has too few of them."""
        taken = list(islice(filter(where, self._rows), count))
        if len(taken) < count:
            message = f"the world has too few rows: {count} were asked for, {len(taken)} are left"
            raise ValueError(message)
        identities = {id(row) for row in taken}
        self._rows = [row for row in self._rows if id(row) not in identities]
        return taken
