"""The privacy family (U3): requests that carry a person's number and name, which no answer may give back.

What the app wrote to its log about them is judged on the host, with the same :func:`find_people`.
"""

import time
from collections.abc import Iterator
from itertools import cycle, islice
from urllib.parse import quote

from grader.evidence import CheckEvidence, Exchange, Finding, Outcome
from grader.packs.world import Person
from grader.people import CHECK, People, find_people
from grader.probe.calls import UNKNOWN_PATH, Call, example_calls
from grader.probe.events import Progress
from grader.probe.session import Emit, Session
from grader.probe.target import Answer, NoAnswer

__all__ = ["examine", "find_people"]

CANARY_HEADER = "X-Caller-Note"
MAX_REQUESTS = 200


def examine(session: Session, emit: Emit) -> None:
    """Give evidence for U3 as far as answers show it; ``not_run`` when no request was answered."""
    if not session.wants(CHECK):
        return
    started = time.monotonic()
    needles, found, answered = People(session.world.people), dict[str, list[Finding]](), 0
    canaries = list(_canaries(session))
    for done, (call, person) in enumerate(canaries):
        emit(Progress(phase="privacy", done=done, total=len(canaries)))
        try:
            answer = session.target.send(
                call.method, call.path, query=call.query, headers={**call.headers, CANARY_HEADER: note(person)}
            )
        except NoAnswer:
            continue
        answered += 1
        for finding in _findings(needles, answer):
            found.setdefault(f"{finding.operation} {finding.at}", []).append(finding)
    findings = tuple(first.model_copy(update={"count": len(more) + 1}) for first, *more in found.values())
    outcome: Outcome = "fail" if findings else "pass" if answered or not canaries else "not_run"
    emit(CheckEvidence(check=CHECK, outcome=outcome, findings=findings, seconds=round(time.monotonic() - started, 3)))


def note(person: Person) -> str:
    """What the header says of a person: headers hold ASCII only, so the name is percent-encoded."""
    return f"cid={person.cid} name={quote(person.name)}"


def _canaries(session: Session) -> Iterator[tuple[Call, Person]]:
    """One request for each person, spread over the safe examples and an unknown path, each of those too."""
    calls = [call for operation, call in example_calls(session.pack.contract, session.world.examples) if operation.safe]
    calls.append(Call(operation_id="", method="GET", path=UNKNOWN_PATH))
    people = tuple(session.world.people)
    if people:
        wanted = min(max(len(calls), len(people)), MAX_REQUESTS)
        yield from islice(zip(cycle(calls), cycle(people), strict=False), wanted)


def _findings(needles: People, answer: Answer) -> Iterator[Finding]:
    headers = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
    for part, text in (("body", answer.body.decode("utf-8", "replace")), ("header", headers)):
        for sighting in needles.sightings(text):
            yield Finding(
                check=CHECK,
                code="privacy.person_in_answer",
                operation=answer.operation,
                at=f"{part}.{sighting.kind}",
                params={"kind": sighting.kind, "where": part},
                exchange=_masked(needles, answer.exchange),
            )


def _masked(needles: People, exchange: Exchange) -> Exchange:
    """The exchange without the people in it: evidence of a leak must not leak again."""
    request, response = exchange.request, exchange.response
    told = response and response.model_copy(
        update={
            "body": needles.masked(response.body),
            "headers": {name: needles.masked(value) for name, value in response.headers.items()},
        }
    )
    sent = {name: needles.masked(value) for name, value in request.headers.items()}
    asked = request.model_copy(update={"headers": sent})
    return exchange.model_copy(update={"request": asked, "response": told, "curl": needles.masked(exchange.curl)})
