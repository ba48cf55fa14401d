"""Where each thing that has an address belongs: to which person and to which training round."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.records import Appeal, Assignment, Certificate, Fetch, Regrade, Seat, Submission, TrainingRound


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """To whom and where a thing belongs; "" where there is no such person or round."""

    person: str = ""
    round: str = ""


NOWHERE: Final = Place()


def _assignment(session: Session, name: str) -> Place | None:
    found = session.get(Assignment, name)
    return None if found is None else Place(round=found.round_id)


def _submission(session: Session, name: str) -> Place | None:
    row = session.execute(
        select(Seat.person_id, Seat.round_id)
        .join(Submission, Submission.seat_id == Seat.id)
        .where(Submission.id == name)
    ).one_or_none()
    return None if row is None else Place(person=row.person_id, round=row.round_id)


def _fetch(session: Session, name: str) -> Place | None:
    row = session.execute(
        select(Seat.person_id, Seat.round_id).join(Fetch, Fetch.seat_id == Seat.id).where(Fetch.id == name)
    ).one_or_none()
    return None if row is None else Place(person=row.person_id, round=row.round_id)


def _round(session: Session, name: str) -> Place | None:
    found = session.scalar(select(TrainingRound.id).where(TrainingRound.code == name))
    return None if found is None else Place(round=found)


def _regrade(session: Session, name: str) -> Place | None:
    found = session.get(Regrade, name)
    return None if found is None else _assignment(session, found.assignment_id)


def _appeal(session: Session, name: str) -> Place | None:
    found = session.get(Appeal, name)
    return None if found is None else _submission(session, found.submission_id)


def _certificate(session: Session, name: str) -> Place | None:
    """A certificate refers to no other table; it stays where it was given, also when its round is gone."""
    found = session.get(Certificate, name)
    return None if found is None else Place(person=found.person_id, round=found.round_id)


LOCATE: Final[Mapping[str, Callable[[Session, str], Place | None]]] = {
    "assignment": _assignment,
    "submission": _submission,
    "fetch": _fetch,
    "round": _round,
    "roster": _round,
    "regrade": _regrade,
    "appeal": _appeal,
    "certificate": _certificate,
}
"""Kind of thing -> where the one with this id belongs; None: there is none."""
