"""Laid-out lines on a terminal: headings, paragraphs, labels and foreign text, at one width and in one language."""

from collections.abc import Iterable
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from grader.reports.catalogue import Lang, label
from grader.reports.wrapping import folded, wrap

MIN_WIDTH, MAX_WIDTH = 40, 96
"""Columns used: narrower than MIN_WIDTH wraps anyhow, wider than MAX_WIDTH is hard to read."""

INDENT: Final = "  "


class Page:
    """Prints laid-out lines in one language at one width."""

    def __init__(self, console: Console, lang: Lang) -> None:
        self.console, self.lang = console, lang
        self.width = max(MIN_WIDTH, min(console.width, MAX_WIDTH))

    def line(self, text: Text | str = "", style: str = "") -> None:
        """One line as it is; what is too long for the terminal is left to the terminal."""
        printed = Text(text, style=style) if isinstance(text, str) else text
        self.console.print(printed, soft_wrap=True, highlight=False, markup=False, emoji=False)

    def heading(self, words: str) -> None:
        """A section: an empty line, the words, a rule to the right edge."""
        rule = "─" * max(2, self.width - cell_len(words) - 4)
        self.line()
        self.line(Text.assemble(("── ", "dim"), (words, "bold"), (f" {rule}", "dim")))

    def say(self, words: str, *, indent: str = INDENT, style: str = "") -> None:
        """A paragraph."""
        for part in wrap(words, self.width - cell_len(indent)):
            self.line(Text.assemble(indent, (part, style)))

    def labelled(self, name: str, words: str, *, style: str = "") -> None:
        """A label and its paragraph, which hangs below it."""
        lead = f"{label(name, self.lang)}:"
        for place, part in enumerate(wrap(f"{lead} {words}", self.width - 2 * len(INDENT))):
            if place == 0 and part.startswith(lead):
                self.line(Text.assemble(INDENT, (lead, "bold"), (part[len(lead) :], style)))
            else:
                self.line(Text.assemble(INDENT * 2, (part, style)))

    def verbatim(self, lines: Iterable[str], *, style: str = "dim") -> None:
        """Foreign lines behind a bar: bodies and logs, folded at the edge."""
        for line in lines:
            for part in folded(line, self.width - 2 * len(INDENT) - 2):
                self.line(Text.assemble(INDENT * 2, ("│ ", "dim"), (part, style)))
