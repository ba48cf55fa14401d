"""Who owns an engine object: every object of a grading says so, and nothing else of ours can be removed by mistake."""

import json
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

RUN = "grader.run"
"""The id of one grading; on every container, network and image that lives no longer than it."""
OWNER = "grader.owner"
"""host, boot, pid and start time of the process that drives the grading."""
DEADLINE = "grader.deadline"
"""Unix seconds after which the object is nobody's, whatever its owner says."""
IMAGE = "grader.image"
"""The name of a sandbox image that outlives gradings."""
LAYER = "grader.layer"
"""The key of a dependency layer that outlives gradings."""

LONGEST_GRADING = 1_800
"""Seconds after which no grading can still be alive."""


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]


def _started(pid: int) -> str | None:
    """The start time of a process in clock ticks since boot, or None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def owner(pid: int | None = None) -> str:
    """A process (this one), so that it can be told from a later one with the same pid."""
    pid = os.getpid() if pid is None else pid
    return f"{socket.gethostname()}/{_boot()}/{pid}/{_started(pid)}"


def of_run(run: str) -> dict[str, str]:
    """The labels of everything that belongs to one grading."""
    return {RUN: run, OWNER: owner(), DEADLINE: str(int(time.time()) + LONGEST_GRADING)}


NOBODYS = {RUN: ""}
"""An image inherits labels and cannot lose them; with this one it has ceased to belong to a grading."""


def as_step(marks: Mapping[str, str]) -> str:
    """The one step of a Dockerfile that gives all these labels: what stands between two steps could be reaped."""
    return " ".join(["LABEL", *(f"{key}={json.dumps(value)}" for key, value in marks.items())])


def is_abandoned(labels: dict[str, str]) -> bool:
    """True when the process that made the object is gone or its time is over."""
    if int(labels.get(DEADLINE) or 0) < time.time():
        return True
    return not is_running(labels.get(OWNER, ""))


def is_running(owner: str) -> bool:
    """Whether an owner still runs; one on another machine that shares the engine counts as running."""
    host, boot, pid, started = (owner + "////").split("/")[:4]
    if host != socket.gethostname():
        return True  # only its deadline counts
    return boot == _boot() and pid.isdigit() and _started(int(pid)) == started
