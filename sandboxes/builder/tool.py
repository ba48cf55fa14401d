"""Python: wheels into a virtual environment, by uv."""

import os
import pathlib
import re
import shutil
from collections.abc import Mapping
from typing import Any

from report import Run

KINDS = (
    ("index_unreachable", r"error sending request|failed to fetch|connection (refused|reset)|tunnel|timed out"),
    ("too_large", r"no space left on device"),
    ("no_wheel", r"no usable wheels|no wheels with a matching|building from source is disabled|binaries only"),
    ("hash_mismatch", r"hash mismatch"),
    ("package_not_found", r"not found in the package registry"),
    ("version_not_found", r"there (is|are) no version|no versions? of"),
    ("conflict", r"conflict|incompatible|unsatisfiable"),
)


def install(order: Mapping[str, Any], target: pathlib.Path, run: Run) -> tuple[list[str], list[str]]:
    """Make the environment; returns what is installed and whose install scripts were left out (wheels have none)."""
    cache = target / ".cache"  # on the same tmpfs, so that files are linked and not copied
    python = str(target / "bin/python")
    uv = {"UV_CACHE_DIR": str(cache), "UV_LINK_MODE": "hardlink"}
    if own_index := os.environ.get("GRADER_INDEX_URL"):
        uv["UV_DEFAULT_INDEX"] = own_index
    run("uv", "venv", "--python", "/usr/bin/python3", "--allow-existing", str(target), **uv)
    if order["lines"]:
        requirements = pathlib.Path("/tmp/requirements.txt")
        requirements.write_text("\n".join(order["lines"]) + "\n")
        run(
            "uv", "pip", "install", "--python", python, "--only-binary", ":all:", "--compile-bytecode",
            "--requirements", str(requirements), **uv,
        )  # fmt: skip
    frozen = run("uv", "pip", "freeze", "--python", python, **uv)
    shutil.rmtree(cache, ignore_errors=True)
    return frozen.split(), []


def explain(log: list[str], lines: list[str]) -> tuple[str, str, int | None]:
    """What went wrong: the kind, the package and the index of its requirement; pure."""
    text = " ".join(" ".join(log).split())
    kind = next((kind for kind, pattern in KINDS if re.search(pattern, text, re.IGNORECASE)), "failed")
    said = re.sub(r"[_.]+", "-", text.lower())
    for at, line in enumerate(lines):
        name = re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]
        plain = re.sub(r"[-_.]+", "-", name).lower()
        if plain and re.search(rf"(?<![\w-]){re.escape(plain)}(?![\w-])", said):
            return kind, name, at
    return kind, "", None
