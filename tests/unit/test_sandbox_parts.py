"""The pure parts of the sandbox: labels, subnets, the call list, the explanation of a failed installation."""

import os
import time
from pathlib import Path

import pytest

from grader.errors import BuildFailed, InfrastructureFault
from grader.sandbox import labels, networks
from grader.sandbox.driver import LogLine, window
from grader.sandbox.engine import GuardedClient
from grader.sandbox.host import forget_stale_pid
from grader.sandbox.layers import explain
from grader.submission import Dependencies

DEPENDENCIES = Dependencies(file="requirements.txt", lines=((1, "fastapi==0.1"), (4, "no_such.package==1")))


def test_own_objects_are_not_abandoned() -> None:
    """What this process made is still wanted."""
    assert not labels.is_abandoned(labels.of_run("r"))


@pytest.mark.parametrize("change", ["pid", "start", "boot", "deadline", "nothing"])
def test_objects_of_a_dead_process_are_abandoned(change: str) -> None:
    """Another pid, a reused pid, another boot, a passed deadline, or no owner at all."""
    host, boot, pid, started = labels.owner().split("/")
    owner = {
        "pid": f"{host}/{boot}/999999999/{started}",
        "start": f"{host}/{boot}/{pid}/1",
        "boot": f"{host}/other/{pid}/{started}",
        "deadline": labels.owner(),
        "nothing": f"{host}///",
    }[change]
    deadline = "1" if change == "deadline" else str(int(time.time()) + 60)
    assert labels.is_abandoned({labels.OWNER: owner, labels.DEADLINE: deadline})


def test_another_machine_keeps_its_objects_until_the_deadline() -> None:
    """Two machines may share one engine; neither can see the other's processes."""
    mine = labels.owner().split("/", 1)[1]
    assert not labels.is_abandoned({labels.OWNER: f"elsewhere/{mine}", labels.DEADLINE: str(int(time.time()) + 60)})


def test_owner_names_this_process() -> None:
    """The owner carries the pid."""
    assert f"/{os.getpid()}/" in labels.owner()


def test_subnets_are_small_and_do_not_overlap() -> None:
    """Every place of the pool is a /28 of its own."""
    found = [networks.list_subnet(place) for place in range(networks.SLOTS * networks.PER_SLOT)]
    assert len(set(found)) == len(found)
    assert all(subnet.subnet_of(networks.POOL) and subnet.prefixlen == 28 for subnet in found)


@pytest.mark.parametrize(
    "call", [("PUT", "/containers/abc/archive"), ("POST", "/containers/abc/exec"), ("POST", "/exec/abc/start")]
)
def test_calls_into_a_container_are_refused(call: tuple[str, str]) -> None:
    """No file is copied in or out and nothing is run inside, because the list of calls does not have them."""
    client = GuardedClient(base_url="http://127.0.0.1:1", version="1.41")
    method, path = call
    with pytest.raises(InfrastructureFault, match="engine_call_refused"):
        client.request(method, f"http://127.0.0.1:1/v1.41{path}")


@pytest.mark.parametrize(
    ("log", "code", "line"),
    [
        ("Because no-such-package was not found in the package registry", "build.package_not_found", 4),
        ("Because there is no version of fastapi==0.1 and you require", "build.version_not_found", 1),
        ("fastapi==0.1 has no usable wheels because building from source is disabled", "build.no_wheel", 1),
        ("Because fastapi depends on x and x conflicts", "build.conflict", 1),
        ("write failed: No space left on device", "build.too_large", 0),
        ("something else", "build.failed", 0),
    ],
)
def test_a_failed_installation_names_package_and_line(log: str, code: str, line: int) -> None:
    """What the installer says becomes a code with the requirement's place."""
    fault = explain(DEPENDENCIES, "installer", [log])
    assert isinstance(fault, BuildFailed)
    assert (fault.code, fault.params["line"]) == (code, line)


def test_an_unreachable_index_is_our_fault() -> None:
    """Nobody fails because a network is down."""
    assert isinstance(explain(DEPENDENCIES, "installer", ["error sending request for url"]), InfrastructureFault)


def test_a_slow_installation_is_named() -> None:
    """The budget is in the message."""
    assert explain(DEPENDENCIES, "timeout", []).code == "build.timeout"


def test_log_window_keeps_the_lines_around_a_moment() -> None:
    """Two seconds on either side, thirty lines at most."""
    log = [LogLine(at=float(second), text=f"line {second}") for second in range(10)]
    found = window(log, 5.0)
    assert found is not None
    assert (found.start, found.end, found.lines[0]) == (4, 8, "line 3")
    assert window(log, 100.0) is None
    crowd = [LogLine(at=1.0, text=str(number)) for number in range(100)]
    many = window(crowd, 1.0)
    assert many is not None
    assert len(many.lines) == 30


def test_a_stale_pid_file_is_forgotten_and_a_true_one_kept(tmp_path: Path) -> None:
    """Gone, reused by another program, still the right one, or no file at all."""
    own = Path("/proc/self/comm").read_text(encoding="utf-8").strip()
    file = tmp_path / "engine.pid"
    forget_stale_pid(file, own)
    for pid, program, kept in ((999_999_999, own, False), (os.getpid(), "dockerd", False), (os.getpid(), own, True)):
        file.write_text(f"{pid}\n", encoding="ascii")
        forget_stale_pid(file, program)
        assert file.exists() is kept
