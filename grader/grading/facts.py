"""What intake and engine know for themselves: checks that no request can answer, and notes on what was received.

U2 is read in the source, U3 in what the app printed, U5 in how it stopped, and a crash in its process. These universal
checks are the only ones named in the engine; an exercise's own checks never are: those of its family ``privacy`` are
given to :func:`log` beside U3.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from grader.evidence import MAX_BODY_SHOWN, CheckEvidence, Finding
from grader.people import MASK, People, find_people
from grader.sandbox.driver import AppExit, LogLine, window
from grader.submission import Receipt, SourceLeak
from grader.verdict import Note

SOURCE = "U2"
LOG = "U3"
STOP = "U5"
CRASH = "U1"

_CUT_NUMBER = re.compile(r"\d{7,12}$")
"""What is left of a person's number where a body was cut."""


def notes(receipt: Receipt) -> tuple[Note, ...]:
    """What a receipt says that a trainee may want to know, in the order in which it was found."""
    found = [Note(code=code) for code in receipt.notes]
    if names := receipt.decoded_names:
        found.insert(0, Note(code="receipt.names_decoded", params={"count": len(names), "example": names[0]}))
    if places := receipt.dropped:
        # One name stands for all places where it was met: a project has a cache in every folder.
        named = dict.fromkeys(place.path.rpartition("/")[2] for place in places)
        found.insert(0, Note(code="receipt.left_out", params={"names": ", ".join(named)}))
    return tuple(found)


def source(leaks: Sequence[SourceLeak]) -> CheckEvidence:
    """U2: secrets and citizen numbers that intake found in the source."""
    findings = tuple(
        Finding(
            check=SOURCE,
            code="privacy.cid_in_source" if leak.kind == "citizen_number" else "privacy.secret_in_source",
            at=f"{leak.file}:{leak.line}",
            params={"file": leak.file, "line": leak.line, "kind": leak.kind, "shown": leak.shown},
        )
        for leak in leaks
    )
    return _judged(SOURCE, findings)


def log(
    lines: Sequence[LogLine], people: People, checks: Iterable[str], *, answers_seen: frozenset[str] = frozenset()
) -> Iterator[CheckEvidence]:
    """Each of ``checks`` (U3 and the exercise's own): nobody of this world stands in what the app printed.

    A silent log alone passes U3 only. The exercise's own checks ask about the answers too: without evidence of those
    (``answers_seen`` are the checks that have it) a silent log says nothing about them.
    """
    texts = [line.text for line in lines]
    for check in checks:
        found = _judged(check, find_people(texts, people, check=check))
        if check == LOG or check in answers_seen or found.outcome == "fail":
            yield found


def stop(end: AppExit) -> CheckEvidence:
    """U5: SIGTERM ends the app within the grace period; nothing can be said of one that had ended by itself."""
    if end.died:
        return CheckEvidence(check=STOP, outcome="not_run")
    late = Finding(check=STOP, code="stop.ignored_sigterm", params={"seconds": round(end.seconds)})
    return _judged(STOP, (late,) if end.killed else ())


def crash(end: AppExit, family: str) -> CheckEvidence:
    """An app that ended by itself while it was examined broke the first rule of all: it has to keep answering."""
    code = "run.out_of_memory" if end.out_of_memory else "run.crashed"
    finding = Finding(check=CRASH, code=code, params={"exit_code": end.exit_code, "family": family})
    return _judged(CRASH, (finding,))


def beside_log(found: CheckEvidence, lines: Sequence[LogLine]) -> CheckEvidence:
    """The same evidence with what the app printed around each failing exchange beside it."""
    findings = tuple(
        finding.model_copy(update={"log": window(lines, finding.exchange.at)})
        if finding.exchange is not None and finding.log is None
        else finding
        for finding in found.findings
    )
    return found.model_copy(update={"findings": findings})


def discreet(found: CheckEvidence, people: People) -> CheckEvidence:
    """The same evidence without anyone of this world in it: what shows a mistake must not show people."""
    return found.model_copy(
        update={
            "findings": tuple(_discreet(finding, people) for finding in found.findings),
            "intermittent": tuple(_discreet(finding, people) for finding in found.intermittent),
        }
    )


def _discreet(finding: Finding, people: People) -> Finding:
    shown = _masked(finding.model_dump(exclude={"check", "code", "operation", "count"}), people)
    answer = finding.exchange.response if finding.exchange else None
    if answer is not None and len(answer.body) >= MAX_BODY_SHOWN:
        response = shown["exchange"]["response"]
        response["body"] = _CUT_NUMBER.sub(MASK, response["body"])
    whole = {"check": finding.check, "code": finding.code, "operation": finding.operation, "count": finding.count}
    return Finding.model_validate({**shown, **whole})


def _masked(value: Any, people: People) -> Any:
    if isinstance(value, str):
        return people.masked(value)
    if isinstance(value, dict):
        return {_masked(key, people): _masked(one, people) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(one, people) for one in value]
    return value


def _judged(check: str, findings: tuple[Finding, ...]) -> CheckEvidence:
    return CheckEvidence(check=check, outcome="fail" if findings else "pass", findings=findings)
