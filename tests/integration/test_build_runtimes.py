"""Dependency layers of Node and PHP on the real engine, and what their images say of a source that is broken."""

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

import pytest

from grader.errors import BuildFailed, InfrastructureFault
from grader.sandbox import golden, labels, reaper
from grader.sandbox.engine import GuardedClient
from grader.sandbox.images import ImageStore, build_image
from grader.submission import RuntimeName
from tests.fixtures import composer
from tests.fixtures.builds import (
    Recorded,
    asked,
    check_that_only_the_index_answers,
    forget,
    knocked,
    left_by_builds,
    made,
    printed_by,
    said,
)
from tests.fixtures.engine import ROOT, SETTINGS
from tests.fixtures.leftovers import NOTHING


@pytest.fixture(scope="module")
def repository(engine: GuardedClient, store: ImageStore) -> Iterator[composer.Repository]:
    """A Composer repository in a container, and a builder that is set to it."""
    with pytest.MonkeyPatch.context() as patch, composer.served(engine, store) as served:
        patch.setenv("NO_PROXY", served.address)  # where the machine needs a proxy, the gateway needs none to here
        yield served


IMPORT = """
import { createRequire } from 'node:module';
import debug from 'debug';
console.log(typeof debug, createRequire('/app/x.js')('ms')(60000));
"""


def test_a_node_layer_is_made_once(recorded: Recorded, engine: GuardedClient) -> None:
    """The second submission asks the engine one question and the index none; both kinds of import find the packages."""
    store = ImageStore(recorded, ROOT / "sandboxes", SETTINGS)
    wanted = asked("package.json", "debug@4.3.7")
    store.missing()
    recorded.calls.clear()
    first, heard = made(recorded, store, "node", wanted)
    try:
        assert recorded.calls["POST /containers/create"] == 2, heard
        assert first.packages == ("debug==4.3.7", "ms==2.1.3")
        assert first.images == ("runtime-node", "builder-node")
        recorded.calls.clear()
        second, heard = made(recorded, store, "node", wanted)
        assert dict(recorded.calls) == {"GET /images/json": 1}
        assert (second, heard) == (replace(first, images=("runtime-node",)), ["cached"])
        command = ("node", "--input-type=module", "--eval", IMPORT)
        assert said(engine, first, *command) == "function 1m"
        assert said(engine, first, "find", "/app", "-maxdepth", "1") == "/app\n/app/node_modules"
    finally:
        forget(engine, first)
    assert left_by_builds(engine) == NOTHING


def test_a_node_lock_decides_the_versions(store: ImageStore, engine: GuardedClient) -> None:
    """What the range would allow today does not matter; another lock is another layer."""
    free, _ = made(engine, store, "node", asked("package.json", "ms@^2.0.0"))
    lock = node_lock("ms", "2.0.0", MS_HASH)
    locked, _ = made(engine, store, "node", asked("package.json", "ms@^2.0.0", lock=lock))
    try:
        assert locked.packages == ("ms==2.0.0",)
        assert free.packages != locked.packages
        assert free.key != locked.key
    finally:
        forget(engine, free)
        forget(engine, locked)


MS_HASH = "sha512-Tpp60P6IUJDTuOq/5Z8cdskzJujfwqfOTkrwIwj7IRISpnkJnT6SyJ4PCPnGMoFjC9ddhal5KVIYtAt97ix05A=="


def node_lock(name: str, version: str, integrity: str) -> str:
    """A lock with one package, as intake writes it: without an address."""
    entry = {"version": version, "integrity": integrity}
    root = {"name": "app", "version": "0.0.0", "dependencies": {name: "^2.0.0"}}
    packages = {"": root, f"node_modules/{name}": entry}
    return json.dumps({"name": "app", "version": "0.0.0", "lockfileVersion": 3, "requires": True, "packages": packages})


def test_no_install_script_of_a_node_package_is_run(store: ImageStore, engine: GuardedClient) -> None:
    """The package that would put a program in place of its script is named, and its script is still there."""
    layer, heard = made(engine, store, "node", asked("package.json", "esbuild@0.21.0"))
    try:
        assert heard[-1] == "install scripts that were not run: esbuild"
        assert said(engine, layer, "head", "-c", "19", "/app/node_modules/esbuild/bin/esbuild") == "#!/usr/bin/env node"
    finally:
        forget(engine, layer)


@pytest.mark.parametrize(
    "case",
    [
        (["ms@2.1.3", "no-such-package-of-anybody@^1"], "", "build.package_not_found", 2),
        (["ms@^99.0.0"], "", "build.version_not_found", 1),
        (["ajv@8.12.0", "ajv-keywords@3.5.2"], "", "build.conflict", 1),
        (["iconv@3.0.1"], "", "build.needs_build", 1),
        (["fsevents@2.3.3"], "", "build.platform", 1),
        (["ms@^2.0.0"], node_lock("ms", "2.0.0", f"sha512-{'A' * 86}=="), "build.hash_mismatch", 1),
        (["ms@^2.0.0", "depd@2.0.0"], node_lock("ms", "2.0.0", MS_HASH), "build.lock_mismatch", 2),
    ],
)
def test_node_packages_that_cannot_be_installed_are_named_with_their_line(
    store: ImageStore, engine: GuardedClient, case: tuple[list[str], str, str, int]
) -> None:
    """Each reason has its own code; a package that has to be compiled is told of now and not when it is first used."""
    lines, lock, code, blamed = case
    with pytest.raises(BuildFailed) as caught:
        made(engine, store, "node", asked("package.json", *lines, lock=lock))
    assert (caught.value.code, caught.value.params["line"]) == (code, blamed), caught.value.log
    assert caught.value.params["package"] == lines[blamed - 1].partition("@")[0]
    assert caught.value.log
    assert left_by_builds(engine) == NOTHING


PHP_LOADS = r"""
require '/app/vendor/autoload.php';
$loader = Composer\Autoload\ClassLoader::getRegisteredLoaders()['/app/vendor'];
echo Acme\Greeting::word(), ' ', $loader->getPrefixesPsr4()['App\\'][0], ' ', json_encode(glob('/app/vendor/*'));
"""


def test_a_php_layer_is_made_once(repository: composer.Repository, recorded: Recorded, engine: GuardedClient) -> None:
    """The second submission is served while the index does not answer; no script is run, and vendor loads as usual."""
    wanted = asked("composer.json", "acme/greeting:^1.0", autoload=json.dumps({"psr-4": {"App\\": ["src/"]}}))
    recorded.calls.clear()
    first, heard = made(recorded, repository.store, "php", wanted)
    try:
        assert recorded.calls["POST /containers/create"] == 2, heard
        assert first.packages == ("acme/greeting==1.1.0",)
        recorded.calls.clear()
        engine.pause(repository.container)
        try:
            second, heard = made(recorded, repository.store, "php", wanted)
        finally:
            engine.unpause(repository.container)
        assert dict(recorded.calls) == {"GET /images/json": 1}
        assert (second, heard) == (replace(first, images=("runtime-php",)), ["cached"])
        vendor = json.dumps([f"/app/vendor/{name}" for name in ("acme", "autoload.php", "composer")])
        printed = said(engine, first, "php", "-r", PHP_LOADS).replace("\\/", "/")
        assert printed == f"sawasdee /app/vendor/composer/../../src {vendor.replace(', ', ',')}"
        assert said(engine, first, "find", "/app", "-maxdepth", "1") == "/app\n/app/vendor"
    finally:
        forget(engine, first)


def php_lock(**dist: str) -> str:
    """A lock as intake writes it, with an address that must not be used."""
    place = {"type": "zip", "url": "https://canary.test/greeting.zip", **dist}
    return json.dumps({"packages": [{"name": "acme/greeting", "version": "1.0.0", "dist": place}]})


def test_a_php_lock_decides_the_versions_and_the_index_the_place(
    repository: composer.Repository, engine: GuardedClient
) -> None:
    """The locked version is installed although there is a newer one, and nothing is fetched from the lock's address."""
    wanted = asked("composer.json", "acme/greeting:^1.0", lock=php_lock(reference="commit-of-1.0.0"))
    layer, _ = made(engine, repository.store, "php", wanted)
    forget(engine, layer)
    assert layer.packages == ("acme/greeting==1.0.0",)


@pytest.mark.parametrize(
    "case",
    [
        (["acme/greeting:^1.0", "acme/nobody:^1.0"], "", "build.package_not_found", 2),
        (["acme/greeting:^9.0"], "", "build.version_not_found", 1),
        (["acme/rival:*", "acme/greeting:*"], "", "build.conflict", 1),
        (["acme/needy:*"], "", "build.platform", 1),
        (["acme/newer:*"], "", "build.platform", 1),
        (["acme/changed:*"], "", "build.hash_mismatch", 1),
        (["acme/greeting:^1.0"], php_lock(reference="another-commit"), "build.hash_mismatch", 1),
        (["acme/elsewhere:*"], "", "build.failed", 1),
    ],
)
def test_php_packages_that_cannot_be_installed_are_named_with_their_line(
    repository: composer.Repository, engine: GuardedClient, case: tuple[list[str], str, str, int]
) -> None:
    """Each reason has its own code; an archive that lies outside the index is the package's fault and not ours."""
    lines, lock, code, blamed = case
    with pytest.raises(BuildFailed) as caught:
        made(engine, repository.store, "php", asked("composer.json", *lines, lock=lock))
    assert (caught.value.code, caught.value.params["line"]) == (code, blamed), caught.value.log
    assert caught.value.params["package"] == lines[blamed - 1].partition(":")[0]
    assert caught.value.log


def test_an_index_that_is_gone_is_our_fault(repository: composer.Repository, engine: GuardedClient) -> None:
    """Nobody fails because the index does not answer."""
    engine.stop(repository.container, timeout=1)
    try:
        with pytest.raises(InfrastructureFault, match=r"infrastructure\.index_unreachable"):
            made(engine, repository.store, "php", asked("composer.json", "acme/greeting:1.1.0"))
    finally:
        engine.start(repository.container)


@pytest.mark.parametrize("runtime", get_args(RuntimeName))
def test_nothing_to_install_needs_no_index(store: ImageStore, engine: GuardedClient, runtime: RuntimeName) -> None:
    """A project without packages gets a layer, too, and can be diagnosed on it."""
    layer, _ = made(engine, store, runtime, asked("none"))
    assert layer.packages == ()
    assert json.loads(said(engine, layer, *store.runtime(runtime).diagnose)) == []
    forget(engine, layer)


BROKEN = {
    "python": {"app.py": "x = = 1\n", "good.py": "import nothing_of_the_kind\n"},
    "node": {
        "package.json": '{"type": "module"}',
        "app.js": "import { x } from './nowhere.js';\n\nlet a; let a;\n",
        "good.js": "#!/usr/bin/env node\nconst y = await fetch('http://canary.test/');\n",
        "lib/package.json": '{"type": "commonjs"}',
        "lib/good.js": "return require('nothing');\n",
        "node_modules/theirs/index.js": "(((",
    },
    "php": {
        "app.php": "<?php\nfunction a() {}\n\nfunction a() {}\n",
        "good.php": "<?php require 'nowhere.php';\n",
        "vendor/theirs/index.php": "<?php (((",
    },
}
"""A source for each runtime: one file of it cannot be compiled, and whoever runs a file or reads packages fails."""


@pytest.mark.parametrize("runtime", get_args(RuntimeName))
def test_the_file_that_cannot_be_compiled_is_named(
    store: ImageStore, engine: GuardedClient, runtime: RuntimeName
) -> None:
    """File, line and message, of the trainee's own files only; nothing is run, linked or fetched for it."""
    layer, _ = made(engine, store, runtime, asked("none"))
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for name, text in {
            "Dockerfile": f"FROM {layer.ident}\n{labels.as_step(labels.of_run('build-broken'))}\nCOPY app/ /app/\n",
            **{f"app/{path}": text for path, text in BROKEN[runtime].items()},
        }.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
    context.seek(0)
    app = build_image(engine, context, arguments={}, image_labels={}, name="broken", network="none")
    shape = golden.diagnose_shape(user="20000:20000", command=store.runtime(runtime).diagnose)
    try:
        printed = printed_by(engine, app, shape)
    finally:
        reaper.remove_run(engine, "build-broken")
        forget(engine, layer)
    (fault,) = json.loads(printed)
    place = {"python": ("app.py", 1), "node": ("app.js", 3), "php": ("app.php", 4)}[runtime]
    assert (fault["file"], fault["line"]) == place
    assert fault["message"]


def test_an_own_index_is_the_only_one(repository: composer.Repository, engine: GuardedClient) -> None:
    """Where a machine is set to an index of its own, the gateway leads there, on its port, and nowhere else."""
    builder = repository.store.runtime("php").builder
    check_that_only_the_index_answers(knocked(engine, repository.store, builder))
