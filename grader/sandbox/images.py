"""The images of ``sandboxes/``: built when what they are made of changed, smoke-tested, then addressed by digest.

An image's key is a hash over its folder, its build arguments, the ids of its parents and the extra certificates. An
image with that key is never built again; a changed Dockerfile rebuilds that image and those that stand on it.
"""

import contextlib
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from grader.errors import EnvironmentProblem
from grader.sandbox import labels
from grader.sandbox.engine import GuardedClient, engine_call
from grader.sandbox.host import install_packages
from grader.sandbox.policies import RuntimeSpec, read_specs

Listener = Callable[[str, str], None]
"""Called with (image name, what is happening)."""

REGISTRY_BASE = "debian:bookworm-slim"
IMPORTED_BASE = "grader-debian:bookworm"
DEBIAN_RELEASE = "bookworm"
SMOKE_SECONDS = 60
KEEP_SECONDS = 7 * 24 * 3600
"""How long an image that is no longer current is kept."""
_ZERO_TIME = 0


@dataclass(frozen=True, kw_only=True)
class BuildSettings:
    """What differs between machines: extra certificates, own package indexes, the pinned versions."""

    constraints: Path
    ca_bundle: Path | None = None
    index_url: str = ""
    npm_registry_url: str = ""
    composer_repository_url: str = ""


INDEXES = ("index_url", "npm_registry_url", "composer_repository_url")
"""The settings that a policy.toml may name as the value of a build argument; every other value is a pinned package."""


class ImageStore:
    """Finds the id of each sandbox image and builds what is missing."""

    def __init__(self, client: GuardedClient, sandboxes: Path, settings: BuildSettings) -> None:
        self._client = client
        self._settings = settings
        self._specs = read_specs(sandboxes)
        self._package = Path(__file__).resolve().parent.parent
        self._ids: dict[str, str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """All image names, parents first."""
        return tuple(self._specs)

    def user(self, name: str) -> str:
        """The uid:gid that containers of this image run as."""
        return self._specs[name].user

    def runtime(self, name: str) -> RuntimeSpec:
        """What a submission of this runtime needs; EnvironmentProblem when no image says that it is for it."""
        for spec in self._specs.values():
            if spec.runtime is not None and spec.runtime.name == name:
                return spec.runtime
        raise EnvironmentProblem("environment.image_missing", image=f"runtime-{name}")

    def image_id(self, name: str) -> str:
        """The id (``sha256:…``) of a ready image; EnvironmentProblem when it has to be set up first."""
        if name not in self._ids:
            found = self._find(self._tag(name))
            if found is None:
                raise EnvironmentProblem("environment.image_missing", image=name)
            self._ids[name] = found
        return self._ids[name]

    def missing(self) -> tuple[str, ...]:
        """The images that ``grader setup`` would build now."""
        absent: list[str] = []
        for name, spec in self._specs.items():
            if any(parent in absent for parent in spec.parents.values()) or self._find_ready(name) is None:
                absent.append(name)
        return tuple(absent)

    def build_all(self, listen: Listener) -> None:
        """Make every image ready; what is ready already costs one look."""
        for name in self._specs:
            if (found := self._find_ready(name)) is not None:
                self._ids[name] = found
                listen(name, "ready")
                continue
            started = time.monotonic()
            listen(name, "building")
            built = self._build(name, listen)
            listen(name, "smoke test")
            self._smoke(name, built)
            with engine_call(f"tag {name}"):
                repository, _, tag = self._tag(name).partition(":")
                self._client.tag(built, repository, tag)
            self._ids[name] = built
            self._forget_older(name)
            listen(name, f"ready after {time.monotonic() - started:.0f} s")

    def _forget_older(self, name: str) -> None:
        """Remove what the folder made long ago; not sooner, because two checkouts may share one engine."""
        current = self._tag(name)
        with engine_call(f"list images of {name}"):
            found = self._client.images(name=f"grader-{name}")
        for image in found:
            old = image["Created"] < time.time() - KEEP_SECONDS
            for tag in image["RepoTags"] or []:
                if tag != current and old:
                    with contextlib.suppress(docker.errors.APIError):
                        self._client.remove_image(tag)

    # -- keys ---------------------------------------------------------------------------------------------------------

    def _find(self, reference: str) -> str | None:
        with engine_call(f"look for {reference}"):
            try:
                return str(self._client.inspect_image(reference)["Id"])
            except docker.errors.ImageNotFound:
                return None

    def _find_ready(self, name: str) -> str | None:
        if name == "base" and self._find_debian() is None:
            return None
        return self._find(self._tag(name))

    def _find_debian(self) -> str | None:
        return self._find(REGISTRY_BASE) or self._find(IMPORTED_BASE)

    def _arguments(self, name: str) -> dict[str, str]:
        spec = self._specs[name]
        if not spec.parents:
            debian = self._find_debian()
            if debian is None:
                raise EnvironmentProblem("environment.image_missing", image=name)
            return {"BASE": debian}
        values = {argument: self.image_id(parent) for argument, parent in spec.parents.items()}
        for argument, source in (spec.arguments or {}).items():
            values[argument] = getattr(self._settings, source) if source in INDEXES else self._pinned(source)
        return values

    def _pinned(self, package: str) -> str:
        for line in self._settings.constraints.read_text(encoding="utf-8").splitlines():
            name, _, version = line.partition("==")
            if name.strip() == package:
                return version.split(" ")[0].strip()
        raise EnvironmentProblem("environment.policy_invalid", file=str(self._settings.constraints), detail=package)

    def _tag(self, name: str) -> str:
        digest = hashlib.sha256()
        for argument, value in sorted(self._arguments(name).items()):
            digest.update(f"{argument}={value}\n".encode())
        for path, content in self._context(name):
            digest.update(path.encode() + b"\0" + hashlib.sha256(content).digest())
        return f"grader-{name}:{digest.hexdigest()[:16]}"

    def _context(self, name: str) -> Iterator[tuple[str, bytes]]:
        """The build context as (path, content), in a stable order."""
        spec = self._specs[name]
        for path in sorted(spec.folder.rglob("*")):
            if path.is_file() and path.name != "policy.toml":
                yield str(path.relative_to(spec.folder)), path.read_bytes()
        if spec.ca:
            yield "ca/.keep", b""
            yield from self._certificates()
        if spec.constraints:
            yield "constraints.txt", self._settings.constraints.read_bytes()
        for entry in spec.package:
            root = self._package / entry
            for path in [root] if root.is_file() else sorted(root.rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    yield f"grader/{path.relative_to(self._package)}", path.read_bytes()

    def _certificates(self) -> Iterator[tuple[str, bytes]]:
        if self._settings.ca_bundle is not None:
            yield "ca/grader-ca-bundle.crt", self._settings.ca_bundle.read_bytes()
            return
        for path in sorted(Path("/usr/local/share/ca-certificates").rglob("*.crt")):
            yield f"ca/{path.name}", path.read_bytes()

    # -- building -----------------------------------------------------------------------------------------------------

    def _build(self, name: str, listen: Listener) -> str:
        if name == "base" and self._find_debian() is None:
            provide_debian(self._client, lambda what: listen(name, what))
        context = io.BytesIO()
        with tarfile.open(fileobj=context, mode="w") as tar:
            for path, content in self._context(name):
                tar.addfile(_plain_file(path, len(content)), io.BytesIO(content))
        context.seek(0)
        key_labels = {labels.IMAGE: name}
        return build_image(
            self._client,
            context,
            arguments=self._arguments(name),
            image_labels=key_labels,
            name=name,
            listen=lambda line: listen(name, line),
        )

    def _smoke(self, name: str, image: str) -> None:
        spec = self._specs[name]
        with engine_call(f"smoke test of {name}"):
            container = self._client.create_container(
                image,
                entrypoint=list(spec.smoke[:1]),
                command=list(spec.smoke[1:]),
                user=spec.user,
                labels=labels.of_run("smoke"),
                host_config=self._client.create_host_config(
                    network_mode="none",
                    read_only=True,
                    cap_drop=["ALL"],
                    security_opt=["no-new-privileges:true"],
                    tmpfs={"/tmp": "rw,size=16m"},  # noqa: S108 - a tmpfs inside the container
                ),
            )["Id"]
            try:
                self._client.start(container)
                status = self._client.wait(container, timeout=SMOKE_SECONDS)["StatusCode"]
                output = self._client.logs(container, tail=20).decode("utf-8", "backslashreplace")
            finally:
                self._client.remove_container(container, force=True, v=True)
        if status != 0:
            raise EnvironmentProblem("environment.image_smoke_failed", image=name, status=status, log=output[-2000:])


def _plain_file(path: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode, entry.mtime = size, 0o644, _ZERO_TIME
    return entry


def build_image(
    client: GuardedClient,
    context: Any,
    *,
    arguments: Mapping[str, str],
    image_labels: Mapping[str, str],
    name: str,
    listen: Callable[[str], None] = lambda _: None,
    network: str | None = None,
) -> str:
    """Build one image from a tar stream and return its id; a failing step is an EnvironmentProblem with its log."""
    log: list[str] = []
    built = ""
    with engine_call(f"build {name}"):
        steps = client.build(
            fileobj=context,
            custom_context=True,
            buildargs=dict(arguments),
            labels=dict(image_labels),
            rm=True,
            forcerm=True,
            decode=True,
            network_mode=network,
        )
        for step in steps:
            if "error" in step:
                log.append(str(step["error"]))
                raise EnvironmentProblem("environment.image_build_failed", image=name, log="\n".join(log[-30:]))
            if line := str(step.get("stream", "")).strip():
                log.append(line)
                if line.startswith("Step "):
                    listen(line)
            built = step.get("aux", {}).get("ID", built)
    if not built:
        raise EnvironmentProblem("environment.image_build_failed", image=name, log="\n".join(log[-30:]))
    return str(built)


def provide_debian(client: GuardedClient, listen: Callable[[str], None]) -> None:
    """Bring a Debian root into the engine: from a registry when one answers, else from Debian packages."""
    listen("asking a registry for the base image")
    try:
        client.pull(*REGISTRY_BASE.split(":"))
    except (docker.errors.DockerException, OSError) as refused:
        listen("no registry answers: making the base from Debian packages")
        _import_debian(client, str(refused))


def _import_debian(client: GuardedClient, refused: str) -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise EnvironmentProblem("environment.no_base_image", detail=refused[:300])
    if shutil.which("mmdebstrap") is None:
        install_packages("mmdebstrap", "debian-archive-keyring")
    with tempfile.TemporaryDirectory(prefix="grader-base-") as folder:
        tar = Path(folder) / "base.tar"
        command = ["mmdebstrap", "--variant=minbase", "--include=ca-certificates", DEBIAN_RELEASE, str(tar)]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise EnvironmentProblem("environment.no_base_image", detail=made.stderr[-500:])
        with engine_call("import the base image"):
            repository, _, tag = IMPORTED_BASE.partition(":")
            client.import_image_from_file(str(tar), repository=repository, tag=tag)
