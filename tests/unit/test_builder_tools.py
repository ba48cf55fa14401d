"""What the installers make of the words of their package managers; what the gateway lets through."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from grader.reports.catalogue import catalogue

SANDBOXES = Path(__file__).resolve().parents[2] / "sandboxes"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of a builder image as it is found there: beside the common part of the installer."""
    monkeypatch.syspath_prepend(str(SANDBOXES / "builder" / "installer"))

    def loaded(path: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"sandboxes_{path.replace('/', '_')}", SANDBOXES / path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return loaded


# -- Python -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("Because no-such-package was not found in the package registry", ("package_not_found", "no_such.package", 1)),
        ("Because there is no version of fastapi==0.1 and you require", ("version_not_found", "fastapi", 0)),
        ("fastapi==0.1 has no usable wheels", ("no_wheel", "fastapi", 0)),
        ("Because fastapi depends on x and x conflicts", ("conflict", "fastapi", 0)),
        ("Hash mismatch for `fastapi==0.1`", ("hash_mismatch", "fastapi", 0)),
        ("error sending request for url", ("index_unreachable", "", None)),
        ("write failed: No space left on device", ("too_large", "", None)),
        ("something else", ("failed", "", None)),
    ],
)
def test_words_of_the_python_installer(load: Any, log: str, expected: tuple[str, str, int | None]) -> None:
    """Each way to fail has its kind, and the requirement that is named there is found again."""
    assert load("builder/tool.py").explain([log], ["fastapi==0.1", "no_such.package==1"]) == expected


# -- Node -------------------------------------------------------------------------------------------------------------

NPM = "npm error code {}\nnpm error {}"


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (
            NPM.format("E404", "404  'nobody-has-it@^1' is not in this registry."),
            ("package_not_found", "nobody-has-it", 1),
        ),
        (
            NPM.format("ETARGET", "notarget No matching version found for express@^99."),
            ("version_not_found", "express", 0),
        ),
        (NPM.format("ETARGET", "notarget No matching version found for deep@1."), ("version_not_found", "deep", None)),
        (
            NPM.format("ERESOLVE", 'Could not resolve dependency:\nnpm error peer x@"1" from @own/plug@2.0.0'),
            ("conflict", "@own/plug", 2),
        ),
        (
            NPM.format("EBADPLATFORM", "notsup Unsupported platform for fsevents@2.3.3: wanted"),
            ("platform", "fsevents", None),
        ),
        (NPM.format("EUSAGE", "Missing: express@4.19.2 from lock file"), ("lock_mismatch", "express", 0)),
        (NPM.format("EAI_AGAIN", "network request failed"), ("index_unreachable", "", None)),
        (NPM.format("E503", "503 Service Unavailable"), ("index_unreachable", "", None)),
        ("npm error code ENOSPC", ("too_large", "", None)),
        ("npm error code EWHATEVER", ("failed", "", None)),
    ],
)
def test_words_of_the_node_installer(load: Any, log: str, expected: tuple[str, str, int | None]) -> None:
    """The codes of npm decide; the package is a line's, or one that somebody else asked for."""
    lines = ["express@^4.19.2", "nobody-has-it@^1", "@own/plug@2.0.0"]
    assert load("builder-node/tool.py").explain(log.splitlines(), lines) == expected


def test_lines_of_node_packages(load: Any) -> None:
    """A scope begins with the sign that parts name and range; a range may hold blanks or be missing."""
    named = load("builder-node/tool.py").named
    assert [named(line) for line in ("express@^4.19.2", "@a/b@>=1 <2 || 3", "@a/b", "x@npm:y@1")] == [
        ("express", "^4.19.2"),
        ("@a/b", ">=1 <2 || 3"),
        ("@a/b", "*"),
        ("x", "npm:y@1"),
    ]


def test_a_node_lock_says_no_address(load: Any) -> None:
    """Hashes stay; where a package comes from and what the project is are not taken from the lock."""
    lock = {
        "packages": {
            "": {"dependencies": {"other": "1"}},
            "node_modules/a": {"version": "1.0.0", "resolved": "https://canary.test/a.tgz", "integrity": "sha512-x"},
        },
        "dependencies": {"a": {"version": "1.0.0", "resolved": "https://canary.test/a.tgz"}},
    }
    cleaned = load("builder-node/tool.py").from_index(lock, {"dependencies": {"a": "1"}})
    assert "canary" not in json.dumps(cleaned)
    assert cleaned["packages"][""] == {"dependencies": {"a": "1"}}
    assert cleaned["packages"]["node_modules/a"]["integrity"] == "sha512-x"


def test_a_package_that_is_no_use_without_a_compiler(load: Any, tmp_path: Path) -> None:
    """Sources to compile and nothing compiled; a package that brings its binaries is fine."""
    is_unbuilt = load("builder-node/tool.py").is_unbuilt
    assert not is_unbuilt(tmp_path)
    (tmp_path / "binding.gyp").touch()
    assert is_unbuilt(tmp_path)
    (tmp_path / "prebuilds").mkdir()
    (tmp_path / "prebuilds" / "linux-x64.node").touch()
    assert not is_unbuilt(tmp_path)


def test_who_asked_for_a_node_package(load: Any) -> None:
    """The line to blame is found through the packages between, also where they ask for each other in a circle."""
    blamed = load("builder-node/tool.py").blamed
    installed = {
        "node_modules/a": {"dependencies": {"b": "1"}},
        "node_modules/b": {"dependencies": {"a": "1"}},
        "node_modules/c": {"optionalDependencies": {"@x/deep": "1"}},
        "node_modules/c/node_modules/@x/deep": {},
    }
    assert blamed("@x/deep", installed, ["a", "c"]) == 1
    assert blamed("nobody", installed, ["a", "c"]) is None


def test_a_wrong_hash_is_given_its_package(load: Any) -> None:
    """Only the hash is named by npm; the lock says whose it is, and npm's manual is cut off."""
    tool = load("builder-node/tool.py")
    log = ["npm error Integrity checksum failed when using sha512: wanted sha512-abc= but got sha512-def=."]
    manual = ["npm error Clean install a project", "npm error Usage:"]
    packages = {"node_modules/a": {"dependencies": {"b": "1"}}, "node_modules/b": {"integrity": "sha512-abc="}}
    found = tool.explained_by_lock(tool.Failure(log + manual), packages, ["z", "a"])
    assert (found.kind, found.package, found.at, found.log) == ("hash_mismatch", "b", 1, log)
    other = tool.explained_by_lock(tool.Failure(["npm error code EUSAGE", *manual]), packages, ["z", "a"])
    assert (other.kind, other.log) == ("", ["npm error code EUSAGE"])


# -- PHP --------------------------------------------------------------------------------------------------------------


PROBLEM = "Your requirements could not be resolved to an installable set of packages. Problem 1 - {}"
ROOT_WANTS = "Root composer.json requires slim/slim * -> satisfiable by slim/slim[4.0.0]. - slim/slim 4.0.0 requires {}"


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (
            PROBLEM.format("Root composer.json requires none/such, it could not be found in any version, there may be"),
            ("package_not_found", "none/such", 1),
        ),
        (
            PROBLEM.format(
                "Root composer.json requires slim/slim ^9, found slim/slim[4.0.0] but it does not match the"
            ),
            ("version_not_found", "slim/slim", 0),
        ),
        (
            PROBLEM.format(ROOT_WANTS.format("ext-imagick * -> it is missing from your system. Install or enable it")),
            ("platform", "slim/slim", 0),
        ),
        (
            PROBLEM.format(
                ROOT_WANTS.format("deep/one ^1 - deep/one 1.0.0 requires php >=9 -> your php version (8.2)")
            ),
            ("platform", "slim/slim", 0),
        ),
        (
            PROBLEM.format(
                ROOT_WANTS.format("deep/one ^1 -> found deep/one[2.0.0] but it does not match the constraint")
            ),
            ("conflict", "slim/slim", 0),
        ),
        (
            PROBLEM.format("deep/one is locked to version 1, deep/one conflicts with deep/two"),
            ("conflict", "deep/one", None),
        ),
        (
            "- Locking slim/slim (4.0.0) The checksum verification of the file failed (downloaded from https://a.test/b/c)",
            ("hash_mismatch", "", None),
        ),
        (
            "- Locking none/such (1.0) curl error 28 while downloading https://a.test/p2/x.json: Operation timed out",
            ("index_unreachable", "", None),
        ),
        (
            'The "http://a.test/packages.json" file could not be downloaded (HTTP/1.1 500 Unable',
            ("index_unreachable", "", None),
        ),
        (
            "- Locking none/such (1) curl error 56 on https://a.test/repos/slim/Slim/abc: CONNECT, response 403",
            ("failed", "slim/slim", 0),
        ),
        ("write failed: No space left on device", ("too_large", "", None)),
        ("something else", ("failed", "", None)),
    ],
)
def test_words_of_the_php_installer(load: Any, log: str, expected: tuple[str, str, int | None]) -> None:
    """Each way to fail has its kind; a host that the gateway refuses is not an index that cannot be reached."""
    assert load("builder-php/tool.py").explain([log], ["slim/slim:^4.0", "none/such:^1"]) == expected


def test_a_php_lock_says_versions_and_no_address(load: Any) -> None:
    """The locked versions are asked for exactly, and the index says where they are."""
    tool = load("builder-php/tool.py")
    package = {"name": "Slim/slim", "version": "4.1.0", "dist": {"url": "https://canary.test/x", "reference": "abc"}}
    locked = tool.locked_packages(json.dumps({"packages": [package], "packages-dev": [{"name": "x/y"}]}))
    assert locked == {"slim/slim": {"version": "4.1.0", "reference": "abc", "shasum": ""}}
    project = tool.described({"slim/slim": "^4.0"}, locked, "", "")
    assert project["require"] == {"slim/slim": "4.1.0"}
    assert "canary" not in json.dumps(project)
    assert "repositories" not in project


def test_an_own_php_repository_is_the_only_one(load: Any) -> None:
    """It replaces the stock one; plain HTTP is allowed only where the setting itself says so."""
    described = load("builder-php/tool.py").described
    own = described({}, {}, "", "http://mirror.test")
    assert own["repositories"] == [{"type": "composer", "url": "http://mirror.test"}, {"packagist": False}]
    assert own["config"]["secure-http"] is False
    assert described({}, {}, "", "https://mirror.test")["config"]["secure-http"] is True


def test_the_projects_own_class_loading_is_kept_where_it_can_be(load: Any) -> None:
    """A class map is made by reading the source, which is not there."""
    autoload = {"psr-4": {"App\\": ["src/"]}, "files": ["src/help.php"], "classmap": ["src/"]}
    project = load("builder-php/tool.py").described({}, {}, json.dumps(autoload), "")
    assert project["autoload"] == {"psr-4": {"App\\": ["src/"]}, "files": ["src/help.php"]}


# -- all --------------------------------------------------------------------------------------------------------------


def test_every_kind_has_words(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an installer may report is a code that a report can put into words."""
    monkeypatch.syspath_prepend(str(SANDBOXES / "builder"))
    common = load("builder/installer/__main__.py")
    monkeypatch.delitem(sys.modules, "tool")
    codes = {"index_unreachable": "infrastructure.index_unreachable"}
    words = catalogue("en")
    assert [kind for kind in common.KINDS if codes.get(kind, f"build.{kind}") not in words] == []
    said: set[str] = set(load("builder-node/tool.py").CODES.values())
    for builder in ("builder", "builder-php"):
        said |= {kind for kind, _ in load(f"{builder}/tool.py").KINDS}
    assert said <= set(common.KINDS)


def test_the_gateway_lets_the_doors_of_the_index_through(load: Any) -> None:
    """Whole host names only, their ports only, and nothing else."""
    settings, allowed = load("builder/gateway.py").configuration(["a.test:443", "b.test:8443"], "8888", "", "")
    assert allowed == "^a\\.test$\n^b\\.test$\n"
    assert "FilterDefaultDeny Yes\nConnectPort 443\nConnectPort 8443\n" in settings
    assert "Upstream" not in settings


def test_the_gateway_uses_the_machines_proxy_but_for_near_hosts(load: Any) -> None:
    """An own index that the machine reaches without its proxy is reached without it by the gateway, too."""
    doors = ["far.test:443", "mirror.near.test:80"]
    settings, _ = load("builder/gateway.py").configuration(doors, "8888", "proxy.test:3128", "localhost,.near.test")
    assert settings.endswith('Upstream http proxy.test:3128\nUpstream none "mirror.near.test"\n')


@pytest.mark.parametrize(
    ("address", "door"),
    [
        ("https://a.test/simple", "a.test:443"),
        ("http://a.test", "a.test:80"),
        ("https://user:word@a.test:8443/x", "a.test:8443"),
        ("ftp://a.test", ""),
        ("a.test", ""),
    ],
)
def test_doors_of_an_index(address: str, door: str) -> None:
    """Host and port without anything else; what is no address of an index stops the build of the image."""
    command = [sys.executable, "-I", str(SANDBOXES / "builder" / "index_hosts.py"), address]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode == 0) == (door, bool(door))
