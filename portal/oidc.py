"""Signing in through one identity provider (OpenID Connect): code flow with PKCE, state and nonce.

The provider's answers are checked by libraries: Authlib speaks to it, joserfc proves the token. This is the only place
where the portal fetches anything, and only from the provider that the settings name.
"""

import json
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwk, jwt
from joserfc.errors import JoseError
from requests import RequestException

from grader.errors import UsageProblem
from portal.settings import OidcSettings

SECONDS: Final = 10
"""The longest wait for the provider."""
METADATA_SECONDS: Final = 3600
LEEWAY: Final = 60
"""Seconds by which the clocks may differ."""
ALGORITHMS: Final = ["RS256", "PS256", "ES256", "EdDSA"]
"""Only signatures by a key of the provider's own; never "none", never our secret."""
SEVERAL: Final = frozenset({"mfa", "mca", "hwk", "swk", "sc", "pop"})
"""Methods that are more than one factor by themselves, or a key that is kept behind another."""
_MOST_BYTES: Final = 256 * 1024


class ProviderFault(UsageProblem):
    """The provider did not vouch for anybody. Codes ``account.sso_*``."""


@dataclass(frozen=True, kw_only=True)
class Journey:
    """What the browser keeps while its user is at the provider; without it nobody can come back in their name."""

    state: str
    nonce: str
    verifier: str
    next: str
    why: str = "sign-in"
    """``confirm``: somebody who is signed in proves themselves once more."""


@dataclass(frozen=True, kw_only=True)
class Vouched:
    """Whom the provider vouches for. ``subject`` is its own id of the person; ``name`` is only what it calls them.

    ``proved_at`` is when they proved themselves to it, ``methods`` by what (RFC 8176); None and empty: it does not say.
    ``level`` is its class of assurance, of which only "0" means the same everywhere: not to be relied on.
    """

    issuer: str
    subject: str
    name: str
    proved_at: datetime | None = None
    methods: frozenset[str] = frozenset()
    level: str = ""

    @property
    def one_factor(self) -> bool:
        """Whether the provider says itself that one factor was all; one that says nothing is believed to know."""
        return self.level == "0" or (bool(self.methods) and not self.methods & SEVERAL and len(self.methods) == 1)


class Provider:
    """The identity provider of the settings."""

    def __init__(self, settings: OidcSettings, redirect: str, ca_bundle: str | None = None) -> None:
        self._settings, self._redirect, self._verify = settings, redirect, ca_bundle or True
        self._metadata: tuple[float, dict[str, Any]] = (0.0, {})

    def begin(self, address: str, *, again: bool = False) -> tuple[str, Journey]:
        """Where to send the browser, and what it has to bring back; ``again``: the provider asks even whom it knows.

        Raises:
            ProviderFault: ``account.sso_unreachable``.
        """
        journey = Journey(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            next=address,
            why="confirm" if again else "sign-in",
        )
        anew = {"prompt": "login", "max_age": "0"} if again else {}
        try:
            url, _ = self._session().create_authorization_url(
                self._known()["authorization_endpoint"],
                state=journey.state,
                nonce=journey.nonce,
                code_verifier=journey.verifier,
                **anew,
            )
        except (RequestException, KeyError, ValueError) as problem:
            raise ProviderFault("account.sso_unreachable") from problem
        return str(url), journey

    def finish(self, journey: Journey, *, code: str, state: str) -> Vouched:
        """Whom the provider vouches for.

        Raises:
            ProviderFault: ``account.sso_refused``: state, code or token is not what this journey began with;
                ``account.sso_unreachable``.
        """
        if not code or not secrets.compare_digest(state.encode(), journey.state.encode()):
            raise ProviderFault("account.sso_refused")
        try:
            known = self._known()
            token = self._session().fetch_token(
                known["token_endpoint"],
                code=code,
                code_verifier=journey.verifier,
                timeout=SECONDS,
                allow_redirects=False,  # our secret goes to the address that the provider published, and no further
            )
            keys = jwk.KeySet.import_key_set(cast("jwk.KeySetSerialization", self._fetched(known["jwks_uri"])))
        except RequestException as problem:
            raise ProviderFault("account.sso_unreachable") from problem
        except Exception as problem:  # Authlib names a dozen, and each of them means the same to who signs in
            raise ProviderFault("account.sso_refused") from problem
        return self._proved(str(token.get("id_token") or ""), keys, journey)

    def _proved(self, token: str, keys: jwk.KeySet, journey: Journey) -> Vouched:
        rules = jwt.JWTClaimsRegistry(
            leeway=LEEWAY,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": self._settings.client_id},
            nonce={"essential": True, "value": journey.nonce},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )
        try:
            claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
            rules.validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as problem:
            raise ProviderFault("account.sso_refused") from problem
        party, subject = claims.get("azp", self._settings.client_id), claims["sub"]
        if party != self._settings.client_id or not isinstance(subject, str) or not subject:
            raise ProviderFault("account.sso_refused")
        name = claims.get("name") or claims.get("preferred_username") or "SSO"
        return Vouched(
            issuer=self._settings.issuer,
            subject=subject,
            name=str(name)[:255],
            proved_at=_moment(claims.get("auth_time")),
            methods=_methods(claims.get("amr")),
            level=str(claims.get("acr", "")),
        )

    def _known(self) -> dict[str, Any]:
        """What the provider says of itself; it has to be the one that the settings name."""
        at, known = self._metadata
        if not known or time.monotonic() - at > METADATA_SECONDS:
            known = self._fetched(f"{self._settings.issuer}/.well-known/openid-configuration")
            if str(known.get("issuer", "")).rstrip("/") != self._settings.issuer:
                raise ProviderFault("account.sso_refused")
            self._metadata = (time.monotonic(), known)
        return known

    def _fetched(self, address: str) -> dict[str, Any]:
        with self._session() as session:
            answer = session.request(
                "GET", address, withhold_token=True, timeout=SECONDS, allow_redirects=False, stream=True
            )
            answer.raise_for_status()
            content = answer.raw.read(_MOST_BYTES, decode_content=True)
        found = json.loads(content)
        if not isinstance(found, dict):
            raise ProviderFault("account.sso_refused")
        return found

    def _session(self) -> OAuth2Session:
        session = OAuth2Session(
            self._settings.client_id,
            self._settings.client_secret,
            scope="openid profile",
            redirect_uri=self._redirect,
            code_challenge_method="S256",
        )
        session.verify = self._verify
        return session


def _moment(value: object) -> datetime | None:
    """A moment of a token, which is a number of seconds; anything else says nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _methods(value: object) -> frozenset[str]:
    return frozenset(one for one in value if isinstance(one, str)) if isinstance(value, list) else frozenset()
