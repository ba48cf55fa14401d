"""Certificates of people who passed a training round."""

import sqlalchemy as sa
from alembic import op

from grader.records.columns import UtcMoment

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """The table of certificates; it refers to no other, so that a certificate outlives its round."""
    op.create_table(
        "certificate",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("person_id", sa.String(length=40), nullable=False),
        sa.Column("round_id", sa.String(length=40), nullable=False),
        sa.Column("seat_id", sa.String(length=40), nullable=False),
        sa.Column("year_be", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("course", sa.String(length=255), nullable=False),
        sa.Column("round_name", sa.String(length=255), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=True),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("signer", sa.String(length=255), nullable=False),
        sa.Column("position", sa.String(length=255), nullable=False),
        sa.Column("by", sa.String(length=255), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.Column("revoked_at", UtcMoment(), nullable=True),
        sa.Column("revoked_by", sa.String(length=255), nullable=False),
        sa.Column("revoked_reason", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('certificate', 'diploma', 'honour')", name=op.f("ck_certificate_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate")),
        sa.UniqueConstraint("year_be", "number", name=op.f("uq_certificate_year_be_number")),
    )
    op.create_index(op.f("ix_certificate_person_id"), "certificate", ["person_id"], unique=False)
    op.create_index(op.f("ix_certificate_round_id"), "certificate", ["round_id"], unique=False)
    op.create_index(
        "uq_certificate_valid",
        "certificate",
        ["seat_id"],
        unique=True,
        sqlite_where=sa.text("revoked_at IS NULL"),
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
