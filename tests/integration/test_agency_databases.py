"""The agencies' real databases: their rows and what is counted, on the images that submissions are graded on."""

import inspect
import subprocess

import pytest

from tests.fixtures.databases import WORLD, Agency, Raised
from tests.unit import test_probe_agencies as contract

# -- rows -------------------------------------------------------------------------------------------------------------


def test_the_handle_keeps_the_contract(agency: Agency) -> None:
    """Every promise of AgencyHandle, on the real server."""
    agency.empty()
    agency.house.probe.run(
        "import pytest\nfrom grader.errors import PackInvalid\nfrom grader.probe.agencies import AgencyHandle\n"
        f"SCHEMA, TABLES = {contract.SCHEMA!r}, {contract.TABLES!r}\n"
        f"{inspect.getsource(contract.keeps_the_contract)}\nkeeps_the_contract({agency.name})"
    )


def test_the_client_reads_what_was_loaded(agency: Agency) -> None:
    """With the account of its connection string, in Thai, and in the time of Bangkok."""
    agency.client()
    assert agency.ask("SELECT name FROM area ORDER BY code") == [["ตำบลหนึ่ง"], ["สอง"]]
    assert agency.ask("SELECT count(*), min(id), max(id), min(digits) FROM person") == [[200, 1, 200, 13]]
    zone = "SHOW timezone" if agency.engine == "postgres" else "SELECT @@system_time_zone"
    assert agency.ask(zone) in ([["Asia/Bangkok"]], [["+07"]])


@pytest.mark.parametrize(
    "change",
    [
        "insert('area', {'code': '970103', 'name': 'x', 'parent': None})",
        "update('area', {'name': 'x'}, where={'code': '970102'})",
        "delete('person', where={'cid': '0000000000000'})",
    ],
)
def test_a_reset_puts_back_every_row_and_value(agency: Agency, change: str) -> None:
    """Numbers that the server gave and computed columns too, though other rows refer to those that changed."""
    everything = [f"fetch('SELECT * FROM {table} ORDER BY 1')" for table in WORLD]
    before = [agency.admin(one) for one in everything]
    agency.admin(change)
    assert agency.admin("dirty") is True
    assert [agency.admin(one) for one in everything] != before
    agency.admin("reset(world)")
    assert agency.admin("dirty") is False
    assert [agency.admin(one) for one in everything] == before


def test_a_reset_puts_back_what_somebody_else_changed(agency: Agency) -> None:
    """A change that did not come through the handle is found by looking."""
    agency.house.probe.run(
        f'with {agency.name}._opened().cursor() as cursor: cursor.execute("DELETE FROM person WHERE id = 7")'
    )
    assert agency.admin("dirty") is False
    agency.admin("reset(world)")
    assert agency.admin("fetch('SELECT cid FROM person WHERE id = 7')") == [{"cid": "0000000000006"}]


def test_a_reset_waits_for_no_reader_and_ends_no_connection(agency: Agency) -> None:
    """A client in the middle of a transaction goes on with the connection that it has."""
    agency.client()
    agency.ask("START TRANSACTION" if agency.engine == "mariadb" else "SELECT 1")
    agency.house.app.run("c.autocommit = False" if agency.engine == "postgres" else "")
    assert agency.ask("SELECT count(*) FROM person") == [[200]]
    agency.admin("delete('person', where={'area': '970101'})")
    agency.admin("reset(world)")
    assert agency.ask("SELECT count(*) FROM person") == [[200]]
    assert agency.admin("connections()") == 1


def test_a_client_that_locks_rows_is_shown_out(agency: Agency) -> None:
    """MariaDB lets a reader lock what it read: that stops neither a change nor a reset. PostgreSQL does not let it."""
    if agency.engine == "postgres":
        agency.client()
        agency.house.app.run("c.execute('SET default_transaction_read_only = off')")
        with pytest.raises(Raised, match="permission denied"):
            agency.ask("SELECT * FROM person FOR UPDATE")
        return
    for change in ("delete('person', where={'id': 1})", "reset(world)"):
        agency.client()
        agency.ask("START TRANSACTION")
        agency.ask("SELECT * FROM person FOR UPDATE")
        agency.admin(change)
        with pytest.raises(Raised):
            agency.ask("SELECT 1")
    assert agency.admin("fetch('SELECT count(*) AS n FROM person')") == [{"n": 200}]


# -- counts -----------------------------------------------------------------------------------------------------------


def test_statements_and_connections_are_those_that_the_client_sent(agency: Agency) -> None:
    """Joins count once, what names no table of the agency not at all, and forgetting begins at 0."""
    agency.client("c1")
    agency.client("c2")
    assert agency.admin("statements()") == 0
    for _ in range(3):
        agency.ask("SELECT * FROM person WHERE id = 1", name="c1")
    agency.ask("SELECT p.id FROM person p JOIN area a ON a.code = p.area JOIN person q ON q.id = p.id", name="c2")
    agency.ask("SELECT 1", name="c2")
    agency.ask("SELECT version()", name="c2")
    agency.ask("SELECT count(*) FROM information_schema.tables", name="c2")
    assert agency.admin("statements()") == 4
    assert agency.admin("connections()") == 2
    agency.admin("forget()")
    assert agency.admin("statements()") == agency.admin("connections()") == 0
    agency.house.app.run("for _ in range(250): ask(c1, 'SELECT cid FROM person WHERE id = 5')")
    assert agency.admin("statements()") == 250
    agency.client("c3")
    assert agency.admin("connections()") == 1
    assert agency.admin("statements()") == 250


def test_a_statement_that_is_refused_is_not_counted(agency: Agency) -> None:
    """What never gets to the agency's rows costs the agency nothing."""
    agency.client()
    for refused in ("SELEC * FROM person", "SELECT * FROM nowhere", "DELETE FROM person", "UPDATE person SET cid = ''"):
        with pytest.raises(Raised):
            agency.ask(refused)
    assert agency.admin("statements()") == 0
    assert agency.ask("SELECT count(*) FROM person") == [[200]]
    assert agency.admin("statements()") == 1


def test_many_connections_at_once_are_counted_one_by_one(agency: Agency) -> None:
    """Ten threads with a connection each, fifty statements each: nothing is counted twice or missed."""
    agency.house.app.run(f"""
from concurrent.futures import ThreadPoolExecutor
def work(number):
    connection = connect({agency.engine!r}, {agency.url})
    for _ in range(50):
        ask(connection, "SELECT * FROM person WHERE id = %s", [number + 1])
    connection.close()
with ThreadPoolExecutor(10) as pool:
    list(pool.map(work, range(10)))
""")
    assert agency.admin("statements()") == 500
    assert agency.admin("connections()") == 10
    if agency.engine == "mariadb":
        assert sorted(agency.admin("statements_by_connection()").values()) == [50] * 10


def test_prepared_statements_are_counted_as_often_as_they_run(agency: Agency) -> None:
    """The binary protocol, which most drivers of other languages use: one preparation, five executions."""
    agency.client()
    if agency.engine == "postgres":
        agency.house.app.run(
            "for number in range(5): c.execute('SELECT * FROM person WHERE id = %s', [number], prepare=True).fetchall()"
        )
    else:
        agency.house.app.run("""
import struct
def until_end(packets):
    for _ in range(packets):
        while not c._read_packet().is_eof_packet():
            pass
c._execute_command(0x16, "SELECT * FROM person WHERE id < 9")
prepared = c._read_packet()
number, = struct.unpack("<I", prepared._data[1:5])
until_end(1)
for _ in range(5):
    c._execute_command(0x17, struct.pack("<IBI", number, 0, 1))
    c._read_packet()
    until_end(2)
""")
    assert agency.admin("statements()") == 5


def test_statements_of_an_open_transaction_are_counted(agency: Agency) -> None:
    """A client that never commits is counted like another."""
    agency.client()
    agency.house.app.run("c.autocommit = False" if agency.engine == "postgres" else "c.autocommit(False)")
    for number in range(1, 9):
        agency.house.app.run(f"ask(c, 'SELECT * FROM person WHERE id = %s', [{number}])")
        assert agency.admin("statements()") == number


def test_a_client_that_asks_without_end_fills_nothing(agency: Agency) -> None:
    """What the counting writes down is bounded, and the agency goes on answering."""
    agency.client()
    container = agency.house.agencies.containers[agency.name]
    if agency.engine == "mariadb":
        with_limit = "cursor.execute('SET GLOBAL server_audit_file_rotate_size = %d')"
        opened = f"with {agency.name}._opened().cursor() as cursor: "
        agency.house.probe.run(opened + with_limit % 100_000)
        agency.house.app.run("for _ in range(20_000): ask(c, 'SELECT 1 FROM person WHERE id = 1')")
        agency.house.probe.run(opened + with_limit % 8_000_000)
        assert 5_000 < agency.admin("statements()") < 20_000
        used = subprocess.run(
            ["docker", "exec", container, "du", "-sk", "/data/audit"], capture_output=True, check=True
        )
        assert int(used.stdout.split()[0]) < 500
    else:
        agency.house.app.run("""
for number in range(3_000):
    columns = ", ".join(f"id + {number} AS a{number}_{place}" for place in range(1_000))
    ask(c, f"SELECT {columns} FROM person WHERE id = 1")
""")
        used = subprocess.run(["docker", "exec", container, "du", "-sm", "/data"], capture_output=True, check=True)
        assert int(used.stdout.split()[0]) < 100
    agency.admin("forget()")
    agency.client("c2")
    assert agency.ask("SELECT count(*) FROM person", name="c2") == [[200]]
    assert agency.admin("statements()") == 1


def test_no_login_gets_lost_at_the_door(agency: Agency) -> None:
    """Whatever comes first, the client's word or the server, each of three hundred logins is answered."""
    agency.house.app.run(f"for _ in range(300): connect({agency.engine!r}, {agency.url}).close()")
    assert agency.admin("connections()") == 300
