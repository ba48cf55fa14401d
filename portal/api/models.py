"""What the API takes and gives. Times are RFC 3339 in UTC, years are C.E. unless a name says B.E., ids are opaque."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Item = TypeVar("Item")


class Out(BaseModel):
    """Something that the API gives."""

    model_config = ConfigDict(frozen=True)


class In(BaseModel):
    """Something that the API takes: what it does not know, it refuses."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Mistake(Out):
    """One value that cannot be used; ``pointer`` is its place: body, query, path or header first."""

    pointer: str
    code: str
    message: str


class Problem(Out):
    """RFC 9457. ``type`` is an address of this API that explains the code."""

    type: str
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    instance: str
    code: str
    errors: tuple[Mistake, ...] = ()
    request_id: str


class Meaning(Out):
    """A code in words."""

    code: str
    title: str
    text: str
    todo: str


class Page(Out, Generic[Item]):
    """Some of a list; ``next_cursor`` is null on the last page."""

    items: tuple[Item, ...]
    next_cursor: str | None


class RoleOut(Out):
    """A role; in all rounds where ``round`` is null."""

    role: str
    round: str | None


class Me(Out):
    """Who asks. ``scopes`` is null for somebody who is signed in on the pages."""

    login: str
    name: str
    language: str
    trainee: bool
    roles: tuple[RoleOut, ...]
    scopes: tuple[str, ...] | None


class Titles(Out):
    """A title in both languages."""

    th: str
    en: str


class AssignmentOut(Out):
    """An exercise in a round. From ``state`` on it is about the trainee who asks, and null for the staff.

    ``closes_at`` and ``attempts`` have the trainee's extension in them. ``refusal`` is why work would not be accepted.
    """

    id: str
    exercise: str
    version: str
    digest: str
    title: Titles
    round: str
    mandatory: bool
    pass_points: int
    opens_at: datetime | None
    closes_at: datetime | None
    attempts: int | None
    state: str | None
    used: int | None
    left: int | None
    refusal: str | None


class PhaseOut(Out):
    """One phase of a grading; ``pass`` says that it is over, not what was found in it."""

    key: str
    state: Literal["waiting", "running", "pass", "fail", "not_run", "fault"]
    seconds: float | None
    what: str
    again: bool


class AppealOut(Out):
    """A question about a result, and what was said to it."""

    id: str
    at: datetime
    text: str
    state: str
    answer: str
    decided_at: datetime | None


class HandedOut(Out):
    """One submission in a list. ``result`` is what stands: an instructor's decision, else the outcome."""

    id: str
    assignment: str
    exercise: str
    round: str
    number: int
    filename: str
    size: int
    received_at: datetime
    late: bool
    state: str
    outcome: str | None
    code: str | None
    points: int | None
    max: int | None
    result: str | None
    decided: bool


class SubmissionOut(HandedOut):
    """A submission with all that is known. ``ahead`` is how many are graded before it, null when it does not wait."""

    digest: str
    sha256: str
    finished: bool
    ahead: int | None
    tries: int
    phases: tuple[PhaseOut, ...]
    appeals: tuple[AppealOut, ...]
    decisions: int
    page: str


class GitOut(Out):
    """The commit that work was fetched from, its tree, and when; ``ref`` is what was asked for."""

    ref: str
    commit: str
    tree: str
    fetched_at: datetime


class ReceiptOut(Out):
    """The signed receipt; see ``grader verify``. ``git`` is there only for work that was fetched."""

    format: Literal["receipt/1"]
    submission: str
    round: str
    exercise: str
    digest: str
    number: int
    filename: str
    sha256: str
    size: int
    received_at: datetime
    late: bool
    git: GitOut | None = Field(default=None, exclude_if=lambda value: value is None)
    key: str
    signature: str


class VerdictOut(BaseModel):
    """The document ``verdict/1`` as it was recorded; docs/verdict.md names every key."""

    model_config = ConfigDict(extra="allow")

    schema_: Literal["verdict/1"] = Field(alias="schema")
    outcome: str
    points: int
    max: int
    checks: list[dict[str, Any]]


# A sentence of a person: not blank, and no NUL, which one of our databases cannot keep.
Sentence = Annotated[
    str, StringConstraints(min_length=1, max_length=4000, pattern=r"^[^\x00]*[^\s\x00-\x20\x85\xa0][^\x00]*$")
]


class FetchIn(In):
    """Ask for the work at a git address. ``git_ref`` is a branch, a tag or a commit; "": the main branch."""

    assignment: str = Field(pattern=r"^asg_[0-9a-f]{16}$")
    git_url: str = Field(min_length=1, max_length=500, pattern=r"^https?://[!-~]+$")
    git_ref: str = Field(default="", max_length=200)


class FetchOut(Out):
    """Work that is being fetched. ``submission`` is there once it is handed in; ``code`` says why it is not.

    ``asked_at`` is the moment that counts for a deadline.
    """

    id: str
    assignment: str
    git_url: str
    git_ref: str
    asked_at: datetime
    state: Literal["waiting", "running", "done", "refused", "failed", "cancelled"]
    finished: bool
    code: str | None
    reason: str | None
    commit: str | None
    fetched_at: datetime | None
    submission: str | None
    page: str


class CancelledOut(Out):
    """What cancelling cost: ``counts`` says that it used up an attempt."""

    submission: str
    counts: bool


class AppealIn(In):
    """Ask that somebody looks again."""

    text: Sentence


class OverrideIn(In):
    """Decide a result as a person."""

    outcome: Literal["pass", "fail"]
    reason: Sentence


class OverrideOut(Out):
    """A decision that was written down."""

    id: str
    submission: str
    number: int
    before: str
    outcome: str
    at: datetime


class RoundOut(Out):
    """A training round."""

    code: str
    name: str
    starts_on: date | None
    ends_on: date | None
    sessions: int
    seats: int
    exercises: tuple[str, ...]


class SeatOut(Out):
    """Somebody on a roster."""

    person: str
    name: str
    unit: str
    unit_name: str
    part: str


class Counted(Out):
    """A, B and the printed percentage, which is null where B is 0; decimals are text, so that nothing is rounded."""

    a: int
    b: int
    percent: Decimal | None


class UnitCount(Out):
    """One unit; its figure is null where it is hidden: it is small, or protects one that is."""

    unit: str
    figure: Counted | None
    hidden: Literal["small", "protects"] | None


class Figure(Counted):
    """The figure of a reporting round as it is now; ``unconfirmed`` are settings that nobody has confirmed yet."""

    fiscal_year_be: int
    code: str
    first_day: date
    last_day: date
    cutoff: datetime
    as_of: datetime
    final: bool
    score: Decimal | None
    unconfirmed: tuple[str, ...]
    settings_version: int
    definition_version: int
    units: tuple[UnitCount, ...]


class QueueOut(Out):
    """What waits, what runs and who works. ``oldest_seconds`` is how long the longest has waited."""

    waiting: int
    running: int
    needs_operator: int
    oldest_seconds: float | None
    workers: int
    held_back: tuple[str, ...]
