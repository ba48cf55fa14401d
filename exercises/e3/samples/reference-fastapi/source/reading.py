"""All pregnancies as HDC has them, read again as soon as what was read is a second old."""

import threading
import time
from dataclasses import dataclass
from datetime import datetime

import hdc
from config import BANGKOK
from pregnancies import Pregnancy, assemble

KEEP_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What was read, and when."""

    pregnancies: list[Pregnancy]
    read_at: datetime
    began: float


class Reader:
    """Keeps one reading, in memory only."""

    def __init__(self) -> None:
        self._kept: Reading | None = None
        self._reading = threading.Lock()

    def latest(self) -> Reading:
        """The pregnancies of at most a second ago. Nothing is kept of a reading that failed."""
        with self._reading:  # requests that come together share one reading
            # Its age counts from before the first row was read: rows may change while others are still coming.
            if self._kept is None or time.monotonic() - self._kept.began >= KEEP_SECONDS:
                self._kept = None
                began = time.monotonic()
                pregnancies = assemble(hdc.read())
                self._kept = Reading(pregnancies=pregnancies, read_at=datetime.now(BANGKOK), began=began)
            return self._kept
