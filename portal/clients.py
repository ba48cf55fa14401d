"""Which network a request comes from, for limits: forwarding headers count only when a proxy of ours sent them."""

import ipaddress
from typing import Final

from portal.visit import Visit


def client_of(visit: Visit) -> str:
    """The client's address, or "" where the server does not know it."""
    request = visit.request
    peer = request.client.host if request.client else ""
    trusted = visit.settings.trusted_proxies
    if not _within(peer, trusted):
        return peer
    # The nearest address that no proxy of ours has: whoever stands further left is only hearsay.
    for hop in reversed(request.headers.get("x-forwarded-for", "").split(",")):
        if not _within(hop.strip(), trusted):
            return hop.strip() if _address(hop.strip()) else peer
    return peer


FORWARDED: Final = ("x-forwarded-for", "x-real-ip", "forwarded", "via")


def asked_directly(visit: Visit) -> bool:
    """Whether the request comes from this machine or a network of ours and no proxy passed it on.

    The peer alone would not do: a proxy on this machine makes every visitor look like one of us.
    """
    request = visit.request
    peer = _address(request.client.host if request.client else "")
    ours = peer is not None and (peer.is_loopback or _within(str(peer), visit.settings.trusted_proxies))
    return ours and not any(name in request.headers for name in FORWARDED)


def _within(address: str, networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]) -> bool:
    found = _address(address)
    return found is not None and any(found in network for network in networks)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
