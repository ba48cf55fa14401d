"""Install requirement lines into /opt/venv and write it to stdout as a tar.

In: one JSON line on stdin, {"lines": ["fastapi==0.165.0", ...], "seconds": 180}. Out: the tar on stdout, and one JSON
line on stderr, {"ok": true, "packages": ["fastapi==0.165.0", ...]} or {"ok": false, "reason": "...", "log": [...]}.
Only wheels are installed, so no code of a package runs here; the only way out is the index gateway.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

VENV = pathlib.Path("/opt/venv")
CACHE = VENV / ".cache"  # on the same tmpfs, so that files are linked and not copied
LOG_LINES = 60


def run(*command: str, seconds: float) -> "subprocess.CompletedProcess[str]":
    """Run uv and keep what it says."""
    environment = {**os.environ, "UV_CACHE_DIR": str(CACHE), "UV_LINK_MODE": "hardlink", "HOME": "/tmp"}
    if environment.get("GRADER_INDEX_URL"):
        environment["UV_DEFAULT_INDEX"] = environment["GRADER_INDEX_URL"]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=environment, check=False)


def answer(**fields: object) -> None:
    """Say how it ended."""
    sys.stderr.write(json.dumps(fields) + "\n")
    sys.stderr.flush()


def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Make the layer depend on its content only."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    return entry


def main() -> int:
    """Install, then stream the result."""
    order = json.loads(sys.stdin.readline())
    seconds = float(order["seconds"])
    requirements = pathlib.Path("/tmp/requirements.txt")
    requirements.write_text("\n".join(order["lines"]) + "\n")
    try:
        made = run("uv", "venv", "--python", "/usr/bin/python3", "--allow-existing", str(VENV), seconds=seconds)
        if made.returncode == 0 and order["lines"]:
            made = run(
                "uv", "pip", "install", "--python", str(VENV / "bin/python"), "--only-binary", ":all:",
                "--compile-bytecode", "--requirements", str(requirements), seconds=seconds,
            )  # fmt: skip
    except subprocess.TimeoutExpired:
        answer(ok=False, reason="timeout", log=[])
        return 1
    if made.returncode != 0:
        answer(ok=False, reason="installer", log=made.stderr.splitlines()[-LOG_LINES:])
        return 1
    frozen = run("uv", "pip", "freeze", "--python", str(VENV / "bin/python"), seconds=30)
    shutil.rmtree(CACHE, ignore_errors=True)
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(VENV.rglob("*")):
            tar.add(path, arcname=str(path.relative_to(VENV)), recursive=False, filter=plain)
    sys.stdout.buffer.flush()
    answer(ok=True, packages=frozen.stdout.split("\n")[:-1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
