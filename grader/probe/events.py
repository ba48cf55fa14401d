"""The lines that leave the probe: one JSON object each, validated and at most 1 MB, never lost or half written."""

import os
import re
from typing import Any, Literal, TypeAlias

from pydantic import Field

from grader.errors import Params
from grader.evidence import CheckEvidence, Finding, Frozen
from grader.packs.world import cid_check_digit
from grader.probe.exchanges import printable

MAX_EVENT_BYTES = 1_000_000
MAX_FINDINGS = 50
"""Distinct causes that one check reports; more say nothing new to anyone."""

_CID = re.compile(r"(?<![0-9])[0-9](-?)[0-9]{4}\1[0-9]{5}\1[0-9]{2}\1[0-9](?![0-9])")


class Progress(Frozen):
    """How far a phase is: ``done`` of ``total`` requests, tests or operations."""

    event: Literal["progress"] = "progress"
    phase: str
    done: int
    total: int


class Result(Frozen):
    """What one check saw."""

    event: Literal["result"] = "result"
    result: CheckEvidence


class Done(Frozen):
    """A command is finished; wall and CPU seconds it took, and what it was asked for in ``data``."""

    event: Literal["done"] = "done"
    command: str
    seconds: float
    cpu_seconds: float
    data: dict[str, Any] = Field(default_factory=dict)


class Failed(Frozen):
    """A command could not be done, and it is the author's fault (``pack``) or ours; never the trainee's."""

    event: Literal["failed"] = "failed"
    command: str = ""
    kind: Literal["pack", "infrastructure"]
    code: str
    params: Params = Field(default_factory=dict)


class Ask(Frozen):
    """Something that only the host can do, in the middle of a command; it answers with the command ``reply``."""

    event: Literal["ask"] = "ask"
    what: Literal["restart", "alive"]
    fields: dict[str, Any] = Field(default_factory=dict)


Event: TypeAlias = Progress | Result | Ask | Done | Failed


class EventTooLarge(Exception):
    """An event that is no result is larger than a line may be: a bug of ours."""


class EventStream:
    """Writes events to a file descriptor that nothing else in the process knows."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, event: Event) -> None:
        """Write one line; raises EventTooLarge for an event without findings to leave out."""
        line = _shortened(event.result) if isinstance(event, Result) else _line(event)
        if len(line) > MAX_EVENT_BYTES:
            raise EventTooLarge(event.event)
        while line:
            line = line[os.write(self._descriptor, line) :]


def presentable(evidence: CheckEvidence) -> CheckEvidence:
    """The same evidence as a person may see it: bounded, printable, valid citizen numbers masked."""
    shown: dict[str, Any] = _masked(evidence.model_dump(mode="python"))
    for kind in ("findings", "intermittent"):
        shown[kind] = shown[kind][:MAX_FINDINGS]
    return CheckEvidence.model_validate(shown)


def merged(findings: list[Finding]) -> tuple[Finding, ...]:
    """One finding for each cause, in the order they were first seen; ``count`` adds up."""
    first: dict[str, Finding] = {}
    counts: dict[str, int] = {}
    for finding in findings:
        first.setdefault(finding.fingerprint, finding)
        counts[finding.fingerprint] = counts.get(finding.fingerprint, 0) + finding.count
    return tuple(finding.model_copy(update={"count": counts[key]}) for key, finding in first.items())


def _shortened(evidence: CheckEvidence) -> bytes:
    """The result's line; while it is too long the last findings go, and at the very end the last one's evidence."""
    shown = presentable(evidence)
    line = _line(Result(result=shown))
    while len(line) > MAX_EVENT_BYTES and (len(shown.findings) > 1 or shown.intermittent):
        keep = max(1, len(shown.findings) // 2)
        shown = shown.model_copy(update={"findings": shown.findings[:keep], "intermittent": ()})
        line = _line(Result(result=shown))
    if len(line) > MAX_EVENT_BYTES:
        bare = shown.findings[0].model_copy(update={"expected": None, "got": None, "exchange": None, "log": None})
        line = _line(Result(result=shown.model_copy(update={"findings": (bare,)})))
    return line


def _line(event: Event) -> bytes:
    return event.model_dump_json().encode() + b"\n"


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return _CID.sub(_mask, printable(value))
    if isinstance(value, dict):
        return {_masked(key): _masked(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(one) for one in value]
    return value


def _mask(found: re.Match[str]) -> str:
    digits = found[0].replace("-", "")
    if cid_check_digit(digits[:12]) != int(digits[12]):
        return found[0]
    return f"{digits[:3]}xxxxxxxx{digits[11:]}"
