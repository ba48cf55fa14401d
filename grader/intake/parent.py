"""The side of intake that is trusted: it starts the jail, keeps its deadline and spools what comes out of it."""

import contextlib
import hashlib
import json
import os
import re
import selectors
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pydantic import ValidationError

from grader.errors import GraderError, InfrastructureFault, SubmissionRejected, UsageProblem
from grader.intake.folder import pack
from grader.intake.limits import (
    JAIL_UID,
    JAIL_WALL_SECONDS,
    MAX_ARCHIVE_BYTES,
    MAX_RESULT_BYTES,
    MAX_STDERR_BYTES,
    MAX_TAR_BYTES,
)
from grader.intake.names import shown
from grader.submission import Workspace

_CODE = re.compile(r"(?:archive|project|dependencies)\.[a-z0-9_]+")
_READ_BYTES = 256 * 1024
_MAX_DETAIL = 300


def receive(path: Path, *, spool: Path) -> Workspace:
    """See :func:`grader.intake.receive`."""
    with as_archive(path) as archive:
        return _through_jail(archive, spool)


@contextlib.contextmanager
def as_archive(path: Path) -> Iterator[IO[bytes]]:
    """Open the archive, or a packed copy of the folder."""
    where = shown(str(path))
    try:
        # Not waiting: the path may name a pipe that nobody writes to.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise UsageProblem("usage.path_missing", path=where) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "unknown"
        raise UsageProblem("usage.path_unreadable", path=where, reason=reason) from None
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            source = pack(path)
        elif not stat.S_ISREG(status.st_mode):
            raise UsageProblem("usage.path_unreadable", path=where, reason="neither a file nor a folder")
        elif status.st_size > MAX_ARCHIVE_BYTES:
            raise SubmissionRejected("archive.too_large", limit=MAX_ARCHIVE_BYTES)
        else:
            source = os.fdopen(os.dup(descriptor), "rb")
    finally:
        os.close(descriptor)
    with source:
        yield source


def _through_jail(archive: IO[bytes], spool: Path) -> Workspace:
    """Run the jail on the archive; the spool appears under its name only when all is well."""
    partial = spool.with_name(spool.name + ".part")
    try:
        with partial.open("wb") as tar:
            outcome = _run_jail(archive, tar)
        workspace = _workspace(outcome, spool)
        partial.replace(spool)
    except OSError as error:
        raise InfrastructureFault("infrastructure.spool", reason=error.strerror or "unknown") from error
    finally:
        partial.unlink(missing_ok=True)
    return workspace


@dataclass(frozen=True, kw_only=True, slots=True)
class _Outcome:
    """How the jail ended. ``status`` is its exit status, negative for a signal; ``late`` if the deadline ended it."""

    status: int
    late: bool
    result: bytes
    errors: bytes
    digest: str


class _TooMuch(Exception):
    """The jail sent more than it can have to say."""


def _run_jail(archive: IO[bytes], tar: IO[bytes]) -> _Outcome:
    tar_reader, tar_writer = os.pipe()
    command = [sys.executable, "-I", "-X", "utf8", "-m", "grader.intake.jail", str(archive.fileno()), str(tar_writer)]
    deadline = time.monotonic() + JAIL_WALL_SECONDS
    try:
        jail = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(archive.fileno(), tar_writer),
            cwd="/",
            env={},
            start_new_session=True,
        )
    except BaseException:
        os.close(tar_reader)
        raise
    finally:
        os.close(tar_writer)
    digest = hashlib.sha256()
    result, errors = bytearray(), bytearray()

    def spool(chunk: bytes) -> None:
        digest.update(chunk)
        tar.write(chunk)

    with open(tar_reader, "rb", buffering=0) as tar_pipe, jail:  # noqa: PTH123 - an open descriptor
        assert jail.stdout is not None
        assert jail.stderr is not None
        sinks: dict[int, _Sink] = {
            tar_pipe.fileno(): _Sink(take=spool, left=MAX_TAR_BYTES),
            jail.stdout.fileno(): _Sink(take=result.extend, left=MAX_RESULT_BYTES),
            jail.stderr.fileno(): _Sink(take=errors.extend, left=MAX_STDERR_BYTES),
        }
        try:
            late = not _drain(sinks, deadline)
            if not late:
                jail.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            late = True
        except _TooMuch:
            raise InfrastructureFault("infrastructure.jail", reason="too much output") from None
        finally:
            # Also on success: the process group is ours, and nothing of it may stay.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(jail.pid, signal.SIGKILL)
        status = jail.wait()
    return _Outcome(
        status=status,
        late=late,
        result=bytes(result),
        errors=bytes(errors),
        digest=f"sha256:{digest.hexdigest()}",
    )


@dataclass(kw_only=True, slots=True)
class _Sink:
    take: Callable[[bytes], None]
    left: int


def _drain(sinks: dict[int, _Sink], deadline: float) -> bool:
    """Read all pipes until each is closed; False when the deadline came first."""
    with selectors.DefaultSelector() as selector:
        for descriptor in sinks:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            for key, _ in selector.select(remaining):
                sink = sinks[key.fd]
                chunk = os.read(key.fd, _READ_BYTES)
                if not chunk:
                    selector.unregister(key.fd)
                    continue
                sink.left -= len(chunk)
                if sink.left < 0:
                    raise _TooMuch
                sink.take(chunk)
    return True


def _workspace(outcome: _Outcome, spool: Path) -> Workspace:
    """Judge how the jail ended; its word is taken only after it fits the types."""
    if outcome.late:
        raise SubmissionRejected("archive.too_expensive", limit="time")
    if outcome.status == -signal.SIGXCPU:
        raise SubmissionRejected("archive.too_expensive", limit="cpu")
    if outcome.status != 0:
        lines = outcome.errors.decode("utf-8", "replace").strip().splitlines()
        detail = shown(lines[-1][:_MAX_DETAIL]) if lines else ""
        raise InfrastructureFault("infrastructure.jail", reason="died", status=outcome.status, detail=detail)
    try:
        result: dict[str, Any] = json.loads(outcome.result)
        confinement, refused = result["confinement"], result.get("refused")
        if os.geteuid() == 0 and confinement["uid"] != JAIL_UID:
            raise InfrastructureFault("infrastructure.jail", reason="privileges were kept")
        if refused is not None:
            raise _refusal(refused)
        found = result["workspace"]
        notes = found["receipt"]["notes"]
        if confinement["network"] != "none":
            notes.append("receipt.jail_shares_network")
        found["receipt"]["digest"] = outcome.digest
        return Workspace.model_validate({**found, "tar": spool})
    except GraderError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, ValidationError) as error:
        raise InfrastructureFault(
            "infrastructure.jail", reason="unreadable result", detail=type(error).__name__
        ) from error


def _refusal(refused: dict[str, Any]) -> SubmissionRejected:
    code, params = refused["code"], refused["params"]
    plain = all(isinstance(value, str | int | float | None) for value in params.values())
    if not _CODE.fullmatch(code) or not plain:
        raise InfrastructureFault("infrastructure.jail", reason="unreadable refusal")
    return SubmissionRejected(code, **params)
