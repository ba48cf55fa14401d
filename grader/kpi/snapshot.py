"""A figure frozen for ever, as one JSON document whose SHA-256 is printed on the report.

The document holds everything that the figure was made from: period, settings with what was unconfirmed, and each person
with the reason. It is never changed. A correction is a new snapshot that names the one it replaces, and why; what later
facts would change is shown as a difference.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal, Self, TypeAlias

from pydantic import Field, ValidationError, model_validator

from grader.errors import GraderError, UsageProblem
from grader.evidence import Frozen
from grader.kpi.figure import Figure, UnitTable, by_unit, figure_of
from grader.kpi.fiscal import Moment, Period, Round, period_of
from grader.kpi.membership import Placement, Reason, Status, place
from grader.kpi.passing import Result
from grader.kpi.roster import Enrolment
from grader.kpi.scoring import Score, score
from grader.kpi.settings import KEYS, KpiSettings, Rules

FORMAT: Final = "kpi-snapshot/1"

Move: TypeAlias = Literal["entered_b", "left_b", "entered_a", "left_a"]


class Member(Frozen):
    """One person, or seat, of a snapshot. Ids only: names stay in the records, which may have to forget them."""

    key: str
    unit: str
    status: Status
    result: Result | None
    reason: Reason
    in_b: bool
    in_a: bool
    seats: int


class Replaces(Frozen):
    """Which snapshot a correction replaces, and why."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    reason: str = Field(pattern=r"\S")


class Snapshot(Frozen):
    """The frozen figure of one round.

    ``a``, ``b``, ``percent``, ``counts`` and the scores follow from ``members`` and ``rules``; a document in which they
    do not is refused. ``final`` is False when the data were taken before the cut-off.
    """

    format: Literal["kpi-snapshot/1"] = FORMAT
    indicator: str
    definition_version: int
    round: Round
    period: Period
    as_of: Moment
    settings_version: int
    rules: Rules
    unconfirmed: tuple[str, ...]
    a: int
    b: int
    percent: Decimal | None
    score: Decimal | None
    weighted_score: Decimal | None
    counts: Mapping[Reason, int]
    members: tuple[Member, ...]
    replaces: Replaces | None = None

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        keys = [member.key for member in self.members]
        counted = figure_of(self.members, decimals=self.rules.kpi_decimals)
        value, weighted = _score(counted, self.rules) or (None, None)
        told = (self.a, self.b, self.percent, dict(self.counts), self.score, self.weighted_score)
        if told != (counted.a, counted.b, counted.percent, counted.counts, value, weighted):
            message = "the figure is not that of the members"
            raise ValueError(message)
        if keys != sorted(set(keys)) or any(member.in_a and not member.in_b for member in self.members):
            message = "members must be in order, each once, and A a part of B"
            raise ValueError(message)
        return self

    @property
    def figure(self) -> Figure:
        """The figure with its counts."""
        return Figure(a=self.a, b=self.b, decimals=self.rules.kpi_decimals, counts=dict(self.counts))

    @property
    def units(self) -> UnitTable:
        """The table of units, small numbers hidden as the settings of the snapshot say."""
        return by_unit(self.members, decimals=self.rules.kpi_decimals, small_number=self.rules.kpi_small_number)

    @property
    def final(self) -> bool:
        """Whether the data were taken at the cut-off or after it."""
        return self.as_of >= self.round.cutoff

    def canonical(self) -> bytes:
        """The document: UTF-8, keys in order, no blanks, decimals as text, moments in UTC; the same bytes for ever."""
        document = self.model_dump(mode="json")
        return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    @property
    def sha256(self) -> str:
        """The SHA-256 of :meth:`canonical` in hex: what ``sha256sum`` says about the file."""
        return hashlib.sha256(self.canonical()).hexdigest()


def take_snapshot(
    enrolments: Iterable[Enrolment],
    settings: KpiSettings,
    *,
    indicator: str,
    definition_version: int,
    round_: Round,
    calendar: Iterable[Round],
    as_of: datetime,
    replaces: Replaces | None = None,
) -> Snapshot:
    """Compute the figure of a round from all seats that are known, and freeze it.

    ``enrolments`` are those of every fiscal year from which somebody may still pass late; whom the period does not
    concern is listed as outside of it. ``calendar`` is as in :func:`period_of`.
    """
    rules = settings.rules
    period = period_of(
        round_,
        calendar=calendar,
        cumulative=rules.kpi_cumulative,
        carry_over_years=rules.membership_passed_late == "next_round",
        as_of=as_of,
    )
    members = tuple(_member(one) for one in place(enrolments, rules, period))
    counted = figure_of(members, decimals=rules.kpi_decimals)
    value, weighted = _score(counted, rules) or (None, None)
    return Snapshot(
        indicator=indicator,
        definition_version=definition_version,
        round=round_,
        period=period,
        as_of=as_of,
        settings_version=settings.version,
        rules=rules,
        unconfirmed=settings.unconfirmed,
        a=counted.a,
        b=counted.b,
        percent=counted.percent,
        score=value,
        weighted_score=weighted,
        counts=counted.counts,
        members=members,
        replaces=replaces,
    )


def read_snapshot(document: bytes, sha256: str) -> Snapshot:
    """A stored document, after proof that it is the one whose digest was printed.

    Raises:
        GraderError: ``kpi.snapshot_changed``: another digest, or a figure that is not that of its members.
    """
    found = hashlib.sha256(document).hexdigest()
    if found != sha256:
        raise GraderError("kpi.snapshot_changed", expected=sha256, found=found)
    try:
        return Snapshot.model_validate_json(document)
    except (ValidationError, UsageProblem) as problem:
        raise GraderError("kpi.snapshot_changed", expected=sha256, found=found) from problem


# -- what changed since -----------------------------------------------------------------------------------------------


class Change(Frozen):
    """Somebody who entered or left A or B; ``before`` and ``after`` are the reasons, None for not on the roster."""

    key: str
    moves: tuple[Move, ...]
    before: Reason | None
    after: Reason | None


class Difference(Frozen):
    """What is different in a newer snapshot: people by key, and keys of settings with another value."""

    changes: tuple[Change, ...]
    settings: tuple[str, ...]

    def count(self, move: Move) -> int:
        """How many made this move."""
        return sum(move in change.moves for change in self.changes)


def difference(old: Snapshot, new: Snapshot) -> Difference:
    """Who entered or left A or B between two snapshots, and why.

    Raises:
        UsageProblem: ``kpi.not_comparable``: one counts people and the other seats.
    """
    if old.rules.membership_count_by != new.rules.membership_count_by:
        raise UsageProblem("kpi.not_comparable", old=old.rules.membership_count_by, new=new.rules.membership_count_by)
    before = {member.key: member for member in old.members}
    after = {member.key: member for member in new.members}
    changes = (_change(key, before.get(key), after.get(key)) for key in sorted(before.keys() | after.keys()))
    values = zip(KEYS, dict(old.rules).values(), dict(new.rules).values(), strict=True)
    return Difference(
        changes=tuple(change for change in changes if change.moves),
        settings=tuple(key for key, was, is_now in values if was != is_now),
    )


def _change(key: str, old: Member | None, new: Member | None) -> Change:
    was_in_b, was_in_a = (old.in_b, old.in_a) if old else (False, False)
    in_b, in_a = (new.in_b, new.in_a) if new else (False, False)
    moves: dict[Move, bool] = {
        "entered_b": in_b and not was_in_b,
        "left_b": was_in_b and not in_b,
        "entered_a": in_a and not was_in_a,
        "left_a": was_in_a and not in_a,
    }
    return Change(
        key=key,
        moves=tuple(move for move, made in moves.items() if made),
        before=old.reason if old else None,
        after=new.reason if new else None,
    )


def _member(one: Placement) -> Member:
    return Member(
        key=one.key,
        unit=one.unit,
        status=one.status,
        result=one.result,
        reason=one.reason,
        in_b=one.in_b,
        in_a=one.in_a,
        seats=one.seats,
    )


def _score(of: Figure, rules: Rules) -> Score | None:
    return score(
        of.a,
        of.percent,
        scoring=rules.kpi_scoring,
        thresholds=rules.kpi_level_thresholds,
        weight=rules.kpi_weight,
        no_work_score=rules.kpi_no_work_score,
    )
