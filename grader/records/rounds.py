"""Training rounds (รุ่น), the seats in them and what happened to each seat."""

from datetime import date
from typing import Final, Literal, TypeAlias, get_args

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from grader.kpi.roster import MarkKind, Part
from grader.records.columns import Base, Id, Moment, append_only
from grader.records.people import Person, Unit

SeatEventKind: TypeAlias = Literal["registered", "check_in"] | MarkKind
"""``registered`` and ``check_in`` are facts, the others notes of the coordinator (see ``grader.kpi.roster``)."""

SEAT_EVENT_KINDS: Final[frozenset[str]] = frozenset({"registered", "check_in", *get_args(MarkKind)})


def one_of(column: str, allowed: object) -> CheckConstraint:
    """A constraint that holds the values of a Literal or a collection: what no code may write, no engine accepts."""
    values = sorted(get_args(allowed) or list(allowed))  # type: ignore[call-overload]
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


class TrainingRound(Base):
    """A training round. ``sessions`` is how many sessions had a check-in list; days are those of Bangkok."""

    __tablename__ = "training_round"

    id: Mapped[Id] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(255))
    starts_on: Mapped[date | None]
    ends_on: Mapped[date | None]
    sessions: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[Moment]


class Seat(Base):
    """One person's seat in one training round, and the unit at that time."""

    __tablename__ = "seat"
    __table_args__ = (UniqueConstraint("round_id", "person_id"), one_of("part", Part))

    id: Mapped[Id] = mapped_column(primary_key=True)
    round_id: Mapped[Id] = mapped_column(ForeignKey("training_round.id"), index=True)
    person_id: Mapped[Id] = mapped_column(ForeignKey("person.id"), index=True)
    unit_id: Mapped[Id] = mapped_column(ForeignKey("unit.id"), index=True)
    part: Mapped[str] = mapped_column(String(16), default="trainee")
    note: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[Moment]

    round: Mapped[TrainingRound] = relationship()
    person: Mapped[Person] = relationship()
    unit: Mapped[Unit] = relationship()


class SeatEvent(Base):
    """Something that happened to a seat at a moment; never changed, a mistake is taken back by a later event.

    ``session`` numbers a check-in from 1. ``recorded_at`` is when it was typed in, ``at`` when it happened.
    """

    __tablename__ = "seat_event"
    __table_args__ = (one_of("kind", SEAT_EVENT_KINDS),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    seat_id: Mapped[Id] = mapped_column(ForeignKey("seat.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    at: Mapped[Moment]
    session: Mapped[int | None]
    by: Mapped[str] = mapped_column(String(255), default="")
    reason: Mapped[str] = mapped_column(Text, default="")
    document: Mapped[str] = mapped_column(Text, default="")
    recorded_at: Mapped[Moment]
    number: Mapped[int]
    """Order within a seat: of two events at the same moment the later number stands."""


append_only(SeatEvent.__table__)
