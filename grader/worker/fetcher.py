"""Fetches work from git addresses, one at a time, until it is told to stop; it may be killed at any moment.

What comes is read in the jail and accepted like a file that somebody sent. A fetcher is a process beside the slots: a
slow server keeps nobody's grading waiting.
"""

import hashlib
import logging
import shutil
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Self

from grader.errors import EnvironmentProblem, GraderError, SubmissionRejected
from grader.intake import receive
from grader.queue import (
    BEAT,
    POLL,
    FetchClaim,
    FetchSuperseded,
    beat_fetch,
    claim_fetch,
    end_fetch,
    fault_fetch,
    release_fetch,
    settle_fetch,
)
from grader.records import Records, RecordsUnavailable, chunks_of
from grader.services import receiving
from grader.services.addresses import GitHosts, NotFetched, git_address
from grader.services.admitting import NotAccepted
from grader.worker.git import GaveUp, Repository, need_git
from grader.worker.trees import pack_tree

log = logging.getLogger(__name__)

PREFIX: Final = "grader-fetch-"
LEFT_OVER: Final = timedelta(hours=1)
"""A folder this old belongs to nobody any more: a fetch takes minutes."""
UNFIT_SECONDS: Final = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where this machine may fetch from, and whom it trusts there beside the authorities that everybody trusts."""

    hosts: GitHosts
    ca_bundle: Path | None = None


class Fetcher:
    """Fetches until ``stop`` is set."""

    def __init__(self, records: Records, source: Source, *, name: str, stop: threading.Event) -> None:
        self._records, self._source, self._name, self._stop = records, source, name, stop

    def run(self) -> None:
        """Serve until stopped."""
        self._records.database.need_whole()
        _tidy()
        while not self._stop.is_set():
            try:
                if not self.serve_one():
                    self._stop.wait(POLL.total_seconds())
            except EnvironmentProblem as problem:
                log.warning("this machine cannot fetch: %s", problem)
                self._stop.wait(UNFIT_SECONDS)
            except RecordsUnavailable as problem:
                log.warning("records: %s", problem)
                self._stop.wait(POLL.total_seconds())

    def serve_one(self) -> bool:
        """Fetch what waited longest; False when nothing waits.

        Raises:
            EnvironmentProblem: ``environment.git_missing``; nothing was claimed.
        """
        held = claim_fetch(self._records, self._name)
        if held is None:
            return False
        try:
            need_git()
        except EnvironmentProblem:
            release_fetch(self._records, held)
            raise
        with _Heart(self._records, held, self._stop) as heart:
            self._serve(held, heart)
        return True

    def _serve(self, held: FetchClaim, heart: "_Heart") -> None:
        try:
            self._fetch(held, heart)
        except (GaveUp, FetchSuperseded):
            given_back = release_fetch(self._records, held)
            log.info("fetch %s: %s", held.fetch, "given back" if given_back else "nobody wants it any more")
        except (NotFetched, SubmissionRejected, NotAccepted) as refusal:
            log.info("fetch %s: %s", held.fetch, refusal.code)
            end_fetch(self._records, held, state="refused", code=refusal.code, params=refusal.params)
        except RecordsUnavailable:
            with suppress(RecordsUnavailable):
                release_fetch(self._records, held)
            raise
        except GraderError as problem:
            log.warning("fetch %s: %s", held.fetch, problem)
            fault_fetch(self._records, held, problem.code)
        except Exception:
            log.exception("fetch %s", held.fetch)
            fault_fetch(self._records, held, "infrastructure.internal")

    def _fetch(self, held: FetchClaim, heart: "_Heart") -> None:
        address = git_address(held.git_url, self._source.hosts)  # as they are now: a host may be listed no more
        with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
            folder = Path(name)
            repository = Repository(folder, give_up=heart.give_up, ca_bundle=self._source.ca_bundle)
            found = repository.fetch(address, held.git_ref)
            with self._records.reading() as session:
                fetched_at = self._records.database.now(session)
            work = folder / "work.zip"
            pack_tree(repository, found.tree, work)
            receive(work, spool=folder / "work.tar")
            if heart.give_up.is_set():
                raise GaveUp
            with work.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            receipt = receiving.submit(
                self._records,
                seat=held.seat,
                assignment=held.assignment,
                filename=f"{address.name}-{found.commit[:12]}.zip",
                chunks=chunks_of(work),
                by=held.by,
                idempotency_key=held.fetch,
                sha256=sha256,
                asked=receiving.Asked(
                    at=held.asked_at,
                    git=receiving.GitSource(
                        ref=held.git_ref, commit=found.commit, tree=found.tree, fetched_at=fetched_at
                    ),
                    settle=lambda change, submission: settle_fetch(
                        change, held, submission, commit=found.commit, fetched_at=fetched_at
                    ),
                ),
            )
        log.info("fetch %s: %s at %s", held.fetch, receipt.submission, found.commit)


class _Heart:
    """Renews the lease from a thread; ``give_up`` is set when the fetch is nobody's any more, or this worker stops."""

    def __init__(self, records: Records, held: FetchClaim, stop: threading.Event) -> None:
        self._records, self._held, self._stop = records, held, stop
        self._ended, self.give_up = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heart-{held.fetch}", daemon=True)

    def _beat(self) -> None:
        step = min(0.5, BEAT.total_seconds())
        due = time.monotonic() + BEAT.total_seconds()
        while not self._ended.wait(step):
            if self._stop.is_set():
                self.give_up.set()
            if time.monotonic() < due:
                continue
            due = time.monotonic() + BEAT.total_seconds()
            try:
                if not beat_fetch(self._records, self._held):
                    self.give_up.set()
                    return
            except RecordsUnavailable as problem:
                log.warning("beat: %s", problem)  # the lease may hold until the records are back

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def _tidy() -> None:
    """Remove what killed fetches left on this machine."""
    for one in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            if time.time() - one.stat().st_mtime > LEFT_OVER.total_seconds():
                shutil.rmtree(one)
