"""How a request and its answer are kept: as text that a person can read, without secrets and never too long."""

import re
import shlex
from collections.abc import Iterable, Mapping

from grader.evidence import MAX_BODY_SHOWN, Exchange, Request, Response

SHOWN_BASE = "http://localhost:8000"
"""Where a trainee's own copy answers; no address of a grading is ever shown."""
MASK = "***"
MAX_HEADERS_SHOWN = 40
MAX_HEADER_SHOWN = 300
MAX_PATH_SHOWN = 2_000

_SECRET = re.compile(r"authorization|api[-_]?key|token|secret|cookie|password", re.IGNORECASE)
_UNTOLD = re.compile(r"x-guard-|x-schemathesis-|user-agent$|accept-encoding$|connection$|host$", re.IGNORECASE)


def shown(body: bytes) -> str:
    r"""The first MAX_BODY_SHOWN characters; bytes that are no UTF-8 and control characters show as ``\xNN``."""
    text = body[: MAX_BODY_SHOWN * 4].decode("utf-8", "backslashreplace")
    return printable(text)[:MAX_BODY_SHOWN]


def printable(text: str) -> str:
    """The text without lone surrogates and without control characters other than line ends and tabs."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in "\n\r\t" else _escaped(one) for one in text)


def masked(headers: Iterable[tuple[str, str]] | Mapping[str, str]) -> dict[str, str]:
    """Headers for showing: lower-case names, credentials masked, the tester's own left out, bounded in all."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    kept: dict[str, str] = {}
    for name, value in pairs:
        lower = name.lower()
        if _UNTOLD.match(lower) or len(kept) >= MAX_HEADERS_SHOWN:
            continue
        text = MASK if _SECRET.search(lower) else printable(value)[:MAX_HEADER_SHOWN]
        kept[lower] = f"{kept[lower]}, {text}" if lower in kept else text
    return kept


def curl(method: str, path: str, *, headers: Mapping[str, str], body: str = "") -> str:
    """A command that repeats the request against the trainee's own copy; ``headers`` and ``body`` are as shown."""
    words = ["curl", "-i"]
    words += ["--head"] if method == "HEAD" else [] if method == "GET" else ["-X", method]
    words.append(f"{SHOWN_BASE}{path}")
    for name, value in headers.items():
        if name not in {"accept", "content-length", "transfer-encoding"} or (name == "accept" and value != "*/*"):
            words += ["-H", f"{name}: {value}"]
    if body:
        words += ["--data-raw", body]
    return shlex.join(words)


def exchange(
    method: str,
    path: str,
    *,
    headers: Iterable[tuple[str, str]] | Mapping[str, str] = (),
    body: bytes = b"",
    response: Response | None = None,
    at: float = 0.0,
) -> Exchange:
    """An Exchange as it may be shown. ``path`` includes the query; ``at`` is Unix time in seconds."""
    path = printable(path)[:MAX_PATH_SHOWN]
    sent, text = masked(headers), shown(body)
    return Exchange(
        method=method,
        path=path,
        request=Request(method=method, path=path, headers=sent, body=text),
        response=response,
        curl=curl(method, path, headers=sent, body=text),
        at=at,
    )


def response(
    status: int, *, headers: Iterable[tuple[str, str]] | Mapping[str, str], body: bytes, elapsed_ms: float
) -> Response:
    """A Response as it may be shown; ``size`` tells the whole length in bytes."""
    return Response(
        status=status, headers=masked(headers), body=shown(body), size=len(body), elapsed_ms=round(elapsed_ms, 1)
    )


def _escaped(character: str) -> str:
    # Newer planes and unassigned points print as escapes too: what cannot be seen must not pretend to be nothing.
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
