"""The dependencies of ``package.json``: names and versions of the package registry only (rule S20)."""

import re
from collections.abc import Mapping
from typing import Any

from grader.errors import SubmissionRejected
from grader.intake.dependencies import Found
from grader.intake.json_files import JsonFile, read_json
from grader.intake.limits import MAX_LOCK_BYTES, MAX_REQUIREMENTS
from grader.intake.node_lock import Locked, normalise

PACKAGE = "package.json"
LOCK = "package-lock.json"
OTHER_LOCKS = frozenset({"yarn.lock", "pnpm-lock.yaml", "npm-shrinkwrap.json", "bun.lock", "bun.lockb"})
EXAMPLE = '"express": "^4.19.2"'

_SECTIONS = ("dependencies", "optionalDependencies")
_NAME = re.compile(r"(?:@[A-Za-z0-9][A-Za-z0-9._~-]*/)?[A-Za-z0-9][A-Za-z0-9._~-]*")
_MAX_NAME = 214
_MAX_SPEC = 200
_PART = r"(?:[0-9]{1,16}|[xX*])"
_PARTIAL = rf"v?{_PART}(?:\.{_PART}){{0,2}}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?"
_SIMPLE = rf"(?:[<>]=?|=|~>?|\^)? ?{_PARTIAL}"
_RANGE = re.compile(rf"(?:{_PARTIAL} - {_PARTIAL}|{_SIMPLE}(?: {_SIMPLE})*)?")
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
# Everything that has one of these is an address, a folder, an archive or another name for a package.
_PLACE = re.compile(r"[:/\\]|^\.|\.(?:tgz|tar|tar\.gz)$", re.IGNORECASE)


def read_packages(package: JsonFile, files: Mapping[str, bytes], paths: frozenset[str]) -> Found:
    """Read what a Node project needs from its ``package.json`` and, where there is one, its ``package-lock.json``.

    Raises:
        SubmissionRejected: ``dependencies.not_allowed`` and ``dependencies.bad_line`` (file, line, text),
            ``dependencies.encoding``, ``dependencies.bad_file`` (problem), ``dependencies.too_large``.
    """
    if package.value.get("workspaces"):
        raise package.refused("dependencies.not_allowed", ("workspaces",), None, example=EXAMPLE)
    wanted: dict[str, tuple[int, str]] = {}
    for section in _SECTIONS:
        for name, spec in package.section(section).items():
            wanted[name] = (package.line(section, name), _checked(package, (section, name), spec))
    if len(wanted) > MAX_REQUIREMENTS:
        raise SubmissionRejected("dependencies.too_large", file=PACKAGE, limit=MAX_REQUIREMENTS)
    specs = {name: spec for name, (_, spec) in wanted.items()}
    lock = _lock(package, specs, files, paths) if specs else Locked()
    return Found(
        file=PACKAGE,
        lines=tuple((line, f"{name}@{spec}") for name, (line, spec) in wanted.items()),
        packages=dict.fromkeys(wanted, frozenset[str]()),
        notes=(*_notes(package, paths), *lock.notes),
        lock=lock.text,
    )


def _notes(package: JsonFile, paths: frozenset[str]) -> list[str]:
    notes = []
    if package.value.get("devDependencies"):
        notes.append("receipt.dev_dependencies_ignored")
    if package.value.get("peerDependencies"):
        notes.append("receipt.peer_dependencies_ignored")
    if package.section("optionalDependencies"):
        notes.append("receipt.optional_dependencies_required")
    if OTHER_LOCKS & paths:
        notes.append("receipt.other_lock_ignored")
    return notes


def _checked(package: JsonFile, place: tuple[str, str], spec: Any) -> str:
    """Return the version range or tag in one spelling."""
    name = place[-1]
    if not isinstance(spec, str) or len(name) > _MAX_NAME or not _NAME.fullmatch(name):
        raise package.refused("dependencies.bad_line", place, spec, example=EXAMPLE)
    plain = " ".join(spec.split())
    if _PLACE.search(plain):
        raise package.refused("dependencies.not_allowed", place, spec, example=EXAMPLE)
    ranges = [part.strip() for part in plain.split("||")]
    known = _TAG.fullmatch(plain) or all(_RANGE.fullmatch(part) for part in ranges)
    if len(plain) > _MAX_SPEC or not known:
        raise package.refused("dependencies.bad_line", place, spec, example=EXAMPLE)
    return " || ".join(part or "*" for part in ranges)


def _lock(package: JsonFile, specs: Mapping[str, str], files: Mapping[str, bytes], paths: frozenset[str]) -> Locked:
    if LOCK not in paths:
        return Locked(notes=("receipt.no_lock",))
    if LOCK not in files:
        raise SubmissionRejected("dependencies.too_large", file=LOCK, limit=MAX_LOCK_BYTES)
    document = read_json(LOCK, files[LOCK], limit=MAX_LOCK_BYTES)
    if package.value.get("overrides"):
        # They are no versions of the project's own packages, and a lock made with them does not agree without them.
        return Locked(notes=("receipt.overrides_ignored", "receipt.lock_ignored"))
    return normalise(document, specs)
