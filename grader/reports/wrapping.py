"""Lines for a terminal of a given width, for text that writes Thai words without spaces.

Lines break at spaces first. A run of Thai that does not fit breaks before a common linking word, else before a vowel
that always begins a syllable, else anywhere but inside a letter with its marks.
"""

import re
from collections.abc import Callable
from typing import Final

from rich.cells import cell_len

_LEADING: Final = tuple("เแโใไ")
_FOLLOWING: Final = tuple("ะาำๆฯๅ")
_LINKS: Final = ("และ", "แต่", "หรือ", "ที่", "จาก", "ของ", "ให้", "ด้วย", "เพื่อ", "โดย", "ตาม", "ไม่", "ซึ่ง", "แล้ว")
_PART_OF_WORD: Final = ("พื้น", "หน้า", "ทัน", "ติด", "เกี่ยว", "สิ่ง", "อย่าง", "ข้าง")
"""What stands before a link when both are one word, such as พื้นที่ or ติดตาม."""

_CLUSTER: Final = re.compile(r".[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]*", re.DOTALL)
"""One letter with the marks above and below it."""

_SPACES: Final = re.compile(r"[ \t\n]+")
"""Not the no-break space, which holds a number and its unit together."""

_LOOK_BACK = 28
"""Cells that a line may stay short for the sake of a good break."""


def wrap(text: str, width: int) -> list[str]:
    """Break one paragraph into lines of at most ``width`` cells."""
    lines, line = [], ""
    for word in _SPACES.split(text.strip()) if text.strip() else ():
        rest = word
        while True:
            gap = " " if line else ""
            room = width - cell_len(line) - len(gap)
            if cell_len(rest) <= room:
                line += gap + rest
                break
            cut = _good_break(rest, room)
            if not cut and not line:
                cut = _last_break(rest, width, _allowed) or len(_CLUSTER.match(rest)[0])  # type: ignore[index]
            if cut:
                line += gap + rest[:cut]
                rest = rest[cut:]
            lines.append(line)
            line = ""
    return [*lines, line] if line or not lines else lines


def padded(words: str, cells: int) -> str:
    """The words, filled up with blanks to a width."""
    return words + " " * max(0, cells - cell_len(words))


def folded(line: str, width: int) -> list[str]:
    """A foreign line cut at the edge, blanks kept."""
    parts, part = [], ""
    for char in line:
        if cell_len(part + char) > width:
            parts.append(part)
            part = ""
        part += char
    return [*parts, part]


def _good_break(word: str, room: int) -> int:
    """The best place to break inside a run of Thai, or 0: a link, else a syllable, not too far from the edge."""
    for suits in (_before_link, _before_syllable):
        cut = _last_break(word, room, suits)
        if cut and room - cell_len(word[:cut]) <= _LOOK_BACK:
            return cut
    return 0


def _last_break(word: str, room: int, suits: Callable[[str, int], bool]) -> int:
    best = cells = 0
    for match in _CLUSTER.finditer(word):
        if cells > room:
            break
        if match.start() and suits(word, match.start()):
            best = match.start()
        cells += cell_len(match[0])
    return best


def _allowed(word: str, at: int) -> bool:
    return not word.startswith(_FOLLOWING, at) and not word[:at].endswith(_LEADING)


def _before_link(word: str, at: int) -> bool:
    return _allowed(word, at) and word.startswith(_LINKS, at) and not word[:at].endswith(_PART_OF_WORD)


def _before_syllable(word: str, at: int) -> bool:
    broken_word = word[:at].endswith("ะ") and not word[:at].endswith("และ")  # คะ|แนน
    return _allowed(word, at) and word.startswith(_LEADING, at) and not broken_word
