"""Git addresses that work may come from: what somebody typed is judged before any program starts or a name is asked.

Nothing here touches the network. An address is one of the hosts that the installation names, and nothing else.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from grader.errors import UsageProblem

MOST_LETTERS: Final = 500
"""Of an address."""
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost"})
"""Names of this machine, which may be spoken with without TLS where the installation lists them."""
DEFAULT_PORTS: Final = {"https": 443, "http": 80}

_PATH: Final = re.compile(r"(?:/[\w.~+@-]+)+/?", re.ASCII)
_REF: Final = re.compile(r"\w[\w./+@#=-]{0,199}")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class NotFetched(UsageProblem):
    """Nothing can be fetched from there; the trainee can mend it, and it used up no attempt. Codes ``git.*``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GitHosts:
    """The hosts that work may come from, as ``name`` or ``name:port``.

    Those of ``private`` may have addresses of the office's own network; those of ``public`` must have none.
    """

    public: tuple[str, ...] = ()
    private: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them; none: nothing is fetched here."""
        return (*self.public, *self.private)


@dataclass(frozen=True, kw_only=True, slots=True)
class GitAddress:
    """An address that may be asked, if its host has an address that may be."""

    scheme: str
    host: str
    port: int
    path: str
    private: bool

    @property
    def url(self) -> str:
        """As git is given it."""
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}{self.path}"

    @property
    def name(self) -> str:
        """The last part of the path: what the work is called."""
        return self.path.rstrip("/").rpartition("/")[2].removesuffix(".git")[:100]


def git_address(typed: str, hosts: GitHosts) -> GitAddress:
    """The address that was typed.

    Raises:
        NotFetched: ``git.off``, ``git.no_address``, ``git.credentials``, ``git.host``.
    """
    if not hosts.names:
        raise NotFetched("git.off")
    text = typed.strip()
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise NotFetched("git.no_address") from None
    if "@" in parts.netloc:
        raise NotFetched("git.credentials")
    known = DEFAULT_PORTS.get(parts.scheme)
    odd = parts.query or parts.fragment or len(text) > MOST_LETTERS or port == 0
    if known is None or not host or odd or not _PATH.fullmatch(parts.path) or ".." in parts.path:
        raise NotFetched("git.no_address")
    listed = {f"{host}:{port or known}"} | ({host} if port in {None, known} else set())
    private = bool(listed & set(hosts.private))
    plain = parts.scheme == "http"
    if not (private or listed & set(hosts.public)) or (plain and not (private and host in LOOPBACK)):
        raise NotFetched("git.host", host=host[:100], known=", ".join(hosts.names))
    return GitAddress(scheme=parts.scheme, host=host, port=port or known, path=parts.path.rstrip("/"), private=private)


def git_ref(typed: str) -> str:
    """The branch, tag or commit that was typed; "" is the server's own first branch.

    Raises:
        NotFetched: ``git.no_ref``.
    """
    text = typed.strip()
    if not text:
        return ""
    odd = ".." in text or "//" in text or "@{" in text or "/." in text or text.endswith((".", "/", ".lock"))
    if odd or not _REF.fullmatch(text):
        raise NotFetched("git.no_ref", ref=text[:60])
    return text


def is_commit(ref: str) -> bool:
    """Whether it names one commit for ever, as a whole hash does; a branch may stand for another one tomorrow."""
    return _COMMIT.fullmatch(ref) is not None
