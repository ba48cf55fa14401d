"""The row of a fetch: asked for once, held by one worker, ended once, whoever stops, dies or cancels on the way."""

import os
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from grader.queue import (
    LEASE,
    MOST_TRIES,
    FetchClaim,
    FetchSuperseded,
    beat_fetch,
    claim_fetch,
    end_fetch,
    fault_fetch,
    release_fetch,
    settle_fetch,
)
from grader.records import Assignment, Fetch, Job, Submission
from grader.services import fetching
from grader.services.receiving import Asked, GitSource, submit
from tests.fixtures.gits import GitServer
from tests.fixtures.records import Classroom, Clock
from tests.fixtures.slots import until
from tests.records.test_fetches import EMBEDDED, ask, fetcher, now, refusal


def test_the_same_key_is_the_same_asking(classroom: Classroom, git_server: GitServer) -> None:
    """Whatever else is asked with it is a mistake, also a file; and a key of a file is none for a fetch."""
    first = ask(classroom, git_server, "main", key="k1")
    assert ask(classroom, git_server, "main", key="k1").id == first.id
    assert refusal(lambda: ask(classroom, git_server, "other", key="k1")) == "submission.key_reused"
    assert refusal(lambda: classroom.submit(idempotency_key="k1")) == "submission.key_reused"
    classroom.submit(idempotency_key="k2")
    assert refusal(lambda: ask(classroom, git_server, "main", key="k2")) == "submission.key_reused"
    assert len(classroom.all(Fetch)) == 1


def test_the_rules_of_a_file_are_the_rules_of_a_fetch(classroom: Classroom, git_server: GitServer) -> None:
    """What waits to be fetched is among the three that may wait; a host that is not listed is not even kept."""
    for number in range(2):
        ask(classroom, git_server, key=f"k{number}")
    classroom.submit()
    assert refusal(lambda: ask(classroom, git_server)) == "submission.too_many_waiting"
    assert refusal(classroom.submit) == "submission.too_many_waiting"
    assert refusal(lambda: ask(classroom, git_server, url="https://git.example.test/x")) == "git.host"
    assert len(classroom.all(Fetch)) == 2


def test_one_of_two_claims_holds(timed: Classroom, git_server: GitServer, clock: Clock) -> None:
    """Who falls silent loses the fetch to another, and whatever he does then is refused; nothing is there twice."""
    asked = ask(timed, git_server)
    first = claim_fetch(timed.records, "one")
    assert first is not None
    assert claim_fetch(timed.records, "two") is None
    clock.pass_by(LEASE.total_seconds() - 1)
    assert beat_fetch(timed.records, first)
    clock.pass_by(LEASE.total_seconds() + 1)
    second = claim_fetch(timed.records, "two")
    assert second is not None
    assert second.attempt == first.attempt + 1
    assert not beat_fetch(timed.records, first)
    assert not release_fetch(timed.records, first)
    assert not fault_fetch(timed.records, first, "git.unreachable")
    assert not end_fetch(timed.records, first, state="refused", code="git.not_found")
    with pytest.raises(FetchSuperseded):
        accept(timed, first)
    accept(timed, second)
    assert now(timed, asked).state == "done"
    assert len(timed.all(Submission)) == len(timed.all(Job)) == 1


def accept(room: Classroom, held: FetchClaim) -> None:
    """Accept work for a claim, as the fetcher does."""
    at = held.asked_at
    submit(
        room.records, seat=held.seat, assignment=held.assignment, filename="x.zip", chunks=[os.urandom(8)], by="x",
        idempotency_key=held.fetch,
        asked=Asked(
            at=at,
            git=GitSource(ref="", commit="1" * 40, tree="2" * 40, fetched_at=at),
            settle=lambda change, made: settle_fetch(change, held, made, commit="1" * 40, fetched_at=at),
        ),
    )  # fmt: skip


def test_a_fetch_that_silences_its_workers_ends(timed: Classroom, git_server: GitServer, clock: Clock) -> None:
    """It is not given out for ever, and it is said that it was our fault."""
    asked = ask(timed, git_server)
    for _ in range(MOST_TRIES):
        assert claim_fetch(timed.records, "w") is not None
        clock.pass_by(LEASE.total_seconds() + 1)
    assert claim_fetch(timed.records, "w") is None
    assert (now(timed, asked).state, now(timed, asked).code) == ("failed", "git.worker_lost")


def test_the_moment_of_asking_is_the_one_that_counts(timed: Classroom, git_server: GitServer, clock: Clock) -> None:
    """Also when fetching took until after the closing time; both moments stand in the receipt."""
    at = clock()
    with timed.records.change(by="coordinator") as change:
        change.session.get_one(Assignment, timed.assignment).closes_at = at + timedelta(seconds=60)
        change.audit("round.changed", timed.assignment)
    ask(timed, git_server)
    clock.pass_by(600)
    held = claim_fetch(timed.records, "w")
    assert held is not None
    accept(timed, held)
    assert timed.submit(seat=0).late
    made, late = sorted(timed.all(Submission), key=lambda one: one.number)
    assert (made.received_at, made.late) == (at, False)
    assert late.received_at == at + timedelta(seconds=600)


def test_who_cancels_gets_no_submission(classroom: Classroom, git_server: GitServer) -> None:
    """Before it is fetched and while it is; afterwards there is nothing to cancel."""
    waiting = ask(classroom, git_server, key="k1")
    assert fetching.cancel_fetch(classroom.records, fetch=waiting.id, by="trainee0").state == "cancelled"
    assert claim_fetch(classroom.records, "w") is None
    running = ask(classroom, git_server, key="k2")
    held = claim_fetch(classroom.records, "w")
    assert held is not None
    fetching.cancel_fetch(classroom.records, fetch=running.id, by="trainee0")
    with pytest.raises(FetchSuperseded):
        accept(classroom, held)
    assert not beat_fetch(classroom.records, held)
    assert (classroom.all(Submission), classroom.all(Job)) == ([], [])
    again = refusal(lambda: fetching.cancel_fetch(classroom.records, fetch=running.id, by="trainee0"))
    assert again == "git.nothing_to_cancel"


@EMBEDDED
def test_a_worker_that_stops_gives_back_what_it_holds(classroom: Classroom, git_server: GitServer) -> None:
    """Its git is ended at once, whatever the server does, and no try is used up."""
    git_server.project()
    git_server.slow = 20.0
    stop = threading.Event()
    asked = ask(classroom, git_server)
    thread = threading.Thread(target=fetcher(classroom, git_server, stop).serve_one)
    thread.start()
    while not git_server.asked:
        assert thread.is_alive()
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert (now(classroom, asked).state, now(classroom, asked).tries) == ("waiting", 0)


@EMBEDDED
def test_a_fetch_whose_worker_is_killed_is_taken_over(
    classroom: Classroom, git_server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process of the product, killed while git waits for the server: git ends with it, and nothing is lost."""
    made = git_server.project()
    git_server.slow = 20.0
    monkeypatch.setenv("GRADER_DATA", str(classroom.records.folder))
    monkeypatch.setenv("GRADER_DATABASE_URL", "")
    monkeypatch.setenv("GRADER_GIT_PRIVATE_HOSTS", git_server.host)
    asked = ask(classroom, git_server)
    with subprocess.Popen([sys.executable, "-m", "grader", "worker", "--fetcher"], start_new_session=True) as worker:
        until(lambda: git_server.asked)
        assert speaking_to(git_server)
        worker.kill()
    assert now(classroom, asked).state == "running"
    until(lambda: not speaking_to(git_server))
    assert not fetcher(classroom, git_server).serve_one()  # the lease holds
    with classroom.records.upkeep() as session:
        session.get_one(Fetch, asked.id).lease_until = classroom.records.database.now(session) - timedelta(seconds=1)
    git_server.slow = 0.0
    assert fetcher(classroom, git_server).serve_one()
    done = now(classroom, asked)
    assert (done.state, done.commit_hash, done.attempt) == ("done", made.head, 2)
    assert len(classroom.all(Submission)) == 1


def speaking_to(server: GitServer) -> list[str]:
    """Processes of git that name the server."""
    found = []
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = one.read_bytes().split(b"\0")
            if words[0].endswith(b"git") and any(server.url().encode() in word for word in words):
                found.append(one.parent.name)
    return found
