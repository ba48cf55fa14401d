"""One slot: one grading at a time. It may be killed at any moment; what it held is given to another one.

Whatever goes wrong with the records is waited for: a verdict that took a minute to find is not thrown away because the
database was restarted meanwhile. It is offered until it is recorded, or refused because the job has another holder.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from sqlalchemy.orm import Session

from grader import __version__
from grader.errors import EnvironmentProblem, GraderError
from grader.faultpoints import POINTS, reached
from grader.grading import grade
from grader.queue import BEAT, LEASE, POLL, SWEEP, Claim, beat, claim, fault, progress, record, release, sweep
from grader.records import BlobLost, Grading, Records, RecordsUnavailable, Submission, WorkerRecord
from grader.sandbox.driver import SandboxDriver
from grader.services import standings
from grader.services.publishing import pack_of
from grader.verdict import Verdict

log = logging.getLogger(__name__)

GRACE_SECONDS: Final = 20
"""How long a grading may go on after the worker was asked to stop; then the job is given back."""
OFFER_SECONDS: Final = 900
"""How long a finished verdict is offered to a database that does not answer."""
CHECKPOINT_SECONDS: Final = 600
TIDY_SECONDS: Final = 60
LONG_AGO: Final = float("-inf")
UNFIT_SECONDS: Final = 10
TEARDOWN: Final = "teardown"
"""The phase in which a grading gives everything back."""


_TAKEN: Final = "refused, another worker has it"


class Abandoned(Exception):
    """This grading is to end now: the lease went to another worker, or this one stops."""


class Slot:
    """Grades until ``stop`` is set.

    ``fit`` says why nothing should be begun now ("" when all is well); it is asked before every claim. ``tidy`` removes
    what killed gradings of this machine left; it is called now and then, and after each fault of ours: while the engine
    does not even do that, nothing is begun.
    """

    def __init__(
        self,
        records: Records,
        driver: SandboxDriver,
        *,
        exercises: Path,
        name: str,
        fit: Callable[[], str],
        tidy: Callable[[], object],
        stop: threading.Event,
    ) -> None:
        self._records, self._driver, self._exercises = records, driver, exercises
        self._name, self._fit, self._tidy, self._stop = name, fit, tidy, stop
        self._stopping_since: float | None = None
        self._kept = self._signed = self._tidied = self._silent_until = LONG_AGO

    def run(self) -> None:
        """Serve until stopped; a damaged database is not served at all."""
        self._records.database.need_whole()
        while not self._stop.is_set():
            try:
                self._keep_house()
                if not self.serve_one():
                    self._stop.wait(POLL.total_seconds())
            except RecordsUnavailable as problem:
                log.warning("records: %s", problem)
                self._hush()
                self._stop.wait(POLL.total_seconds())
        with suppress(RecordsUnavailable):
            self._show("", stopped=True)

    def serve_one(self) -> bool:
        """Grade the next job; False when there was none, or this machine should not begin one."""
        if problem := self._unfit():
            self._wait_fit(problem)
            return False
        held = claim(self._records, self._name)
        if held is None:
            return False
        with _Heart(self._records, held) as heart:
            self._serve(held, heart)
        if heart.stumbled:
            self._hush()
        return True

    def _unfit(self) -> str:
        try:
            self._driver.require_images()
            if time.monotonic() - self._tidied >= TIDY_SECONDS:
                self._tidy()
                self._tidied = time.monotonic()
        except GraderError as problem:
            log.warning("this machine cannot grade: %s", problem)
            return problem.code
        return self._fit()

    def _hush(self) -> None:
        """Sweep nothing for a while: after an outage every lease is over, and workers that live have to beat first."""
        self._silent_until = time.monotonic() + LEASE.total_seconds()

    def _wait_fit(self, problem: str) -> None:
        self._show(problem)
        self._stop.wait(UNFIT_SECONDS)

    def _serve(self, held: Claim, heart: "_Heart") -> None:
        try:
            verdict = self._grade(held, heart)
        except BlobLost as problem:
            self._fault(held, problem.code, problem)
        except (Abandoned, RecordsUnavailable) as problem:
            given_back = _offered(lambda: release(self._records, held))
            how = "given back" if given_back else _TAKEN
            log.warning("job %s attempt %s: %s (%s)", held.job, held.attempt, how, problem or "to end now")
        except EnvironmentProblem as problem:
            log.warning("this machine cannot grade: %s", problem)
            _offered(lambda: release(self._records, held))
            self._wait_fit(problem.code)
        except GraderError as problem:
            self._fault(held, problem.code, problem)
        except Exception as problem:  # noqa: BLE001 - whatever breaks in here is ours, and the job must not be lost
            self._fault(held, "infrastructure.internal", problem)
        else:
            self._record(held, verdict)

    def _grade(self, held: Claim, heart: "_Heart") -> Verdict:
        def listen(phase: str, what: str) -> None:
            if phase != TEARDOWN:  # what ends anyway is ended, not broken off
                self._need_going_on(heart)
            with suppress(RecordsUnavailable):
                progress(self._records, held, phase, what)
            if f"grading.{phase}" in POINTS:
                reached(f"grading.{phase}")

        reached("grading.begin")
        with pack_of(self._records, held.digest, self._exercises) as pack:
            work = self._records.blobs.open(held.sha256)
            return grade(work, pack, self._driver, seed=held.seed, listen=listen)

    def _need_going_on(self, heart: "_Heart") -> None:
        heart.need_alive()
        if self._stop.is_set():
            self._stopping_since = self._stopping_since or time.monotonic()
            if time.monotonic() - self._stopping_since > GRACE_SECONDS:
                raise Abandoned

    def _record(self, held: Claim, verdict: Verdict) -> None:
        if verdict.outcome == "infrastructure":
            self._fault(held, verdict.code or "infrastructure", None)
            return
        reached("record.computed")
        recorded = _offered(
            lambda: record(
                self._records,
                held,
                outcome=verdict.outcome,
                code=verdict.code or "",
                points=verdict.points,
                maximum=verdict.max,
                grader_version=__version__,
                verdict=verdict.to_json(),
                also=_refresh,
            )
        )
        if not recorded:
            log.warning("job %s attempt %s: %s", held.job, held.attempt, _TAKEN)

    def _fault(self, held: Claim, code: str, problem: Exception | None) -> None:
        log.error("job %s attempt %s: %s", held.job, held.attempt, code, exc_info=problem)
        self._tidied = LONG_AGO
        _offered(lambda: fault(self._records, held, code))

    def _keep_house(self) -> None:
        now = time.monotonic()
        if now - self._kept < SWEEP.total_seconds():
            return
        self._kept = now
        self._show("")
        if now >= self._silent_until:
            sweep(self._records)
        if now - self._signed > CHECKPOINT_SECONDS:
            self._signed = now
            self._records.checkpoint()
            self._records.blobs.sweep()

    def _show(self, waits_for: str, *, stopped: bool = False) -> None:
        """Say that this slot lives, and why it takes nothing."""
        with self._records.upkeep() as session:
            now = self._records.database.now(session)
            row = session.get(WorkerRecord, self._name)
            if row is None:
                row = WorkerRecord(
                    id=self._name, host=socket.gethostname(), started_at=now, seen_at=now, grader_version=__version__
                )
                session.add(row)
            row.seen_at, row.waits_for, row.stopped_at = now, waits_for, now if stopped else None


class _Heart:
    """Renews a lease from a thread, so that a long phase costs nothing; knows when the lease is lost.

    ``stumbled``: the records did not answer a beat.
    """

    def __init__(self, records: Records, held: Claim) -> None:
        self._records, self._held, self.stumbled = records, held, False
        self._ended, self._lost = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heart-{held.job}", daemon=True)

    def need_alive(self) -> None:
        """Stop a grading whose result nobody will accept.

        Raises:
            Abandoned: the lease is another worker's.
        """
        if self._lost.is_set():
            raise Abandoned

    def _beat(self) -> None:
        while not self._ended.wait(BEAT.total_seconds()):
            try:
                if not beat(self._records, self._held):
                    self._lost.set()
                    return
            except RecordsUnavailable as problem:
                self.stumbled = True
                log.warning("beat: %s", problem)  # the work goes on; the lease may hold until the records are back

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(LEASE.total_seconds())


def _offered(step: Callable[[], bool]) -> bool:
    """Do a step on the records, again and again while they do not answer.

    Raises:
        RecordsUnavailable: they did not come back in OFFER_SECONDS; the lease ends, and another worker grades again.
    """
    deadline = time.monotonic() + OFFER_SECONDS
    while True:
        try:
            return step()
        except RecordsUnavailable as problem:
            if time.monotonic() > deadline:
                raise
            log.warning("records: %s", problem)
            time.sleep(POLL.total_seconds())


def _refresh(session: Session, grading: Grading) -> None:
    session.flush()
    standings.refresh(session, session.get_one(Submission, grading.submission_id).seat_id)
