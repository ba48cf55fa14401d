"""Exercises as they were when work was handed in, assignments, and the work itself."""

from typing import Final, Literal, TypeAlias

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from grader.records.columns import Base, Document, Id, Moment, Sha256, append_only
from grader.records.rounds import Seat, TrainingRound, one_of

LateRule: TypeAlias = Literal["mark", "count"]
"""What a submission after the closing time is: graded and marked only, or counted all the same."""

JobState: TypeAlias = Literal["queued", "running", "done", "needs_operator", "cancelled"]
"""``needs_operator``: our own faults used up all tries; somebody has to look. Nothing is dropped."""

LIVE: Final[tuple[JobState, ...]] = ("queued", "running")

CANCELLED: Final = "submission.cancelled"
"""Why a job ended that the owner of the work cancelled before anything was tested; it uses up no attempt."""
CANCELLED_IN_TEST: Final = "submission.cancelled_in_test"
"""The same while it was tested: that uses up an attempt, or results could be looked at and thrown away."""

Standing: TypeAlias = Literal["final", "shadow", "superseded", "dropped"]
"""``shadow``: of a regrade that nobody applied yet; ``superseded``: replaced by one that was."""


class ExerciseVersion(Base):
    """One version of an exercise, whole: ``archive`` is the blob from which it can be graded again for ever."""

    __tablename__ = "exercise_version"

    digest: Mapped[str] = mapped_column(String(80), primary_key=True)
    exercise: Mapped[str] = mapped_column(String(64), index=True)
    version: Mapped[str] = mapped_column(String(32))
    title: Mapped[Document]
    checks: Mapped[Document]
    """Check id to its maximum: the constant denominator of every grading of this version."""
    pass_points: Mapped[int]
    archive: Mapped[Sha256]
    added_at: Mapped[Moment]


class Assignment(Base):
    """An exercise in a training round. ``digest`` is the version that work handed in from now on is graded with.

    No ``opens_at``: open already. No ``closes_at``: never closes. No ``attempts``: as many as anybody likes.
    """

    __tablename__ = "assignment"
    __table_args__ = (UniqueConstraint("round_id", "exercise"), one_of("late", LateRule))

    id: Mapped[Id] = mapped_column(primary_key=True)
    round_id: Mapped[Id] = mapped_column(ForeignKey("training_round.id"), index=True)
    exercise: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(ForeignKey("exercise_version.digest"))
    opens_at: Mapped[Moment | None]
    closes_at: Mapped[Moment | None]
    attempts: Mapped[int | None]
    late: Mapped[str] = mapped_column(String(8), default="mark")
    mandatory: Mapped[bool] = mapped_column(default=True)

    round: Mapped[TrainingRound] = relationship()
    version: Mapped[ExerciseVersion] = relationship()


class Extension(Base):
    """More time or attempts for one seat; the one with the highest number stands, whatever the clock said.

    ``number`` counts the extensions of a seat for an assignment from 1.
    """

    __tablename__ = "extension"
    __table_args__ = (UniqueConstraint("assignment_id", "seat_id", "number"),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    assignment_id: Mapped[Id] = mapped_column(ForeignKey("assignment.id"))
    seat_id: Mapped[Id] = mapped_column(ForeignKey("seat.id"), index=True)
    number: Mapped[int]
    closes_at: Mapped[Moment | None]
    attempts: Mapped[int | None]
    by: Mapped[str] = mapped_column(String(255))
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[Moment]


class Submission(Base):
    """Accepted work. It exists only together with its blob, its job, its audit entry and the receipt that was given.

    ``number`` counts the seat's submissions to this assignment from 1. ``late`` is what the receipt said.
    """

    __tablename__ = "submission"
    __table_args__ = (
        UniqueConstraint("seat_id", "assignment_id", "number"),
        UniqueConstraint("seat_id", "idempotency_key"),
    )

    id: Mapped[Id] = mapped_column(primary_key=True)
    seat_id: Mapped[Id] = mapped_column(ForeignKey("seat.id"))
    assignment_id: Mapped[Id] = mapped_column(ForeignKey("assignment.id"), index=True)
    digest: Mapped[str] = mapped_column(ForeignKey("exercise_version.digest"))
    number: Mapped[int]
    filename: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[Sha256]
    size: Mapped[int]
    received_at: Mapped[Moment]
    late: Mapped[bool]
    idempotency_key: Mapped[str] = mapped_column(String(255))
    receipt: Mapped[Document]
    purged_at: Mapped[Moment | None]
    """When the code was removed by retention; the record and its receipt stay."""

    seat: Mapped[Seat] = relationship()
    assignment: Mapped[Assignment] = relationship()


class Job(Base):
    """One grading that is owed. The row is the queue: there is no other place that knows what is to be done.

    ``attempt`` is the fencing token: it grows with every claim, and only its holder can record. ``tries`` counts the
    claims that our own faults used up. ``whose`` is the trainee, ``turn`` how many jobs they already had waiting.
    """

    __tablename__ = "job"
    __table_args__ = (
        one_of("state", JobState),
        Index("ix_job_claim", "priority", "turn", "queued_at", sqlite_where=text("state = 'queued'"),
              postgresql_where=text("state = 'queued'")),
        Index("uq_job_running", "whose", unique=True, sqlite_where=text("state = 'running'"),
              postgresql_where=text("state = 'running'")),
        Index("ix_job_whose", "whose", "state"),
        Index("uq_job_live", "submission_id", unique=True,
              sqlite_where=text("regrade_id IS NULL AND state IN ('queued', 'running')"),
              postgresql_where=text("regrade_id IS NULL AND state IN ('queued', 'running')")),
        UniqueConstraint("submission_id", "regrade_id"),
    )  # fmt: skip

    id: Mapped[Id] = mapped_column(primary_key=True)
    submission_id: Mapped[Id] = mapped_column(ForeignKey("submission.id"), index=True)
    regrade_id: Mapped[Id | None] = mapped_column(ForeignKey("regrade.id"), index=True)
    digest: Mapped[str] = mapped_column(ForeignKey("exercise_version.digest"))
    seed: Mapped[int]
    state: Mapped[str] = mapped_column(String(16), default="queued")
    priority: Mapped[int]
    turn: Mapped[int]
    whose: Mapped[str] = mapped_column(String(64))
    queued_at: Mapped[Moment]
    not_before: Mapped[Moment]
    attempt: Mapped[int] = mapped_column(default=0)
    tries: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[Moment | None]
    worker: Mapped[str] = mapped_column(String(255), default="")
    code: Mapped[str] = mapped_column(String(64), default="")
    """Why it is not done yet, or why it needs somebody; "" otherwise."""
    finished_at: Mapped[Moment | None]

    submission: Mapped[Submission] = relationship()


class Run(Base):
    """One claim of a job and how it ended ("" while it runs): recorded, fault, expired, released or refused."""

    __tablename__ = "run"
    __table_args__ = (UniqueConstraint("job_id", "attempt"),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    job_id: Mapped[Id] = mapped_column(ForeignKey("job.id"))
    attempt: Mapped[int]
    worker: Mapped[str] = mapped_column(String(255))
    started_at: Mapped[Moment]
    ended_at: Mapped[Moment | None]
    ended: Mapped[str] = mapped_column(String(16), default="")
    code: Mapped[str] = mapped_column(String(64), default="")


class Grading(Base):
    """A verdict that was recorded, with all that is needed to come to it again. One for each job, never two."""

    __tablename__ = "grading"
    __table_args__ = (
        one_of("standing", Standing),
        Index("uq_grading_final", "submission_id", unique=True, sqlite_where=text("standing = 'final'"),
              postgresql_where=text("standing = 'final'")),
    )  # fmt: skip

    id: Mapped[Id] = mapped_column(primary_key=True)
    job_id: Mapped[Id] = mapped_column(ForeignKey("job.id"), unique=True)
    submission_id: Mapped[Id] = mapped_column(ForeignKey("submission.id"), index=True)
    regrade_id: Mapped[Id | None] = mapped_column(ForeignKey("regrade.id"), index=True)
    digest: Mapped[str] = mapped_column(ForeignKey("exercise_version.digest"))
    attempt: Mapped[int]
    standing: Mapped[str] = mapped_column(String(16))
    outcome: Mapped[str] = mapped_column(String(16))
    code: Mapped[str] = mapped_column(String(64), default="")
    points: Mapped[int]
    max: Mapped[int]
    seed: Mapped[int]
    grader_version: Mapped[str] = mapped_column(String(32))
    verdict: Mapped[Document]
    recorded_at: Mapped[Moment]
    replaces: Mapped[Id | None] = mapped_column(ForeignKey("grading.id"))
    """The grading that stood before this one, when a regrade was applied."""


class ProgressEvent(Base):
    """What a grading was doing: phases as they begin, for people who wait. ``number`` grows within a job."""

    __tablename__ = "progress_event"

    job_id: Mapped[Id] = mapped_column(ForeignKey("job.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    attempt: Mapped[int]
    at: Mapped[Moment]
    phase: Mapped[str] = mapped_column(String(32))
    what: Mapped[str] = mapped_column(Text, default="")


class Override(Base):
    """A person's decision about a submission's result, above whatever the grader said; the latest one stands."""

    __tablename__ = "override"
    __table_args__ = (one_of("to_outcome", ("pass", "fail")), UniqueConstraint("submission_id", "number"))

    id: Mapped[Id] = mapped_column(primary_key=True)
    submission_id: Mapped[Id] = mapped_column(ForeignKey("submission.id"), index=True)
    number: Mapped[int]
    from_outcome: Mapped[str] = mapped_column(String(16))
    to_outcome: Mapped[str] = mapped_column(String(16))
    by: Mapped[str] = mapped_column(String(255))
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[Moment]


class Appeal(Base):
    """A trainee asks that somebody looks again. ``answer`` is what was said to it, "" while it is open."""

    __tablename__ = "appeal"
    __table_args__ = (one_of("state", ("open", "accepted", "declined")),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    submission_id: Mapped[Id] = mapped_column(ForeignKey("submission.id"), index=True)
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[Moment]
    state: Mapped[str] = mapped_column(String(16), default="open")
    answer: Mapped[str] = mapped_column(Text, default="")
    decided_by: Mapped[str] = mapped_column(String(255), default="")
    decided_at: Mapped[Moment | None]


class Regrade(Base):
    """A second grading of a selection, in the shadow until somebody applies or drops it."""

    __tablename__ = "regrade"
    __table_args__ = (one_of("state", ("running", "applied", "dropped")),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    assignment_id: Mapped[Id] = mapped_column(ForeignKey("assignment.id"), index=True)
    digest: Mapped[str] = mapped_column(ForeignKey("exercise_version.digest"))
    state: Mapped[str] = mapped_column(String(16), default="running")
    by: Mapped[str] = mapped_column(String(255))
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[Moment]
    decided_by: Mapped[str] = mapped_column(String(255), default="")
    decided_at: Mapped[Moment | None]


append_only(Override.__table__)
