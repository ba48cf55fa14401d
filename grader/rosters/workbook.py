"""Workbooks (XLSX): opened in a process of their own, which has little memory and little time.

A workbook is a zip of XML, and a small one can stand for a table that fills any machine: packed a thousand times, or
with one cell in the last row of the last column. What it claims about its size proves nothing, and a library that runs
out of memory ends its whole process. So it is not ours that ends.
"""

import json
import signal
import subprocess
import sys
from datetime import date
from typing import Any, Final

from grader.errors import InfrastructureFault, UsageProblem
from grader.rosters.limits import READER_WALL_SECONDS
from grader.rosters.table import Cell, SheetRow, Table

READER: Final = ("-m", "grader.rosters.opening")
"""What Python runs to open a workbook."""

_OVERSPENT: Final = {-signal.SIGABRT, -signal.SIGKILL, -signal.SIGXCPU}
"""How the reader ends when it runs out of memory (its parser aborts, or the kernel ends it) or of time."""
_MAX_DETAIL: Final = 300


def read_workbook(data: bytes) -> Table:
    """The first visible sheet with a header, and the names of the other visible ones.

    Raises:
        UsageProblem: ``roster.unreadable``: no workbook, or a broken one; ``roster.too_expensive``: reading it takes
            more memory or time than any roster does; ``roster.no_header``: no visible sheet has one.
        InfrastructureFault: ``infrastructure.roster_reader``: the reader broke, and it says nothing about the file.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-X", "utf8", *READER],
            input=data,
            capture_output=True,
            timeout=READER_WALL_SECONDS,
            cwd="/",
            env={},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UsageProblem("roster.too_expensive") from None
    if done.returncode in _OVERSPENT:
        raise UsageProblem("roster.too_expensive")
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        detail = lines[-1][:_MAX_DETAIL] if lines else ""
        raise InfrastructureFault("infrastructure.roster_reader", status=done.returncode, detail=detail)
    result: dict[str, Any] = json.loads(done.stdout)
    if "refused" in result:
        raise UsageProblem(result["refused"], **result["params"])
    rows = tuple(SheetRow(number=number, cells=tuple(map(_cell, cells))) for number, cells in result["rows"])
    return Table(rows=rows, sheet=result["sheet"], others=tuple(result["others"]))


def _cell(sent: Any) -> Cell:
    """A cell as the reader sent it: a day is an object, everything else is itself."""
    if isinstance(sent, dict):
        return date.fromisoformat(sent["day"])
    return sent if isinstance(sent, float) else str(sent)
