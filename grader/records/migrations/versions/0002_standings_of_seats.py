"""Standings of seats: what the figure is made of, beside the facts it follows from.

The table is empty at first; the program fills it from the facts, and counts from the facts until it has.
"""

import sqlalchemy as sa
from alembic import op

from grader.records.columns import UtcMoment

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Standings of seats."""
    op.create_table(
        "seat_standing",
        sa.Column("seat_id", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.String(length=40), nullable=False),
        sa.Column("unit_id", sa.String(length=40), nullable=False),
        sa.Column("part", sa.String(length=16), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=True),
        sa.Column("registered_at", UtcMoment(), nullable=True),
        sa.Column("entered_at", UtcMoment(), nullable=True),
        sa.Column("passed_at", UtcMoment(), nullable=True),
        sa.Column("marks", sa.Integer(), nullable=False),
        sa.Column("mark", sa.String(length=16), nullable=True),
        sa.Column("mark_at", UtcMoment(), nullable=True),
        sa.Column("rules", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["seat_id"], ["seat.id"], name=op.f("fk_seat_standing_seat_id_seat")),
        sa.PrimaryKeyConstraint("seat_id", name=op.f("pk_seat_standing")),
    )
    op.create_index(
        "ix_seat_standing_figure",
        "seat_standing",
        ["person_id", "part", "entered_at", "passed_at", "mark_at", "mark", "marks", "unit_id", "seat_id"],
        unique=False,
    )
    op.create_index(op.f("ix_seat_standing_rules"), "seat_standing", ["rules"], unique=False)
