"""What becomes of each pregnancy when the registry is asked about the woman. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal, get_args

from dates import dopa_date
from dopa import Registered
from pregnancies import Pregnancy, Woman
from pseudonyms import pseudonym

Outcome = Literal["no_cid", "invalid_cid", "not_found", "conflict", "dead", "moved_out", "linked"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

FEMALE = "2"

REASONS: Mapping[Outcome, str] = {
    "no_cid": "แฟ้มไม่มีเลขประจำตัวประชาชน",
    "invalid_cid": "เลขประจำตัวประชาชนไม่ครบ 13 หลักหรือเลขตรวจสอบไม่ถูกต้อง",
    "not_found": "ทะเบียนราษฎรไม่มีเลขประจำตัวประชาชนนี้",
    "conflict": "เพศหรือวันเกิดในแฟ้มกับทะเบียนราษฎรไม่ใช่ของคนเดียวกัน",
    "dead": "ทะเบียนราษฎรแจ้งว่าเสียชีวิตแล้ว",
    "moved_out": "ทะเบียนราษฎรแจ้งว่าย้ายออกแล้ว",
    "linked": "เพศและวันเกิดตรงกับทะเบียนราษฎร",
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A pregnancy with its outcome. ``registered`` is the woman's own entry; nobody else's is ever kept here."""

    case_id: str
    outcome: Outcome
    pregnancy: Pregnancy
    registered: Registered | None

    @property
    def reason(self) -> str:
        woman = self.pregnancy.woman
        if woman.cid is None:
            hospcode, pid, _ = woman.key.split(":")
            return f"{REASONS[self.outcome]} (หน่วยบริการ {hospcode} PID {pid})"
        return REASONS[self.outcome]


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A of B in one area and fiscal year; ``not_linked`` is of the whole province."""

    a: int
    b: int
    not_linked: int

    @property
    def percent(self) -> Decimal | None:
        """Two decimals, half up; None when there is nobody to divide by."""
        if self.b == 0:
            return None
        return (Decimal(self.a) * 100 / self.b).quantize(Decimal("0.01"), ROUND_HALF_UP)


def link(pregnancies: Iterable[Pregnancy], people: Mapping[str, Registered], key: bytes) -> list[Case]:
    """The case of every pregnancy, in order of the case id."""
    cases = [_case(pregnancy, people, key) for pregnancy in pregnancies]
    return sorted(cases, key=lambda case: case.case_id)


def counts(cases: Iterable[Case]) -> dict[Outcome, int]:
    """How many pregnancies have each outcome, none left out."""
    found = Counter(case.outcome for case in cases)
    return {outcome: found[outcome] for outcome in OUTCOMES}


def first_visit_rate(cases: Iterable[Case], fy_be: int, area: str) -> Rate:
    of_year = [case for case in cases if case.pregnancy.fy_be == fy_be]
    linked = [case for case in of_year if case.outcome == "linked"]
    of_area = [case for case in linked if case.registered and case.registered.areacode8.startswith(area)]
    early = [case for case in of_area if case.pregnancy.in_time]
    return Rate(a=len(early), b=len(of_area), not_linked=len(of_year) - len(linked))


def _case(pregnancy: Pregnancy, people: Mapping[str, Registered], key: bytes) -> Case:
    person = people.get(pregnancy.woman.cid or "")
    outcome = _outcome(pregnancy.woman, person)
    return Case(
        case_id=pseudonym(key, pregnancy.message),
        outcome=outcome,
        pregnancy=pregnancy,
        registered=None if outcome == "conflict" else person,
    )


def _outcome(woman: Woman, person: Registered | None) -> Outcome:
    """The first that applies."""
    if woman.has_no_cid:
        return "no_cid"
    if woman.cid is None:
        return "invalid_cid"
    if person is None:
        return "not_found"
    if not _is_her(woman, person):
        return "conflict"
    if person.status == "dead":
        return "dead"
    if person.status == "moved":
        return "moved_out"
    return "linked"


def _is_her(woman: Woman, person: Registered) -> bool:
    """A number that exists may still be somebody else's: one wrong digit in third place passes every check."""
    born = dopa_date(person.birth_be)
    return person.sex == FEMALE and bool(woman.births) and all(born.agrees(birth) for birth in woman.births)
