"""The version of the database's schema: brought up to date on request, refused when it is not the one we know."""

from importlib.resources import as_file, files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from grader.errors import EnvironmentProblem

# The tables of all of these belong to the schema.
from grader.records import (  # noqa: F401
    accounts,
    audit,
    certificates,
    fetches,
    indicators,
    people,
    rounds,
    standings,
    work,
    workers,
)
from grader.records.database import Database, translated

_LOCK = 5_201_570
"""The key of PostgreSQL's advisory lock: two machines that start at the same time migrate one after the other."""


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the schema to a revision, all steps in one transaction: killed half way, it is as it was before.

    Raises:
        EnvironmentProblem: ``records.schema_newer``: a later version of the program made these records.
    """
    with translated(), database.writing() as session:
        connection = session.connection()
        if database.dialect == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        _refuse_newer(connection)
        with as_file(files("grader.records").joinpath("migrations")) as scripts:
            command.upgrade(_config(scripts, connection), revision)


def require_current(database: Database) -> None:
    """Refuse records of another version, before anything is read from them.

    Raises:
        EnvironmentProblem: ``records.not_initialised``, ``records.schema_older``, ``records.schema_newer``.
    """
    with translated(), database.engine.connect() as connection:
        found = _refuse_newer(connection)
        if found is None:
            raise EnvironmentProblem("records.not_initialised", folder=_name(connection))
        if found != head():
            raise EnvironmentProblem("records.schema_older", found=found, wanted=head())


def head() -> str:
    """The revision that this version of the program needs."""
    return _script().get_current_head() or ""


def revisions() -> tuple[str, ...]:
    """All revisions, the oldest first."""
    return tuple(script.revision for script in reversed(list(_script().walk_revisions())))


def _script() -> ScriptDirectory:
    with as_file(files("grader.records").joinpath("migrations")) as scripts:
        return ScriptDirectory(str(scripts))


def _refuse_newer(connection: Connection) -> str | None:
    """The revision of the database (None: it has no tables); one that we have never heard of is newer than we are."""
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in revisions():
        raise EnvironmentProblem("records.schema_newer", found=found, wanted=head())
    return found


def _config(scripts: Path, connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _name(connection: Connection) -> str:
    return connection.engine.url.render_as_string(hide_password=True)
