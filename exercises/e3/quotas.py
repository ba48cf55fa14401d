"""The edge cases that the checks of E3 need, counted in the finished rows and not in the mutators' log."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from grader.packs.synthetic import to_arabic_digits
from grader.packs.world import Quota

from .oracle import BE_OFFSET, Oracle, ce_date, gestation, is_usable, normalised

Row = Mapping[str, Any]
ByCase = Mapping[str, Sequence[Row]]

WRONG_PROVINCES = ("98", "99")
GA_FORMS = {"ga_weeks": r"[0-9]+", "ga_days": r"[0-9]+\+[0-6]", "ga_words": r"[0-9]+ สัปดาห์"}


def quotas(oracle: Oracle) -> list[Quota]:
    """How many cases of each kind the world holds, and how many it must."""
    found = {**_people(oracle), **_pregnancies(oracle)}
    return [Quota(name=name, minimum=minimum, count=count) for name, (minimum, count) in found.items()]


def _people(oracle: Oracle) -> dict[str, tuple[int, int]]:
    """Quotas of numbers and dates of birth: name -> (minimum, count)."""
    persons = {row["cid"]: row for row in oracle.persons}
    typed = [row["cid"] or "" for row in oracle.hdc["person"]]
    births = {cid: row["birth"] for row in oracle.hdc["person"] if is_usable(cid := normalised(row["cid"]))}
    facilities = Counter(normalised(text) for text in typed if is_usable(normalised(text)))
    men = [cid for cid in births if cid[1:3] in WRONG_PROVINCES and persons[cid]["sex"] == "1"]
    pairs = Counter(
        (birth, persons[cid]["birth_be"], persons[cid]["sex"]) for cid, birth in births.items() if cid in persons
    )
    return {
        "numbers_to_ask": (901, len(births)),
        "third_digit": (3, len(men)),
        "third_digit_born_alike": (
            2,
            sum(persons[cid]["birth_be"] == f"{int(births[cid][:4]) + BE_OFFSET}{births[cid][4:]}" for cid in men),
        ),
        "two_facilities": (3, sum(count > 1 for count in facilities.values())),
        "dashed": (2, sum("-" in text and is_usable(normalised(text)) for text in typed)),
        "thai_digits": (2, sum(to_arabic_digits(text) != text for text in typed)),
        "birth_unknown_both": (1, pairs["19970101", "25400000", "2"]),
        "birth_other_day": (1, pairs["19970513", "25400512", "2"]),
    }


def _pregnancies(oracle: Oracle) -> dict[str, tuple[int, int]]:
    """Quotas of outcomes, LMPs and visits: name -> (minimum, count)."""
    cases = oracle.pregnancies
    linked = {case_id: one for case_id, one in cases.items() if one.outcome == "linked"}
    days = Counter(one.first_visit_day for one in linked.values())
    women = Counter(one.message[:13] for one in linked.values())
    prenatal, visits = _by_case(oracle, "prenatal"), _by_case(oracle, "anc")
    moved = [one.record["event_date_be"] for one in cases.values() if one.outcome == "moved_out" and one.record]
    early = sum(
        any((day := ce_date(row["date_serv"])) is not None and day < one.lmp for row in visits.get(case_id, ()))
        for case_id, one in linked.items()
        if one.lmp is not None
    )
    return {
        "pregnancies": (950, len(cases)),
        **{f"outcome_{outcome}": (3, count) for outcome, count in oracle.counts().items()},
        "two_pregnancies": (2, sum(count > 1 for count in women.values())),
        "day_90": (2, days[90]),
        "day_91": (2, days[91]),
        "moved_on_leap_day": (1, moved.count("25670229")),
        **{f"{form}_without_lmp": (2, count) for form, count in _ga_forms(oracle, visits).items()},
        "unknown_lmp": (2, sum(one.lmp is None for one in cases.values())),
        "only_in_anc": (2, sum(case_id not in prenatal for case_id in cases)),
        "visit_before_lmp": (2, early),
        "visit_at_another_facility": (3, sum(_elsewhere(oracle, one, prenatal, visits) for one in linked)),
        "rate_that_rounds_up": (
            1,
            sum(_rounds_up(oracle, year, area) for year in oracle.years for area in oracle.areas),
        ),
    }


def _by_case(oracle: Oracle, file: str) -> ByCase:
    """The rows of a file by the case_id of their pregnancy."""
    cids = {(row["hospcode"], row["pid"]): normalised(row["cid"]) for row in oracle.hdc["person"]}
    found: dict[str, list[Row]] = {}
    for row in oracle.hdc[file]:
        cid = cids[row["hospcode"], row["pid"]]
        who = cid if is_usable(cid) else f"{row['hospcode']}:{row['pid']}:"
        found.setdefault(oracle.case_id(f"{who}{int(row['gravida'])}"), []).append(row)
    return found


def _ga_forms(oracle: Oracle, visits: ByCase) -> dict[str, int]:
    """How many pregnancies have their LMP from each form of GA, in Arabic digits."""
    counted = dict.fromkeys(GA_FORMS, 0)
    for case_id, one in oracle.pregnancies.items():
        if one.lmp_source == "ga":
            readable = [row for row in visits[case_id] if gestation(row["ga"]) is not None]
            text = min(readable, key=lambda row: row["date_serv"])["ga"]
            for form, pattern in GA_FORMS.items():
                counted[form] += re.fullmatch(pattern, text) is not None
    return counted


def _elsewhere(oracle: Oracle, case_id: str, prenatal: ByCase, visits: ByCase) -> bool:
    """Whether the first visit was only at facilities that did not register the pregnancy."""
    first = oracle.pregnancies[case_id].first_visit
    registered = {row["hospcode"] for row in prenatal.get(case_id, ())}
    seen = {row["hospcode"] for row in visits.get(case_id, ()) if ce_date(row["date_serv"]) == first}
    return bool(registered and seen) and not registered & seen


def _rounds_up(oracle: Oracle, year: int, area: str) -> bool:
    """Whether half up and half even differ: the third decimal is a 5, nothing follows, and an even digit precedes."""
    data = oracle.rate(year, area)
    thousandths, rest = divmod(100_000 * data["a"], data["b"]) if data["b"] else (0, 1)
    return rest == 0 and thousandths % 10 == 5 and (thousandths // 10) % 2 == 0
