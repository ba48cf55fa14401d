"""The schema: the same on both engines, brought up from every revision, refused when it is not ours."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from grader.errors import EnvironmentProblem
from grader.records import APPEND_ONLY, Base, Database, Records, create_records, default_url, open_records, schema


def test_migrations_make_exactly_the_tables_of_the_models(records: Records) -> None:
    """Nothing is in the models that no migration makes, and the other way round."""
    with records.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


@pytest.mark.parametrize("start", schema.revisions())
def test_every_earlier_revision_comes_up(start: str, address: str, tmp_path: Path) -> None:
    """From each revision that was ever released, the records arrive at today's, and can be opened."""
    folder = tmp_path / "data"
    folder.mkdir()
    database = Database(address or default_url(folder))
    schema.upgrade(database, start)
    database.close()
    create_records(folder, address).close()
    open_records(folder, address).close()


def test_a_newer_schema_is_refused(records: Records, address: str) -> None:
    """Records of a later version are not touched, and the answer says so."""
    with records.database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for use in (open_records, create_records):
        with pytest.raises(EnvironmentProblem) as caught:
            use(records.folder, address)
        assert caught.value.code == "records.schema_newer"
        assert caught.value.params["found"] == "9999"


def test_an_older_schema_asks_for_init(address: str, tmp_path: Path) -> None:
    """Records without tables are not opened; what to do is said."""
    with pytest.raises(EnvironmentProblem) as caught:
        open_records(tmp_path / "nothing", address)
    assert caught.value.code == "records.not_initialised"


def test_a_migration_that_dies_changes_nothing(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps are one transaction: after a failure in the last one there is no table at all."""
    database = Database(address or default_url(tmp_path))

    def upgrade_and_fail(config: object, revision: str) -> None:
        real(config, revision)
        raise KeyboardInterrupt

    real = schema.command.upgrade
    monkeypatch.setattr(schema.command, "upgrade", upgrade_and_fail)
    with pytest.raises(KeyboardInterrupt):
        schema.upgrade(database)
    assert inspect(database.engine).get_table_names() == []
    database.close()


def test_append_only_tables_refuse_change_and_removal(records: Records) -> None:
    """The engine itself refuses: also a person with a database prompt cannot rewrite what happened."""
    with records.change(by="test") as change:
        change.audit("test.done", "x")
    assert len(APPEND_ONLY) >= 7
    for table in sorted(APPEND_ONLY):
        column = inspect(records.database.engine).get_pk_constraint(table)["constrained_columns"][0]
        for statement in (f'UPDATE "{table}" SET "{column}" = "{column}"', f'DELETE FROM "{table}"'):
            with records.database.engine.connect() as connection:
                if table == "audit" or records.database.dialect == "postgresql":
                    with pytest.raises(DBAPIError, match="append-only"):
                        connection.execute(text(statement))
    triggers = "SELECT count(DISTINCT tbl_name) FROM sqlite_master WHERE type = 'trigger'"
    if records.database.dialect == "sqlite":  # its triggers are asked for each row, and most tables are empty here
        with records.database.engine.connect() as connection:
            assert connection.scalar(text(triggers)) == len(APPEND_ONLY)


def test_durability_is_on(records: Records) -> None:
    """What was committed survives a power failure: the settings that say so are asked, not assumed."""
    with records.database.engine.connect() as connection:
        if records.database.dialect == "sqlite":
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        else:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
            assert connection.exec_driver_sql("SHOW timezone").scalar() == "UTC"
