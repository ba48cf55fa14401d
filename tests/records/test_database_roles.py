"""Smaller accounts on a PostgreSQL server: the portal and a worker do all of their work with them, and nothing else."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from grader.queue import sweep
from grader.records import Base, Records, Submission, create_records, open_records, roles
from grader.records.columns import APPEND_ONLY
from grader.services.receiving import submit
from portal.app import create_app
from tests.fixtures.portal import PACK, Browser, World, build_world, grade, session_of, verdict_for
from tests.fixtures.postgresql import Server


@pytest.fixture(scope="module")
def small(postgresql: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, dict[str, Records]]]:
    """A portal's records with people and work in them, and the same opened by each of the smaller accounts."""
    folder = tmp_path_factory.mktemp("small") / "data"
    with postgresql.database() as address:
        owner = create_records(folder, address)
        world = build_world(owner, folder)
        for role in (roles.PORTAL, roles.WORKER):
            postgresql.execute(f'CREATE ROLE "{role}" LOGIN')
        for _ in range(2):  # after each upgrade again
            with owner.database.engine.begin() as connection:
                for one in roles.statements():
                    connection.execute(text(one))
        opened = {
            role: open_records(folder, address.replace("postgres@", f"{role}@"))
            for role in (roles.PORTAL, roles.WORKER)
        }
        yield world, opened
        for one in (*opened.values(), owner):
            one.close()
    for role in (roles.PORTAL, roles.WORKER):
        postgresql.execute(f'DROP ROLE "{role}"')


def refused(records: Records, statement: str) -> bool:
    """Whether the server refuses a statement for want of a right, and not for another reason."""
    with pytest.raises(ProgrammingError) as caught, records.database.engine.begin() as connection:
        connection.execute(text(statement))
    return "InsufficientPrivilege" in type(caught.value.orig).__name__


def test_the_portal_works_without_making_tables(small: tuple[World, dict[str, Records]]) -> None:
    """Pages are read, changes are made and noted, own data are written; the tables stay what they are."""
    world, opened = small
    records = opened[roles.PORTAL]
    app = create_app(records, world.settings)
    peer = Browser(app, session_of(records, world.accounts["peer"].id))
    address = f"/submissions/{world.work['peer.failed']}"
    assert peer.get(address).status_code == 200
    assert peer.post(f"{address}/appeal", data={"text": "ขอให้ดูอีกครั้ง"}).status_code == 303
    assert peer.post("/my-data/export").status_code == 200
    assert peer.post("/sign-out").status_code == 303
    admin = Browser(app, session_of(records, world.accounts["admin"].id))
    for page in ("/admin", "/admin/accounts", "/admin/queue", "/admin/audit"):
        assert admin.get(page).status_code == 200
    made = submit(
        records, seat=world.seats["other"], assignment=world.assignments["r2"], filename="x.zip", chunks=[b"9"], by="t"
    )
    assert made.submission
    for statement in (
        "CREATE TABLE mine (id int)",
        "DROP TABLE appeal",
        "ALTER TABLE audit DISABLE TRIGGER ALL",
        "TRUNCATE audit",
        "UPDATE alembic_version SET version_num = 'x'",
    ):
        assert refused(records, statement), statement


@pytest.mark.parametrize("role", [roles.PORTAL, roles.WORKER])
def test_what_may_only_grow_is_out_of_reach(small: tuple[World, dict[str, Records]], role: str) -> None:
    """Not by a trigger alone: these accounts have no right to change or remove a row of it."""
    for name in sorted(APPEND_ONLY - roles.UNREAD):
        column = next(iter(Base.metadata.tables[name].columns)).name
        for statement in (f'UPDATE "{name}" SET "{column}" = "{column}"', f'DELETE FROM "{name}"'):
            assert refused(small[1][role], statement), (role, statement)


def test_a_worker_grades(small: tuple[World, dict[str, Records]]) -> None:
    """Claims, progress, the result, standings and sweeping, with the rights of a worker alone."""
    world, opened = small
    records = opened[roles.WORKER]
    done = grade(records, verdict_for(PACK))
    assert done in set(world.work.values())
    assert sweep(records) >= 0
    with records.reading() as session:
        assert records.blobs.open(session.get_one(Submission, done).sha256).is_file()


def test_a_worker_reads_no_account(small: tuple[World, dict[str, Records]]) -> None:
    """Nothing that proves who somebody is, for reading or for writing; the list names tables that are there."""
    assert set(Base.metadata.tables) >= roles.UNREAD
    for name in sorted(roles.UNREAD):
        column = next(iter(Base.metadata.tables[name].columns)).name
        for statement in (
            f'SELECT count(*) FROM "{name}"',
            f'UPDATE "{name}" SET "{column}" = "{column}"',
            f'DELETE FROM "{name}"',
        ):
            assert refused(small[1][roles.WORKER], statement), statement
    assert refused(small[1][roles.WORKER], "CREATE TABLE mine (id int)")
