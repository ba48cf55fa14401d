"""Git, kept short: it fetches one commit into a bare repository that nobody ever checks out, and reads it back.

What the server sends is read by git alone, as nobody, with bounds on memory, time and bytes, without any setting of
this machine. What may be asked was decided before (``grader.services.addresses``); which address a name stands for is
asked here once, and git goes there and nowhere else.
"""

import ipaddress
import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from grader.errors import EnvironmentProblem, InfrastructureFault
from grader.intake.limits import JAIL_UID, MAX_ARCHIVE_BYTES
from grader.services.addresses import GitAddress, NotFetched

log = logging.getLogger(__name__)

FETCH_SECONDS: Final = 60.0
"""How long a server may take to send a commit."""
READ_SECONDS: Final = 60.0
"""How long reading one back may take."""
CPU_SECONDS: Final = 40
FETCH_BYTES: Final = MAX_ARCHIVE_BYTES
"""Of what the server sends: as much as a file that is handed in may have."""
OLDEST: Final = (2, 37)
"""The first git that can be told which address a name stands for (``http.curloptResolve``)."""
CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
"""Whom this machine trusts: git takes one file, so that another authority has to be put beside them."""
_LOOK_SECONDS: Final = 0.2
_SAID_BYTES: Final = 16 * 1024

_SETTINGS: Final = {
    "core.bigFileThreshold": "1m",
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "credential.helper": "",
    "fetch.fsckObjects": "true",
    "fetch.recurseSubmodules": "false",
    "fetch.unpackLimit": "1",
    "gc.auto": "0",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "20",
    "http.proxy": "",
    "http.sslVerify": "true",
    "maintenance.auto": "false",
    "pack.threads": "1",
    "protocol.version": "2",
    "submodule.recurse": "false",
    "transfer.bundleURI": "false",
    "transfer.fsckObjects": "true",
    "transfer.unpackLimit": "1",
}

_THEIRS: Final = (
    (re.compile(r"couldn't find remote ref|not our ref|unadvertised object"), "git.ref_unknown"),
    (re.compile(r"returned error: 30\d"), "git.redirected"),
    (re.compile(r"could not read (?:Username|Password)|Authentication failed|returned error: 40[13]"), "git.not_found"),
    (re.compile(r"repository '.*' not found|returned error: (?:404|410)"), "git.not_found"),
    (re.compile(r"is this a git repository|dumb http transport|mismatched algorithms"), "git.not_found"),
    (re.compile(r"died of signal|File too large|out of memory|unable to create thread|mmap failed"), "git.too_large"),
    (re.compile(r"fsck error|hasDot|unable to parse object|invalid index-pack|bad pack|inflate"), "git.broken"),
)
"""What git says -> the code, where the trainee can mend it; the first that fits. All else is the network, or we."""


class GaveUp(Exception):
    """The fetch is to end now: somebody cancelled it, or this worker stops."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """What a reference stands for: the commit and its tree, as git names them."""

    commit: str
    tree: str


def need_git() -> str:
    """The program.

    Raises:
        EnvironmentProblem: ``environment.git_missing``.
    """
    program = shutil.which("git")
    said = (
        ""
        if program is None
        else subprocess.run([program, "version"], capture_output=True, text=True, check=False).stdout
    )
    found = re.search(r"(\d+)\.(\d+)", said)
    if program is None or found is None or (int(found[1]), int(found[2])) < OLDEST:
        raise EnvironmentProblem("environment.git_missing", found=said.strip() or None)
    return program


def addresses_of(address: GitAddress) -> tuple[str, ...]:
    """What the host's name stands for, asked once.

    Raises:
        NotFetched: ``git.not_public``: one of them belongs to a network of its own, and the host is not listed so.
        InfrastructureFault: ``git.unreachable``: nobody knows the name.
    """
    try:
        told = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as problem:
        raise InfrastructureFault("git.unreachable", host=address.host) from problem
    found = tuple(dict.fromkeys(str(one[4][0]) for one in told))
    if not address.private and not all(_public(one) for one in found):
        raise NotFetched("git.not_public", host=address.host)
    return found


def _public(text: str) -> bool:
    """Whether an address belongs to the whole Internet; one that hides another one inside is judged by that."""
    one = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(one, ipaddress.IPv6Address):
        inner = one.ipv4_mapped or one.sixtofour or (one.teredo and one.teredo[1])
        if one in _NAT64:
            inner = ipaddress.IPv4Address(int(one) & 0xFFFFFFFF)
        if inner:
            return _public(str(inner))
    return one.is_global and not one.is_multicast and not one.is_reserved


_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


class Repository:
    """A bare repository in ``folder`` that holds at most one commit. ``give_up`` may be set from elsewhere."""

    def __init__(self, folder: Path, *, give_up: threading.Event, ca_bundle: Path | None = None) -> None:
        self._program, self._folder, self._give_up = need_git(), folder, give_up
        self._place = folder / "repository.git"
        self._bundle = self._trusting(ca_bundle) if ca_bundle else None
        self._place.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(self._place, JAIL_UID, JAIL_UID)
            folder.chmod(0o711)  # so that nobody can come to what is theirs
        self._ask("init", "--quiet", "--bare", "--template=", str(self._place))

    def fetch(self, address: GitAddress, ref: str) -> Commit:
        """Fetch what a reference ("": the first branch) stands for now, without anything that was before it.

        Raises:
            NotFetched: codes ``git.*``: the trainee can mend it.
            InfrastructureFault: ``git.unreachable``; it may go better later.
            GaveUp: it was told to.
        """
        known = addresses_of(address)
        try:
            self._fetch(address, address.url, known, ref)
        except NotFetched as problem:
            if problem.code != "git.redirected" or address.path.endswith(".git"):
                raise
            self._fetch(address, f"{address.url}.git", known, ref)  # some servers know an address by its whole name
        try:
            commit, tree = self._ask("rev-parse", "FETCH_HEAD^{commit}", "FETCH_HEAD^{tree}").decode().split()
        except InfrastructureFault:  # a tag may stand for anything
            raise NotFetched("git.ref_unknown", ref=ref or None) from None
        return Commit(commit=commit, tree=tree)

    @contextmanager
    def reading(self, *words: str) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        """A command of git without network, by what it is told and what it says.

        Raises:
            NotFetched: ``git.too_slow``, ``git.broken``.
            GaveUp: it was told to.
        """
        try:
            with self._started(words, network="none", settings={}, seconds=READ_SECONDS) as run:
                assert run.process.stdin is not None
                assert run.process.stdout is not None
                yield run.process.stdin, run.process.stdout
        except _Failed as failed:
            log.info("git %s: %s", words[0], failed.said[-200:])
            raise NotFetched("git.broken") from None

    def _fetch(self, address: GitAddress, url: str, known: Sequence[str], ref: str) -> None:
        settings = dict(_SETTINGS)
        if address.host not in known:
            pinned = ",".join(f"[{one}]" if ":" in one else one for one in known)
            settings["http.curloptResolve"] = f"{address.host}:{address.port}:{pinned}"
        if self._bundle is not None:
            settings["http.sslCAInfo"] = str(self._bundle)
        words = ("fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", url, ref or "HEAD")
        try:
            with self._started(words, network=address.scheme, settings=settings, seconds=FETCH_SECONDS) as run:
                assert run.process.stdout is not None
                run.process.stdout.read()
        except _Failed as failed:
            for pattern, code in _THEIRS:
                if pattern.search(failed.said):
                    raise NotFetched(code, host=address.host, ref=ref or None) from None
            raise InfrastructureFault("git.unreachable", host=address.host, said=failed.said[-200:]) from None

    def _ask(self, *words: str) -> bytes:
        try:
            with self._started(words, network="none", settings={}, seconds=READ_SECONDS) as run:
                assert run.process.stdout is not None
                return run.process.stdout.read(_SAID_BYTES)
        except _Failed as failed:
            raise InfrastructureFault("git.failed", said=failed.said[-200:]) from None

    @contextmanager
    def _started(
        self, words: Sequence[str], *, network: str, settings: dict[str, str], seconds: float
    ) -> Iterator["_Run"]:
        limits = {
            "network": network if network == "none" else "host",
            "file_bytes": FETCH_BYTES,
            "cpu_seconds": CPU_SECONDS,
        }
        chosen = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        leash = [sys.executable, "-I", "-m", "grader.intake.leash", json.dumps(limits)]
        with (self._folder / "said").open("w+b") as said:
            process = subprocess.Popen(
                [*leash, self._program, *chosen, *words],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said,
                cwd="/", env=self._surroundings(network), start_new_session=True,
            )  # fmt: skip
            run = _Run(process, self._give_up, seconds)
            broken = False
            try:
                yield run
            except BrokenPipeError:
                broken = True  # it ended before it was told everything
            finally:
                run.end()
                run.need_wanted()  # what was cut off makes no sense to whoever reads it: first of all, why
            said.seek(0)
            if broken or run.process.returncode != 0:
                raise _Failed(said.read(_SAID_BYTES).decode(errors="replace"))

    def _surroundings(self, network: str) -> dict[str, str]:
        """Nothing of ours, and no setting of this machine's or of anybody's home."""
        return {
            "PATH": os.defpath,
            "HOME": "/nonexistent",
            "LC_ALL": "C",
            "GIT_ALLOW_PROTOCOL": network,
            "GIT_ASKPASS": "/bin/false",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_DIR": str(self._place),
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_TERMINAL_PROMPT": "0",
        }

    def _trusting(self, bundle: Path) -> Path:
        """The authorities of this machine and those of the installation, in one file that nobody may read, too."""
        made = self._folder / "authorities.pem"
        known = CERTIFICATES.read_bytes() if CERTIFICATES.is_file() else b""
        made.write_bytes(known + b"\n" + bundle.read_bytes())
        made.chmod(0o644)
        return made


class _Failed(Exception):
    """Git ended with a complaint."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


class _Run:
    """A program that is running, and the thread that ends it in time, or when nobody wants it any more."""

    def __init__(self, process: subprocess.Popen[bytes], give_up: threading.Event, seconds: float) -> None:
        self.process, self._give_up, self._deadline = process, give_up, time.monotonic() + seconds
        self._why = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            if self._give_up.is_set() or time.monotonic() > self._deadline:
                self._why = "gave up" if self._give_up.is_set() else "slow"
                self._kill()
                return

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Let it end, if it is about to; nothing of its group stays."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(BrokenPipeError):
                pipe.close()
        os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
        self._over.set()
        self._thread.join()
        self._kill()  # before it is waited for: until then the number of its group is nobody else's
        self.process.wait()

    def need_wanted(self) -> None:
        """Say so, when it did not end by itself."""
        if self._why == "gave up":
            raise GaveUp
        if self._why == "slow":
            raise NotFetched("git.too_slow", seconds=int(FETCH_SECONDS))
