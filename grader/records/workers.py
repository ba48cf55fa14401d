"""Who grades: every slot of every worker says so while it lives."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from grader.records.columns import Base, Moment


class WorkerRecord(Base):
    """One slot of a worker. ``seen_at`` is its last beat; ``waits_for`` says why it takes nothing ("" when it does)."""

    __tablename__ = "worker"

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    started_at: Mapped[Moment]
    seen_at: Mapped[Moment]
    stopped_at: Mapped[Moment | None]
    waits_for: Mapped[str] = mapped_column(String(64), default="")
    grader_version: Mapped[str] = mapped_column(String(32))
