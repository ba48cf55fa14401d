"""The order of names in a Thai dictionary, for lists that no database has sorted.

A vowel that is written before its consonant is read after it (เก่ง stands under ก), and marks above the letters only
decide between words that are otherwise equal. Numbers inside a name are compared as numbers, so that the second of
several numbered offices stands before the tenth.
"""

import re
from typing import Final

_LEADING_VOWEL: Final = re.compile("([เ-ไ])([ก-ฮ])")
_MARKS: Final = re.compile("[็-์]")
"""Maitaikhu, the four tone marks and thanthakhat."""

_NUMBERS: Final = re.compile(r"(\d+)")

Key = tuple[tuple[tuple[int, str], ...], str]


def thai_key(text: str) -> Key:
    """What to sort names by: ``sorted(names, key=thai_key)``; Latin letters stand before Thai ones, whatever case."""
    letters = _LEADING_VOWEL.sub(r"\2\1", _MARKS.sub("", text.casefold()))
    # Texts and numbers take turns, beginning with a text, so that like is always compared with like.
    parts = _NUMBERS.split(letters)
    return tuple((int(part), "") if place % 2 else (0, part) for place, part in enumerate(parts)), text
