"""The agencies' real databases: rows, counts, faults and rights, on the images that submissions are graded on."""
# ruff: noqa: S608 - statements of tests

import inspect
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from grader.sandbox.engine import GuardedClient
from grader.sandbox.images import ImageStore
from tests.fixtures.databases import EMPTY, ENGINES, SCHEMA, WORLD, Databases, Raised, databases
from tests.unit import test_probe_agencies as contract

RUN, BROKEN = "databases", "databases-broken"


@dataclass(frozen=True, kw_only=True)
class Agency:
    """One agency of a pair, administered by a probe and read by a client that stands where an app stands."""

    name: str
    engine: str
    house: Databases

    def admin(self, call: str) -> Any:
        """What the agency's handle gives for a call."""
        return self.house.probe.get(f"{self.name}.{call}")

    def client(self, name: str = "c") -> None:
        """Let the client connect; its connection has this name there."""
        self.house.app.run(f"{name} = connect({self.engine!r}, urls['AGENCY_{self.name.upper()}_URL'])")

    def ask(self, statement: str, *, name: str = "c") -> Any:
        """The rows that the client gets."""
        return self.house.app.get(f"ask({name}, {statement!r})")

    def empty(self) -> None:
        """Take everything out of the database."""
        self.house.probe.run(
            f"with {self.name}._opened().cursor() as cursor:\n"
            f"    for one in {EMPTY[self.engine]!r}.split(';'): cursor.execute(one)"
        )


@pytest.fixture(scope="module")
def house(engine: GuardedClient, store: ImageStore) -> Iterator[Databases]:
    """Both databases, once for all tests."""
    with databases(engine, store, RUN) as made:
        yield made


@pytest.fixture(params=sorted(ENGINES))
def agency(request: pytest.FixtureRequest, house: Databases) -> Iterator[Agency]:
    """Each database with the same small world in it, well, with counts at 0 and no client."""
    one = Agency(name=request.param, engine=ENGINES[request.param], house=house)
    one.empty()
    house.probe.run(f"world = {WORLD!r}")
    one.admin(f"create_schema({SCHEMA[one.engine]!r})")
    one.admin("load(world)")
    one.admin("forget()")
    yield one
    one.admin("heal()")
    house.app.run("for one in {'c', 'c1', 'c2', 'c3'} & set(globals()): globals().pop(one).close()")


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


def test_a_client_that_locks_rows_is_shown_out(house: Databases, agency: Agency) -> None:
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
    assert house.probe.get(f"{agency.name}.fetch('SELECT count(*) AS n FROM person')") == [{"n": 200}]


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
    url = f"urls['AGENCY_{agency.name.upper()}_URL']"
    agency.house.app.run(f"""
from concurrent.futures import ThreadPoolExecutor
def work(number):
    connection = connect({agency.engine!r}, {url})
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
    url = f"urls['AGENCY_{agency.name.upper()}_URL']"
    agency.house.app.run(f"for _ in range(300): connect({agency.engine!r}, {url}).close()")
    assert agency.admin("connections()") == 300


# -- faults -----------------------------------------------------------------------------------------------------------


def test_latency_delays_each_answer(agency: Agency) -> None:
    """By the milliseconds of the script, until it is healed; nothing breaks."""
    agency.client()
    agency.admin("faults([{'t': 0, 'mode': 'latency', 'ms': 400}])")
    agency.house.app.run("import time")
    spent = "(lambda t: (ask(c, 'SELECT count(*) FROM person'), time.monotonic() - t))(time.monotonic())"
    rows, seconds = agency.house.app.get(spent)
    assert rows == [[200]]
    assert seconds >= 0.4
    agency.admin("heal()")
    assert agency.ask("SELECT count(*) FROM person") == [[200]]


def test_a_pause_loses_nothing(agency: Agency) -> None:
    """A question that was asked while the agency was paused is answered after it was healed."""
    agency.client()
    agency.admin("faults([{'t': 0, 'mode': 'pause'}])")
    agency.house.app.run("""
import threading
box = []
asking = threading.Thread(target=lambda: box.extend(ask(c, "SELECT cid FROM person ORDER BY id")))
asking.start()
asking.join(0.5)
""")
    assert agency.house.app.get("box") == []
    agency.admin("heal()")
    agency.house.app.run("asking.join(15)")
    assert agency.house.app.get("len(box)") == 200
    assert agency.admin("statements()") == 1


@pytest.mark.parametrize("mode", ["cut", "unreachable"])
def test_an_outage_ends_connections_and_then_the_agency_answers_again(agency: Agency, mode: str) -> None:
    """What was open breaks, nobody comes in, the probe can still work, and a healed agency is as before."""
    agency.client()
    agency.admin(f"faults([{{'t': 0, 'mode': {mode!r}}}])")
    with pytest.raises(Raised):
        agency.ask("SELECT 1")
    for _ in range(2):
        with pytest.raises(Raised):
            agency.client("c2")
    assert agency.admin("update('area', {'name': 'x'}, where={'code': '970102'})") == 1
    agency.admin("reset(world)")
    agency.admin("heal()")
    agency.client("c3")
    assert agency.ask("SELECT count(*) FROM person", name="c3") == [[200]]


def test_an_outage_may_begin_after_some_answers(agency: Agency) -> None:
    """``after`` counts what the server said."""
    agency.client()
    agency.admin("faults([{'t': 0, 'mode': 'cut', 'after': 2}])")
    for _ in range(2):
        assert agency.ask("SELECT count(*) FROM person") == [[200]]
    with pytest.raises(Raised):
        agency.ask("SELECT count(*) FROM person")


def test_a_script_ends_by_itself(agency: Agency) -> None:
    """A refused connection, then an agency that answers, without anybody healing it."""
    agency.client()
    agency.admin("faults([{'t': 0, 'mode': 'unreachable'}, {'t': 1.5, 'mode': 'ok'}])")
    with pytest.raises(Raised):
        agency.client("c2")
    agency.house.app.run("import time\ntime.sleep(2)")
    agency.client("c3")
    assert agency.ask("SELECT count(*) FROM person", name="c3") == [[200]]


def test_a_fault_that_a_database_does_not_have_is_the_authors(agency: Agency) -> None:
    """A status code means nothing to a database."""
    with pytest.raises(Raised) as caught:
        agency.admin("faults([{'t': 0, 'mode': 'status', 'status': 503}])")
    assert caught.value.name == "PackInvalid"


# -- what an app may do -----------------------------------------------------------------------------------------------


ANYWHERE = (
    "DELETE FROM person",
    "INSERT INTO area (code) VALUES ('x')",
    "CREATE TABLE t (x int)",
    "CREATE TEMPORARY TABLE t (x int)",
    "CREATE DATABASE d",
    "DROP TABLE person",
    "SELECT * FROM kept.person",
)
FORBIDDEN = {
    "postgres": (
        *ANYWHERE,
        "SET default_transaction_read_only = off; DELETE FROM person",
        "COPY person TO PROGRAM 'id'",
        "SELECT pg_read_file('/data/pg/pg_hba.conf')",
        "SELECT * FROM meter.pg_stat_statements",
        "ALTER ROLE app SET log_statement = 'none'",
        "SET ROLE grader",
    ),
    "mariadb": (
        *ANYWHERE,
        "SELECT * FROM mysql.global_priv",
        "SELECT 1 INTO OUTFILE '/data/audit/x'",
        "SET GLOBAL max_connections = 1",
        "SET GLOBAL server_audit_logging = OFF",
        "SET GLOBAL server_audit_file_rotate_now = ON",
        "UNINSTALL PLUGIN server_audit",
        "INSTALL SONAME 'ha_blackhole'",
        "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE person",
        "LOCK TABLES person READ",
        "FLUSH TABLES",
        "SHUTDOWN",
        "CREATE USER x",
    ),
}


def test_the_apps_account_can_only_read(agency: Agency) -> None:
    """Nothing can be changed, made, run or read beyond the agency's tables."""
    agency.client()
    for statement in FORBIDDEN[agency.engine]:
        with pytest.raises(Raised):
            agency.ask(statement)
    if agency.engine == "mariadb":
        assert agency.ask("SELECT LOAD_FILE('/data/accounts.sql'), LOAD_FILE('/data/audit/statements.log')") == [
            [None, None]
        ]
        assert agency.ask("SHOW DATABASES") == [["agency"], ["information_schema"]]


def test_other_accounts_are_not_let_in(agency: Agency) -> None:
    """Even with the right password the grader's account does not work from the app's side, and no account is open."""
    host, port = agency.name, 5432 if agency.engine == "postgres" else 3306
    scheme = "postgresql" if agency.engine == "postgres" else "mysql"
    password = agency.house.agencies._secrets[agency.name].grader
    accounts = {"grader": password, "postgres": "", "root": "", "mysql": "", "mariadb.sys": "", "": ""}
    for user, tried in accounts.items():
        url = f"{scheme}://{user}:{tried}@{host}:{port}/agency"
        with pytest.raises(Raised) as caught:
            agency.house.app.run(f"connect({agency.engine!r}, {url!r})")
        assert caught.value.name == "OperationalError", user
    assert agency.admin("fetch('SELECT 1 AS one')") == [{"one": 1}], "the control: the probe is let in"


def test_the_control_side_and_the_server_are_out_of_reach(agency: Agency) -> None:
    """The app reaches the door and no other port, and no address of the probe's network."""
    agencies = agency.house.agencies
    host = agencies._host(agency.name)
    agency.house.app.run("""
import socket
def open(host, port):
    try:
        socket.create_connection((host, port), 2).close()
    except OSError:
        return False
    return True
""")
    port = 5432 if agency.engine == "postgres" else 3306
    inside, outside = agencies.slot["agency"].address(host), agencies.slot["verify"].address(host)
    assert agency.house.app.get(f"open({inside!r}, {port})") is True
    for address, tried in ((inside, 9000), (outside, 9000), (outside, port)):
        assert agency.house.app.get(f"open({address!r}, {tried})") is False, (address, tried)


def test_the_app_holds_twenty_connections_and_the_probe_comes_in_all_the_same(agency: Agency) -> None:
    """Its own limit bites first, and logins that are never finished take nothing from the probe."""
    url = f"urls['AGENCY_{agency.name.upper()}_URL']"
    port = 5432 if agency.engine == "postgres" else 3306
    agency.house.app.run(f"""
import socket
held = [connect({agency.engine!r}, {url}) for _ in range(20)]
try:
    held.append(connect({agency.engine!r}, {url}))
except Exception:
    pass
idle = []
for _ in range(80):
    try:
        idle.append(socket.create_connection(({agency.name!r}, {port}), 2))
    except ConnectionError:
        pass  # the door resets what is more than it holds
""")
    try:
        assert agency.house.app.get("len(held)") == 20
        agency.admin("close()")
        assert agency.admin("fetch('SELECT count(*) AS n FROM person')") == [{"n": 200}]
    finally:
        agency.house.app.run("for one in held + idle: one.close()")


# -- the container ----------------------------------------------------------------------------------------------------

_KILL = """
import os, signal
for pid in filter(str.isdigit, os.listdir("/proc")):
    line = open(f"/proc/{pid}/cmdline").read().split("\\0")
    if %s:
        os.kill(int(pid), signal.SIGKILL)
"""


@pytest.mark.parametrize("which", ["'grader.agency' in line", "line[0] in ('mariadbd', 'postgres')"])
def test_an_agency_ends_with_its_door_and_with_its_server(engine: GuardedClient, store: ImageStore, which: str) -> None:
    """A half agency would make an app look wrong: either process takes the container with it."""
    with databases(engine, store, BROKEN) as house:
        for name in ENGINES:
            assert house.probe.get(f"{name}.fetch('SELECT 1 AS one')") == [{"one": 1}]
            container = house.agencies.containers[name]
            assert engine.inspect_container(container)["State"]["Running"]
            # The command may be gone with the container before it could say how it ended.
            subprocess.run(["docker", "exec", container, "python3", "-I", "-c", _KILL % which], check=False)
            engine.wait(container, timeout=30)
            assert not engine.inspect_container(container)["State"]["Running"]
