"""Fairness in one place: which requests are bad in every reading, and which are good in every reading."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from grader.probe.calls import describe
from grader.probe.contract.readings import Reader, Sent
from tests.fixtures import probing


def reader(operation_id: str) -> Reader:
    """The reader of one operation of the mini contract."""
    pack, _ = probing.mini()
    (operation,) = [one for one in describe(pack.contract) if one.operation_id == operation_id]
    return Reader(pack.contract, operation)


def listing(query: str) -> Sent:
    """A request for the list."""
    return Sent(method="GET", uri=f"/clinics?{query}" if query else "/clinics")


def report(**changes: Any) -> Sent:
    """A report with some values changed; a value of ``...`` leaves the property out."""
    body = {"code": "00712", "fiscal_year_be": 2569, "visits": 12, "note": None} | changes
    return Sent(
        method="POST",
        uri="/reports",
        body=json.dumps({name: value for name, value in body.items() if value is not ...}).encode(),
    )


TOLERATED = [
    "limit=1.0",
    "limit=%2B5",
    "limit=%20%205",
    "limit=" + quote("๕"),
    "limit=1&limit=2",
    "limit=0&limit=7",
    "limit=",
    "q=",
    "area=",
    "area=97%0A",
    "area=" + quote("๙๗"),
    "open_on=0",
    "open_on=20261122",
    "open_on=2026-11-22T00:00:00",
    "unknown=1&another=x",
    "cursor=x",
]
WRONG = [
    ("limit=0", "limit", "minimum"),
    ("limit=101", "limit", "maximum"),
    ("limit=x", "limit", "type"),
    ("limit=0.5", "limit", "type"),
    ("limit=true", "limit", "type"),
    ("area=9", "area", "pattern"),
    ("area=null&area=null", "area", "pattern"),
    ("open_on=2026-02-30", "open_on", "format"),
    ("open_on=yesterday", "open_on", "format"),
    ("q=" + "x" * 101, "q", "maxLength"),
]


@pytest.mark.parametrize("query", TOLERATED)
def test_some_reading_makes_it_good(query: str) -> None:
    """Trimming, Thai digits, repeated and empty values, other spellings of numbers and dates are no defect."""
    assert reader("listClinics").acceptable(listing(query))


@pytest.mark.parametrize(("query", "name", "rule"), WRONG)
def test_no_reading_makes_it_good(query: str, name: str, rule: str) -> None:
    """Values that break the contract however they are read, with the parameter and the rule."""
    one = reader("listClinics")
    assert not one.acceptable(listing(query))
    wrong = next(one.wrong(listing(query)))
    assert (wrong.where, wrong.name) == ("query", name)
    assert wrong.breach.rule in {rule, "type"}
    assert not one.unambiguous(listing(query))


@pytest.mark.parametrize(
    ("query", "good"),
    [
        ("", True),
        ("limit=5&area=9701", True),
        ("q=" + quote("สาธิต"), True),
        ("q=100%25", True),
        ("open_on=2026-11-22", True),
        ("open_on=0000-01-01", False),
        ("q=%20", False),
        ("q=a%0Ab", False),
        ("q=" + quote("𝒳" * 60), False),
        ("cursor=AAAA", False),
        ("limit=1&limit=2", False),
    ],
)
def test_only_plain_input_must_be_accepted(query: str, good: bool) -> None:  # noqa: FBT001 - a table
    """Refusing counts only for input that is good in every reading: no token, blank, control sign, year 0."""
    assert reader("listClinics").unambiguous(listing(query)) is good


@pytest.mark.parametrize(
    ("code", "acceptable"),
    [("00712", True), ("712", True), ("00712%0A", True), ("abcde", False), ("123456", False), ("0.5", False)],
)
def test_path_values(code: str, acceptable: bool) -> None:  # noqa: FBT001 - a table
    """Path values are read like query values."""
    assert reader("getClinic").acceptable(Sent(method="GET", uri=f"/clinics/{code}")) is acceptable


@pytest.mark.parametrize(
    ("changes", "acceptable"),
    [
        ({}, True),
        ({"visits": "12"}, True),
        ({"visits": True}, True),
        ({"visits": 12.0}, True),
        ({"code": " 00712 "}, True),
        ({"extra": 1}, True),
        ({"note": 5}, True),
        ({"visits": -1}, False),
        ({"visits": "many"}, False),
        ({"fiscal_year_be": 2026}, False),
        ({"code": ...}, False),
        ({"code": None}, False),
        ({"note": {}}, False),
        ({"note": "x" * 201}, False),
    ],
)
def test_bodies(changes: dict[str, Any], acceptable: bool) -> None:  # noqa: FBT001 - a table
    """Scalars of another type count as what they spell; bounds, patterns and required properties stay hard."""
    assert reader("createReport").acceptable(report(**changes)) is acceptable


def test_a_missing_or_unreadable_body() -> None:
    """A required body that is absent or no JSON is wrong in every reading, and so named."""
    one = reader("createReport")
    for body, rule in ((b"", "required"), (b"{", "json")):
        sent = Sent(method="POST", uri="/reports", body=body)
        assert not one.acceptable(sent)
        assert next(one.wrong(sent)).breach.rule == rule


def test_a_body_must_be_accepted_only_when_plain() -> None:
    """Text that trimming would make too short, or that holds control signs, may be refused."""
    one = reader("createReport")
    assert one.unambiguous(report(note="ปกติ"))
    assert not one.unambiguous(report(note="a\x0bb"))
    assert not one.unambiguous(report(note="𝒳" * 150))
