"""The pytest plugin of the scenarios: the fixtures they use, and the sorting of what goes wrong in them."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from grader.errors import GraderError, InfrastructureFault, PackInvalid
from grader.evidence import Finding
from grader.packs import World
from grader.probe.scenarios.api import Api, Budget
from grader.probe.scenarios.changes import Changes, ScenarioAgencies
from grader.probe.scenarios.messages import Collected, Ended, Fault, Finished, Started
from grader.probe.scenarios.mismatch import Mismatch
from grader.probe.scenarios.restarts import Restarts, ScenarioApp
from grader.probe.session import Session

Tell = Callable[[Collected | Started | Finished | Fault | Ended], None]

BANGKOK = timezone(timedelta(hours=7))
_STUMBLES = (KeyError, TypeError, IndexError, ValueError, AttributeError)
"""What Python raises when an answer has an unexpected shape: the trainee's, once there was an answer."""


@dataclass(frozen=True, kw_only=True)
class Clock:
    """The frozen "now" of the attempt; ``today`` is its date in +07:00."""

    as_of: datetime
    today: date


class ScenarioPlugin:
    """One run of an exercise's scenarios."""

    def __init__(self, session: Session, tell: Tell, *, changes: Changes | None = None) -> None:
        self._session, self._tell = session, tell
        self._changes, self._budget = changes or Changes(), Budget()
        self._agencies = ScenarioAgencies(session.agencies, session.world, self._changes)
        # A fresh app has nothing cached, so nothing has to be waited for.
        known = frozenset({*session.world.env, "AS_OF"})
        self._restarts = Restarts(session.stage, known=known, restarted=self._changes.forget)
        self._api: Api | None = None
        self._findings: list[Finding] = []
        self._fault: Fault | None = None

    @pytest.fixture
    def api(self, request: pytest.FixtureRequest) -> Api:
        """The app."""
        self._api = Api(
            self._session.target, check=_check_of(request.node), budget=self._budget, settle=self._before_request
        )
        return self._api

    @pytest.fixture
    def app(self, api: Api) -> Iterator[ScenarioApp]:
        """The app's power switch; what a test changed in its environment is normal again after it."""
        yield ScenarioApp(self._restarts, api.step, api.mismatch)
        self._restarts.end_test(failed=bool(self._findings))

    @pytest.fixture
    def agencies(self) -> Iterator[ScenarioAgencies]:
        """The agencies' databases; what a test changes is put back after it."""
        yield self._agencies
        self._agencies.reset()

    @pytest.fixture
    def world(self) -> World:
        """What world.py built for this attempt."""
        return self._session.world

    @pytest.fixture
    def oracle(self) -> Any:
        """The expected answers of this attempt."""
        return self._session.world.oracle

    @pytest.fixture
    def clock(self) -> Clock:
        """The attempt's frozen time."""
        as_of = datetime.fromisoformat(self._session.world.as_of)
        return Clock(as_of=as_of, today=as_of.astimezone(BANGKOK).date())

    def pytest_configure(self, config: pytest.Config) -> None:
        """Make the marker known."""
        config.addinivalue_line("markers", "check(id): the exercise check that a scenario belongs to")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A scenario file that cannot be read is the author's."""
        if report.failed:
            self._stop(
                _pack_fault(
                    "pack.scenario_import", where=report.nodeid, problem=report.longreprtext, fix="mend the file"
                )
            )

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Every test belongs to a known check, every check has a test, and no test relies on the one before."""
        if self._fault is not None:
            items.clear()
            return
        try:
            covered = {_known_check(item, self._session) for item in items}
            _refuse_untested(covered, self._session)
        except PackInvalid as problem:
            self._stop(_fault_of(problem))
            items.clear()
            return
        wanted = [item for item in items if self._session.wants(_check_of(item))]
        config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
        random.Random(self._session.world.seed).shuffle(wanted)  # noqa: S311 - the order is to repeat, not to be secret
        items[:] = wanted
        self._tell(Collected(tests=len(items)))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Tell the parent of each test, so that it can end one that hangs."""
        self._tell(Started(test=item.nodeid))
        self._api, self._findings = None, []
        self._budget.begin_test()
        started = time.monotonic()
        result = yield
        if self._fault is None:
            seconds = round(time.monotonic() - started, 3)
            self._tell(Finished(check=_check_of(item), findings=tuple(self._findings), seconds=seconds))
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """Sort what a test raised: trainee's, author's or ours."""
        if call.excinfo is None or self._fault is not None:
            return
        found = self._sorted(call.excinfo.value, item)
        if isinstance(found, Mismatch):
            self._findings += found.findings
        else:
            self._stop(found)
            item.session.shouldstop = found.code

    def pytest_sessionfinish(self) -> None:
        """Say that nothing is missing, once the app may no longer serve what the last test changed."""
        with suppress(Mismatch):  # an app that does not come up again is found by whoever asks it next
            self._before_request()
        if self._fault is None:
            self._tell(Ended())

    def _before_request(self) -> None:
        """See that the app may be asked: in its normal environment, and with nothing old in its caches."""
        if self._api is not None:
            self._restarts.before_request(self._api.mismatch)
        self._changes.settle()

    def _sorted(self, raised: BaseException, item: pytest.Item) -> Mismatch | Fault:
        match raised:
            case Mismatch():
                return raised
            case GraderError():
                return _fault_of(raised)
            case AssertionError() | pytest.fail.Exception():
                if self._api is not None:
                    return self._api.assertion(str(raised).partition("\n")[0])
            case _ if isinstance(raised, _STUMBLES) and self._api is not None:
                if stumbled := self._api.unexpected_shape(raised):
                    return stumbled
            case pytest.skip.Exception():
                return _pack_fault(
                    "pack.scenario_skips",
                    where=item.nodeid,
                    problem="a scenario was skipped",
                    fix="a check that is not run has no points: let world.py make the data that it needs",
                )
        return _pack_fault(
            "pack.scenario_raises",
            where=item.nodeid,
            problem=f"{type(raised).__name__}: {raised}",
            fix="only api, Answer and assert may find the app wrong; anything else is the scenario's own mistake",
        )

    def _stop(self, fault: Fault) -> None:
        if self._fault is None:
            self._fault = fault
            self._tell(fault)


def _check_of(item: pytest.Item) -> str:
    marker = item.get_closest_marker("check")
    return str(marker.args[0]) if marker and marker.args else ""


def _known_check(item: pytest.Item, session: Session) -> str:
    check = _check_of(item)
    if check in session.pack.checks and session.pack.checks[check].specific:
        return check
    raise PackInvalid(
        "pack.scenario_check",
        file=f"scenarios/{item.path.name}",
        where=item.name,
        problem=f"the test belongs to {check}, which checks.toml does not have" if check else "the test has no check",
        fix='mark it with @pytest.mark.check("…") and an id of checks.toml',
    )


def _refuse_untested(covered: set[str], session: Session) -> None:
    for check in session.pack.checks.values():
        if check.specific and not check.about_people and check.id not in covered:
            raise PackInvalid(
                "pack.check_untested",
                file="checks.toml",
                where=check.id,
                problem="no scenario belongs to this check, so nothing could ever fail it",
                fix=f'write a test marked @pytest.mark.check("{check.id}")',
            )


def _fault_of(problem: GraderError) -> Fault:
    ours = isinstance(problem, InfrastructureFault)
    return Fault(whose="infrastructure" if ours else "pack", code=problem.code, params=problem.params)


def _pack_fault(code: str, *, where: str, problem: str, fix: str) -> Fault:
    return _fault_of(PackInvalid(code, file="scenarios", where=where, problem=problem[-1_000:], fix=fix))
