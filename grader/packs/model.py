"""An exercise as typed values: what exercise.toml, checks.toml and contract.yaml say once they were read.

Every model is frozen and refuses unknown keys. The keys of the files are the field names, but for ``schema``, which
pydantic keeps for itself: it is ``schema_version`` of an exercise and ``schema_file`` of an agency.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field, StringConstraints

from grader.evidence import Frozen
from grader.submission import RuntimeName

Level: TypeAlias = Literal["beginner", "basic", "intermediate", "advanced"]
Family: TypeAlias = Literal["scenario", "contract", "privacy", "resilience", "universal"]
Group: TypeAlias = Literal["scenario", "contract", "privacy", "resilience", "universal"]
Visibility: TypeAlias = Literal["open", "hidden"]
Engine: TypeAlias = Literal["postgres", "mariadb", "http"]
SampleOutcome: TypeAlias = Literal["pass", "fail", "build_failed", "start_failed", "rejected"]

ID_PATTERN = r"^[a-z][a-z0-9-]{0,31}$"
CHECK_ID = re.compile(r"[A-Z][A-Z0-9-]{0,31}-S[1-9][0-9]?")
CONTRACT_CHECK = "C"
"""The check whose points are a share of the operations; its points are ``[weights] contract``."""
FULL_POINTS = 100

Sentence: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Text(Frozen):
    """One sentence in both languages; neither may be empty."""

    th: Sentence
    en: Sentence


class PassRule(Frozen):
    """Points (of 100) that pass, besides all ★ checks. ``confirmed`` is False until the office confirms the rule."""

    points: int = Field(default=80, ge=0, le=FULL_POINTS)
    confirmed: bool = False


class Limits(Frozen):
    """What the app may use: memory in MiB, CPU cores, and seconds from start to its first healthy answer."""

    memory_mb: int = Field(default=512, ge=64, le=4096)
    cpus: float = Field(default=1.0, gt=0, le=4)
    start_seconds: int = Field(default=60, ge=5, le=300)


class AgencySpec(Frozen):
    """One mock agency. ``schema_file`` (key ``schema``) is the pack's file that creates it, a path inside the pack.

    For a database that is SQL, for an http agency the description that ``grader.packs.rest`` reads.
    """

    model_config = ConfigDict(populate_by_name=True)

    engine: Engine
    schema_file: str = Field(min_length=1, alias="schema")


class ContractBudget(Frozen):
    """How much the contract is tested: generator seed, generated examples per operation, requests needed to count."""

    seed: int = Field(default=20260101, ge=0, lt=2**31)
    max_examples: int = Field(default=10, ge=1, le=200)
    minimum_requests: int = Field(default=10, ge=1, le=1000)


class Weights(Frozen):
    """Points per group; they sum to 100. ``resilience`` and ``privacy`` are for specific checks of those families."""

    universal: int = Field(ge=0, le=FULL_POINTS)
    contract: int = Field(ge=0, le=FULL_POINTS)
    scenario: int = Field(ge=0, le=FULL_POINTS)
    resilience: int = Field(default=0, ge=0, le=FULL_POINTS)
    privacy: int = Field(default=0, ge=0, le=FULL_POINTS)


class Exercise(Frozen):
    """exercise.toml. ``hours`` is the guide time; ``agencies`` maps a name (``facility``) to its spec.

    An agency's name, upper-case, is in the app's environment: ``AGENCY_FACILITY_URL``.
    """

    model_config = ConfigDict(populate_by_name=True)

    schema_version: Literal[1] = Field(alias="schema")
    id: Annotated[str, StringConstraints(pattern=ID_PATTERN)]
    version: Annotated[str, StringConstraints(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
    level: Level
    hours: int = Field(ge=1, le=100)
    runtimes: tuple[RuntimeName, ...] = Field(min_length=1)
    title: Text
    summary: Text
    pass_rule: PassRule = PassRule()
    limits: Limits = Limits()
    agencies: Mapping[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,15}$")], AgencySpec] = Field(
        default_factory=dict
    )
    contract: ContractBudget = ContractBudget()
    weights: Weights


class Check(Frozen):
    """One row of the rubric. ``task`` is the heading number in the brief ("" for checks of the engine).

    ``family`` says who judges it. ``points`` are all or nothing, but for the contract check, which counts a share.
    """

    id: str
    family: Family
    mandatory: bool = False
    points: int = Field(ge=0, le=FULL_POINTS)
    title: Text
    hint: Text | None = None
    task: str = ""
    visibility: Visibility = "open"

    @property
    def specific(self) -> bool:
        """Whether the exercise's author wrote this check; False for those the engine supplies."""
        return "-S" in self.id

    @property
    def about_people(self) -> bool:
        """Whether the engine judges it by looking for people in what the app says; it needs no scenario."""
        return self.specific and self.family == "privacy"

    @property
    def group(self) -> Group:
        """The line of ``[weights]`` that its points count in."""
        if self.specific:
            return self.family
        return "contract" if self.id == CONTRACT_CHECK else "universal"


class Operation(Frozen):
    """One operation of the contract: ``method`` in upper case, ``path`` as the template that the contract writes."""

    operation_id: str
    method: str
    path: str


class Sample(Frozen):
    """A submission whose verdict is known, from ``samples/<name>/expected.toml``.

    ``fails`` are exactly the checks that fail; ``kills`` is the check that the sample is there for ("" for a
    reference solution). ``consequences`` maps every other failing check to why it cannot be avoided.

    ``source`` is the folder of its files. An overlay also has ``base``, the name of the sample that it differs from,
    and ``base_source``, that one's folder; ``removed`` are the files of the base that it does not have. What is graded
    is what ``submission_of`` in ``grader.packs.samples`` gives.
    """

    name: str
    source: Path
    base: str = ""
    base_source: Path | None = None
    removed: tuple[str, ...] = ()
    outcome: SampleOutcome
    fails: tuple[str, ...] = ()
    kills: str = ""
    consequences: Mapping[str, str] = Field(default_factory=dict)
    points: int | None = Field(default=None, ge=0, le=FULL_POINTS)
    describe: Text


class Pack(Frozen):
    """An exercise that loaded without an error.

    ``checks`` maps id to check in report order: specific, then C, then U1 to U7. ``contract`` is the parsed document.
    ``digest`` (``sha256:…``) covers everything that decides a verdict, without samples and starter.
    """

    root: Path
    exercise: Exercise
    checks: Mapping[str, Check]
    contract: dict[str, Any]
    operations: tuple[Operation, ...]
    digest: str

    @property
    def id(self) -> str:
        """The exercise's id, such as ``e1``."""
        return self.exercise.id
