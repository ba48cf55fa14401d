"""Reporting rounds: proposed by a preset, then as the office sets them."""

import hashlib
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.kpi import Period, Preset, Round, Rules, period_of, preset_rounds
from grader.records import Change, Records, ReportingRound, new_id
from grader.services.standings import settings_of


def reporting_rounds(session: Session, fy_be: int | None = None) -> tuple[Round, ...]:
    """The rounds of a fiscal year (default: of all), by their first day and then their last."""
    statement = select(ReportingRound).order_by(ReportingRound.start, ReportingRound.end, ReportingRound.code)
    if fy_be is not None:
        statement = statement.where(ReportingRound.fy_be == fy_be)
    return tuple(_round(row) for row in session.scalars(statement))


def reporting_round(session: Session, fy_be: int, code: str) -> Round:
    """One round.

    Raises:
        UsageProblem: ``indicator.round_unknown``, with those that the year has.
    """
    known = {one.code: one for one in reporting_rounds(session, fy_be)}
    if code not in known:
        raise UsageProblem("indicator.round_unknown", round=code, fiscal_year=fy_be, known=", ".join(known))
    return known[code]


def counted_period(session: Session, rules: Rules, fy_be: int, code: str, *, as_of: datetime) -> Period:
    """What the figure of a round counts with these rules, from data as of a moment.

    Raises:
        UsageProblem: ``indicator.round_unknown``.
    """
    return period_of(
        reporting_round(session, fy_be, code),
        calendar=reporting_rounds(session),
        cumulative=rules.kpi_cumulative,
        carry_over_years=rules.membership_passed_late == "next_round",
        as_of=as_of,
    )


def propose_rounds(records: Records, fy_be: int, *, by: str, preset: Preset | None = None) -> tuple[Round, ...]:
    """Add the rounds that a preset (default: that of the settings) proposes and the year does not have yet.

    Returns those that were added. Cut-off and due date are for the office to set.

    Raises:
        UsageProblem: ``indicator.no_change``: the year has all of them.
    """
    with records.change(by=by) as change:
        named = preset or settings_of(change.session).rules.rounds_preset
        known = {one.code for one in reporting_rounds(change.session, fy_be)}
        added = tuple(one for one in preset_rounds(named, fy_be) if one.code not in known)
        if not added:
            raise UsageProblem("indicator.no_change")
        for one in added:
            _put(change, one)
    return added


def stamp_of(reporting: Round) -> str:
    """What a round says now, in a few digits: whoever changes it tells by them which state was looked at."""
    return hashlib.sha256(reporting.model_dump_json().encode()).hexdigest()[:16]


def set_round(records: Records, reporting: Round, *, by: str, seen: str = "") -> Round:
    """Add a round, or change the one with this year and code: label, days, cut-off, due date.

    Snapshots hold the round as it was when they were taken, and do not change. ``seen`` is the stamp of the state that
    was looked at: when the round is another one by now, nothing is written.

    Raises:
        UsageProblem: ``indicator.changed_meanwhile``; ``indicator.no_change`` where a state was given that is so.
    """
    with records.change(by=by) as change:
        _put(change, reporting, seen=seen)
    return reporting


def _put(change: Change, reporting: Round, *, seen: str = "") -> None:
    row = change.session.scalars(
        select(ReportingRound)
        .where(ReportingRound.fy_be == reporting.fy_be, ReportingRound.code == reporting.code)
        .with_for_update()
    ).one_or_none()
    if seen and (row is None or stamp_of(_round(row)) != seen):
        raise UsageProblem("indicator.changed_meanwhile")
    if seen == stamp_of(reporting):
        raise UsageProblem("indicator.no_change")
    before = None if row is None else _round(row).model_dump(mode="json")
    values: dict[str, Any] = dict(reporting)
    if row is None:
        row = ReportingRound(id=new_id("rpr"), **values)
        change.session.add(row)
    for name, value in values.items():
        setattr(row, name, value)
    change.session.flush()
    change.audit("reporting_round.set", row.id, before=before, after=reporting.model_dump(mode="json"))


def _round(row: ReportingRound) -> Round:
    return Round(**{name: getattr(row, name) for name in Round.model_fields})
