"""The dependency layer on the real engine: made once, from the index only, by an installer that runs no code."""

import dataclasses
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from grader.errors import BuildFailed
from grader.intake import receive
from grader.sandbox import doctor, golden, labels, layers, networks, reaper
from grader.sandbox.docker import DockerDriver
from grader.sandbox.engine import CALL_SECONDS, GuardedClient, _engine_address
from grader.sandbox.images import ImageStore
from grader.submission import Workspace
from tests.fixtures.engine import ROOT, SETTINGS
from tests.fixtures.leftovers import NOTHING, leftovers
from tests.fixtures.workspaces import APPS, quiet

UNCACHED = "flask==3.1.3\ntabulate==0.9.0\n"
"""Requirements that no other test and no sample has."""


class Recorded(GuardedClient):
    """The engine's client, writing down each call as ``METHOD /path``."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.calls: Counter[str] = Counter()
        super().__init__(*arguments, **options)

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        """Write down, then call."""
        path = re.sub(r"^/v[0-9.]+", "", urlsplit(url).path)
        self.calls[f"{method.upper()} {path}"] += 1
        return super().request(method, url, *args, **kwargs)


@pytest.fixture
def recorded(store: ImageStore) -> Recorded:
    """A client of the same engine that writes down its calls."""
    assert store.missing() == ()
    return Recorded(base_url=_engine_address(), version="auto", timeout=CALL_SECONDS)


def workspace(folder: Path, requirements: str) -> Workspace:
    """The counting app with other requirements, after intake."""
    project = folder / "project"
    shutil.copytree(APPS / "counter", project, dirs_exist_ok=True)
    (project / "requirements.txt").write_text(requirements, encoding="utf-8")
    return receive(project, spool=folder / "source.tar")


def test_a_layer_is_made_once(recorded: Recorded, engine: GuardedClient, tmp_path: Path) -> None:
    """The first submission installs through the gateway; the second one asks neither network nor installer."""
    driver = DockerDriver(recorded, ImageStore(recorded, ROOT / "sandboxes", SETTINGS))
    submission = workspace(tmp_path, UNCACHED)
    recorded.calls.clear()
    first = driver.prepare(submission, "build-first", quiet)
    try:
        assert recorded.calls["POST /containers/create"] == 2
        assert recorded.calls["POST /networks/create"] == 1
        assert recorded.calls["POST /build"] == 2
        recorded.calls.clear()
        second = driver.prepare(submission, "build-second", quiet)
        assert recorded.calls["POST /containers/create"] == 0
        assert recorded.calls["POST /networks/create"] == 0
        assert recorded.calls["POST /build"] == 1
        assert (second.layer, second.packages) == (first.layer, first.packages)
        assert "tabulate==0.9.0" in first.packages
        engine.remove_image(second.ident, force=True)
    finally:
        engine.remove_image(first.ident, force=True)
        engine.remove_image(f"{layers.REPOSITORY}:{first.layer}", force=True)
    assert leftovers(engine) == NOTHING


def test_the_layers_key_is_its_content(driver: DockerDriver, engine: GuardedClient, tmp_path: Path) -> None:
    """The same lines in another order, with comments, are the same layer."""
    lines = (APPS / "counter" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    one = driver.prepare(workspace(tmp_path, "\n".join(lines)), "build-order", quiet)
    other = driver.prepare(workspace(tmp_path, "\n\n# why\n" + "\n".join(reversed(lines))), "build-order", quiet)
    assert one.layer == other.layer
    for image in {one.ident, other.ident}:
        engine.remove_image(image, force=True)


@pytest.mark.parametrize(
    "case",
    [
        ("flask==3.1.3\n\nno-such-package-of-anybody==1.0\n", "build.package_not_found", {3}),
        ("psycopg==3.3.9\nflask==0.0.77\n", "build.version_not_found", {2}),
        ("flask==3.1.3\n# older\nwerkzeug==1.0.0\n", "build.conflict", {1, 3}),
        (f"# pinned\ntabulate==0.9.0 --hash=sha256:{'0' * 64}\n", "build.hash_mismatch", {2}),
        ("flask==3.1.3\npyspark==3.5.0\n", "build.no_wheel", {2}),
    ],
)
def test_what_cannot_be_installed_is_named_with_its_line(
    driver: DockerDriver, engine: GuardedClient, tmp_path: Path, case: tuple[str, str, set[int]]
) -> None:
    """Each reason has its own code; the last one is a package whose installation would have to run its code."""
    requirements, code, lines = case
    with pytest.raises(BuildFailed) as caught:
        driver.prepare(workspace(tmp_path, requirements), "build-fails", quiet)
    assert caught.value.code == code, caught.value.log
    assert caught.value.params["file"] == "requirements.txt"
    assert caught.value.params["line"] in lines
    assert str(caught.value.params["package"]) in requirements
    assert caught.value.log
    assert leftovers(engine) == NOTHING


KNOCK = """
import json, pathlib, socket, sys

gateway, port, addresses = json.loads(sys.argv[1])
index = pathlib.Path("/usr/local/lib/grader/index-hosts").read_text().split()

def ask(request):
    with socket.create_connection((gateway, port), 20) as proxy:
        proxy.sendall(request.encode() + b"\\r\\n\\r\\n")
        return int(proxy.recv(4096).split(b" ")[1])

def connect(host):
    return ask(f"CONNECT {host} HTTP/1.1\\r\\nHost: {host}")

def opens(address):
    try:
        socket.create_connection((address, 443), 1).close()
    except OSError:
        return False
    return True

def resolves(name):
    try:
        return bool(socket.gethostbyname(name))
    except OSError:
        return False

print(json.dumps({
    "index": [connect(f"{host}:443") for host in index],
    "refused": {
        host: connect(host)
        for host in (
            "canary.test:443", "127.0.0.1:443", "localhost:8888", "169.254.169.254:443",
            f"{index[0]}:22", f"{index[0]}.canary.test:443", f"canary{index[0]}:443",
        )
    },
    "plain": ask("GET http://canary.test/ HTTP/1.1\\r\\nHost: canary.test"),
    "direct": [address for address in addresses if opens(address)],
    "resolved": [name for name in ("canary.test", index[0]) if resolves(name)],
}))
"""
"""Asks from where the installer runs: the index through the gateway, everything else through and past it."""


def test_the_build_network_leads_to_the_index_only(store: ImageStore, engine: GuardedClient) -> None:
    """The gateway lets the index through and refuses every other name, port and address; past it there is nothing."""
    run = "build-gateway"
    marks = labels.of_run(run)
    try:
        slot = networks.create_slot(engine, run, ("build",), marks)
        layers.start_gateway(engine, store, slot["build"], marks)
        addresses = ["198.51.100.7", *doctor.host_addresses(engine, slot)]
        order = json.dumps([slot["build"].address(layers.GATEWAY_HOST), layers.GATEWAY_PORT, addresses])
        shape = dataclasses.replace(
            golden.builder_shape(user=store.user("builder"), environment={}),
            entrypoint=["python3", "-I", "-c", KNOCK, order],
            stdin=False,
            keep_log=True,
        )
        config = golden.container_config(
            shape,
            image=store.image_id("builder"),
            network=slot["build"].ident,
            address=slot["build"].address(layers.BUILDER_HOST),
            hosts={},
            labels=marks,
        )
        client = str(engine.create_container_from_config(config)["Id"])
        engine.start(client)
        engine.wait(client, timeout=60)
        said = engine.logs(client).decode()
    finally:
        reaper.remove_run(engine, run)
    seen = json.loads(said.splitlines()[-1])
    assert seen["index"]
    assert set(seen["index"]) == {200}, "the control: the index itself answers"
    assert set(seen["refused"].values()) == {403}, seen["refused"]
    assert seen["plain"] == 403
    assert seen["direct"] == []
    assert seen["resolved"] == []
    assert leftovers(engine) == NOTHING
