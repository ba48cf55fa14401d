"""countFacilities: open facilities of an area on the date of AS_OF."""

import pytest


@pytest.mark.check("E1-S5")
@pytest.mark.parametrize("areacode", ["97", "9701", "970101"])
def test_count_of_an_area(api, oracle, areacode):
    answer = api.get(f"/areas/{areacode}/facility-count").expect_status(200)
    answer.expect_value("data.count", oracle.count(areacode))


@pytest.mark.check("E1-S5")
@pytest.mark.parametrize("digits", [2, 4, 6])
def test_an_area_that_does_not_exist(api, oracle, digits):
    unknown = next(code for code in oracle.unknown_areas() if len(code) == digits)
    api.get(f"/areas/{unknown}/facility-count").expect_status(404)


@pytest.mark.check("E1-S5")
def test_one_digit_is_no_area(api):
    api.get("/areas/9/facility-count").expect_status(400)
