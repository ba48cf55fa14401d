"""Signing in through a real identity provider on this machine, and every token that it must not accept."""

import base64
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from joserfc import jwk, jwt

from grader.errors import UsageProblem
from grader.records import create_records
from grader.services.accounts import people
from portal.app import create_app
from portal.oidc import Journey, Provider, ProviderFault
from portal.settings import OidcSettings, read_portal_settings
from tests.fixtures.portal import ORIGIN, Browser, free_port, portal_settings

CLIENT = "grader"
READY_SECONDS = 20


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """An identity provider that listens on loopback."""
    port = free_port()
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "oidc_provider_mock",
        "--port",
        str(port),
        "--require-nonce",
        "true",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        address = f"http://127.0.0.1:{port}"
        for _ in range(READY_SECONDS * 10):
            try:
                requests.get(f"{address}/.well-known/openid-configuration", timeout=1).raise_for_status()
                break
            except requests.RequestException:
                time.sleep(0.1)
        else:
            pytest.fail("the identity provider does not answer")
        yield address
        process.terminate()


@pytest.fixture
def portal(issuer: str, tmp_path: Path) -> Iterator[Any]:
    """A portal that trusts the provider, and its records."""
    records = create_records(tmp_path / "data")
    settings = replace(
        portal_settings(tmp_path / "data"),
        oidc=OidcSettings(issuer=issuer, client_id=CLIENT, client_secret="secret", label="กรมสาธิต"),
    )
    app = create_app(records, settings)
    yield app, records
    records.close()


def at_the_provider(address: str, subject: str) -> str:
    """What a user does there; gives the address that the browser is sent back to."""
    answer = requests.post(address, data={"sub": subject}, allow_redirects=False, timeout=10)
    assert answer.status_code in {302, 303}, answer.text
    return str(answer.headers["location"])


def cookie_of(answer: Any, name: str) -> str:
    """The value of a cookie that an answer sets."""
    found = re.search(rf"{name}=([^;]*)", answer.headers["set-cookie"])
    assert found, answer.headers
    return found[1]


def come_back(app: Any, location: str, journey: str) -> Any:
    """The browser returns with what it kept."""
    browser = Browser(app)
    browser.headers["Cookie"] = f"__Host-journey={journey}"
    browser.headers["Sec-Fetch-Site"] = "cross-site"
    parts = urlsplit(location)
    return browser.get(f"{parts.path}?{parts.query}")


def test_somebody_new_arrives_without_a_role_and_is_known_the_next_time(portal: Any) -> None:
    """The whole way, over real HTTP to the provider; the account is found by issuer and subject alone."""
    app, records = portal
    for turn in range(2):
        begun = Browser(app).get("/sign-in/oidc?next=/help")
        assert begun.status_code == 303
        query = parse_qs(urlsplit(begun.headers["location"]).query)
        assert query["code_challenge_method"] == ["S256"]
        back = at_the_provider(begun.headers["location"], "somchai")
        assert back.startswith(f"{ORIGIN}/sign-in/oidc/callback")
        arrived = come_back(app, back, cookie_of(begun, "__Host-journey"))
        assert (arrived.status_code, arrived.headers["location"]) == (303, "/help"), arrived.text
        signed = Browser(app, cookie_of(arrived, "__Host-sid"))
        assert signed.get("/").status_code == 200
        with records.reading() as session:
            accounts = people.accounts(session)
            assert [people.roles_of(session, one.id) for one in accounts] == [()], turn


def test_nobody_comes_back_from_a_journey_of_another(portal: Any) -> None:
    """Another browser's code, no kept journey, another state, and a code that was used."""
    app, _ = portal
    begun = Browser(app).get("/sign-in/oidc")
    back = at_the_provider(begun.headers["location"], "somchai")
    mine = cookie_of(begun, "__Host-journey")
    theirs = cookie_of(Browser(app).get("/sign-in/oidc"), "__Host-journey")
    assert come_back(app, back, theirs).status_code == 422
    assert come_back(app, back, "").status_code == 422
    assert come_back(app, back, "bm8ganNvbg==").status_code == 422
    assert come_back(app, re.sub("state=[^&]*", "state=x", back), mine).status_code == 422
    assert come_back(app, back, mine).status_code == 303
    assert come_back(app, back, mine).status_code == 422


def test_without_a_provider_there_is_no_such_page(world: Any) -> None:
    """The addresses exist only where the settings name one."""
    stranger = world.browser("stranger")
    assert stranger.get("/sign-in/oidc").status_code == 404
    assert "oidc" not in stranger.get("/sign-in").text


def test_a_provider_that_is_away_is_said_so() -> None:
    """The password still works; nothing hangs."""
    settings = OidcSettings(issuer=f"http://127.0.0.1:{free_port()}", client_id=CLIENT, client_secret="s", label="x")
    with pytest.raises(ProviderFault, match=r"account\.sso_unreachable"):
        Provider(settings, "http://x/callback").begin("/")


class _Elsewhere(BaseHTTPRequestHandler):
    """A provider whose token endpoint sends whoever asks somewhere else; ``seen`` has what came where."""

    seen: list[str]

    def do_GET(self) -> None:
        """What it says of itself, and its keys."""
        self.seen.append(self.path)
        base = f"http://127.0.0.1:{self.server.server_address[1]}"
        known = {"issuer": base, "authorization_endpoint": f"{base}/a", "token_endpoint": f"{base}/t", "keys": []}
        self._answer(200, json.dumps(known | {"jwks_uri": f"{base}/k"}).encode())

    def do_POST(self) -> None:
        """Somewhere else, with everything that was sent."""
        self.seen.append(self.path)
        self._answer(307 if self.path == "/t" else 200, b"{}")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_given: object) -> None:  # type: ignore[override]
        """Nothing."""


def test_a_provider_that_says_it_is_another_is_refused() -> None:
    """Its own word for who it is must be the address of the settings, to the letter."""
    seen: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Elsewhere", (_Elsewhere,), {"seen": seen})) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        issuer = f"http://localhost:{server.server_address[1]}"
        with pytest.raises(ProviderFault, match=r"account\.sso_refused"):
            Provider(replace(SETTINGS, issuer=issuer), "http://x/callback").begin("/")
        server.shutdown()
    assert seen == ["/.well-known/openid-configuration"]


def test_the_secret_follows_no_redirect() -> None:
    """What proves us to the provider goes to the address that it published, whoever answers there."""
    seen: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Elsewhere", (_Elsewhere,), {"seen": seen})) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        issuer = f"http://127.0.0.1:{server.server_address[1]}"
        provider = Provider(replace(SETTINGS, issuer=issuer), "http://x/callback")
        _, journey = provider.begin("/")
        with pytest.raises(ProviderFault, match=r"account\.sso_refused"):
            provider.finish(journey, code="c", state=journey.state)
        server.shutdown()
    assert "/t" in seen
    assert "/elsewhere" not in seen


@pytest.mark.parametrize(
    ("issuer", "taken"),
    [("https://id.example", True), ("http://127.0.0.1:9", True), ("http://id.example", False), ("ftp://x", False)],
)
def test_the_provider_is_asked_over_tls(
    issuer: str,
    taken: bool,  # noqa: FBT001 - a parameter
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A setting that would send the secret in the open is refused; this machine needs no TLS to itself."""
    file = tmp_path / "secret"
    file.write_text("a-secret-as-providers-make-them", encoding="utf-8")
    for name, value in (("ISSUER", issuer), ("CLIENT_ID", "c"), ("CLIENT_SECRET_FILE", str(file))):
        monkeypatch.setenv(f"GRADER_OIDC_{name}", value)
    if taken:
        assert read_portal_settings().oidc is not None
        return
    with pytest.raises(UsageProblem, match="bad_setting") as caught:
        read_portal_settings()
    assert caught.value.params["setting"] == "GRADER_OIDC_ISSUER"


KEY = jwk.RSAKey.generate_key(2048, {"kid": "1", "use": "sig"}, private=True)
OTHER = jwk.RSAKey.generate_key(2048, {"kid": "1", "use": "sig"}, private=True)
ISSUER = "https://id.example"
SETTINGS = OidcSettings(issuer=ISSUER, client_id=CLIENT, client_secret="a-secret-of-32-bytes-at-the-least", label="x")
JOURNEY = Journey(state="s", nonce="n", verifier="v", next="/")


def claims(**changed: Any) -> dict[str, Any]:
    """The claims of a good token with some of them changed; None removes one."""
    now = int(time.time())
    good = {"iss": ISSUER, "aud": CLIENT, "sub": "7", "nonce": "n", "iat": now, "exp": now + 300, "name": "สมชาย"}
    return {name: value for name, value in (good | changed).items() if value is not None}


def signed(content: dict[str, Any], key: jwk.RSAKey = KEY, **header: Any) -> str:
    """A token."""
    return jwt.encode({"alg": "RS256", "kid": "1", **header}, content, key)


def unsigned(content: dict[str, Any]) -> str:
    """A token that says it needs no signature."""
    parts = ({"alg": "none"}, content)
    packed = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in parts]
    return ".".join((*packed, ""))


def confused(content: dict[str, Any]) -> str:
    """A token signed with what everybody knows or the client knows, as if it were the provider's."""
    return jwt.encode({"alg": "HS256", "kid": "1"}, content, jwk.OctKey.import_key(SETTINGS.client_secret))


TAMPERED: dict[str, Callable[[], str]] = {
    "signed by another key": lambda: signed(claims(), OTHER),
    "not signed": lambda: unsigned(claims()),
    "signed with the client's secret": lambda: confused(claims()),
    "of another issuer": lambda: signed(claims(iss="https://evil.example")),
    "of no issuer": lambda: signed(claims(iss=None)),
    "for another client": lambda: signed(claims(aud="another")),
    "for nobody": lambda: signed(claims(aud=None)),
    "authorised for another party": lambda: signed(claims(azp="another")),
    "too old": lambda: signed(claims(exp=int(time.time()) - 3600)),
    "without an end": lambda: signed(claims(exp=None)),
    "from the future": lambda: signed(claims(iat=int(time.time()) + 7200)),
    "of another journey": lambda: signed(claims(nonce="other")),
    "of no journey": lambda: signed(claims(nonce=None)),
    "about nobody": lambda: signed(claims(sub=None)),
    "about an empty name": lambda: signed(claims(sub="")),
    "changed afterwards": lambda: signed(claims())[:-6] + "AAAAAA",
    "no token": lambda: "",
}


@pytest.mark.parametrize("case", TAMPERED)
def test_a_token_that_is_not_right_is_refused(case: str) -> None:
    """Each of them, and only for its own reason: the good one is taken."""
    keys = jwk.KeySet.import_key_set({"keys": [KEY.as_dict(private=False)]})
    provider = Provider(SETTINGS, "http://x/callback")
    assert provider._proved(signed(claims()), keys, JOURNEY).subject == "7"
    with pytest.raises(ProviderFault, match=r"account\.sso_refused"):
        provider._proved(TAMPERED[case](), keys, JOURNEY)
