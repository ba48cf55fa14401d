"""Units and people. A person is known by a code of the office, never by a citizen number."""

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from grader.records.columns import Base, Id, Moment


class Unit(Base):
    """A unit of the department, or an outside office, as rosters name it."""

    __tablename__ = "unit"

    id: Mapped[Id] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(255))


class Person(Base):
    """Somebody on a roster. ``erased_at``: name and address were removed on request or by retention; the id stays."""

    __tablename__ = "person"

    id: Mapped[Id] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(255))
    email: Mapped[str] = mapped_column(String(255), default="")
    unit_id: Mapped[Id] = mapped_column(ForeignKey("unit.id"))
    created_at: Mapped[Moment]
    erased_at: Mapped[Moment | None]

    unit: Mapped[Unit] = relationship()
