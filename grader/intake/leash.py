"""Starts a program with less than we may do: ``python -I -m grader.intake.leash LIMITS PROGRAM ARGUMENT…``.

``LIMITS`` is JSON: the network (``none`` or ``host``), bytes of a file, seconds of CPU. The program becomes nobody
where we are root, gains no privileges, and ends with whoever waits for it.
"""

import json
import os
import resource
import sys
from typing import Final

from grader.intake.confine import die_with_parent, drop_identity, forbid_privileges, leave_network

MEMORY_BYTES: Final = 1024**3
DESCRIPTORS: Final = 256
PROCESSES: Final = 64
"""Of nobody, on this machine."""


def main(arguments: list[str]) -> None:
    """Give up what the program does not need, then become it."""
    wanted = json.loads(arguments[0])
    if wanted["network"] == "none":
        leave_network()
    root = os.geteuid() == 0
    drop_identity()
    forbid_privileges()
    die_with_parent()
    limits = {
        resource.RLIMIT_AS: MEMORY_BYTES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: int(wanted["file_bytes"]),
        resource.RLIMIT_NOFILE: DESCRIPTORS,
        resource.RLIMIT_CPU: int(wanted["cpu_seconds"]),
    }
    if root:  # it counts all processes of a user: of nobody's they are ours, of a person's they are not
        limits[resource.RLIMIT_NPROC] = PROCESSES
    for kind, value in limits.items():
        hard = resource.getrlimit(kind)[1]
        bounded = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bounded, bounded))
    os.execv(arguments[1], arguments[1:])  # noqa: S606 - no shell; the program is ours to name


if __name__ == "__main__":
    main(sys.argv[1:])
