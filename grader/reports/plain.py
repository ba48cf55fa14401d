"""Text that others wrote (answers, paths, logs, file names) made safe to show to a person.

Control characters, terminal escape sequences and invisible direction marks are removed: they can rewrite what stands on
a terminal, or make a text look like another. Escaping for HTML or XML is the renderer's work, on top of this.
"""

import re
import unicodedata
from typing import Final

_ESCAPES: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_].*?(?:\x07|\x1b\\|\Z)|[ -/]*[0-~])|\x9b[0-?]*[ -/]*[@-~]", re.DOTALL
)
"""CSI, OSC/DCS/SOS/PM/APC strings (to their end or the text's), and two-character escapes."""

_HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Controls, format characters (bidi, zero width, tags), surrogates, private use, unassigned, line separators."""


def clean(text: str) -> str:
    """Several lines: only newline and four blanks for a tab survive of all control characters."""
    text = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    return "".join(char for char in text if char == "\n" or unicodedata.category(char) not in _HIDDEN_CATEGORIES)


def clean_line(text: str) -> str:
    """One line: like :func:`clean`, with every run of white space as one blank."""
    return " ".join(clean(text).split())


def shorten(text: str, limit: int) -> str:
    """At most ``limit`` characters, with an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
