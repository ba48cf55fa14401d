"""What an agency was asked: exact counts, and the latest requests one by one."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any

MAX_RECORDS = 5_000
MAX_PATH = 500
MAX_HEADERS = 24
MAX_HEADER_NAME = 60
MAX_HEADER_VALUE = 200
"""Characters; what is longer is cut, because the app chooses it."""


class Record:
    """One request whose head came completely; ``status`` is None while it is not answered, and when it never was."""

    __slots__ = ("at", "headers", "method", "path", "route", "status")

    def __init__(self, *, at: float, method: str, path: str, route: str, headers: dict[str, str]) -> None:
        self.at, self.method, self.path, self.route, self.headers = at, method, path, route, headers
        self.status: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The record as the control side tells it; ``at`` in seconds since 1970."""
        return {
            "at": self.at,
            "method": self.method,
            "path": self.path,
            "route": self.route,
            "status": self.status,
            "headers": self.headers,
        }


class Ledger:
    """Counts connections and requests. Counts are never dropped; of the requests themselves the latest are kept."""

    def __init__(self, *, now: Callable[[], float] = time.time, keep: int = MAX_RECORDS) -> None:
        """``now`` gives seconds since 1970; ``keep`` is how many requests are kept one by one."""
        self._now, self._keep = now, keep
        self.forget()

    def forget(self) -> None:
        """Count from 0."""
        self._connections = 0
        self._records: deque[Record] = deque(maxlen=self._keep)
        self._counts: Counter[str] = Counter()

    def connected(self) -> None:
        """A connection was accepted."""
        self._connections += 1

    def asked(self, method: str, path: str, *, route: str, headers: Iterable[tuple[str, str]] = ()) -> Record:
        """A request's head came completely; ``route`` is "" when nothing is there. Gives the record to answer."""
        record = Record(
            at=round(self._now(), 6),
            method=method[:MAX_HEADER_NAME],
            path=path[:MAX_PATH],
            route=route,
            headers=_bounded(headers),
        )
        self._records.append(record)
        self._counts[route] += 1
        return record

    @property
    def connections(self) -> int:
        """Connections accepted since the last forget."""
        return self._connections

    @property
    def requests(self) -> int:
        """Requests since the last forget, whether they are still kept or not."""
        return self._counts.total()

    def as_json(self) -> dict[str, Any]:
        """Everything, as the control side tells it.

        ``counts`` maps route to requests, ``requests`` are the latest ones, oldest first, and ``dropped`` says how many
        are not among them any more.
        """
        return {
            "connections": self._connections,
            "counts": dict(self._counts),
            "requests": [record.as_json() for record in self._records],
            "dropped": self.requests - len(self._records),
        }


def _bounded(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Names in lower case; a header that came several times has its values joined as HTTP allows."""
    kept: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()[:MAX_HEADER_NAME]
        if key in kept:
            kept[key] = f"{kept[key]}, {value}"[:MAX_HEADER_VALUE]
        elif len(kept) < MAX_HEADERS:
            kept[key] = value[:MAX_HEADER_VALUE]
    return kept
