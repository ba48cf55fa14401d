"""Log lines as evidence: indented as they were written, without the frames of libraries, and only where they help."""

import re
from collections.abc import Iterable
from typing import Final

from grader.evidence import Finding
from grader.reports.catalogue import Lang, label
from grader.reports.plain import clean, shorten

MAX_LOG_LINES = 30
MAX_LINE_SHOWN = 240

_FIRST_SERVER_ERROR: Final = 500
_FRAME: Final = re.compile(r'(?P<indent>\s*)(?:File ".*", line \d+|at .+:\d+|#\d+ )')
"""The first line of a stack frame as Python, Node and PHP print it."""

_OF_LIBRARY: Final = re.compile(r"site-packages/|/lib/python3|<frozen |node_modules/|node:internal|/vendor/")
_TROUBLE: Final = re.compile(r"Traceback|Error\b|Exception\b|\bERROR\b|\bFATAL\b|\bpanic\b|Fatal error")


def readable(lines: Iterable[str], lang: Lang) -> tuple[str, ...]:
    """The last lines, safe and short; a run of frames inside libraries is one line that says how many there were."""
    kept: list[str] = []
    skipped, depth = 0, -1
    for line in (clean(line).replace("\n", " ").rstrip() for line in lines):
        frame = _FRAME.match(line)
        if frame and _OF_LIBRARY.search(line):
            skipped, depth = skipped + 1, len(frame["indent"])
        elif frame or depth < 0 or len(line) - len(line.lstrip()) <= depth:
            if skipped:
                kept.append(f"{' ' * depth}… {label('library_frames', lang, count=skipped)}")
            skipped, depth = 0, -1
            kept.append(shorten(line, MAX_LINE_SHOWN))
    return tuple(kept[-MAX_LOG_LINES:])


def tells(finding: Finding) -> bool:
    """Whether the log of that moment helps: the service failed, the log itself is the cause, or it shows an error."""
    if finding.log is None:
        return False
    answer = finding.exchange.response if finding.exchange else None
    failed = answer is None or answer.status >= _FIRST_SERVER_ERROR
    return failed or any(_TROUBLE.search(line) for line in finding.log.lines)
