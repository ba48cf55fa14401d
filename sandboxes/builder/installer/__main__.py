"""Install packages and write them to stdout as a tar; the part that is the same for every runtime.

In: one JSON line on stdin, {"lines": [...], "lock": "...", "autoload": "...", "target": "/opt/venv", "seconds": 180}.
Out: the tar of what was installed below the target, and one JSON line on stderr: {"ok": true, "packages":
["name==version", ...], "unbuilt": ["name", ...]} or {"ok": false, "kind": "...", "package": "...", "at": 0, "log":
[...]}, where ``at`` is the index in ``lines`` that is to blame, or null.

``tool`` is the module of the builder image: it knows the package manager of one runtime and the words of its errors.
No code of a package runs here, and the only way out is the index gateway.
"""

import json
import os
import pathlib
import subprocess
import sys
import tarfile
import time

import tool
from report import Failure, Run

KINDS = (
    "index_unreachable",
    "too_large",
    "no_wheel",
    "hash_mismatch",
    "package_not_found",
    "version_not_found",
    "conflict",
    "lock_mismatch",
    "needs_build",
    "platform",
    "timeout",
    "failed",
)
"""What can be wrong; a word that is not here would have no text in a report."""
LOG_LINES = 60
LINE_LENGTH = 500


def runner(seconds: float) -> Run:
    """A function that runs a command until all commands together took that many seconds."""
    end = time.monotonic() + seconds

    def run(*command: str, **environment: str) -> str:
        """Run, keep what is said, and return what was printed; Failure with the whole log when it fails."""
        left = max(1.0, end - time.monotonic())
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            timeout=left,
            env={**os.environ, "HOME": "/tmp", **environment},
            check=False,
        )
        if done.returncode != 0:
            raise Failure((done.stdout + "\n" + done.stderr).splitlines())
        return done.stdout

    return run


def answer(**fields: object) -> None:
    """Say how it ended."""
    sys.stderr.write(json.dumps(fields) + "\n")
    sys.stderr.flush()


def tail(log: list[str]) -> list[str]:
    """The end of what was said, as much as a report can show."""
    return [line[:LINE_LENGTH] for line in log if line.strip()][-LOG_LINES:]


def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Make the layer depend on its content only; what is neither file, folder nor link has no place in it."""
    if not (entry.isfile() or entry.isdir() or entry.issym() or entry.islnk()):
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    entry.mtime = 0
    return entry


def main() -> int:
    """Install, then stream the result."""
    order = json.loads(sys.stdin.readline())
    target = pathlib.Path(order["target"])
    try:
        packages, unbuilt = tool.install(order, target, runner(float(order["seconds"])))
    except subprocess.TimeoutExpired as late:
        said = b"".join(
            part if isinstance(part, bytes) else (part or "").encode() for part in (late.stdout, late.stderr)
        )
        answer(ok=False, kind="timeout", package="", at=None, log=tail(said.decode("utf-8", "replace").splitlines()))
        return 1
    except Failure as failure:
        kind, package, at = failure.kind, failure.package, failure.at
        if not kind:
            kind, package, at = tool.explain(failure.log, order["lines"])
        kind = kind if kind in KINDS else "failed"
        answer(ok=False, kind=kind, package=package, at=at, log=tail(failure.log))
        return 1
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        tar.add(target, arcname=".", recursive=False, filter=plain)  # an archive of nothing would be taken for a file
        for path in sorted(target.rglob("*")):
            tar.add(path, arcname=str(path.relative_to(target)), recursive=False, filter=plain)
    sys.stdout.buffer.flush()
    answer(ok=True, packages=sorted(packages), unbuilt=sorted(unbuilt))
    return 0


if __name__ == "__main__":
    sys.exit(main())
