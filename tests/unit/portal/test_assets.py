"""Assets are what was pinned or nothing, and making them twice costs nothing."""

import base64
import hashlib
import io
import json
import os
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

from grader.errors import EXIT_ENVIRONMENT
from portal import assets, static_files


def package(**changed: bytes) -> bytes:
    """A package as the registry has it: what is wanted of it, and a file that is not."""
    content = {path: f"// {path}\n".encode() for path in assets.HTMX_FILES} | {"package/dist/evil.js": b"evil"}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in {**content, **changed}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
    return packed.getvalue()


ARCHIVE = package()
HASH = f"sha512-{base64.b64encode(hashlib.sha512(ARCHIVE).digest()).decode()}"


class Registry(ThreadingHTTPServer):
    """An npm registry on this machine, with one package."""

    archive = ARCHIVE
    asked = 0

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}/npm/"


class Answers(BaseHTTPRequestHandler):
    """The release of htmx, and its package."""

    server: Registry

    def do_GET(self) -> None:
        """Answer, and count."""
        self.server.asked += 1
        address = f"{self.server.address}htmx.tgz"
        if self.path == f"/npm/htmx.org/{assets.HTMX_VERSION}":
            content = json.dumps({"dist": {"tarball": address}}).encode()
        elif self.path == "/npm/htmx.tgz":
            content = self.server.archive
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A registry with a package of its own; the proxy of this machine has no part in it."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    with Registry(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_what_was_pinned_is_prepared_once(tmp_path: Path, registry: Registry) -> None:
    """Everything that pages link is there, nothing else of the package, and a second time asks nobody."""
    folder = tmp_path / "vendor"
    prepare = partial(assets.prepare, folder, registry=lambda: registry.address, expected=HASH)
    assert prepare()
    names = {path.name for path in folder.iterdir()}
    assert set(static_files.PREPARED) < names
    assert {"htmx-LICENSE.txt", "sarabun-LICENSE.txt"} < names
    assert "evil.js" not in names
    before = registry.asked
    assert not prepare()
    assert registry.asked == before
    (folder / "htmx.min.js").write_text("somebody changed it")
    assert prepare()
    assert (folder / "htmx.min.js").read_text() == "// package/dist/htmx.min.js\n"


def test_fonts_hold_thai_and_latin_and_are_small(tmp_path: Path, registry: Registry) -> None:
    """Both weights; the marks above letters keep their places; the style sheet names the very content."""
    assets.prepare(tmp_path, registry=lambda: registry.address, expected=HASH)
    sheet = (tmp_path / "fonts.css").read_text()
    for weight in assets.WEIGHTS:
        path = tmp_path / f"sarabun-{weight}.woff2"
        assert path.stat().st_size < 40_000
        font = TTFont(path)
        assert {ord(sign) for sign in "กฎฐปั่นน้ำ๙฿Aa0–“”…×"} <= set(font.getBestCmap())
        assert {"GPOS", "GSUB"} <= set(font.keys())
        assert f"{path.name}?v={hashlib.sha256(path.read_bytes()).hexdigest()[:12]}" in sheet


def test_another_package_is_refused_and_nothing_is_written(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A registry that gives something else is told apart by the hash; exit 4."""
    registry.archive = package(**{"package/dist/htmx.min.js": b"// changed\n"})
    monkeypatch.setenv("GRADER_NPM_REGISTRY_URL", registry.address)
    folder = tmp_path / "vendor"
    assert assets.main(["--folder", str(folder)]) == EXIT_ENVIRONMENT
    assert "has the hash sha512-" in capsys.readouterr().err
    assert not folder.exists()


def test_a_failure_leaves_what_was_there(tmp_path: Path, registry: Registry) -> None:
    """What stood in the folder still stands there."""
    (tmp_path / "htmx.min.js").write_text("old")
    registry.archive = b"no package"
    with pytest.raises(assets.AssetProblem):
        assets.prepare(tmp_path, registry=lambda: registry.address, expected=HASH)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"htmx.min.js": "old"}


def test_a_dead_registry_is_said(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to look at; exit 4. One that knows no such package, and one that is no web address, too."""
    registry.server_close()
    for address in (registry.address, f"{registry.address}nothing", "file:///etc"):
        monkeypatch.setenv("GRADER_NPM_REGISTRY_URL", address)
        assert assets.main(["--folder", str(tmp_path / "vendor")]) == EXIT_ENVIRONMENT
        assert "GRADER_NPM_REGISTRY_URL" in capsys.readouterr().err
    assert not (tmp_path / "vendor").exists()


def test_the_registry_is_the_one_set_else_that_of_npm(tmp_path: Path) -> None:
    """Without either there is nothing to ask, and that is said with what to do."""
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho http://registry.example/\n")
    npm.chmod(0o755)
    search = {"PATH": str(tmp_path)}
    assert assets.registry_address({**search, "GRADER_NPM_REGISTRY_URL": "http://own.example"}) == "http://own.example"
    assert assets.registry_address(search) == "http://registry.example/"
    npm.write_text("#!/bin/sh\necho undefined\n")
    for known in (search, {"PATH": str(tmp_path / "nothing")}):
        with pytest.raises(assets.AssetProblem, match="Set GRADER_NPM_REGISTRY_URL"):
            assets.registry_address(known)


def test_an_address_changes_with_its_content() -> None:
    """A file that is not there is an error that says how to make it."""
    stamp = hashlib.sha256((static_files.FOLDER / "portal.css").read_bytes()).hexdigest()[:12]
    assert static_files.asset_url("portal.css") == f"/static/portal.css?v={stamp}"
    with pytest.raises(static_files.AssetMissing, match=r"portal\.assets"):
        static_files.asset_url("nothing.js")
    assert set(static_files.missing()) <= set(static_files.PREPARED)
