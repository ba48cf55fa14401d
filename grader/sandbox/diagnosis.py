"""Which line of a submission cannot be read: what the runtime's compiler refuses, held against what the app printed.

The command that reads the source is the runtime's own (``RuntimeSpec.diagnose``); nothing here knows a language.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from grader.sandbox.driver import LogLine


@dataclass(frozen=True, kw_only=True)
class SourceFault:
    """A place that cannot be compiled: ``file`` below /app, ``line`` counted from 1 (None: unknown), in its words."""

    file: str
    line: int | None
    message: str


def read_faults(said: bytes) -> tuple[SourceFault, ...]:
    """What a diagnose command printed; nothing when it could not do its work, because then it names nothing."""
    try:
        return tuple(
            SourceFault(file=str(one["file"]), line=int(one["line"]) or None, message=str(one["message"]))
            for one in json.loads(said)
        )
    except (ValueError, LookupError, TypeError):
        return ()


def blamed(faults: Sequence[SourceFault], log: Sequence[LogLine]) -> SourceFault | None:
    """The first fault whose file the app itself printed; None when it spoke of none of them.

    A file that nobody loads may be broken, too: only the app's own word ties it to what went wrong.
    """
    printed = "\n".join(line.text for line in log)
    return next((fault for fault in faults if re.search(rf"/app/{re.escape(fault.file)}(?![\w/-])", printed)), None)
