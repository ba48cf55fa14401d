"""How a tool says that it could not install."""

from collections.abc import Callable

Run = Callable[..., str]
"""Runs a command within the time that is left and returns what it printed; raises Failure with the whole log."""


class Failure(Exception):
    """The installation cannot go on.

    ``log`` is what the package manager said, by lines. A ``kind`` is given by a tool that knows it already; otherwise
    its ``explain`` finds it in the log. ``at`` is the index of the line to blame.
    """

    def __init__(self, log: list[str], *, kind: str = "", package: str = "", at: int | None = None) -> None:
        super().__init__(kind)
        self.log, self.kind, self.package, self.at = log, kind, package, at
