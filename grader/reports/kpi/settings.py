"""The value of a setting of the indicator in words."""

from decimal import Decimal
from typing import Final

from grader.kpi import PassRule, Rules
from grader.reports.catalogue import Lang, catalogue, label, labels
from grader.reports.kpi.lines import Line

_PERCENTAGES: Final = frozenset({"kpi.target", "kpi.weight", "course.min_attendance_pct"})


def setting_words(key: str, rules: Rules, lang: Lang) -> str:
    """The value that a setting has in these rules; ``key`` is one of ``grader.kpi.KEYS``."""
    field = key.replace(".", "_", 1)
    value = getattr(rules, field)
    if value is None:
        return label("kpi_set_none", lang)
    if isinstance(value, PassRule):
        return _pass_rule(value, lang)
    if isinstance(value, bool):
        answer = "yes" if value else "no"
        own = f"kpi_set_{field}_{answer}"
        return label(own if own in labels() else f"kpi_set_{answer}", lang)
    if isinstance(value, str):
        return label(_WORDED.get(key, f"kpi_set_{field}_") + value, lang)
    if isinstance(value, tuple):
        return " / ".join(str(one) for one in value)
    return label("kpi_set_percent", lang, value=value) if key in _PERCENTAGES else str(value)


_WORDED: Final = {"rounds.preset": "kpi_preset_", "membership.count_by": "value_count_by_"}
"""Settings whose values other reports word too: the beginning of the name of their labels."""


def setting_line(key: str, rules: Rules, lang: Lang) -> Line:
    """A setting with its name and its value."""
    value = getattr(rules, key.replace(".", "_", 1))
    words = setting_words(key, rules, lang)
    name = catalogue(lang)[key].title
    if isinstance(value, Decimal) and key in _PERCENTAGES:
        return Line(key=key, label=name, text=words, value=value, kind="percent")
    if isinstance(value, int) and not isinstance(value, bool):
        return Line(key=key, label=name, text=words, value=value, kind="count")
    return Line(key=key, label=name, text=words, value=None if value is None else words)


def _pass_rule(rule: PassRule, lang: Lang) -> str:
    groups = []
    for group in rule.groups:
        whole = group.at_least == len(group.of)
        lead = label("kpi_set_rule_all", lang) if whole else label("kpi_set_rule_some", lang, count=group.at_least)
        groups.append(f"{lead} {', '.join(group.of)}")
    return f" {label('kpi_set_rule_and', lang)} ".join(groups)
