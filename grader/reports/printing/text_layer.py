"""Repair the text inside a PDF, so that Thai can be copied and searched. What is drawn does not change.

A font draws ำ as two glyphs, ํ and า, and some pairs of marks as one. The layout engine notes one text for each glyph,
the last that it saw: once a page holds ำ, every า of it is copied as ำ, and marks of a pair get lost. So the notes that
can be wrong are written again, from what the font itself says about its glyphs. ำ is then copied as ํ and า, which
looks the same; :func:`fold` makes both one for a search or a comparison.
"""

import io
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from grader.reports.printing.fonts import SHA256, font

SARA_AM: Final = "\u0e33"

_WRONG: Final = (b"", SARA_AM.encode("utf-16-be").hex().encode())
"""Notes that cannot be true: nothing, and ำ, of which no single glyph is ever drawn."""

_SPLIT: Final = re.compile("\u0e4d([\u0e48-\u0e4b]?)\u0e32")
"""ำ in two pieces, perhaps with a tone mark between them."""

_NOTE: Final = re.compile(rb"<([0-9a-f]{4})> <([0-9a-f]*)>")
"""A line of the map from glyphs to text: the glyph, and its text in UTF-16."""

_NAME: Final = re.compile(r"uni((?:[0-9A-F]{4})+)(?:\..+)?")
"""Names of glyphs that say what they stand for, as uni0E4D0E49.narrow does."""


def finish(document: Any, pdf: Any) -> None:  # noqa: ARG001 - the engine calls every finisher alike
    """Correct the texts of all glyphs of a PDF, right before it is written; every font in it is one of ours."""
    known = _glyph_texts()
    for stream in _maps_to_text(pdf):
        stream[:] = [_repaired(line, known) for line in stream]


def fold(text: str) -> str:
    """Extracted text for comparing: ำ in one piece, and no white space, which is layout in a PDF."""
    return re.sub(r"\s+", "", _SPLIT.sub(rf"\1{SARA_AM}", text))


@cache
def _glyph_texts() -> dict[int, str]:
    """What each glyph stands for; the four files number their glyphs alike, so that one map serves all."""
    maps = [_texts_of(name) for name in SHA256]
    assert all(one == maps[0] for one in maps), "the weights of the font number their glyphs differently"
    return maps[0]


def _texts_of(name: str) -> dict[int, str]:
    from fontTools.ttLib import TTFont  # noqa: PLC0415 - only printing needs it, and it is slow to import

    face = TTFont(io.BytesIO(font(name)))
    texts: dict[int, str] = {}
    for codepoint, glyph in face.getBestCmap().items():
        texts.setdefault(face.getGlyphID(glyph), chr(codepoint))
    for glyph in face.getGlyphOrder():
        if match := _NAME.fullmatch(glyph):
            digits = match[1]
            letters = (chr(int(digits[at : at + 4], 16)) for at in range(0, len(digits), 4))
            texts.setdefault(face.getGlyphID(glyph), "".join(letters))
    return texts


@cache
def drawable() -> frozenset[str]:
    """The letters that the fonts can draw."""
    return frozenset(letter for text in _glyph_texts().values() for letter in text)


def _maps_to_text(pdf: Any) -> Iterator[list[Any]]:
    numbers = {
        int(bytes(one["ToUnicode"]).split()[0]) for one in pdf.objects if isinstance(one, dict) and "ToUnicode" in one
    }
    return (one.stream for one in pdf.objects if one.number in numbers)


def _repaired(line: Any, known: dict[int, str]) -> Any:
    match = _NOTE.fullmatch(line) if isinstance(line, bytes) else None
    if match is None or match[2] not in _WRONG:
        return line
    text = known.get(int(match[1], 16), "")
    return b"<%s> <%s>" % (match[1], text.encode("utf-16-be").hex().encode())
