"""Numbers of extensions: which one of a seat stands does not depend on the clock.

Those that are there are numbered so that the one that stood until now goes on to stand: by the time at which they were
given and, of two at the same time, the smaller id last.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_NUMBER = """
UPDATE extension SET number = (
    SELECT count(*) FROM extension AS other
    WHERE other.assignment_id = extension.assignment_id AND other.seat_id = extension.seat_id
    AND (other.at < extension.at OR (other.at = extension.at AND other.id >= extension.id))
)
"""


def upgrade() -> None:
    """Numbers of extensions."""
    op.add_column("extension", sa.Column("number", sa.Integer(), nullable=True))
    op.execute(_NUMBER)
    with op.batch_alter_table("extension") as table:
        table.alter_column("number", existing_type=sa.Integer(), nullable=False)
        table.create_unique_constraint(
            op.f("uq_extension_assignment_id_seat_id_number"), ["assignment_id", "seat_id", "number"]
        )
