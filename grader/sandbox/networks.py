"""The networks of one grading: front (app + probe), agency (app + agencies), verify (probe + agencies), and build.

All are internal, without a gateway address on the host, with static addresses out of explicit small subnets. The host
therefore has no route to a container; nothing of ours ever connects from the host to a container's address.
"""

import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import docker

from grader.errors import EnvironmentProblem
from grader.sandbox.engine import GuardedClient, engine_call

POOL = ipaddress.ip_network("10.233.0.0/16")
"""Subnets of gradings are taken from here; a clash with another network is met by trying another place."""
SUBNET_BITS = 28
PER_SLOT = 4
SLOTS = 2 ** (SUBNET_BITS - POOL.prefixlen) // PER_SLOT
TRIES = 40
ISOLATED_GATEWAY_API = (1, 48)

APP_HOST = 2
PROBE_HOST = 3
FIRST_AGENCY_HOST = 4


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network that exists: its engine id and subnet."""

    ident: str
    subnet: ipaddress.IPv4Network

    def address(self, host: int) -> str:
        """The address of the n-th host."""
        return str(self.subnet[host])


@dataclass(frozen=True, kw_only=True)
class Slot:
    """The networks of one grading; ``number`` is unique among those that are alive on this engine."""

    number: int
    networks: Mapping[str, Network]

    def __getitem__(self, name: str) -> Network:
        """The network of that name."""
        return self.networks[name]


def create_slot(client: GuardedClient, run: str, names: tuple[str, ...], labels: Mapping[str, str]) -> Slot:
    """Create the named networks in a free place of the pool."""
    for _ in range(TRIES):
        number = secrets.randbelow(SLOTS)
        made: dict[str, Network] = {}
        try:
            for place, name in enumerate(names):
                made[name] = _create(client, f"grader-{run}-{name}", number * PER_SLOT + place, labels)
        except docker.errors.APIError as error:
            for network in made.values():
                client.remove_network(network.ident)
            if "overlap" in str(error).lower():
                continue  # somebody else's network is there
            with engine_call("create networks"):
                raise
        return Slot(number=number, networks=made)
    raise EnvironmentProblem("environment.subnet_exhausted", pool=str(POOL), tries=TRIES)


def _create(client: GuardedClient, name: str, place: int, labels: Mapping[str, str]) -> Network:
    subnet = list_subnet(place)
    version = tuple(int(part) for part in client.api_version.split("."))
    if version >= ISOLATED_GATEWAY_API:
        options = {f"com.docker.network.bridge.gateway_mode_ipv{v}": "isolated" for v in (4, 6)}
    else:
        # Older engines keep the bridge's address reachable from an internal network; without one there is no host.
        options = {"com.docker.network.bridge.inhibit_ipv4": "true"}
    pool = docker.types.IPAMPool(subnet=str(subnet))
    created = client.create_network(
        name,
        driver="bridge",
        internal=True,
        enable_ipv6=False,
        options=options,
        labels=dict(labels),
        ipam=docker.types.IPAMConfig(pool_configs=[pool]),
    )
    return Network(ident=str(created["Id"]), subnet=subnet)


def list_subnet(place: int) -> ipaddress.IPv4Network:
    """The n-th small subnet of the pool."""
    first = int(POOL.network_address) + place * 2 ** (32 - SUBNET_BITS)
    return ipaddress.IPv4Network((first, SUBNET_BITS))
