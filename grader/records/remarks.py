"""What the staff of a round say about handed-in work."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from grader.records.columns import Base, Id, Moment


class Remark(Base):
    """A remark on a submission as a whole (``file`` is "", no ``line``) or on a line of one of its files, from 1.

    Its words stay as they were read: who changes their mind withdraws it and writes another. Nothing is counted by it.
    """

    __tablename__ = "remark"
    __table_args__ = (
        CheckConstraint("(file = '') = (line IS NULL)", name="place"),
        Index("ix_remark_submission_id", "submission_id"),
    )

    id: Mapped[Id] = mapped_column(primary_key=True)
    submission_id: Mapped[Id] = mapped_column(ForeignKey("submission.id"))
    file: Mapped[str] = mapped_column(Text, default="")
    line: Mapped[int | None]
    text: Mapped[str] = mapped_column(Text)
    by: Mapped[str] = mapped_column(String(255))
    at: Mapped[Moment]
    withdrawn_by: Mapped[str] = mapped_column(String(255), default="")
    withdrawn_at: Mapped[Moment | None]
