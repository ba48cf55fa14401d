"""What a round's overview needs of each verdict, read once: a recorded verdict never changes.

The documents themselves are large and most of a page's time would go into reading them again and again.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.records import Grading, Submission
from grader.verdict import Verdict

_AT_ONCE: Final = 50
_KEPT: Final = 5_000
"""Gists in memory, about 2 KB each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """Why a grading did not pass; ``check`` is "" where it stopped before any check."""

    fingerprint: str
    check: str
    code: str
    params: Mapping[str, Any]
    operation: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Gist:
    """One verdict in short: ids of checks by how they came out, and every reason once."""

    passed: frozenset[str]
    failed: frozenset[str]
    reasons: tuple[Reason, ...]


class _Shelf:
    """The gists that were asked for last, by the id of the grading."""

    def __init__(self) -> None:
        self._gists: OrderedDict[str, Gist] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, grading: str) -> Gist | None:
        with self._lock:
            if found := self._gists.get(grading):
                self._gists.move_to_end(grading)
            return found

    def put(self, grading: str, gist: Gist) -> None:
        with self._lock:
            self._gists[grading] = gist
            while len(self._gists) > _KEPT:
                self._gists.popitem(last=False)


_shelf: Final = _Shelf()


def gists(session: Session, submissions: Iterable[str]) -> Iterator[tuple[str, datetime, Gist]]:
    """The gist of each submission's final verdict, with the moment the work was received.

    Verdicts that nobody asked for yet are read some at a time; among those the oldest work comes first.
    """
    ids = list(submissions)
    for start in range(0, len(ids), _AT_ONCE):
        rows = session.execute(
            select(Grading.id, Grading.submission_id, Submission.received_at)
            .join(Submission, Submission.id == Grading.submission_id)
            .where(Grading.submission_id.in_(ids[start : start + _AT_ONCE]), Grading.standing == "final")
            .order_by(Submission.received_at, Submission.id)
        ).all()
        known = {row.id: gist for row in rows if (gist := _shelf.get(row.id))}
        missing = [row.id for row in rows if row.id not in known]
        if missing:
            for grading, document in session.execute(
                select(Grading.id, Grading.verdict).where(Grading.id.in_(missing))
            ).all():
                known[grading] = gist_of(Verdict.from_json(document))
                _shelf.put(grading, known[grading])
        for row in rows:
            yield row.submission_id, row.received_at, known[row.id]


def gist_of(verdict: Verdict) -> Gist:
    """A verdict in short; a grading that stopped early has its own code for a reason."""
    reasons: dict[str, Reason] = {}
    if verdict.outcome not in {"pass", "fail"} and verdict.code:
        reasons[verdict.code] = Reason(
            fingerprint=verdict.code, check="", code=verdict.code, params=verdict.params, operation=""
        )
    for check in verdict.checks:
        for one in check.findings if check.outcome == "fail" else ():
            reasons[one.fingerprint] = Reason(
                fingerprint=one.fingerprint, check=check.id, code=one.code, params=one.params, operation=one.operation
            )
    return Gist(
        passed=frozenset(check.id for check in verdict.checks if check.outcome == "pass"),
        failed=frozenset(check.id for check in verdict.checks if check.outcome == "fail"),
        reasons=tuple(reasons.values()),
    )
