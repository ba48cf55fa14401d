"""``package-lock.json``, taken apart and written anew: names, exact versions and hashes, no address (rule S20).

What the project does not need (tools for development, packages that nobody asks for) is left out; what it needs is kept
with the few fields that an installer reads. A lock that does not belong to its ``package.json`` is left aside, with a
note: the versions there say enough to install, and an outdated lock is the most frequent small mistake. A lock that
holds something that must not be installed is refused.
"""

import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grader.errors import SubmissionRejected
from grader.intake.json_files import JsonFile
from grader.intake.limits import MAX_LOCKED_PACKAGES

_VERSIONS = (2, 3)
_NAME = r"(?:@[A-Za-z0-9._~-]+/)?[A-Za-z0-9][A-Za-z0-9._~-]*"
_PACKAGE_NAME = re.compile(_NAME)
_PATH = re.compile(rf"node_modules/{_NAME}(?:/node_modules/{_NAME})*")
_MAX_PATH = 1_000
_NUMBER = r"(?:0|[1-9][0-9]{0,15})"
_VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-[0-9A-Za-z.-]{{1,100}})?(?:\+[0-9A-Za-z.-]{{1,100}})?")
_INTEGRITY = re.compile(r"(?:sha(?:1|256|384|512)-[A-Za-z0-9+/]{20,100}={0,2}(?: |$)){1,4}")
# A published package may ask for another under its own name; that name and the range still are the registry's.
_SPEC = re.compile(rf"(?:npm:{_NAME}(?:@|$))?[0-9A-Za-z.<>=~^|*+_ -]{{0,300}}")
_PLAIN = re.compile(r"[ -~]{0,200}")
_RELATIVE = re.compile(r"(?:\./)?[A-Za-z0-9_@][A-Za-z0-9._@-]*(?:/[A-Za-z0-9_@][A-Za-z0-9._@-]*)*")
_FOREIGN = ("git", "file:", "link:", "ssh:")
_EDGES = ("dependencies", "optionalDependencies")


@dataclass(frozen=True, kw_only=True, slots=True)
class Locked:
    """The normalised text, empty when the lock is not used, and the notes that say why."""

    text: str = ""
    notes: tuple[str, ...] = ()


class _Disagrees(Exception):
    """The lock does not hold what the project needs."""


def normalise(document: JsonFile, wanted: Mapping[str, str]) -> Locked:
    """Write the lock anew for the packages ``wanted`` (name to range, all of them required).

    Raises:
        SubmissionRejected: ``dependencies.not_allowed`` and ``dependencies.bad_line`` (file, line, text) for a needed
            package that does not come from the registry; ``dependencies.bad_file``, ``dependencies.too_large``.
    """
    version = document.value.get("lockfileVersion")
    if version not in _VERSIONS or isinstance(version, bool):
        return Locked(notes=("receipt.lock_ignored",))
    packages = document.section("packages")
    if _of_root(document, packages.get("")) != wanted:
        return Locked(notes=("receipt.lock_ignored",))
    graph = _Graph(document, packages)
    try:
        required, all_needed = graph.reach(wanted)
    except _Disagrees:
        return Locked(notes=("receipt.lock_ignored",))
    written: dict[str, Any] = {"": {"name": "app", "version": "0.0.0", "dependencies": dict(wanted)}}
    for path in sorted(all_needed):
        written[path] = graph.entry(path) | ({} if path in required else {"optional": True})
    text = {"name": "app", "version": "0.0.0", "lockfileVersion": 3, "requires": True, "packages": written}
    scripts = any(packages[path].get("hasInstallScript") for path in all_needed)
    return Locked(text=json.dumps(text), notes=("receipt.install_scripts_not_run",) if scripts else ())


def _of_root(document: JsonFile, root: object) -> dict[str, str]:
    """Return what the lock was made for, in the spelling of ``package.json`` as it is read here."""
    if not isinstance(root, dict):
        raise document.bad("packages has no entry for the project")
    found: dict[str, str] = {}
    for section in _EDGES:
        listed = root.get(section, {})
        if not isinstance(listed, dict) or not all(isinstance(spec, str) for spec in listed.values()):
            raise document.bad(f"{section} is no object of strings")
        for name, spec in listed.items():
            found[name] = " || ".join(" ".join(part.split()) or "*" for part in spec.split("||"))
    return found


class _Graph:
    """The packages of a lock by their paths, with the rule by which one finds another."""

    def __init__(self, document: JsonFile, packages: Mapping[str, Any]) -> None:
        self._document = document
        self._packages = {
            path: entry for path, entry in packages.items() if len(path) <= _MAX_PATH and _PATH.fullmatch(path)
        }

    def reach(self, wanted: Iterable[str]) -> tuple[set[str], set[str]]:
        """Return the paths that the project cannot do without, and all that it may use.

        Raises:
            _Disagrees: a package that is needed is missing.
        """
        required = self._walk({self._needed("", name) for name in wanted}, self._required)
        every = self._walk(required, self._possible)
        return required, every

    def _walk(self, start: set[str], following: Callable[[str], Iterable[str]]) -> set[str]:
        seen, waiting = set(start), deque(start)
        while waiting:
            for path in following(waiting.popleft()):
                if path not in seen:
                    seen.add(path)
                    waiting.append(path)
            if len(seen) > MAX_LOCKED_PACKAGES:
                raise SubmissionRejected("dependencies.too_large", file=self._document.file, limit=MAX_LOCKED_PACKAGES)
        return seen

    def _required(self, path: str) -> Iterator[str]:
        entry = self._checked(path)
        optional = self._names(path, entry, "optionalDependencies")
        for name in self._names(path, entry, "dependencies"):
            if name not in optional:
                yield self._needed(path, name)
        # A package of another's choice: a lock may leave it out, and who asks for it only if it is there gets nothing.
        for name in self._names(path, entry, "peerDependencies").keys() - _optional_peers(entry):
            found = self._resolve(path, name)
            if found:
                yield found

    def _possible(self, path: str) -> Iterator[str]:
        yield from self._required(path)
        for name in self._names(path, self._checked(path), "optionalDependencies"):
            found = self._resolve(path, name)
            if found:
                yield found

    def _needed(self, path: str, name: str) -> str:
        found = self._resolve(path, name)
        if found is None:
            raise _Disagrees
        return found

    def _resolve(self, path: str, name: str) -> str | None:
        """Find a package as Node does: in the folder of the one that asks, then in each folder above it."""
        while path:
            candidate = f"{path}/node_modules/{name}"
            if candidate in self._packages:
                return candidate
            path = path.rpartition("/node_modules/")[0]
        candidate = f"node_modules/{name}"
        return candidate if candidate in self._packages else None

    def _names(self, path: str, entry: Mapping[str, Any], section: str) -> dict[str, str]:
        """Return the packages that an entry asks for, with their ranges."""
        listed = entry.get(section, {})
        if not isinstance(listed, dict):
            raise self._document.bad(f"{section} of {path} is no object")
        names = {}
        for name, spec in listed.items():
            if isinstance(spec, str) and _PACKAGE_NAME.fullmatch(name) and _SPEC.fullmatch(spec):
                names[name] = spec
            elif section in _EDGES:
                raise self._document.refused("dependencies.not_allowed", ("packages", path), f"{name}@{spec}")
        return names

    def _checked(self, path: str) -> dict[str, Any]:
        """Return an entry that is a package of the registry with an exact version."""
        entry, place = self._packages[path], ("packages", path)
        if not isinstance(entry, dict):
            raise self._document.bad(f"{path} is no object")
        resolved = entry.get("resolved")
        if entry.get("link") or (isinstance(resolved, str) and resolved.lower().startswith(_FOREIGN)):
            raise self._document.refused("dependencies.not_allowed", place, resolved)
        version, name, integrity = entry.get("version"), entry.get("name"), entry.get("integrity")
        if not isinstance(version, str) or not _VERSION.fullmatch(version):
            raise self._document.refused("dependencies.bad_line", place, version)
        if name is not None and not (isinstance(name, str) and _PACKAGE_NAME.fullmatch(name)):
            raise self._document.refused("dependencies.bad_line", place, name)
        if integrity is not None and not (isinstance(integrity, str) and _INTEGRITY.fullmatch(integrity)):
            raise self._document.refused("dependencies.bad_line", place, integrity)
        return entry

    def entry(self, path: str) -> dict[str, Any]:
        """Return the fields of a package that an installer needs; everything else is left behind."""
        entry = self._checked(path)
        kept = {key: entry[key] for key in ("name", "version", "integrity") if entry.get(key) is not None}
        for section in (*_EDGES, "peerDependencies"):
            kept[section] = self._names(path, entry, section)
        optional_peers = _optional_peers(entry) & kept["peerDependencies"].keys()
        kept["peerDependenciesMeta"] = {name: {"optional": True} for name in sorted(optional_peers)}
        kept["bin"] = _bin(path, entry)
        kept["engines"] = {name: text for name, text in _mapping(entry.get("engines")).items() if _is_plain(text, name)}
        for key in ("os", "cpu", "libc"):
            kept[key] = [text for text in _sequence(entry.get(key)) if _is_plain(text)]
        bundled = entry.get("bundleDependencies")
        kept["bundleDependencies"] = [
            n for n in _sequence(bundled) if isinstance(n, str) and _PACKAGE_NAME.fullmatch(n)
        ]
        kept |= {key: True for key in ("peer", "inBundle") if entry.get(key) is True}
        return {key: value for key, value in kept.items() if value}


def _optional_peers(entry: Mapping[str, Any]) -> set[str]:
    meta = _mapping(entry.get("peerDependenciesMeta"))
    return {name for name, about in meta.items() if _mapping(about).get("optional") is True}


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_plain(*texts: object) -> bool:
    return all(isinstance(text, str) and _PLAIN.fullmatch(text) for text in texts)


def _bin(path: str, entry: Mapping[str, Any]) -> dict[str, str]:
    """Return the commands of a package; one text stands for a command of the package's own name."""
    listed = entry.get("bin")
    if isinstance(listed, str):
        listed = {path.rpartition("/")[2]: listed}
    return {
        name: target
        for name, target in _mapping(listed).items()
        if _PACKAGE_NAME.fullmatch(name) and isinstance(target, str) and _RELATIVE.fullmatch(target)
    }
