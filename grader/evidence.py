"""What was asked, what came back and what was expected: the only thing that a verdict is made from.

Everything here is plain, frozen data that survives a round trip through JSON, because the probe sends it over a pipe as
NDJSON and a record keeps it whole. Sentences are never stored: a report renders ``code`` + ``params``.
"""

import hashlib
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

Outcome: TypeAlias = Literal["pass", "fail", "not_run", "error"]
"""``fail``: the submission is wrong; ``not_run``: an earlier step failed; ``error``: ours or the author's."""

MAX_BODY_SHOWN = 2_000
"""Characters of a request or response body that a finding keeps."""


class Frozen(BaseModel):
    """A value that never changes after it was made; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Request(Frozen):
    """One request as it was sent. ``path`` includes the query string."""

    method: str
    path: str
    headers: dict[str, str] = Field(default_factory=dict)
    body: str = ""


class Response(Frozen):
    """One answer as it came back. ``body`` is cut at MAX_BODY_SHOWN characters; ``size`` is the whole, in bytes."""

    status: int
    headers: dict[str, str] = Field(default_factory=dict)
    body: str = ""
    size: int = 0
    elapsed_ms: float = 0.0


class Exchange(Frozen):
    """A request with its answer (None: no answer). ``at`` is the Unix time in seconds when the request was sent."""

    method: str
    path: str
    request: Request
    response: Response | None = None
    curl: str = ""
    at: float = 0.0


class LogWindow(Frozen):
    """Lines ``start`` to ``end`` (counted from 1) of what the app printed around an exchange."""

    start: int
    end: int
    lines: tuple[str, ...] = ()


Value: TypeAlias = Annotated[Any, "any JSON value"]


class Finding(Frozen):
    """One cause of a failed check, with the evidence that a person needs to mend it.

    ``check`` is the check it was found by, ``operation`` the operationId where one is known, ``at`` the JSON path that
    differs. ``count`` says how many requests showed the same cause.
    """

    check: str
    code: str
    operation: str = ""
    at: str = ""
    params: dict[str, str | int | float | bool | None] = Field(default_factory=dict)
    expected: Value = None
    got: Value = None
    exchange: Exchange | None = None
    steps: tuple[str, ...] = ()
    log: LogWindow | None = None
    count: int = 1

    @property
    def fingerprint(self) -> str:
        """The identity of the cause: equal for the same defect in every run, whatever the data of the run was."""
        status = self.exchange.response.status // 100 if self.exchange and self.exchange.response else 0
        identity = "\0".join((self.check, self.code, self.operation, str(status), self.at))
        return hashlib.sha256(identity.encode()).hexdigest()[:16]


class CheckEvidence(Frozen):
    """What one check saw. ``share`` (passed, total) is set by checks whose points are a share, such as the contract."""

    check: str
    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    intermittent: tuple[Finding, ...] = ()
    share: tuple[int, int] | None = None
    seconds: float = 0.0


class Phase(Frozen):
    """How long one phase of a grading took, in wall seconds, and CPU seconds per container where they are known."""

    name: str
    seconds: float
    cpu_seconds: dict[str, float] = Field(default_factory=dict)


class Evidence(Frozen):
    """Everything a grading learned about one submission; a check that is absent was not run."""

    checks: dict[str, CheckEvidence] = Field(default_factory=dict)
    phases: tuple[Phase, ...] = ()
    images: dict[str, str] = Field(default_factory=dict)
    log: tuple[str, ...] = ()
