"""Dependency layers: packages installed once per (runtime, builder, what is asked for) and reused by every submission.

The builder is given names, versions and hashes only. It reaches a package index through the gateway and nothing else,
and runs no code of a package. What is particular to a runtime stands in its images: in the table ``[runtime]`` of a
policy.toml, and in the builder's ``tool.py``, which also finds out what is wrong when it cannot install.
"""

import hashlib
import io
import json
import os
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
from grader.sandbox.policies import RuntimeSpec
from grader.submission import Dependencies

INSTALL_SECONDS = 180
"""Wall-clock budget of one installation."""
LAYER_BYTES = 700 * golden.MIB
LOG_LINES = 40
"""How much of the installer's log a report shows."""
REPOSITORY = "grader-deps"
"""Layers are tagged with their key in this repository."""
GATEWAY_HOST = 2
BUILDER_HOST = 3
GATEWAY_PORT = 8888
_LOCKS: dict[str, threading.Lock] = defaultdict(threading.Lock)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A dependency layer that is ready: its image id, key and the exact packages in it.

    ``images`` names the platform's images that this took: the runtime's, and the builder's if it had to be made.
    """

    ident: str
    key: str
    packages: tuple[str, ...]
    images: tuple[str, ...]


def provide_layer(
    client: GuardedClient,
    store: ImageStore,
    runtime: str,
    dependencies: Dependencies,
    *,
    run: str,
    listen: Callable[[str], None],
) -> Layer:
    """Find the layer of these dependencies for that runtime, or make it.

    Raises:
        BuildFailed: ``build.*``, with the package and its line where they are known.
        InfrastructureFault: the index cannot be reached, or the builder died.
    """
    spec = store.runtime(runtime)
    image = store.image_id(spec.image)
    asked = [sorted(line for _, line in dependencies.lines), dependencies.lock, dependencies.autoload]
    key = hashlib.sha256(json.dumps([image, store.image_id(spec.builder), *asked]).encode()).hexdigest()[:20]
    with _LOCKS[key]:
        with engine_call("look for the dependency layer"):
            found = client.images(name=f"{REPOSITORY}:{key}")
        if found:
            listen("cached")
            packages = (found[0]["Labels"] or {}).get("grader.packages", "")
            return Layer(ident=str(found[0]["Id"]), key=key, packages=tuple(packages.split()), images=(spec.image,))
        with tempfile.TemporaryFile(prefix="grader-layer-") as content:
            packages = _install(client, store, spec, dependencies, run, content=content, listen=listen)
            ident = _commit(client, spec, image, key, packages, content=content, run=run)
        return Layer(ident=ident, key=key, packages=packages, images=(spec.image, spec.builder))


def _install(
    client: GuardedClient,
    store: ImageStore,
    spec: RuntimeSpec,
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
            start_gateway(client, store, spec.builder, build, marks)
        proxy = f"http://{build.address(GATEWAY_HOST)}:{GATEWAY_PORT}"
        # Some tools read the names in capitals, others (for plain HTTP) only the small ones.
        environment = {
            name: proxy for word in ("HTTPS", "HTTP", "ALL") for name in (f"{word}_PROXY", f"{word}_proxy".lower())
        }
        config = golden.container_config(
            golden.builder_shape(user=store.user(spec.builder), environment=environment, target=spec.target),
            image=store.image_id(spec.builder),
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
            pipe.send(json.dumps(_order(spec, dependencies)).encode() + b"\n")
            report = _receive(pipe, content)
        finally:
            pipe.close()
    finally:
        reaper.remove_run(client, run)  # by label: whatever could not be started after it was created goes, too
    if not report.get("ok"):
        raise explain(dependencies, report)
    if unbuilt := " ".join(map(str, report.get("unbuilt", []))):
        listen(f"install scripts that were not run: {unbuilt}")
    return tuple(str(package) for package in report["packages"])


def _order(spec: RuntimeSpec, dependencies: Dependencies) -> dict[str, Any]:
    return {
        "lines": [line for _, line in dependencies.lines],
        "lock": dependencies.lock,
        "autoload": dependencies.autoload,
        "target": spec.target,
        "seconds": INSTALL_SECONDS,
    }


def start_gateway(
    client: GuardedClient, store: ImageStore, builder: str, build: networks.Network, marks: Mapping[str, str]
) -> str:
    """Start the build network's only way out, to that builder's index; returns the container.

    It listens at GATEWAY_HOST:GATEWAY_PORT.
    """
    environment = {"PORT": str(GATEWAY_PORT)}
    upstream = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy") or ""
    if upstream:
        environment["UPSTREAM"] = urllib.parse.urlsplit(upstream).netloc
        environment["DIRECT"] = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    config = golden.container_config(
        golden.gateway_shape(user=store.user(builder), environment=environment),
        image=store.image_id(builder),
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
    client: GuardedClient,
    spec: RuntimeSpec,
    image: str,
    key: str,
    packages: tuple[str, ...],
    *,
    content: IO[bytes],
    run: str,
) -> str:
    """Make the layer's image from the tar: an image is immutable and addressed by its digest, a volume is neither.

    Until its last step the image belongs to the run, so that a reaper finds what a kill in the middle leaves.
    """
    size = content.seek(0, io.SEEK_END)
    content.seek(0)
    dockerfile = f"FROM {image}\n{labels.as_step(labels.of_run(run))}\nADD packages.tar {spec.target}/\n".encode()
    with tempfile.TemporaryFile(prefix="grader-context-") as context:
        with tarfile.open(fileobj=context, mode="w") as tar:
            for name, length, source in (
                ("Dockerfile", len(dockerfile), io.BytesIO(dockerfile)),
                ("packages.tar", size, content),
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


def explain(dependencies: Dependencies, report: Mapping[str, Any]) -> BuildFailed | InfrastructureFault:
    """Turn what the installer reported into a code with the package and its line; pure."""
    kind, log = str(report.get("kind", "failed")), tuple(str(line) for line in report.get("log", []))
    if kind == "index_unreachable":
        return InfrastructureFault("infrastructure.index_unreachable", detail=" ".join(" ".join(log).split())[-500:])
    if kind == "timeout":
        return BuildFailed("build.timeout", log=log[-LOG_LINES:], seconds=INSTALL_SECONDS, file=dependencies.file)
    at = report.get("at")
    number, line = dependencies.lines[at] if isinstance(at, int) else (0, "")
    return BuildFailed(
        f"build.{kind}",
        log=log[-LOG_LINES:],
        package=str(report.get("package", "")),
        requirement=line.split(" ")[0][:120],
        file=dependencies.file,
        line=number,
    )


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
