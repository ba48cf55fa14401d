"""What the portal needs beside the settings of the whole installation; read once, by the program that starts it."""

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from grader.errors import UsageProblem
from grader.settings import Settings, read_settings

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

DEFAULT_ORIGIN: Final = "http://127.0.0.1:8000"


@dataclass(frozen=True, kw_only=True)
class OidcSettings:
    """One identity provider that people may sign in with; its secret is read from a file, not from the environment."""

    issuer: str
    """GRADER_OIDC_ISSUER: the provider's address; no single sign-on without it."""
    client_id: str
    """GRADER_OIDC_CLIENT_ID: how the provider knows this portal."""
    client_secret: str
    """GRADER_OIDC_CLIENT_SECRET_FILE: the file that holds the secret."""
    label: str
    """GRADER_OIDC_LABEL: what the button on the sign-in page calls the provider."""


@dataclass(frozen=True, kw_only=True)
class PortalSettings:
    """The settings of one portal process."""

    base: Settings
    origin: str
    """GRADER_PORTAL_ORIGIN: the address that browsers use, such as ``https://grader.example.go.th``."""
    contact: str
    """GRADER_CONTACT: whom users turn to; shown at the foot of every page."""
    trusted_proxies: tuple[Network, ...]
    """GRADER_TRUSTED_PROXIES: networks whose forwarding headers name the true client, separated by commas."""
    oidc: OidcSettings | None

    @property
    def secure(self) -> bool:
        """Whether browsers come over TLS."""
        return self.origin.startswith("https://")

    @property
    def host(self) -> str:
        """The name in the origin, without a port."""
        return urlsplit(self.origin).hostname or ""


def read_portal_settings() -> PortalSettings:
    """Read the environment.

    Raises:
        UsageProblem: ``usage.bad_setting`` names the variable that cannot be used.
    """
    origin = os.environ.get("GRADER_PORTAL_ORIGIN") or DEFAULT_ORIGIN
    parts = urlsplit(origin)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query:
        raise UsageProblem("usage.bad_setting", setting="GRADER_PORTAL_ORIGIN", value=origin)
    return PortalSettings(
        base=read_settings(),
        origin=f"{parts.scheme}://{parts.netloc}",
        contact=os.environ.get("GRADER_CONTACT", ""),
        trusted_proxies=_networks(os.environ.get("GRADER_TRUSTED_PROXIES", "")),
        oidc=_oidc(),
    )


def _networks(value: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(one.strip()) for one in value.split(",") if one.strip())
    except ValueError as problem:
        raise UsageProblem("usage.bad_setting", setting="GRADER_TRUSTED_PROXIES", value=value) from problem


def _oidc() -> OidcSettings | None:
    issuer = os.environ.get("GRADER_OIDC_ISSUER", "")
    if not issuer:
        return None
    client = os.environ.get("GRADER_OIDC_CLIENT_ID", "")
    if not client:
        raise UsageProblem("usage.bad_setting", setting="GRADER_OIDC_CLIENT_ID", value=client)
    file = os.environ.get("GRADER_OIDC_CLIENT_SECRET_FILE", "")
    try:
        secret = Path(file).read_text(encoding="utf-8").strip()
    except OSError as problem:
        raise UsageProblem("usage.bad_setting", setting="GRADER_OIDC_CLIENT_SECRET_FILE", value=file) from problem
    return OidcSettings(
        issuer=issuer.rstrip("/"),
        client_id=client,
        client_secret=secret,
        label=os.environ.get("GRADER_OIDC_LABEL", "") or "SSO",
    )
