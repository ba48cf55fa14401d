"""Citizen numbers (เลขประจำตัวประชาชน) in cells. The platform never stores one, and never repeats one in a message."""

import re
from collections.abc import Iterator
from typing import Final

from grader.packs.world import cid_check_digit
from grader.rosters.tidying import fold_digits

MASK: Final = "▮▮▮"

_DIGITS: Final = 13
_DASHES: Final = dict.fromkeys((*range(0x2010, 0x2016), 0x2212), "-")

_BARE: Final = re.compile(r"(?<![0-9])[0-9]{13}(?![0-9])")
_CARD: Final = re.compile(r"(?<![0-9])[0-9][-. ][0-9]{4}[-. ][0-9]{5}[-. ][0-9]{2}[-. ][0-9](?![0-9])")
"""As it is printed on the card: 1 2345 67890 12 3."""
_GROUPED: Final = re.compile(r"(?<![0-9])[1-8][0-9]*([-. ])[0-9]+(?:\1[0-9]+)*(?![0-9])")
"""Grouped in another way, with one separator. No number of a Thai begins with 0 or 9, but every telephone number with 0
does: without that rule one in ten of those that have 13 digits with their extension would be taken for a person's."""


def holds_citizen_number(text: str) -> bool:
    """Whether a tidy text has a number of 13 digits with a valid check digit, in one piece or in groups.

    Such a number is refused also where it is something else by chance: one in ten of that length is.
    """
    return len(text) >= _DIGITS and any(True for _ in _spans(text))


def masked(text: str) -> str:
    """A tidy text with every citizen number blotted out."""
    shown, done = [], 0
    for start, end in sorted(_spans(text)):
        if start >= done:
            shown += [text[done:start], MASK]
        done = max(done, end)
    return "".join((*shown, text[done:]))


def _spans(text: str) -> Iterator[tuple[int, int]]:
    # Character by character, so that places in the folded text are places in the text.
    folded = fold_digits(text).translate(_DASHES)
    for shape in (_BARE, _CARD, _GROUPED):
        for match in shape.finditer(folded):
            digits = "".join(sign for sign in match[0] if sign.isdigit())
            if len(digits) == _DIGITS and cid_check_digit(digits[:-1]) == int(digits[-1]):
                yield match.span()
