"""What trainees would read: every code that an exercise can lead to, in words, in both languages side by side."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from grader.packs import Pack
from grader.reports.catalogue import LANGS, Explanation, catalogue, explain, placeholders

PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "received": ("archive", "project", "dependencies"),
    "started": ("build", "start", "run"),
    "contract": ("contract", "response", "app"),
    "scenarios": ("scenario", "list", "count", "agency"),
    "universal": ("error", "privacy", "repeat", "latency", "stop"),
    "verdict": ("verdict",),
    "notes": ("receipt",),
}
"""Part of a grading -> the families of codes that it can end in, in the order in which a submission meets them."""
NEVER: Final = frozenset({"verdict.unknown", "verdict.partial"})
"""Not about an exercise: a gap in the catalogue, and what only the command asks for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One code as it is told in each language."""

    code: str
    th: Explanation
    en: Explanation


def messages(pack: Pack, part: str) -> tuple[Message, ...]:
    """Every message of one part; values are the exercise's own where it has some, else the name of the value."""
    return tuple(
        Message(code=code, **{lang: explain(code, values, lang) for lang in LANGS})
        for code, values in _codes(pack, PARTS[part])
    )


def _codes(pack: Pack, families: tuple[str, ...]) -> Iterator[tuple[str, Mapping[str, object]]]:
    first = pack.operations[0]
    known = {"method": first.method, "path": first.path, "operation": first.operation_id}
    for code, wording in catalogue("en").items():
        family = code.partition(".")[0]
        if family not in families or code in NEVER or (family == "agency" and not pack.exercise.agencies):
            continue
        named = {name for template in wording.templates() for name in placeholders(template)}
        yield code, {name: known.get(name, f"‹{name}›") for name in sorted(named)}
