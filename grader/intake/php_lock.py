"""``composer.lock``, taken apart and written anew: names, exact versions, and where each archive comes from by hash.

Composer's index holds no archives, so a lock without their addresses would be no lock; only zip archives over https are
kept, and the installer's way out decides which hosts it lets through. Checkouts (``source``), packages for development,
plugins' settings and everything else are left behind. A lock that does not belong to its ``composer.json`` is left
aside with a note, as that of Node is (:mod:`grader.intake.node_lock`).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grader.errors import SubmissionRejected
from grader.intake.json_files import JsonFile, Place
from grader.intake.limits import MAX_LOCKED_PACKAGES
from grader.intake.php_versions import read_version, satisfies

_NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*/[a-z0-9]+(?:(?:[._]|-{1,2})[a-z0-9]+)*")
_MAX_NAME = 200
_VERSION = re.compile(
    r"v?[0-9]{1,9}(?:\.[0-9]{1,9}){0,3}(?:[._-]?(?:stable|beta|alpha|patch|rc|pl|a|b|p)[0-9.-]{0,20})?", re.IGNORECASE
)
_URL = re.compile(r"https://[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::443)?/[A-Za-z0-9._~/%?=&+,-]{1,500}")
_REFERENCE = re.compile(r"[A-Za-z0-9._/+-]{0,200}")
_SHASUM = re.compile(r"(?:[0-9a-f]{40})?")
_TYPE = re.compile(r"[a-z0-9-]{1,50}")
_RELATION = re.compile(r"[0-9A-Za-z.*^~<>=!|, @_-]{0,300}")
_RELATIONS = ("require", "conflict", "provide", "replace")
_PLATFORM_NAME = re.compile(r"[a-z0-9._ -]{1,100}")
_LETTERS = r"A-Za-z_\x80-\ud7ff\ue000-\U0010ffff"
_WORD = rf"[{_LETTERS}][0-9{_LETTERS}]*"
_NAMESPACE = re.compile(rf"(?:\\?{_WORD}(?:\\{_WORD})*)?\\?")
_MAX_NAMESPACE = 200
_SOURCE_PATH = re.compile(r"(?!/)[A-Za-z0-9_@ ./*-]{0,300}")
_LOADERS = ("psr-4", "psr-0")
_LISTS = ("classmap", "files")


@dataclass(frozen=True, kw_only=True, slots=True)
class Platform:
    """A requirement on PHP or an extension, and where it stands; ``package`` has it, empty for the project itself."""

    file: str
    line: int
    name: str
    constraint: str
    package: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Locked:
    """The normalised text, empty when the lock is not used, and the notes that say why.

    ``platform`` is what its packages ask of PHP, ``provided`` are extensions that a package stands in for.
    """

    text: str = ""
    notes: tuple[str, ...] = ()
    platform: tuple[Platform, ...] = ()
    provided: frozenset[str] = frozenset()


def is_package_name(name: str) -> bool:
    """Say whether a lower-case name is that of a package: vendor, slash, package."""
    return len(name) <= _MAX_NAME and _NAME.fullmatch(name) is not None


def normalise(document: JsonFile, wanted: Mapping[str, str]) -> Locked:
    """Write the lock anew; ``wanted`` are the packages of ``composer.json`` with their constraints.

    Raises:
        SubmissionRejected: ``dependencies.not_allowed`` and ``dependencies.bad_line`` (file, line, text) for a package
            that is no release in a zip archive; ``dependencies.bad_file``, ``dependencies.too_large``.
    """
    listed = document.value.get("packages")
    if not isinstance(listed, list):
        raise document.bad("packages is no list")
    if len(listed) > MAX_LOCKED_PACKAGES:
        raise SubmissionRejected("dependencies.too_large", file=document.file, limit=MAX_LOCKED_PACKAGES)
    packages = [_package(document, ("packages", at), entry) for at, entry in enumerate(listed)]
    by_name = {package["name"]: package for package in packages}
    if len(by_name) < len(packages):
        raise document.bad("a package is listed twice")
    provided = {name for package in packages for key in ("provide", "replace") for name in package.get(key, {})}
    if not all(_holds(by_name.get(name), constraint) or name in provided for name, constraint in wanted.items()):
        return Locked(notes=("receipt.lock_ignored",))
    platform = tuple(
        Platform(
            file=document.file,
            line=document.line("packages", at),
            name=name,
            constraint=constraint,
            package=package["name"],
        )
        for at, package in enumerate(packages)
        for name, constraint in package.get("require", {}).items()
        if "/" not in name
    )
    text = {
        "packages": sorted(packages, key=lambda package: str(package["name"])),
        "packages-dev": [],
        "aliases": [],
        "minimum-stability": "dev",  # of the packages above, whose versions are fixed
        "stability-flags": {},
        "prefer-stable": True,
        "prefer-lowest": False,
        "platform": {},
        "platform-dev": {},
    }
    return Locked(
        text=json.dumps(text, sort_keys=True),
        platform=platform,
        provided=frozenset(name for name in provided if name.startswith("ext-")),
    )


def _holds(package: Mapping[str, Any] | None, constraint: str) -> bool:
    """Say whether the locked package is there, in one of the versions that are asked for as far as that is known."""
    if package is None:
        return False
    version = read_version(package["version"])
    return version is None or satisfies(version, constraint)


def _package(document: JsonFile, place: Place, entry: Any) -> dict[str, Any]:
    """Return the fields of a package that Composer needs to install it."""
    if not isinstance(entry, dict):
        raise document.bad("a package is no object")
    name, version = entry.get("name"), entry.get("version")
    if not isinstance(name, str) or not is_package_name(name.lower()):
        raise document.refused("dependencies.bad_line", place, name)
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        code = "dependencies.not_allowed" if isinstance(version, str) and "dev" in version else "dependencies.bad_line"
        raise document.refused(code, place, f"{name}: {version}")
    kind = entry.get("type", "library")
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        raise document.refused("dependencies.bad_line", place, f"{name}: {kind}")
    kept: dict[str, Any] = {"name": name.lower(), "version": version, "type": kind}
    if kind != "metapackage":
        kept["dist"] = _dist(document, place, name, entry.get("dist"))
    for key in _RELATIONS:
        kept[key] = _relation(document, place, entry.get(key))
    autoload = autoload_of(entry.get("autoload") or {})
    if autoload is None:
        raise document.refused("dependencies.bad_line", place, f"{name}: autoload")
    kept["autoload"] = autoload
    return {key: value for key, value in kept.items() if value}


def _dist(document: JsonFile, place: Place, name: str, dist: Any) -> dict[str, str]:
    """Return where the archive of a package is, and how it is recognised."""
    found = dist if isinstance(dist, dict) else {}
    url, kind = found.get("url"), found.get("type")
    if kind != "zip" or not isinstance(url, str) or not _URL.fullmatch(url):
        raise document.refused("dependencies.not_allowed", place, f"{name}: {kind} {url}")
    reference, shasum = found.get("reference") or "", found.get("shasum") or ""
    known = isinstance(reference, str) and isinstance(shasum, str)
    if not known or not _REFERENCE.fullmatch(reference) or not _SHASUM.fullmatch(shasum):
        raise document.refused("dependencies.bad_line", place, f"{name}: {reference}")
    return {"type": "zip", "url": url, "reference": reference, "shasum": shasum}


def _relation(document: JsonFile, place: Place, listed: Any) -> dict[str, str]:
    """Return the packages that a package asks for, stands in for, or does not go with."""
    if listed is None or listed == []:
        return {}
    if not isinstance(listed, dict):
        raise document.refused("dependencies.bad_line", place, None)
    kept = {}
    for name, constraint in listed.items():
        known = is_package_name(name.lower()) or _PLATFORM_NAME.fullmatch(name.lower())
        if not known or not isinstance(constraint, str) or not _RELATION.fullmatch(constraint):
            raise document.refused("dependencies.bad_line", place, f"{name}: {constraint}")
        kept[name.lower()] = constraint
    return kept


def autoload_of(listed: Any) -> dict[str, Any] | None:
    """Return what of an ``autoload`` a class loader needs, with lists for paths; None when it leaves its folder."""
    if listed == []:
        return {}
    if not isinstance(listed, dict):
        return None
    kept: dict[str, Any] = {}
    for loader in _LOADERS:
        prefixes = listed.get(loader) or {}
        if not isinstance(prefixes, dict):
            return None
        found = {prefix: _paths(paths) for prefix, paths in prefixes.items()}
        if None in found.values() or not all(_is_namespace(prefix) for prefix in found):
            return None
        kept[loader] = found
    for key in _LISTS:
        kept[key] = _paths(listed.get(key) or [])
        if kept[key] is None:
            return None
    return {key: value for key, value in kept.items() if value}


def _is_namespace(prefix: str) -> bool:
    return len(prefix) <= _MAX_NAMESPACE and _NAMESPACE.fullmatch(prefix) is not None


def _paths(listed: Any) -> list[str] | None:
    """Return paths below the folder they belong to; None when one is something else."""
    paths = [listed] if isinstance(listed, str) else listed
    if not isinstance(paths, list):
        return None
    good = all(isinstance(path, str) and _SOURCE_PATH.fullmatch(path) and ".." not in path.split("/") for path in paths)
    return paths if good else None
