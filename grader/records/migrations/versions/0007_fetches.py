"""Submissions that come from a git address."""

import sqlalchemy as sa
from alembic import op

from grader.records.columns import UtcMoment

revision = "0007"
down_revision = "0006"

UNDER_WAY = "state IN ('waiting', 'running')"


def upgrade() -> None:
    """The table of what was asked for and is not a submission yet, or became none."""
    op.create_table(
        "fetch",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("seat_id", sa.String(length=40), nullable=False),
        sa.Column("assignment_id", sa.String(length=40), nullable=False),
        sa.Column("git_url", sa.String(length=500), nullable=False),
        sa.Column("git_ref", sa.String(length=255), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=False),
        sa.Column("by", sa.String(length=255), nullable=False),
        sa.Column("asked_at", UtcMoment(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("not_before", UtcMoment(), nullable=False),
        sa.Column("lease_until", UtcMoment(), nullable=True),
        sa.Column("worker", sa.String(length=255), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("commit_hash", sa.String(length=64), nullable=False),
        sa.Column("fetched_at", UtcMoment(), nullable=True),
        sa.Column("finished_at", UtcMoment(), nullable=True),
        sa.Column("submission_id", sa.String(length=40), nullable=True),
        sa.CheckConstraint(
            "state IN ('cancelled', 'done', 'failed', 'refused', 'running', 'waiting')", name=op.f("ck_fetch_state")
        ),
        sa.ForeignKeyConstraint(["assignment_id"], ["assignment.id"], name=op.f("fk_fetch_assignment_id_assignment")),
        sa.ForeignKeyConstraint(["seat_id"], ["seat.id"], name=op.f("fk_fetch_seat_id_seat")),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], name=op.f("fk_fetch_submission_id_submission")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fetch")),
        sa.UniqueConstraint("seat_id", "idempotency_key", name=op.f("uq_fetch_seat_id_idempotency_key")),
        sa.UniqueConstraint("submission_id", name=op.f("uq_fetch_submission_id")),
    )
    op.create_index(op.f("ix_fetch_assignment_id"), "fetch", ["assignment_id"], unique=False)
    op.create_index(op.f("ix_fetch_seat_id"), "fetch", ["seat_id"], unique=False)
    op.create_index(
        "ix_fetch_claim",
        "fetch",
        ["asked_at"],
        unique=False,
        sqlite_where=sa.text(UNDER_WAY),
        postgresql_where=sa.text(UNDER_WAY),
    )
