"""Warm sets: agencies and a probe that were started before they are needed, used once and then destroyed.

``expect`` starts a set while the submission is still being built. With ``ahead``, one more waits for the next grading;
it is made while the present one is examined, so that two starts never meet.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import Lock

from grader.errors import GraderError
from grader.sandbox.agency_set import Agencies, AgencySet

LONGEST_WAIT = 600.0
"""Seconds after which a waiting set is not used any more: its probe ends by itself a little later."""


class WarmSets:
    """The sets that wait, by the agencies they hold. Safe to use from several threads."""

    def __init__(self, make: Callable[[Agencies], AgencySet], *, ahead: bool = False) -> None:
        """``make`` gives a set that is not started; ``ahead`` keeps one waiting for the next grading."""
        self._make, self._ahead = make, ahead
        self._waiting: dict[str, list[Future[AgencySet]]] = {}
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="warm-set")

    @contextmanager
    def expect(self, agencies: Agencies) -> Iterator[None]:
        """Within this block a set for these agencies will be claimed; one that was not is destroyed at its end."""
        with self._lock:
            sets = self._waiting.setdefault(_key(agencies), [])
            mine = None if sets else self._begin(agencies)
            if mine is not None:
                sets.append(mine)
        try:
            yield
        finally:
            if mine is not None and not self._ahead and self._take(agencies, mine):
                _destroy(mine)

    def claim(self, agencies: Agencies) -> AgencySet | None:
        """A started set that nobody else gets, or None when there is none; one that is too old or broken is removed."""
        while (future := self._take(agencies)) is not None:
            try:
                found = future.result()
            except GraderError:
                return None  # it is tried again, and then its failure is told where it belongs
            if found.age < LONGEST_WAIT and found.alive():
                return found
            found.close()
        return None

    def refill(self, agencies: Agencies) -> None:
        """Begin a set for the next grading when one is to wait and none does."""
        if not self._ahead:
            return
        with self._lock:
            sets = self._waiting.setdefault(_key(agencies), [])
            if not sets:
                sets.append(self._begin(agencies))

    def close(self) -> None:
        """Destroy what still waits."""
        with self._lock:
            left = [future for sets in self._waiting.values() for future in sets]
            self._waiting.clear()
        for future in left:
            _destroy(future)
        self._threads.shutdown()

    def _begin(self, agencies: Agencies) -> "Future[AgencySet]":
        return self._threads.submit(self._started, agencies)

    def _started(self, agencies: Agencies) -> AgencySet:
        made = self._make(agencies)
        try:
            made.start()
        except BaseException:
            made.close()
            raise
        return made

    def _take(self, agencies: Agencies, wanted: "Future[AgencySet] | None" = None) -> "Future[AgencySet] | None":
        with self._lock:
            sets = self._waiting.get(_key(agencies), [])
            if not sets or (wanted is not None and wanted not in sets):
                return None
            found = wanted or sets[0]
            sets.remove(found)
            return found


def _key(agencies: Agencies) -> str:
    return json.dumps(sorted(agencies.items()))


def _destroy(future: "Future[AgencySet]") -> None:
    if future.cancel():
        return
    with suppress(GraderError):
        future.result().close()
