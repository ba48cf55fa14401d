"""What a scenario may ask of the host: to start the app afresh, as a deployment or a power cut would."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol, TypeAlias

from grader.errors import InfrastructureFault

Restarted: TypeAlias = Literal["", "app.restart_ended", "app.restart_not_ready"]
"""What came of a restart: nothing to say, or a finding's code."""

READY_SLICE_SECONDS = 2.0
RESTARTS_SECONDS = 150.0
"""Wall time that all restarts of one run may take in all: an app that starts slowly must not stop the grading."""


class Stage(Protocol):
    """Who can start the app afresh."""

    def restart_app(self, env: Mapping[str, str]) -> Restarted:
        """Start the app again with these variables changed, and wait until it is healthy."""


class NoStage:
    """Where there is no host that could start anything."""

    def restart_app(self, env: Mapping[str, str]) -> Restarted:  # noqa: ARG002 - the protocol's signature
        """Say that this cannot be done."""
        raise InfrastructureFault("infrastructure.no_stage")


class HostStage:
    """Asks the host over the probe's own pipe, in the middle of a command.

    ``ask`` sends what is wanted with its fields and gives the reply; ``ready`` says within the given seconds whether
    the app is healthy; ``seconds`` is how long one start may take.
    """

    def __init__(
        self,
        ask: Callable[..., dict[str, Any]],
        ready: Callable[[float], bool],
        *,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask, self._ready, self._seconds, self._clock = ask, ready, seconds, clock
        self._left = RESTARTS_SECONDS

    def restart_app(self, env: Mapping[str, str]) -> Restarted:
        """End the app, start it, and wait; its own end is told apart from an app that does not come up."""
        started = self._clock()
        try:
            if not self._ask("restart", env=dict(env))["started"]:
                return "app.restart_ended"
            give_up = started + min(self._seconds, max(READY_SLICE_SECONDS, self._left))
            while self._clock() < give_up:
                if self._ready(READY_SLICE_SECONDS):
                    return ""
                if not self._ask("alive")["alive"]:
                    return "app.restart_ended"
            return "app.restart_not_ready"
        finally:
            self._left -= self._clock() - started
