"""One look at the records for everybody who watches, however many they are.

Whoever's turn comes first looks for all; the others take what was seen. There is no task of its own to start, to stop
or to fail: who watches drives it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakKeyDictionary

from anyio.to_thread import run_sync

from grader.records import Records
from grader.services.following import signs

LOOK_SECONDS: Final = 0.7
"""Between two looks; what a worker writes is seen so soon."""


@dataclass
class _Circle:
    """Those who watch within one event loop. ``watched`` counts the watchers of each submission."""

    watched: Counter[str] = field(default_factory=Counter)
    seen: dict[str, str] = field(default_factory=dict)
    at: float = float("-inf")
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Watch:
    """Tells watchers when a submission may look different."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._circles: WeakKeyDictionary[asyncio.AbstractEventLoop, _Circle] = WeakKeyDictionary()

    @asynccontextmanager
    async def over(self, submission: str) -> AsyncIterator[Callable[[], Awaitable[str]]]:
        """Watch a submission; gives a function that tells its present sign, "" for one that nobody knows."""
        circle = self._circles.setdefault(asyncio.get_running_loop(), _Circle())
        circle.watched[submission] += 1

        async def look() -> str:
            async with circle.turn:
                fresh = time.monotonic() - circle.at < LOOK_SECONDS and submission in circle.seen
                if not fresh:
                    circle.seen = await run_sync(self._signs, tuple(circle.watched))
                    circle.at = time.monotonic()
            return circle.seen.get(submission, "")

        try:
            yield look
        finally:
            circle.watched[submission] -= 1
            if not circle.watched[submission]:
                del circle.watched[submission]

    def _signs(self, submissions: tuple[str, ...]) -> dict[str, str]:
        with self._records.reading() as session:
            return signs(session, submissions)
