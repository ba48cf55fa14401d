"""What holds on this host, line by line, and what to do about the rest. Isolation is tried, not read from a label."""

import json
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from grader.errors import EnvironmentProblem, GraderError
from grader.sandbox import golden, labels, networks, reaper
from grader.sandbox.engine import GuardedClient, connect, engine_call
from grader.sandbox.images import BuildSettings, ImageStore

State = Literal["ok", "warn", "fail"]
DISK_FLOOR_GB = 5
ENGINE_FLOOR = (29, 5, 1)
PROBE_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One line of the doctor: what was looked at, how it is, and the code of the advice ("" when all is well)."""

    topic: str
    state: State
    detail: str
    advice: str = ""


def examine_host(sandboxes: Path, settings: BuildSettings) -> list[Diagnosis]:
    """Look at everything grading depends on; never raises for a finding about the host."""
    lines = [_python()]
    try:
        client = connect()
    except EnvironmentProblem as problem:
        return [*lines, Diagnosis(topic="engine", state="fail", detail=str(problem), advice=problem.code)]
    lines += list(_engine(client))
    lines.append(_leftovers(client))
    store = ImageStore(client, sandboxes, settings)
    missing = store.missing()
    if missing:
        lines.append(
            Diagnosis(topic="images", state="fail", detail=", ".join(missing), advice="environment.image_missing")
        )
        return lines
    lines.append(Diagnosis(topic="images", state="ok", detail=", ".join(store.names)))
    lines.append(_isolation(client, store))
    return lines


def _python() -> Diagnosis:
    version = ".".join(map(str, sys.version_info[:3]))
    return Diagnosis(topic="python", state="ok" if sys.version_info >= (3, 11) else "fail", detail=version)


def _engine(client: GuardedClient) -> Iterator[Diagnosis]:
    with engine_call("ask the engine about itself"):
        version, info = client.version(), client.info()
    numbers = tuple(int(part) for part in version["Version"].split("+")[0].split(".")[:3] if part.isdigit())
    current = numbers >= ENGINE_FLOOR
    yield Diagnosis(
        topic="engine",
        state="ok" if current else "warn",
        detail=f"{version['Version']} (API {version['ApiVersion']})",
        advice="" if current else "environment.engine_old",
    )
    cgroup = str(info.get("CgroupVersion", "1"))
    yield Diagnosis(
        topic="cgroup",
        state="ok" if cgroup == "2" else "warn",
        detail=f"v{cgroup}, {info.get('CgroupDriver')}",
        advice="" if cgroup == "2" else "environment.cgroup_v1",
    )
    seccomp = any("seccomp" in option for option in info.get("SecurityOptions", []))
    yield Diagnosis(
        topic="seccomp",
        state="ok" if seccomp else "fail",
        detail="on" if seccomp else "off",
        advice="" if seccomp else "environment.no_seccomp",
    )
    yield Diagnosis(topic="storage", state="ok", detail=str(info.get("Driver")))
    cores, memory = info.get("NCPU", 0), info.get("MemTotal", 0) / 2**30
    yield Diagnosis(topic="machine", state="ok", detail=f"{cores} cores, {memory:.0f} GiB")
    root = Path(str(info.get("DockerRootDir", "/var/lib/docker")))
    if root.is_dir():
        free = shutil.disk_usage(root).free / 1e9
        enough = free >= DISK_FLOOR_GB
        yield Diagnosis(
            topic="disk",
            state="ok" if enough else "fail",
            detail=f"{free:.0f} GB free",
            advice="" if enough else "environment.disk_full",
        )


def _leftovers(client: GuardedClient) -> Diagnosis:
    """Looking is not enough: what a killed grading left is removed at once, as every command that grades does."""
    try:
        removed = reaper.reap(client)
    except GraderError as problem:
        return Diagnosis(topic="leftovers", state="fail", detail=str(problem), advice=problem.code)
    return Diagnosis(topic="leftovers", state="ok", detail=f"{removed} removed" if removed else "none")


@contextmanager
def listener_on_every_address() -> Iterator[int]:
    """A TCP listener on 0.0.0.0 of the host for a while; yields its port."""
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104 - to be found is its purpose
        server.settimeout(0.2)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                try:
                    server.accept()[0].close()
                except TimeoutError:
                    continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield int(server.getsockname()[1])
        finally:
            done.set()
            thread.join()


def host_addresses(client: GuardedClient, slot: networks.Slot) -> list[str]:
    """Addresses under which a container might reach this host: its gateways, the default bridge, the host's own."""
    found = [network.address(1) for network in slot.networks.values()]
    with engine_call("look at the default bridge"):
        bridge = client.inspect_network("bridge")
    found += [pool["Gateway"] for pool in bridge["IPAM"]["Config"] or [] if "Gateway" in pool]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a datagram socket: nothing is sent, the route picks our address
            found.append(str(probe.getsockname()[0]))
        except OSError:
            pass  # no route at all: nothing to add
    return found


_KNOCK = """
import json, socket, sys
open_ = []
for address in json.loads(sys.argv[1]):
    try:
        socket.create_connection(tuple(address), 1).close()
        open_.append(address[0])
    except OSError:
        pass
print(json.dumps(open_))
"""


def reachable_from_sandbox(client: GuardedClient, store: ImageStore) -> list[str]:
    """The host's addresses that a container shaped like a submission can open a connection to; must be empty."""
    run = "doctor"
    marks = labels.of_run(run)
    try:
        with listener_on_every_address() as port, engine_call("try the isolation"):
            slot = networks.create_slot(client, run, ("front",), marks)
            shape = golden.app_shape(uid=golden.APP_UID_BASE, start=(), environment={}, memory=128, cpus=1.0)
            targets = [[address, port] for address in host_addresses(client, slot)]
            config = golden.container_config(
                shape,
                image=store.image_id("runtime-python"),
                network=slot["front"].ident,
                address=slot["front"].address(networks.APP_HOST),
                hosts={},
                labels=marks,
            ) | {"Cmd": ["python3", "-I", "-c", _KNOCK, json.dumps(targets)]}
            container = str(client.create_container_from_config(config)["Id"])
            client.start(container)
            client.wait(container, timeout=PROBE_SECONDS)
            said = client.logs(container, stdout=True, stderr=False)
            return [str(address) for address in json.loads(said)]
    finally:
        reaper.remove_run(client, run)


def _isolation(client: GuardedClient, store: ImageStore) -> Diagnosis:
    try:
        found = reachable_from_sandbox(client, store)
    except (GraderError, ValueError) as problem:
        return Diagnosis(topic="isolation", state="fail", detail=str(problem), advice="environment.isolation_untested")
    if found:
        detail = ", ".join(found)
        return Diagnosis(topic="isolation", state="fail", detail=detail, advice="environment.host_reachable")
    return Diagnosis(topic="isolation", state="ok", detail="host unreachable from a sandbox (tried)")
