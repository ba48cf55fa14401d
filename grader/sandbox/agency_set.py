"""The agencies of one grading with their probe and networks: everything that is there before an app is.

A set is used once and then destroyed. It knows no exercise but the names and engines of its agencies, so it can be
started before anybody needs it; the exercise and the world of an attempt come over the probe's pipe when it is claimed.
"""

import base64
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeAlias

from grader.packs import Pack, pack_tar
from grader.sandbox import golden, labels, networks, reaper
from grader.sandbox.channel import ProbeChannel
from grader.sandbox.engine import GuardedClient, engine_call
from grader.sandbox.images import ImageStore

Agencies: TypeAlias = Mapping[str, str]
"""Agency name -> engine."""

PROBE_IMAGE = "probe"
NETWORKS = ("front", "agency", "verify")
CONTROL_PORT = 9000
ADDRESSES: Mapping[str, str] = {
    "postgres": "postgresql://{account}:{password}@{name}:5432/agency",
    "mariadb": "mysql://{account}:{password}@{name}:3306/agency",
    "http": "http://{name}:8080",
}
"""Engine -> how an account reaches an agency of it."""


def agencies_of(pack: Pack) -> dict[str, str]:
    """The agencies that an exercise needs."""
    return {name: spec.engine for name, spec in sorted(pack.exercise.agencies.items())}


def images_of(agencies: Agencies) -> tuple[str, ...]:
    """The names of the images that a set of these agencies is made of, each once."""
    return (PROBE_IMAGE, *dict.fromkeys(_image_of(engine) for engine in agencies.values()))


def _image_of(engine: str) -> str:
    return f"agency-{engine}"


@dataclass(frozen=True, kw_only=True)
class _Secrets:
    """One agency's passwords: the grader's own, which is also its control token, and the app's."""

    grader: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    app: str = field(default_factory=lambda: secrets.token_urlsafe(18))


class AgencySet:
    """Networks, agencies and a probe that wait for one grading. ``run`` labels everything in it."""

    def __init__(self, client: GuardedClient, store: ImageStore, agencies: Agencies, run: str) -> None:
        self.agencies, self.run = dict(sorted(agencies.items())), run
        self.containers: dict[str, str] = {}
        self.channel = ProbeChannel()
        self.slot: networks.Slot
        self._client, self._store = client, store
        self._labels = labels.of_run(run)
        self._secrets = {name: _Secrets() for name in self.agencies}
        self._since = monotonic()

    @property
    def age(self) -> float:
        """Seconds since the set was begun."""
        return monotonic() - self._since

    def start(self) -> None:
        """Bring up networks, agencies and probe; the agencies' servers may still be starting afterwards."""
        with engine_call("create networks"):
            self.slot = networks.create_slot(self._client, self.run, NETWORKS, self._labels)
        with ThreadPoolExecutor(max_workers=2) as pool:
            begun = [pool.submit(self._start_agency, name) for name in self.agencies]
            begun.append(pool.submit(self._start_probe))
            for started in begun:
                started.result()

    def alive(self) -> bool:
        """Whether all of its containers still run; a set whose agency died is replaced, never repaired."""
        with engine_call("inspect a waiting set"):
            states = [self._client.inspect_container(ident)["State"] for ident in self.containers.values()]
        return bool(states) and all(state.get("Running") for state in states)

    def load(self, pack: Pack, seed: int) -> dict[str, Any]:
        """Give the probe the exercise, let it build the world of this seed and fill the agencies with it."""
        access = {}
        for name, engine in self.agencies.items():
            secret = self._secrets[name]
            access[name] = {
                "engine": engine,
                "dsn": ADDRESSES[engine].format(account="grader", password=secret.grader, name=name),
                "app_role": "app",
                "control": f"http://{name}:{CONTROL_PORT}",
                "token": secret.grader,
                "app_token": secret.app,
            }
        data = self.channel.command(
            "load",
            pack=base64.b64encode(pack_tar(pack)).decode(),
            seed=seed,
            agencies=access,
            app=f"http://app:{golden.APP_PORT}",
        ).data
        self.channel.command("seed")
        return data

    def environment(self) -> dict[str, str]:
        """How the app reaches its agencies: ``AGENCY_<NAME>_URL``, and ``AGENCY_<NAME>_TOKEN`` of a REST agency."""
        found = {}
        for name, engine in self.agencies.items():
            address = ADDRESSES[engine].format(account="app", password=self._secrets[name].app, name=name)
            found[f"AGENCY_{name.upper()}_URL"] = address
            if engine == "http":
                found[f"AGENCY_{name.upper()}_TOKEN"] = self._secrets[name].app
        return found

    def create(
        self,
        shape: golden.Shape,
        image: str,
        *,
        host: int,
        pair: tuple[str, str],
        seen: str,
        marks: Mapping[str, str] | None = None,
    ) -> str:
        """Create a container on two of the set's networks; it knows by name what is on the network ``seen``."""
        first, second = (self.slot[name] for name in pair)
        config = golden.container_config(
            shape,
            image=image,
            network=first.ident,
            address=first.address(host),
            hosts=self._hosts(seen),
            labels=marks or self._labels,
        )
        container = str(self._client.create_container_from_config(config)["Id"])
        self._client.connect_container_to_network(container, second.ident, ipv4_address=second.address(host))
        return container

    def close(self) -> None:
        """Let go of the probe and remove everything of the set."""
        self.channel.close()
        reaper.remove_run(self._client, self.run)

    def _hosts(self, network: str) -> dict[str, str]:
        if not network:
            return {}
        found = {name: self.slot[network].address(self._host(name)) for name in self.agencies}
        if network == "verify":
            found["app"] = self.slot["front"].address(networks.APP_HOST)
        return found

    def _host(self, name: str) -> int:
        return networks.FIRST_AGENCY_HOST + list(self.agencies).index(name)

    def _start_agency(self, name: str) -> None:
        image, secret, host = _image_of(self.agencies[name]), self._secrets[name], self._host(name)
        environment = {
            "GRADER_PASSWORD": secret.grader,
            "APP_PASSWORD": secret.app,
            "VERIFY_SUBNET": str(self.slot["verify"].subnet),
            "AGENCY_SUBNET": str(self.slot["agency"].subnet),
            "VERIFY_ADDRESS": self.slot["verify"].address(host),
            "AGENCY_ADDRESS": self.slot["agency"].address(host),
        }
        shape = golden.agency_shape(user=self._store.user(image), environment=environment)
        with engine_call(f"start agency {name}"):
            container = self.create(shape, self._store.image_id(image), host=host, pair=("verify", "agency"), seen="")
            self.containers[name] = container
            self._client.start(container)

    def _start_probe(self) -> None:
        shape = golden.probe_shape(user=self._store.user("probe"))
        with engine_call("start the probe"):
            image = self._store.image_id(PROBE_IMAGE)
            probe = self.create(shape, image, host=networks.PROBE_HOST, pair=("front", "verify"), seen="verify")
            self.containers["probe"] = probe
            self.channel.attach(self._client, probe)
            self._client.start(probe)
