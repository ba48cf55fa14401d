"""The one door to the container engine: found here, guarded here, its errors translated here.

Every call has a deadline, and only the endpoints below can be called at all. ``/archive`` and ``/exec`` are absent on
purpose: after untrusted code ran, nothing of ours touches its file system or runs its binaries.
"""

import os
import re
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import docker
import requests

from grader.errors import EnvironmentProblem, InfrastructureFault

CALL_SECONDS = 60
"""Deadline of an ordinary engine call."""
BUILD_SECONDS = 1_800
"""Deadline of an image build or pull, which are the only calls that may take minutes."""

_ALLOWED = (
    r"GET /(_ping|version|info)",
    r"POST /build",
    r"(GET|DELETE) /images/[\w./:@-]+(/json)?",
    r"GET /images/json",
    r"POST /images/(create|prune)",
    r"POST /images/[\w./:@-]+/tag",
    r"GET /containers/json",
    r"POST /containers/create",
    r"(GET|POST) /containers/\w+/(json|start|stop|kill|wait|attach|logs|pause|unpause|stats)",
    r"DELETE /containers/\w+",
    r"GET /networks",
    r"POST /networks/(create|\w+/(connect|disconnect))",
    r"(GET|DELETE) /networks/\w+",
    r"(GET|DELETE) /volumes(/[\w.-]+)?",
)
_ALLOWED_CALL = re.compile("|".join(f"(?:{pattern})" for pattern in _ALLOWED))
_VERSION_PREFIX = re.compile(r"^/v\d+\.\d+(?=/)")


class GuardedClient(docker.APIClient):  # type: ignore[misc]
    """The engine's API with a deadline on every call and a list of the calls that exist for us."""

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        """Refuse what is not on the list; otherwise ask the engine."""
        path = _VERSION_PREFIX.sub("", requests.utils.urlparse(url).path)
        if not _ALLOWED_CALL.fullmatch(f"{method.upper()} {path}"):
            raise InfrastructureFault("infrastructure.engine_call_refused", call=f"{method.upper()} {path}")
        slow = path in ("/build", "/images/create")
        kwargs["timeout"] = BUILD_SECONDS if slow else kwargs.get("timeout", CALL_SECONDS)
        return super().request(method, url, *args, **kwargs)


def _engine_address() -> str | None:
    """DOCKER_HOST, else the current context's endpoint, else None for the default socket."""
    if os.environ.get("DOCKER_HOST"):
        return os.environ["DOCKER_HOST"]
    context = docker.ContextAPI.get_current_context()
    return context.Host if context is not None and context.name != "default" else None


def connect() -> GuardedClient:
    """Open the engine; raises EnvironmentProblem when none answers."""
    try:
        address = _engine_address()
        client = GuardedClient(base_url=address, version="auto", timeout=CALL_SECONDS, max_pool_size=20)
        client.ping()
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise EnvironmentProblem("environment.engine_not_running", detail=str(error)[:300]) from error
    return client


@contextmanager
def engine_call(what: str) -> Iterator[None]:
    """Translate whatever the engine or its client raises into our fault, naming what was tried."""
    try:
        yield
    except docker.errors.APIError as error:
        detail = str(error.explanation or error)[:500]
        if "no space left" in detail.lower():
            raise EnvironmentProblem("environment.disk_full", detail=detail) from error
        raise InfrastructureFault("infrastructure.engine", call=what, detail=detail) from error
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise InfrastructureFault("infrastructure.engine", call=what, detail=str(error)[:500]) from error


class Pipe:
    """The standard streams of one container as a bounded pipe: bytes in, (stream, bytes) out.

    Stream 1 is stdout and 2 stderr, as the engine frames them. ``deadline`` values are monotonic seconds.
    """

    _HEADER = struct.Struct(">BxxxL")
    _CHUNK = 1 << 16

    def __init__(self, client: GuardedClient, container: str) -> None:
        with engine_call("attach"):
            self._response = client.attach_socket(
                container, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1, "logs": 0}
            )
        self._socket: socket.socket = getattr(self._response, "_sock", self._response)
        self._socket.settimeout(CALL_SECONDS)
        self._buffer = bytearray()

    def send(self, data: bytes) -> None:
        """Write to the container's stdin."""
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise InfrastructureFault("infrastructure.pipe_closed", detail=str(error)) from error

    def end_input(self) -> None:
        """Close the container's stdin."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise InfrastructureFault("infrastructure.pipe_closed", detail=str(error)) from error

    def frames(self, deadline: float) -> Iterator[tuple[int, bytes]]:
        """Yield what the container writes until it closes its streams or the deadline passes (InfrastructureFault)."""
        while True:
            while len(self._buffer) >= self._HEADER.size:
                stream, length = self._HEADER.unpack_from(self._buffer)
                end = self._HEADER.size + length
                if len(self._buffer) < end:
                    break
                payload = bytes(self._buffer[self._HEADER.size : end])
                del self._buffer[:end]
                yield stream, payload
            wait = deadline - time.monotonic()
            ready = select.select([self._socket], [], [], max(0.0, wait))[0] if wait > 0 else []
            if not ready:
                raise InfrastructureFault("infrastructure.pipe_timeout")
            try:
                data = self._socket.recv(self._CHUNK)
            except OSError as error:
                raise InfrastructureFault("infrastructure.pipe_closed", detail=str(error)) from error
            if not data:
                return
            self._buffer += data

    def close(self) -> None:
        """Let go of the streams; the container goes on."""
        self._socket.close()
        self._response.close()


class Lines:
    """Whole lines of a container's stdout, kept apart from its stderr, of which the tail is remembered."""

    MAX_LINE = 2 << 20
    TAIL = 200

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._stdout = bytearray()
        self._stderr = bytearray()

    @property
    def complaints(self) -> str:
        """The end of what was written to stderr."""
        return self._stderr[-8_000:].decode("utf-8", "backslashreplace")

    def read(self, deadline: float) -> str | None:
        """The next line without its end, or None when the container closed its streams."""
        while True:
            end = self._stdout.find(b"\n")
            if end >= 0:
                line = bytes(self._stdout[:end])
                del self._stdout[: end + 1]
                return line.decode("utf-8", "backslashreplace")
            if len(self._stdout) > self.MAX_LINE:
                raise InfrastructureFault("infrastructure.line_too_long")
            for stream, payload in self._pipe.frames(deadline):
                if stream == 1:
                    self._stdout += payload
                    break
                self._stderr += payload
                del self._stderr[:-64_000]
            else:
                return None
