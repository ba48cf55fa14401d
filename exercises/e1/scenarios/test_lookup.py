"""getFacility: codes are text, and beds are numbers only where the register holds one."""

import pytest


@pytest.mark.check("E1-S1")
def test_leading_zeros_stay(api):
    api.get("/facilities/00712").expect_status(200).expect_value("data.hoscode", "00712")


@pytest.mark.check("E1-S1")
def test_a_shorter_code_is_another_code(api):
    api.get("/facilities/712").expect_status(404)


@pytest.mark.check("E1-S1")
def test_letters_are_no_code(api):
    api.get("/facilities/abcde").expect_status(400)


@pytest.mark.check("E1-S6")
@pytest.mark.parametrize("form", ["bed_empty", "bed_dash", "bed_words", "bed_unknown", "bed_padded", "bed_thai_digits"])
def test_beds_are_numbers_or_unknown(api, oracle, form):
    hoscode = oracle.dirtied(form)[0]
    answer = api.get(f"/facilities/{hoscode}").expect_status(200)
    answer.expect_value("data.bed", oracle.facility(hoscode)["bed"])
