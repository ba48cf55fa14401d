"""listFacilities: which facilities are listed, in which order, and how many on a page.

Only hoscodes are compared, so that a wrong field is found by the check that it belongs to.
"""

from datetime import timedelta

import pytest

from grader.probe.scenarios.expect import same_list


@pytest.mark.check("E1-S2")
@pytest.mark.parametrize("limit", [100, 37])
def test_all_pages_are_the_open_facilities_in_order(api, oracle, limit):
    pages = api.pages("/facilities", limit=limit)
    same_list(pages, oracle.open_facilities(), key="hoscode")


@pytest.mark.check("E1-S4")
@pytest.mark.parametrize("text", ["' OR 1=1 --", "100%", "_"])
def test_search_text_is_literal(api, oracle, text):
    pages = api.pages("/facilities", q=text, limit=100)
    same_list(pages, oracle.open_facilities(q=text), key="hoscode", ordered=False)


@pytest.mark.check("E1-S7")
@pytest.mark.parametrize(("kind", "digits"), [("unknown_tambon", 4), ("unknown_district", 2)])
def test_unknown_parts_of_an_area_have_no_name(api, oracle, kind, digits):
    hoscode = oracle.dirtied(kind)[0]
    area = oracle.facility(hoscode)["area"]
    answer, row = listed(api, hoscode, {"area": area["areacode"][:digits]})
    if row is None:
        answer.fail("list.missing", expected=hoscode, at="data")
    for name in ("province_name", "district_name", "tambon_name"):
        if row["area"][name] != area[name]:
            answer.fail("response.value", expected=area[name], got=row["area"][name], at=f"data[].area.{name}")


@pytest.mark.check("E1-S8")
@pytest.mark.parametrize("kind", ["closed", "closes_on_as_of", "closes_later"])
def test_closed_from_the_closing_day_on(api, oracle, kind):
    hoscode = oracle.dirtied(kind)[0]
    closing = oracle.closing_day(hoscode)
    area = oracle.facility(hoscode)["area"]["areacode"]
    before = closing - timedelta(days=1)
    answer, row = listed(api, hoscode, {"area": area, "open_on": before.isoformat()})
    if row is None:
        answer.fail("list.missing", expected=hoscode, at="data")
    answer, row = listed(api, hoscode, {"area": area, "open_on": closing.isoformat()})
    if row is not None:
        answer.fail("list.unexpected", got=hoscode, at="data")


@pytest.mark.check("E1-S8")
def test_zeros_are_no_closing_day(api, oracle):
    hoscode = oracle.dirtied("closed_zero")[0]
    area = oracle.facility(hoscode)["area"]["areacode"]
    answer, row = listed(api, hoscode, {"area": area, "open_on": oracle.today.isoformat()})
    if row is None:
        answer.fail("list.missing", expected=hoscode, at="data")


@pytest.mark.check("E1-S9")
@pytest.mark.parametrize("limit", ["0", "101", "x"])
def test_a_wrong_limit_is_refused(api, limit):
    api.get("/facilities", limit=limit).expect_status(400)


@pytest.mark.check("E1-S9")
def test_fifty_rows_without_a_limit(api):
    answer = api.get("/facilities").expect_status(200)
    if len(answer.data) != 50:
        answer.fail("list.page_size", expected=50, got=len(answer.data), at="data")
    answer.expect_value("page.limit", 50)


def listed(api, hoscode, query):
    """The row of one facility in a list, or None, with the answer that it is in (or the last one)."""
    for answer in api.pages("/facilities", limit=100, **query):
        for row in answer.data:
            if row["hoscode"] == hoscode:
                return answer, row
    return answer, None
