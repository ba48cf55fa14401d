"""Fiscal years, reporting rounds, and what one round counts.

A fiscal year runs from 1 October to 30 September and is named by the Buddhist year in which it ends. Which year and
which day a moment belongs to is decided in Bangkok, wherever the machine stands. A round is data that the office
enters; the presets only propose dates.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Annotated, Final, Literal, NamedTuple, Self, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, model_validator

from grader.errors import UsageProblem
from grader.evidence import Frozen

BANGKOK: Final = ZoneInfo("Asia/Bangkok")
BE_OFFSET: Final = 543
FIRST_MONTH: Final = 10
_MONTHS: Final = 12
_MONTHS_IN_QUARTER: Final = 3
_TICK: Final = timedelta(microseconds=1)
"""The smallest step of a time here and in both databases: the last moment of a day is one tick before the next day."""

Moment: TypeAlias = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
"""A moment, kept in UTC, so that the same moment is always written in the same way."""

Preset: TypeAlias = Literal["five_five", "three_six_nine_twelve", "quarters"]


def bangkok_date(moment: datetime) -> date:
    """The day on which a moment falls in Bangkok.

    Raises:
        ValueError: the moment has no zone, so nobody can know its day.
    """
    if moment.tzinfo is None:
        message = "a moment without a zone has no day in Bangkok"
        raise ValueError(message)
    return moment.astimezone(BANGKOK).date()


def midnight(day: date) -> datetime:
    """The moment at which a day begins in Bangkok."""
    return datetime.combine(day, time(), tzinfo=BANGKOK)


def last_moment(day: date) -> datetime:
    """The last moment of a day in Bangkok."""
    return midnight(day + timedelta(days=1)) - _TICK


def fiscal_year(day: date) -> int:
    """The fiscal year (BE) of a day in Bangkok: 2026-09-30 is in 2569, 2026-10-01 in 2570."""
    return day.year + BE_OFFSET + (1 if day.month >= FIRST_MONTH else 0)


def fiscal_year_at(moment: datetime) -> int:
    """The fiscal year (BE) of a moment."""
    return fiscal_year(bangkok_date(moment))


def first_day(fy_be: int) -> date:
    """1 October of the year before the one that names the fiscal year."""
    return _month_start(fy_be, 0)


def last_day(fy_be: int) -> date:
    """30 September of the year that names the fiscal year."""
    return _month_start(fy_be, _MONTHS) - timedelta(days=1)


def quarter(day: date) -> int:
    """The quarter of the fiscal year: 1 is October to December."""
    return (day.month - FIRST_MONTH) % _MONTHS // _MONTHS_IN_QUARTER + 1


class Round(Frozen):
    """One reporting round, first and last day included (Bangkok).

    ``label`` is what the office typed; when it is empty, a report uses the words of ``kpi_round_<code>``. Without
    ``cutoff_at`` the data are cut at the end of the last day.
    """

    fy_be: int
    code: str
    label: str = ""
    start: date
    end: date
    cutoff_at: Moment | None = None
    report_due: date | None = None

    @model_validator(mode="after")
    def _inside_its_year(self) -> Self:
        if not first_day(self.fy_be) <= self.start <= self.end <= last_day(self.fy_be):
            raise UsageProblem(
                "kpi.round_dates", round=self.code, start=str(self.start), end=str(self.end), fiscal_year=self.fy_be
            )
        if self.cutoff_at is not None and self.cutoff_at < midnight(self.start):
            raise UsageProblem("kpi.round_cutoff", round=self.code, start=str(self.start))
        return self

    @property
    def cutoff(self) -> datetime:
        """The last moment whose facts count, in UTC."""
        return self.cutoff_at or last_moment(self.end).astimezone(UTC)


class _Span(NamedTuple):
    """A round of a preset, in whole months after 1 October; ``until`` is not included."""

    code: str
    since: int
    until: int


PRESETS: Final[Mapping[Preset, tuple[_Span, ...]]] = MappingProxyType(
    {
        "five_five": (_Span("r1", 0, 5), _Span("r2", 5, 10)),
        "three_six_nine_twelve": (_Span("m3", 0, 3), _Span("m6", 0, 6), _Span("m9", 0, 9), _Span("m12", 0, 12)),
        "quarters": (_Span("q1", 0, 3), _Span("q2", 3, 6), _Span("q3", 6, 9), _Span("q4", 9, 12)),
    }
)


def preset_rounds(preset: Preset, fy_be: int) -> tuple[Round, ...]:
    """The rounds that a preset proposes for a fiscal year; the office adds cut-off and due date."""
    return tuple(
        Round(
            fy_be=fy_be,
            code=span.code,
            start=_month_start(fy_be, span.since),
            end=_month_start(fy_be, span.until) - timedelta(days=1),
        )
        for span in PRESETS[preset]
    )


class Period(Frozen):
    """What one figure counts.

    People who entered from ``first`` to ``last`` (days in Bangkok), as their facts stood at ``cutoff``. Of those who
    entered before ``first``, and not before ``carried_from``, only they who passed after ``passed_after``, the cut-off
    before this period, and so are in no figure yet.
    """

    first: date
    last: date
    cutoff: Moment
    passed_after: Moment
    carried_from: date | None = None


def period_of(
    period_round: Round,
    *,
    calendar: Iterable[Round],
    cumulative: bool,
    carry_over_years: bool,
    as_of: datetime,
) -> Period:
    """What the figure of a round counts.

    ``calendar`` are all rounds of the indicator, those of earlier years too: the last cut-off before this period says
    which late passes were already counted. ``as_of`` is the moment of the data: in a round that still runs, nobody is
    judged by what has yet to happen.
    """
    first = first_day(period_round.fy_be) if cumulative else period_round.start
    before = [other.cutoff for other in calendar if other.end < first]
    return Period(
        first=first,
        last=period_round.end,
        cutoff=min(period_round.cutoff, as_of),
        passed_after=max(before, default=midnight(first) - _TICK),
        carried_from=None if carry_over_years else first_day(period_round.fy_be),
    )


def _month_start(fy_be: int, months: int) -> date:
    """The first day of the month that is so many months after the October in which the fiscal year begins."""
    years, month = divmod(FIRST_MONTH - 1 + months, _MONTHS)
    return date(fy_be - BE_OFFSET - 1 + years, month + 1, 1)
