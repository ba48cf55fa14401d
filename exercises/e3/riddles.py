"""Pregnancies that are hard to link: numbers that look right or wrong, half known dates, and files that disagree.

All of them lie in one fiscal year that nobody asks a rate for, so that a mistake in linking shows in no rate.
"""

from datetime import date
from random import Random

from grader.packs.synthetic import to_thai_digits

from .oracle import BE_OFFSET
from .women import Files, plain_be

LEAP_DAY_BE = "25670229"

LMP_BLANKS = ("", None, "00000000", "20230231", "ไม่ทราบ")
"""An LMP that is missing or cannot be read; 2023 had no 31 February."""

BIRTHS = {
    "birth_unknown_both": ("19970101", "25400000"),
    "birth_unknown_hdc": ("19970101", "25400512"),
    "birth_unknown_dopa": ("19970513", "25400000"),
    "birth_unknown_day": ("19970513", "25400500"),
    "birth_other_day": ("19970513", "25400512"),
    "birth_other_month": ("19970513", "25400600"),
    "birth_other_year": ("19970513", "25410513"),
    "birth_other_year_unknown": ("19970101", "25410000"),
}
"""Pairs of what HDC (CE) and DOPA (BE) hold; from birth_other_day on they contradict each other."""


def add_riddles(rng: Random, files: Files, year: int) -> None:
    """Every kind of them, two or more of each."""
    _numbers(files, year)
    _third_digits(rng, files, year)
    _births_and_events(rng, files, year)
    _sources(rng, files, year)


def _numbers(files: Files, year: int) -> None:
    """Numbers that only look wrong: dashes, spaces, Thai digits, and one woman written in two ways."""
    forms = {"dashed": _dashed, "spaced": lambda cid: f" {cid} ", "thai_digits": to_thai_digits}
    for mutator, form in forms.items():
        for _ in range(3):
            lmp = files.day_in(year)
            woman = files.linked(lmp)
            woman.typed = form(woman.cid)
            files.note(mutator, files.ordinary(woman, lmp, first=files.first_day()))
    for form in (_dashed, to_thai_digits, _dashed):
        lmp = files.day_in(year)
        woman = files.linked(lmp)
        case = files.ordinary(woman, lmp, first=30)
        files.visit(case, 150, place=files.place(woman, typed=form(woman.cid)))
        files.note("written_in_two_ways", case)
    lmp = files.day_in(year)
    woman = files.woman(pregnant=lmp, outcome="no_cid")
    woman.typed = "-"
    files.note("only_a_dash", files.ordinary(woman, lmp, first=30))


def _dashed(cid: str) -> str:
    """The printed form N-NNNN-NNNNN-NN-N."""
    return "-".join((cid[0], cid[1:5], cid[5:10], cid[10:12], cid[12]))


def _third_digits(rng: Random, files: Files, year: int) -> None:
    """97 typed as 98 or 99: the check digit still fits, and the registry holds a man under that number.

    The first of these men were born when the women were, so that only the sex tells.
    """
    for place in range(rng.randint(6, 8)):
        lmp = files.day_in(year)
        woman = files.woman(pregnant=lmp, outcome="conflict")
        files.enrol(woman)  # herself, under her own number, which nobody asks for
        wrong = f"{woman.cid[:2]}{rng.choice('89')}{woman.cid[3:]}"
        woman.typed = wrong
        woman.numbers.append(wrong)
        if place == 3:
            woman.birth_be = f"{woman.birth_be[:4]}0000"
        elif place > 3:
            woman.birth_be = f"{woman.birth.year + BE_OFFSET - rng.randint(3, 40)}0715"
        moved = place == 4
        event = plain_be(lmp) if moved else None
        files.enrol(woman, cid=wrong, sex="1", status="moved" if moved else "alive", event_be=event)
        files.note("third_digit", files.ordinary(woman, lmp, first=files.first_day()), number=wrong)


def _births_and_events(rng: Random, files: Files, year: int) -> None:
    """Dates of birth that are partly unknown or contradict, and dates of events that are hard to read."""
    for mutator, (hdc, dopa) in BIRTHS.items():
        for _ in range(2):
            lmp = files.day_in(year)
            contradicts = list(BIRTHS).index(mutator) >= list(BIRTHS).index("birth_other_day")
            woman = files.woman(pregnant=lmp, outcome="conflict" if contradicts else "linked")
            woman.birth, woman.hdc_birth, woman.birth_be = date(1997, 5, 13), hdc, dopa
            files.enrol(woman)
            files.note(mutator, files.ordinary(woman, lmp, first=files.first_day()))
    for mutator, status, event in (
        ("leap_day", "moved", LEAP_DAY_BE),
        ("leap_day", "dead", LEAP_DAY_BE),
        ("event_unknown_day", "moved", f"{year + 1}0600"),
        ("event_unknown_month", "dead", f"{year + 1}0000"),
    ):
        lmp = files.day_in(year)
        woman = files.woman(pregnant=lmp, outcome="dead" if status == "dead" else "moved_out")
        files.enrol(woman, status=status, event_be=event)
        files.note(mutator, files.ordinary(woman, lmp, first=files.first_day()))
    for status in ("dead", "moved"):  # somebody else, so that neither dead nor moved_out is said of her
        lmp = files.day_in(year)
        woman = files.woman(pregnant=lmp, outcome="conflict")
        woman.birth_be = f"{int(woman.birth_be[:4]) + rng.choice((-9, 8))}{woman.birth_be[4:]}"
        files.enrol(woman, status=status, event_be=plain_be(lmp))
        files.note("conflict_before_status", files.ordinary(woman, lmp, first=files.first_day()))


def _sources(rng: Random, files: Files, year: int) -> None:
    """Where a pregnancy is written down: gravida in two forms, no row of ``prenatal``, an LMP that nobody knows."""
    for _ in range(4):
        lmp = files.day_in(year)
        case = files.case(files.linked(lmp), lmp)
        files.expect(case)
        files.visit(case, files.first_day(), gravida=f"{case.gravida:02d}")
        files.note("padded_gravida", case)
    for _ in range(4):
        lmp = files.day_in(year)
        case = files.case(files.linked(lmp), lmp)
        files.visit(case, rng.randint(40, 150))
        files.note("only_anc", case)
    for _ in range(4):
        lmp = files.day_in(year)
        case = files.case(files.linked(lmp), lmp)
        files.expect(case, lmp=rng.choice(LMP_BLANKS))
        files.visit(case, rng.randint(40, 150), ga=rng.choice(("", None, "-", "11.5", "11+8")))
        files.note("unknown_lmp", case)
