"""Remove what a killed grading left: in the engine containers first, then networks, then images; then its files."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import docker

from grader.sandbox import labels
from grader.sandbox.engine import GuardedClient, engine_call

Wanted = Callable[[dict[str, str]], bool]


def remove_run(client: GuardedClient, run: str) -> int:
    """Remove every object of one grading; returns how many there were."""
    return _remove(client, lambda found: found.get(labels.RUN) == run)


def reap(client: GuardedClient) -> int:
    """Remove every object and file whose grading is no longer alive; returns how many there were."""
    return _remove(client, labels.is_abandoned) + reap_scratch()


def runs_in(client: GuardedClient) -> list[tuple[str, bool]]:
    """The gradings that have containers or networks in the engine, each with whether its process still runs."""
    filters = {"label": labels.RUN}
    with engine_call("list"):
        found = [
            one["Labels"]
            for one in (*client.containers(all=True, filters=filters), *client.networks(filters=filters))
            if one["Labels"].get(labels.RUN)
        ]
    alive: dict[str, bool] = {}
    for marks in found:
        run = marks[labels.RUN]
        alive[run] = alive.get(run, True) and not labels.is_abandoned(marks)
    return sorted(alive.items())


SCRATCH = "grader-run-"
"""Scratch folders are named after the process that owns them, so that a later one knows whose they were."""


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for the files of one grading; gone afterwards, or with the next command if this process is killed."""
    mark = labels.owner().replace("/", "@")
    with tempfile.TemporaryDirectory(prefix=f"{SCRATCH}{mark}@") as folder:
        yield Path(folder)


def reap_scratch() -> int:
    """Remove the scratch folders of processes that are gone."""
    removed = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*"):
        owner = folder.name.removeprefix(SCRATCH).replace("@", "/")
        if not folder.is_symlink() and not labels.is_running(owner):
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed


def _remove(client: GuardedClient, wanted: Wanted) -> int:
    """Remove labelled objects that are a run's. An object that is already gone is what we wanted."""
    filters = {"label": labels.RUN}
    removed = 0
    with engine_call("reap"):
        for container in client.containers(all=True, filters=filters):
            if wanted(container["Labels"]):
                removed += _gone(client.remove_container, container["Id"], force=True, v=True)
        for network in client.networks(filters=filters):
            if wanted(network["Labels"]):
                removed += _gone(client.remove_network, network["Id"])
        for dangling in (False, True):
            for image in client.images(filters={**filters, "dangling": dangling}):
                if image["Labels"].get(labels.RUN) and wanted(image["Labels"]):
                    removed += _gone(client.remove_image, image["Id"], force=True)
    return removed


def _gone(remove: Callable[..., object], ident: str, **options: bool) -> int:
    try:
        remove(ident, **options)
    except docker.errors.NotFound:
        return 0
    except docker.errors.APIError as error:
        if error.response is not None and error.response.status_code == 409 and "in progress" in str(error):  # noqa: PLR2004
            return 0
        raise
    return 1
