"""The dependency layer on the real engine: made once, from the index only, by an installer that runs no code."""

import shutil
from pathlib import Path

import pytest

from grader.errors import BuildFailed
from grader.intake import receive
from grader.sandbox import layers
from grader.sandbox.docker import DockerDriver
from grader.sandbox.engine import GuardedClient
from grader.sandbox.images import ImageStore
from grader.submission import Workspace
from tests.fixtures.builds import Recorded, check_that_only_the_index_answers, knocked
from tests.fixtures.engine import ROOT, SETTINGS
from tests.fixtures.leftovers import NOTHING, leftovers
from tests.fixtures.workspaces import APPS, quiet

UNCACHED = "flask==3.1.3\ntabulate==0.9.0\n"
"""Requirements that no other test and no sample has."""


def workspace(folder: Path, requirements: str) -> Workspace:
    """The counting app with other requirements, after intake."""
    project = folder / "project"
    shutil.copytree(APPS / "counter", project, dirs_exist_ok=True)
    (project / "requirements.txt").write_text(requirements, encoding="utf-8")
    return receive(project, spool=folder / "source.tar")


def test_a_layer_is_made_once(recorded: Recorded, engine: GuardedClient, tmp_path: Path) -> None:
    """The first submission installs through the gateway; the second one asks neither network nor installer."""
    driver = DockerDriver(recorded, ImageStore(recorded, ROOT / "sandboxes", SETTINGS))
    submission = workspace(tmp_path, UNCACHED)
    recorded.calls.clear()
    first = driver.prepare(submission, "build-first", quiet)
    try:
        assert recorded.calls["POST /containers/create"] == 2
        assert recorded.calls["POST /networks/create"] == 1
        assert recorded.calls["POST /build"] == 2
        recorded.calls.clear()
        second = driver.prepare(submission, "build-second", quiet)
        assert recorded.calls["POST /containers/create"] == 0
        assert recorded.calls["POST /networks/create"] == 0
        assert recorded.calls["POST /build"] == 1
        assert (second.layer, second.packages) == (first.layer, first.packages)
        assert "tabulate==0.9.0" in first.packages
        engine.remove_image(second.ident, force=True)
    finally:
        engine.remove_image(first.ident, force=True)
        engine.remove_image(f"{layers.REPOSITORY}:{first.layer}", force=True)
    assert leftovers(engine) == NOTHING


def test_the_layers_key_is_its_content(driver: DockerDriver, engine: GuardedClient, tmp_path: Path) -> None:
    """The same lines in another order, with comments, are the same layer."""
    lines = (APPS / "counter" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    one = driver.prepare(workspace(tmp_path, "\n".join(lines)), "build-order", quiet)
    other = driver.prepare(workspace(tmp_path, "\n\n# why\n" + "\n".join(reversed(lines))), "build-order", quiet)
    assert one.layer == other.layer
    for image in {one.ident, other.ident}:
        engine.remove_image(image, force=True)


@pytest.mark.parametrize(
    "case",
    [
        ("flask==3.1.3\n\nno-such-package-of-anybody==1.0\n", "build.package_not_found", {3}),
        ("psycopg==3.3.9\nflask==0.0.77\n", "build.version_not_found", {2}),
        ("flask==3.1.3\n# older\nwerkzeug==1.0.0\n", "build.conflict", {1, 3}),
        (f"# pinned\ntabulate==0.9.0 --hash=sha256:{'0' * 64}\n", "build.hash_mismatch", {2}),
        ("flask==3.1.3\npyspark==3.5.0\n", "build.no_wheel", {2}),
    ],
)
def test_what_cannot_be_installed_is_named_with_its_line(
    driver: DockerDriver, engine: GuardedClient, tmp_path: Path, case: tuple[str, str, set[int]]
) -> None:
    """Each reason has its own code; the last one is a package whose installation would have to run its code."""
    requirements, code, lines = case
    with pytest.raises(BuildFailed) as caught:
        driver.prepare(workspace(tmp_path, requirements), "build-fails", quiet)
    assert caught.value.code == code, caught.value.log
    assert caught.value.params["file"] == "requirements.txt"
    assert caught.value.params["line"] in lines
    assert str(caught.value.params["package"]) in requirements
    assert caught.value.log
    assert leftovers(engine) == NOTHING


@pytest.mark.parametrize("runtime", ["python", "node"])
def test_the_build_network_leads_to_the_index_only(store: ImageStore, engine: GuardedClient, runtime: str) -> None:
    """The gateway lets the index through and refuses every other name, port and address; past it there is nothing."""
    check_that_only_the_index_answers(knocked(engine, store, store.runtime(runtime).builder))
    assert leftovers(engine) == NOTHING
