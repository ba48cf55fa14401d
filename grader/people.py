"""Finding people in text that left an app: their numbers and names, plain or in the usual disguises. Pure.

The host uses :func:`find_people` on the app's log, the probe :class:`People` on every answer: a text of a megabyte
costs milliseconds, because digits are looked up as whole runs and all names are one pattern. What counts as a sighting,
and why nobody is accused by chance, is written in ``docs/verdict.md``.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, TypeAlias

from grader.evidence import Finding, LogWindow
from grader.packs.world import Person

Kind: TypeAlias = Literal["cid", "identifier", "name"]

CHECK = "U3"
CONTEXT_LINES = 2
MAX_LINE_SHOWN = 300
MASK = "▮▮▮"
_EXCERPT_CHARS = 60

_ONLY_DIGITS = bytes(byte if byte in b"0123456789" else 0x20 for byte in range(256))
_SEPARATORS = b"- "
_CID_WINDOW = re.compile(rb"(?=([0-9]9[789][0-9]{10}))")
"""Any 13 digits of a longer run that can be a synthetic number: a world refuses people of a real province."""
_CID_DIGITS = 13
_CID_SHAPE = re.compile(r"[0-9](?:[- ]?[0-9]){12,}")
_CARD = re.compile(r"(?<![0-9])[0-9][- ][0-9]{4}[- ][0-9]{5}[- ][0-9]{2}[- ][0-9](?![0-9])")
_LONE_NUMBER = re.compile(r"(?<![0-9])(?<![0-9]\.)[0-9]{7,15}(?![0-9A-Za-z])(?!\.[0-9])")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_UUID_CHARS = 36
_WORD_BEFORE = re.compile(r"[0-9A-Za-z]*$")
_NO_HEX = re.compile(r"[G-Zg-z]")

_OTHER_DIGITS = "".join(chr(point) for point in range(0x80, 0x10000) if chr(point).isdecimal())
_OTHERS = re.compile(f"[{_OTHER_DIGITS}\u2010-\u2015\u00a0]")
_ESCAPED = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")
_BYTES = re.compile(r"(?:\\x[0-9a-fA-F]{2})+")
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2})+")


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """A person in a text: what of the person was seen. ``value`` is what the world says; it is never shown."""

    kind: Kind
    value: str = field(repr=False)


class People:
    """Needles for a world's people, prepared once and looked for in many texts."""

    def __init__(self, people: Iterable[Person]) -> None:
        known = tuple(people)
        self._cids = frozenset(person.cid.encode() for person in known)
        self._identifiers = frozenset(one.encode() for person in known for one in person.identifiers)
        names = {" ".join(person.name.split()) for person in known} - {""}
        self._names = _pattern(tuple(sorted(names)))
        self._plain_names = any(name.isascii() for name in names)

    def sightings(self, text: str) -> frozenset[Sighting]:
        """Everyone in a text: citizen numbers (also dashed), identifiers and names, in any script and encoding."""
        if not self._cids:
            return frozenset()
        plain = decoded(text)
        folded = _folded(plain)
        digits = folded.encode("ascii", "replace")
        runs = set(digits.translate(_ONLY_DIGITS).split())
        seen = [Sighting(kind="cid", value=cid.decode()) for cid in self._cids_in(runs, digits)]
        seen += (Sighting(kind="identifier", value=match[0]) for match in self._identifiers_in(runs, folded))
        if self._names is not None and (self._plain_names or not plain.isascii()):
            names = {" ".join(name.split()) for name in self._names.findall(plain)}
            seen += (Sighting(kind="name", value=name) for name in names)
        return frozenset(seen)

    def masked(self, text: str) -> str:
        """The text as it may be shown: unchanged without a sighting, otherwise with people blotted out.

        With them goes every number that is as long as a citizen number; a disguise that has to be undone stays undone.
        """
        if not self.sightings(text):
            return text
        shown = self._blotted(text)
        return self._blotted(decoded(shown)) if self.sightings(shown) else shown

    def _cids_in(self, runs: set[bytes], digits: bytes) -> set[bytes]:
        """Citizen numbers: a run of digits or part of a longer one, or exactly one in groups."""
        found = self._parts_of(runs)
        joined = set(digits.translate(_ONLY_DIGITS, _SEPARATORS).split()) - runs
        if not self._parts_of(joined) <= found:
            text = digits.decode()
            groups = (match[0] for shape in (_CARD, _CID_SHAPE) for match in shape.finditer(text))
            found |= {number for one in groups if (number := _bare(one)) in self._cids}
        return found

    def _parts_of(self, runs: Iterable[bytes]) -> set[bytes]:
        long = b" ".join(run for run in runs if len(run) >= _CID_DIGITS)
        return {window[1] for window in _CID_WINDOW.finditer(long) if window[1] in self._cids}

    def _identifiers_in(self, runs: set[bytes], folded: str) -> Iterator[re.Match[str]]:
        wanted = {run.decode() for run in self._identifiers & runs}
        if wanted:
            yield from (one for one in _LONE_NUMBER.finditer(folded) if one[0] in wanted and _stands_alone(one))

    def _blotted(self, text: str) -> str:
        folded = _folded(text)  # character by character, so that places in it are places in the text
        spans = [match.span() for match in _CID_SHAPE.finditer(folded)]
        if self._names is not None:
            spans += (match.span() for match in self._names.finditer(text))
        runs = set(folded.encode("ascii", "replace").translate(_ONLY_DIGITS).split())
        spans += (match.span() for match in self._identifiers_in(runs, folded))
        parts, done = [], 0
        for start, end in sorted(spans):
            if start >= done:
                parts += [text[done:start], MASK]
            done = max(done, end)
        return "".join((*parts, text[done:]))


def find_people(
    lines: Sequence[str], people: People, *, check: str = CHECK, code: str = "privacy.person_in_log"
) -> tuple[Finding, ...]:
    """One finding for each kind seen in ``lines``: how many lines show it, and the masked lines around the first."""
    if not people.sightings("\n".join(lines)):
        return ()
    seen: dict[Kind, list[int]] = {}
    for place, line in enumerate(lines):
        for kind in {sighting.kind for sighting in people.sightings(line)}:
            seen.setdefault(kind, []).append(place)
    return tuple(
        Finding(
            check=check,
            code=code,
            at=kind,
            params={"kind": kind, "line": places[0] + 1},
            log=_window(lines, places[0], people),
            count=len(places),
        )
        for kind, places in sorted(seen.items())
    )


def excerpt(shown: str) -> str:
    """What stands around the first person in a masked text; empty when nobody was blotted out."""
    place = shown.find(MASK)
    return "" if place < 0 else shown[max(0, place - _EXCERPT_CHARS) : place + len(MASK) + _EXCERPT_CHARS]


def decoded(text: str) -> str:
    r"""A text with percent-encoding, ``\uXXXX`` and ``\xNN`` undone; what is no valid encoding stays as it is."""
    if "\\u" in text:
        text = _ESCAPED.sub(lambda run: run[0].encode().decode("unicode_escape"), text)
    if "\\x" in text:
        text = _BYTES.sub(lambda run: bytes.fromhex(run[0].replace("\\x", "")).decode("utf-8", "replace"), text)
    if "%" in text:
        text = _PERCENT.sub(lambda run: bytes.fromhex(run[0].replace("%", "")).decode("utf-8", "replace"), text)
        text = text.replace("+", " ")
    return text


def _folded(text: str) -> str:
    """The same text, character by character, with digits of any script, dashes and hard blanks as ASCII."""
    return text if text.isascii() else _OTHERS.sub(_ascii, text)


def _ascii(other: re.Match[str]) -> str:
    if other[0].isdecimal():
        return str(int(other[0]))
    return " " if other[0] == "\u00a0" else "-"


def _bare(number: str) -> bytes:
    return number.encode().translate(None, _SEPARATORS)


def _stands_alone(number: re.Match[str]) -> bool:
    """Whether a number means something by itself: it is no piece of a digest, a token or a UUID."""
    text, start = number.string, number.start()
    first = max(0, start - _UUID_CHARS)
    word = _WORD_BEFORE.search(text, first, start)
    before = word[0] if word else ""
    # HN1234567 says what it is; c1234567 and 5d1234567 are pieces of hexadecimal words
    if before and (not before.isalpha() or not _NO_HEX.search(before)):
        return False
    return not any(number[0] in uuid for uuid in _UUID.findall(text[first : number.end() + _UUID_CHARS]))


class _Branches(dict[str, "_Branches"]):
    """What may follow in a name, by its next character; the empty text ends one."""

    def pattern(self) -> str:
        ways = [
            (r"\s+" if character == " " else re.escape(character)) + following.pattern()
            for character, following in sorted(self.items())
            if character
        ]
        together = ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})" if ways else ""
        return f"(?:{together})?" if together and "" in self else together


@lru_cache(maxsize=4)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str] | None:
    """One pattern that finds any of the names, with any white space between their words; None without names.

    A plain alternation would try thousands of names at each place. This one branches character by character.
    """
    root = _Branches()
    for name in names:
        branches = root
        for character in name:
            branches = branches.setdefault(character, _Branches())
        branches[""] = _Branches()
    return re.compile(root.pattern()) if names else None


def _window(lines: Sequence[str], place: int, people: People) -> LogWindow:
    first, last = max(0, place - CONTEXT_LINES), min(len(lines), place + CONTEXT_LINES + 1)
    shown = tuple(people.masked(line)[:MAX_LINE_SHOWN] for line in lines[first:last])
    return LogWindow(start=first + 1, end=last, lines=shown)
