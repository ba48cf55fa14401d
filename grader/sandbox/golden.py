"""The configuration of every container we create, as plain data, so that a test can compare it key by key.

A submission's container has no capability, no way to gain one, a read-only root, small sized tmpfs, no mount from the
host, no name server, and a second system-call filter (``tighten``) on top of the engine's default one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import docker

MIB = 1 << 20
APP_PORT = 8080
APP_UID_BASE = 20_000
STOP_SECONDS = 10
"""How long an app may take to stop after SIGTERM (check U5)."""
TIGHTEN = "/usr/local/bin/tighten"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The limits of one container. Sizes in MiB, ``cpus`` in cores."""

    user: str
    memory: int
    cpus: float
    pids: int
    tmpfs: Mapping[str, str]
    file_size: int = 64
    open_files: int = 1024
    shares: int = 1024
    oom_score: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    entrypoint: Sequence[str] | None = None
    command: Sequence[str] | None = None
    working_dir: str = "/tmp"  # noqa: S108 - inside a container
    stdin: bool = False
    keep_log: bool = True


def app_shape(*, uid: int, start: Sequence[str], environment: Mapping[str, str], memory: int, cpus: float) -> Shape:
    """The submission: everything it does not need is off."""
    command = [part.replace("$PORT", str(APP_PORT)) for part in start]
    return Shape(
        user=f"{uid}:{uid}",
        memory=memory,
        cpus=cpus,
        pids=128,
        tmpfs={"/tmp": "rw,nosuid,nodev,noexec,size=64m,nr_inodes=8192,mode=1777"},  # noqa: S108 - inside a container
        shares=512,
        oom_score=500,
        environment=environment,
        entrypoint=[TIGHTEN],
        command=command,
        working_dir="/app",
    )


def probe_shape(*, user: str) -> Shape:
    """The probe: ours, but it meets hostile answers, so it gets no more than it needs."""
    return Shape(
        user=user,
        memory=1024,
        cpus=2.0,
        pids=256,
        tmpfs={"/tmp": "rw,nosuid,nodev,size=256m,mode=1777"},  # noqa: S108 - inside a container
        file_size=256,
        shares=2048,
        stdin=True,
        keep_log=False,
    )


def agency_shape(*, user: str, environment: Mapping[str, str]) -> Shape:
    """An agency's database on a tmpfs."""
    uid = user.split(":", maxsplit=1)[0]
    return Shape(
        user=user,
        memory=512,
        cpus=1.0,
        pids=200,
        tmpfs={
            "/data": f"rw,nosuid,nodev,size=256m,mode=0700,uid={uid}",
            "/tmp": "rw,nosuid,nodev,size=32m,mode=1777",  # noqa: S108 - inside a container
        },
        file_size=256,
        shares=1536,
        environment=environment,
    )


def builder_shape(*, user: str, environment: Mapping[str, str], target: str) -> Shape:
    """The installer of dependencies: room for packages at ``target``, no code of theirs runs."""
    uid = user.split(":", maxsplit=1)[0]
    return Shape(
        user=user,
        memory=2048,
        cpus=2.0,
        pids=128,
        tmpfs={
            target: f"rw,nosuid,nodev,exec,size=800m,mode=0755,uid={uid}",
            "/tmp": "rw,nosuid,nodev,size=64m,mode=1777",  # noqa: S108 - inside a container
        },
        file_size=512,
        environment=environment,
        entrypoint=["python3", "-I", "/usr/local/lib/grader/installer"],
        stdin=True,
        keep_log=False,
    )


def gateway_shape(*, user: str, environment: Mapping[str, str]) -> Shape:
    """The build network's only way out."""
    return Shape(
        user=user,
        memory=128,
        cpus=1.0,
        pids=64,
        tmpfs={"/tmp": "rw,nosuid,nodev,size=8m,mode=1777"},  # noqa: S108 - inside a container
        environment=environment,
        entrypoint=["python3", "-I", "/usr/local/lib/grader/gateway.py"],
    )


def diagnose_shape(*, user: str, command: Sequence[str]) -> Shape:
    """Reads the source of an app that did not start; compiles it and runs nothing of it.

    ``command`` is the runtime's own; its interpreter may be one that needs a dozen threads.
    """
    return Shape(
        user=user,
        memory=256,
        cpus=1.0,
        pids=48,
        tmpfs={"/tmp": "rw,nosuid,nodev,noexec,size=1m,mode=1777"},  # noqa: S108 - inside a container
        entrypoint=[TIGHTEN],
        command=command,
    )


def container_config(
    shape: Shape,
    *,
    image: str,
    network: str,
    address: str | None,
    hosts: Mapping[str, str],
    labels: Mapping[str, str],
    name_servers: bool = False,
) -> dict[str, Any]:
    """The complete body of the engine's create call. ``network`` is a network id, ``none`` or ``bridge``."""
    memory = shape.memory * MIB
    ulimits = [
        docker.types.Ulimit(name="core", soft=0, hard=0),
        docker.types.Ulimit(name="fsize", soft=shape.file_size * MIB, hard=shape.file_size * MIB),
        docker.types.Ulimit(name="nofile", soft=shape.open_files, hard=shape.open_files),
    ]
    log = {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}}
    host: dict[str, Any] = {
        "CapDrop": ["ALL"],
        "CgroupnsMode": "private",
        "CpuShares": shape.shares,
        "ExtraHosts": [f"{name}:{ip}" for name, ip in sorted(hosts.items())],
        "Init": True,
        "IpcMode": "private",
        "LogConfig": log if shape.keep_log else {"Type": "none", "Config": {}},
        "Memory": memory,
        "MemorySwap": memory,
        "NanoCpus": int(shape.cpus * 1_000_000_000),
        "NetworkMode": network,
        "OomScoreAdj": shape.oom_score,
        "PidsLimit": shape.pids,
        "ReadonlyRootfs": True,
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "SecurityOpt": ["no-new-privileges:true"],
        "ShmSize": 16 * MIB,
        "Sysctls": {"net.ipv6.conf.all.disable_ipv6": "1"} if network != "none" else {},
        "Tmpfs": dict(shape.tmpfs),
        "Ulimits": [dict(limit) for limit in ulimits],
    }
    if not name_servers:
        # Nobody answers there: a name that is not in ExtraHosts fails within a second and asks no resolver.
        host |= {"Dns": ["127.0.0.1"], "DnsOptions": ["timeout:1", "attempts:1"], "DnsSearch": ["."]}
    config: dict[str, Any] = {
        "AttachStdin": shape.stdin,
        "Cmd": list(shape.command) if shape.command is not None else None,
        "Domainname": "",
        "Env": [f"{key}={value}" for key, value in sorted(shape.environment.items())],
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": host,
        "Hostname": "sandbox",
        "Image": image,
        "Labels": dict(labels),
        "OpenStdin": shape.stdin,
        "StdinOnce": shape.stdin,
        "StopSignal": "SIGTERM",
        "Tty": False,
        "User": shape.user,
        "WorkingDir": shape.working_dir,
    }
    if shape.entrypoint is not None:
        config["Entrypoint"] = list(shape.entrypoint)
    if address is not None:
        config["NetworkingConfig"] = {"EndpointsConfig": {network: {"IPAMConfig": {"IPv4Address": address}}}}
    return config
