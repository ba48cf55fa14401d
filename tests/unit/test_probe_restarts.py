"""A scenario starts the app afresh: through the fork, its parent and the host, and back to normal afterwards."""

import base64
import io
import json
import tarfile
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from grader.errors import InfrastructureFault, PackInvalid
from grader.probe.agencies import InMemoryAgency
from grader.probe.stage import RESTARTS_SECONDS, HostStage, Restarted
from tests.unit.test_probe_control import app, probe
from tests.unit.test_probe_control import pack as pack  # noqa: PLC0414 - a fixture
from tests.unit.test_probe_scenarios import PASSING_S2, App, Lab

NORMAL: dict[str, str] = {}
KEY = {"AS_OF": "2027-01-01T00:00:00+07:00"}


@dataclass
class Power:
    """A stage that remembers how the app was started, and fails with ``code`` from the n-th start on."""

    code: Restarted = ""
    good: int = 0
    starts: list[dict[str, str]] = field(default_factory=list)

    def restart_app(self, env: Mapping[str, str]) -> Restarted:
        """Remember it."""
        self.starts.append(dict(env))
        return self.code if len(self.starts) > self.good else ""


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A lab whose app has a power switch."""
    return Lab(tmp_path, App(InMemoryAgency("facility", file=tmp_path / "agency.db")), stage=Power())


def starts(lab: Lab) -> list[dict[str, str]]:
    """How the app was started, in order."""
    assert isinstance(lab.stage, Power)
    return lab.stage.starts


def test_a_fresh_app_is_started_once_and_only_if_it_was_asked(lab: Lab) -> None:
    """The contract tester asked it before; after a start it is fresh until the next request."""
    lab.codes("""
    @pytest.mark.check("T-S1")
    def test_fresh(api, app):
        app.fresh()
        app.fresh()
        api.get("/places")
        app.fresh()
    """)
    assert starts(lab) == [NORMAL, NORMAL]


def test_a_changed_environment_is_normal_again_for_the_next_test_and_at_the_end(lab: Lab) -> None:
    """Whoever comes next, another test or another family, never meets what a test has changed."""
    results = lab.run(
        textwrap.dedent("""
    @pytest.mark.check("T-S1")
    def test_changed(api, app):
        app.restart(AS_OF="2027-01-01T00:00:00+07:00")
        api.get("/places").expect_status(200)
    """)
        + PASSING_S2
    )
    assert {one.outcome for one in results.values()} == {"pass"}
    assert starts(lab) == [KEY, NORMAL]


def test_a_failed_test_leaves_nothing_in_the_apps_caches(lab: Lab) -> None:
    """What a broken agency left in a wrong app is gone before another check looks."""
    lab.run(
        textwrap.dedent("""
    @pytest.mark.check("T-S1")
    def test_wrong(api, app):
        app.fresh()
        api.get("/places").expect_status(404)
    """)
        + PASSING_S2
    )
    assert starts(lab) == [NORMAL, NORMAL]


def test_two_starts_in_one_test_each_have_what_it_says(lab: Lab) -> None:
    """A plain restart is a start in the normal environment, and nothing has to be undone after it."""
    lab.codes("""
    @pytest.mark.check("T-S1")
    def test_twice(api, app):
        app.restart()
        api.get("/places")
        app.restart(AS_OF="2027-01-01T00:00:00+07:00")
        app.restart()
    """)
    assert starts(lab) == [NORMAL, KEY, NORMAL]


@pytest.mark.parametrize("code", ["app.restart_ended", "app.restart_not_ready"])
def test_an_app_that_does_not_come_up_again_fails_the_check(lab: Lab, code: Restarted) -> None:
    """It is the trainee's, with the step that was tried."""
    lab.stage = Power(code=code)
    results = lab.run(
        textwrap.dedent("""
    @pytest.mark.check("T-S1")
    def test_down(api, app):
        app.restart()
    """)
        + PASSING_S2
    )
    (finding,) = results["T-S1"].findings
    assert (finding.code, finding.steps) == (code, ("restart",))


def test_a_variable_that_the_app_does_not_have_is_the_authors_mistake(lab: Lab) -> None:
    """The exercise is told which ones there are."""
    with pytest.raises(PackInvalid) as caught:
        lab.codes("""
        @pytest.mark.check("T-S1")
        def test_unknown(api, app):
            app.restart(PSEUDONYM="x")
        """)
    assert caught.value.code == "pack.unknown_variable"


def test_without_a_host_a_restart_is_our_fault(tmp_path: Path) -> None:
    """It is never counted against the trainee."""
    lab = Lab(tmp_path, App(InMemoryAgency("facility", file=tmp_path / "agency.db")))
    with pytest.raises(InfrastructureFault) as caught:
        lab.codes("""
        @pytest.mark.check("T-S1")
        def test_nobody(api, app):
            app.restart()
        """)
    assert caught.value.code == "infrastructure.no_stage"


def host(*, started: bool = True, alive: bool = True, ready_after: int = 0) -> tuple[HostStage, list[str]]:
    """A stage whose host and app answer as told, and what it asked for."""
    asked: list[str] = []

    def ask(what: str, **_: Any) -> dict[str, Any]:
        asked.append(what)
        return {"started": started, "alive": alive}

    def ready(_: float) -> bool:
        asked.append("ready")
        return asked.count("ready") > ready_after

    return HostStage(ask, ready, seconds=60), asked


def test_a_restart_waits_for_a_healthy_answer() -> None:
    """An app that lives but is not ready is asked again."""
    stage, asked = host(ready_after=1)
    assert stage.restart_app({}) == ""
    assert asked == ["restart", "ready", "alive", "ready"]


@pytest.mark.parametrize("how", [{"started": False}, {"alive": False, "ready_after": 9}])
def test_an_app_that_ended_is_not_waited_for(how: dict[str, Any]) -> None:
    """Before the restart or after it."""
    stage, asked = host(**how)
    assert stage.restart_app({}) == "app.restart_ended"
    assert len(asked) <= 3


def test_all_restarts_together_have_a_limit() -> None:
    """An app that never comes up costs its start time once, not once a test."""
    now = [0.0]

    def ready(seconds: float) -> bool:
        now[0] += seconds
        return False

    stage = HostStage(lambda _what, **_: {"started": True, "alive": True}, ready, seconds=60, clock=lambda: now[0])
    spent = []
    for _ in range(6):
        before = now[0]
        assert stage.restart_app({}) == "app.restart_not_ready"
        spent.append(now[0] - before)
    assert spent[0] == 60
    assert sum(spent) <= RESTARTS_SECONDS + 5 * 2 * 2
    assert spent[-1] <= 2


def test_the_probe_asks_its_host_in_the_middle_of_a_command(tmp_path: Path, pack: str) -> None:
    """One ask event, one reply line, and the command goes on; what no one asked for is refused."""
    scenario = """
import pytest

@pytest.mark.check("T-S1")
def test_place(api, app):
    app.restart(KEY="other")
    api.get("/place").expect_status(200)
"""
    with app() as address, probe(tmp_path) as running:
        running.ask("load", pack=_with_scenario(pack, scenario), seed=7, agencies={}, app=address)
        assert running.process.stdin
        assert running.process.stdout
        running.process.stdin.write(b'{"command": "scenarios"}\n')
        running.process.stdin.flush()
        events: list[dict[str, Any]] = []
        while not events or events[-1]["event"] not in {"done", "failed"}:
            events.append(json.loads(running.process.stdout.readline()))
            if events[-1]["event"] == "ask":
                running.process.stdin.write(b'{"command": "reply", "reply": {"started": true}}\n')
                running.process.stdin.flush()
        asked = [(one["what"], one["fields"]) for one in events if one["event"] == "ask"]
        assert asked == [("restart", {"env": {"KEY": "other"}}), ("restart", {"env": {}})]
        assert [one["result"]["outcome"] for one in events if one["event"] == "result"] == ["pass"]
        (unasked,) = running.ask("reply", reply={})
        assert (unasked["event"], unasked["code"]) == ("failed", "infrastructure.command")


def _with_scenario(pack: str, scenario: str) -> str:
    """The tiny exercise with another scenario."""
    buffer, old_bytes = io.BytesIO(), io.BytesIO(base64.b64decode(pack))
    with tarfile.open(fileobj=old_bytes) as old, tarfile.open(fileobj=buffer, mode="w") as new:
        for entry in old:
            data = old.extractfile(entry).read() if entry.isfile() else b""  # type: ignore[union-attr]
            if entry.name.endswith("test_it.py"):
                data = scenario.encode()
                entry.size = len(data)
            new.addfile(entry, io.BytesIO(data))
    return base64.b64encode(buffer.getvalue()).decode()
