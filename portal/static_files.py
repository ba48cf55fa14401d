"""The files that pages link: our own, and those of ``portal.assets``. An address changes with its content."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "static"
VENDOR: Final = "vendor"
"""The folder in ``FOLDER`` of what is prepared at set-up and never committed."""

PREPARED: Final = (
    "htmx.min.js",
    "hx-sse.min.js",
    "fonts.css",
    "sarabun-400.woff2",
    "sarabun-700.woff2",
    "findings.css",
)
"""What pages cannot do without; the licences lie beside them."""


class AssetMissing(Exception):
    """A file that a page links is not there."""


def asset_url(name: str) -> str:
    """The address of a file, by its plain name; browsers may keep what it gives for good.

    Raises:
        AssetMissing: there is no such file; what is prepared has to be prepared first.
    """
    path = file_of(name)
    return f"/static/{path.relative_to(FOLDER).as_posix()}?v={_stamp(path, path.stat().st_mtime_ns)}"


def file_of(name: str) -> Path:
    """Where a file lies: ours, else prepared.

    Raises:
        AssetMissing: it is neither.
    """
    for path in (FOLDER / name, FOLDER / VENDOR / name):
        if path.is_file():
            return path
    raise AssetMissing(f"{name} is missing from portal/static; prepare it with: python -m portal.assets")


def missing() -> list[str]:
    """What has not been prepared yet; for whoever starts the portal, so that no page finds out."""
    return [name for name in PREPARED if not (FOLDER / VENDOR / name).is_file()]


@cache
def _stamp(path: Path, _changed: int) -> str:
    """Read once for each change of the file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
