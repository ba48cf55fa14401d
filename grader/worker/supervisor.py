"""Keeps the slots of one machine running: each is a process of its own, so that what kills one spares the others."""

import logging
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import Final

log = logging.getLogger(__name__)

PAUSES: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before a slot that ended is started again; the longer, the more often it did."""
STEADY_SECONDS: Final = 120.0
"""A slot that ran for so long starts again as if it had never failed."""
STOP_SECONDS: Final = 150.0
"""How long slots have to finish or give back what they hold; then they are killed, and their leases end."""
_LOOK_SECONDS: Final = 0.2


class _Place:
    """One slot's process, started again whenever it ends."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._falls = 0
        self._due = 0.0
        self.process: subprocess.Popen[bytes] | None = None
        self._started = 0.0

    def tend(self) -> None:
        now = time.monotonic()
        if self.process is None:
            if now >= self._due:
                self.process, self._started = subprocess.Popen(self._command, start_new_session=True), now
            return
        code = self.process.poll()
        if code is None:
            return
        self._falls = 0 if now - self._started > STEADY_SECONDS else self._falls + 1
        pause = PAUSES[min(self._falls, len(PAUSES) - 1)]
        log.warning("a slot ended with %s; another starts in %.0f s", code, pause)
        self.process, self._due = None, now + pause


def supervise(
    command: Sequence[str], *, slots: int, stop: threading.Event, beside: Sequence[Sequence[str]] = ()
) -> None:
    """Run so many slots, and one process for each command ``beside``, until ``stop`` is set; let them end in peace."""
    places = [_Place(one) for one in (*[command] * slots, *beside)]
    while not stop.is_set():
        for place in places:
            place.tend()
        stop.wait(_LOOK_SECONDS)
    running = [place.process for place in places if place.process is not None]
    for process in running:
        process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    for process in running:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.error("a slot does not end; it is killed, and its job goes to another one")  # noqa: TRY400
            process.kill()
            process.wait()
