"""Certificates of people who passed a training round."""

from datetime import date
from typing import Literal, TypeAlias

from sqlalchemy import Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from grader.records.columns import Base, Id, Moment
from grader.records.rounds import one_of

CertificateKind: TypeAlias = Literal["certificate", "diploma", "honour"]
"""ใบประกาศนียบัตร, วุฒิบัตร, เกียรติบัตร."""


class Certificate(Base):
    """A certificate as it was given. ``id`` is 128 random bits, printed as a QR code; whoever holds it may ask.

    It holds its own copy of all that it says and refers to no other table, so that it can still be confirmed when the
    round is gone: ``person_id``, ``round_id`` and ``seat_id`` only tell the program whose it was. ``number`` counts the
    certificates of a Buddhist year.
    """

    __tablename__ = "certificate"
    __table_args__ = (
        one_of("kind", CertificateKind),
        UniqueConstraint("year_be", "number"),
        # Of one seat one is valid at a time; a revoked one may be followed by another.
        Index("uq_certificate_valid", "seat_id", unique=True, sqlite_where=text("revoked_at IS NULL"),
              postgresql_where=text("revoked_at IS NULL")),
    )  # fmt: skip

    id: Mapped[str] = mapped_column(String(22), primary_key=True)
    person_id: Mapped[Id] = mapped_column(index=True)
    round_id: Mapped[Id] = mapped_column(index=True)
    seat_id: Mapped[Id]
    year_be: Mapped[int]
    number: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(255))
    course: Mapped[str] = mapped_column(String(255))
    round_name: Mapped[str] = mapped_column(String(255), default="")
    hours: Mapped[int | None]
    issued_on: Mapped[date]
    signer: Mapped[str] = mapped_column(String(255), default="")
    position: Mapped[str] = mapped_column(String(255), default="")
    by: Mapped[str] = mapped_column(String(255))
    at: Mapped[Moment]
    revoked_at: Mapped[Moment | None]
    revoked_by: Mapped[str] = mapped_column(String(255), default="")
    revoked_reason: Mapped[str] = mapped_column(Text, default="")
