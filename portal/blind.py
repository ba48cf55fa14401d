"""Reviewing without names: a switch of one browser, which hides whose work it is until somebody decided about it."""

from dataclasses import replace
from typing import Final

from grader.services.following import Opened
from grader.services.reviewing import Reviewed
from portal.visit import Visit

BLIND_COOKIE: Final = "__Host-blind"
ON: Final = "1"


def is_blind(visit: Visit) -> bool:
    """Whether this browser reviews without names."""
    return visit.request.cookies.get(BLIND_COOKIE) == ON


def decided(opened: Opened) -> bool:
    """Whether somebody decided about the work, and nobody is asked to decide again."""
    states = [one.state for one in opened.appeals]
    return "open" not in states and bool(opened.overrides or states)


def as_seen(visit: Visit, opened: Opened, seen: Reviewed) -> Reviewed:
    """What stands beside the findings, without the name while it is hidden: it never reaches the page then."""
    if not is_blind(visit) or decided(opened):
        return seen
    return replace(seen, person=visit.word("blind.someone"), code="", unit="")
