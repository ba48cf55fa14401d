"""One reporting round as a screen shows it: the figure, its target, its units, and how it came there.

A and B are counted by the database, so nobody is looked at and no name is read; who is where and why is for the list of
people. What was published of an earlier round is shown as it was published, whatever the facts say since.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.kpi import (
    Figure,
    KpiSettings,
    Round,
    Rules,
    Standing,
    State,
    bangkok_date,
    fiscal_year,
    gap,
    hidden_units,
    more_passes_needed,
    standing,
)
from grader.records import Records, ReportingRound, ReportRecord, Seat, Unit
from grader.reports.sorting import thai_key
from grader.services import figures
from grader.services.figures import Tally
from grader.services.indicator.calendar import counted_period, reporting_round, reporting_rounds
from grader.services.indicator.definition import Definition, definition_of
from grader.services.indicator.snapshots import Kept, kept, read
from grader.services.standings import settings_of

TREND: Final = 8
"""Rounds of the row of earlier figures, this one among them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitCount:
    """A unit of the roster. ``tally`` is None where its number is hidden, and ``hidden`` says why."""

    unit: str
    name: str
    tally: Tally | None
    hidden: Literal["small", "protects"] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundFigure:
    """The figure of one round of the row; ``sha256`` is that of the snapshot it was published with, or ""."""

    round: Round
    tally: Tally
    sha256: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptReport:
    """A stored snapshot, and how far its report is (None: nobody began one). ``current``: nothing corrects it."""

    kept: Kept
    state: State | None
    current: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """Everything that the screen of a round shows. ``trend`` ends with the round itself."""

    round: Round
    rounds: tuple[Round, ...]
    years: tuple[int, ...]
    as_of: datetime
    tally: Tally
    target: Decimal | None
    confirmed: bool
    standing: Standing
    gap: Decimal | None
    needed: int | None
    units: tuple[UnitCount, ...]
    trend: tuple[RoundFigure, ...]
    settings: KpiSettings
    definition: Definition
    snapshots: tuple[KeptReport, ...]

    @property
    def running(self) -> bool:
        """Whether the data are from before the cut-off."""
        return self.as_of < self.round.cutoff

    @property
    def since_last(self) -> Decimal | None:
        """The percentage less that of the round before, in points."""
        if len(self.trend) < 2:  # noqa: PLR2004 - this one and one before
            return None
        before, now = self.trend[-2].tally.percent, self.trend[-1].tally.percent
        return None if before is None or now is None else now - before


def overview(records: Records, fy_be: int, code: str) -> Overview:
    """The screen of a round.

    Raises:
        UsageProblem: ``indicator.round_unknown``.
    """
    with records.reading() as session:
        now = records.database.now(session)
        settings = settings_of(session)
        rules = settings.rules
        found = reporting_round(session, fy_be, code)
        period = counted_period(session, rules, fy_be, code, as_of=now)
        tally = figures.figure(session, rules, period)
        counted = Figure(a=tally.a, b=tally.b, decimals=tally.decimals)
        target, confirmed = rules.kpi_target, settings.setting("kpi.target").confirmed
        return Overview(
            round=found,
            rounds=reporting_rounds(session, fy_be),
            years=years_of(session, now),
            as_of=now,
            tally=tally,
            target=target,
            confirmed=confirmed,
            standing=standing(counted, target, confirmed=confirmed, running=now < found.cutoff),
            gap=gap(counted, target),
            needed=more_passes_needed(counted, target),
            units=_units(session, rules, figures.by_unit(session, rules, period)),
            trend=(*_earlier(session, rules, found, now), RoundFigure(round=found, tally=tally)),
            settings=settings,
            definition=definition_of(session, fy_be),
            snapshots=kept_reports(session, fy_be, code),
        )


def years_of(session: Session, now: datetime) -> tuple[int, ...]:
    """The fiscal years that have rounds, and this one, the newest first."""
    known = set(session.scalars(select(ReportingRound.fy_be).distinct()))
    return tuple(sorted(known | {fiscal_year(bangkok_date(now))}, reverse=True))


def current_round(session: Session, now: datetime, fy_be: int | None = None) -> Round:
    """The round of today, or the last one of a year that is over or has not begun.

    Raises:
        UsageProblem: ``indicator.round_missing``.
    """
    today = bangkok_date(now)
    chosen = fy_be if fy_be is not None else fiscal_year(today)
    known = reporting_rounds(session, chosen)
    if not known:
        raise UsageProblem("indicator.round_missing", fiscal_year=chosen)
    running = [one for one in known if one.start <= today <= one.end]
    return running[0] if running else known[-1]


def kept_reports(session: Session, fy_be: int, code: str) -> tuple[KeptReport, ...]:
    """The stored snapshots of a round, the newest first."""
    found = kept(session, fy_be, code)
    corrected = {one.replaces for one in found}
    rows = select(ReportRecord.sha256, ReportRecord.report).where(ReportRecord.sha256.in_(one.sha256 for one in found))
    states: dict[str, State] = {row.sha256: row.report["state"] for row in session.execute(rows)}
    return tuple(
        KeptReport(kept=one, state=states.get(one.sha256), current=one.sha256 not in corrected) for one in found
    )


def _units(session: Session, rules: Rules, tallies: dict[str, Tally]) -> tuple[UnitCount, ...]:
    """Every unit of the roster in the order of a dictionary, small numbers hidden; one without anybody in B has 0."""
    rows = session.execute(select(Unit.id, Unit.name).where(Unit.id.in_(select(Seat.unit_id).distinct())))
    nothing = Tally(a=0, b=0, decimals=rules.kpi_decimals)
    hidden = hidden_units({unit: one.b for unit, one in tallies.items()}, rules.kpi_small_number)
    found = [
        UnitCount(
            unit=row.id,
            name=row.name,
            tally=None if row.id in hidden else tallies.get(row.id, nothing),
            hidden=hidden.get(row.id),
        )
        for row in rows
    ]
    return tuple(sorted(found, key=lambda one: (thai_key(one.name), one.unit)))


def _earlier(session: Session, rules: Rules, found: Round, now: datetime) -> list[RoundFigure]:
    """The rounds that ended before this one did, the oldest first: as published, else as the facts are now."""
    before = [one for one in reporting_rounds(session) if (one.end, one.start) < (found.end, found.start)]
    before.sort(key=lambda one: (one.end, one.start))
    return [_figure(session, rules, one, now) for one in before[1 - TREND :]]


def _figure(session: Session, rules: Rules, one: Round, now: datetime) -> RoundFigure:
    for published in kept_reports(session, one.fy_be, one.code):
        if published.current and published.state == "certified":
            snapshot = read(session, published.kept.sha256)
            tally = Tally(a=snapshot.a, b=snapshot.b, decimals=snapshot.rules.kpi_decimals)
            return RoundFigure(round=one, tally=tally, sha256=published.kept.sha256)
    period = counted_period(session, rules, one.fy_be, one.code, as_of=now)
    return RoundFigure(round=one, tally=figures.figure(session, rules, period))
