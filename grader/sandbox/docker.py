"""The driver for a Docker engine."""

import base64
import io
import itertools
import json
import secrets
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grader.errors import InfrastructureFault, PackInvalid, StartFailed
from grader.evidence import CheckEvidence
from grader.packs import Pack, Person, pack_tar
from grader.sandbox import golden, labels, layers, networks, reaper
from grader.sandbox.driver import AppExit, AppImage, Examination, Listener, LogLine
from grader.sandbox.engine import GuardedClient, Lines, Pipe, connect, engine_call
from grader.sandbox.images import BuildSettings, ImageStore, build_image
from grader.submission import Workspace

COMMAND_SECONDS = {"contract": 420, "scenarios": 420, "universal": 240, "privacy": 120}
"""How long the probe may take for a family before we call it broken (ours): about ten times what it needs."""
DEFAULT_COMMAND_SECONDS = 60
READY_SLICE_SECONDS = 2.0
LOG_LINES = 4_000
BROKEN_CODES = frozenset({"app.no_answer", "response.protocol"})
"""How the guard tells an exchange that may have ended the app."""
NOTICE_SECONDS = 1.0
NETWORKS = ("front", "agency", "verify")


class DockerDriver:
    """Grades in containers of the engine that ``connect`` finds."""

    def __init__(self, client: GuardedClient, store: ImageStore) -> None:
        self._client = client
        self._store = store

    @classmethod
    def on_this_machine(cls, sandboxes: Path, settings: BuildSettings) -> "DockerDriver":
        """Connect, and remove what killed gradings left behind."""
        client = connect()
        reaper.reap(client)
        return cls(client, ImageStore(client, sandboxes, settings))

    def images(self) -> dict[str, str]:
        """The ids of the platform's images that a grading uses, by name."""
        return {name: self._store.image_id(name) for name in self._store.names if name != "base"}

    def prepare(self, workspace: Workspace, run: str, listen: Listener) -> AppImage:
        """Install the dependencies and put the source on top of them."""
        layer = layers.provide_layer(
            self._client, self._store, workspace.dependencies, run, lambda what: listen("build", what)
        )
        dockerfile = f"FROM {layer.ident}\n{labels.as_step(labels.of_run(run))}\nCOPY app/ /app/\n".encode()
        with tempfile.TemporaryFile(prefix="grader-app-") as context:
            _app_context(workspace.tar, dockerfile, context)
            ident = build_image(self._client, context, arguments={}, image_labels={}, name="app", network="none")
        return AppImage(ident=ident, start=workspace.start, layer=layer.key, packages=layer.packages)

    @contextmanager
    def open(self, pack: Pack, seed: int, run: str, listen: Listener) -> Iterator["DockerSandbox"]:
        """Start agencies and probe; remove everything of this run afterwards, whatever happened."""
        sandbox = DockerSandbox(self._client, self._store, pack, run, listen)
        try:
            sandbox.start(seed)
            yield sandbox
        finally:
            sandbox.close()
            reaper.remove_run(self._client, run)


def _app_context(source: Path, dockerfile: bytes, context: Any) -> None:
    """Write the build context: our Dockerfile, and the normalised source below app/."""
    with tarfile.open(fileobj=context, mode="w", format=tarfile.PAX_FORMAT) as tar, tarfile.open(source) as tree:
        head = tarfile.TarInfo("Dockerfile")
        head.size = len(dockerfile)
        tar.addfile(head, io.BytesIO(dockerfile))
        root = tarfile.TarInfo("app")
        root.type, root.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(root)
        for entry in tree:
            entry.name = f"app/{entry.name}"
            tar.addfile(entry, tree.extractfile(entry) if entry.isfile() else None)
    context.seek(0)


class DockerSandbox:
    """The containers and networks of one grading."""

    def __init__(self, client: GuardedClient, store: ImageStore, pack: Pack, run: str, listen: Listener) -> None:
        self._client = client
        self._store = store
        self._pack = pack
        self._run = run
        self._listen = listen
        self._labels = labels.of_run(run)
        self._containers: dict[str, str] = {}
        self._pipe: Pipe | None = None
        self._lines: Lines | None = None
        self._app: str | None = None
        self._environment: dict[str, str] = {}
        self._people: tuple[Person, ...] = ()
        self._fresh, self._closed, self._broken = True, False, False
        self._numbers = itertools.count(1)
        self._spent: dict[str, float] = {}

    @property
    def people(self) -> Sequence[Person]:
        """The synthetic people of this world."""
        return self._people

    # -- set-up and tear-down -----------------------------------------------------------------------------------------

    def start(self, seed: int) -> None:
        """Bring up networks, agencies and probe, and load the world."""
        with engine_call("create networks"):
            self._slot = networks.create_slot(self._client, self._run, NETWORKS, self._labels)
        secret = {name: (secrets.token_urlsafe(18), secrets.token_urlsafe(18)) for name in self._agency_names()}
        with ThreadPoolExecutor(max_workers=2) as pool:
            agencies = [pool.submit(self._start_agency, name, *secret[name]) for name in self._agency_names()]
            probe = pool.submit(self._start_probe)
            for started in (*agencies, probe):
                started.result()
        data = self._command(
            "load",
            pack=base64.b64encode(pack_tar(self._pack)).decode(),
            seed=seed,
            agencies={
                name: {
                    "engine": self._pack.exercise.agencies[name].engine,
                    "dsn": f"postgresql://grader:{secret[name][0]}@{name}:5432/agency",
                    "app_role": "app",
                }
                for name in self._agency_names()
            },
            app=f"http://app:{golden.APP_PORT}",
        ).data
        self._people = tuple(Person(cid=one["cid"], name=one["name"]) for one in data.get("people", []))
        self._environment = {str(key): str(value) for key, value in data.get("env", {}).items()}
        for name in self._agency_names():
            address = f"postgresql://app:{secret[name][1]}@{name}:5432/agency"
            self._environment[f"AGENCY_{name.upper()}_URL"] = address
        self._command("seed")

    def close(self) -> None:
        """Let go of the probe's pipe; the containers are removed by label, and nothing works after this."""
        self._app, self._closed = None, True
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    def _agency_names(self) -> list[str]:
        return sorted(self._pack.exercise.agencies)

    def _agency_host(self, name: str) -> int:
        return networks.FIRST_AGENCY_HOST + self._agency_names().index(name)

    def _hosts(self, network: str) -> dict[str, str]:
        found = {name: self._slot[network].address(self._agency_host(name)) for name in self._agency_names()}
        if network == "verify":
            found["app"] = self._slot["front"].address(networks.APP_HOST)
        return found

    def _create(
        self, shape: golden.Shape, image: str, host: int, pair: tuple[str, str], hosts: Mapping[str, str]
    ) -> str:
        """Create a container on two of the grading's networks."""
        first, second = pair
        config = golden.container_config(
            shape,
            image=image,
            network=self._slot[first].ident,
            address=self._slot[first].address(host),
            hosts=hosts,
            labels=self._labels,
        )
        container = str(self._client.create_container_from_config(config)["Id"])
        other = self._slot[second]
        self._client.connect_container_to_network(container, other.ident, ipv4_address=other.address(host))
        return container

    def _start_agency(self, name: str, grader_password: str, app_password: str) -> None:
        engine = self._pack.exercise.agencies[name].engine
        image = f"agency-{engine}"
        environment = {
            "GRADER_PASSWORD": grader_password,
            "APP_PASSWORD": app_password,
            "VERIFY_SUBNET": str(self._slot["verify"].subnet),
            "AGENCY_SUBNET": str(self._slot["agency"].subnet),
        }
        shape = golden.agency_shape(user=self._store.user(image), environment=environment)
        with engine_call(f"start agency {name}"):
            host = self._agency_host(name)
            container = self._create(shape, self._store.image_id(image), host, ("verify", "agency"), {})
            self._containers[name] = container
            self._client.start(container)

    def _start_probe(self) -> None:
        shape = golden.probe_shape(user=self._store.user("probe"))
        with engine_call("start the probe"):
            image = self._store.image_id("probe")
            probe = self._create(shape, image, networks.PROBE_HOST, ("front", "verify"), self._hosts("verify"))
            self._containers["probe"] = probe
            self._pipe = Pipe(self._client, probe)
            self._lines = Lines(self._pipe)
            self._client.start(probe)

    # -- the probe ----------------------------------------------------------------------------------------------------

    def _command(self, name: str, *, seconds: float | None = None, **fields: Any) -> Examination:
        """Send one command and collect what it found until it says it is done."""
        if self._pipe is None or self._lines is None:
            raise InfrastructureFault("infrastructure.probe_missing", command=name)
        budget = seconds or COMMAND_SECONDS.get(name, DEFAULT_COMMAND_SECONDS)
        deadline = time.monotonic() + budget
        self._pipe.send(json.dumps({"command": name, **fields}).encode() + b"\n")
        results: list[CheckEvidence] = []
        while True:
            line = self._lines.read(deadline)
            if line is None:
                detail = self._lines.complaints[-1500:]
                raise InfrastructureFault("infrastructure.probe_died", command=name, detail=detail)
            try:
                event = json.loads(line)
                kind = event["event"]
                if kind == "result":
                    results.append(CheckEvidence.model_validate(event["result"]))
            except (ValueError, KeyError, TypeError) as error:
                raise InfrastructureFault("infrastructure.probe_event", command=name, detail=line[:300]) from error
            if kind == "progress":
                self._listen(str(event.get("phase", name)), f"{event.get('done', 0)}/{event.get('total', 0)}")
            elif kind == "failed":
                raise _probe_failure(event, name)
            elif kind == "done":
                return Examination(
                    results=tuple(results),
                    data=dict(event.get("data") or {}),
                    seconds=float(event.get("seconds", 0)),
                    cpu_seconds=float(event.get("cpu_seconds", 0)),
                )

    def examine(self, command: str, only: frozenset[str] | None = None) -> Examination:
        """Let the probe run one family of checks against the app."""
        if self._app is None:
            raise InfrastructureFault("infrastructure.no_app")
        examined = self._command(command, only=sorted(only) if only is not None else None)
        self._broken = examined.data.get("code") in BROKEN_CODES
        return examined

    def ask(self, method: str, path: str) -> dict[str, Any]:
        """One request through the guard, as a client on the front network would see it."""
        data = self._command("request", method=method, path=path).data
        self._broken = data.get("code") in BROKEN_CODES
        return data

    # -- the app ------------------------------------------------------------------------------------------------------

    def start_app(self, image: AppImage) -> None:
        """Start a fresh app on the world's data and wait until it is healthy."""
        if self._closed:
            raise InfrastructureFault("infrastructure.no_app")
        if self._app is not None:
            self._remove_app()
        if not self._fresh:
            self._command("seed")
        self._fresh = self._broken = False
        limits = self._pack.exercise.limits
        shape = golden.app_shape(
            uid=golden.APP_UID_BASE + self._slot.number,
            start=image.start,
            environment={
                "PORT": str(golden.APP_PORT),
                "TZ": "Asia/Bangkok",
                "HOME": "/tmp",  # noqa: S108 - inside the container
                **self._environment,
            },
            memory=limits.memory_mb,
            cpus=limits.cpus,
        )
        with engine_call("start the app"):
            self._app = self._create(shape, image.ident, networks.APP_HOST, ("front", "agency"), self._hosts("agency"))
            self._containers[f"app-{next(self._numbers)}"] = self._app
            self._client.start(self._app)
        self._wait_healthy(image, limits.start_seconds)

    def _wait_healthy(self, image: AppImage, seconds: float) -> None:
        """Readiness is a real answer; an app that ended is not waited for."""
        deadline = time.monotonic() + seconds
        last: dict[str, Any] = {}
        while time.monotonic() < deadline:
            timeout = min(READY_SLICE_SECONDS, max(0.2, deadline - time.monotonic()))
            last = self._command("ready", seconds=timeout + 30, timeout=timeout).data
            if last.get("ready"):
                return
            if not self.app_alive():
                raise self._explain_exit(image)
        log = tuple(line.text for line in self._log()[-60:])
        answer = str(last.get("last", ""))
        if last.get("code") == "start.unhealthy" and answer != "app.no_answer":
            raise StartFailed("start.unhealthy", log=log, status=answer, seconds=int(seconds))
        raise StartFailed("start.not_ready", log=log, seconds=int(seconds), port=golden.APP_PORT)

    def _explain_exit(self, image: AppImage) -> StartFailed:
        state = self._state()
        log = tuple(line.text for line in self._log()[-60:])
        if state.get("OOMKilled"):
            return StartFailed("start.out_of_memory", log=log, limit_mb=self._pack.exercise.limits.memory_mb)
        for fault in self._diagnose(image):
            return StartFailed(
                "start.syntax_error",
                log=log,
                file=str(fault["file"]),
                line=int(fault["line"]),
                message=str(fault["message"]),
            )
        return StartFailed("start.exited", log=log, exit_code=int(state.get("ExitCode", -1)))

    def _diagnose(self, image: AppImage) -> list[dict[str, Any]]:
        """Compile the source in a container of its own, to name the file and line that cannot be read."""
        uid = golden.APP_UID_BASE + self._slot.number
        config = golden.container_config(
            golden.diagnose_shape(user=f"{uid}:{uid}"),
            image=image.ident,
            network="none",
            address=None,
            hosts={},
            labels=self._labels,
        )
        with engine_call("diagnose the app"):
            container = str(self._client.create_container_from_config(config)["Id"])
            self._client.start(container)
            self._client.wait(container, timeout=DEFAULT_COMMAND_SECONDS)
            said = self._client.logs(container, stdout=True, stderr=False, tail=5)
            self._client.remove_container(container, force=True, v=True)
        try:
            return list(json.loads(said))
        except ValueError:
            return []

    def _state(self) -> dict[str, Any]:
        if self._app is None:
            raise InfrastructureFault("infrastructure.no_app")
        with engine_call("inspect the app"):
            return dict(self._client.inspect_container(self._app)["State"])

    def app_alive(self) -> bool:
        """Whether the app's process is still running.

        An app that broke its last connection may have ended with it; the engine is given a moment to notice.
        """
        deadline = time.monotonic() + (NOTICE_SECONDS if self._broken else 0.0)
        while running := bool(self._state().get("Running")):
            if time.monotonic() >= deadline:
                break
            time.sleep(0.1)
        return running

    def stop_app(self) -> AppExit:
        """SIGTERM, ten seconds, SIGKILL; judged by how the process ended and not by a stopwatch alone."""
        if self._app is None:
            raise InfrastructureFault("infrastructure.no_app")
        died = not self.app_alive()
        if not died:
            self._note_cpu()
        started = time.monotonic()
        if not died:
            with engine_call("stop the app"):
                self._client.stop(self._app, timeout=golden.STOP_SECONDS)
        seconds = time.monotonic() - started
        state = self._state()
        code = int(state.get("ExitCode", -1))
        killed = not died and code == 137 and seconds >= golden.STOP_SECONDS  # noqa: PLR2004 - 128 + SIGKILL
        log = self._log()
        oom = bool(state.get("OOMKilled"))
        self._remove_app()
        return AppExit(exit_code=code, seconds=seconds, killed=killed, died=died, out_of_memory=oom, log=log)

    def _log(self) -> tuple[LogLine, ...]:
        """What the app printed; bounded by the engine's log limits and by LOG_LINES."""
        with engine_call("read the app's log"):
            raw = self._client.logs(self._app, timestamps=True, tail=LOG_LINES)
        return tuple(_log_line(line) for line in raw.decode("utf-8", "backslashreplace").splitlines())

    def _remove_app(self) -> None:
        if self._app is None:
            return
        name = next(name for name, ident in self._containers.items() if ident == self._app)
        if self.app_alive():
            self._note_cpu()
        with engine_call("remove the app"):
            self._client.remove_container(self._app, force=True, v=True)
        del self._containers[name]
        self._app = None

    # -- cost ---------------------------------------------------------------------------------------------------------

    def _note_cpu(self) -> None:
        """Count the running app's CPU time while it can be read: a stopped container has no statistics."""
        assert self._app is not None
        self._spent["app"] = self._spent.get("app", 0.0) + self._cpu(self._app)

    def _cpu(self, container: str) -> float:
        with engine_call("read CPU time"):
            stats = self._client.stats(container, stream=False, one_shot=True)
        return int(stats.get("cpu_stats", {}).get("cpu_usage", {}).get("total_usage", 0)) / 1e9

    def cpu_seconds(self) -> dict[str, float]:
        """CPU seconds used so far, by container; all apps of the grading together are ``app``."""
        used = dict(self._spent)
        for name, container in self._containers.items():
            key = "app" if name.startswith("app-") else name
            used[key] = used.get(key, 0.0) + self._cpu(container)
        return used


def _probe_failure(event: Mapping[str, Any], command: str) -> Exception:
    params = dict(event.get("params") or {})
    code = str(event.get("code", "infrastructure.probe"))
    if event.get("kind") == "pack":
        return PackInvalid(
            code,
            file=str(params.get("file", "")),
            problem=str(params.get("problem", code)),
            fix=str(params.get("fix", "")),
            where=str(params.get("where", "")),
        )
    return InfrastructureFault(code, command=command, detail=json.dumps(params, ensure_ascii=False)[:1500])


def _log_line(raw: str) -> LogLine:
    """Split the engine's timestamp (nanoseconds, UTC) from what the app printed."""
    stamp, _, text = raw.partition(" ")
    try:
        at = datetime.fromisoformat(stamp[:26].rstrip("Z")).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return LogLine(at=0.0, text=raw)
    return LogLine(at=at, text=text)
