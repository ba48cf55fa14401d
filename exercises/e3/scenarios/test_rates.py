"""getFirstVisitRate: who is in A and in B, in fiscal years and areas whose linking holds no riddle."""

import pytest


@pytest.mark.check("E3-S1")
@pytest.mark.parametrize("area", range(4))
@pytest.mark.parametrize("year", range(3))
def test_rate_of_a_year_and_an_area(api, oracle, year, area):
    expected = oracle.rate(oracle.years[year], oracle.areas[area])
    answer = api.get("/anc/first-visit", fy_be=expected["fy_be"], area=expected["areacode"]).expect_status(200)
    for name in ("b", "a", "rate"):
        answer.expect_value(f"data.{name}", expected[name])


@pytest.mark.check("E3-S1")
def test_the_area_is_the_province_when_none_is_given(api, oracle):
    expected = oracle.rate(oracle.years[0])
    answer = api.get("/anc/first-visit", fy_be=expected["fy_be"]).expect_status(200)
    for name in ("areacode", "b", "a"):
        answer.expect_value(f"data.{name}", expected[name])


@pytest.mark.check("E3-S1")
@pytest.mark.parametrize("query", [{"fy_be": 2600}, {"area": "970199"}])
def test_nobody_to_count_has_no_rate(api, oracle, query):
    answer = api.get("/anc/first-visit", **{"fy_be": oracle.years[0], **query}).expect_status(200)
    answer.expect_value("data.b", 0).expect_value("data.rate", None)


@pytest.mark.check("E3-S1")
@pytest.mark.parametrize(
    "kind", ["day_90", "day_91", "first_day", "last_day", "ga_days", "ga_words", "ga_on_second_visit", "unknown_lmp"]
)
def test_a_case_tells_what_the_rate_is_made_of(api, oracle, kind):
    case_id = oracle.dirtied(kind)[0]
    expected = oracle.case(case_id)
    answer = api.get(f"/anc/cases/{case_id}").expect_status(200)
    for name in ("lmp", "lmp_source", "fy_be", "in_time"):
        answer.expect_value(f"data.{name}", expected[name])


@pytest.mark.check("E3-S4")
@pytest.mark.parametrize("place", range(3))
def test_the_first_visit_may_be_at_another_facility(api, oracle, place):
    case_id = oracle.dirtied("elsewhere")[place]
    expected = oracle.case(case_id)
    answer = api.get(f"/anc/cases/{case_id}").expect_status(200)
    for name in ("first_visit_date", "first_visit_day", "in_time"):
        answer.expect_value(f"data.{name}", expected[name])


@pytest.mark.check("E3-S4")
def test_the_rate_knows_visits_at_other_facilities(api, oracle):
    expected = oracle.rate(oracle.elsewhere_year)
    answer = api.get("/anc/first-visit", fy_be=expected["fy_be"], area="97").expect_status(200)
    answer.expect_value("data.a", expected["a"])
