"""Stopping while work comes in: in bounded time, with a receipt or without anything, once however often it is sent."""

import base64
import io
import os
import secrets
import signal
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import func, select

from grader.errors import EXIT_ENVIRONMENT, UsageProblem
from grader.records import Submission, create_records
from grader.services.cancelling import cancel_submission
from portal import __main__ as program
from portal import uploads
from portal.settings import read_portal_settings
from tests.fixtures.portal import World, build_world
from tests.fixtures.serving import (
    MULTIPART,
    PORTAL,
    Answer,
    Process,
    Sender,
    ask,
    blobs_of,
    form,
    left_in,
    running,
    token,
)
from tests.portal.test_portal_first import project

API: Final = "/api/v1/submissions"
GRACE: Final = 3
"""Seconds that an upload may go on in these tests."""
SERVE: Final = (sys.executable, "-m", "grader", "serve", "--no-worker")


@dataclass(kw_only=True)
class House:
    """An installation whose portal is started and stopped, and a program of a trainee that hands work in."""

    world: World
    folder: Path
    scratch: Path
    shown: dict[str, str]
    body: bytes
    stack: ExitStack
    started: Process | None = None

    def portal(self, program: Sequence[str] = PORTAL) -> Process:
        """The portal that runs, or a fresh one in the place of the one that was stopped."""
        if self.started is None or self.started.popen.poll() is not None:
            more = ("--grace", str(GRACE)) if program == PORTAL else ()
            made = running(self.folder, self.scratch, *more, program=program)
            self.started = self.stack.enter_context(made)
        return self.started

    def begin(self, portal: Process, key: str, share: float) -> Sender:
        """Send a part of the work, as it comes when somebody stops the portal in the middle."""
        headers = {**self.shown, **MULTIPART, "Idempotency-Key": key, "Content-Length": str(len(self.body))}
        sender = Sender(portal.port, API, headers)
        assert sender.send(self.body[: int(len(self.body) * share)])
        time.sleep(0.3)  # it is there, and being read
        return sender

    def again(self, portal: Process, key: str) -> Answer:
        """Send it whole, as a program does that got no answer."""
        return ask(portal.port, "POST", API, {**self.shown, **MULTIPART, "Idempotency-Key": key}, self.body)

    def kept(self, key: str) -> int:
        """How many submissions there are of this key; what is half is found here, too."""
        with self.world.records.reading() as session:
            return session.scalar(select(func.count()).where(Submission.idempotency_key == key)) or 0

    def done_with(self, receipt: Answer) -> None:
        """Make room: one person may have few submissions waiting."""
        cancel_submission(self.world.records, submission=receipt.json()["submission"], by="other", counts=False)


def large_project() -> bytes:
    """Two megabytes that no zip makes smaller: more than is kept in memory, or fits into the buffers on the way."""
    made = io.BytesIO(project())
    with zipfile.ZipFile(made, "a") as archive:
        archive.writestr(zipfile.ZipInfo("noise.bin"), secrets.token_bytes(2 * 1024**2))
    return made.getvalue()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One for all of these: what one of them breaks, the next finds."""
    scratch = tmp_path_factory.mktemp("stopping")
    folder = scratch / "data"
    records = create_records(folder)
    world = build_world(records, folder)
    body = form(world.assignments["r2"], large_project())
    with ExitStack() as stack:
        yield House(world=world, folder=folder, scratch=scratch, shown=token(world, "other"), body=body, stack=stack)
    records.close()


def test_an_upload_may_end_after_sigterm(house: House) -> None:
    """`grader serve` is told to stop while half is in: the rest is taken, the receipt comes, and then it is gone."""
    portal = house.portal(SERVE)
    with house.begin(portal, "polite", 0.5) as sender:
        portal.popen.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert sender.send(house.body[len(house.body) // 2 :])
        answer = sender.answer()
    assert answer is not None
    assert answer.status == 202, answer.body
    assert portal.popen.wait(20) == 0
    assert left_in(portal.files) == []
    assert house.kept("polite") == 1
    assert house.again(house.portal(), "polite").json() == answer.json()
    assert house.kept("polite") == 1
    house.done_with(answer)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_half_of_an_upload_is_nothing(house: House, number: signal.Signals) -> None:
    """The portal is gone in time, the client has no receipt, nothing is kept; sent again, it is there once."""
    key, before, portal = f"half-{number}", blobs_of(house.world.records), house.portal()
    with house.begin(portal, key, 0.7) as sender:
        begun = time.monotonic()
        portal.popen.send_signal(number)
        code = portal.popen.wait(GRACE + 15)
        passed = time.monotonic() - begun
        answer = sender.answer()
    assert answer is None or answer.status >= 400
    assert passed < GRACE + 10
    assert code == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    left = left_in(portal.files)
    assert left == [] if number == signal.SIGTERM else not [one for one in left if "look-" in one]
    assert (house.kept(key), blobs_of(house.world.records)) == (0, before)
    fresh = house.portal()
    first = house.again(fresh, key)
    assert first.status == 202, first.body
    assert house.again(fresh, key).json() == first.json()
    assert house.kept(key) == 1
    house.done_with(first)


def test_killed_at_the_last_moment_it_is_there_once(house: House) -> None:
    """Between the last byte and the answer: whether it was kept or not, sending it again makes it one."""
    answers, portal = list[Answer | None](), house.portal()
    with house.begin(portal, "last", 0.99) as sender:
        reader = threading.Thread(target=lambda: answers.append(sender.answer()))
        reader.start()
        assert sender.send(house.body[int(len(house.body) * 0.99) :])
        time.sleep(0.15)  # it is being looked at, kept or recorded
        portal.popen.kill()
        portal.popen.wait(10)
        reader.join(10)
    assert house.kept("last") <= 1
    receipt = house.again(house.portal(), "last")
    assert receipt.status == 202, receipt.body
    if answers and answers[0] is not None and answers[0].status == 202:
        assert receipt.json() == answers[0].json()
    assert house.kept("last") == 1
    house.done_with(receipt)


def test_what_a_killed_portal_left_goes_when_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders in which it looked at work, once nobody can be looking any more; and no others."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    old, young, other = (tmp_path / name for name in ("grader-look-old", "grader-look-young", "look-other"))
    for folder in (old, young, other):
        folder.mkdir()
        (folder / "work.zip").touch()
    for folder in (old, other):
        os.utime(folder, (time.time() - uploads.LEFT_SECONDS - 1,) * 2)
    uploads.tidy()
    assert [folder.exists() for folder in (old, young, other)] == [False, True, True]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ("signing-key.pem missing", "records.key_missing"),
        ("signing-key.pem empty", "records.key_unreadable"),
        ("signing-key.pem open", "records.key_exposed"),
        ("second-factor.key missing", "records.seal_unusable"),
        ("second-factor.key weak", "records.seal_unusable"),
        ("second-factor.key open", "records.key_exposed"),
    ],
)
def test_it_does_not_start_with_a_key_that_is_no_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wrong: str, code: str
) -> None:
    """Missing, broken, made up, or readable by everybody: it says so and ends, before it listens."""
    create_records(tmp_path).close()
    name, _, how = wrong.partition(" ")
    file = tmp_path / name
    if how == "missing":
        file.unlink()
    else:
        file.chmod(0o604 if how == "open" else 0o600)
        if how != "open":
            file.write_bytes(base64.urlsafe_b64encode(b"change-me" * 3 + b"12345") if how == "weak" else b"")
    monkeypatch.setenv("GRADER_DATA", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["portal", "--port", "1"])  # a port that it would not get
    monkeypatch.setattr(program, "configure", lambda: None)  # logging of the tests stays as it is
    assert program.main() == EXIT_ENVIRONMENT
    assert f"[{code}]" in capsys.readouterr().err


@pytest.mark.parametrize("secret", ["", "short", "change-me"])
def test_it_does_not_start_with_a_secret_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    """The secret of single sign-on is the provider's, and nobody types one like these."""
    file = tmp_path / "secret"
    file.write_text(secret)
    for name, value in (("ISSUER", "https://id.example"), ("CLIENT_ID", "c"), ("CLIENT_SECRET_FILE", str(file))):
        monkeypatch.setenv(f"GRADER_OIDC_{name}", value)
    with pytest.raises(UsageProblem) as caught:
        read_portal_settings()
    assert caught.value.params["setting"] == "GRADER_OIDC_CLIENT_SECRET_FILE"
    assert not secret or secret not in str(caught.value.params["value"])
