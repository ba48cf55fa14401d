"""The world of E3: antenatal files of จังหวัดสาธิต, the civil registry, and what a correct service answers.

Fiscal years keep the lessons apart, so that one mistake of a trainee shows in as few checks as possible. E3-S1 asks for
the three years ``asked`` only; in them the linking holds no riddle. What is hard to link lies in the year ``edge``,
which nobody asks a rate for, and first visits at another facility in ``elsewhere``. The oracle knows nothing of this:
it is the rules, in code.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from string import ascii_letters, digits
from typing import Any

from grader.packs.synthetic import PROVINCE_CODE, generator, geography, to_thai_digits
from grader.packs.world import World

from .oracle import BE_OFFSET, UNUSABLE, Oracle, fiscal_year
from .quotas import quotas
from .riddles import LMP_BLANKS, add_riddles
from .women import TIE_AREA, Case, Files, compact, plain_be

TIE_WOMEN = 32
"""In one fiscal year as many linked pregnancies in the first tambon: 21/32 is 65.625 %, which rounds up."""

KEY_LENGTH = 32
"""The least that the brief promises: a service that uses 32 characters only is wrong when E3-S9 gives it more."""

GA_FORMS = {"ga_weeks": "{weeks}", "ga_days": "{weeks}+{days}", "ga_words": "{weeks} สัปดาห์"}


@dataclass(frozen=True, kw_only=True)
class Years:
    """Fiscal years (BE) by what they are there for."""

    asked: tuple[int, int, int]
    elsewhere: int
    edge: int


def build(seed: int) -> World:
    """The world of one attempt: about 1,000 pregnancies, and 925 to 985 numbers that DOPA can be asked for."""
    rng = generator("e3", seed)
    # Always in the past, and late in its fiscal year, so that the visits of the year before are over.
    today = date(rng.choice((2024, 2025)), 5, 1) + timedelta(days=rng.randrange(140))
    this = fiscal_year(today)
    years = Years(asked=(this - 3, this - 2, this - 1), elsewhere=this - 4, edge=this - 5)
    files = Files(rng, today=today, tambons=geography(rng))
    _ordinary(rng, files, years)
    _rounding(rng, files, years.asked[1])
    _not_linked(rng, files, years)
    _visits_and_lmps(rng, files, years)
    _two_facilities(rng, files, years)
    _elsewhere(rng, files, years.elsewhere)
    add_riddles(rng, files, years.edge)
    _fill(rng, files, years)
    for table in (files.person, files.prenatal, files.anc, files.dopa):
        rng.shuffle(table)  # the order in a table means nothing
    key = "".join(rng.choices(ascii_letters + digits, k=KEY_LENGTH))
    hdc = {"person": files.person, "prenatal": files.prenatal, "anc": files.anc}
    oracle = Oracle(
        hdc=hdc,
        persons=files.dopa,
        key=key,
        years=years.asked,
        areas=(PROVINCE_CODE, TIE_AREA[:4], TIE_AREA, "9704"),
        elsewhere_year=years.elsewhere,
        mutations=tuple(files.log.entries),
    )
    return World(
        seed=seed,
        as_of=f"{today.isoformat()}T08:00:00+07:00",
        tables={"hdc": hdc, "dopa": {"persons": files.dopa}},
        oracle=oracle,
        examples=_examples(oracle),
        people=files.people(),
        mutations=tuple(files.log.entries),
        quotas=quotas(oracle),
        env={"PSEUDONYM_KEY": key},
    )


def _ordinary(rng: Random, files: Files, years: Years) -> None:
    """Most of the province: linked women whose pregnancies hold no surprise."""
    for year, count in (*((year, rng.randint(180, 195)) for year in years.asked), (years.edge, 20)):
        for _ in range(count):
            lmp = files.day_in(year)
            files.ordinary(files.linked(lmp), lmp, first=None if rng.random() < 0.05 else files.first_day())
    for _ in range(rng.randint(18, 22)):
        lmp = files.day_in(years.asked[0])
        woman = files.linked(lmp)
        first = files.ordinary(woman, lmp, first=files.first_day(), gravida=rng.randint(1, 3))
        later = files.day_in(years.asked[2])
        second = files.ordinary(woman, later, first=files.first_day(), gravida=first.gravida + 1)
        files.note("two_pregnancies", second)
    for year in years.asked:  # a few in the first tambon in every year, so that its rate is never empty
        for _ in range(0 if year == years.asked[1] else rng.randint(9, 15)):
            lmp = files.day_in(year)
            files.ordinary(files.linked(lmp, area=TIE_AREA), lmp, first=files.first_day())


def _rounding(rng: Random, files: Files, year: int) -> None:
    """Exactly 32 linked pregnancies in the first tambon, a quarter of 32 plus 1 in time: the third decimal is a 5."""
    in_time = rng.choice((13, 17, 21, 25))
    for place in range(TIE_WOMEN):
        lmp = files.day_in(year)
        first = files.first_day(early=float(place < in_time))
        files.ordinary(files.linked(lmp, area=TIE_AREA), lmp, first=first)


def _not_linked(rng: Random, files: Files, years: Years) -> None:
    """Pregnancies of each other outcome but conflict, in the years that rates are asked for."""
    for year in years.asked:
        for outcome, most in (("dead", 6), ("moved_out", 10), ("not_found", 6), ("no_cid", 6), ("invalid_cid", 6)):
            for _ in range(rng.randint(most // 2, most)):
                lmp = files.day_in(year)
                woman = files.woman(pregnant=lmp, outcome=outcome)
                if outcome == "no_cid":
                    woman.typed = rng.choice((None, ""))
                elif outcome == "invalid_cid":
                    woman.typed = _mistyped(rng, woman.cid)
                    woman.numbers.append(woman.typed)
                elif outcome != "not_found":
                    event = lmp + timedelta(days=rng.choice((-400, 60, 300)) + rng.randrange(30))
                    files.enrol(woman, status="dead" if outcome == "dead" else "moved", event_be=plain_be(event))
                files.note(outcome, files.ordinary(woman, lmp, first=files.first_day()))


def _mistyped(rng: Random, cid: str) -> str:
    """A number that cannot be one: a digit lost, or a last digit that is not the right one."""
    if rng.random() < 0.4:
        return cid[:-1]
    return cid[:-1] + str((int(cid[-1]) + rng.randint(1, 9)) % 10)


def _visits_and_lmps(rng: Random, files: Files, years: Years) -> None:
    """What decides about A and B once a woman is linked: all in the years that rates are asked for."""

    def lone(mutator: str, lmp: date) -> Case:
        case = files.case(files.linked(lmp), lmp)
        files.note(mutator, case)
        return case

    for year in years.asked:
        for mutator, day in (("day_90", 90), ("day_91", 91), ("day_0", 0)):
            case = lone(mutator, files.day_in(year))
            files.expect(case)
            files.visit(case, day)
        start = date(year - BE_OFFSET - 1, 10, 1)
        for mutator, lmp in (("first_day", start), ("last_day", date(start.year + 1, 9, 30))):
            case = lone(mutator, lmp)
            files.expect(case)
            files.visit(case, 40)
        for _ in range(2):  # a visit before the LMP would make her early, and the one that counts is late
            case = lone("visit_before_lmp", files.day_in(year))
            files.expect(case)
            files.visit(case, -rng.randint(3, 40), ga="")
            files.visit(case, rng.randint(110, 170))
        for mutator, form in GA_FORMS.items():
            case = lone(mutator, files.day_in(year))
            files.expect(case, lmp=rng.choice(LMP_BLANKS))
            _first_by_ga(rng, files, case, form)
        case = lone("ga_thai_digits", files.day_in(year))
        files.expect(case, lmp=rng.choice(LMP_BLANKS))
        _first_by_ga(rng, files, case, to_thai_digits(rng.choice(("11 สัปดาห์", "11+3", "12"))))
        case = lone("ga_on_second_visit", files.day_in(year))
        files.expect(case, lmp=rng.choice(LMP_BLANKS))
        files.visit(case, 56, ga=rng.choice(("", "-", None, "ไม่ทราบ")))
        files.visit(case, 133, ga="19")
        _two_rows(files, lone("newest_prenatal", files.day_in(year)), newest=True)
        _two_rows(files, lone("smallest_hospcode", files.day_in(year)), newest=False)


def _first_by_ga(rng: Random, files: Files, case: Case, form: str) -> None:
    """Visits whose GA tells the LMP, the first of them with ``form``; some women come early, others late."""
    weeks, extra = rng.choice((10, 11, 15, 17)), rng.randint(1, 5)
    files.visit(case, weeks * 7 + extra, ga=form.format(weeks=weeks, days=extra))
    files.visit(case, weeks * 7 + 30)


def _two_rows(files: Files, case: Case, *, newest: bool) -> None:
    """Two facilities that tell her LMP 60 days apart; only by the right one her first visit is in time.

    The right one is the newer, with the larger hospcode; or, when both are of the same second, the smaller hospcode.
    """
    smaller, larger = sorted((case.place, files.place(case.woman)), key=lambda place: place.hospcode)
    right, wrong = (larger, smaller) if newest else (smaller, larger)
    updated = files.stamp(case.lmp + timedelta(days=60))
    older = files.stamp(case.lmp + timedelta(days=30)) if newest else updated
    files.expect(case, place=wrong, lmp=compact(case.lmp - timedelta(days=60)), updated=older)
    files.expect(case, place=right, updated=updated)
    files.visit(case, 50, place=right)
    files.visit(case, 80, place=wrong)


def _two_facilities(rng: Random, files: Files, years: Years) -> None:
    """Women with two facilities and two PIDs, first seen where they are registered; some come back pregnant again."""
    for place in range(rng.randint(22, 28)):
        lmp = files.day_in(years.asked[0])
        woman = files.linked(lmp)
        case = files.ordinary(woman, lmp, first=files.first_day(), gravida=1)
        other = files.place(woman)
        files.visit(case, 205, place=other)
        files.note("two_facilities", case)
        if place < 4:
            later = files.day_in(years.asked[2])
            again = files.case(woman, later, gravida=2, place=other)
            files.expect(again)
            files.visits(again, files.first_day(), place=other)
            files.note("two_facilities_two_pregnancies", again)


def _fill(rng: Random, files: Files, years: Years) -> None:
    """More ordinary women, until ten batches of 100 hold all numbers and nine do not."""
    askable = sum(woman.outcome not in UNUSABLE for woman in files.women)
    for _ in range(rng.randint(925, 985) - askable):
        lmp = files.day_in(rng.choice(years.asked))
        files.ordinary(files.linked(lmp), lmp, first=files.first_day())


def _elsewhere(rng: Random, files: Files, year: int) -> None:
    """Women whose first visit was at another facility than the one that registered the pregnancy."""
    for _ in range(rng.randint(18, 24)):
        lmp = files.day_in(year)
        files.ordinary(files.linked(lmp), lmp, first=files.first_day())
    for _ in range(rng.randint(6, 9)):
        lmp = files.day_in(year)
        woman = files.linked(lmp)
        case = files.case(woman, lmp)
        files.expect(case)
        files.visit(case, rng.randint(105, 170))
        files.visit(case, rng.randint(28, 77), place=files.place(woman))
        files.note("elsewhere", case)


def _examples(oracle: Oracle) -> dict[str, list[dict[str, Any]]]:
    """Requests that a correct service answers with 200; every case in them exists in this world."""
    first, middle, last = oracle.years
    # Dirt that breaks an answer's form is asked for by name: what breaks on it then breaks in every attempt.
    edges = (
        "leap_day",
        "event_unknown_day",
        "event_unknown_month",
        "unknown_lmp",
        "only_anc",
        "ga_days",
        "third_digit",
    )
    return {
        "getFirstVisitRate": [
            {"fy_be": middle},
            {"fy_be": first, "area": PROVINCE_CODE},
            {"fy_be": middle, "area": TIE_AREA},
            {"fy_be": last, "area": TIE_AREA[:4]},
            {"fy_be": 2600},
        ],
        "listReconciliation": [
            {},
            {"limit": 1},
            {"limit": 100},
            {"outcome": "no_cid", "limit": 10},
            {"outcome": "conflict", "limit": 10},
        ],
        "getCase": [
            {"case_id": case_id}
            for case_id in (
                *(
                    oracle.case_ids(outcome)[0]
                    for outcome in ("no_cid", "invalid_cid", "not_found", "dead", "moved_out")
                ),
                *(oracle.dirtied(edge)[0] for edge in edges),
            )
        ],
    }
