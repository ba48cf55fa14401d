"""What the portal needs beside the settings of the whole installation; read once, by the program that starts it."""

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from grader.errors import UsageProblem
from grader.settings import Settings, read_settings

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

SecondFactor: TypeAlias = Literal["required", "optional"]

DEFAULT_ORIGIN: Final = "http://127.0.0.1:8000"
CONFIRM_MINUTES: Final = 15
MOST_MINUTES: Final = 720
"""A session does not last longer."""
MOST_COUNTED: Final = 100_000
LEAST_SECRET: Final = 16
"""Characters of a client's secret; providers make 32 and more, and only people make shorter ones."""


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
class Limits:
    """How often one person may do what costs much, in an hour; and how much work may wait in all."""

    submissions: int = 20
    """GRADER_LIMIT_SUBMISSIONS: tries to hand work in, also those that were refused for what is in the file."""
    downloads: int = 120
    """GRADER_LIMIT_DOWNLOADS: files to take away, certificates and result sheets among them."""
    exports: int = 60
    """GRADER_LIMIT_EXPORTS: lists of people, results and reports."""
    regrades: int = 20
    """GRADER_LIMIT_REGRADES: regrades begun, of any number of submissions."""
    queue: int = 500
    """GRADER_QUEUE_LIMIT: submissions of everybody that may wait or be graded; the next one is refused."""


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
    second_factor: SecondFactor
    """GRADER_SECOND_FACTOR: whether who can change results or the figure needs more than a password."""
    confirm_minutes: int
    """GRADER_CONFIRM_MINUTES: how long ago somebody may have proved who they are before something that is final."""
    limits: Limits = Limits()

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
        second_factor=_second_factor(),
        confirm_minutes=_confirm_minutes(),
        limits=_limits(),
    )


def _networks(value: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(one.strip()) for one in value.split(",") if one.strip())
    except ValueError as problem:
        raise UsageProblem("usage.bad_setting", setting="GRADER_TRUSTED_PROXIES", value=value) from problem


def _over_tls(address: str) -> bool:
    """Whether nobody on the way can read or change what goes there: TLS, or this machine."""
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"})


def _second_factor() -> SecondFactor:
    value = os.environ.get("GRADER_SECOND_FACTOR") or "required"
    for one in get_args(SecondFactor):
        if value == one:
            return one  # type: ignore[no-any-return]
    raise UsageProblem("usage.bad_setting", setting="GRADER_SECOND_FACTOR", value=value)


def _confirm_minutes() -> int:
    value = os.environ.get("GRADER_CONFIRM_MINUTES") or str(CONFIRM_MINUTES)
    if not (value.isascii() and value.isdecimal() and 1 <= int(value) <= MOST_MINUTES):
        raise UsageProblem("usage.bad_setting", setting="GRADER_CONFIRM_MINUTES", value=value)
    return int(value)


def _limits() -> Limits:
    return Limits(
        submissions=_count("GRADER_LIMIT_SUBMISSIONS", os.environ.get("GRADER_LIMIT_SUBMISSIONS"), Limits.submissions),
        downloads=_count("GRADER_LIMIT_DOWNLOADS", os.environ.get("GRADER_LIMIT_DOWNLOADS"), Limits.downloads),
        exports=_count("GRADER_LIMIT_EXPORTS", os.environ.get("GRADER_LIMIT_EXPORTS"), Limits.exports),
        regrades=_count("GRADER_LIMIT_REGRADES", os.environ.get("GRADER_LIMIT_REGRADES"), Limits.regrades),
        queue=_count("GRADER_QUEUE_LIMIT", os.environ.get("GRADER_QUEUE_LIMIT"), Limits.queue),
    )


def _count(setting: str, value: str | None, usual: int) -> int:
    """A number of things; there is no way to switch a limit off, only a large one."""
    if not value:
        return usual
    if not (value.isascii() and value.isdecimal() and 1 <= int(value) <= MOST_COUNTED):
        raise UsageProblem("usage.bad_setting", setting=setting, value=value)
    return int(value)


def _oidc() -> OidcSettings | None:
    issuer = os.environ.get("GRADER_OIDC_ISSUER", "")
    if not issuer:
        return None
    if not _over_tls(issuer):
        raise UsageProblem("usage.bad_setting", setting="GRADER_OIDC_ISSUER", value=issuer)
    client = os.environ.get("GRADER_OIDC_CLIENT_ID", "")
    if not client:
        raise UsageProblem("usage.bad_setting", setting="GRADER_OIDC_CLIENT_ID", value=client)
    file = os.environ.get("GRADER_OIDC_CLIENT_SECRET_FILE", "")
    try:
        secret = Path(file).read_text(encoding="utf-8").strip()
    except OSError as problem:
        raise UsageProblem("usage.bad_setting", setting="GRADER_OIDC_CLIENT_SECRET_FILE", value=file) from problem
    if len(secret) < LEAST_SECRET:  # missing, or made up: the provider's own would be longer
        raise UsageProblem("usage.bad_setting", setting="GRADER_OIDC_CLIENT_SECRET_FILE", value=file)
    return OidcSettings(
        issuer=issuer.rstrip("/"),
        client_id=client,
        client_secret=secret,
        label=os.environ.get("GRADER_OIDC_LABEL", "") or "SSO",
    )
