"""The pure parts of the sandbox: labels, subnets, the call list, runtimes, the explanation of a failed installation."""

import os
import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast, get_args

import pytest

from grader.errors import BuildFailed, EnvironmentProblem, InfrastructureFault
from grader.sandbox import labels, networks
from grader.sandbox.app import log_lines
from grader.sandbox.docker import DockerDriver
from grader.sandbox.driver import LogLine, window
from grader.sandbox.engine import GuardedClient
from grader.sandbox.host import forget_stale_pid
from grader.sandbox.images import ImageStore
from grader.sandbox.layers import INSTALL_SECONDS, explain
from grader.sandbox.policies import RuntimeSpec, read_specs
from grader.submission import Dependencies, RuntimeName

ROOT = Path(__file__).resolve().parents[2]

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


def report(kind: str, **fields: object) -> dict[str, object]:
    """What an installer reports when it could not install."""
    return {"ok": False, "kind": kind, "package": "", "at": None, "log": ["it said this"], **fields}


def test_a_failed_installation_names_package_and_line() -> None:
    """The kind becomes the code, and the index of the line that is to blame its number in the file."""
    fault = explain(DEPENDENCIES, report("no_wheel", package="no-such-package", at=1))
    assert isinstance(fault, BuildFailed)
    assert (fault.code, fault.log) == ("build.no_wheel", ("it said this",))
    assert fault.params == {
        "package": "no-such-package",
        "requirement": "no_such.package==1",
        "file": "requirements.txt",
        "line": 4,
    }


def test_a_failed_installation_may_be_nobodys_line() -> None:
    """A package that another one asked for has no line."""
    fault = explain(DEPENDENCIES, report("version_not_found", package="deep"))
    assert (fault.params["package"], fault.params["requirement"], fault.params["line"]) == ("deep", "", 0)


def test_an_unreachable_index_is_our_fault() -> None:
    """Nobody fails because a network is down."""
    fault = explain(DEPENDENCIES, report("index_unreachable"))
    assert isinstance(fault, InfrastructureFault)
    assert fault.code == "infrastructure.index_unreachable"


def test_a_slow_installation_is_named() -> None:
    """The budget is in the message."""
    fault = explain(DEPENDENCIES, report("timeout"))
    assert (fault.code, fault.params["seconds"]) == ("build.timeout", INSTALL_SECONDS)


def sandbox(folder: Path, name: str, *lines: str) -> None:
    """Write the policy of an image."""
    (folder / name).mkdir()
    policy = ["parents = {}", 'smoke = ["true"]', 'user = "1:1"', *lines]
    (folder / name / "policy.toml").write_text("\n".join(policy), encoding="utf-8")


RUNTIME = ("[runtime]", 'name = "cobol"', 'builder = "maker"', 'target = "/app"', 'diagnose = ["look"]')


def test_a_runtime_is_what_a_policy_says(tmp_path: Path) -> None:
    """An image becomes a runtime by its table, and nothing else has to know it."""
    sandbox(tmp_path, "maker")
    sandbox(tmp_path, "interpreter", *RUNTIME)
    spec = read_specs(tmp_path)["interpreter"].runtime
    expected = RuntimeSpec(name="cobol", image="interpreter", builder="maker", target="/app", diagnose=["look"])
    assert spec == expected
    assert read_specs(tmp_path)["maker"].runtime is None


@pytest.mark.parametrize(
    ("images", "detail"),
    [
        ({"interpreter": RUNTIME}, "no such builder: maker"),
        ({"maker": RUNTIME, "second": RUNTIME}, "cobol is the runtime of maker"),
        ({"maker": (*RUNTIME, 'colour = "red"')}, "colour"),
        ({"maker": RUNTIME[:-1]}, "diagnose"),
    ],
)
def test_a_wrong_runtime_table_is_named(tmp_path: Path, images: dict[str, tuple[str, ...]], detail: str) -> None:
    """A missing builder, a runtime that is there twice, a key too many and one too few."""
    for name, lines in images.items():
        sandbox(tmp_path, name, *lines)
    with pytest.raises(EnvironmentProblem) as caught:
        read_specs(tmp_path)
    assert caught.value.code == "environment.policy_invalid"
    assert detail in str(caught.value.params["detail"])


def test_every_runtime_that_a_submission_may_have_is_there() -> None:
    """What intake can recognise, sandboxes/ can run."""
    specs = read_specs(ROOT / "sandboxes").values()
    assert {spec.runtime.name for spec in specs if spec.runtime} == set(get_args(RuntimeName))


def test_no_module_of_the_sandbox_names_a_runtime() -> None:
    """A runtime is folders in sandboxes/: no module chooses an image or a tool by its name."""
    named = re.compile(
        rf"""(?:runtime|builder)-(?:{"|".join(get_args(RuntimeName))})|["'](?:npm|composer|uv|node|php)["']"""
    )
    # doctor looks at the network from a container of its own, in whatever image has an interpreter that it knows.
    modules = [path for path in (ROOT / "grader" / "sandbox").glob("*.py") if path.name != "doctor.py"]
    assert len(modules) > 5
    assert {path.name: found for path in modules if (found := named.findall(path.read_text("utf-8")))} == {}
    assert named.findall('store.image_id("runtime-python"); run("npm")') == ["runtime-python", '"npm"']


@pytest.mark.parametrize("absent", ["probe", "builder-cobol", ""])
def test_a_missing_image_is_told_of_before_a_grading_needs_it(absent: str) -> None:
    """Every image is asked for, also those that this exercise would not use; nothing runs on the base itself."""
    asked: list[str] = []

    def image_id(name: str) -> str:
        asked.append(name)
        if name == absent:
            raise EnvironmentProblem("environment.image_missing", image=name)
        return f"sha256:{name}"

    store = SimpleNamespace(names=("base", "probe", "agency-http", "builder-cobol"), image_id=image_id)
    driver = DockerDriver(cast("GuardedClient", None), cast("ImageStore", store))
    if absent:
        with pytest.raises(EnvironmentProblem) as caught:
            driver.require_images()
        assert caught.value.params["image"] == absent
        return
    driver.require_images()
    assert asked == ["probe", "agency-http", "builder-cobol"]


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


def test_the_log_stands_in_the_order_of_its_times() -> None:
    """Two streams that the engine reads side by side, a line that holds a line break of its own, and no time at all."""
    stamp = "2026-11-23T01:02:03.{}Z {}\n".format
    printed = stamp("424580111", "second") + stamp("424478222", "first") + stamp("500000000", "a\u2028b")
    found = log_lines(printed)
    assert [line.text for line in found] == ["first", "second", "a", "b"]
    assert found[2].at == found[3].at > found[1].at > found[0].at
    assert log_lines("nothing of ours\n") == (LogLine(at=0.0, text="nothing of ours"),)
    assert log_lines("") == ()


def test_a_stale_pid_file_is_forgotten_and_a_true_one_kept(tmp_path: Path) -> None:
    """Gone, reused by another program, still the right one, or no file at all."""
    own = Path("/proc/self/comm").read_text(encoding="utf-8").strip()
    file = tmp_path / "engine.pid"
    forget_stale_pid(file, own)
    for pid, program, kept in ((999_999_999, own, False), (os.getpid(), "dockerd", False), (os.getpid(), own, True)):
        file.write_text(f"{pid}\n", encoding="ascii")
        forget_stale_pid(file, program)
        assert file.exists() is kept
