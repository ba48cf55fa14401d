"""PHP projects: which command starts one, what its packages may be, and what is kept of its lock."""

import copy
import json
from typing import Any

import pytest

from grader.errors import SubmissionRejected
from grader.intake.detection import Project, detect, is_wanted
from grader.intake.limits import MAX_CONFIG_BYTES, MAX_LOCK_BYTES, MAX_LOCKED_PACKAGES, MAX_REQUIREMENTS
from grader.intake.php_versions import is_constraint, read_version, satisfies

SERVER = ("php", "-S", "0.0.0.0:$PORT", "-t")
REFERENCE = "0123456789abcdef0123456789abcdef01234567"


def detected(composer: dict[str, Any] | bytes | None, *files: str, lock: object = None, config: bytes = b"") -> Project:
    """Detect a project with this composer.json, if any, and these empty files."""
    tree: dict[str, bytes] = dict.fromkeys(files or ("public/index.php",), b"")
    if composer is not None:
        tree["composer.json"] = composer if isinstance(composer, bytes) else json.dumps(composer, indent=2).encode()
    if lock is not None:
        tree["composer.lock"] = lock if isinstance(lock, bytes) else json.dumps(lock, indent=2).encode()
    if config:
        tree["grader.toml"] = config
    return detect(tree, frozenset(tree))


def refusal(composer: dict[str, Any] | bytes | None, *files: str, **more: Any) -> SubmissionRejected:
    """Return the refusal of a project that must be refused."""
    with pytest.raises(SubmissionRejected) as caught:
        detected(composer, *files, **more)
    return caught.value


STARTS = {
    "public": (("public/index.php", "src/App.php"), ("public", "public/index.php")),
    "top folder": (("index.php",), (".", "index.php")),
    "public before top": (("index.php", "public/index.php"), ("public", "public/index.php")),
    "web": (("web/index.php",), ("web", "web/index.php")),
    "router beside public": (("router.php", "public/index.php"), ("public", "router.php")),
    "router in public": (("public/router.php", "public/index.php"), ("public", "public/router.php")),
    "router alone": (("router.php",), (".", "router.php")),
}


@pytest.mark.parametrize(("files", "words"), STARTS.values(), ids=STARTS.keys())
def test_server_gives_every_request_to_one_script(files: tuple[str, ...], words: tuple[str, ...]) -> None:
    """The router is the project's own, else its front controller, so that no path is answered by PHP itself."""
    found = detected({}, *files)
    assert (found.runtime, found.start) == ("php", (*SERVER, *words))


def test_project_without_composer_has_no_packages() -> None:
    """Plain PHP needs no dependency file; the front controller stands for it."""
    found = detected(None, "index.php")
    assert (found.dependencies.file, found.dependencies.lines, found.notes) == ("index.php", (), ())


def test_no_front_controller_says_what_was_looked_for() -> None:
    """Packages without a file to start are refused with the usual names."""
    error = refusal({}, "src/App.php")
    assert error.code == "project.no_start_file"
    assert "public/index.php" in str(error.params["looked_for"])


@pytest.mark.parametrize(
    ("config", "start"),
    [
        (b'start = "php -S 0.0.0.0:${PORT} -t app app/main.php"', (*SERVER, "app", "app/main.php")),
        (b'start = ["php", "-d", "memory_limit=1", "app/main.php"]', ("php", "-d", "memory_limit=1", "app/main.php")),
        (b'start = "php -S 0.0.0.0:$PORT -t app"', (*SERVER, "app")),
        (b'start = "php -r 1"', ("php", "-r", "1")),
        (b'start = "A=1 php app/main.php"', ("env", "A=1", "php", "app/main.php")),
    ],
)
def test_configured_start_is_used(config: bytes, start: tuple[str, ...]) -> None:
    """The start command of grader.toml needs no front controller."""
    assert detected({}, "app/main.php", config=config).start == start


def test_configured_script_must_exist() -> None:
    """A script of grader.toml that is not there is named, with the one in other upper and lower case."""
    error = refusal({}, "public/Index.php", config=b'start = "php -S 0.0.0.0:$PORT public/index.php"')
    assert error.code == "project.start_file_missing"
    assert (error.params["file"], error.params["found"]) == ("public/index.php", "public/Index.php")


def test_nested_project_is_hinted_at() -> None:
    """A composer.json in a folder is not used, but the refusal says where it is."""
    error = refusal(None, "api/composer.json", "api/run.php")
    assert (error.code, error.params["found"]) == ("project.no_dependency_file", "api/composer.json")


def test_allowed_packages() -> None:
    """Names and constraints are read with their lines; PHP and its extensions are no packages."""
    composer = b"""{
  "require": {
    "php": ">=8.1",
    "ext-pdo_mysql": "*", "ext-json": "*",
    "slim/slim": "^4.0 ||  5.*",
    "Monolog/Monolog": "~3.5",
    "a/b": ">=1.0, <2.0", "a/c": "1.0 - 2.0", "a/d": "^1.0@beta", "a/e": "v1.2.3-RC1",
    "composer-runtime-api": "^2.0", "lib-libxml": "*"
  }
}"""
    assert detected(composer).dependencies.lines == (
        (5, "slim/slim:^4.0 || 5.*"),
        (6, "monolog/monolog:~3.5"),
        (7, "a/b:>=1.0, <2.0"),
        (7, "a/c:1.0 - 2.0"),
        (7, "a/d:^1.0@beta"),
        (7, "a/e:v1.2.3-RC1"),
    )


@pytest.mark.parametrize(
    "constraint",
    [
        "dev-main",
        "dev-feature/x",
        "1.0.x-dev",
        "dev-main#abcdef",
        "^1.0@dev",
        "dev-main as 1.0",
        "https://example.com/x",
        "./x",
    ],
)
def test_branches_and_addresses_are_refused_by_line(constraint: str) -> None:
    """A branch is no version: what it holds is another thing every day."""
    error = refusal({"name": "x/y", "require": {"a/ok": "1.0", "a/bad": constraint}})
    assert (error.code, error.params["line"]) == ("dependencies.not_allowed", 5)
    assert error.params["text"] == f'"a/bad": "{constraint}"'


@pytest.mark.parametrize(
    "constraint", ["", "^", "banana", "1.2.3.4.5", "^1 | | 2", "self.version", "1" * 300, 5, None, []]
)
def test_unreadable_constraints_are_refused(constraint: object) -> None:
    """What is no constraint is refused with its line."""
    error = refusal({"require": {"a/bad": constraint}})
    assert (error.code, error.params["line"]) == ("dependencies.bad_line", 3)


@pytest.mark.parametrize(
    "name", ["", "slim", "-x/y", "--working-dir/x", "../x", "a/b/c", "a b/c", "ก/ข", "a/" + "b" * 300, "a/" + "b-" * 90]
)
def test_names_that_are_no_packages_are_refused(name: str) -> None:
    """A name that an installer could take for an option or a place never reaches it."""
    assert refusal({"require": {name: "1.0"}}).code == "dependencies.bad_line"


def test_repositories_are_refused() -> None:
    """Another place for packages is refused with its line."""
    error = refusal({"name": "x/y", "repositories": [{"type": "vcs", "url": "https://example.com"}]})
    assert (error.code, error.params["line"]) == ("dependencies.not_allowed", 3)


def test_settings_are_noted_and_not_used() -> None:
    """Scripts, plugins, packages for development and stability have no effect here; the receipt says so."""
    composer = {
        "require-dev": {"phpunit/phpunit": "dev-main"},
        "scripts": {"start": "php -S localhost:8080"},
        "config": {"allow-plugins": {"a/b": True}},
        "minimum-stability": "dev",
    }
    assert detected(composer).notes == (
        "receipt.dev_dependencies_ignored",
        "receipt.composer_scripts_ignored",
        "receipt.composer_plugins_ignored",
        "receipt.minimum_stability_ignored",
    )


def test_missing_extension_is_named() -> None:
    """An extension that the image does not have is refused before anything is installed."""
    error = refusal({"name": "x/y", "require": {"php": "^8.2", "ext-intl": "*"}})
    assert (error.code, error.params["extension"], error.params["line"]) == (
        "dependencies.extension_missing",
        "intl",
        5,
    )


@pytest.mark.parametrize("constraint", ["^8.3", ">=8.3", "~8.1.0", "<8.2", "8.1.*", "^7.4 || ^9.0", "7.4 - 8.1"])
def test_other_php_is_refused(constraint: str) -> None:
    """A project for another PHP is told which one runs here."""
    error = refusal({"require": {"php": constraint}})
    assert (error.code, error.params["wanted"]) == ("dependencies.php_version", constraint)
    assert error.params["offered"] == "8.2"


@pytest.mark.parametrize(
    "constraint", ["*", "^8.0", ">=7.4", "~8.2.0", "8.2.*", "^7.4|^8.1", ">=8.1 <8.4", "8.1 - 8.3", "!=8.1.0"]
)
def test_this_php_is_taken(constraint: str) -> None:
    """Every usual way to ask for the PHP that runs here is understood."""
    assert detected({"require": {"php": constraint}}).dependencies.lines == ()


VERSIONS = {
    "^1.2.3": (["1.2.3", "1.9", "v1.99.0"], ["1.2.2", "2.0", "0.9"]),
    "^0.3": (["0.3.0", "0.3.9"], ["0.4.0", "0.2", "1.0"]),
    "^0.0.3": (["0.0.3"], ["0.0.4"]),
    "~1.2": (["1.2", "1.9"], ["2.0", "1.1"]),
    "~1.2.3": (["1.2.3", "1.2.9"], ["1.3.0"]),
    "1.2.*": (["1.2.0", "1.2.9"], ["1.3.0", "1.1.9"]),
    "1.2.3": (["1.2.3", "v1.2.3.0"], ["1.2.4"]),
    ">1.2": (["1.2.1", "2.0"], ["1.2"]),
    ">= 1.2 < 2": (["1.2", "1.9"], ["2.0", "1.1"]),
    "<=1.2": (["1.2", "0.1"], ["1.2.1"]),
    "!=1.2.3": (["1.2.4"], ["1.2.3"]),
    "1.0 - 2.0": (["1.0", "2.0.9"], ["2.1", "0.9"]),
    "1.0.0 - 2.0.0": (["2.0.0"], ["2.0.1"]),
    "^1.0 || ^3.0": (["1.5", "3.5"], ["2.5"]),
    "*": (["0.0.1", "99"], []),
}


@pytest.mark.parametrize(("constraint", "inside", "outside"), [(key, *value) for key, value in VERSIONS.items()])
def test_constraints_mean_what_composer_says(constraint: str, inside: list[str], outside: list[str]) -> None:
    """Each sign includes its first version and excludes its first version too many."""
    assert is_constraint(constraint)
    held = {text: satisfies(version, constraint) for text in inside + outside if (version := read_version(text))}
    assert held == dict.fromkeys(inside, True) | dict.fromkeys(outside, False)


@pytest.mark.parametrize("text", ["dev-main", "1.0.x-dev", "2.0.0-beta1", "", "1.2.3.4.5"])
def test_versions_without_a_place_in_the_order_are_unknown(text: str) -> None:
    """A branch and a version before its release are compared with nothing."""
    assert read_version(text) is None


HOSTILE = {
    "deep": b"[" * 100_000,
    "no object": b"[]",
    "nothing": b"",
    "duplicate": b'{"require": {"a/b": "1.0", "a/b": "2.0"}}',
    "not a number": b'{"a": NaN}',
    "section is a list": b'{"require": ["slim/slim"]}',
    "autoload is text": b'{"autoload": "src"}',
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_files_are_refused(content: bytes) -> None:
    """A file that no two readers would take alike is refused as a whole."""
    error = refusal(content)
    assert (error.code, error.params["file"]) == ("dependencies.bad_file", "composer.json")


def test_empty_sections_of_php_are_taken() -> None:
    """PHP writes an empty object as an empty list."""
    assert detected(b'{"require": [], "autoload": [], "config": []}').dependencies.lines == ()


def test_sizes_are_limited() -> None:
    """Files and lists that are too long are refused, and a file that is too long is not even kept."""
    many = {f"a/p{number}": "1.0" for number in range(MAX_REQUIREMENTS + 1)}
    assert refusal({"require": many}).code == "dependencies.too_large"
    assert refusal(b"{}" + b" " * MAX_CONFIG_BYTES).code == "dependencies.too_large"
    assert not is_wanted("composer.json", MAX_CONFIG_BYTES + 1)
    assert not is_wanted("composer.lock", MAX_LOCK_BYTES + 1)
    lock = {"packages": [package(name=f"a/p{number}") for number in range(MAX_LOCKED_PACKAGES + 1)]}
    packed = json.dumps(lock).encode()
    assert refusal({"require": {"a/p1": "4.14.0"}}, lock=packed).code == "dependencies.too_large"


@pytest.mark.parametrize("missing", ["composer.json", "composer.lock"])
def test_files_that_were_not_kept_are_too_large(missing: str) -> None:
    """A file that is there and was not kept is too long; it is not taken for missing."""
    files = {"composer.json": b'{"require": {"a/b": "1.0"}}', "composer.lock": b"{}", "index.php": b""}
    paths = frozenset(files)
    del files[missing]
    with pytest.raises(SubmissionRejected) as caught:
        detect(files, paths)
    assert (caught.value.code, caught.value.params["file"]) == ("dependencies.too_large", missing)


def test_autoload_of_the_project_is_handed_on() -> None:
    """The class loader is written where the source is not, so the folders of the classes go with the packages."""
    composer = {
        "autoload": {
            "psr-4": {"App\\": "src/", "": ["lib/", "./other"]},
            "psr-0": {"Old_": "old/"},
            "files": ["src/functions.php"],
            "exclude-from-classmap": ["x/"],
        },
        "autoload-dev": {"psr-4": {"Tests\\": "tests/"}},
    }
    assert json.loads(detected(composer).dependencies.autoload) == {
        "psr-4": {"App\\": ["src/"], "": ["lib/", "./other"]},
        "psr-0": {"Old_": ["old/"]},
        "files": ["src/functions.php"],
    }
    assert detected({}).dependencies.autoload == ""


@pytest.mark.parametrize(
    "autoload",
    [
        {"classmap": ["src/"]},
        {"psr-4": {"App\\": "../other/"}},
        {"psr-4": {"App\\": "/etc/"}},
        {"psr-4": {"App\\": "src/../../x"}},
        {"psr-4": {"App'; evil(); '": "src/"}},
        {"psr-4": {"A" * 150 + "!": "src/"}},
        {"psr-4": ["src/"]},
        {"psr-4": {"\ud800\\": "src/"}},
        {"psr-4": {"App\\": 5}},
        {"files": ["x\n.php"]},
        {"files": {"a": "b"}},
    ],
)
def test_autoload_outside_of_the_project_is_refused(autoload: dict[str, Any]) -> None:
    """A class map needs the source, and a place outside of the project is nobody's business."""
    error = refusal({"name": "x/y", "autoload": autoload})
    assert error.code == "dependencies.autoload"
    assert int(str(error.params["line"])) >= 3


def package(**changes: Any) -> dict[str, Any]:
    """Return a package as Composer writes it into a lock."""
    entry = {
        "name": "slim/slim",
        "version": "4.14.0",
        "source": {"type": "git", "url": "https://example.com/slim.git", "reference": REFERENCE},
        "dist": {
            "type": "zip",
            "url": f"https://api.example.com/repos/slimphp/Slim/zipball/{REFERENCE}",
            "reference": REFERENCE,
            "shasum": "",
        },
        "require": {"ext-json": "*", "php": "^7.4 || ^8.0", "psr/log": "^1.1 || ^3.0"},
        "require-dev": {"phpunit/phpunit": "^9"},
        "provide": {"psr/http-server-implementation": "1.0"},
        "type": "library",
        "extra": {"class": "Evil"},
        "autoload": {"psr-4": {"Slim\\": "Slim"}, "classmap": ["old/"]},
        "scripts": {"post-install-cmd": "x"},
        "notification-url": "https://example.com/downloads/",
        "license": ["MIT"],
        "time": "2024-06-13T08:54:48+00:00",
    }
    return {key: value for key, value in (entry | changes).items() if value is not None}


LOG = package(
    name="psr/log", version="3.0.2", require={"php": ">=8.0.0"}, provide=None, autoload={"psr-4": {"Psr\\Log\\": "src"}}
)
LOCK: dict[str, Any] = {
    "_readme": ["x"],
    "content-hash": "abc",
    "packages": [package(), LOG],
    "packages-dev": [package(name="a/tool", version="dev-main")],
    "minimum-stability": "stable",
    "platform": {"php": "^8.1"},
}
COMPOSER = {"require": {"php": "^8.1", "slim/slim": "^4.0"}}


def lock_with(**changes: Any) -> dict[str, Any]:
    """Return the lock with another package in the place of the first one."""
    return {**copy.deepcopy(LOCK), "packages": [package(**changes), LOG]}


def test_lock_keeps_names_versions_and_archives() -> None:
    """Each package keeps what Composer needs to install it; checkouts, scripts, settings and tools are left behind."""
    found = detected(COMPOSER, lock=LOCK)
    lock = json.loads(found.dependencies.lock)
    assert found.notes == ()
    assert [one["name"] for one in lock["packages"]] == ["psr/log", "slim/slim"]
    assert lock["packages"][1] == {
        "name": "slim/slim",
        "version": "4.14.0",
        "type": "library",
        "dist": LOCK["packages"][0]["dist"],
        "require": {"ext-json": "*", "php": "^7.4 || ^8.0", "psr/log": "^1.1 || ^3.0"},
        "provide": {"psr/http-server-implementation": "1.0"},
        "autoload": {"psr-4": {"Slim\\": ["Slim"]}, "classmap": ["old/"]},
    }
    assert (lock["packages-dev"], lock["platform"]) == ([], {})


def test_equal_locks_have_equal_texts() -> None:
    """The order of packages and what is left out do not change the text, so equal installations are made once."""
    other = {**LOCK, "packages": LOCK["packages"][::-1], "content-hash": "other"}
    texts = {detected(COMPOSER, lock=lock).dependencies.lock for lock in (LOCK, other)}
    assert len(texts) == 1


@pytest.mark.parametrize(
    "require",
    [{"slim/slim": "^5.0"}, {"slim/slim": "^4.0", "a/new": "^1.0"}, {"slim/slim": "4.13.*"}],
)
def test_lock_of_another_composer_json_is_left_aside(require: dict[str, str]) -> None:
    """A lock that does not hold what composer.json asks for is not used, and the receipt says so."""
    found = detected({"require": require}, lock=LOCK)
    assert (found.dependencies.lock, found.notes) == ("", ("receipt.lock_ignored",))


def test_virtual_package_is_found_in_the_lock() -> None:
    """A package that others stand in for is held by a lock without an entry of its own."""
    found = detected({"require": {"slim/slim": "^4.0", "psr/http-server-implementation": "1.0"}}, lock=LOCK)
    assert found.dependencies.lock != ""


def test_missing_lock_is_noted() -> None:
    """Without a lock the versions are chosen at installation; without packages there is nothing to choose."""
    assert detected(COMPOSER).notes == ("receipt.no_lock",)
    assert detected({"require": {"php": "^8.1"}}).notes == ()


FOREIGN: dict[str, dict[str, Any]] = {
    "path": {"dist": {"type": "path", "url": "../x", "reference": "x"}},
    "tar": {"dist": {"type": "tar", "url": "https://example.com/x.tar", "reference": "x"}},
    "checkout only": {"dist": None},
    "no encryption": {"dist": {"type": "zip", "url": "http://example.com/x.zip"}},
    "file": {"dist": {"type": "zip", "url": "file:///etc/passwd"}},
    "password": {"dist": {"type": "zip", "url": "https://user:pass@example.com/x.zip"}},
    "port": {"dist": {"type": "zip", "url": "https://example.com:22/x.zip"}},
    "no host": {"dist": {"type": "zip", "url": "https://localhost/x.zip"}},
    "branch": {"version": "dev-main"},
    "branch of a version": {"version": "4.x-dev"},
}


@pytest.mark.parametrize("changes", FOREIGN.values(), ids=FOREIGN.keys())
def test_foreign_packages_of_a_lock_are_refused(changes: dict[str, Any]) -> None:
    """A package that is no release in a zip archive is refused with its line in the lock, without a password."""
    lock = {**LOCK, "packages": [LOG, package(**changes)]}
    error = refusal(COMPOSER, lock=lock)
    assert (error.code, error.params["file"]) == ("dependencies.not_allowed", "composer.lock")
    before = json.dumps({**LOCK, "packages": [LOG]}, indent=2).split('"packages-dev"')[0].count("\n")
    assert error.params["line"] == before
    assert "pass@" not in str(error.params["text"])


BROKEN: dict[str, dict[str, Any]] = {
    "name": {"name": "--evil/x y"},
    "no name": {"name": None},
    "no version": {"version": None},
    "version": {"version": "4.14.0; rm"},
    "type": {"type": "Library; x"},
    "reference": {"dist": {"type": "zip", "url": "https://example.com/x.zip", "reference": "a b"}},
    "sum": {"dist": {"type": "zip", "url": "https://example.com/x.zip", "shasum": "xyz"}},
    "requirement": {"require": {"a/b": "$(x)"}},
    "requirement of nobody": {"require": {"a\nb": "1"}},
    "requirements": {"require": "a/b"},
    "class loading": {"autoload": {"psr-4": {"X\\": "../../x"}}},
}


@pytest.mark.parametrize("changes", BROKEN.values(), ids=BROKEN.keys())
def test_broken_packages_of_a_lock_are_refused(changes: dict[str, Any]) -> None:
    """What is no name, no version, no hash and no folder of the package never reaches the installer."""
    error = refusal(COMPOSER, lock=lock_with(**changes))
    assert (error.code, error.params["file"]) == ("dependencies.bad_line", "composer.lock")


def test_package_of_packages_needs_no_archive() -> None:
    """A package that only asks for others has no content."""
    found = detected(COMPOSER, lock=lock_with(type="metapackage", dist=None))
    assert "dist" not in json.loads(found.dependencies.lock)["packages"][1]


def test_packages_of_a_lock_may_need_more_than_there_is() -> None:
    """An extension or a PHP that a locked package needs is refused with the name of the package."""
    extension = refusal(COMPOSER, lock=lock_with(require={"ext-mongodb": "*"}))
    assert (extension.code, extension.params["package"]) == ("dependencies.extension_missing", "slim/slim")
    version = refusal(COMPOSER, lock=lock_with(require={"php": "^8.3"}))
    assert (version.code, version.params["file"]) == ("dependencies.php_version", "composer.lock")


def test_package_may_stand_in_for_an_extension() -> None:
    """A locked package that provides an extension is as good as the extension."""
    lock = lock_with(require={"ext-mongodb": "*"}, provide={"ext-mongodb": "*"})
    assert detected(COMPOSER, lock=lock).dependencies.lock != ""


@pytest.mark.parametrize(
    "lock",
    [b"", b"<<<<<<< HEAD\n{}", b"{}", {"packages": {}}, {"packages": [5]}, {"packages": [LOG, LOG]}],
)
def test_unreadable_locks_are_refused(lock: object) -> None:
    """A lock that is no list of packages, or lists one twice, is a mistake to mend."""
    error = refusal(COMPOSER, lock=lock)
    assert (error.code, error.params["file"]) == ("dependencies.bad_file", "composer.lock")
