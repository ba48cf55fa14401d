"""Node: packages into node_modules, by npm, without running a script of any of them.

A line is ``name@range``; ``lock`` is the text of a package-lock.json or empty.
"""

import itertools
import json
import os
import pathlib
import re
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from report import Failure, Run

MAX_SOCKETS = 12
"""Connections at a time: the gateway has few threads, and a resolver answers no burst of questions."""
OPTIONS = (
    "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress", "--no-update-notifier",
    "--logs-max=0", f"--maxsockets={MAX_SOCKETS}", "--fetch-retries=2", "--fetch-retry-maxtimeout=10000",
)  # fmt: skip
CODES = {
    "E404": "package_not_found",
    "ENOVERSIONS": "version_not_found",
    "ETARGET": "version_not_found",
    "ERESOLVE": "conflict",
    "EINTEGRITY": "hash_mismatch",
    "ENOSPC": "too_large",
    "EBADPLATFORM": "platform",
    "EBADENGINE": "platform",
    "EUSAGE": "lock_mismatch",
    "E500": "index_unreachable",
    "E502": "index_unreachable",
    "E503": "index_unreachable",
    "E504": "index_unreachable",
    "EAI_AGAIN": "index_unreachable",
    "ECONNREFUSED": "index_unreachable",
    "ECONNRESET": "index_unreachable",
    "EIDLETIMEOUT": "index_unreachable",
    "ENOTFOUND": "index_unreachable",
    "ERR_SOCKET_TIMEOUT": "index_unreachable",
    "ETIMEDOUT": "index_unreachable",
}
"""npm's own names of what went wrong."""


def named(line: str) -> tuple[str, str]:
    """The name and the range of a line; a scope begins with the sign that parts them."""
    at = line.find("@", 1)
    return (line, "*") if at < 0 else (line[:at], line[at + 1 :].strip() or "*")


def install(order: Mapping[str, Any], target: pathlib.Path, run: Run) -> tuple[list[str], list[str]]:
    """Make node_modules; returns what is in it and whose install scripts were left out.

    Raises:
        Failure: of kind ``needs_build`` when a package is no use without the code that its script would compile.
    """
    if not order["lines"]:
        return [], []
    wanted = dict(named(line) for line in order["lines"])
    manifest, lock, cache = target / "package.json", target / "package-lock.json", target / ".cache"
    project = {"name": "submission", "version": "0.0.0", "private": True, "dependencies": wanted}
    manifest.write_text(json.dumps(project))
    environment = {"npm_config_cache": str(cache)}
    if own_index := os.environ.get("GRADER_INDEX_URL"):
        environment["npm_config_registry"] = own_index
    if order["lock"]:
        locked = from_index(json.loads(order["lock"]), project)
        lock.write_text(json.dumps(locked))
        try:
            run("npm", "ci", *OPTIONS, "--prefix", str(target), **environment)
        except Failure as failure:
            raise explained_by_lock(failure, locked.get("packages", {}), list(wanted)) from None
    else:
        run("npm", "install", "--no-package-lock", *OPTIONS, "--prefix", str(target), **environment)
    hidden = target / "node_modules/.package-lock.json"
    installed = json.loads(hidden.read_text())["packages"] if hidden.exists() else {}
    for leftover in (manifest, lock, hidden):
        leftover.unlink(missing_ok=True)
    shutil.rmtree(cache, ignore_errors=True)
    with_scripts = {path: one for path, one in installed.items() if one.get("hasInstallScript")}
    for path, one in with_scripts.items():
        if not one.get("optional") and is_unbuilt(target / path):
            name = called(path)
            at = blamed(name, installed, list(wanted))
            raise Failure([f"{name}@{one.get('version')} has to be compiled"], kind="needs_build", package=name, at=at)
    return [f"{called(path)}=={one.get('version')}" for path, one in installed.items()], [*map(called, with_scripts)]


def from_index(lock: dict[str, Any], project: Mapping[str, Any]) -> dict[str, Any]:
    """A lock without addresses: where a package comes from is said by the index, and its hash says that it is the one.

    The project's own entry is written anew, because the lines are what was validated.
    """
    for packages in (lock.get("packages", {}), lock.get("dependencies", {})):
        for one in packages.values():
            one.pop("resolved", None)
    if "packages" in lock:
        lock["packages"][""] = dict(project)
    return lock


def explained_by_lock(failure: Failure, packages: Mapping[str, Mapping[str, Any]], wanted: list[str]) -> Failure:
    """Add what npm does not say, whose hash was wrong, and leave out the manual that it prints for an outdated lock."""
    log = list(itertools.takewhile(lambda line: "Clean install a project" not in line, failure.log))
    wrong = re.search(r"wanted (sha\d+-\S+) but got", "\n".join(log))
    for path, one in packages.items():
        if wrong and wrong.group(1) in str(one.get("integrity", "")).split():
            name = called(path)
            return Failure(log, kind="hash_mismatch", package=name, at=blamed(name, packages, wanted))
    return Failure(log)


def is_unbuilt(package: pathlib.Path) -> bool:
    """Whether a package has sources to compile and nothing compiled."""
    return (package / "binding.gyp").exists() and next(package.rglob("*.node"), None) is None


def called(path: str) -> str:
    """The name of the package at a path such as ``node_modules/a/node_modules/@b/c``."""
    return path.rpartition("node_modules/")[2]


def blamed(name: str, installed: Mapping[str, Mapping[str, Any]], wanted: list[str]) -> int | None:
    """The first wanted package that needs ``name``, itself or through others."""
    needs: dict[str, set[str]] = {}
    for path, one in installed.items():
        needs.setdefault(called(path), set()).update(one.get("dependencies", {}), one.get("optionalDependencies", {}))
    for at, root in enumerate(wanted):
        seen, todo = set(), [root]
        while todo:
            one = todo.pop()
            if one == name:
                return at
            if one not in seen:
                seen.add(one)
                todo += needs.get(one, ())
    return None


def explain(log: list[str], lines: list[str]) -> tuple[str, str, int | None]:
    """What went wrong: the kind, the package and the index of its line; pure."""
    text = "\n".join(log)
    codes = re.findall(r"\b(?:code|errno) (E[A-Z0-9_]+)", text)
    kind = next((CODES[code] for code in codes if code in CODES), "failed")
    if kind == "failed" and re.search(r"no space left on device", text, re.IGNORECASE):
        kind = "too_large"
    names = [named(line)[0] for line in lines]
    for one in _mentioned(text):
        if one in names:
            return kind, one, names.index(one)
    return kind, next(_mentioned(text), ""), None


_NAME = r"(?:@[\w.~-]+/)?[\w.~-]+"


def _mentioned(text: str) -> Iterator[str]:
    """The packages that an error of npm names, in its order."""
    for found in re.finditer(
        rf"'({_NAME})@[^']*' is not in this registry"
        rf"|No matching version found for ({_NAME})@"
        rf"|No versions available for ({_NAME})"
        rf"|Unsupported (?:platform|engine) for ({_NAME})@"
        rf"|Could not resolve dependency:\s+(?:npm \S+ )?(?:peer )?({_NAME})@"
        rf"|(?:Missing|Invalid): (?:lock file's )?({_NAME})@"
        rf"|/({_NAME})/-/[^/\s]+\.tgz"
        rf"|(?<![\w@/.~-])({_NAME})@\S+",
        text,
    ):
        yield next(name for name in found.groups() if name)
