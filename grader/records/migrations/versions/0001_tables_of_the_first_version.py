"""Tables of the first version."""

import sqlalchemy as sa
from alembic import op

from grader.records.columns import UtcMoment

revision = "0001"
down_revision = None


APPEND_ONLY = (
    "audit",
    "audit_checkpoint",
    "indicator_version",
    "kpi_snapshot",
    "override",
    "seat_event",
    "settings_version",
)

_REFUSE_POSTGRESQL = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END $$
"""


def upgrade() -> None:  # noqa: PLR0915 - one table after the other
    """Tables of the first version."""
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.Column("by", sa.String(length=255), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("object", sa.String(length=80), nullable=False),
        sa.Column("before", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("after", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("request", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_action"), "audit", ["action"], unique=False)
    op.create_index(op.f("ix_audit_object"), "audit", ["object"], unique=False)

    op.create_table(
        "audit_checkpoint",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("signature", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_checkpoint")),
    )
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "exercise_version",
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("exercise", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("title", sa.JSON(), nullable=False),
        sa.Column("checks", sa.JSON(), nullable=False),
        sa.Column("pass_points", sa.Integer(), nullable=False),
        sa.Column("archive", sa.String(length=64), nullable=False),
        sa.Column("added_at", UtcMoment(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_exercise_version")),
    )
    op.create_index(op.f("ix_exercise_version_exercise"), "exercise_version", ["exercise"], unique=False)

    op.create_table(
        "indicator_version",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("fy_be", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("by", sa.String(length=255), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_indicator_version")),
        sa.UniqueConstraint("fy_be", "version", name=op.f("uq_indicator_version_fy_be_version")),
    )
    op.create_table(
        "kpi_report",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("texts", sa.JSON(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_kpi_report")),
    )
    op.create_table(
        "kpi_snapshot",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("fy_be", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=16), nullable=False),
        sa.Column("as_of", UtcMoment(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("replaces", sa.String(length=64), nullable=False),
        sa.Column("by", sa.String(length=255), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_kpi_snapshot")),
    )
    op.create_table(
        "reporting_round",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("fy_be", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=16), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("start", sa.Date(), nullable=False),
        sa.Column("end", sa.Date(), nullable=False),
        sa.Column("cutoff_at", UtcMoment(), nullable=True),
        sa.Column("report_due", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reporting_round")),
        sa.UniqueConstraint("fy_be", "code", name=op.f("uq_reporting_round_fy_be_code")),
    )
    op.create_table(
        "role_grant",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("who", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("by", sa.String(length=255), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.Column("revoked_at", UtcMoment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role_grant")),
    )
    op.create_index(op.f("ix_role_grant_who"), "role_grant", ["who"], unique=False)

    op.create_table(
        "settings_version",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("by", sa.String(length=255), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_settings_version")),
    )
    op.create_table(
        "training_round",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=True),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("sessions", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcMoment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_round")),
        sa.UniqueConstraint("code", name=op.f("uq_training_round_code")),
    )
    op.create_table(
        "unit",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit")),
        sa.UniqueConstraint("code", name=op.f("uq_unit_code")),
    )
    op.create_table(
        "worker",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("started_at", UtcMoment(), nullable=False),
        sa.Column("seen_at", UtcMoment(), nullable=False),
        sa.Column("stopped_at", UtcMoment(), nullable=True),
        sa.Column("waits_for", sa.String(length=64), nullable=False),
        sa.Column("grader_version", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker")),
    )
    op.create_table(
        "assignment",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("round_id", sa.String(length=40), nullable=False),
        sa.Column("exercise", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("opens_at", UtcMoment(), nullable=True),
        sa.Column("closes_at", UtcMoment(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=True),
        sa.Column("late", sa.String(length=8), nullable=False),
        sa.Column("mandatory", sa.Boolean(), nullable=False),
        sa.CheckConstraint("late IN ('count', 'mark')", name=op.f("ck_assignment_late")),
        sa.ForeignKeyConstraint(
            ["digest"], ["exercise_version.digest"], name=op.f("fk_assignment_digest_exercise_version")
        ),
        sa.ForeignKeyConstraint(
            ["round_id"], ["training_round.id"], name=op.f("fk_assignment_round_id_training_round")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignment")),
        sa.UniqueConstraint("round_id", "exercise", name=op.f("uq_assignment_round_id_exercise")),
    )
    op.create_index(op.f("ix_assignment_round_id"), "assignment", ["round_id"], unique=False)

    op.create_table(
        "person",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=False),
        sa.Column("unit_id", sa.String(length=40), nullable=False),
        sa.Column("created_at", UtcMoment(), nullable=False),
        sa.Column("erased_at", UtcMoment(), nullable=True),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_person_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("code", name=op.f("uq_person_code")),
    )
    op.create_table(
        "regrade",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("assignment_id", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("by", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.Column("decided_by", sa.String(length=255), nullable=False),
        sa.Column("decided_at", UtcMoment(), nullable=True),
        sa.CheckConstraint("state IN ('applied', 'dropped', 'running')", name=op.f("ck_regrade_state")),
        sa.ForeignKeyConstraint(["assignment_id"], ["assignment.id"], name=op.f("fk_regrade_assignment_id_assignment")),
        sa.ForeignKeyConstraint(
            ["digest"], ["exercise_version.digest"], name=op.f("fk_regrade_digest_exercise_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_regrade")),
    )
    op.create_index(op.f("ix_regrade_assignment_id"), "regrade", ["assignment_id"], unique=False)

    op.create_table(
        "seat",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("round_id", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.String(length=40), nullable=False),
        sa.Column("unit_id", sa.String(length=40), nullable=False),
        sa.Column("part", sa.String(length=16), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", UtcMoment(), nullable=False),
        sa.CheckConstraint("part IN ('external', 'observer', 'trainee')", name=op.f("ck_seat_part")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_seat_person_id_person")),
        sa.ForeignKeyConstraint(["round_id"], ["training_round.id"], name=op.f("fk_seat_round_id_training_round")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_seat_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seat")),
        sa.UniqueConstraint("round_id", "person_id", name=op.f("uq_seat_round_id_person_id")),
    )
    op.create_index(op.f("ix_seat_person_id"), "seat", ["person_id"], unique=False)
    op.create_index(op.f("ix_seat_round_id"), "seat", ["round_id"], unique=False)
    op.create_index(op.f("ix_seat_unit_id"), "seat", ["unit_id"], unique=False)

    op.create_table(
        "extension",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("assignment_id", sa.String(length=40), nullable=False),
        sa.Column("seat_id", sa.String(length=40), nullable=False),
        sa.Column("closes_at", UtcMoment(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=True),
        sa.Column("by", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignment.id"], name=op.f("fk_extension_assignment_id_assignment")
        ),
        sa.ForeignKeyConstraint(["seat_id"], ["seat.id"], name=op.f("fk_extension_seat_id_seat")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_extension")),
    )
    op.create_index(op.f("ix_extension_seat_id"), "extension", ["seat_id"], unique=False)

    op.create_table(
        "seat_event",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("seat_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.Column("session", sa.Integer(), nullable=True),
        sa.Column("by", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("recorded_at", UtcMoment(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('check_in', 'cleared', 'declined', 'excluded', 'registered', 'replaced', 'withdrew')",
            name=op.f("ck_seat_event_kind"),
        ),
        sa.ForeignKeyConstraint(["seat_id"], ["seat.id"], name=op.f("fk_seat_event_seat_id_seat")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seat_event")),
    )
    op.create_index(op.f("ix_seat_event_seat_id"), "seat_event", ["seat_id"], unique=False)

    op.create_table(
        "submission",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("seat_id", sa.String(length=40), nullable=False),
        sa.Column("assignment_id", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("filename", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("received_at", UtcMoment(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=False),
        sa.Column("receipt", sa.JSON(), nullable=False),
        sa.Column("purged_at", UtcMoment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignment.id"], name=op.f("fk_submission_assignment_id_assignment")
        ),
        sa.ForeignKeyConstraint(
            ["digest"], ["exercise_version.digest"], name=op.f("fk_submission_digest_exercise_version")
        ),
        sa.ForeignKeyConstraint(["seat_id"], ["seat.id"], name=op.f("fk_submission_seat_id_seat")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_submission")),
        sa.UniqueConstraint(
            "seat_id", "assignment_id", "number", name=op.f("uq_submission_seat_id_assignment_id_number")
        ),
        sa.UniqueConstraint("seat_id", "idempotency_key", name=op.f("uq_submission_seat_id_idempotency_key")),
    )
    op.create_index(op.f("ix_submission_assignment_id"), "submission", ["assignment_id"], unique=False)

    op.create_table(
        "appeal",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("submission_id", sa.String(length=40), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.String(length=255), nullable=False),
        sa.Column("decided_at", UtcMoment(), nullable=True),
        sa.CheckConstraint("state IN ('accepted', 'declined', 'open')", name=op.f("ck_appeal_state")),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], name=op.f("fk_appeal_submission_id_submission")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appeal")),
    )
    op.create_index(op.f("ix_appeal_submission_id"), "appeal", ["submission_id"], unique=False)

    op.create_table(
        "job",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("submission_id", sa.String(length=40), nullable=False),
        sa.Column("regrade_id", sa.String(length=40), nullable=True),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("whose", sa.String(length=64), nullable=False),
        sa.Column("queued_at", UtcMoment(), nullable=False),
        sa.Column("not_before", UtcMoment(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("lease_until", UtcMoment(), nullable=True),
        sa.Column("worker", sa.String(length=255), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("finished_at", UtcMoment(), nullable=True),
        sa.CheckConstraint(
            "state IN ('cancelled', 'done', 'needs_operator', 'queued', 'running')", name=op.f("ck_job_state")
        ),
        sa.ForeignKeyConstraint(["digest"], ["exercise_version.digest"], name=op.f("fk_job_digest_exercise_version")),
        sa.ForeignKeyConstraint(["regrade_id"], ["regrade.id"], name=op.f("fk_job_regrade_id_regrade")),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], name=op.f("fk_job_submission_id_submission")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.UniqueConstraint("submission_id", "regrade_id", name=op.f("uq_job_submission_id_regrade_id")),
    )
    op.create_index(
        "ix_job_claim",
        "job",
        ["priority", "turn", "queued_at"],
        unique=False,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(op.f("ix_job_regrade_id"), "job", ["regrade_id"], unique=False)
    op.create_index(op.f("ix_job_submission_id"), "job", ["submission_id"], unique=False)
    op.create_index("ix_job_whose", "job", ["whose", "state"], unique=False)
    op.create_index(
        "uq_job_live",
        "job",
        ["submission_id"],
        unique=True,
        sqlite_where=sa.text("regrade_id IS NULL AND state IN ('queued', 'running')"),
        postgresql_where=sa.text("regrade_id IS NULL AND state IN ('queued', 'running')"),
    )
    op.create_index(
        "uq_job_running",
        "job",
        ["whose"],
        unique=True,
        sqlite_where=sa.text("state = 'running'"),
        postgresql_where=sa.text("state = 'running'"),
    )

    op.create_table(
        "override",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("submission_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("from_outcome", sa.String(length=16), nullable=False),
        sa.Column("to_outcome", sa.String(length=16), nullable=False),
        sa.Column("by", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.CheckConstraint("to_outcome IN ('fail', 'pass')", name=op.f("ck_override_to_outcome")),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submission.id"], name=op.f("fk_override_submission_id_submission")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_override")),
        sa.UniqueConstraint("submission_id", "number", name=op.f("uq_override_submission_id_number")),
    )
    op.create_index(op.f("ix_override_submission_id"), "override", ["submission_id"], unique=False)

    op.create_table(
        "grading",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("submission_id", sa.String(length=40), nullable=False),
        sa.Column("regrade_id", sa.String(length=40), nullable=True),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("standing", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("max", sa.Integer(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("grader_version", sa.String(length=32), nullable=False),
        sa.Column("verdict", sa.JSON(), nullable=False),
        sa.Column("recorded_at", UtcMoment(), nullable=False),
        sa.Column("replaces", sa.String(length=40), nullable=True),
        sa.CheckConstraint(
            "standing IN ('dropped', 'final', 'shadow', 'superseded')", name=op.f("ck_grading_standing")
        ),
        sa.ForeignKeyConstraint(
            ["digest"], ["exercise_version.digest"], name=op.f("fk_grading_digest_exercise_version")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_grading_job_id_job")),
        sa.ForeignKeyConstraint(["regrade_id"], ["regrade.id"], name=op.f("fk_grading_regrade_id_regrade")),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], name=op.f("fk_grading_submission_id_submission")),
        sa.ForeignKeyConstraint(["replaces"], ["grading.id"], name=op.f("fk_grading_replaces_grading")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grading")),
        sa.UniqueConstraint("job_id", name=op.f("uq_grading_job_id")),
    )
    op.create_index(op.f("ix_grading_regrade_id"), "grading", ["regrade_id"], unique=False)
    op.create_index(op.f("ix_grading_submission_id"), "grading", ["submission_id"], unique=False)
    op.create_index(
        "uq_grading_final",
        "grading",
        ["submission_id"],
        unique=True,
        sqlite_where=sa.text("standing = 'final'"),
        postgresql_where=sa.text("standing = 'final'"),
    )

    op.create_table(
        "progress_event",
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.Column("phase", sa.String(length=32), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_progress_event_job_id_job")),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_progress_event")),
    )
    op.create_table(
        "run",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(length=255), nullable=False),
        sa.Column("started_at", UtcMoment(), nullable=False),
        sa.Column("ended_at", UtcMoment(), nullable=True),
        sa.Column("ended", sa.String(length=16), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_run_job_id_job")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        sa.UniqueConstraint("job_id", "attempt", name=op.f("uq_run_job_id_attempt")),
    )
    op.execute(f"INSERT INTO audit_head (id, number, hash) VALUES (1, 0, '{'0' * 64}')")  # noqa: S608 - a constant
    _protect()


def _protect() -> None:
    """No row of an append-only table can be changed or removed, whoever asks."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(_REFUSE_POSTGRESQL)
        for table in APPEND_ONLY:
            op.execute(
                f'CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON "{table}" '
                "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
            )
        return
    for table in APPEND_ONLY:
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f'CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON "{table}" '
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
