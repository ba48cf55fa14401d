"""What a report tells beside the snapshot: names, definitions and texts that only the records know.

A snapshot holds ids, because names may have to be forgotten. Whoever asks for a report looks the names up and decides
whether its reader may see those of people: ``names`` is None for a reader who may not.
"""

from collections.abc import Mapping

from pydantic import Field

from grader.evidence import Frozen
from grader.kpi import AttemptOutcome
from grader.kpi.fiscal import Moment


class Definition(Frozen):
    """The indicator in the words of the office; what nobody wrote yet is empty."""

    name: str
    definition: str = ""
    a: str = ""
    b: str = ""
    formula: str = ""
    owner: str = ""
    source: str = ""


class Narrative(Frozen):
    """What people wrote about the round (ผลการดำเนินงาน, ปัญหา, ข้อเสนอแนะ); lines are kept."""

    results: str = ""
    problems: str = ""
    suggestions: str = ""


class EvidenceItem(Frozen):
    """A document that shows the result: its title, and a number, link or digest to find it by."""

    title: str
    reference: str = ""


class Override(Frozen):
    """A result that a person changed: who, when, why, from what to what.

    ``person`` is the key of the person in the snapshot and is worded only for a reader who may see names; ``attempt``
    is the id of the attempt and always shown.
    """

    at: Moment
    by: str
    reason: str
    before: AttemptOutcome
    after: AttemptOutcome
    attempt: str
    person: str = ""


class Particulars(Frozen):
    """Everything that the records add to a snapshot.

    ``units`` is the name of each unit by its id, ``names`` the name of each person or seat by its key. An id without a
    name is shown as it is. ``prepared_by`` and ``certified_by`` are names; without them those of the report are shown.
    ``round_label`` wins over the label of the round and over our words for its code.
    """

    definition: Definition
    round_label: str = ""
    units: Mapping[str, str] = Field(default_factory=dict)
    names: Mapping[str, str] | None = None
    prepared_by: str = ""
    certified_by: str = ""
    narrative: Narrative = Narrative()
    evidence: tuple[EvidenceItem, ...] = ()
    overrides: tuple[Override, ...] = ()
