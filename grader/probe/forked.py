"""A piece of work in a process of its own that shares what is already imported here.

Forking the warm control process costs some ten milliseconds where a new interpreter with pytest costs most of a second.
The child keeps no descriptor of its parent but the pipe it reports on, so nothing in it can write an event, answer for
the guard or use a database connection of its parent.
"""

import os
import resource
import select
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, TypeAlias

Send: TypeAlias = Callable[[str], None]
Receive: TypeAlias = Callable[[], str]
Work: TypeAlias = Callable[[Send, Receive], None]
"""What the child does, with its way to tell its parent a line and its way to wait for one."""

MAX_LINE_BYTES = 1_000_000
MAX_OUTPUT_BYTES = 16_000_000
EXIT_RAISED = 70


class ChildEnded(Exception):
    """The child ended without success. ``reason``: ``timeout``, ``flood`` or ``status`` (then as in os.waitpid)."""

    def __init__(self, reason: str, *, status: int = 0) -> None:
        super().__init__(reason, status)
        self.reason, self.status = reason, status


class Forked:
    """A running child: iterate over the lines it sends, then it is gone.

    ``deadline`` is the monotonic time at which it is killed; move it while you read.
    """

    def __init__(self, work: Work, *, folder: Path, output: Path, deadline: float) -> None:
        """Run ``work`` in a child whose current folder is ``folder`` and whose prints go to ``output``."""
        self.deadline = deadline
        self._reading, writing = os.pipe()
        hearing, self._replying = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self._pid = os.fork()
        if self._pid == 0:
            _live(work, writing=writing, hearing=hearing, folder=folder, output=output)
        os.close(writing)
        os.close(hearing)

    def __iter__(self) -> Iterator[str]:
        """The child's lines; raises ChildEnded when it did not end well. Kills it in any case."""
        try:
            yield from self._lines()
            self._wait()
        finally:
            self._kill()

    def reply(self, line: str) -> None:
        """Tell the child a line that it waits for; one that is gone meanwhile is told by its end."""
        with suppress(BrokenPipeError):
            _write(self._replying, line)

    def _lines(self) -> Iterator[str]:
        pending = b""
        while True:
            ready, _, _ = select.select([self._reading], [], [], max(0.0, self.deadline - time.monotonic()))
            if not ready:
                raise ChildEnded("timeout")
            data = os.read(self._reading, 65_536)
            if not data:
                return
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                yield line.decode()
            if len(pending) > MAX_LINE_BYTES:
                raise ChildEnded("flood")

    def _wait(self) -> None:
        while time.monotonic() < self.deadline:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._pid = 0
                if status:
                    raise ChildEnded("status", status=status)
                return
            time.sleep(0.002)
        raise ChildEnded("timeout")

    def _kill(self) -> None:
        os.close(self._reading)
        os.close(self._replying)
        if self._pid:
            with suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0


def _live(work: Work, *, writing: int, hearing: int, folder: Path, output: Path) -> NoReturn:
    """The child's whole life; it never returns into its parent's frames."""
    status = EXIT_RAISED
    try:
        os.setsid()
        os.chdir(folder)
        resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_OUTPUT_BYTES, MAX_OUTPUT_BYTES))
        _detach(keep={writing, hearing}, output=output)
        warnings.resetwarnings()
        sys.dont_write_bytecode = True
        with open(hearing, encoding="utf-8", closefd=False) as replies:
            work(lambda line: _write(writing, line), lambda: replies.readline().rstrip("\n"))
        status = 0
    except BaseException:  # noqa: BLE001 - whatever it is, the parent learns of it by the status
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _detach(*, keep: set[int], output: Path) -> None:
    """Point every inherited descriptor elsewhere.

    None is closed: a free number could be given out again while an object of the parent still believes to own it.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    prints = os.open(output, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    for entry in list(Path("/proc/self/fd").iterdir()):
        descriptor = int(entry.name)
        if descriptor not in {*keep, nothing, prints}:
            with suppress(OSError):
                os.fstat(descriptor)
                os.dup2(prints if descriptor in {1, 2} else nothing, descriptor)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115 - live as long as we


def _write(descriptor: int, line: str) -> None:
    data = line.encode() + b"\n"
    while data:
        data = data[os.write(descriptor, data) :]


def last_lines(output: Path, *, characters: int = 1_500) -> str:
    """The end of what a child printed, for the author or for us."""
    with suppress(OSError):
        return output.read_bytes()[-characters:].decode("utf-8", "backslashreplace")
    return ""
