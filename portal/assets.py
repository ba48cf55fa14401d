"""What pages need and nobody here wrote, prepared once: htmx by its pinned hash, Sarabun cut for the web.

``python -m portal.assets [--folder DIR]``. It costs nothing when all is there. Everything is made in memory first, so
that a failure leaves the folder as it was; a file is replaced as a whole, and the stamp that says "done" comes last.
"""

import argparse
import base64
import hashlib
import io
import json
import os
import shutil
import ssl
import subprocess
import sys
import tarfile
import urllib.request
from collections.abc import Callable, Mapping
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Final

from fontTools import subset
from fontTools.ttLib import TTFont

from grader.errors import EXIT_ENVIRONMENT, GraderError
from grader.reports.catalogue import explain
from grader.reports.printing import fonts
from portal.static_files import FOLDER, VENDOR

HTMX_VERSION: Final = "4.0.1"
HTMX_HASH: Final = "sha512-oF7JgXhDW9UXCy/k1ZYFUQgzu/rm19ORWPSPNL91vPluB2PB9+MV55tyQdH/w7o2EAbTYUG5SDW1R60mdkdqGg=="
"""Of the package as its registry publishes it."""
HTMX_FILES: Final = {
    "package/dist/htmx.min.js": "htmx.min.js",
    "package/dist/ext/hx-sse.min.js": "hx-sse.min.js",
    "package/LICENSE": "htmx-LICENSE.txt",
}
"""What is taken out of the package, and its name here; nothing else of it is looked at."""

WEIGHTS: Final = {400: "Sarabun-Regular.ttf", 700: "Sarabun-Bold.ttf"}
RANGES: Final = (
    (0x20, 0x7E), (0xA0, 0x17F), (0xE01, 0xE5B), (0x200B, 0x206F),
    (0x20AC, 0x20AC), (0x2122, 0x2122), (0x2212, 0x2212), (0x25CC, 0x25CC),
)  # fmt: skip
"""Thai and Latin in one file a weight: a page of ours always needs both."""
RECIPE: Final = 1
"""Raise it when the same sources shall give other files."""

STAMP: Final = "prepared.json"
SECONDS: Final = 120
LIMIT: Final = 20 * 1024 * 1024
"""Bytes of an answer of the registry; the package has less than a tenth."""


class AssetProblem(Exception):
    """Something that pages need cannot be prepared; the message says why and what to do."""


def prepare(folder: Path, *, registry: Callable[[], str], ca_bundle: str = "", expected: str = HTMX_HASH) -> bool:
    """Fill a folder; False when it was filled already. The registry is asked for only when it is needed.

    Raises:
        AssetProblem: the registry is unknown or does not answer, or what it gave is not what was pinned.
        GraderError: the fonts are not those that were tested.
    """
    sources = _sources(expected)
    if _is_prepared(folder, sources):
        return False
    made = {**htmx(registry(), ca_bundle=ca_bundle, expected=expected), **web_fonts(), **findings()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in made.items():
        _replace(folder / name, content)
    stamp = {"sources": sources, "files": {name: _digest(content) for name, content in sorted(made.items())}}
    _replace(folder / STAMP, json.dumps(stamp, indent=2).encode())
    return True


def htmx(registry: str, *, expected: str, ca_bundle: str) -> Mapping[str, bytes]:
    """The files of htmx, from a package whose hash is the pinned one.

    Raises:
        AssetProblem: the registry does not answer, or the hash is another.
    """
    package = f"htmx.org {HTMX_VERSION}"
    fetch = partial(_fetch, ca_bundle=ca_bundle)
    try:
        release = json.loads(fetch(f"{registry.rstrip('/')}/htmx.org/{HTMX_VERSION}"))
        archive = fetch(release["dist"]["tarball"])
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise AssetProblem(
            f"{package} could not be fetched from the npm registry ({problem}). "
            "Check the network, the proxy and GRADER_CA_BUNDLE, or name another registry in GRADER_NPM_REGISTRY_URL."
        ) from problem
    found = f"sha512-{base64.b64encode(hashlib.sha512(archive).digest()).decode()}"
    if found != expected:
        raise AssetProblem(f"{package} has the hash {found}, not {expected}. Nothing was kept. Is the registry yours?")
    with tarfile.open(fileobj=io.BytesIO(archive)) as package_files:
        return {name: package_files.extractfile(path).read() for path, name in HTMX_FILES.items()}  # type: ignore[union-attr]


def web_fonts() -> Mapping[str, bytes]:
    """Sarabun in two weights, the style sheet that names them, and its licence."""
    made = {f"sarabun-{weight}.woff2": _cut(name) for weight, name in WEIGHTS.items()}
    sheet = "".join(
        f"@font-face {{ font-family: Sarabun; font-weight: {weight}; font-display: swap; "
        f'src: url("{name}?v={_digest(made[name])[:12]}") format("woff2"); }}\n'
        for weight, name in ((weight, f"sarabun-{weight}.woff2") for weight in WEIGHTS)
    )
    licence = files(fonts.PACKAGE).joinpath("LICENSE").read_bytes()
    return {**made, "fonts.css": sheet.encode(), "sarabun-LICENSE.txt": licence}


def findings() -> Mapping[str, bytes]:
    """How findings look in reports, in a layer of its own, so that the style sheet of the portal can stand above it."""
    return {"findings.css": b"@layer findings {\n" + _findings_sheet() + b"}\n"}


def registry_address(environment: Mapping[str, str]) -> str:
    """The npm registry: the one that is set, else the one that npm uses.

    Raises:
        AssetProblem: neither is known.
    """
    if own := environment.get("GRADER_NPM_REGISTRY_URL"):
        return own
    if npm := shutil.which("npm", path=environment.get("PATH")):
        told = subprocess.run(
            [npm, "config", "get", "registry"], capture_output=True, text=True, timeout=SECONDS, check=False
        )
        if told.returncode == 0 and told.stdout.strip().startswith(("https://", "http://")):
            return told.stdout.strip()
    raise AssetProblem("No npm registry is known. Set GRADER_NPM_REGISTRY_URL to its address, or install npm.")


def _findings_sheet() -> bytes:
    return files("grader.reports").joinpath("templates", "findings.css").read_bytes()


def _cut(name: str) -> bytes:
    options = subset.Options(flavor="woff2", layout_features=[*subset.Options().layout_features, "tnum"])
    font = TTFont(io.BytesIO(fonts.font(name)), recalcTimestamp=False)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=[sign for first, last in RANGES for sign in range(first, last + 1)])
    cutter.subset(font)
    font.flavor = "woff2"
    cut = io.BytesIO()
    font.save(cut)
    return cut.getvalue()


def _fetch(address: str, *, ca_bundle: str) -> bytes:
    if not address.startswith(("https://", "http://")):
        raise ValueError("not a web address")
    context = ssl.create_default_context()
    if ca_bundle:
        context.load_verify_locations(cafile=ca_bundle)
    with urllib.request.urlopen(address, timeout=SECONDS, context=context) as answer:  # noqa: S310 - looked at above
        content: bytes = answer.read(LIMIT + 1)
    if len(content) > LIMIT:
        raise ValueError("the answer is too large")
    return content


def _sources(expected: str) -> str:
    """Changes whenever the files would be others."""
    return _digest(json.dumps([RECIPE, expected, dict(fonts.SHA256), RANGES, _digest(_findings_sheet())]).encode())


def _is_prepared(folder: Path, sources: str) -> bool:
    try:
        stamp = json.loads((folder / STAMP).read_bytes())
        return stamp["sources"] == sources and all(
            _digest((folder / name).read_bytes()) == digest for name, digest in stamp["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(content)
    beside.replace(path)


def main(arguments: list[str] | None = None) -> int:
    """The command; gives its exit code: 0, or 4 when this machine cannot do it."""
    parser = argparse.ArgumentParser(prog="python -m portal.assets", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=FOLDER / VENDOR, help="default: portal/static/vendor")
    folder: Path = parser.parse_args(arguments).folder
    try:
        prepare(
            folder, registry=partial(registry_address, os.environ), ca_bundle=os.environ.get("GRADER_CA_BUNDLE", "")
        )
    except AssetProblem as problem:
        sys.stderr.write(f"{problem}\n")
        return EXIT_ENVIRONMENT
    except GraderError as problem:
        words = explain(problem.code, problem.params, "en")
        sys.stderr.write(f"{words.sentence} {words.next_step}\n")
        return EXIT_ENVIRONMENT
    return 0


if __name__ == "__main__":
    sys.exit(main())
