"""The whole of intake: folder or zip in, workspace out, with a jail that has nothing and leaves nothing."""

import hashlib
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from grader.errors import GraderError, InfrastructureFault, SubmissionRejected, UsageProblem
from grader.intake import limits, parent, receive
from tests.fixtures.archives import PROJECT, make_folder, make_zip

IS_ROOT = os.geteuid() == 0


def run(script: str, *arguments: str) -> str:
    """Run a script in a fresh isolated interpreter and return its standard output."""
    command = [sys.executable, "-I", "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd="/").stdout


@pytest.fixture
def zipped(tmp_path: Path) -> Path:
    """Return the smallest project as a zip."""
    path = tmp_path / "project.zip"
    path.write_bytes(make_zip(PROJECT))
    return path


def test_zip_becomes_a_workspace(zipped: Path, tmp_path: Path) -> None:
    """The workspace has the start command, the dependencies, and a tar whose hash is the receipt's digest."""
    workspace = receive(zipped, spool=tmp_path / "out.tar")
    assert workspace.runtime == "python"
    assert workspace.start[:4] == ("python", "-m", "uvicorn", "main:app")
    assert workspace.dependencies.lines == ((1, "fastapi"), (2, "uvicorn"))
    assert workspace.receipt.digest == f"sha256:{hashlib.sha256(workspace.tar.read_bytes()).hexdigest()}"
    assert (workspace.receipt.files, workspace.receipt.size) == (2, sum(map(len, PROJECT.values())))


def test_folder_and_zip_have_one_digest(tmp_path: Path) -> None:
    """The same tree gives the same digest by every route, and the folder's receipt lists what was dropped as well."""
    files = {**PROJECT, "app/ข้อมูล.txt": "ไทย".encode(), "app/b.py": b"x = 1\n", "app-b/c.py": b"", "static/": b""}
    junk = {"node_modules/a/b.js": b"x", ".git/HEAD": b"ref", "app/.DS_Store": b"x"}
    folder = make_folder(tmp_path / "work", {**files, **junk})
    plain, wrapped = tmp_path / "plain.zip", tmp_path / "wrapped.zip"
    plain.write_bytes(make_zip({**files, **junk}))
    wrapped.write_bytes(make_zip({f"work/{name}": content for name, content in files.items()}))
    receipts = [receive(path, spool=tmp_path / "out.tar").receipt for path in (folder, plain, wrapped)]
    assert len({receipt.digest for receipt in receipts}) == 1
    assert [item.path for item in receipts[0].dropped] == [".git", "app/.DS_Store", "node_modules"]
    assert receipts[0].dropped == receipts[1].dropped
    assert receipts[2].notes == ("receipt.single_folder_unwrapped",)


def test_node_project_becomes_a_workspace(tmp_path: Path) -> None:
    """Runtime, start command, dependencies and the lock arrive, from inside the jail where no module can be loaded."""
    lock = {
        "lockfileVersion": 3,
        "packages": {
            "": {"dependencies": {"express": "^4"}},
            "node_modules/express": {"version": "4.19.2", "resolved": "https://packages.example/express.tgz"},
        },
    }
    files = {
        "package.json": b'{"scripts": {"start": "node server.js"},\n "dependencies": {"express": "^4"}}',
        "package-lock.json": json.dumps(lock).encode(),
        "server.js": b"",
    }
    workspace = receive(make_folder(tmp_path / "work", files), spool=tmp_path / "out.tar")
    assert (workspace.runtime, workspace.start) == ("node", ("node", "server.js"))
    assert workspace.dependencies.lines == ((2, "express@^4"),)
    assert json.loads(workspace.dependencies.lock)["packages"]["node_modules/express"] == {"version": "4.19.2"}


def test_php_project_becomes_a_workspace(tmp_path: Path) -> None:
    """The class loading of the project arrives, and the folder of packages does not, by either route."""
    files = {
        "composer.json": json.dumps(
            {"require": {"php": "^8.1", "slim/slim": "^4.0"}, "autoload": {"psr-4": {"App\\": "src/"}}},
        ).encode(),
        "public/index.php": b"<?php",
        "vendor/composer/installed.json": b"{}",
        "vendor/slim/slim/Slim.php": b"<?php",
    }
    zipped = tmp_path / "project.zip"
    zipped.write_bytes(make_zip(files))
    for path in (zipped, make_folder(tmp_path / "work", files)):
        workspace = receive(path, spool=tmp_path / "out.tar")
        assert (workspace.runtime, workspace.start[-1]) == ("php", "public/index.php")
        assert workspace.dependencies.lines == ((1, "slim/slim:^4.0"),)
        assert json.loads(workspace.dependencies.autoload) == {"psr-4": {"App\\": ["src/"]}}
        assert [item.path for item in workspace.receipt.dropped] == ["vendor"]
        assert workspace.receipt.files == 2


def test_leaks_reach_the_workspace(tmp_path: Path) -> None:
    """What the scan finds inside the jail arrives with file and line."""
    source = b"URL = 'postgresql://app:Kd93xQz@db.health.go.th/x'\n"
    folder = make_folder(tmp_path / "work", {**PROJECT, "settings.py": b"\n" + source})
    leaks = receive(folder, spool=tmp_path / "out.tar").leaks
    assert [(leak.file, leak.line, leak.kind) for leak in leaks] == [("settings.py", 2, "password_in_url")]


def test_missing_path_is_the_callers_mistake(tmp_path: Path) -> None:
    """A path that does not exist is a usage problem, not a refused submission."""
    with pytest.raises(UsageProblem) as caught:
        receive(tmp_path / "nothing", spool=tmp_path / "out.tar")
    assert caught.value.code == "usage.path_missing"


def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """A named pipe that nobody writes to is refused at once."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageProblem) as caught:
        receive(tmp_path / "pipe", spool=tmp_path / "out.tar")
    assert caught.value.code == "usage.path_unreadable"


def test_unreadable_folder_is_named(tmp_path: Path) -> None:
    """A folder that may not be read is a usage problem that names the place, for root a folder that vanished."""
    folder = make_folder(tmp_path / "work", PROJECT)
    # Root may read everything: a link in the place of the folder makes the same system call fail.
    hidden = folder / "secret"
    if IS_ROOT:
        loop = tmp_path / "loop"
        loop.symlink_to(loop)
        target = loop
    else:
        hidden.mkdir(mode=0)
        target = folder
    with pytest.raises(UsageProblem) as caught:
        receive(target, spool=tmp_path / "out.tar")
    assert caught.value.code == "usage.path_unreadable"
    assert str(caught.value.params["path"]).endswith("loop" if IS_ROOT else "secret")


def test_link_in_a_folder_is_refused_like_one_in_a_zip(tmp_path: Path) -> None:
    """A link is never followed, whatever it points to."""
    folder = make_folder(tmp_path / "work", PROJECT)
    (folder / "passwd").symlink_to("/etc/passwd")
    with pytest.raises(SubmissionRejected) as caught:
        receive(folder, spool=tmp_path / "out.tar")
    assert (caught.value.code, caught.value.params["kind"]) == ("archive.entry_type", "symlink")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"hello", "archive.not_zip"),
        (make_zip({**PROJECT, "../x": b""}), "archive.path_traversal"),
        (make_zip({**PROJECT, "zeros": bytes(210_000_000)}), "archive.unpacked_too_large"),
        (make_zip({"main.py": b""}), "project.no_dependency_file"),
    ],
    ids=["no zip", "traversal", "bomb", "no dependency file"],
)
def test_refusal_leaves_nothing(content: bytes, code: str, tmp_path: Path) -> None:
    """A refused submission leaves no spool, no temporary file and no process, and takes seconds at most."""
    before = set(Path(tempfile.gettempdir()).glob("grader-intake-*"))
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    started = time.monotonic()
    with pytest.raises(SubmissionRejected) as caught:
        receive(path, spool=tmp_path / "out.tar")
    assert caught.value.code == code
    assert time.monotonic() - started < 30
    assert [item.name for item in tmp_path.iterdir()] == ["x.zip"]
    assert set(Path(tempfile.gettempdir()).glob("grader-intake-*")) == before


def test_oversized_upload_is_refused_unread(tmp_path: Path) -> None:
    """An archive beyond 50 MB is refused by its size."""
    path = tmp_path / "big.zip"
    with path.open("wb") as target:
        target.truncate(limits.MAX_ARCHIVE_BYTES + 1)
    with pytest.raises(SubmissionRejected) as caught:
        receive(path, spool=tmp_path / "out.tar")
    assert caught.value.code == "archive.too_large"


def test_jail_reports_what_it_gave_up() -> None:
    """On a host that allows it the jail has no network; as root it is nobody; it can never gain privileges."""
    command = [sys.executable, "-I", "-m", "grader.intake.confine"]
    report = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60, cwd="/").stdout)
    assert report["no_new_privileges"] is True
    assert report["network"] in {"none", "host"}
    if IS_ROOT:
        assert (report["uid"], report["gid"]) == (limits.JAIL_UID, limits.JAIL_UID)


CONNECT = """
import socket, sys
from grader.intake import confine
achieved = confine.leave_network() if sys.argv[2] == "jailed" else "host"
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=5).close()
    print(achieved, "connected")
except OSError:
    print(achieved, "refused")
"""


def test_jail_cannot_reach_a_listener_on_this_host() -> None:
    """The same script reaches a listener of the test, and no longer does after leaving the network."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        assert run(CONNECT, port, "free").split() == ["host", "connected"]
        assert run(CONNECT, port, "jailed").split() in (["none", "refused"], ["host", "connected"])
        if IS_ROOT:
            assert run(CONNECT, port, "jailed").split() == ["none", "refused"]


NOTHING_LEFT = """
import os, socket, sys
from grader.intake import confine
confine.confine(files=())
attempts = {
    "open": lambda: open("/etc/hostname"),
    "socket": lambda: socket.socket(),
    "fork": lambda: os.fork() or os._exit(0),
    "memory": lambda: bytearray(1 << 30),
    "root": lambda: os.setuid(0) if os.getuid() else None,
}
for name, attempt in attempts.items():
    try:
        attempt()
        print(name, "possible")
    except (OSError, MemoryError):
        pass
print("done")
"""


def test_confined_process_can_do_nothing_new() -> None:
    """No file, no socket, no process, no gigabyte and no way back to root."""
    assert run(NOTHING_LEFT).split() == ["done"]


def test_jail_holds_no_foreign_parser() -> None:
    """The process that reads a submission has not imported tarfile, an HTTP client or the models (rule S1)."""
    script = "import sys, grader.intake.jail; print(*sys.modules)"
    loaded = set(run(script).split())
    assert "zipfile" in loaded
    assert not loaded & {"tarfile", "pydantic", "requests", "httpx", "asyncio", "http.client"}


def outcome(**changes: object) -> parent._Outcome:
    """Return how a jail ended well, with changes."""
    receipt = {"files": 1, "size": 1, "dropped": [], "notes": [], "decoded_names": []}
    found = {
        "receipt": receipt,
        "runtime": "python",
        "start": ["python"],
        "dependencies": {"file": "requirements.txt", "lines": []},
        "leaks": [],
    }
    result = {"confinement": {"uid": limits.JAIL_UID, "network": "none"}, "workspace": found}
    values: dict[str, object] = {"status": 0, "late": False, "errors": b"", "digest": "sha256:0"}
    values["result"] = json.dumps(result).encode()
    return parent._Outcome(**(values | changes))  # type: ignore[arg-type]


def judged(**changes: object) -> GraderError:
    """Return what the parent raises for a jail that ended like this."""
    with pytest.raises(GraderError) as caught:
        parent._workspace(outcome(**changes), Path("out.tar"))
    return caught.value


def test_jail_that_ended_well_is_believed() -> None:
    """The control of the next test: without changes the outcome is a workspace."""
    assert parent._workspace(outcome(), Path("out.tar")).start == ("python",)


@pytest.mark.parametrize(
    ("changes", "kind", "code"),
    [
        ({"late": True}, SubmissionRejected, "archive.too_expensive"),
        ({"status": -24}, SubmissionRejected, "archive.too_expensive"),
        ({"status": -9}, InfrastructureFault, "infrastructure.jail"),
        ({"status": -11}, InfrastructureFault, "infrastructure.jail"),
        ({"status": 1, "errors": b"Traceback\nKeyError: 'x'\n"}, InfrastructureFault, "infrastructure.jail"),
        ({"result": b""}, InfrastructureFault, "infrastructure.jail"),
        ({"result": b"[]"}, InfrastructureFault, "infrastructure.jail"),
        ({"result": b'{"confinement": {}}'}, InfrastructureFault, "infrastructure.jail"),
        (
            {"result": b'{"confinement": {"uid": 65534, "network": "none"}, "workspace": {"receipt": {"notes": []}}}'},
            InfrastructureFault,
            "infrastructure.jail",
        ),
        (
            {"result": b'{"confinement": {"uid": 65534}, "refused": {"code": "start.x", "params": {}}}'},
            InfrastructureFault,
            "infrastructure.jail",
        ),
    ],
)
def test_death_of_the_jail_is_sorted_by_fault(changes: dict[str, object], kind: type[GraderError], code: str) -> None:
    """Ended by a limit is the submission's fault; dead for an unknown reason or talking nonsense is ours."""
    error = judged(**changes)
    assert isinstance(error, kind)
    assert error.code == code


def test_deadline_ends_the_jail(zipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the deadline the jail is killed from outside, and nothing stays."""
    monkeypatch.setattr(parent, "JAIL_WALL_SECONDS", 0.001)
    with pytest.raises(SubmissionRejected) as caught:
        receive(zipped, spool=tmp_path / "out.tar")
    assert (caught.value.code, caught.value.params["limit"]) == ("archive.too_expensive", "time")
    assert [item.name for item in tmp_path.iterdir()] == ["project.zip"]


def test_tar_beyond_its_cap_ends_the_jail(zipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent takes no more than its cap, whatever the jail sends."""
    monkeypatch.setattr(parent, "MAX_TAR_BYTES", 100)
    with pytest.raises(InfrastructureFault) as caught:
        receive(zipped, spool=tmp_path / "out.tar")
    assert caught.value.params["reason"] == "too much output"
    assert [item.name for item in tmp_path.iterdir()] == ["project.zip"]


def test_spool_that_cannot_be_written_is_our_fault(zipped: Path, tmp_path: Path) -> None:
    """A spool in a folder that does not exist says nothing about the submission."""
    with pytest.raises(InfrastructureFault) as caught:
        receive(zipped, spool=tmp_path / "missing" / "out.tar")
    assert caught.value.code == "infrastructure.spool"


def cpu_seconds() -> float:
    """Return the CPU time of this process and of the children it has waited for."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def test_ordinary_project_is_cheap(tmp_path: Path) -> None:
    """Ten files cost well under a CPU second, the start of the jail included; CPU time does not depend on the load."""
    files = {**PROJECT, **{f"app/module_{index}.py": b"x = 1\n" * 200 for index in range(8)}}
    folder = make_folder(tmp_path / "work", files)
    costs = []
    for _ in range(3):
        started = cpu_seconds()
        receive(folder, spool=tmp_path / "out.tar")
        costs.append(cpu_seconds() - started)
    assert min(costs) < 0.6
