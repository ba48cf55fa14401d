"""PHP: packages into vendor, by composer, without running a script or plugin of any of them.

A line is ``vendor/name:constraint``, or a platform's ``php:…`` and ``ext-…:…``; ``lock`` is the text of a composer.lock
or empty; ``autoload`` is JSON, the project's own psr-4, psr-0 and files, or empty.
"""

import json
import os
import pathlib
import re
import shutil
from collections.abc import Mapping
from typing import Any

from report import Failure, Run

OPTIONS = ("--no-interaction", "--no-plugins", "--no-scripts", "--no-ansi", "--no-dev")
KINDS = (
    ("too_large", r"no space left on device"),
    ("hash_mismatch", r"checksum verification of the file failed"),
    ("platform", r"it is missing from your system|it has the wrong version installed|your php version \("),
    ("version_not_found", r"Root composer\.json requires (?:(?! -> |Root composer).)*but (it does|these do) not match"),
    ("version_not_found", r"could not be found in version|could not find a matching version"),
    ("package_not_found", r"could not be found in any version|could not find package"),
    # A refusal of the gateway is not here: it means that the repository sends to a host that is not the index's.
    ("index_unreachable", r"curl error (5|6|7|28|35|52|55|56)\b(?!.*response 403)|HTTP/\S+ 50[0234]|you are offline"),
    ("conflict", r"could not be resolved to an installable set|conflict"),
)
HASHES = ("reference", "shasum")
"""What a version pointed to when it was locked, and the sum of its archive; each may be missing."""
_PACKAGE = re.compile(r"(?<![\w/.:-])[a-z0-9][\w.-]*/[a-z0-9][\w-]*(?:\.[\w-]+)*(?![\w/])")
_NOISE = re.compile(
    r"^\s*(update|dump-autoload) \[|^\s+- /|^(To enable|You can also|Alternatively|Running update|Warning: Accessing)"
)
"""Its manual, its advice to install what cannot be installed here, and what its own settings do to it."""
KEPT = ("psr-4", "psr-0", "files")
"""What of an autoload section can be made without the project's files."""


def named(line: str) -> tuple[str, str]:
    """The name and the constraint of a line."""
    name, _, constraint = line.partition(":")
    return name.strip(), constraint.strip() or "*"


def install(order: Mapping[str, Any], target: pathlib.Path, run: Run) -> tuple[list[str], list[str]]:
    """Make vendor with its autoloader; returns what is in it (composer has no scripts of packages to leave out).

    Raises:
        Failure: of kind ``hash_mismatch`` when the index has other content than the lock for one of its versions.
    """
    wanted = dict(named(line) for line in order["lines"])
    locked = locked_packages(order["lock"])
    manifest = target / "composer.json"
    project = described(wanted, locked, order["autoload"], os.environ.get("GRADER_INDEX_URL", ""))
    manifest.write_text(json.dumps(project))
    environment = {
        "COMPOSER_HOME": str(target / ".composer"),
        "COMPOSER_CACHE_DIR": str(target / ".cache"),
        "COMPOSER_NO_AUDIT": "1",
        "COMPOSER_MEMORY_LIMIT": "-1",  # the container has one
        "COLUMNS": "1000",  # of an error box; a short line would part the words
    }
    place = f"--working-dir={target}"
    try:
        if wanted:
            # Not "install": a lock of the submission would say from where a package comes, and only the index may.
            run("composer", "update", *OPTIONS, place, "--no-progress", "--prefer-dist", "-o", **environment)
        else:
            run("composer", "dump-autoload", *OPTIONS, place, "-o", **environment)
    except Failure as failure:
        raise Failure([line for line in failure.log if not _NOISE.search(line)]) from None
    listed = target / "vendor/composer/installed.json"
    installed = json.loads(listed.read_text())["packages"] if listed.exists() else []
    for leftover in target.iterdir():
        if leftover.is_dir() and leftover.name != "vendor":
            shutil.rmtree(leftover)
        elif leftover.is_file():
            leftover.unlink()
    for one in installed:
        name, found = one["name"], one.get("dist") or {}
        for key in HASHES:
            if (expected := locked.get(name, {}).get(key)) and expected != found.get(key):
                log = [f"{name} {one['version']}: the lock has the {key} {expected}, the index {found.get(key)}"]
                at = list(wanted).index(name) if name in wanted else None
                raise Failure(log, kind="hash_mismatch", package=name, at=at)
    return [f"{one['name']}=={one['version'].removeprefix('v')}" for one in installed], []


def locked_packages(lock: str) -> dict[str, dict[str, str]]:
    """Version and hashes of each package of a composer.lock."""
    found = {}
    for one in json.loads(lock).get("packages", []) if lock else []:
        hashes = {key: str((one.get("dist") or {}).get(key) or "") for key in HASHES}
        found[str(one["name"]).lower()] = {"version": str(one["version"]), **hashes}
    return found


def described(
    wanted: Mapping[str, str], locked: Mapping[str, Mapping[str, str]], autoload: str, own_index: str
) -> dict[str, Any]:
    """The composer.json that installs this and nothing else; with a lock, its versions exactly."""
    exact = {name: one["version"] for name, one in locked.items()}
    for name, one in locked.items():
        if "dev" in one["version"] and one["reference"]:
            exact[name] += f"#{one['reference']}"  # a branch: the version alone says nothing
    project: dict[str, Any] = {
        "name": "grader/submission",
        "require": dict(wanted) | exact,
        "config": {
            "allow-plugins": False,
            "autoloader-suffix": "Submission",  # the layer depends on its content only
            "notify-on-install": False,
            "preferred-install": "dist",
            "secure-http": not own_index.startswith("http://"),
        },
    }
    if locked:
        project |= {"minimum-stability": "dev", "prefer-stable": True}
    if own_index:
        project["repositories"] = [
            {"type": "composer", "url": own_index},
            {"packagist": False},
        ]  # instead of the stock one
    if kept := {key: value for key, value in (json.loads(autoload) if autoload else {}).items() if key in KEPT}:
        project["autoload"] = kept
    return project


def explain(log: list[str], lines: list[str]) -> tuple[str, str, int | None]:
    """What went wrong: the kind, the package and the index of its line; pure."""
    text = " ".join(" ".join(log).split())
    kind = next((kind for kind, pattern in KINDS if re.search(pattern, text, re.IGNORECASE)), "failed")
    _, resolving, problem = text.lower().rpartition("problem 1")
    names = [named(line)[0].lower() for line in lines]
    if resolving:
        mentioned = [found.group() for found in _PACKAGE.finditer(problem)]
        package = next((name for name in mentioned if name in names), next(iter(mentioned), ""))
    else:
        # An error of a download names no package but an address, and most addresses have both words of a name in them.
        address = next(iter(re.findall(r"https?://\S+", text.lower())), "")
        package = next((name for name in names if "/" in name and all(word in address for word in name.split("/"))), "")
    return kind, package, names.index(package) if package in names else None
