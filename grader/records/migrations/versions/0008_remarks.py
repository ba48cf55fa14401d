"""Remarks of the staff on handed-in work."""

import sqlalchemy as sa
from alembic import op

from grader.records.columns import UtcMoment

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """The table of remarks."""
    op.create_table(
        "remark",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("submission_id", sa.String(length=40), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=255), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.Column("withdrawn_by", sa.String(length=255), nullable=False),
        sa.Column("withdrawn_at", UtcMoment(), nullable=True),
        sa.CheckConstraint("(file = '') = (line IS NULL)", name=op.f("ck_remark_place")),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], name=op.f("fk_remark_submission_id_submission")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_remark")),
    )
    op.create_index("ix_remark_submission_id", "remark", ["submission_id"], unique=False)
