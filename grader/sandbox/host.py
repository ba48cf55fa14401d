"""Make a container engine answer on this machine: find one, start one, or install Debian's as root."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from grader.errors import EnvironmentProblem
from grader.sandbox.engine import GuardedClient, connect

Say = Callable[[str], None]

START_SECONDS = 60
ENGINE_PACKAGES = ("docker.io", "iptables")
ENGINE_LOG = Path("/var/log/grader-dockerd.log")
PID_FILES = {
    Path("/var/run/docker.pid"): "dockerd",
    Path("/var/run/docker/containerd/containerd.pid"): "containerd",
}
USUAL_MTU = 1500


def ensure_engine(say: Say) -> GuardedClient:
    """A client of a running engine, started or installed when that is possible here; else EnvironmentProblem."""
    try:
        return connect()
    except EnvironmentProblem as problem:
        if os.environ.get("DOCKER_HOST"):
            raise  # somebody chose an engine: starting another one would hide that it is down
        if os.geteuid() != 0:
            raise EnvironmentProblem("environment.engine_not_running", **problem.params) from problem
    if shutil.which("dockerd") is None:
        say("installing the container engine (Debian's docker.io)")
        install_packages(*ENGINE_PACKAGES)
    say("starting the container engine")
    _start_engine()
    return _wait_for_engine()


def install_packages(*names: str) -> None:
    """Install Debian packages as root; EnvironmentProblem where this is not Debian or Ubuntu, or it fails."""
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise EnvironmentProblem("environment.engine_missing", packages=" ".join(names))
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-q"],
        ["apt-get", "install", "-y", "-q", "--no-install-recommends", *names],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode != 0:
            detail = (done.stderr or done.stdout)[-500:]
            raise EnvironmentProblem("environment.install_failed", packages=" ".join(names), detail=detail)


def _start_engine() -> None:
    if Path("/run/systemd/system").is_dir():
        subprocess.run(["systemctl", "start", "docker"], capture_output=True, check=False)
        return
    for file, program in PID_FILES.items():
        forget_stale_pid(file, program)
    with ENGINE_LOG.open("ab") as log:
        # A session of its own: the engine outlives the command that started it.
        subprocess.Popen(
            ["dockerd", *_mtu_option()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )


def forget_stale_pid(file: Path, program: str) -> None:
    """Remove a pid file whose process is gone or is another program by now.

    After a kill or a reboot the engine takes such a file for a running engine (or containerd) and refuses to start.
    """
    try:
        pid = file.read_text(encoding="ascii").strip()
        running = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        running = ""
    if running != program:
        file.unlink(missing_ok=True)


def _mtu_option() -> list[str]:
    """Bridges must not send larger packets than the way out takes, or downloads in builds hang."""
    for line in Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[1] == "00000000":
            mtu = int(Path(f"/sys/class/net/{fields[0]}/mtu").read_text(encoding="ascii"))
            return ["--mtu", str(mtu)] if mtu < USUAL_MTU else []
    return []


def _wait_for_engine() -> GuardedClient:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return connect()
        except EnvironmentProblem as problem:
            if time.monotonic() > deadline:
                tail = ENGINE_LOG.read_bytes()[-800:].decode("utf-8", "replace") if ENGINE_LOG.exists() else ""
                raise EnvironmentProblem("environment.engine_start_failed", log=tail, **problem.params) from problem
            time.sleep(0.3)
