"""What the forked test run tells its parent, one JSON line each."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from grader.errors import Params
from grader.evidence import Finding, Frozen


class Collected(Frozen):
    """The tests that will run."""

    kind: Literal["collected"] = "collected"
    tests: int


class Started(Frozen):
    """A test begins; ``test`` is ``file.py::name``."""

    kind: Literal["started"] = "started"
    test: str


class Asked(Frozen):
    """The test waits for the app to be started afresh with these variables changed; the reply is a finding's code."""

    kind: Literal["asked"] = "asked"
    env: dict[str, str]


class Finished(Frozen):
    """A test is over; it passed when it has no findings."""

    kind: Literal["finished"] = "finished"
    check: str
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0


class Fault(Frozen):
    """The run cannot go on: the author's fault or ours."""

    kind: Literal["fault"] = "fault"
    whose: Literal["pack", "infrastructure"]
    code: str
    params: Params = Field(default_factory=dict)


class Ended(Frozen):
    """Every test was run."""

    kind: Literal["ended"] = "ended"


Message = Annotated[Collected | Started | Asked | Finished | Fault | Ended, Field(discriminator="kind")]
MESSAGE: TypeAdapter[Collected | Started | Asked | Finished | Fault | Ended] = TypeAdapter(Message)
