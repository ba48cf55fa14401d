"""The door of a real database agency: how it fails as it is told, and what an app can and cannot do behind it."""

import subprocess

import pytest

from grader.sandbox.engine import GuardedClient
from grader.sandbox.images import ImageStore
from tests.fixtures.databases import ENGINES, Agency, Raised, databases

BROKEN = "databases-broken"


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
    scheme = "postgresql" if agency.engine == "postgres" else "mysql"
    password = agency.house.agencies._secrets[agency.name].grader
    accounts = {"grader": password, "postgres": "", "root": "", "mysql": "", "mariadb.sys": "", "": ""}
    for user, tried in accounts.items():
        url = f"{scheme}://{user}:{tried}@{agency.name}:{agency.port}/agency"
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
    inside, outside = agencies.slot["agency"].address(host), agencies.slot["verify"].address(host)
    assert agency.house.app.get(f"open({inside!r}, {agency.port})") is True
    for address, tried in ((inside, 9000), (outside, 9000), (outside, agency.port)):
        assert agency.house.app.get(f"open({address!r}, {tried})") is False, (address, tried)


def test_the_app_holds_twenty_connections_and_the_probe_comes_in_all_the_same(agency: Agency) -> None:
    """Its own limit bites first, and logins that are never finished take nothing from the probe."""
    agency.house.app.run(f"""
import socket
held = [connect({agency.engine!r}, {agency.url}) for _ in range(20)]
try:
    held.append(connect({agency.engine!r}, {agency.url}))
except Exception:
    pass
idle = []
for _ in range(80):
    try:
        idle.append(socket.create_connection(({agency.name!r}, {agency.port}), 2))
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
