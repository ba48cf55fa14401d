"""What the office decides about the indicator: each setting with its value, and whether anybody has confirmed it.

:class:`Rules` is the list of all settings with their defaults; the key of a field is its name with the first ``_`` as a
dot (``membership_count_by`` is ``membership.count_by``). A setting of which nobody said that it is right is
*unconfirmed*, also when it has its default value. Settings never change in place: each change is a new version.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from grader.errors import UsageProblem
from grader.evidence import Frozen
from grader.kpi.fiscal import Moment, Preset
from grader.kpi.passing import COURSE_RULE, PassRule
from grader.kpi.scoring import LEVELS, Scoring, check_thresholds


def _no_binary_fraction(value: object) -> object:
    if isinstance(value, float):
        message = "a number with decimals must be given as text, because 0.1 has no exact binary form"
        raise ValueError(message)  # noqa: TRY004 - pydantic collects ValueError, and a TypeError would escape it
    return value


Percent: TypeAlias = Annotated[Decimal, BeforeValidator(_no_binary_fraction), Field(ge=0, le=100)]

Yes: TypeAlias = Literal[True]
No: TypeAlias = Literal[False]
"""The only answer that is built for this row; it can be confirmed, and another answer is a change of the program."""


class Rules(Frozen):
    """All settings as plain values; the defaults are proposals, none of them a rule of the office.

    ``membership_<row>`` is a row of the membership table: whether people of that row are in B. The words of each key
    are in the catalogue of reports.

    Raises:
        UsageProblem: ``kpi.thresholds``: five levels were asked for, and there are no five that increase.
    """

    kpi_target: Percent | None = None
    kpi_decimals: int = Field(default=2, ge=0, le=4)
    kpi_scoring: Scoring = "none"
    kpi_level_thresholds: tuple[Percent, ...] | None = Field(default=None, min_length=LEVELS, max_length=LEVELS)
    kpi_weight: Percent | None = None
    kpi_no_work_score: Literal[0, 1] = 1
    kpi_cumulative: bool = True
    kpi_small_number: int = Field(default=5, ge=0, le=100)
    rounds_preset: Preset = "five_five"
    course_pass_rule: PassRule = COURSE_RULE
    course_attempt: Literal["best"] = "best"
    course_min_attendance_pct: Percent | None = None
    membership_count_by: Literal["person", "seat"] = "person"
    membership_no_reply: No = False
    membership_declined: No = False
    membership_no_show: No = False
    membership_replaced: No = False
    membership_attended: Yes = True
    membership_withdrew: bool = True
    membership_excluded: bool = True
    membership_no_submission: Yes = True
    membership_grading: Yes = True
    membership_grader_fault: Yes = True
    membership_passed_late: Literal["next_round", "same_year"] = "next_round"
    membership_repeat: Literal["passed_in_any"] = "passed_in_any"
    membership_external: bool = False
    membership_observer: No = False

    @model_validator(mode="after")
    def _levels(self) -> Self:
        if self.kpi_scoring != "none" or self.kpi_level_thresholds is not None:
            check_thresholds(self.kpi_level_thresholds or ())
        return self


def key_of(field: str) -> str:
    """The key of a setting from the name of its field."""
    return field.replace("_", ".", 1)


KEYS: Final = tuple(key_of(field) for field in Rules.model_fields)
"""The key of every setting, in the order of :class:`Rules`."""


class Past(Frozen):
    """A value that a setting had, up to a version."""

    value: Any
    until_version: int
    confirmed_by: str | None
    confirmed_at: Moment | None
    source: str


class Setting(Frozen):
    """One setting. ``value`` and ``default`` are JSON values; ``source`` is a document number or a link."""

    key: str
    value: Any
    default: Any
    confirmed_by: str | None = None
    confirmed_at: Moment | None = None
    source: str = ""
    history: tuple[Past, ...] = ()

    @property
    def confirmed(self) -> bool:
        """Whether somebody said that this value is right."""
        return self.confirmed_at is not None


class KpiSettings(Frozen):
    """One version of all settings; a key that is absent has its default and is unconfirmed."""

    version: int = Field(default=1, ge=1)
    changed: Mapping[str, Setting] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _usable(self) -> Self:
        for key in self.changed:
            _field(key)
        self.rules  # noqa: B018 - a value that cannot be used must not get into any version
        return self

    @cached_property
    def rules(self) -> Rules:
        """All values, as the figure needs them.

        Raises:
            UsageProblem: ``kpi.setting_value`` or ``kpi.thresholds``.
        """
        return _rules({key: setting.value for key, setting in self.changed.items()})

    def setting(self, key: str) -> Setting:
        """One setting.

        Raises:
            UsageProblem: ``kpi.setting_unknown``.
        """
        field = _field(key)
        return self.changed.get(key) or Setting(key=key, value=DEFAULTS[field], default=DEFAULTS[field])

    @property
    def unconfirmed(self) -> tuple[str, ...]:
        """The keys that nobody has confirmed, in the order of :class:`Rules`."""
        return tuple(key for key in KEYS if not self.setting(key).confirmed)

    def revise(self, values: Mapping[str, Any]) -> "KpiSettings":
        """The next version, with these values, which nobody has confirmed yet.

        Several can be given at once, because scoring is of no use without its levels.

        Raises:
            UsageProblem: ``kpi.setting_unknown``, ``kpi.setting_value`` or ``kpi.thresholds``.
        """
        wanted = {key: setting.value for key, setting in self.changed.items()} | dict(values)
        clean = _rules(wanted).model_dump(mode="json")
        return self._next({key: self._setting_with(key, clean[_field(key)]) for key in values})

    def confirm(self, key: str, *, by: str, at: datetime, source: str) -> "KpiSettings":
        """The next version, in which somebody has said that a value is right, and in which document.

        Raises:
            UsageProblem: ``kpi.setting_unknown``; ``kpi.confirmation_incomplete`` without a name or a document.
        """
        missing = [name for name, words in (("by", by), ("source", source)) if not words.strip()]
        if missing:
            raise UsageProblem("kpi.confirmation_incomplete", key=key, missing=", ".join(missing))
        setting = self._setting_with(key, self.setting(key).value)
        return self._next({key: Setting(**dict(setting) | {"confirmed_by": by, "confirmed_at": at, "source": source})})

    def _setting_with(self, key: str, value: Any) -> Setting:
        """A setting with a value that is not confirmed, and what it was before as the last entry of its history."""
        old = self.setting(key)
        past = Past(
            value=old.value,
            until_version=self.version,
            confirmed_by=old.confirmed_by,
            confirmed_at=old.confirmed_at,
            source=old.source,
        )
        return Setting(key=key, value=value, default=old.default, history=(*old.history, past))

    def _next(self, settings: Mapping[str, Setting]) -> "KpiSettings":
        return KpiSettings(version=self.version + 1, changed={**self.changed, **settings})


DEFAULTS: Final[Mapping[str, Any]] = Rules().model_dump(mode="json")


def _field(key: str) -> str:
    if key not in KEYS:
        raise UsageProblem("kpi.setting_unknown", key=key, known=", ".join(KEYS))
    return key.replace(".", "_", 1)


def _rules(values: Mapping[str, Any]) -> Rules:
    try:
        return Rules.model_validate({_field(key): value for key, value in values.items()})
    except ValidationError as problem:
        first = problem.errors()[0]
        raise UsageProblem(
            "kpi.setting_value", key=key_of(str(first["loc"][0])), value=str(first["input"]), problem=first["msg"]
        ) from problem
