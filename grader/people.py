"""Finding people in text that left an app: citizen numbers and names, plain or in the usual disguises. Pure.

The host uses :func:`find_people` on the app's log, the probe on its answers.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote_plus

from grader.evidence import Finding, LogWindow
from grader.packs.world import Person

CHECK = "U3"
CONTEXT_LINES = 2
MAX_LINE_SHOWN = 300
MASK = "▮▮▮"

_CID_DIGITS = 13
_SEPARATED = re.compile(r"(?<=\d)[-\u2010-\u2015 ](?=\d)")
_LONG_NUMBER = re.compile(r"\d{13,}")
_CID_SHAPE = re.compile(r"\d(?:[-\u2010-\u2015 ]?\d){12,}")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """A person in a text: what of the person was seen."""

    kind: Literal["cid", "name"]


class People:
    """Needles for a world's people, prepared once and looked for in many texts."""

    def __init__(self, people: Iterable[Person]) -> None:
        known = tuple(people)
        self._cids = frozenset(person.cid for person in known)
        self._names = tuple(sorted({_SPACES.sub(" ", person.name.strip()) for person in known if person.name.strip()}))

    def sightings(self, text: str) -> Iterator[Sighting]:
        """At most one sighting of each kind: citizen numbers (also dashed or in Thai digits), names (also encoded)."""
        plain = decoded(text)
        if self._has_cid(plain):
            yield Sighting(kind="cid")
        if any(name in plain for name in self._names):
            yield Sighting(kind="name")

    def masked(self, text: str) -> str:
        """The text as it may be shown: unchanged without a sighting, otherwise decoded and with people blotted out."""
        if next(self.sightings(text), None) is None:
            return text
        plain = decoded(text)
        for name in self._names:
            plain = plain.replace(name, MASK)
        return _CID_SHAPE.sub(MASK, plain)

    def _has_cid(self, plain: str) -> bool:
        for run in _LONG_NUMBER.findall(_SEPARATED.sub("", plain)):
            for start in range(len(run) - _CID_DIGITS + 1):
                if run[start : start + _CID_DIGITS] in self._cids:
                    return True
        return False


def find_people(
    lines: Sequence[str], people: Iterable[Person], *, code: str = "privacy.person_in_log"
) -> tuple[Finding, ...]:
    """One finding for each kind seen in ``lines``: how many lines show it, and the masked lines around the first."""
    needles = People(people)
    seen: dict[str, list[int]] = {}
    for place, line in enumerate(lines):
        for sighting in needles.sightings(line):
            seen.setdefault(sighting.kind, []).append(place)
    return tuple(
        Finding(
            check=CHECK,
            code=code,
            at=kind,
            params={"kind": kind, "line": places[0] + 1},
            log=_window(lines, places[0], needles),
            count=len(places),
        )
        for kind, places in sorted(seen.items())
    )


def decoded(text: str) -> str:
    r"""A text with percent-encoding and ``\uXXXX`` undone, digits of any script as ASCII, white space as a blank."""
    if "\\u" in text:
        text = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
    if "%" in text:
        text = unquote_plus(text)
    if not text.isascii():
        text = "".join(str(int(one)) if one.isdecimal() else one for one in text)
    return _SPACES.sub(" ", text)


def _window(lines: Sequence[str], place: int, needles: People) -> LogWindow:
    first, last = max(0, place - CONTEXT_LINES), min(len(lines), place + CONTEXT_LINES + 1)
    shown = tuple(needles.masked(line)[:MAX_LINE_SHOWN] for line in lines[first:last])
    return LogWindow(start=first + 1, end=last, lines=shown)
