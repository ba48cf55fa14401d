"""Dependency layers: packages installed once per (runtime, builder, requirement lines) and reused by every submission.

The builder is given names, versions and hashes only. It reaches a package index through the gateway and nothing else,
and installs wheels only, so no code of a package runs while it is installed.
"""

import hashlib
import io
import json
import os
import re
import tarfile
import tempfile
import threading
import time
import urllib.parse
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

import docker

from grader.errors import BuildFailed, InfrastructureFault
from grader.sandbox import golden, labels, networks, reaper
from grader.sandbox.engine import GuardedClient, Pipe, engine_call
from grader.sandbox.images import ImageStore, build_image
from grader.submission import Dependencies

INSTALL_SECONDS = 180
"""Wall-clock budget of one installation."""
LAYER_BYTES = 700 * golden.MIB
REPOSITORY = "grader-deps"
"""Layers are tagged with their key in this repository."""
GATEWAY_HOST = 2
BUILDER_HOST = 3
GATEWAY_PORT = 8888
_LOCKS: dict[str, threading.Lock] = defaultdict(threading.Lock)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A dependency layer that is ready: its image id, key and the exact packages in it."""

    ident: str
    key: str
    packages: tuple[str, ...]


def provide_layer(
    client: GuardedClient,
    store: ImageStore,
    dependencies: Dependencies,
    run: str,
    listen: Callable[[str], None],
) -> Layer:
    """Find the layer of these dependencies, or make it."""
    runtime, builder = store.image_id("runtime-python"), store.image_id("builder")
    lines = [line for _, line in dependencies.lines]
    key = hashlib.sha256(json.dumps([runtime, builder, sorted(lines)]).encode()).hexdigest()[:20]
    with _LOCKS[key]:
        with engine_call("look for the dependency layer"):
            found = client.images(name=f"{REPOSITORY}:{key}")
        if found:
            listen("cached")
            packages = (found[0]["Labels"] or {}).get("grader.packages", "")
            return Layer(ident=str(found[0]["Id"]), key=key, packages=tuple(packages.split()))
        with tempfile.TemporaryFile(prefix="grader-layer-") as content:
            packages = _install(client, store, dependencies, run, content=content, listen=listen)
            ident = _commit(client, runtime, key, packages, content=content, run=run)
        return Layer(ident=ident, key=key, packages=packages)


def _install(
    client: GuardedClient,
    store: ImageStore,
    dependencies: Dependencies,
    run: str,
    *,
    content: IO[bytes],
    listen: Callable[[str], None],
) -> tuple[str, ...]:
    """Run gateway and builder; ``content`` gets the tar of the installed packages."""
    marks = labels.of_run(run)
    slot = networks.create_slot(client, f"{run}-build", ("build",), marks)
    build = slot["build"]
    try:
        with engine_call("start the index gateway"):
            start_gateway(client, store, build, marks)
        proxy = f"http://{build.address(GATEWAY_HOST)}:{GATEWAY_PORT}"
        shape = golden.builder_shape(
            user=store.user("builder"),
            environment={"HTTPS_PROXY": proxy, "HTTP_PROXY": proxy, "ALL_PROXY": proxy},
        )
        config = golden.container_config(
            shape,
            image=store.image_id("builder"),
            network=build.ident,
            address=build.address(BUILDER_HOST),
            hosts={},
            labels=marks,
        )
        with engine_call("start the builder"):
            builder = str(client.create_container_from_config(config)["Id"])
            pipe = Pipe(client, builder)
            client.start(builder)
        listen(f"installing {len(dependencies.lines)} requirements")
        try:
            order = {"lines": [line for _, line in dependencies.lines], "seconds": INSTALL_SECONDS}
            pipe.send(json.dumps(order).encode() + b"\n")
            report = _receive(pipe, content)
        finally:
            pipe.close()
    finally:
        reaper.remove_run(client, run)  # by label: whatever could not be started after it was created goes, too
    if not report.get("ok"):
        raise explain(dependencies, str(report.get("reason", "installer")), list(report.get("log", [])))
    return tuple(str(package) for package in report["packages"])


def start_gateway(client: GuardedClient, store: ImageStore, build: networks.Network, marks: Mapping[str, str]) -> str:
    """Start the build network's only way out at GATEWAY_HOST:GATEWAY_PORT; returns its container."""
    environment = {"PORT": str(GATEWAY_PORT)}
    upstream = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy") or ""
    if upstream:
        environment["UPSTREAM"] = urllib.parse.urlsplit(upstream).netloc
    config = golden.container_config(
        golden.gateway_shape(user=store.user("builder"), environment=environment),
        image=store.image_id("builder"),
        network="bridge",
        address=None,
        hosts={},
        labels=marks,
        name_servers=True,
    )
    gateway = str(client.create_container_from_config(config)["Id"])
    client.connect_container_to_network(gateway, build.ident, ipv4_address=build.address(GATEWAY_HOST))
    client.start(gateway)
    return gateway


def _receive(pipe: Pipe, content: IO[bytes]) -> dict[str, Any]:
    """Spool the builder's stdout and return the report it wrote to stderr."""
    deadline = time.monotonic() + INSTALL_SECONDS + 60
    size, said = 0, bytearray()
    for stream, payload in pipe.frames(deadline):
        if stream == 1:
            size += len(payload)
            if size > LAYER_BYTES:
                raise BuildFailed("build.too_large", limit_mb=LAYER_BYTES // golden.MIB)
            content.write(payload)
        elif len(said) < golden.MIB:
            said += payload
    for line in reversed(said.decode("utf-8", "backslashreplace").splitlines()):
        try:
            report = json.loads(line)
        except ValueError:
            continue
        if isinstance(report, dict) and "ok" in report:
            return report
    raise InfrastructureFault("infrastructure.builder_died", detail=said[-500:].decode("utf-8", "backslashreplace"))


def _commit(
    client: GuardedClient, runtime: str, key: str, packages: tuple[str, ...], *, content: IO[bytes], run: str
) -> str:
    """Make the layer's image from the tar: an image is immutable and addressed by its digest, a volume is neither.

    Until its last step the image belongs to the run, so that a reaper finds what a kill in the middle leaves.
    """
    size = content.seek(0, io.SEEK_END)
    content.seek(0)
    dockerfile = f"FROM {runtime}\n{labels.as_step(labels.of_run(run))}\nADD venv.tar /opt/venv/\n".encode()
    with tempfile.TemporaryFile(prefix="grader-context-") as context:
        with tarfile.open(fileobj=context, mode="w") as tar:
            for name, length, source in (
                ("Dockerfile", len(dockerfile), io.BytesIO(dockerfile)),
                ("venv.tar", size, content),
            ):
                entry = tarfile.TarInfo(name)
                entry.size = length
                tar.addfile(entry, source)
        context.seek(0)
        final = {labels.LAYER: key, "grader.packages": " ".join(packages), **labels.NOBODYS}
        ident = build_image(client, context, arguments={}, image_labels=final, name="dependencies", network="none")
    with engine_call("tag the dependency layer"):
        client.tag(ident, REPOSITORY, key)
    return ident


_KINDS = (
    ("build.index_unreachable", r"error sending request|failed to fetch|connection (refused|reset)|tunnel|timed out"),
    ("build.too_large", r"no space left on device"),
    ("build.no_wheel", r"no usable wheels|no wheels with a matching|building from source is disabled|binaries only"),
    ("build.hash_mismatch", r"hash mismatch"),
    ("build.package_not_found", r"not found in the package registry"),
    ("build.version_not_found", r"there (is|are) no version|no versions? of"),
    ("build.conflict", r"conflict|incompatible|unsatisfiable"),
)


def explain(dependencies: Dependencies, reason: str, log: list[str]) -> BuildFailed | InfrastructureFault:
    """Turn what the installer said into a code that names the package and its line; pure."""
    tail = tuple(log[-40:])
    if reason == "timeout":
        return BuildFailed("build.timeout", seconds=INSTALL_SECONDS, file=dependencies.file)
    text = " ".join(" ".join(log).split())
    code = next((code for code, pattern in _KINDS if re.search(pattern, text, re.IGNORECASE)), "build.failed")
    if code == "build.index_unreachable":
        return InfrastructureFault("infrastructure.index_unreachable", detail=text[-500:])
    for number, line in dependencies.lines:
        name = re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]
        plain = re.sub(r"[-_.]+", "-", name).lower()
        if plain and re.search(rf"(?<![\w-]){re.escape(plain)}(?![\w-])", re.sub(r"[_.]+", "-", text.lower())):
            requirement = line.split(" ")[0][:120]
            return BuildFailed(
                code, log=tail, package=name, requirement=requirement, file=dependencies.file, line=number
            )
    return BuildFailed(code, log=tail, package="", requirement="", file=dependencies.file, line=0)


def remove_layers(client: GuardedClient) -> int:
    """Remove all cached layers; they are made again when needed."""
    removed = 0
    with engine_call("remove layers"):
        for image in client.images(filters={"label": labels.LAYER}):
            try:
                client.remove_image(image["Id"], force=True)
                removed += 1
            except docker.errors.APIError:
                continue  # in use by a grading
    return removed
