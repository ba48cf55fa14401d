"""The order of a Thai dictionary."""

import random

import pytest

from grader.reports.sorting import thai_key

ORDERS = {
    "a vowel before its consonant is read after it": ["กบ", "กัญญา", "เก่ง", "แก้ว", "ไก่", "ขวัญ"],
    "a mark above decides only between equals": ["ปา", "ป่า", "ป้า", "ปาก"],
    "numbers are compared as numbers": ["ศูนย์ที่ 2 สาธิต", "ศูนย์ที่ ๓ สาธิต", "ศูนย์ที่ 10 สาธิต"],
    "numbers, Latin letters of any case, Thai": ["7", "alpha", "Beta", "กอง"],
    "nothing stands before something": ["", "ก", "กก"],
}


@pytest.mark.parametrize("rule", ORDERS)
def test_names_stand_as_in_a_dictionary(rule: str) -> None:
    """Whatever the order in which they come."""
    for seed in range(20):
        mixed = random.Random(seed).sample(ORDERS[rule], len(ORDERS[rule]))
        assert sorted(mixed, key=thai_key) == ORDERS[rule]
