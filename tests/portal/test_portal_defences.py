"""Small promises that the table of requirements (docs/asvs.csv) rests on, each tried where it holds."""

import ast
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from grader.records import Appeal
from grader.services.accounts import links
from portal.app import create_app
from portal.clients import client_of
from portal.downloads import attachment
from portal.visit import Visit
from tests.fixtures.browser import served
from tests.fixtures.portal import PASSWORD, Browser, World

ROOT = Path(__file__).parents[2]
PAGES = ("/", "/sessions", "/tokens", "/password", "/my-data", "/help", "/privacy", "/certificates", "/nothing")


def trees(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    """Every module below these folders."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_bytes())


def imports(tree: ast.Module) -> set[str]:
    """The dotted names of all that a module imports, members included."""
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


# -- answers ----------------------------------------------------------------------------------------------------------


def test_over_tls_browsers_are_told_to_stay_there(world: World) -> None:
    """A year, with all below; not on plain loopback, where it would lock a developer out."""
    over_tls = Browser(create_app(world.records, replace(world.settings, origin="https://grader.example.go.th")))
    for address in ("/sign-in", "/nothing", "/api/v1/me", "/healthz"):
        told = over_tls.get(address, headers={"Host": "grader.example.go.th"}).headers
        age = re.fullmatch(r"max-age=(\d+); includeSubDomains", told["strict-transport-security"])
        assert age
        assert int(age[1]) >= 365 * 24 * 3600
    assert "strict-transport-security" not in world.browser("stranger").get("/sign-in").headers


def test_no_other_origin_may_read(world: World) -> None:
    """No answer allows another origin anything, asked nicely or with a preflight."""
    origin = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    for address in ("/", "/api/v1/me", "/sign-in", "/static/portal.css"):
        for method in ("GET", "OPTIONS"):
            answer = world.browser("owner")._send(method, address, headers=origin)
            assert [name for name in answer.headers if name.startswith("access-control")] == []


def test_no_page_is_framed(world: World) -> None:
    """Pages, refusals, files of ours and files to keep say so themselves."""
    owner = world.browser("owner")
    answers = [owner.get(address) for address in (*PAGES, "/static/portal.css", "/api/v1/me")]
    answers += [owner.get(f"/submissions/{world.work['owner.failed']}/download"), attachment(b"", "x")]
    assert all("frame-ancestors 'none'" in one.headers["content-security-policy"] for one in answers)


def test_answers_say_what_they_are(world: World) -> None:
    """A type on everything that has a body, and the encoding with every text."""
    owner = world.browser("owner")
    for address in (*PAGES, "/healthz", "/api/v1/me", "/static/portal.css", "/static/portal.js", "/metrics"):
        answer = owner.get(address)
        kind = answer.headers["content-type"]
        assert kind.startswith(("text/", "application/json", "application/problem+json")), (address, kind)
        assert not kind.startswith("text/") or "charset=utf-8" in kind, (address, kind)


def test_a_name_in_a_header_stays_a_name() -> None:
    """Quotes, line ends and other scripts change neither the header nor the name."""
    name = 'รายงาน "x"\r\nSet-Cookie: a=b;.zip'
    told = attachment(b"", name).headers["content-disposition"]
    assert "\r" not in told
    assert "\n" not in told
    assert told.count('"') == 2
    plain, encoded = told.split("; ")[1:]
    assert re.fullmatch(r'filename="[A-Za-z0-9._-]+"', plain)
    assert re.fullmatch(r"filename\*=UTF-8''[A-Za-z0-9._~%-]+", encoded)


def test_trace_is_not_answered(world: World) -> None:
    """Nothing that was sent comes back."""
    for headers in ({}, {"Origin": "https://evil.example"}):
        answer = world.browser("owner")._send("TRACE", "/", headers={"X-Canary": "canary-of-trace", **headers})
        assert answer.status_code in {403, 405}
        assert "canary-of-trace" not in answer.text


def test_folders_are_not_listed(world: World) -> None:
    """Nor is anything outside of them served."""
    for address in (
        "/static/",
        "/static/vendor/",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/.git/HEAD",
    ):
        assert world.browser("owner").get(address).status_code == 404, address


def test_only_the_description_of_the_api_is_public(world: World) -> None:
    """No page of a framework tells strangers how we are built, and nothing switches them or debugging on."""
    for address in ("/docs", "/redoc", "/openapi.json"):
        assert world.browser("admin").get(address).status_code == 404
    assert world.app.debug is False
    assert [name for name, tree in trees("portal") for one in ast.walk(tree) if _debugs(one)] == []
    assert world.browser("stranger").get("/api/openapi.json").status_code == 200, "meant for programs, see docs/api.md"


def _debugs(node: ast.AST) -> bool:
    return isinstance(node, ast.keyword) and node.arg in {"debug", "docs_url", "openapi_url"} and (
        not isinstance(node.value, ast.Constant) or bool(node.value.value)
    )  # fmt: skip


def test_a_request_has_one_length(world: World) -> None:
    """Two lengths that differ are refused, so that a proxy and we cannot take one request for two."""
    with served(world.app) as address:
        parts = urlsplit(address)
        for lengths in (b"Content-Length: 5\r\nContent-Length: 6", b"Content-Length: 5, 6", b"Content-Length: -1"):
            with socket.create_connection((parts.hostname, parts.port), timeout=10) as client:
                client.sendall(b"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\n" + lengths + b"\r\n\r\nlogin=a")
                assert client.recv(64).split()[1] == b"400", lengths


# -- who comes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.9", "192.0.2.1"),
        ("10.1.0.2", "198.51.100.9", "198.51.100.9"),
        ("10.1.0.2", "203.0.113.5, 198.51.100.9", "198.51.100.9"),
        ("10.1.0.2", "198.51.100.9, 10.1.0.3", "198.51.100.9"),
        ("10.1.0.2", "not-an-address", "10.1.0.2"),
    ],
)
def test_only_a_proxy_of_ours_names_the_client(world: World, peer: str, forwarded: str, client: str) -> None:
    """Whoever comes by themselves is who they are; of a list the nearest that is no proxy of ours counts."""
    request = SimpleNamespace(client=SimpleNamespace(host=peer), headers={"x-forwarded-for": forwarded})
    settings = replace(world.settings, trusted_proxies=(ip_network("10.1.0.0/16"),))
    assert client_of(cast("Visit", SimpleNamespace(request=request, settings=settings))) == client


def test_signing_in_ends_the_session_of_the_browser(fresh_world: World) -> None:
    """A fresh identifier, and the one before opens nothing, also when it was another account's."""
    records, owner = fresh_world.records, fresh_world.browser("owner")
    links.use(
        records,
        secret=links.make(records, account=fresh_world.accounts["peer"].id, by="admin"),
        password=PASSWORD,
    )
    before = owner.headers["Cookie"]
    answer = owner.post("/sign-in", data={"login": "peer", "password": PASSWORD})
    found = re.search(r"__Host-sid=[^;]+", answer.headers["set-cookie"])
    assert found
    assert found[0] != before
    assert owner.get("/sessions").status_code == 303
    owner.headers["Cookie"] = found[0]
    assert owner.get("/sessions").status_code == 200


def test_signing_out_is_on_every_page(world: World) -> None:
    """Wherever somebody is signed in they can leave."""
    for who in ("owner", "instructor", "admin"):
        for address in PAGES:
            page = world.browser(who).get(address)
            assert page.status_code in {200, 403, 404}
            assert 'action="/sign-out"' in page.text, (who, address)


def test_fields_for_passwords_hide_and_may_be_pasted_into(world: World) -> None:
    """Each has the type and tells password managers what it is; no script of ours meddles, and nobody is questioned."""
    link = links.make(world.records, account=world.accounts["nobody"].id, by="admin")
    pages = [world.browser("stranger").get(one).text for one in ("/sign-in", f"/link/{link}")]
    pages.append(world.browser("owner").get("/password").text)
    fields = [one for page in pages for one in re.findall(r"<input[^>]*>", page) if re.search(r'name="(pass|new)', one)]
    assert len(fields) == 4
    for one in fields:
        assert 'type="password"' in one, one
        assert re.search(r'autocomplete="(new|current)-password"', one), one
    names = {name for page in pages for name in re.findall(r'<(?:input|select|textarea)[^>]* name="(\w+)"', page)}
    assert names == {"login", "password", "new", "next"}
    assert "paste" not in (ROOT / "portal" / "static" / "portal.js").read_text("utf-8")


def test_a_form_changes_only_what_it_names(fresh_world: World) -> None:
    """Columns that a form does not have are not set by sending them along."""
    peer = fresh_world.browser("peer")
    more = {
        "state": "accepted",
        "answer": "x",
        "decided_by": "peer",
        "id": "apl_mine",
        "outcome": "pass",
        "role": "admin",
    }
    answer = peer.post(f"/submissions/{fresh_world.work['peer.failed']}/appeal", data={"text": "ขอให้ดู", **more})
    assert answer.status_code == 303
    with fresh_world.records.reading() as session:
        (made,) = [one for one in session.query(Appeal) if one.text == "ขอให้ดู"]
        assert (made.state, made.answer, made.decided_by, made.id != "apl_mine") == ("open", "", "", True)


def test_a_link_is_not_passed_on(fresh_world: World) -> None:
    """The page that a one-time link opens names nobody else's address and is told to nobody."""
    secret = links.make(fresh_world.records, account=fresh_world.accounts["owner"].id, by="admin")
    page = fresh_world.browser("stranger").get(f"/link/{secret}")
    assert page.headers["referrer-policy"] in {"same-origin", "no-referrer"}
    assert page.headers["cache-control"] == "no-store"
    assert not re.findall(r'(?:href|src)="(?:https?:)?//', page.text)


# -- the program ------------------------------------------------------------------------------------------------------


def test_the_portal_opens_no_address() -> None:
    """One module speaks to the identity provider, one fetches what pages need before the program runs."""
    clients = {"requests", "urllib.request", "http.client", "socket", "httpx", "ftplib", "smtplib", "aiohttp"}
    found = {name: sorted(imports(tree) & clients) for name, tree in trees("portal")}
    assert {name for name, used in found.items() if used} == {"portal/oidc.py", "portal/assets.py"}


UNCHECKED = re.compile(r"verify\s*=\s*False|CERT_NONE|check_hostname\s*=\s*False|_create_unverified_context")


def test_certificates_are_always_checked() -> None:
    """Nothing anywhere switches off that a server has to prove who it is."""
    assert UNCHECKED.search("requests.get(url, verify=False)")
    files = [path for folder in ("portal", "grader", "sandboxes") for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 200
    assert [path.name for path in files if UNCHECKED.search(path.read_text("utf-8"))] == []


def test_what_must_not_be_guessed_comes_from_secrets() -> None:
    """No other source of chance is imported where something has to be secret."""
    folders = ("portal", "grader/services", "grader/records", "grader/queue")
    assert [name for name, tree in trees(*folders) if imports(tree) & {"random", "uuid", "numpy"}] == []
    assert [name for name, tree in trees(*folders) if "secrets" in imports(tree)] != []


def test_no_weak_hash_is_used() -> None:
    """Of the standard library only the second and third family of SHA, at least 256 bits wide."""
    good = {"sha256", "sha384", "sha512", "sha3_256", "file_digest"}
    used = {
        (name, node.attr)
        for name, tree in trees("portal", "grader")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "hashlib"
    }
    assert used
    assert {one for one in used if one[1] not in good} == set()


def test_ciphers_are_authenticated() -> None:
    """What is encrypted at all is sealed by Fernet; nobody here puts a cipher and a mode together."""
    used = {one for _, tree in trees("portal", "grader") for one in imports(tree) if one.startswith("cryptography")}
    assert used
    assert {one for one in used if re.search(r"ciphers|\.padding|\.rsa|hazmat\.backends", one)} == set()


def test_every_library_is_pinned_by_hash() -> None:
    """One exact version each with the hashes of its files; no file of ours names another index to look in."""
    text = (ROOT / "constraints.txt").read_text("utf-8")
    pins = re.split(r"\n(?=\S)", text.strip())
    assert len(pins) > 50
    for pin in pins:
        assert re.match(r"[A-Za-z0-9._-]+(\[[\w,]+\])?==[^ ;]+", pin), pin[:80]
        assert "--hash=sha256:" in pin, pin[:80]
    assert not re.search(r"extra-index|--index-url|find-links|@ (git|http)", text)
    assert "--require-hashes --requirement constraints.txt" in (ROOT / "Makefile").read_text("utf-8")


SECRETS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s*\n[A-Za-z0-9+/=\s]{100}|\bgt_[A-Za-z0-9_-]{43}\b|\bAKIA[0-9A-Z]{16}\b"
    r"|\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]{16,}"
)


def test_no_secret_is_in_the_repository() -> None:
    """No key, token or hash of a password in any file of the program, of its configuration or of its documents."""
    assert SECRETS.search("gt_" + "a" * 43)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    # What the scan for leaks is tried with looks like a leak: samples of exercises and tests are made for that.
    names = [one for one in listed.split("\0") if one and not one.startswith(("exercises/", "tests/"))]
    assert len(names) > 300
    texts = {one: (ROOT / one).read_bytes().decode("utf-8", "replace") for one in names if (ROOT / one).is_file()}
    assert [name for name, text in texts.items() if SECRETS.search(text)] == []


def test_keys_are_for_their_owner_alone(fresh_world: World) -> None:
    """Whoever shares the machine reads neither the signing key nor the key of second factors."""
    folder = fresh_world.records.folder
    keys = [path for path in folder.iterdir() if path.suffix in {".pem", ".key"}]
    assert keys
    for path in keys:
        assert os.stat(path).st_mode & 0o077 == 0, path.name  # noqa: PTH116 - the mode of exactly this file
    assert folder.stat().st_mode & 0o077 == 0


def test_headers_cannot_be_made_by_values(world: World) -> None:
    """A value from an address never ends a header."""
    answer: Any = world.browser("stranger").get("/sign-in?next=/%0d%0aSet-Cookie:%20a=b")
    assert "a=b" not in answer.headers.get("set-cookie", "")
    assert answer.status_code == 200
