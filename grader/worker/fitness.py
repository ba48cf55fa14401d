"""Whether this machine can grade truly now: a starved host makes a good app look slow.

A grading measures time. When the machine has far more to do than processors, or no memory left, a verdict would say
something about the machine; then nothing is claimed, the worker says why, and the queue waits for another one.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LOAD_PER_CPU: Final = 4.0
"""Runnable processes for each processor, as the average of a minute, above which nothing more is begun."""
MEMORY_BYTES: Final = 1024**3
"""Memory that must be available before a grading begins: an app, its agencies and the probe."""
DISK_BYTES: Final = 1024**3
_MEMORY_PER_SLOT: Final = 3 * 1024**3 // 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitness:
    """What a machine has: load of the last minute, processors, and bytes of memory and disk that are free."""

    load: float
    cpus: int
    memory: int
    disk: int

    @property
    def problem(self) -> str:
        """Why nothing can be graded truly now, as a code; "" when it can."""
        if self.load > LOAD_PER_CPU * self.cpus:
            return "worker.host_busy"
        if self.memory < MEMORY_BYTES:
            return "worker.no_memory"
        if self.disk < DISK_BYTES:
            return "worker.no_disk"
        return ""


def fitness(disk: Path = Path("/var/lib")) -> Fitness:
    """This machine as it is; ``disk`` is where the engine keeps its images."""
    return Fitness(
        load=os.getloadavg()[0],
        cpus=cpus(),
        memory=_memory("MemAvailable"),
        disk=shutil.disk_usage(disk).free,
    )


def slots_for(cpu_count: int, memory: int) -> int:
    """How many gradings this machine takes at a time: one for each processor, as far as the memory goes."""
    return max(1, min(cpu_count, memory // _MEMORY_PER_SLOT))


def default_slots() -> int:
    """:func:`slots_for` of this machine."""
    return slots_for(cpus(), _memory("MemTotal"))


def cpus() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


def _memory(name: str) -> int:
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        key, _, rest = line.partition(":")
        if key == name:
            return int(rest.split()[0]) * 1024
    return 0
