"""An app that wants to know whether a tester asks is given nothing to tell it by (rule S34)."""

from collections.abc import Iterator
from typing import Any

import pytest

from grader.packs import Pack
from grader.sandbox.docker import DockerDriver
from tests.fixtures.workspaces import running

ORDINARY = {"accept", "accept-encoding", "connection", "host", "user-agent"}
"""What a plain client sends; the exercise has no request with a body or with a header of its own."""
OF_A_BODY = {"content-length", "content-type"}
OWN = {"privacy": {"x-caller-note"}}
"""What a family sends besides: the privacy checks must see whether an app prints a caller's headers."""


@pytest.fixture(scope="module", params=["contract", "scenarios", "universal", "privacy"])
def seen(request: pytest.FixtureRequest, driver: DockerDriver, e1: Pack) -> Iterator[dict[str, Any]]:
    """What an app saw of one family of checks, whose name is put beside it."""
    with running(driver, e1, "recorder", f"recognition-{request.param}") as started:
        started.sandbox.examine(request.param)
        yield started.ask("/seen") | {"family": request.param}


def test_every_family_looks_like_the_same_plain_client(seen: dict[str, Any]) -> None:
    """No name of a tool, no header of a tester, one neutral user agent: the same for every family."""
    assert seen["count"] >= 5
    assert set(seen["names"]) - OF_A_BODY == ORDINARY | OWN.get(seen["family"], set())
    assert seen["telltales"] == []
    assert seen["agents"] == ["api-client/1.0"]
