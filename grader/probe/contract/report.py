"""What the tester wrote down: its NDJSON events as cases, its JSON report as a summary."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from grader.evidence import Exchange
from grader.probe import exchanges
from grader.probe.contract.readings import Sent
from grader.probe.guard import CODE_HEADER, DETAIL_HEADER, ELAPSED_HEADER

NETWORK_ERRORS = frozenset(
    {
        "ConnectionError",
        "ReadTimeout",
        "ConnectTimeout",
        "ChunkedEncodingError",
        "ServerUnavailable",
        "UnhealthyAPIError",
        "UnresponsiveOperationError",
        "ContentDecodingError",
        "TooManyRedirects",
        "InvalidHeader",
    }
)
"""Types of tester errors that tell of the connection, not of the tester."""


@dataclass(frozen=True, kw_only=True)
class Flaw:
    """One failed check of Schemathesis: its name and its stable code such as ST108."""

    check: str
    code: str


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request of the tester with its answer. ``label`` is ``METHOD /path/{template}``, ``what`` tells the idea."""

    label: str
    phase: str
    mode: Literal["positive", "negative"]
    what: str
    sent: Sent
    status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed_ms: float
    at: float
    flaws: tuple[Flaw, ...] = ()
    kept: Exchange | None = None
    """The exchange, where whoever sent the request has one already."""

    @property
    def guard_code(self) -> str:
        """The guard's code when it refused the app's answer, else an empty string."""
        return self.headers.get(CODE_HEADER, "")

    @property
    def guard_detail(self) -> str:
        """What the guard says about its refusal."""
        return self.headers.get(DETAIL_HEADER, "")

    @property
    def weight(self) -> tuple[int, str]:
        """Orders cases from the smallest request to the largest, for showing."""
        return len(self.sent.uri) + len(self.sent.body), self.sent.uri

    def exchange(self) -> Exchange:
        """The request and answer as evidence."""
        if self.kept is not None:
            return self.kept
        headers = {name: value for name, value in self.headers.items() if not name.startswith("x-guard-")}
        told = None
        if not self.guard_code:
            told = exchanges.response(self.status, headers=headers, body=self.body, elapsed_ms=self.elapsed_ms)
        sent = self.sent
        return exchanges.exchange(
            sent.method, sent.uri, headers=sent.headers, body=sent.body, response=told, at=self.at
        )


@dataclass(frozen=True, kw_only=True)
class Told:
    """Everything one run of the tester said. ``errors`` are (label, type) of errors that are not failed checks."""

    cases: tuple[Case, ...] = ()
    errors: tuple[tuple[str, str], ...] = ()
    fatal: bool = False
    summary: Mapping[str, Any] = field(default_factory=dict)


def read(events: Path, summary: Path) -> Told:
    """Read both files; missing files and a line that was cut by a kill are no error here."""
    cases: list[Case] = []
    errors: set[tuple[str, str]] = set()
    fatal = False
    for kind, event in _events(events):
        if kind == "ScenarioFinished":
            cases += _cases(event)
        elif kind == "NonFatalError":
            errors.add((str(event.get("label")), str(event.get("value", {}).get("type"))))
        elif kind == "FatalError":
            fatal = True
    told: Any = {}
    if summary.exists():
        told = json.loads(summary.read_text("utf-8"))
    return Told(cases=tuple(cases), errors=tuple(sorted(errors)), fatal=fatal, summary=told)


def _events(path: Path) -> Iterator[tuple[str, Any]]:
    if not path.exists():
        return
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                return
            yield from event.items()


def _cases(event: Mapping[str, Any]) -> Iterator[Case]:
    recorder = event["recorder"]
    for key, interaction in recorder["interactions"].items():
        request, response = interaction["request"], interaction.get("response") or {}
        meta = (recorder["cases"].get(key, {}).get("value") or {}).get("meta") or {}
        parts = urlsplit(request["uri"])
        headers = _headers(response.get("headers", {}))
        yield Case(
            label=recorder["label"],
            phase=event["phase"],
            mode="negative" if meta.get("generation", {}).get("mode") == "negative" else "positive",
            what=str((meta.get("phase", {}).get("data") or {}).get("description") or "")[:200],
            sent=Sent(
                method=request["method"],
                uri=parts.path + (f"?{parts.query}" if parts.query else ""),
                headers=_headers(request.get("headers", {})),
                body=_bytes(request.get("body")),
            ),
            status=int(response.get("status_code", 0)),
            headers=headers,
            body=_bytes(response.get("content")),
            elapsed_ms=float(headers.get(ELAPSED_HEADER, response.get("elapsed", 0.0) * 1000)),
            at=float(interaction.get("timestamp", 0.0)),
            flaws=tuple(
                Flaw(check=check["name"], code=check["failure_info"]["failure"]["code"])
                for check in recorder.get("checks", {}).get(key, ())
                if check["status"] == "failure"
            ),
        )


def _headers(raw: Mapping[str, Any]) -> dict[str, str]:
    return {name.lower(): ", ".join(value) if isinstance(value, list) else str(value) for name, value in raw.items()}


def _bytes(raw: Any) -> bytes:
    if isinstance(raw, Mapping) and "$base64" in raw:
        try:
            return base64.b64decode(raw["$base64"])
        except binascii.Error:
            return b""
    return str(raw).encode() if raw else b""
