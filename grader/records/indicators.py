"""What the indicator is made of beside people: its definition, settings, reporting rounds, and what was published."""

from datetime import date

from sqlalchemy import LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from grader.records.columns import Base, Document, Id, Moment, Sha256, append_only


class IndicatorVersion(Base):
    """One version of the indicator's definition for a fiscal year; a change is a new version."""

    __tablename__ = "indicator_version"
    __table_args__ = (UniqueConstraint("fy_be", "version"),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    fy_be: Mapped[int]
    version: Mapped[int]
    definition: Mapped[Document]
    by: Mapped[str] = mapped_column(String(255))
    at: Mapped[Moment]


class SettingsVersion(Base):
    """One version of all settings (``grader.kpi.KpiSettings``), whole."""

    __tablename__ = "settings_version"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    settings: Mapped[Document]
    by: Mapped[str] = mapped_column(String(255))
    at: Mapped[Moment]


class ReportingRound(Base):
    """A reporting round of the indicator (``grader.kpi.Round``); not a training round."""

    __tablename__ = "reporting_round"
    __table_args__ = (UniqueConstraint("fy_be", "code"),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    fy_be: Mapped[int]
    code: Mapped[str] = mapped_column(String(16))
    label: Mapped[str] = mapped_column(String(255), default="")
    start: Mapped[date]
    end: Mapped[date]
    cutoff_at: Mapped[Moment | None]
    report_due: Mapped[date | None]


class SnapshotRecord(Base):
    """A frozen figure. ``document`` is the canonical JSON whose SHA-256 is the key."""

    __tablename__ = "kpi_snapshot"

    sha256: Mapped[Sha256] = mapped_column(primary_key=True)
    fy_be: Mapped[int]
    code: Mapped[str] = mapped_column(String(16))
    as_of: Mapped[Moment]
    document: Mapped[bytes] = mapped_column(LargeBinary)
    replaces: Mapped[str] = mapped_column(String(64), default="")
    by: Mapped[str] = mapped_column(String(255))
    at: Mapped[Moment]


class ReportRecord(Base):
    """How far the report of a snapshot is (``grader.kpi.Report``), with the texts that people wrote into it."""

    __tablename__ = "kpi_report"

    sha256: Mapped[Sha256] = mapped_column(primary_key=True)
    report: Mapped[Document]
    texts: Mapped[Document]
    note: Mapped[str] = mapped_column(Text, default="")


class Grant(Base):
    """A right that was given to somebody by name; ``certifier`` is given to nobody until somebody decides it."""

    __tablename__ = "role_grant"

    id: Mapped[Id] = mapped_column(primary_key=True)
    who: Mapped[str] = mapped_column(String(255), index=True)
    role: Mapped[str] = mapped_column(String(32))
    by: Mapped[str] = mapped_column(String(255))
    at: Mapped[Moment]
    revoked_at: Mapped[Moment | None]


append_only(IndicatorVersion.__table__)
append_only(SettingsVersion.__table__)
append_only(SnapshotRecord.__table__)
