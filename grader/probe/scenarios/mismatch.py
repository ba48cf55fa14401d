"""How a scenario says that the app is wrong: an assertion that carries findings instead of a sentence."""

import math
from typing import Any

from grader.errors import Param
from grader.evidence import Finding
from grader.probe.exchanges import printable

MAX_TEXT = 300
MAX_ITEMS = 20
MAX_LEVELS = 6


class Mismatch(AssertionError):
    """The app's answer differs from what the exercise asks; ``findings`` say how."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__(", ".join(finding.code for finding in findings))
        self.findings = findings


def shown_value(value: Any, *, levels: int = MAX_LEVELS) -> Any:
    """The value as bounded JSON: long texts, lists and objects are cut, what JSON cannot say becomes text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else str(value)[:MAX_TEXT]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict) and levels:
        return {
            printable(str(key))[:MAX_TEXT]: shown_value(one, levels=levels - 1)
            for key, one in list(value.items())[:MAX_ITEMS]
        }
    if isinstance(value, list | tuple) and levels:
        return [shown_value(one, levels=levels - 1) for one in value[:MAX_ITEMS]]
    return printable(str(value))[:MAX_TEXT]


def shown_param(value: Any) -> Param:
    """The value as something that fills a sentence."""
    plain = shown_value(value, levels=0)
    return plain if isinstance(plain, str | int | float | bool) or plain is None else str(plain)
