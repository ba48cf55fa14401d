"""Settings of the indicator: the defaults, what is confirmed and by whom, and what no version can hold."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from grader.errors import UsageProblem
from grader.kpi import KEYS, KpiSettings, Rules

NOW = datetime(2026, 11, 22, 7, 5, tzinfo=UTC)
LEVELS = ["60", "65", "70", "75", "80"]
EXAMPLES = {
    "kpi.target": "80.5",
    "kpi.decimals": 1,
    "kpi.level_thresholds": LEVELS,
    "kpi.weight": "20",
    "kpi.no_work_score": 0,
    "kpi.cumulative": False,
    "kpi.small_number": 3,
    "rounds.preset": "quarters",
    "course.pass_rule": {"groups": [{"at_least": 1, "of": ["e1"]}]},
    "course.min_attendance_pct": "80",
    "membership.count_by": "seat",
    "membership.withdrew": False,
    "membership.excluded": False,
    "membership.passed_late": "same_year",
    "membership.external": True,
}


def test_the_defaults_are_those_of_the_specification() -> None:
    """Nothing of the office is invented: no target, no levels, no weight; everything is unconfirmed."""
    rules = KpiSettings().rules
    assert (rules.kpi_target, rules.kpi_level_thresholds, rules.kpi_weight) == (None, None, None)
    assert (rules.kpi_scoring, rules.kpi_decimals, rules.kpi_cumulative) == ("none", 2, True)
    assert (rules.rounds_preset, rules.course_min_attendance_pct) == ("five_five", None)
    assert [(group.at_least, group.of) for group in rules.course_pass_rule.groups] == [
        (5, ("e1", "e2", "e3", "e4", "e5")),
        (1, ("e6", "e7")),
    ]
    assert (rules.membership_count_by, rules.membership_excluded, rules.membership_external) == ("person", True, False)
    assert KpiSettings().unconfirmed == KEYS


@pytest.mark.parametrize("key", EXAMPLES)
def test_a_change_is_a_new_version_with_its_history(key: str) -> None:
    """The old version keeps its value; the new one knows what was before, and that nobody confirmed it."""
    old = KpiSettings()
    new = old.revise({key: EXAMPLES[key]})
    assert (old.version, new.version) == (1, 2)
    assert old.setting(key).value == old.setting(key).default
    assert new.setting(key).value == EXAMPLES[key]
    assert [(past.value, past.until_version) for past in new.setting(key).history] == [(old.setting(key).default, 1)]
    assert new.rules != old.rules
    assert key in new.unconfirmed


def test_confirming_says_who_when_and_where() -> None:
    """Confirmed is the value that stands, a default too; a later change has to be confirmed again."""
    confirmed = KpiSettings().confirm("membership.excluded", by="head", at=NOW, source="no. 1/2570")
    setting = confirmed.setting("membership.excluded")
    assert (setting.value, setting.confirmed, setting.confirmed_by, setting.confirmed_at) == (True, True, "head", NOW)
    assert "membership.excluded" not in confirmed.unconfirmed
    changed = confirmed.revise({"membership.excluded": False}).setting("membership.excluded")
    assert (changed.confirmed, changed.history[-1].confirmed_by, changed.history[-1].source) == (
        False,
        "head",
        "no. 1/2570",
    )


def test_the_history_holds_every_value() -> None:
    """From the first to the last but one, with the version up to which each held."""
    settings = KpiSettings().revise({"kpi.target": "70"}).revise({"kpi.weight": "20"}).revise({"kpi.target": "80"})
    history = settings.setting("kpi.target").history
    assert [(past.value, past.until_version) for past in history] == [(None, 1), ("70", 3)]
    assert (settings.version, settings.setting("kpi.target").value) == (4, "80")


@pytest.mark.parametrize(("by", "source", "missing"), [("", "x", "by"), ("x", " ", "source"), ("", "", "by, source")])
def test_a_confirmation_without_name_or_document_is_none(by: str, source: str, missing: str) -> None:
    """An unconfirmed setting cannot be confirmed by nobody, nor by no document."""
    with pytest.raises(UsageProblem) as problem:
        KpiSettings().confirm("kpi.target", by=by, at=NOW, source=source)
    assert (problem.value.code, problem.value.params["missing"]) == ("kpi.confirmation_incomplete", missing)


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("kpi.goal", 80, "kpi.setting_unknown"),
        ("kpi_target", 80, "kpi.setting_unknown"),
        ("kpi.target", 80.5, "kpi.setting_value"),
        ("kpi.target", "100.01", "kpi.setting_value"),
        ("kpi.target", "-1", "kpi.setting_value"),
        ("kpi.decimals", 9, "kpi.setting_value"),
        ("kpi.level_thresholds", LEVELS[:4], "kpi.setting_value"),
        ("kpi.level_thresholds", [*LEVELS[:4], "75"], "kpi.thresholds"),
        ("kpi.scoring", "five_level_linear", "kpi.thresholds"),
        ("kpi.scoring", "milestone", "kpi.setting_value"),
        ("membership.no_show", True, "kpi.setting_value"),
        ("membership.attended", False, "kpi.setting_value"),
        ("course.pass_rule", {"groups": [{"at_least": 2, "of": ["e1"]}]}, "kpi.pass_rule"),
    ],
)
def test_what_cannot_be_used_gets_into_no_version(key: str, value: Any, code: str) -> None:
    """An unknown key, a value out of range, a binary fraction, a row that is fixed, levels that do not rise."""
    with pytest.raises(UsageProblem) as problem:
        KpiSettings().revise({key: value})
    assert problem.value.code == code


def test_a_stored_value_that_cannot_be_used_is_found_when_it_is_read() -> None:
    """A version from outside is held to the same rules, and says which key is wrong."""
    good = KpiSettings().revise({"kpi.target": "80"}).model_dump(mode="json")
    assert KpiSettings.model_validate(good).rules.kpi_target == Decimal(80)
    good["changed"]["kpi.target"]["value"] = "eighty"
    with pytest.raises(UsageProblem) as problem:
        KpiSettings.model_validate(good)
    assert (problem.value.code, problem.value.params["key"]) == ("kpi.setting_value", "kpi.target")


def test_scoring_is_set_together_with_its_levels() -> None:
    """Several settings change in one version."""
    settings = KpiSettings().revise({"kpi.scoring": "five_level_linear", "kpi.level_thresholds": LEVELS})
    assert (settings.version, settings.rules.kpi_level_thresholds) == (2, tuple(Decimal(one) for one in LEVELS))


def test_settings_survive_json() -> None:
    """A version comes back from a record as it was, history and confirmation included."""
    settings = KpiSettings().revise(EXAMPLES).confirm("kpi.target", by="head", at=NOW, source="no. 1/2570")
    assert KpiSettings.model_validate_json(settings.model_dump_json()) == settings


def test_every_setting_has_a_key_of_its_own() -> None:
    """Keys are the names of the fields with the first underscore as a dot."""
    assert len(set(KEYS)) == len(Rules.model_fields)
    assert {"kpi.target", "kpi.cumulative", "membership.count_by", "course.min_attendance_pct"} < set(KEYS)
