"""The tester process: imports Schemathesis once, then forks for each run and calls its ordinary command line there.

It is started early (see ``play.warm_up``), has one thread, and reads one JSON line a run from stdin:
``{"folder": "/tmp/…", "arguments": ["--config-file=…", "run", …]}``. It answers ``{"pid": N}`` and, at the end of the
run, ``{"status": N, "cpu_seconds": N, "memory_mb": N}``; a negative status is the signal that ended the run.
"""

import json
import os
import resource
import sys
import traceback
from typing import Any, TextIO

from hypothesis.internal import charmap
from hypothesis.internal.conjecture import providers
from schemathesis.cli import schemathesis as command_line

MEMORY_BYTES = 2 << 30
FILE_BYTES = 200 << 20
CRASHED = 70
"""Exit status of a run that ended by an exception of the tester itself (EX_SOFTWARE)."""


def main(requests: TextIO, replies: TextIO) -> None:
    """Serve runs until stdin ends."""
    _prepare()
    for line in requests:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _run(request["folder"], request["arguments"])
        _say(replies, {"pid": pid})
        _, status, usage = os.wait4(pid, 0)
        _say(
            replies,
            {
                "status": os.waitstatus_to_exitcode(status),
                "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
                "memory_mb": usage.ru_maxrss // 1024,
            },
        )


def _prepare() -> None:
    """Do what every run would do first, and shut the one door through which our own code changes what is generated."""
    charmap.charmap()
    charmap.categories()
    charmap.intervals_from_codec("utf-8")
    # Hypothesis mixes literals of "local" modules into its data: a reworded constant of ours would change the requests
    # of every grading, and an editable install would send others than the probe image.
    nothing_local = providers._local_constants  # noqa: SLF001 - there is no public switch; the version is pinned
    providers._get_local_constants = lambda: nothing_local  # noqa: SLF001


def _run(folder: str, arguments: list[str]) -> None:
    status = CRASHED
    try:
        os.setsid()
        os.chdir(folder)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
        output = os.open("tester.txt", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        sys.argv = ["st", *arguments]
        command_line(args=arguments, standalone_mode=True)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - whatever it was, the fork must end here and say so
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _say(replies: TextIO, message: dict[str, Any]) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
