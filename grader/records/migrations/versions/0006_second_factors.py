"""Second factors of people who decide about results, and when somebody last proved who they are."""

import sqlalchemy as sa
from alembic import op

from grader.records.columns import UtcMoment

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Second factors, codes for recovery, half sign-ins; by what a session was opened and when it was confirmed.

    Sessions that are open stay so. Those of a password and those of a sign-in service cannot be told apart any more:
    an account without a password can only have come by a service. Nothing of them was confirmed lately.
    """
    op.add_column("portal_session", sa.Column("way", sa.String(length=16), nullable=True))
    op.add_column("portal_session", sa.Column("confirmed_at", UtcMoment(), nullable=True))
    op.execute("""UPDATE portal_session SET way = CASE WHEN account_id IN
        (SELECT id FROM account WHERE password_hash = '') THEN 'identity' ELSE 'password' END""")
    with op.batch_alter_table("portal_session") as table:
        table.alter_column("way", existing_type=sa.String(length=16), nullable=False)
        table.create_check_constraint(op.f("ck_portal_session_way"), "way IN ('identity', 'password')")
    op.create_table(
        "half_sign_in",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("expires_at", UtcMoment(), nullable=False),
        sa.Column("agent", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_half_sign_in_account_id_account")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_half_sign_in")),
    )
    op.create_index(op.f("ix_half_sign_in_account_id"), "half_sign_in", ["account_id"], unique=False)
    op.create_table(
        "second_factor",
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("enrolled_at", UtcMoment(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_second_factor_account_id_account")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_second_factor")),
    )
    op.create_table(
        "recovery_code",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("used_at", UtcMoment(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_recovery_code_account_id_account")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_recovery_code")),
    )
    op.create_index(op.f("ix_recovery_code_account_id"), "recovery_code", ["account_id"], unique=False)
