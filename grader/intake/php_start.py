"""How a PHP project starts: the server of PHP itself, with the front controller as its router."""

import posixpath
from collections.abc import Sequence

from grader.errors import SubmissionRejected
from grader.intake.dependencies import printable

FRONT_CONTROLLERS = ("public/index.php", "index.php", "web/index.php")
"""Where the front controller is looked for, best first."""

_ROUTER = "router.php"
_WITH_VALUE = frozenset({"-S", "-t", "-d", "-c", "-z"})


def front_controller(paths: frozenset[str]) -> str:
    """Return the front controller of the project, empty when there is none."""
    return next((path for path in FRONT_CONTROLLERS if path in paths), "")


def start_of(paths: frozenset[str]) -> tuple[str, ...]:
    """Return the command that gives every request to the project's router.

    Without a router PHP answers for itself wherever a path looks like a file: ``/codes/A01.5`` would get PHP's own 404,
    and ``/composer.json`` the file. So the front controller is the router, and gets every request; static files are its
    own work (``return false`` hands one back to PHP). A project that has a ``router.php`` has done that work already.

    Raises:
        SubmissionRejected: ``project.no_start_file`` (looked_for).
    """
    front = front_controller(paths)
    routers = [f"{folder}{_ROUTER}" for folder in ("", "public/") if f"{folder}{_ROUTER}" in paths]
    if not front and not routers:
        looked_for = ", ".join((_ROUTER, *FRONT_CONTROLLERS))
        raise SubmissionRejected("project.no_start_file", looked_for=looked_for)
    router = routers[0] if routers else front
    root = posixpath.dirname(front or router) or "."
    return ("php", "-S", "0.0.0.0:$PORT", "-t", root, router)


def check(start: Sequence[str], paths: frozenset[str]) -> None:
    """Refuse a start command whose script is not there.

    Raises:
        SubmissionRejected: ``project.start_file_missing`` (file, where, found).
    """
    if start[0] != "php":
        return
    at = 1
    while at < len(start) and start[at].startswith("-"):
        if start[at] in ("-r", "--"):
            return
        at += 2 if start[at] in _WITH_VALUE else 1
    if at >= len(start):
        return
    wanted = posixpath.normpath(start[at])
    if wanted not in paths:
        same = (path for path in sorted(paths) if path.casefold() == wanted.casefold())
        raise SubmissionRejected(
            "project.start_file_missing",
            file=printable(wanted),
            where="grader.toml",
            found=printable(next(same, "")),
        )
