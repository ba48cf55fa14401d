"""The app as a scenario may treat it: started afresh, with the normal environment or a changed one."""

from collections.abc import Callable, Mapping

from grader.errors import PackInvalid
from grader.probe.scenarios.mismatch import Mismatch
from grader.probe.stage import Stage


class Restarts:
    """What all tests of one run share: whether the app was asked anything since it started, and with which variables.

    A changed environment comes back to normal when the next test needs the app, and not sooner: that test may want
    another start anyway.
    """

    def __init__(self, stage: Stage, *, known: frozenset[str], restarted: Callable[[], None]) -> None:
        """``known`` are the variables that may be changed; ``restarted`` is called after each start."""
        self._stage, self._known, self._restarted = stage, known, restarted
        self._asked, self._changed, self._test_over = True, False, False

    def end_test(self, *, failed: bool) -> None:
        """From now on the normal environment is expected.

        After a failed test the next one gets a fresh app: what went wrong may be in its caches, and every check is to
        fail for its own reason.
        """
        self._test_over = True
        self._changed |= failed

    def before_request(self, fail: Callable[[str], Mismatch]) -> None:
        """A request is about to be sent: it must meet the normal environment, or what this test has changed."""
        if self._changed and self._test_over:
            self.start({}, fail)
        self._asked = True

    def fresh(self, fail: Callable[[str], Mismatch]) -> None:
        """An app that nobody asked anything yet, in its normal environment."""
        if self._asked or self._changed:
            self.start({}, fail)

    def start(self, env: Mapping[str, str], fail: Callable[[str], Mismatch]) -> None:
        """Start the app again; raises the finding that ``fail`` makes of a code when it does not come up."""
        unknown = sorted(set(env) - self._known)
        if unknown:
            raise PackInvalid(
                "pack.unknown_variable",
                file="scenarios",
                where=unknown[0],
                problem=f"the app is given no variable {unknown[0]} by this exercise",
                fix=f"use one of: {', '.join(sorted(self._known))}",
            )
        code = self._stage.restart_app(env)
        self._asked, self._changed, self._test_over = False, bool(env), False
        self._restarted()
        if code:
            raise fail(code)


class ScenarioApp:
    """One test's hand on the app's power switch."""

    def __init__(self, restarts: Restarts, step: Callable[[str], None], fail: Callable[[str], Mismatch]) -> None:
        self._restarts, self._step, self._fail = restarts, step, fail

    def fresh(self) -> None:
        """Go on with an app that was just started and asked nothing yet: its caches are cold."""
        self._step("fresh app")
        self._restarts.fresh(self._fail)

    def restart(self, **env: str) -> None:
        """Start the app again now, with these environment variables changed until the test ends."""
        self._step(f"restart {' '.join(sorted(env))}".strip())
        self._restarts.start(env, self._fail)
