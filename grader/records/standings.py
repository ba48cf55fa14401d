"""What follows from the facts about each seat, written down so that a figure need not read them all again."""

from datetime import date

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from grader.records.columns import Base, Id, Moment


class SeatStanding(Base):
    """One seat as the figure needs it; never the only copy of anything, and any of it can be made again.

    ``entered_at`` is when the person came, ``passed_at`` since when the course is passed, both whatever the cut-off.
    ``marks`` is how many notes the seat has; ``mark`` and ``mark_at`` are the latest of those since the person came
    (None: there is none), because an earlier one is void. ``rules`` is the fingerprint of the settings that
    ``passed_at`` was found with: a row with another one must not be counted.
    """

    __tablename__ = "seat_standing"
    __table_args__ = (
        # All that A and B are made of, in the order of people: the figure reads this index and no table.
        Index(
            "ix_seat_standing_figure",
            *("person_id", "part", "entered_at", "passed_at", "mark_at", "mark", "marks", "unit_id", "seat_id"),
        ),
    )

    seat_id: Mapped[Id] = mapped_column(ForeignKey("seat.id"), primary_key=True)
    person_id: Mapped[Id]
    unit_id: Mapped[Id]
    part: Mapped[str] = mapped_column(String(16))
    starts_on: Mapped[date | None]
    registered_at: Mapped[Moment | None]
    entered_at: Mapped[Moment | None]
    passed_at: Mapped[Moment | None]
    marks: Mapped[int]
    mark: Mapped[str | None] = mapped_column(String(16))
    mark_at: Mapped[Moment | None]
    rules: Mapped[str] = mapped_column(String(64), index=True)
