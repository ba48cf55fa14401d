"""``grader login`` and ``grader submit --server`` as a trainee runs them, against a real server on this machine."""

import http.server
import ipaddress
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from grader.cli.client import Server, ServerProblem, ServerRefusal, origin_of
from grader.errors import UsageProblem
from grader.services.accounts import tokens
from grader.verdict import Verdict
from tests.fixtures.portal import HOME, PACK, World, grade, verdict_for
from tests.portal.test_portal_first import project


@contextmanager
def served(app: Any, **options: Any) -> Iterator[str]:
    """The portal on a free port; gives host and port."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", **options))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def until(holds: Callable[[], object], seconds: float = 20) -> None:
    """Wait for something that happens elsewhere."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


@pytest.fixture
def zipped(tmp_path: Path) -> Path:
    """A project to hand in."""
    file = tmp_path / "my-work.zip"
    file.write_bytes(project())
    return file


@pytest.fixture
def grader(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command, with a home of its own."""

    def run(*words: str, text: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GRADER_", "XDG_"))}
        environment = {**kept, "GRADER_HOME": str(HOME), "XDG_CONFIG_HOME": str(tmp_path / "config"), **more}
        return subprocess.run(
            [sys.executable, "-m", "grader", *words],
            cwd=HOME, env=environment, input=text, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    return run


def token_of(world: World, who: str) -> str:
    """A fresh token of somebody."""
    return tokens.make(
        world.records, account=world.accounts[who].id, name="test", scopes=("submit", "read"), by="setup"
    )


@contextmanager
def grading(world: World, verdict: Verdict) -> Iterator[list[str]]:
    """A worker that finds this in whatever comes in; gives what it graded."""
    graded: list[str] = []
    grade(world.records, verdict_for(PACK))  # what waited before
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.2):
            try:
                graded.append(grade(world.records, verdict))
            except AssertionError:  # nothing to claim yet
                continue
            return

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield graded
    finally:
        stop.set()
        thread.join(10)


def test_a_trainee_signs_in_hands_in_and_reads_the_verdict(
    fresh_world: World, tmp_path: Path, zipped: Path, grader: Any
) -> None:
    """The token is kept for its owner alone and never shown; the verdict is printed as ``grader check`` does."""
    secret = token_of(fresh_world, "peer")
    with served(fresh_world.app) as place, grading(fresh_world, verdict_for(PACK, failing=("C",))) as graded:
        address = f"http://{place}"
        first = grader("submit", str(zipped), "--exercise", "e1", "--server", address, "--lang", "en")
        assert (first.returncode, "server.no_token" in first.stderr) == (2, True)
        signed = grader("login", "--server", f"{address}/", text=f"{secret}\n")
        assert signed.returncode == 0, signed.stderr
        (kept,) = tmp_path.rglob("tokens.json")
        assert kept.stat().st_mode & 0o777 == 0o600
        assert json.loads(kept.read_text("utf-8")) == {address: secret}
        done = grader("submit", str(zipped), "--exercise", "e1", "--server", address, "--lang", "en")
    assert done.returncode == 1, done.stderr
    assert graded
    assert graded[0] in done.stderr
    assert "Receiving" in done.stderr
    assert "E1" in done.stdout
    assert "✗ C" in done.stdout
    assert secret not in signed.stdout + signed.stderr + done.stdout + done.stderr


@pytest.mark.parametrize(("failing", "code"), [((), 0), (("C",), 1)], ids=["passed", "not passed"])
def test_the_exit_code_is_that_of_the_verdict(
    fresh_world: World, zipped: Path, grader: Any, failing: tuple[str, ...], code: int
) -> None:
    """With --json stdout holds the verdict document and nothing else; the token may come from the environment."""
    secret = token_of(fresh_world, "peer")
    with (
        served(fresh_world.app) as place,
        grading(fresh_world, verdict_for(PACK, failing=failing).model_copy(update={"log": ("half \ud800",)})),
    ):
        done = grader(
            "submit", str(zipped), "--exercise", "e1", "--server", f"http://{place}", "--json", GRADER_TOKEN=secret
        )
    assert done.returncode == code, done.stderr
    assert json.loads(done.stdout)["schema"] == "verdict/1"


def test_what_the_server_refuses_is_said_in_its_words(fresh_world: World, tmp_path: Path, grader: Any) -> None:
    """A project that is refused is exit 3; a wrong token or a server that is not there is exit 5."""
    secret = token_of(fresh_world, "peer")
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"no zip")
    with served(fresh_world.app) as place:
        words = ("submit", str(broken), "--exercise", "e1", "--server", f"http://{place}", "--lang", "en")
        refused = grader(*words, GRADER_TOKEN=secret)
        assert refused.returncode == 3, refused.stderr
        assert "archive.not_zip" in refused.stderr
        nobody = grader(*words, GRADER_TOKEN="gt_nobody")
        assert (nobody.returncode, "api.token" in nobody.stderr) == (5, True)
        other = grader(*words[:3], "e9", *words[4:], GRADER_TOKEN=secret)
        assert (other.returncode, "server.not_given" in other.stderr) == (2, True)
        wrong = grader("login", "--server", f"http://{place}", text="hunter2\n")
        assert (wrong.returncode, "server.bad_token" in wrong.stderr) == (2, True)
        assert "hunter2" not in wrong.stderr
        assert grader("login", "--server", f"http://{place}", text="gt_nobody\n").returncode == 5
    assert not list(tmp_path.rglob("tokens.json"))
    nowhere = grader("submit", str(broken), "--exercise", "e1")
    assert (nowhere.returncode, "usage.where_to_submit" in nowhere.stderr) == (2, True)


# -- the way to a server ----------------------------------------------------------------------------------------------


class Recorder(http.server.BaseHTTPRequestHandler):
    """Writes down what comes, and answers what it was told to."""

    answers: ClassVar[list[tuple[int, dict[str, str], bytes]]] = []
    seen: ClassVar[list[tuple[str, dict[str, str]]]] = []

    def do_GET(self) -> None:
        """Any request."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        status, headers, body = self.answers.pop(0)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the name that the library wants

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def recording(
    *answers: tuple[int, dict[str, str], bytes], context: ssl.SSLContext | None = None
) -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    """A server that answers so, one after the other."""
    handler = type("Handler", (Recorder,), {"answers": list(answers), "seen": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        scheme = "http" if context is None else "https"
        try:
            yield f"{scheme}://127.0.0.1:{server.server_port}", handler.seen  # type: ignore[attr-defined]
        finally:
            server.shutdown()


def test_a_submission_is_tried_again_with_the_same_key() -> None:
    """What passes by itself is waited for as the server says; what does not is not tried again."""
    pauses: list[float] = []
    with recording((503, {"Retry-After": "7"}, b""), (502, {}, b""), (202, {}, b'{"a": 1}')) as (address, seen):
        way = Server(address, "gt_x", sleep=pauses.append)
        answer = way.post_file("/s", {"assignment": "asg"}, name="a.zip", content=b"zip", key="the-key")
    assert answer.json() == {"a": 1}
    assert pauses == [7.0, 2.0]
    assert [headers["idempotency-key"] for _, headers in seen] == ["the-key"] * 3
    problem = json.dumps({"code": "submission.too_many_waiting", "title": "t", "detail": "d", "request_id": "r"})
    told = {"Content-Type": "application/problem+json"}
    with recording((429, told, problem.encode())) as (address, seen), pytest.raises(ServerRefusal) as caught:
        Server(address, "gt_x", sleep=pauses.append).post_file("/s", {}, name="a", content=b"", key="k")
    assert (caught.value.said, caught.value.exit_code, len(seen)) == ("submission.too_many_waiting", 5, 1)


def test_a_token_follows_no_redirect() -> None:
    """The other address sees nothing; the command says where it was pointed to."""
    with recording() as (elsewhere, seen), recording((302, {"Location": f"{elsewhere}/x"}, b"")) as (address, _):
        with pytest.raises(ServerProblem) as caught:
            Server(address, "gt_x").get("/api/v1/me")
        assert (caught.value.code, seen) == ("server.redirect", [])


def test_a_server_that_is_no_such_server() -> None:
    """A page instead of an answer, and nobody there, are told apart."""
    with recording((200, {"Content-Type": "text/html"}, b"<html>")) as (address, _):
        with pytest.raises(ServerProblem) as caught:
            Server(address, "gt_x").get("/api/v1/me").json()
        assert caught.value.code == "server.unreadable"
    with pytest.raises(ServerProblem) as caught:
        Server(address, "gt_x", sleep=lambda _: None).get("/api/v1/me")
    assert (caught.value.code, caught.value.exit_code) == ("server.unreachable", 5)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for this machine that no public authority knows."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "grader.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = tmp_path / "ca.pem", tmp_path / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context


def test_a_certificate_is_verified(certificate: tuple[Path, ssl.SSLContext]) -> None:
    """One that nobody vouches for gets no token; the bundle of the office makes it good, for its own name only."""
    bundle, context = certificate
    with recording((200, {}, b"{}"), context=context) as (address, seen):
        with pytest.raises(ServerProblem) as caught:
            Server(address, "gt_x").get("/")
        assert (caught.value.code, seen) == ("server.tls", [])
        with pytest.raises(ServerProblem) as caught:
            Server(address.replace("127.0.0.1", "localhost"), "gt_x", ca_bundle=bundle).get("/")
        assert (caught.value.code, seen) == ("server.tls", [])
        assert Server(address, "gt_x", ca_bundle=bundle).get("/").json() == {}
    with pytest.raises(UsageProblem):
        Server(address, "gt_x", ca_bundle=bundle.with_name("none.pem"))


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://grader.example.go.th/", "https://grader.example.go.th"),
        ("https://grader.example.go.th:8443", "https://grader.example.go.th:8443"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_an_address_is_kept_as_an_origin(address: str, kept: str) -> None:
    """However it was typed."""
    assert origin_of(address) == kept


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("http://grader.example.go.th", "server.plain"),
        ("grader.example.go.th", "server.address"),
        ("ftp://grader.example.go.th", "server.address"),
        ("https://who:secret@grader.example.go.th", "server.address"),
        ("https://grader.example.go.th/portal", "server.address"),
        ("https://grader.example.go.th:x", "server.address"),
        ("https://", "server.address"),
    ],
)
def test_an_address_to_which_no_token_goes(address: str, code: str) -> None:
    """Unencrypted across a network, or no origin at all; a password in it is not repeated."""
    with pytest.raises(UsageProblem) as caught:
        origin_of(address)
    assert caught.value.code == code
    assert "secret" not in str(caught.value)
