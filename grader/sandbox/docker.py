"""The driver for a Docker engine."""

import io
import secrets
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from grader.errors import InfrastructureFault
from grader.packs import Pack, Person
from grader.sandbox import labels, layers, reaper
from grader.sandbox.agency_set import Agencies, AgencySet, agencies_of, images_of
from grader.sandbox.app import App, cpu_seconds
from grader.sandbox.driver import AppExit, AppImage, Examination, Listener
from grader.sandbox.engine import GuardedClient, connect
from grader.sandbox.images import BuildSettings, ImageStore, build_image
from grader.sandbox.networks import Slot
from grader.sandbox.pool import WarmSets
from grader.submission import Workspace

BROKEN_CODES = frozenset({"app.no_answer", "response.protocol"})
"""How the guard tells an exchange that may have ended the app."""


class DockerDriver:
    """Grades in containers of the engine that ``connect`` finds. Close it: sets of agencies may be waiting."""

    def __init__(self, client: GuardedClient, store: ImageStore, *, ahead: bool = False) -> None:
        """``ahead`` keeps a set of agencies waiting for the next grading, for who grades many."""
        self._client = client
        self._store = store
        self._sets = WarmSets(self._make_set, ahead=ahead)

    @classmethod
    def on_this_machine(cls, sandboxes: Path, settings: BuildSettings, *, ahead: bool = False) -> "DockerDriver":
        """Connect, and remove what killed gradings left behind."""
        client = connect()
        reaper.reap(client)
        return cls(client, ImageStore(client, sandboxes, settings), ahead=ahead)

    def close(self) -> None:
        """Destroy the sets that wait."""
        self._sets.close()

    def require_images(self) -> None:
        """Find every image that a grading can need; EnvironmentProblem names the first one that is missing."""
        for name in self._store.names:
            if name != "base":  # the others stand on it, and nothing runs on it
                self._store.image_id(name)

    def images(self, pack: Pack) -> dict[str, str]:
        """The ids of the images that a sandbox for this exercise is made of, by name."""
        return {name: self._store.image_id(name) for name in images_of(agencies_of(pack))}

    def prepare(self, workspace: Workspace, run: str, listen: Listener) -> AppImage:
        """Install the dependencies and put the source on top of them."""
        runtime = self._store.runtime(workspace.runtime)
        layer = layers.provide_layer(
            self._client,
            self._store,
            workspace.runtime,
            workspace.dependencies,
            run=run,
            listen=lambda what: listen("build", what),
        )
        dockerfile = f"FROM {layer.ident}\n{labels.as_step(labels.of_run(run))}\nCOPY app/ /app/\n".encode()
        with tempfile.TemporaryFile(prefix="grader-app-") as context:
            _app_context(workspace.tar, dockerfile, context)
            ident = build_image(self._client, context, arguments={}, image_labels={}, name="app", network="none")
        return AppImage(
            ident=ident,
            start=workspace.start,
            layer=layer.key,
            packages=layer.packages,
            diagnose=tuple(runtime.diagnose),
            lazy=runtime.lazy,
            images={name: self._store.image_id(name) for name in layer.images},
        )

    def expect(self, pack: Pack) -> AbstractContextManager[None]:
        """Begin the agencies of an exercise for the sandbox that will be opened within this block."""
        return self._sets.expect(agencies_of(pack))

    @contextmanager
    def open(self, pack: Pack, seed: int, run: str, listen: Listener) -> Iterator["DockerSandbox"]:
        """Agencies and probe on the world of this seed; everything is removed afterwards, whatever happened."""
        needed = agencies_of(pack)
        agencies = self._sets.claim(needed)
        fresh = agencies is None
        if agencies is None:
            agencies = AgencySet(self._client, self._store, needed, run)
        try:
            if fresh:
                agencies.start()
            sandbox = DockerSandbox(
                self._client,
                agencies,
                pack,
                run=run,
                listen=listen,
                when_up=lambda: self._sets.refill(needed),
            )
            sandbox.load(seed)
            try:
                yield sandbox
            finally:
                sandbox.close()
        finally:
            reaper.remove_run(self._client, run)
            agencies.close()

    def _make_set(self, agencies: Agencies) -> AgencySet:
        return AgencySet(self._client, self._store, agencies, f"set-{secrets.token_hex(6)}")


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
    """One grading: a set of agencies loaded with its world, and the app beside them."""

    def __init__(
        self,
        client: GuardedClient,
        agencies: AgencySet,
        pack: Pack,
        *,
        run: str,
        listen: Listener,
        when_up: Callable[[], None],
    ) -> None:
        """``when_up`` is called after the first app is healthy: from then on another start disturbs nobody."""
        self._client, self._agencies, self._pack = client, agencies, pack
        self._run, self._listen, self._when_up = run, listen, when_up
        self._app: App | None = None
        self._people: tuple[Person, ...] = ()
        self._fresh = True
        self._environment: dict[str, str] = {}

    @property
    def people(self) -> Sequence[Person]:
        """The synthetic people of this world."""
        return self._people

    @property
    def slot(self) -> Slot:
        """The networks of this grading."""
        return self._agencies.slot

    def load(self, seed: int) -> None:
        """Fill the agencies with the world of this seed."""
        data = self._agencies.load(self._pack, seed)
        self._people = tuple(
            Person(cid=one["cid"], name=one["name"], identifiers=tuple(one.get("identifiers", ())))
            for one in data.get("people", [])
        )
        env = {str(key): str(value) for key, value in data.get("env", {}).items()}
        self._app = App(
            self._client,
            self._agencies,
            self._pack.exercise.limits,
            labels.of_run(self._run),
            {**env, **self._agencies.environment()},
        )

    def close(self) -> None:
        """Nothing works after this; the containers are removed by label."""
        self._app = None

    @property
    def _started(self) -> App:
        if self._app is None:
            raise InfrastructureFault("infrastructure.no_app")
        return self._app

    def start_app(self, image: AppImage) -> None:
        """Start a fresh app on the world's data and wait until it is healthy."""
        app = self._started
        app.remove()
        if not self._fresh:
            self._agencies.channel.command("seed")
        self._fresh = False
        app.start(image)
        self._when_up()
        self._when_up = _nothing

    def examine(self, command: str, only: frozenset[str] | None = None) -> Examination:
        """Let the probe run one family of checks against the app."""
        app = self._started
        assert app.running
        examined = self._agencies.channel.command(
            command, only=sorted(only) if only is not None else None, report=self._listen, serve=self._serve
        )
        app.broken = examined.data.get("code") in BROKEN_CODES
        return examined

    def ask(self, method: str, path: str) -> dict[str, Any]:
        """One request through the guard, as a client on the front network would see it."""
        data = self._agencies.channel.command("request", method=method, path=path).data
        self._started.broken = data.get("code") in BROKEN_CODES
        return data

    def app_alive(self) -> bool:
        """Whether the app's process is still running.

        An app that broke its last connection may have ended with it; the engine is given a moment to notice.
        """
        return self._started.alive()

    def stop_app(self) -> AppExit:
        """SIGTERM, ten seconds, SIGKILL."""
        return self._started.stop()

    def cpu_seconds(self) -> dict[str, float]:
        """CPU seconds used so far, by container; all apps of the grading together are ``app``."""
        used = {name: cpu_seconds(self._client, ident) for name, ident in self._agencies.containers.items()}
        return {"app": self._started.cpu_seconds(), **used}

    def _serve(self, what: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """What a scenario may ask of the host: another start of the app, and whether it lives."""
        if what == "restart":
            self._listen("scenarios", "restart")
            env = {str(key): str(value) for key, value in dict(fields.get("env") or {}).items()}
            return {"started": self._started.restart(env)}
        if what == "alive":
            return {"alive": self._started.alive()}
        raise InfrastructureFault("infrastructure.probe_event", command="scenarios", detail=f"asked {what}")


def _nothing() -> None:
    """The next set of agencies was begun already."""
