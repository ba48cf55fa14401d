"""From inside a running submission: what can be reached, written and become. Asked on the real engine."""

import subprocess
from collections.abc import Iterator

import pytest

from grader.packs import Pack
from grader.sandbox import doctor, labels
from grader.sandbox.docker import DockerDriver
from grader.sandbox.engine import GuardedClient
from grader.sandbox.images import ImageStore
from tests.fixtures.workspaces import Running, running

RUN, OTHER = "isolation", "neighbour"


@pytest.fixture(scope="module")
def app(driver: DockerDriver, e1: Pack) -> Iterator[Running]:
    """The hostile app, running beside an agency."""
    with running(driver, e1, "knock", RUN) as started:
        yield started


def containers(engine: GuardedClient, run: str) -> dict[str, dict[str, str]]:
    """Container image name -> network name -> address, of one grading."""
    found = {}
    for container in engine.containers(all=True, filters={"label": f"{labels.RUN}={run}"}):
        networks = container["NetworkSettings"]["Networks"]
        key = engine.inspect_container(container["Id"])["Config"]["Labels"].get(labels.IMAGE, "app")
        found[key] = {name.rsplit("-", 1)[1]: value["IPAddress"] for name, value in networks.items()}
    return found


def test_the_agency_is_reachable(app: Running) -> None:
    """The control: an honest connection works, so the refusals below mean something."""
    assert app.ask("/sql", dsn=app.ask("/own-dsn")["dsn"], statement="SELECT 1") == {"done": True}
    assert app.ask("/connect", host="facility", port=5432) == {"open": True}


def test_the_host_is_not_reachable(app: Running, engine: GuardedClient) -> None:
    """A listener on 0.0.0.0 of the host answers on no address that the app could know."""
    with doctor.listener_on_every_address() as port:
        slot = app.sandbox.slot
        addresses = doctor.host_addresses(engine, slot)
        assert len(addresses) >= 4
        for address in addresses:
            assert app.ask("/connect", host=address, port=port)["open"] is False, address


def test_the_internet_is_not_reachable(app: Running) -> None:
    """No gateway answers: the packet does not even leave the container's own network."""
    for address in ("198.51.100.7", "203.0.113.9", "169.254.169.254"):
        assert app.ask("/connect", host=address, port=80)["open"] is False


def test_no_name_is_resolved(app: Running) -> None:
    """Only the agencies' names exist; no resolver is asked."""
    assert app.ask("/resolve", name="facility")["address"] is not None
    for name in ("canary.test", "probe", "example.com"):
        assert app.ask("/resolve", name=name)["address"] is None


def test_the_verify_network_is_not_reachable(app: Running, engine: GuardedClient) -> None:
    """Neither the probe nor the agency answers on the network that is ours."""
    addresses = containers(engine, RUN)
    targets = [(addresses["agency-postgres"]["verify"], 5432), (addresses["probe"]["verify"], 80)]
    for host, port in targets:
        assert app.ask("/connect", host=host, port=port)["open"] is False


def test_another_grading_is_not_reachable(app: Running, engine: GuardedClient, driver: DockerDriver, e1: Pack) -> None:
    """A grading that runs at the same time is not there for this one."""
    with running(driver, e1, "knock", OTHER):
        others = containers(engine, OTHER)
        for host, port in (
            (others["runtime-python"]["front"], 8080),
            (others["runtime-python"]["agency"], 8080),
            (others["agency-postgres"]["agency"], 5432),
        ):
            assert app.ask("/connect", host=host, port=port)["open"] is False


def test_the_agencys_admin_account_is_not_reachable(app: Running, engine: GuardedClient) -> None:
    """Even with the right password the grader's account is let in from the verify network only."""
    (agency,) = [
        container
        for container in engine.containers(filters={"label": f"{labels.RUN}={RUN}"})
        if container["Labels"].get(labels.IMAGE) == "agency-postgres"
    ]
    environment = dict(line.split("=", 1) for line in engine.inspect_container(agency["Id"])["Config"]["Env"])
    for user, password in (("grader", environment["GRADER_PASSWORD"]), ("postgres", "")):
        dsn = f"postgresql://{user}:{password}@facility:5432/agency"
        answer = app.ask("/sql", dsn=dsn, statement="SELECT 1")
        assert answer["done"] is False
        assert "no pg_hba.conf entry" in answer["error"]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM chospital",
        "SET default_transaction_read_only = off; DELETE FROM chospital",
        "CREATE TABLE t (x int)",
        "CREATE DATABASE d",
        "CREATE TEMP TABLE t (x int)",
        "ALTER SYSTEM SET work_mem = '1GB'",
        "COPY chospital TO PROGRAM 'id'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT * FROM meter.pg_stat_statements",
    ],
)
def test_the_apps_account_can_only_read(app: Running, statement: str) -> None:
    """Nothing can be changed, made, run or read beyond the agency's tables."""
    assert app.ask("/sql", dsn=app.ask("/own-dsn")["dsn"], statement=statement)["done"] is False


def test_the_process_has_no_privileges(app: Running) -> None:
    """No capability, no way to gain one, system calls filtered twice, an ordinary user."""
    seen = app.ask("/self")
    status = seen["status"]
    assert status["NoNewPrivs"].strip() == "1"
    assert int(status["CapEff"], 16) == 0
    assert int(status["CapBnd"], 16) == 0
    assert status["Seccomp"].strip() == "2"
    assert int(status.get("Seccomp_filters", "2")) >= 2
    assert seen["uid"] >= 20_000


def test_the_environment_holds_what_the_exercise_promises(app: Running) -> None:
    """The documented variables, and no secret of ours."""
    names = set(app.ask("/self")["environment"])
    assert {"PORT", "TZ", "AS_OF", "AGENCY_FACILITY_URL"} <= names
    assert not {name for name in names if "GRADER" in name}


@pytest.mark.parametrize("family", [38, 40, 17])
def test_unusual_sockets_are_refused(app: Running, family: int) -> None:
    """AF_ALG, AF_VSOCK and raw packets are closed."""
    assert app.ask("/socket-family", family=family)["open"] is False


def test_only_tmp_can_be_written(app: Running) -> None:
    """The root and the source are read-only; /tmp is small."""
    assert app.ask("/write", path="/tmp/small", mb=1)["done"] is True
    for path in ("/app/x", "/opt/venv/x", "/etc/x", "/x"):
        assert app.ask("/write", path=path)["done"] is False
    assert app.ask("/write", path="/tmp/large", mb=70)["done"] is False
    assert app.ask("/write", path="/dev/shm/large", mb=20)["done"] is False


def test_printing_a_lot_costs_little_disk(app: Running, engine: GuardedClient) -> None:
    """The engine keeps two megabytes of output, whatever an app prints."""
    app.ask("/print", lines=40_000)
    (container,) = [
        container
        for container in engine.containers(filters={"label": f"{labels.RUN}={RUN}"})
        if container["Labels"].get(labels.IMAGE) == "runtime-python"
    ]
    kept = engine.logs(container["Id"])
    assert len(kept) < 2_500_000


def test_a_plain_internal_network_would_reach_the_host(store: ImageStore) -> None:
    """The defence is ours and not the engine's: without it the same listener answers. Shows that the test can fail."""
    subnet = "10.234.250.0/28"
    created = subprocess.run(
        [
            "docker",
            "network",
            "create",
            "--internal",
            "--subnet",
            subnet,
            "--label",
            f"{labels.RUN}=sabotage",
            "plain-x",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert created.stdout
    try:
        with doctor.listener_on_every_address() as port:
            image = store.image_id("runtime-python")
            script = f"import socket; socket.create_connection(('10.234.250.1', {port}), 2); print('open')"
            knocked = subprocess.run(
                ["docker", "run", "--rm", "--network", "plain-x", "--entrypoint", "python3", image, "-I", "-c", script],
                capture_output=True,
                text=True,
                check=False,
            )
        assert knocked.stdout.strip() == "open", knocked.stderr
    finally:
        subprocess.run(["docker", "network", "rm", "plain-x"], capture_output=True, check=True)
