"""What the jail gives up before it reads a byte of a submission (rule S10): network, identity, privileges, resources.

Each step says what it achieved, because not every host allows every step; the parent passes that on. Run as a module,
it confines itself and prints the outcome as JSON: that is how a host is examined.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from dataclasses import asdict, dataclass
from typing import Literal

from grader.intake.limits import JAIL_CPU_SECONDS, JAIL_MEMORY_BYTES, JAIL_UID

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38


@dataclass(frozen=True, kw_only=True, slots=True)
class Confinement:
    """What was achieved. ``network`` is ``none`` (an empty namespace) or ``host`` (the kernel refused one)."""

    uid: int
    gid: int
    network: Literal["none", "host"]
    no_new_privileges: bool


def confine(*, files: tuple[int, ...]) -> Confinement:
    """Give up everything that reading an archive does not need.

    ``files`` are the descriptors in use: afterwards not one more can be opened, be it a file or a socket.

    Raises:
        OSError: as root, when the identity cannot be given up; the jail must not go on then.
    """
    network = leave_network()
    drop_identity()
    no_new_privileges = forbid_privileges()
    die_with_parent()
    limit_resources(files=files)
    return Confinement(uid=os.getuid(), gid=os.getgid(), network=network, no_new_privileges=no_new_privileges)


def leave_network() -> Literal["none", "host"]:
    """Enter an empty network namespace; without root through a user namespace, where the host allows that."""
    flags = _CLONE_NEWNET if os.geteuid() == 0 else _CLONE_NEWUSER | _CLONE_NEWNET
    libc = ctypes.CDLL(None, use_errno=True)
    return "none" if libc.unshare(flags) == 0 else "host"


def drop_identity() -> None:
    """As root, become nobody for good; anyone else stays who they are."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(JAIL_UID, JAIL_UID, JAIL_UID)
        os.setresuid(JAIL_UID, JAIL_UID, JAIL_UID)


def forbid_privileges() -> bool:
    """Refuse privileges from setuid programs, and other processes' view into this one's memory."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    return bool(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)


def die_with_parent() -> None:
    """End with the process that waits for this one; after the change of identity, which would undo it.

    A parent that was killed before this moment is found out at the first write to its pipe.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def limit_resources(*, files: tuple[int, ...]) -> None:
    """Set the limits: no file of any size, no new descriptor, no process, and a bound on memory and CPU time."""
    limits = {
        resource.RLIMIT_AS: JAIL_MEMORY_BYTES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: max((0, 1, 2, *files)) + 1,
        resource.RLIMIT_NPROC: 0,
    }
    for kind, wanted in limits.items():
        # A host may already allow less, which only root could raise.
        hard = resource.getrlimit(kind)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (value, value))
    # The soft limit ends the process with SIGXCPU, which the parent tells from an unexplained SIGKILL.
    resource.setrlimit(resource.RLIMIT_CPU, (JAIL_CPU_SECONDS, JAIL_CPU_SECONDS + 1))


def main() -> None:
    """Confine this process and print what was achieved; stdout must be a pipe or a terminal, files take no byte."""
    sys.stdout.write(json.dumps(asdict(confine(files=()))) + "\n")


if __name__ == "__main__":
    main()
