"""The oracle of E3 knows the rules of the brief: each is asked of a few rows written by hand."""

from pathlib import Path
from typing import Any

import pytest

from grader.packs import World, build_world, load_pack

E3 = Path(__file__).parents[2] / "exercises" / "e3"

CID = "1970100000011"
OTHER_CID = "1970100000029"
PRACTICE_KEY = "practice-key-0001"

HERSELF = {
    "hospcode": "00712",
    "pid": "00000000123",
    "cid": CID,
    "sex": "2",
    "birth": "19970513",
    "typearea": "1",
    "discharge": "9",
    "d_update": "20240101080000",
}
RECORD = {
    "cid": CID,
    "sex": "2",
    "birth_be": "25400513",
    "status": "alive",
    "areacode8": "97010203",
    "event_date_be": None,
}
ENROLLED = {
    "hospcode": "00712",
    "pid": "00000000123",
    "gravida": "2",
    "lmp": "20240115",
    "edc": "20241021",
    "d_update": "20240401080000",
}
VISIT = {
    "hospcode": "00712",
    "pid": "00000000123",
    "seq": "000001",
    "date_serv": "20240320",
    "gravida": "2",
    "ancno": "1",
    "ga": "9",
    "d_update": "20240320090000",
}


@pytest.fixture(scope="module")
def world() -> World:
    """One world of E3, of which only the kind of its oracle is used."""
    return build_world(load_pack(E3), 1)


@pytest.fixture
def files(world: World) -> Any:
    """Makes an oracle of hand-written rows: each is the plain row above with some columns changed."""

    def make(
        *,
        person: tuple[dict[str, Any], ...] = ({},),
        dopa: tuple[dict[str, Any], ...] = ({},),
        prenatal: tuple[dict[str, Any], ...] = ({},),
        anc: tuple[dict[str, Any], ...] = ({},),
    ) -> Any:
        return type(world.oracle)(
            hdc={
                "person": [{**HERSELF, **one} for one in person],
                "prenatal": [{**ENROLLED, **one} for one in prenatal],
                "anc": [{**VISIT, **one} for one in anc],
            },
            persons=[{**RECORD, **one} for one in dopa],
            key=PRACTICE_KEY,
        )

    return make


def only_case(oracle: Any) -> dict[str, Any]:
    """The one pregnancy that an oracle knows."""
    (case_id,) = oracle.case_ids()
    found: dict[str, Any] = oracle.case(case_id)
    return found


@pytest.mark.parametrize(
    ("message", "case_id"),
    [
        ("1970100000011", "HXPDI4XVG6XDG3DJ"),
        ("19701000000112", "6ATHLTFUCBVWEQDB"),
        ("00712:000123:1", "QSHLP66SSF6FPPMP"),
    ],
)
def test_pseudonyms_are_those_of_the_vectors(files: Any, message: str, case_id: str) -> None:
    """Rule 6.6, with the practice key of the brief; another key gives another pseudonym."""
    assert files().case_id(message) == case_id
    assert files().case_id(message, "practice-key-0002") != case_id


def test_the_example_of_the_brief(files: Any) -> None:
    """What section 5.3 shows for getCase is what its rules give."""
    assert only_case(files()) == {
        "case_id": "6ATHLTFUCBVWEQDB",
        "outcome": "linked",
        "fy_be": 2567,
        "lmp": "2024-01-15",
        "lmp_source": "prenatal",
        "first_visit_date": "2024-03-20",
        "first_visit_day": 65,
        "in_time": True,
        "registry": {"status": "alive", "event_date": None, "areacode6": "970102"},
    }


@pytest.mark.parametrize(
    ("typed", "outcome"),
    [
        *((text, "linked") for text in (CID, "1-9701-00000-01-1", "๑๙๗๐๑๐๐๐๐๐๐๑๑", f" {CID[:5]} {CID[5:]} ")),
        *((text, "no_cid") for text in (None, "", "  ", "-", "- -")),
        *((text, "invalid_cid") for text in ("1970100000012", "197010000001", "19701000000111", "x", "197010000001x")),
        (OTHER_CID, "not_found"),
    ],
)
def test_numbers_are_normalised_and_then_judged(files: Any, typed: str | None, outcome: str) -> None:
    """Rules 6.1.1, 6.1.2 and the first outcomes of 6.2; only a usable number makes the case_id."""
    case = only_case(files(person=({"cid": typed},)))
    usable = outcome not in ("no_cid", "invalid_cid")
    message = f"{CID if outcome == 'linked' else OTHER_CID}2" if usable else "00712:00000000123:2"
    assert case["outcome"] == outcome
    assert case["case_id"] == files().case_id(message)
    assert (case["registry"] is None) == (outcome != "linked")


@pytest.mark.parametrize(
    ("record", "outcome"),
    [
        ({"sex": "1"}, "conflict"),
        ({"birth_be": "25410513"}, "conflict"),
        ({"sex": "1", "status": "dead"}, "conflict"),
        ({"birth_be": "25390513", "status": "moved"}, "conflict"),
        ({"status": "dead", "event_date_be": "25600101"}, "dead"),
        ({"status": "moved", "event_date_be": "25700101"}, "moved_out"),
    ],
)
def test_outcomes_follow_the_registry_in_order(files: Any, record: dict[str, Any], outcome: str) -> None:
    """Rule 6.2: somebody else is never dead or moved, and no event date is compared."""
    case = only_case(files(dopa=(record,)))
    assert case["outcome"] == outcome
    assert (case["registry"] is None) == (outcome == "conflict")


@pytest.mark.parametrize(
    ("hdc", "dopa", "agree"),
    [
        *(("19970101", dopa, True) for dopa in ("25400000", "25400512", "25400101")),
        *(("19970513", dopa, True) for dopa in ("25400000", "25400500", "25400513")),
        *(("19970513", dopa, False) for dopa in ("25400512", "25400600", "25400613", "25410513", "19970513")),
        *(("19970101", dopa, False) for dopa in ("25410101", "25390000")),
    ],
)
def test_births_are_compared_where_both_sides_know_them(files: Any, hdc: str, dopa: str, *, agree: bool) -> None:
    """Rule 6.1.4: "0101" and "00" are unknown, the year never is."""
    case = only_case(files(person=({"birth": hdc},), dopa=({"birth_be": dopa},)))
    assert case["outcome"] == ("linked" if agree else "conflict")


@pytest.mark.parametrize(
    ("event", "expected"),
    [("25670229", "2024-02-29"), ("25661231", "2023-12-31"), ("25670600", None), ("25670000", None), (None, None)],
)
def test_be_dates_are_converted_before_they_are_read(files: Any, event: str | None, expected: str | None) -> None:
    """Rules 5.3 and 6.5: a leap day of a BE year exists, an unknown part makes the date unknown."""
    case = only_case(files(dopa=({"status": "moved", "event_date_be": event},)))
    assert case["registry"] == {"status": "moved", "event_date": expected, "areacode6": "970102"}


def test_one_woman_two_facilities_two_pregnancies(files: Any) -> None:
    """Rule 6.3.1: the number and gravida make a pregnancy; a facility's PID does not, but where there is no number."""
    elsewhere = {"hospcode": "10001", "pid": "00000000456"}
    rows = {"prenatal": ({}, {**elsewhere, "gravida": "02"}, {"gravida": "3"}), "anc": ({"gravida": "02"},)}
    linked = files(person=({}, elsewhere), **rows)
    assert sorted(one.message for one in linked.pregnancies.values()) == [f"{CID}2", f"{CID}3"]
    unknown = files(person=({"cid": ""}, {**elsewhere, "cid": None}), **rows)
    assert sorted(one.message for one in unknown.pregnancies.values()) == [
        "00712:00000000123:2",
        "00712:00000000123:3",
        "10001:00000000456:2",
    ]


def test_pregnancies_come_from_visits_too(files: Any) -> None:
    """Rule 6.3.2: what prenatal lacks is found in anc, also when the visit's day cannot be read."""
    assert only_case(files(prenatal=()))["lmp"] == "2024-01-17"
    blank = only_case(files(prenatal=(), anc=({"date_serv": "00000000"},)))
    assert (blank["lmp_source"], blank["first_visit_date"], blank["outcome"]) == ("unknown", None, "linked")


def test_the_newest_row_of_prenatal_is_chosen_before_its_lmp(files: Any) -> None:
    """Rule 6.3.3: newest d_update, then the smallest hospcode; a newest row without LMP sends to the visits."""
    elsewhere = {"hospcode": "10001", "pid": "00000000456"}
    person = ({}, elsewhere)
    newer = {**elsewhere, "lmp": "20240201", "d_update": "20240501080000"}
    assert only_case(files(person=person, prenatal=({}, newer)))["lmp"] == "2024-02-01"
    tied = {**newer, "d_update": ENROLLED["d_update"]}
    assert only_case(files(person=person, prenatal=(tied, {})))["lmp"] == "2024-01-15"
    blank = only_case(files(person=person, prenatal=({}, {**newer, "lmp": None})))
    assert (blank["lmp"], blank["lmp_source"]) == ("2024-01-17", "ga")


@pytest.mark.parametrize(
    ("ga", "days"),
    [
        *(("11", 77), ("11+3", 80), ("11 สัปดาห์", 77), ("11สัปดาห์", 77), ("๑๑+๓", 80), (" 9 ", 63), ("12+0", 84)),
        *((text, None) for text in ("", None, "-", "11+7", "11+", "11.5", "111", "สัปดาห์", "11 weeks", "-1")),
    ],
)
def test_gestational_age_has_three_forms(files: Any, ga: str | None, days: int | None) -> None:
    """Rules 6.3.5 and 6.3.8: the LMP is the visit's day minus what can be read, or unknown."""
    case = only_case(files(prenatal=({"lmp": "00000000"},), anc=({"ga": ga},)))
    assert (case["lmp_source"], case["first_visit_day"]) == (("ga", days) if days else ("unknown", None))
    assert case["in_time"] is (days <= 90 if days else None)


@pytest.mark.parametrize("lmp", ["", None, "00000000", "20230231", "2024011", "๒๐๒๔๐๑๑๕", "15/01/67"])
def test_an_lmp_that_cannot_be_read_comes_from_the_visits(files: Any, lmp: str | None) -> None:
    """Rule 6.3.7: eight ASCII digits that exist in the calendar; edc is not used."""
    assert only_case(files(prenatal=({"lmp": lmp},)))["lmp_source"] == "ga"


def test_the_earliest_readable_visit_tells_the_lmp(files: Any) -> None:
    """Rule 6.3.5: an earlier visit without GA is passed over; on one day the smallest hospcode, then seq, decides."""
    elsewhere = {"hospcode": "10001", "pid": "00000000456"}
    visits = (
        {"date_serv": "20240301", "ga": "", "seq": "000009"},
        {"ga": "10", "seq": "000003"},
        {"ga": "9", "seq": "000002"},
        {**elsewhere, "ga": "8", "seq": "000001"},
        {"date_serv": "20240401", "ga": "1", "seq": "000004"},
    )
    case = only_case(files(person=({}, elsewhere), prenatal=(), anc=visits))
    assert (case["lmp"], case["first_visit_date"]) == ("2024-01-17", "2024-03-01")


@pytest.mark.parametrize(
    ("days", "day", "in_time"),
    [
        (("20240414",), 90, True),
        (("20240415",), 91, False),
        (("20240115",), 0, True),
        (("20240114", "20240601"), 138, False),
        (("20240114",), None, False),
        ((), None, False),
    ],
)
def test_visits_count_from_the_lmp_on(files: Any, days: tuple[str, ...], day: int | None, *, in_time: bool) -> None:
    """Rule 6.4.3: day 90 is in time, visits before the LMP are ignored, no visit is not in time."""
    visits = tuple({"date_serv": one, "seq": f"{place}"} for place, one in enumerate(days))
    case = only_case(files(anc=visits))
    assert (case["first_visit_day"], case["in_time"]) == (day, in_time)


def test_the_first_visit_may_be_at_another_facility(files: Any) -> None:
    """Rule 6.4.3: visits of all facilities that know her by the same number."""
    elsewhere = {"hospcode": "10001", "pid": "00000000456"}
    case = only_case(files(person=({}, elsewhere), anc=({}, {**elsewhere, "date_serv": "20240201"})))
    assert case["first_visit_date"] == "2024-02-01"


@pytest.mark.parametrize(
    ("lmp", "fy_be"), [("20230930", 2566), ("20231001", 2567), ("20240930", 2567), ("20240229", 2567)]
)
def test_fiscal_years_begin_in_october(files: Any, lmp: str, fy_be: int) -> None:
    """Rule 6.4.1."""
    oracle = files(prenatal=({"lmp": lmp},))
    assert only_case(oracle)["fy_be"] == fy_be
    assert [oracle.rate(year)["b"] for year in (fy_be - 1, fy_be, fy_be + 1)] == [0, 1, 0]


def test_the_rate_is_of_linked_women_of_the_area(files: Any) -> None:
    """Rules 6.4.2 to 6.4.4 and section 5.1: not_linked is that of the province, and without B there is no rate."""
    elsewhere = {"hospcode": "10001", "pid": "00000000456", "cid": OTHER_CID}
    place = {"hospcode": "10001", "pid": "00000000456"}
    oracle = files(person=({}, elsewhere), prenatal=({}, place))
    asked = {area: oracle.rate(2567, area) for area in ("97", "9701", "970102", "9702", "10")}
    assert [one["b"] for one in asked.values()] == [1, 1, 1, 0, 0]
    assert [one["rate"] for one in asked.values()] == [100.0, 100.0, 100.0, None, None]
    assert [one["not_linked"] for one in asked.values()] == [1] * 5


@pytest.mark.parametrize(("above", "below", "rate"), [(21, 32, 65.63), (1, 3, 33.33), (2, 3, 66.67), (0, 7, 0.0)])
def test_rates_round_half_up(files: Any, above: int, below: int, rate: float) -> None:
    """Rule 6.4.4: 65.625 is 65.63."""
    women = tuple({"gravida": str(number)} for number in range(1, below + 1))
    data = files(prenatal=women, anc=women[:above]).rate(2567)
    assert (data["a"], data["b"], data["rate"]) == (above, below, rate)
