"""The schema: the same on both engines, brought up from every revision, refused when it is not ours."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from grader.errors import EnvironmentProblem
from grader.records import APPEND_ONLY, Base, Database, Records, create_records, default_url, open_records, schema

ZERO = "2026-11-22 00:00:00.000000"
GIVEN = (("e1", "s1", 9), ("e2", "s1", 10), ("e3", "s1", 10), ("e4", "s1", 8), ("e5", "s2", 7))
BEFORE_NUMBERS: dict[str, list[dict[str, object]]] = {
    "training_round": [{"id": "r", "code": "r", "name": "r", "sessions": 0, "created_at": ZERO}],
    "unit": [{"id": "u", "code": "u", "name": "u"}],
    "person": [
        {"id": one, "code": one, "name": "x", "email": "", "unit_id": "u", "created_at": ZERO} for one in ("s1", "s2")
    ],
    "seat": [
        {"id": one, "round_id": "r", "person_id": one, "unit_id": "u", "part": "trainee", "note": ""}
        | {"created_at": ZERO}
        for one in ("s1", "s2")
    ],
    "exercise_version": [
        {"digest": "d", "exercise": "e", "version": "1", "title": "{}", "checks": "{}", "pass_points": 1}
        | {"archive": "0", "added_at": ZERO}
    ],
    "assignment": [{"id": "a", "round_id": "r", "exercise": "e", "digest": "d", "late": "mark", "mandatory": True}],
    "extension": [
        {"id": one, "assignment_id": "a", "seat_id": seat, "by": "x", "reason": "x"}
        | {"at": f"2026-11-22 {hour:02}:00:00.000000"}
        for one, seat, hour in GIVEN
    ],
}
"""Extensions (id, seat, hour) in the tables of revision 0003, and what they need to be there."""


def test_migrations_make_exactly_the_tables_of_the_models(records: Records) -> None:
    """Nothing is in the models that no migration makes, and the other way round."""
    with records.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


@pytest.mark.parametrize("start", schema.revisions())
def test_every_earlier_revision_comes_up(start: str, empty_address: str, tmp_path: Path) -> None:
    """From each revision that was ever released, the records arrive at today's, and can be opened."""
    folder = tmp_path / "data"
    folder.mkdir()
    database = Database(empty_address or default_url(folder))
    schema.upgrade(database, start)
    database.close()
    create_records(folder, empty_address).close()
    open_records(folder, empty_address).close()


def test_the_extension_that_stood_before_they_had_numbers_stands_on(empty_address: str, tmp_path: Path) -> None:
    """Those of a seat were told apart by time and then by the smaller id; now the highest number says the same."""
    database = Database(empty_address or default_url(tmp_path))
    schema.upgrade(database, "0003")
    with database.writing() as session:
        for table, rows in BEFORE_NUMBERS.items():
            for row in rows:
                names, values = ", ".join(f'"{name}"' for name in row), ", ".join(f":{name}" for name in row)
                session.execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), row)
    schema.upgrade(database)
    with database.reading() as session:
        numbered = session.execute(text("SELECT id FROM extension ORDER BY seat_id, number")).scalars().all()
        numbers = session.execute(text("SELECT number FROM extension ORDER BY seat_id, number")).scalars().all()
    assert numbered == ["e4", "e1", "e3", "e2", "e5"]
    assert numbers == [1, 2, 3, 4, 1]
    database.close()


def test_a_newer_schema_is_refused(records: Records, address: str) -> None:
    """Records of a later version are not touched, and the answer says so."""
    with records.database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for use in (open_records, create_records):
        with pytest.raises(EnvironmentProblem) as caught:
            use(records.folder, address)
        assert caught.value.code == "records.schema_newer"
        assert caught.value.params["found"] == "9999"


def test_an_older_schema_asks_for_init(empty_address: str, tmp_path: Path) -> None:
    """Records without tables are not opened; what to do is said."""
    with pytest.raises(EnvironmentProblem) as caught:
        open_records(tmp_path / "nothing", empty_address)
    assert caught.value.code == "records.not_initialised"


def test_a_migration_that_dies_changes_nothing(
    empty_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All steps are one transaction: after a failure in the last one there is no table at all."""
    database = Database(empty_address or default_url(tmp_path))

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
