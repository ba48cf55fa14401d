"""The way of the command to a server: one request at a time, over TLS that is verified, and never to anywhere else.

It is made of the standard library, because what runs on a trainee's machine should need little: no redirect is
followed, so a token is only ever sent to the address that somebody typed.
"""

import http.client
import json
import secrets
import socket
import ssl
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from grader import __version__
from grader.errors import EXIT_INVALID, EXIT_SERVER, GraderError, Param, UsageProblem

TIMEOUT_SECONDS: Final = 60.0
MOST_BYTES: Final = 64 * 1024 * 1024
"""Of an answer: a verdict with all its evidence is a few."""
TRIES: Final = 6
PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds between tries."""
LONGEST_PAUSE: Final = 60.0
PASSING: Final = frozenset({502, 503, 504})
"""Statuses that pass by themselves."""
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
OURS: Final = ("archive.", "project.", "dependencies.")
"""Families of codes that are about the project, and not about the server."""


class ServerProblem(GraderError):
    """The server could not be asked, or did not do what it was asked; codes ``server.*``."""

    exit_code = EXIT_SERVER


class ServerRefusal(ServerProblem):
    """The server said why not: its words, its code, and the name of the request."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        said = str(problem.get("code") or status)
        known = {"title": "title", "detail": "detail", "request": "request_id"}
        params: dict[str, Param] = {mine: str(problem[theirs]) for mine, theirs in known.items() if problem.get(theirs)}
        super().__init__("server.said", said=said, **params)
        self.status, self.said = status, said


class ProjectRefused(ServerRefusal):
    """What the server refused is the project: the same exit code as when ``grader check`` refuses it."""

    exit_code = EXIT_INVALID


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The document.

        Raises:
            ServerProblem: ``server.unreadable``.
        """
        try:
            return json.loads(self.body)
        except ValueError as problem:
            raise ServerProblem("server.unreadable", status=self.status) from problem

    @property
    def wait(self) -> float | None:
        """``Retry-After`` in seconds, where there is one that can be used."""
        given = self.headers.get("retry-after", "")
        return min(float(given), LONGEST_PAUSE) if given.isdecimal() else None


class Server:
    """One server and the token for it."""

    def __init__(
        self,
        address: str,
        token: str,
        *,
        ca_bundle: Path | None = None,
        language: str = "th",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.address = origin_of(address)
        self._parts = urlsplit(self.address)
        self._token, self._language, self._sleep = token, language, sleep
        self._context = _trusting(ca_bundle) if self._parts.scheme == "https" else None

    def __repr__(self) -> str:
        return f"Server({self.address!r})"

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for something; tried again while it is only the network or the server that is down.

        Raises:
            ServerProblem: it did not answer in the end, or refused.
        """
        return self._asked("GET", path, headers)

    def post_file(self, path: str, fields: Mapping[str, str], *, name: str, content: bytes, key: str) -> Answer:
        """Send a file with some fields; every try has the same key, so that it arrives once.

        Raises:
            ServerProblem: it did not arrive, or was refused.
        """
        boundary = secrets.token_hex(16)
        body = _form(boundary, fields, name, content)
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Idempotency-Key": key}
        return self._asked("POST", path, headers, body)

    def post_json(self, path: str, document: Mapping[str, Any], *, key: str) -> Answer:
        """Send a document; every try has the same key, so that it arrives once.

        Raises:
            ServerProblem: it did not arrive, or was refused.
        """
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        return self._asked("POST", path, headers, json.dumps(document).encode())

    def _asked(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        for number in range(TRIES):
            last = number == TRIES - 1
            try:
                answer = self._once(method, path, headers, body)
            except ServerProblem as problem:
                if last or problem.code != "server.unreachable":
                    raise
                self._sleep(PAUSES[number])
                continue
            if answer.status not in PASSING or last:
                return _checked(answer)
            self._sleep(answer.wait or PAUSES[number])
        raise AssertionError

    def _once(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        connection = self._connection()
        try:
            connection.request(method, path, body=body, headers={**self._headers(), **headers})
            given = connection.getresponse()
            content = given.read(MOST_BYTES)
        except ssl.SSLError as problem:
            raise ServerProblem("server.tls", server=self.address, reason=_reason(problem)) from problem
        except (OSError, http.client.HTTPException, socket.gaierror) as problem:
            raise ServerProblem("server.unreachable", server=self.address, reason=_reason(problem)) from problem
        finally:
            connection.close()
        return Answer(
            status=given.status, headers={name.lower(): value for name, value in given.getheaders()}, body=content
        )

    def _headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self._token}",
            "Accept-Language": self._language,
            "User-Agent": f"grader/{__version__}",
        }

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        proxy = urllib.request.getproxies().get(self._parts.scheme, "")
        if self._context is None:  # loopback only, where no proxy stands between
            return http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
        if not proxy or urllib.request.proxy_bypass(host):
            return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS, context=self._context)
        through = urlsplit(proxy if "//" in proxy else f"//{proxy}")
        made = http.client.HTTPSConnection(
            through.hostname or "", through.port or 8080, timeout=TIMEOUT_SECONDS, context=self._context
        )
        made.set_tunnel(host, port)  # TLS is spoken, and verified, with the server and not with the proxy
        return made


def origin_of(address: str) -> str:
    """The address of a server as it is kept: scheme, host and port.

    Raises:
        UsageProblem: ``server.address``, ``server.plain``.
    """
    try:
        parts = urlsplit(address.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UsageProblem("server.address", server=address) from None
    extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username or parts.password
    if parts.scheme not in {"http", "https"} or not host or extra or not host.isascii():
        raise UsageProblem("server.address", server=parts._replace(netloc=host or "").geturl())
    if parts.scheme == "http" and host not in LOOPBACK:
        raise UsageProblem("server.plain", server=address)
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port else "")


def _trusting(ca_bundle: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_bundle is not None:
        try:
            context.load_verify_locations(ca_bundle)
        except (OSError, ssl.SSLError) as problem:
            raise UsageProblem("usage.bad_setting", setting="GRADER_CA_BUNDLE", value=str(ca_bundle)) from problem
    return context


def _checked(answer: Answer) -> Answer:
    """A success, or 304; anything else is said in words."""
    if answer.status < http.HTTPStatus.MULTIPLE_CHOICES or answer.status == http.HTTPStatus.NOT_MODIFIED:
        return answer
    if answer.status < http.HTTPStatus.BAD_REQUEST:
        raise ServerProblem("server.redirect", location=answer.headers.get("location"))
    if answer.headers.get("content-type", "").startswith("application/problem+json"):
        problem = answer.json()
        if isinstance(problem, dict):
            project = str(problem.get("code")).startswith(OURS)
            raise (ProjectRefused if project else ServerRefusal)(answer.status, problem)
    raise ServerProblem("server.unreadable", status=answer.status)


def _form(boundary: str, fields: Mapping[str, str], name: str, content: bytes) -> bytes:
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in fields.items()
    ]
    shown = quote(name, safe="") if any(letter in name for letter in '"\\\r\n') else name
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="work"; filename="{shown}"\r\n'
        "Content-Type: application/zip\r\n\r\n"
    )
    return "".join(parts).encode() + content + f"\r\n--{boundary}--\r\n".encode()


def _reason(problem: Exception) -> str:
    return str(getattr(problem, "verify_message", "") or getattr(problem, "strerror", "") or type(problem).__name__)
