"""Certificates: given to people who passed a training round, confirmed to whoever holds one, revoked with a reason.

Passing is what the standing of the seat says (``passed_at``); a note that stands, as withdrawn, keeps it from counting
here as it does in the figure. What a certificate says is copied into it and never follows the records.
"""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, get_args

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.kpi.fiscal import BE_OFFSET, bangkok_date
from grader.records import Certificate, Change, Person, Records, Seat, SeatStanding, TrainingRound, Unit
from grader.records.certificates import CertificateKind
from grader.reports.sorting import thai_key
from grader.services import standings
from grader.services.erasing import GONE
from grader.services.rounds import round_of

KINDS: Final[tuple[str, ...]] = get_args(CertificateKind)
ID_BYTES: Final = 16
"""128 bits, which nobody can guess: 22 letters in an address."""
MOST_HOURS: Final = 2000
_LONGEST: Final = 255
_NEWEST_FIRST: Final = (Certificate.at.desc(), Certificate.year_be.desc(), Certificate.number.desc())


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What the certificates of one occasion say, the same for everybody who gets one. ``hours`` may be unknown."""

    course: str
    issued_on: date
    kind: str = "certificate"
    hours: int | None = None
    signer: str = ""
    position: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """Somebody with a seat in a round. ``passed_at`` is None while they have not passed."""

    seat: str
    name: str
    unit: str
    passed_at: datetime | None
    certificates: tuple[Certificate, ...]
    """The newest first; at most one of them is valid."""

    @property
    def valid(self) -> Certificate | None:
        """The one that they hold."""
        return next((one for one in self.certificates if one.revoked_at is None), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Confirmed:
    """What anybody who has the address of a certificate may know, and nothing else."""

    name: str
    course: str
    issued_on: date
    valid: bool


def candidates(session: Session, round_code: str) -> tuple[Candidate, ...]:
    """Everybody of a round who could be given a certificate or has one, in the order of a dictionary.

    Raises:
        UsageProblem: ``round.unknown``.
    """
    found = round_of(session, round_code)
    given: dict[str, list[Certificate]] = {}
    mine = select(Certificate).where(Certificate.round_id == found.id).order_by(*_NEWEST_FIRST)
    for one in session.scalars(mine):
        given.setdefault(one.seat_id, []).append(one)
    passed = _passed(session, found.id)
    rows = session.execute(
        select(Seat.id, Person.name, Unit.name.label("unit"))
        .join(Person, Person.id == Seat.person_id)
        .join(Unit, Unit.id == Seat.unit_id)
        .where(Seat.round_id == found.id, Seat.part != "observer")
    )
    return tuple(
        Candidate(
            seat=row.id,
            name=row.name,
            unit=row.unit,
            passed_at=passed.get(row.id),
            certificates=tuple(given.get(row.id, ())),
        )
        for row in sorted(rows, key=lambda row: (thai_key(row.name), row.id))
    )


def issue(
    records: Records, *, round_code: str, terms: Terms, by: str, seats: Collection[str] | None = None
) -> list[Certificate]:
    """Give a certificate to these seats of a round (default: to all) that passed and hold none.

    Raises:
        UsageProblem: ``round.unknown``; ``certificate.terms`` with the ``field`` that cannot be used;
            ``certificate.not_passed``: one of ``seats`` may not have one; ``certificate.nobody``;
            ``certificate.changed_meanwhile``.
    """
    terms = _checked(terms)
    with records.change(by=by) as change:
        session = change.session
        found = round_of(session, round_code)
        locked = select(TrainingRound).where(TrainingRound.id == found.id).with_for_update()
        session.scalars(locked).one()  # who issues for the same round at the same time waits, and then finds nobody
        if not standings.current(session, standings.settings_of(session).rules):
            standings.mend(session)
        may = _passed(session, found.id)
        wanted = sorted(may) if seats is None else sorted(set(seats))
        if not set(wanted) <= set(may):
            raise UsageProblem("certificate.not_passed")
        held = set(session.scalars(select(Certificate.seat_id).where(Certificate.revoked_at.is_(None))))
        made = _make(change, found, [seat for seat in wanted if seat not in held], terms)
        if not made:
            raise UsageProblem("certificate.nobody")
        try:
            session.flush()
        except IntegrityError as problem:  # another round took the same numbers at this moment
            raise UsageProblem("certificate.changed_meanwhile") from problem
        for one in made:
            about = {"round": found.id, "seat": one.seat_id, "year": one.year_be, "number": one.number}
            change.audit("certificate.issued", one.id, after=about)
    return made


def revoke(records: Records, certificate: str, *, by: str, reason: str) -> None:
    """Say that a certificate is not valid any more; its id stays, and the reason is shown to nobody outside.

    Raises:
        UsageProblem: ``certificate.reason_missing``, ``certificate.revoked``, ``records.not_found``.
    """
    if not reason.strip():
        raise UsageProblem("certificate.reason_missing")
    with records.change(by=by) as change:
        found = change.session.get(Certificate, certificate, with_for_update=True)
        if found is None:
            raise UsageProblem("records.not_found", what=certificate)
        if found.revoked_at is not None:
            raise UsageProblem("certificate.revoked")
        found.revoked_at, found.revoked_by, found.revoked_reason = change.at, by, reason.strip()
        change.audit("certificate.revoked", found.id, after={"reason": found.revoked_reason})


def confirm(session: Session, certificate: str) -> Confirmed | None:
    """What a certificate says, for anybody; None: there is none, or its holder asked to be forgotten."""
    found = session.get(Certificate, certificate)
    if found is None or found.name == GONE:
        return None
    return Confirmed(name=found.name, course=found.course, issued_on=found.issued_on, valid=found.revoked_at is None)


def certificate_of(session: Session, certificate: str) -> Certificate:
    """One certificate, for its holder and the staff.

    Raises:
        UsageProblem: ``records.not_found``.
    """
    found = session.get(Certificate, certificate)
    if found is None:
        raise UsageProblem("records.not_found", what=certificate)
    return found


def certificates_of(session: Session, person: str) -> Sequence[Certificate]:
    """The certificates of a person, the newest first."""
    mine = select(Certificate).where(Certificate.person_id == person).order_by(*_NEWEST_FIRST)
    return session.scalars(mine).all()


def forget(records: Records, *, person: str, by: str) -> None:
    """Take the name out of the certificates of a person who asked for it; they cannot be confirmed any more."""
    mine = (Certificate.person_id == person, Certificate.name != GONE)
    with records.reading() as session:
        if session.scalar(select(Certificate.id).where(*mine).limit(1)) is None:
            return
    with records.change(by=by) as change:
        found = change.session.scalars(select(Certificate).where(*mine).with_for_update()).all()
        for one in found:
            one.name = GONE
        change.audit("certificate.forgotten", person, after={"certificates": [one.id for one in found]})


# -- inside -----------------------------------------------------------------------------------------------------------


def _passed(session: Session, round_id: str) -> dict[str, datetime]:
    """Since when each seat of a round has passed; whoever was noted as withdrawn or excluded is not among them."""
    rows = session.execute(
        select(SeatStanding.seat_id, SeatStanding.passed_at)
        .join(Seat, Seat.id == SeatStanding.seat_id)
        .join(Person, Person.id == Seat.person_id)
        .where(
            Seat.round_id == round_id,
            Seat.part != "observer",
            SeatStanding.passed_at.is_not(None),
            func.coalesce(SeatStanding.mark, "cleared") == "cleared",
            Person.erased_at.is_(None),
        )
    )
    return {seat: passed_at for seat, passed_at in rows if passed_at is not None}


def _make(change: Change, found: TrainingRound, seats: Sequence[str], terms: Terms) -> list[Certificate]:
    session, year = change.session, terms.issued_on.year + BE_OFFSET
    last = session.scalar(select(func.max(Certificate.number)).where(Certificate.year_be == year)) or 0
    people: dict[str, tuple[str, str]] = {}
    for some in standings.batches(seats):
        rows = (
            select(Seat.id, Person.id, Person.name).join(Person, Person.id == Seat.person_id).where(Seat.id.in_(some))
        )
        people |= {seat: (person, name) for seat, person, name in session.execute(rows)}
    ordered = sorted(seats, key=lambda seat: (thai_key(people[seat][1]), seat))
    made = [
        Certificate(
            id=secrets.token_urlsafe(ID_BYTES),
            person_id=people[seat][0],
            round_id=found.id,
            seat_id=seat,
            year_be=year,
            number=last + place,
            kind=terms.kind,
            name=people[seat][1],
            course=terms.course,
            round_name=found.name,
            hours=terms.hours,
            issued_on=terms.issued_on,
            signer=terms.signer,
            position=terms.position,
            by=change.by,
            at=change.at,
            revoked_at=None,
        )
        for place, seat in enumerate(ordered, start=1)
    ]
    session.add_all(made)
    return made


def _checked(terms: Terms) -> Terms:
    clean = Terms(
        course=" ".join(terms.course.split()),
        issued_on=terms.issued_on,
        kind=terms.kind,
        hours=terms.hours,
        signer=" ".join(terms.signer.split()),
        position=" ".join(terms.position.split()),
    )
    wrong = {
        "course": not clean.course or len(clean.course) > _LONGEST,
        "kind": clean.kind not in KINDS,
        "hours": clean.hours is not None and not 0 < clean.hours <= MOST_HOURS,
        "signer": len(clean.signer) > _LONGEST,
        "position": len(clean.position) > _LONGEST,
    }
    for field, is_wrong in wrong.items():
        if is_wrong:
            raise UsageProblem("certificate.terms", field=field)
    return clean


def today(records: Records) -> date:
    """The day in Bangkok on the clock of the records, which new certificates get unless another is chosen."""
    with records.reading() as session:
        return bangkok_date(records.database.now(session))
