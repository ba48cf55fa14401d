"""The lock of a Node project: what is kept of it, what is left aside, and what is refused."""

import copy
import json
from typing import Any

import pytest

from grader.errors import SubmissionRejected
from grader.intake.detection import Project, detect

SHA = "sha512-" + "A" * 86 + "=="


def detected(package: dict[str, Any], lock: object) -> Project:
    """Detect a project with this package.json and this lock."""
    content = lock if isinstance(lock, bytes) else json.dumps(lock, indent=2).encode()
    files = {"package.json": json.dumps(package).encode(), "package-lock.json": content, "app.js": b""}
    return detect(files, frozenset(files))


def refusal(package: dict[str, Any], lock: object) -> SubmissionRejected:
    """Return the refusal of a project that must be refused."""
    with pytest.raises(SubmissionRejected) as caught:
        detected(package, lock)
    return caught.value


# What npm writes for express (with a peer, an alias and an optional package), and for a tool.
PACKAGE = {"dependencies": {"express": "^4.19.2"}, "devDependencies": {"tool": "^1.0.0"}}
LOCK: dict[str, Any] = {
    "name": "shop",
    "lockfileVersion": 3,
    "requires": True,
    "packages": {
        "": {"name": "shop", "dependencies": {"express": "^4.19.2"}, "devDependencies": {"tool": "^1.0.0"}},
        "node_modules/express": {
            "version": "4.19.2",
            "resolved": "https://packages.example/express/-/express-4.19.2.tgz",
            "integrity": SHA,
            "license": "MIT",
            "hasInstallScript": True,
            "funding": {"url": "https://example.com"},
            "dependencies": {"debug": "2.6.9", "width": "npm:string-width@^4.2.0"},
            "optionalDependencies": {"native": "^1.0.0", "absent": "^1.0.0"},
            "peerDependencies": {"peer": ">=1", "typescript": "*"},
            "peerDependenciesMeta": {"typescript": {"optional": True}},
            "bin": {"express": "bin/express.js", "evil": "../../x"},
            "engines": {"node": ">= 0.10.0"},
        },
        "node_modules/express/node_modules/debug": {
            "version": "2.6.9",
            "integrity": SHA,
            "cpu": ["x64"],
            "bin": "cli.js",
        },
        "node_modules/debug": {"version": "4.0.0", "dev": True},
        "node_modules/width": {"name": "string-width", "version": "4.2.3", "integrity": SHA},
        "node_modules/native": {"version": "1.0.0", "optional": True, "os": ["darwin"]},
        "node_modules/peer": {"version": "1.0.0", "peer": True},
        "node_modules/typescript": {"version": "5.0.0", "dev": True},
        "node_modules/tool": {"version": "1.0.0", "dev": True, "resolved": "git+ssh://git@example.com/tool.git#abc"},
    },
}


def lock_with(**changes: Any) -> dict[str, Any]:
    """Return the lock with other fields of its express; None takes one away."""
    lock = copy.deepcopy(LOCK)
    entry = lock["packages"]["node_modules/express"] | changes
    lock["packages"]["node_modules/express"] = {key: value for key, value in entry.items() if value is not None}
    return lock


def test_lock_keeps_names_versions_and_hashes() -> None:
    """What the project needs is kept with the fields that an installer reads; tools, addresses and the rest are not."""
    found = detected(PACKAGE, LOCK)
    assert json.loads(found.dependencies.lock) == {
        "name": "app",
        "version": "0.0.0",
        "lockfileVersion": 3,
        "requires": True,
        "packages": {
            "": {"name": "app", "version": "0.0.0", "dependencies": {"express": "^4.19.2"}},
            "node_modules/express": {
                "version": "4.19.2",
                "integrity": SHA,
                "dependencies": {"debug": "2.6.9", "width": "npm:string-width@^4.2.0"},
                "optionalDependencies": {"native": "^1.0.0", "absent": "^1.0.0"},
                "peerDependencies": {"peer": ">=1", "typescript": "*"},
                "peerDependenciesMeta": {"typescript": {"optional": True}},
                "bin": {"express": "bin/express.js"},
                "engines": {"node": ">= 0.10.0"},
            },
            "node_modules/express/node_modules/debug": {
                "version": "2.6.9",
                "integrity": SHA,
                "cpu": ["x64"],
                "bin": {"debug": "cli.js"},
            },
            "node_modules/width": {"name": "string-width", "version": "4.2.3", "integrity": SHA},
            "node_modules/native": {"version": "1.0.0", "optional": True, "os": ["darwin"]},
            "node_modules/peer": {"version": "1.0.0", "peer": True},
        },
    }
    assert found.notes == ("receipt.dev_dependencies_ignored", "receipt.install_scripts_not_run")


def test_equal_locks_have_equal_texts() -> None:
    """The order of entries and what is left out do not change the text, so equal installations are made once."""
    other = copy.deepcopy(LOCK) | {"name": "other"}
    other["packages"] = dict(reversed(other["packages"].items()))
    texts = {detected(PACKAGE, lock).dependencies.lock for lock in (LOCK, other)}
    assert len(texts) == 1


OUTDATED: dict[str, object] = {
    "old format": {**LOCK, "lockfileVersion": 1},
    "no format": {"packages": LOCK["packages"]},
    "other range": {**LOCK, "packages": {**LOCK["packages"], "": {"dependencies": {"express": "^5.0.0"}}}},
    "one more": {**LOCK, "packages": {**LOCK["packages"], "": {"dependencies": {"express": "^4.19.2", "pg": "8"}}}},
    "none": {**LOCK, "packages": {**LOCK["packages"], "": {}}},
    "missing package": {**LOCK, "packages": {"": LOCK["packages"][""]}},
    "missing inside": lock_with(dependencies={"gone": "1"}),
}


@pytest.mark.parametrize("lock", OUTDATED.values(), ids=OUTDATED.keys())
def test_lock_of_another_package_json_is_left_aside(lock: object) -> None:
    """A lock that does not agree with package.json is not used, and the receipt says so."""
    found = detected(PACKAGE, lock)
    assert found.dependencies.lock == ""
    assert found.notes == ("receipt.dev_dependencies_ignored", "receipt.lock_ignored")


def test_lock_made_with_overrides_is_left_aside() -> None:
    """Overrides are not carried out, so a lock made with them would not fit."""
    found = detected({**PACKAGE, "overrides": {"debug": "4"}}, LOCK)
    assert (found.dependencies.lock, found.notes[1:]) == ("", ("receipt.overrides_ignored", "receipt.lock_ignored"))


def test_project_without_packages_needs_no_lock() -> None:
    """A lock of tools only has nothing to say."""
    found = detected({"devDependencies": {"tool": "^1.0.0"}}, LOCK)
    assert (found.dependencies.lock, found.notes) == ("", ("receipt.dev_dependencies_ignored",))


FOREIGN: dict[str, dict[str, Any]] = {
    "link": {"link": True, "resolved": "packages/x"},
    "git": {"resolved": "git+ssh://git@example.com/a/b.git#abc"},
    "file": {"resolved": "file:../x.tgz"},
    "needs git": {"dependencies": {"debug": "github:a/b"}},
    "needs an address": {"dependencies": {"debug": "https://example.com/x.tgz"}},
    "needs a file": {"optionalDependencies": {"native": "file:../x"}},
}


@pytest.mark.parametrize("changes", FOREIGN.values(), ids=FOREIGN.keys())
def test_foreign_packages_of_a_lock_are_refused(changes: dict[str, Any]) -> None:
    """A needed package that does not come from the registry is refused with its line in the lock."""
    error = refusal(PACKAGE, lock_with(**changes))
    assert error.code == "dependencies.not_allowed"
    assert error.params["file"] == "package-lock.json"
    line = json.dumps(lock_with(**changes), indent=2).split("\n")[int(str(error.params["line"])) - 1]
    assert '"node_modules/express"' in line


BROKEN: dict[str, dict[str, Any]] = {
    "no version": {"version": None},
    "range": {"version": "^4.0.0"},
    "address as version": {"version": "git+ssh://x"},
    "hash": {"integrity": "md5-abc"},
    "hash and more": {"integrity": SHA + "\n--registry"},
    "name": {"name": "../x"},
    "number": {"version": 4},
}


@pytest.mark.parametrize("changes", BROKEN.values(), ids=BROKEN.keys())
def test_broken_entries_of_a_lock_are_refused(changes: dict[str, Any]) -> None:
    """A version that is not exact, a hash that is none and a name that is a place never reach the installer."""
    error = refusal(PACKAGE, lock_with(**changes))
    assert (error.code, error.params["file"]) == ("dependencies.bad_line", "package-lock.json")


def test_odd_fields_of_a_lock_are_left_behind() -> None:
    """Fields of unexpected types and values are dropped where they are not needed."""
    odd = lock_with(
        bin=["x"], engines=["node"], os="linux", cpu=[1, "x\n"], peerDependencies={"peer": {"a": 1}}, peer="x"
    )
    entry = json.loads(detected(PACKAGE, odd).dependencies.lock)["packages"]["node_modules/express"]
    assert set(entry) == {"version", "integrity", "dependencies", "optionalDependencies"}


@pytest.mark.parametrize("lock", [b"", b"{", b"<<<<<<< HEAD\n{}", b"[" * 200, {"lockfileVersion": 3, "packages": []}])
def test_unreadable_locks_are_refused(lock: object) -> None:
    """A lock with the marks of a merge in it is a mistake to mend, not one to pass over."""
    error = refusal(PACKAGE, lock)
    assert (error.code, error.params["file"]) == ("dependencies.bad_file", "package-lock.json")


def test_locks_of_thousands_of_packages_are_refused() -> None:
    """The number of packages is limited, whatever the size of the file."""
    chain = {f"node_modules/p{n}": {"version": "1.0.0", "dependencies": {f"p{n + 1}": "1"}} for n in range(2_100)}
    chain["node_modules/p2100"] = {"version": "1.0.0"}
    lock = {"lockfileVersion": 3, "packages": {"": {"dependencies": {"p0": "1"}}, **chain}}
    packed = json.dumps(lock).encode()
    assert refusal({"dependencies": {"p0": "1"}}, packed).code == "dependencies.too_large"


def test_cycles_of_a_lock_end() -> None:
    """Packages that need each other, and paths as long as a file, are walked once."""
    packages = {
        "": {"dependencies": {"a": "1"}},
        "node_modules/a": {"version": "1.0.0", "dependencies": {"b": "1"}},
        "node_modules/b": {"version": "1.0.0", "dependencies": {"a": "1"}},
        "/".join(["node_modules/a"] * 10_000): {"version": "1.0.0"},
    }
    lock = {"lockfileVersion": 2, "packages": packages}
    found = detected({"dependencies": {"a": "1"}}, json.dumps(lock).encode())
    assert set(json.loads(found.dependencies.lock)["packages"]) == {"", "node_modules/a", "node_modules/b"}
