"""The exercises as pages show them: each version is opened once and stays open while the portal runs."""

import threading
from collections import OrderedDict
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from grader.packs import Pack
from grader.records import Records
from grader.services import publishing

KEPT: Final = 16
"""Versions that stay open; a page of an older one opens it again."""


class Shelf:
    """Exercise versions by digest, for reading."""

    def __init__(self, records: Records, exercises: Path) -> None:
        self._records, self._exercises = records, exercises
        self._open: OrderedDict[str, tuple[Pack, ExitStack]] = OrderedDict()
        self._lock = threading.Lock()

    def pack(self, digest: str) -> Pack:
        """The version with this digest.

        Raises:
            GraderError: ``records.not_found``, or what the kept folder says.
        """
        with self._lock:
            if digest not in self._open:
                stack = ExitStack()
                pack = stack.enter_context(publishing.pack_of(self._records, digest, self._exercises, to_read=True))
                self._open[digest] = (pack, stack)
                if len(self._open) > KEPT:
                    self._open.popitem(last=False)[1][1].close()
            self._open.move_to_end(digest)
            return self._open[digest][0]

    def close(self) -> None:
        """Give the folders of kept versions back."""
        with self._lock:
            for _, stack in self._open.values():
                stack.close()
            self._open.clear()
