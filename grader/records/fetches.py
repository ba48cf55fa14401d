"""Work that somebody asked us to fetch from a git address, until it is a submission, or it is said why it is none."""

from typing import Final, Literal, TypeAlias

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from grader.records.columns import Base, Document, Id, Moment
from grader.records.rounds import Seat, one_of
from grader.records.work import Assignment

FetchState: TypeAlias = Literal["waiting", "running", "done", "refused", "failed", "cancelled"]
"""``refused``: the trainee can mend it; ``failed``: our own faults used up all tries. Neither counts as an attempt."""

UNDER_WAY: Final[tuple[FetchState, ...]] = ("waiting", "running")


class Fetch(Base):
    """One asking for work at a git address. The row is the queue of the fetching, as a job is of the grading.

    ``asked_at`` is what counts for a deadline. ``attempt`` is the fencing token and ``tries`` counts our own faults, as
    in a job. ``commit_hash`` is what the reference stood for at ``fetched_at``; ``submission_id`` is what came of it.
    """

    __tablename__ = "fetch"
    __table_args__ = (
        one_of("state", FetchState),
        UniqueConstraint("seat_id", "idempotency_key"),
        Index("ix_fetch_claim", "asked_at", sqlite_where=text("state IN ('waiting', 'running')"),
              postgresql_where=text("state IN ('waiting', 'running')")),
    )  # fmt: skip

    id: Mapped[Id] = mapped_column(primary_key=True)
    seat_id: Mapped[Id] = mapped_column(ForeignKey("seat.id"), index=True)
    assignment_id: Mapped[Id] = mapped_column(ForeignKey("assignment.id"), index=True)
    git_url: Mapped[str] = mapped_column(String(500))
    git_ref: Mapped[str] = mapped_column(String(255))
    """"": the branch that the server itself shows first."""
    idempotency_key: Mapped[str] = mapped_column(String(255))
    by: Mapped[str] = mapped_column(String(255))
    asked_at: Mapped[Moment]
    state: Mapped[str] = mapped_column(String(16), default="waiting")
    attempt: Mapped[int] = mapped_column(default=0)
    tries: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[Moment]
    lease_until: Mapped[Moment | None]
    worker: Mapped[str] = mapped_column(String(255), default="")
    code: Mapped[str] = mapped_column(String(64), default="")
    """Why nothing came of it, or why it is tried again; "" otherwise."""
    params: Mapped[Document] = mapped_column(default=dict)
    commit_hash: Mapped[str] = mapped_column(String(64), default="")
    fetched_at: Mapped[Moment | None]
    finished_at: Mapped[Moment | None]
    submission_id: Mapped[Id | None] = mapped_column(ForeignKey("submission.id"), unique=True)

    seat: Mapped[Seat] = relationship()
    assignment: Mapped[Assignment] = relationship()
