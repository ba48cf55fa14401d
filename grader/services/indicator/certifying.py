"""Reports of snapshots on their way from draft to certified, and who may certify."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from grader import kpi
from grader.errors import GraderError, UsageProblem
from grader.kpi import Obstacle, Report, Snapshot
from grader.records import Account, AccountRole, Grant, Records, ReportRecord, new_id
from grader.reports.kpi import EvidenceItem, Narrative
from grader.services.indicator.people import overrides
from grader.services.indicator.snapshots import need_line, read

CERTIFIER: Final = "certifier"
COUNTING: Final = ("coordinator", "executive")
"""The roles of accounts that open reports: the right to certify is of use to no other."""

_Move: TypeAlias = Callable[[Report, Snapshot, Session, datetime], Report]
"""From a report to what it becomes at a moment."""


# -- who may certify --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """Somebody who counts, and so could certify. ``granted_by`` and ``granted_at`` are of the grant that they hold."""

    who: str
    name: str
    roles: tuple[str, ...]
    granted_by: str = ""
    granted_at: datetime | None = None


def certifier_candidates(session: Session) -> tuple[Candidate, ...]:
    """Everybody who may open the reports, and everybody who holds the right to certify, by name as it is signed."""
    held = {
        one.who: one
        for one in session.scalars(select(Grant).where(Grant.role == CERTIFIER, Grant.revoked_at.is_(None)))
    }
    roles: dict[str, set[str]] = {}
    names: dict[str, str] = {}
    rows = (
        select(Account.login, Account.name, AccountRole.role)
        .join(AccountRole, AccountRole.account_id == Account.id)
        .where(AccountRole.role.in_(COUNTING), Account.disabled_at.is_(None), Account.person_id.is_(None))
    )
    for login, name, role in session.execute(rows):
        names[login] = name
        roles.setdefault(login, set()).add(role)
    return tuple(
        Candidate(
            who=who,
            name=names.get(who) or "",
            roles=tuple(sorted(roles.get(who, ()))),
            granted_by=held[who].by if who in held else "",
            granted_at=held[who].at if who in held else None,
        )
        for who in sorted(held.keys() | names.keys())
    )


def certifiers(session: Session) -> frozenset[str]:
    """Everybody who may certify; nobody may until somebody is granted it."""
    statement = select(Grant.who).where(Grant.role == CERTIFIER, Grant.revoked_at.is_(None))
    return frozenset(session.scalars(statement))


def grant_certifier(records: Records, who: str, *, by: str) -> None:
    """Let somebody certify from now on; nobody gives it to themselves.

    Raises:
        UsageProblem: ``indicator.granted``, ``indicator.own_grant``.
    """
    if who == by:
        raise UsageProblem("indicator.own_grant")
    with records.change(by=by) as change:
        if who in certifiers(change.session):
            raise UsageProblem("indicator.granted", who=who)
        given = Grant(id=new_id("gra"), who=who, role=CERTIFIER, by=by, at=change.at)
        change.session.add(given)
        change.audit("role.granted", given.id, after={"who": who, "role": CERTIFIER})


def revoke_certifier(records: Records, who: str, *, by: str) -> None:
    """Let somebody certify no more; what was certified stays so.

    Raises:
        UsageProblem: ``indicator.not_granted``.
    """
    with records.change(by=by) as change:
        held = (Grant.who == who, Grant.role == CERTIFIER, Grant.revoked_at.is_(None))
        given = change.session.scalars(select(Grant).where(*held).with_for_update()).all()
        if not given:
            raise UsageProblem("indicator.not_granted", who=who)
        for one in given:
            one.revoked_at = change.at
            change.audit("role.revoked", one.id, before={"who": who, "role": CERTIFIER})


# -- reports ----------------------------------------------------------------------------------------------------------


def report_of(session: Session, sha256: str) -> Report | None:
    """How far the report of a snapshot is; None: nobody began one."""
    row = session.get(ReportRecord, sha256)
    return None if row is None else Report.model_validate(row.report)


def draft(records: Records, sha256: str, *, by: str) -> Report:
    """Begin the report of a stored snapshot.

    Raises:
        UsageProblem: ``indicator.report_exists``, ``indicator.replaced``, ``indicator.certified``,
            ``records.not_found``.
    """
    with records.change(by=by) as change:
        session = change.session
        snapshot = read(session, sha256)
        need_line(session, snapshot)
        report = kpi.draft(snapshot, by=by)
        session.add(ReportRecord(sha256=sha256, report=report.model_dump(mode="json"), texts={}))
        try:
            session.flush()
        except IntegrityError as problem:
            raise UsageProblem("indicator.report_exists", sha256=sha256) from problem
        change.audit("report.draft", sha256, after=_told(report))
    return report


def write(
    records: Records, sha256: str, *, by: str, narrative: Narrative, evidence: Sequence[EvidenceItem] = ()
) -> None:
    """Put texts into a draft: what was done, what stood in the way, what is proposed, and which documents show it.

    Raises:
        UsageProblem: ``kpi.wrong_state``, ``records.not_found``.
    """
    with records.change(by=by) as change:
        row = _row(change.session, sha256)
        state = Report.model_validate(row.report).state
        if state != "draft":
            raise UsageProblem("kpi.wrong_state", state=state, wanted="draft")
        before = row.texts
        row.texts = {
            "narrative": narrative.model_dump(mode="json"),
            "evidence": [one.model_dump(mode="json") for one in evidence],
        }
        change.audit("report.written", sha256, before=before, after=row.texts)


def submit(records: Records, sha256: str, *, by: str) -> Report:
    """Give a draft to the certifier.

    Raises:
        UsageProblem: ``kpi.wrong_state``, ``indicator.replaced``, ``indicator.certified``, ``records.not_found``.
    """
    return _move(records, sha256, by=by, move=lambda report, _snapshot, _session, at: kpi.submit(report, at=at))


def send_back(records: Records, sha256: str, *, by: str, reason: str) -> Report:
    """Give a report back to be prepared again; only a certifier can.

    Raises:
        GraderError: ``kpi.not_granted``.
        UsageProblem: ``kpi.wrong_state``, ``kpi.reason_missing``, ``indicator.replaced``, ``indicator.certified``,
            ``records.not_found``.
    """

    def back(report: Report, _snapshot: Snapshot, session: Session, _at: datetime) -> Report:
        if by not in certifiers(session):
            raise GraderError("kpi.not_granted")
        return kpi.send_back(report, reason=reason)

    return _move(records, sha256, by=by, move=back)


def certify(records: Records, sha256: str, *, by: str, reason: str = "") -> Report:
    """Certify a report. Nothing of it changes any more; a correction is a new snapshot.

    Raises:
        GraderError: the code of the first obstacle that ``reason`` does not pass over; ``kpi.snapshot_changed``.
        UsageProblem: ``kpi.wrong_state``, ``indicator.replaced``, ``indicator.certified``, ``records.not_found``.
    """

    def certified(report: Report, snapshot: Snapshot, session: Session, at: datetime) -> Report:
        return kpi.certify(
            report,
            snapshot,
            by=by,
            at=at,
            certifiers=certifiers(session),
            overrode=overrode(session, snapshot),
            reason=reason,
        )

    return _move(records, sha256, by=by, move=certified)


def obstacles(session: Session, sha256: str, *, by: str) -> tuple[Obstacle, ...]:
    """What stands against certifying by this person now, the gravest first.

    Raises:
        UsageProblem: ``records.not_found``.
        GraderError: ``kpi.snapshot_changed``.
    """
    snapshot = read(session, sha256)
    return kpi.obstacles(snapshot, by=by, certifiers=certifiers(session), overrode=overrode(session, snapshot))


def overrode(session: Session, snapshot: Snapshot) -> frozenset[str]:
    """Who overrode a result that this snapshot counts."""
    return frozenset(made.by for made, _ in overrides(session, snapshot))


def _move(records: Records, sha256: str, *, by: str, move: _Move) -> Report:
    with records.change(by=by) as change:
        row = _row(change.session, sha256)
        snapshot = read(change.session, sha256)
        need_line(change.session, snapshot)
        report = Report.model_validate(row.report)
        moved = move(report, snapshot, change.session, change.at)
        row.report = moved.model_dump(mode="json")
        change.audit(f"report.{moved.state}", sha256, before=_told(report), after=_told(moved))
    return moved


def _row(session: Session, sha256: str) -> ReportRecord:
    found = session.get(ReportRecord, sha256, with_for_update=True)
    if found is None:
        raise UsageProblem("records.not_found", what=sha256)
    return found


def _told(report: Report) -> dict[str, object]:
    """What the audit chain says of a report: its state, and the reasons that people gave."""
    told = report.model_dump(mode="json", include={"state", "reason", "sent_back_because", "despite"})
    return {name: value for name, value in told.items() if value}
