"""What the columns of all tables have in common: names of constraints, moments in UTC, ids, append-only tables."""

import secrets
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeAlias

from sqlalchemy import JSON, DateTime, Dialect, MetaData, String, Table, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, mapped_column

NAMES: Final = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""Every constraint has a name that both engines agree on, because a later migration has to call it by its name."""

ID_LENGTH: Final = 40
_RANDOM_BYTES: Final = 8


class UtcMoment(TypeDecorator[datetime]):
    """A moment with a zone; kept in UTC, also by SQLite, which knows no zones. A moment without one is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; without the zone where the engine has none."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = "a moment without a zone must not be recorded"
            raise ValueError(message)
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Always with the zone UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


Moment: TypeAlias = Annotated[datetime, mapped_column(UtcMoment())]
Id: TypeAlias = Annotated[str, mapped_column(String(ID_LENGTH))]
Sha256: TypeAlias = Annotated[str, mapped_column(String(64))]
Document: TypeAlias = Annotated[dict[str, Any], mapped_column(JSON())]
"""A JSON object; not JSONB, which refuses the character 0 that an answer of an app may hold."""


class Base(DeclarativeBase):
    """All tables of the records."""

    metadata = MetaData(naming_convention=NAMES)


APPEND_ONLY: Final[set[str]] = set()
"""Names of the tables whose rows are never changed or removed; the migrations put triggers on them."""


def append_only(table: Any) -> None:
    """Mark a table whose rows stay as they were written: ``append_only(AuditEntry.__table__)``."""
    assert isinstance(table, Table)
    APPEND_ONLY.add(table.name)


def new_id(kind: str) -> str:
    """A fresh id that says what it is the id of: ``sub_5d0c…``; 64 random bits, nothing about a person."""
    return f"{kind}_{secrets.token_hex(_RANDOM_BYTES)}"
