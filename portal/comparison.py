"""What changed between two attempts, check by check. Pure."""

from dataclasses import dataclass

from grader.verdict import Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """From the earlier verdict to the later one; the lists hold ids of checks, in the order of the later one."""

    points: int
    mended: tuple[str, ...]
    left: tuple[str, ...]
    broken: tuple[str, ...]


def compare(earlier: Verdict, later: Verdict) -> Change:
    """A check that was not asked is neither mended nor broken."""
    before = {check.id: check.outcome for check in earlier.checks}
    return Change(
        points=later.points - earlier.points,
        mended=tuple(c.id for c in later.checks if c.outcome == "pass" and before.get(c.id) == "fail"),
        left=tuple(c.id for c in later.checks if c.outcome == "fail" and before.get(c.id) != "pass"),
        broken=tuple(c.id for c in later.checks if c.outcome == "fail" and before.get(c.id) == "pass"),
    )
