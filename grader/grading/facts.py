"""What intake and engine know for themselves: checks that no request can answer.

U2 is read in the source, U3 in what the app printed, U5 in how it stopped, and a crash in its process. These universal
checks are the only ones named in the engine; an exercise's own checks never are.
"""

from collections.abc import Sequence

from grader.evidence import CheckEvidence, Finding
from grader.packs import Person
from grader.people import find_people
from grader.sandbox.driver import AppExit, LogLine, window
from grader.submission import SourceLeak

SOURCE = "U2"
LOG = "U3"
STOP = "U5"
CRASH = "U1"


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


def log(lines: Sequence[LogLine], people: Sequence[Person]) -> CheckEvidence:
    """U3: nobody of this world stands in what the app printed."""
    return _judged(LOG, find_people([line.text for line in lines], people))


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


def _judged(check: str, findings: tuple[Finding, ...]) -> CheckEvidence:
    return CheckEvidence(check=check, outcome="fail" if findings else "pass", findings=findings)
