"""One reporting round as a screen shows it: the figure, its target, its units, and how it came there.

A and B are counted by the database, so nobody is looked at and no name is read; who is where and why is for the list of
people. What was published of an earlier round is shown as it was published, whatever the facts say since.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.kpi import (
    Figure,
    KpiSettings,
    Round,
    Rules,
    Standing,
    bangkok_date,
    fiscal_year,
    gap,
    more_passes_needed,
    standing,
)
from grader.records import Records, ReportingRound
from grader.services import figures, overseeing
from grader.services.figures import Tally
from grader.services.indicator.calendar import counted_period, reporting_round, reporting_rounds
from grader.services.indicator.definition import Definition, definition_of
from grader.services.indicator.published import KeptReport, kept_reports, published_of
from grader.services.indicator.units import TREND, UnitCount, before, rounds_before, unit_rows
from grader.services.standings import settings_of


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundFigure:
    """The figure of one round of the row; ``sha256`` is that of the snapshot it was published with, or ""."""

    round: Round
    tally: Tally
    sha256: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Freshness:
    """How far the data are behind. ``waiting`` results are still to come; ``stuck``: they do not come by themselves."""

    waiting: int = 0
    stuck: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """Everything that the screen of a round shows. ``trend`` ends with the round itself.

    ``next_round`` is the one whose data are cut off next, None when no later one is known.
    """

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
    next_round: Round | None
    freshness: Freshness

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
            units=unit_rows(
                session, rules, figures.by_unit(session, rules, period), rounds_before(session, rules, found, now)
            ),
            trend=(*_earlier(session, rules, found, now), RoundFigure(round=found, tally=tally)),
            settings=settings,
            definition=definition_of(session, fy_be),
            snapshots=kept_reports(session, fy_be, code),
            next_round=min(
                (one for one in reporting_rounds(session) if one.cutoff > now), key=lambda one: one.cutoff, default=None
            ),
            freshness=_freshness(session, now),
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


def _freshness(session: Session, now: datetime) -> Freshness:
    """Figures follow each result at once; what can be late is a result, when nobody grades or somebody has to look."""
    counts = overseeing.counts(session)
    owed = sum(counts.get(state, 0) for state in ("queued", "running", "needs_operator"))
    alive = any(one.alive for one in overseeing.workers(session, now))
    return Freshness(waiting=owed, stuck=bool(counts.get("needs_operator")) or (owed > 0 and not alive))


def _earlier(session: Session, rules: Rules, found: Round, now: datetime) -> list[RoundFigure]:
    """The rounds that ended before this one did, the oldest first: as published, else as the facts are now."""
    return [_figure(session, rules, one, now) for one in before(session, found)[1 - TREND :]]


def _figure(session: Session, rules: Rules, one: Round, now: datetime) -> RoundFigure:
    if (snapshot := published_of(session, one)) is not None:
        tally = Tally(a=snapshot.a, b=snapshot.b, decimals=snapshot.rules.kpi_decimals)
        return RoundFigure(round=one, tally=tally, sha256=snapshot.sha256)
    period = counted_period(session, rules, one.fy_be, one.code, as_of=now)
    return RoundFigure(round=one, tally=figures.figure(session, rules, period))
