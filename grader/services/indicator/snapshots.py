"""The figure of a reporting round with everybody in it: as it is now, frozen, read back, and compared."""

from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from grader import kpi
from grader.errors import UsageProblem
from grader.kpi import Difference, Replaces, Snapshot, read_snapshot, take_snapshot
from grader.records import Change, Records, ReportingRound, ReportRecord, SnapshotRecord
from grader.services import standings
from grader.services.indicator.calendar import reporting_round, reporting_rounds
from grader.services.indicator.definition import definition_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A stored snapshot, without its content. ``replaces`` is the digest of the one that it corrects, or ""."""

    sha256: str
    fy_be: int
    code: str
    as_of: datetime
    replaces: str
    by: str
    at: datetime


def live(records: Records, fy_be: int, code: str, *, as_of: datetime | None = None) -> Snapshot:
    """The figure of a round as the facts are now, with everybody's place; nothing is stored.

    ``as_of`` (default: now) is the moment of the data: what was received or noted later is not seen.

    Raises:
        UsageProblem: ``indicator.round_unknown``, ``indicator.as_of_future``.
    """
    with records.reading() as session:
        return _take(session, fy_be, code, now=records.database.now(session), as_of=as_of)


def freeze(
    records: Records,
    fy_be: int,
    code: str,
    *,
    by: str,
    as_of: datetime | None = None,
    replaces: str = "",
    reason: str = "",
) -> Snapshot:
    """Take the figure of a round and keep it for ever. The same content again is the same snapshot, and no error.

    A correction names the digest of the snapshot that it ``replaces``, and the reason; one of them has one correction,
    and what is certified can only be corrected.

    Raises:
        UsageProblem: ``indicator.round_unknown``, ``indicator.as_of_future``, ``indicator.reason_missing``,
            ``indicator.other_round``, ``indicator.replaced``, ``indicator.certified``, ``records.not_found``.
    """
    if replaces and not reason.strip():
        raise UsageProblem("indicator.reason_missing")
    corrected = Replaces(sha256=replaces, reason=reason.strip()) if replaces else None
    # One state of all tables: only a reading session promises that, and nobody has to wait for it.
    with records.reading() as session:
        now = records.database.now(session)
        if replaces:
            _row(session, replaces)
        snapshot = _take(session, fy_be, code, now=now, as_of=as_of, replaces=corrected)
        if session.get(SnapshotRecord, snapshot.sha256) is not None:
            return snapshot
    try:
        with records.change(by=by) as change:
            _keep(change, snapshot)
    except IntegrityError:
        with records.reading() as session:  # the same content was kept at the same moment
            _row(session, snapshot.sha256)
    return snapshot


def _take(
    session: Session, fy_be: int, code: str, *, now: datetime, as_of: datetime | None, replaces: Replaces | None = None
) -> Snapshot:
    moment = moment_of(as_of, now)
    definition = definition_of(session, fy_be)
    return take_snapshot(
        standings.facts(session),
        standings.settings_of(session),
        indicator=definition.indicator,
        definition_version=definition.version,
        round_=reporting_round(session, fy_be, code),
        calendar=reporting_rounds(session),
        as_of=moment,
        replaces=replaces,
    )


def moment_of(as_of: datetime | None, now: datetime) -> datetime:
    """The moment of the data, which nobody has yet when it lies in the future.

    Raises:
        UsageProblem: ``indicator.as_of_future``.
    """
    if as_of is not None and as_of > now:
        raise UsageProblem("indicator.as_of_future", as_of=as_of.isoformat())
    return as_of or now


def _keep(change: Change, snapshot: Snapshot) -> None:
    need_line(change.session, snapshot)
    replaces = snapshot.replaces.sha256 if snapshot.replaces else ""
    digest = snapshot.sha256
    row = SnapshotRecord(
        sha256=digest,
        fy_be=snapshot.round.fy_be,
        code=snapshot.round.code,
        as_of=snapshot.as_of,
        document=snapshot.canonical(),
        replaces=replaces,
        by=change.by,
        at=change.at,
    )
    change.session.add(row)
    change.session.flush()
    about = {"fiscal_year": row.fy_be, "round": row.code, "a": snapshot.a, "b": snapshot.b}
    if snapshot.replaces:
        about |= {"replaces": replaces, "reason": snapshot.replaces.reason}
    change.audit("snapshot.frozen", digest, after=about)


def need_line(session: Session, snapshot: Snapshot) -> None:
    """Refuse a snapshot beside the published ones of its round: they are one line, each corrected by the next.

    Of two transactions that ask about the same round, the second one waits for the first.

    Raises:
        UsageProblem: ``indicator.certified``, with the digest of what was certified and is not corrected by this one;
            ``indicator.replaced``, with the digest of the correction that there is already; ``indicator.other_round``;
            ``records.not_found``.
    """
    of = snapshot.round
    where = (ReportingRound.fy_be == of.fy_be, ReportingRound.code == of.code)
    session.scalars(select(ReportingRound).where(*where).with_for_update()).all()
    same_round = (SnapshotRecord.fy_be == of.fy_be, SnapshotRecord.code == of.code)
    before = dict(session.execute(select(SnapshotRecord.sha256, SnapshotRecord.replaces).where(*same_round)).all())
    own = snapshot.sha256
    corrected = snapshot.replaces.sha256 if snapshot.replaces else ""
    if corrected and corrected not in before:
        other = _row(session, corrected)
        raise UsageProblem("indicator.other_round", round=other.code, fiscal_year=other.fy_be)
    for later, earlier in before.items():
        if later != own and earlier and earlier in {own, corrected}:
            raise UsageProblem("indicator.replaced", sha256=earlier, later=later)
    line = {own}
    while corrected:
        line.add(corrected)
        corrected = before[corrected]
    reports = session.scalars(select(ReportRecord).where(ReportRecord.sha256.in_(before.keys() - line)))
    certified = [one.sha256 for one in reports if one.report["state"] == "certified"]
    if certified:
        latest = [one for one in certified if one not in before.values()]
        raise UsageProblem("indicator.certified", sha256=(latest or certified)[0])


def kept(session: Session, fy_be: int | None = None, code: str = "") -> list[Kept]:
    """The stored snapshots (of a year, of a round), the newest first."""
    columns = [getattr(SnapshotRecord, one.name) for one in fields(Kept)]
    statement = select(*columns).order_by(SnapshotRecord.at.desc(), SnapshotRecord.sha256)
    if fy_be is not None:
        statement = statement.where(SnapshotRecord.fy_be == fy_be)
    if code:
        statement = statement.where(SnapshotRecord.code == code)
    return [Kept(**row._asdict()) for row in session.execute(statement)]


def read(session: Session, sha256: str) -> Snapshot:
    """A stored snapshot, after proof that it is the one whose digest was printed.

    Raises:
        UsageProblem: ``records.not_found``.
        GraderError: ``kpi.snapshot_changed``.
    """
    return read_snapshot(bytes(_row(session, sha256).document), sha256)


def difference(session: Session, old: str, new: str) -> Difference:
    """Who entered or left A or B between two stored snapshots, and why.

    Raises:
        UsageProblem: ``kpi.not_comparable``, ``records.not_found``.
        GraderError: ``kpi.snapshot_changed``.
    """
    return kpi.difference(read(session, old), read(session, new))


def _row(session: Session, sha256: str) -> SnapshotRecord:
    found = session.get(SnapshotRecord, sha256)
    if found is None:
        raise UsageProblem("records.not_found", what=sha256)
    return found
