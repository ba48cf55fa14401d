"""Text as people paste it, made text as it is kept: what cannot be seen is removed, and equal words look equal."""

import re
import sys
import unicodedata
from typing import Final

_LINE_ENDS: Final = re.compile("\r\n|[\r\n\x0b\x0c\x85\u2028\u2029]")
_DIGITS: Final = {
    point: str(unicodedata.decimal(chr(point))) for point in range(0x80, sys.maxunicode + 1) if chr(point).isdecimal()
}


def tidy_line(text: str) -> str:
    """One line: composed (NFC), nothing hidden in it, single blanks between words and none around them.

    Removed are controls, zero-width and direction marks, lone surrogates, private use, and code points that are no
    characters: none of them can be seen, and some cannot be written to a file at all.
    """
    line = " ".join(text.split())
    if not line.isprintable():
        # Blanks may only now meet that had something hidden between them.
        line = " ".join("".join(filter(str.isprintable, line)).split())
    return unicodedata.normalize("NFC", line)


def tidy_text(text: str) -> str:
    """Several lines, each as :func:`tidy_line` makes it, joined by newlines, without empty lines around them."""
    return "\n".join(tidy_line(line) for line in _LINE_ENDS.split(text)).strip("\n")


def fold_digits(text: str) -> str:
    """The same text with the digits of every script as 0 to 9: ๒๕๖๙ is 2569."""
    return text if text.isascii() else text.translate(_DIGITS)


def key(text: str) -> str:
    """What a heading or a fixed word is compared by: no case, blanks, signs or remarks in brackets.

    "ชื่อ – นามสกุล *" and "ชื่อนามสกุล", "E-mail (if any)" and "email" are the same.
    """
    # Compatible forms are equal as well: ำ is one character or two, depending on the keyboard.
    plain = unicodedata.normalize("NFKC", re.sub(r"\([^()]*\)|\[[^\[\]]*\]", "", tidy_line(text))).casefold()
    return "".join(sign for sign in plain if unicodedata.category(sign)[0] in "LMN")


def shorten(text: str, limit: int) -> str:
    """At most ``limit`` characters, with an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
