"""The privacy family: U3, and the checks of an exercise whose family is ``privacy``.

U3 sends a person's number and name in a header, which no answer may give back. A check of the exercise is about every
answer of the whole examination, as the guard's watch saw them; this family runs last, asks what it can ask about
people itself, and tells what the watch has. What the app printed is judged on the host.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import cycle, islice
from types import MappingProxyType
from urllib.parse import quote

from grader.errors import PackInvalid
from grader.evidence import CheckEvidence, Finding, Outcome
from grader.packs.world import Person
from grader.people import CHECK, Sighting
from grader.probe.calls import Call
from grader.probe.events import Progress
from grader.probe.guard_watch import GIVEN_BACK, Kept, Leak, readable
from grader.probe.privacy.requests import is_safe, walk
from grader.probe.session import Emit, Session
from grader.probe.target import Answer, NoAnswer

CANARY_HEADER = "X-Caller-Note"
MAX_CANARIES = 60
BUDGET_SECONDS = 75.0
"""When no more requests begin. A quick app is done in a few seconds; a slow one is for U7, and not our failure."""


def examine(session: Session, emit: Emit) -> None:
    """Give evidence for U3 and the exercise's privacy checks; ``not_run`` when no request was answered.

    Raises PackInvalid when there is such a check and nobody in the world to look for.
    """
    wanted = [check.id for check in session.pack.checks.values() if check.id == CHECK or check.about_people]
    wanted = [check for check in wanted if session.wants(check)]
    if not wanted:
        return
    if not session.world.people and wanted != [CHECK]:
        raise PackInvalid(
            "pack.nobody_to_find",
            file="world.py",
            where="people",
            problem=f"{wanted[0]} looks for people, and the world has none",
            fix="list everyone of the data in World(people=…)",
        )
    started = time.monotonic()
    asking = _Asking(session, emit, deadline=started + BUDGET_SECONDS)
    asking.everything()
    leaks = session.guard.watch.take()
    seconds = round(time.monotonic() - started, 3)
    for check in wanted:
        findings = tuple(_finding(check, leak) for leak in leaks if check != CHECK or leak.code == GIVEN_BACK)
        silent = session.world.people and not asking.answered
        outcome: Outcome = "fail" if findings else "not_run" if silent else "pass"
        emit(CheckEvidence(check=check, outcome=outcome, findings=findings, seconds=seconds))


def note(person: Person) -> str:
    """What the header says of a person: headers hold ASCII only, so the name is percent-encoded."""
    return f"cid={person.cid} name={quote(person.name)}"


class _Asking:
    """The family's own requests: what leaked before, every operation and its mistakes, and callers with a name."""

    def __init__(self, session: Session, emit: Emit, *, deadline: float) -> None:
        self._session, self._emit, self._deadline = session, emit, deadline
        self._done = self._total = 0
        self.answered = 0

    def everything(self) -> None:
        people, kept = tuple(self._session.world.people), self._session.guard.watch.kept
        calls = list(walk(self._session))
        canaries = [place for place, call in enumerate(calls) if is_safe(call)]
        wanted = min(max(len(canaries), len(people)), MAX_CANARIES) if people else 0
        self._total = len(kept) + len(calls) + wanted
        for request in kept:
            self._answer(partial(self._again, request))
        shown = [self._people_in(self._answer(partial(self._send, call))) for call in calls]
        callers = cycle(people)
        for place in islice(cycle(canaries), wanted):
            person = _stranger(callers, shown[place], most=len(people))
            self._answer(partial(self._send, calls[place], {CANARY_HEADER: note(person)}))

    def _answer(self, ask: Callable[[], Answer]) -> Answer | None:
        self._done += 1
        self._emit(Progress(phase="privacy", done=self._done, total=self._total))
        if time.monotonic() >= self._deadline:
            return None
        try:
            answer = ask()
        except NoAnswer:
            return None
        self.answered += 1
        return answer

    def _send(self, call: Call, headers: Mapping[str, str] = MappingProxyType({})) -> Answer:
        sent = {**call.headers, **headers}
        return self._session.target.send(call.method, call.path, query=call.query, headers=sent, json=call.json)

    def _again(self, request: Kept) -> Answer:
        return self._session.target.send(request.method, request.path, headers=request.headers, body=request.body)

    def _people_in(self, answer: Answer | None) -> frozenset[Sighting]:
        return self._session.guard.watch.people.sightings(_told(answer)) if answer is not None else frozenset()


def _told(answer: Answer) -> str:
    return "\n".join((*answer.headers.values(), readable(answer.body)))


def _stranger(callers: Iterator[Person], shown: frozenset[Sighting], *, most: int) -> Person:
    """The next caller who is not in the data of the answer anyway; whoever comes when all are."""
    values = {sighting.value for sighting in shown}
    for caller in islice(callers, most):
        if values.isdisjoint({caller.cid, " ".join(caller.name.split())}):
            return caller
    return next(callers)


def _finding(check: str, leak: Leak) -> Finding:
    return Finding(
        check=check,
        code=leak.code,
        operation=leak.operation,
        at=f"{leak.where}.{leak.kind}",
        params={"kind": leak.kind, "where": leak.where},
        got=leak.excerpt or None,
        exchange=leak.exchange,
        count=leak.count,
    )
