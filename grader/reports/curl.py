"""A request as a command that a reader can run on the own machine."""

import re
from shlex import quote
from typing import Final

from grader.evidence import Exchange
from grader.reports.plain import clean

LOCAL_BASE = "http://localhost:8080"
"""Where the service of the exercises listens on the reader's own machine."""

_CLIENT_HEADERS: Final = frozenset({
    "accept-encoding", "connection", "content-length", "host", "transfer-encoding", "user-agent"
})  # fmt: skip
"""Headers that a client writes by itself."""

_QUOTED_ANYWHERE: Final = re.compile(r"[\w:/?&=.~%,;+@()\[\]*#-]*", re.ASCII)
"""Text that double quotes hold together alike in sh, PowerShell and Windows' cmd."""


def local_curl(exchange: Exchange) -> str:
    """The request as a command for the reader's own machine, on one line.

    It is built anew and quoted here, because parts of a path (a cursor) come from the submission.
    """
    request = exchange.request
    parts = ["curl", "-sS", "-i"]
    if request.method != "GET":
        parts += ["-X", _quoted(request.method)]
    for name, value in request.headers.items():
        if name.lower() not in _CLIENT_HEADERS:
            parts += ["-H", _quoted(f"{name}: {value}")]
    if request.body:
        parts += ["--data-binary", _quoted(request.body)]
    if set("[]{}") & set(request.path):
        parts.append("--globoff")  # else curl reads brackets as a pattern of several addresses
    return clean(" ".join([*parts, _quoted(LOCAL_BASE + request.path)])).replace("\n", " ")


def _quoted(word: str) -> str:
    """A word for the command line: bare, in the double quotes that every shell knows, or as a POSIX shell needs it."""
    if quote(word) == word:
        return word
    return f'"{word}"' if _QUOTED_ANYWHERE.fullmatch(word.replace(" ", "")) else quote(word)
