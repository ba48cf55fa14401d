"""The report on a terminal: 80 columns are enough, and colour only adds to words.

Lines are laid out here, by the cells that Thai letters really take, and printed as they are: Rich reads no markup in
them and breaks no word.
"""

import io
from collections.abc import Iterable, Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from grader.kpi import Standing
from grader.reports.catalogue import Lang, label
from grader.reports.kpi.document import KpiDocument, UnitRow
from grader.reports.kpi.lines import Line, heading
from grader.reports.kpi.people import PersonRow
from grader.reports.wrapping import padded, wrap

MIN_WIDTH, MAX_WIDTH = 40, 96
"""Columns used: narrower than MIN_WIDTH wraps anyhow, wider than MAX_WIDTH is hard to read."""

INDENT: Final = "  "
LABEL_CELLS: Final = 30
"""The widest that a column of labels gets."""

NUMBER_CELLS: Final = (8, 10, 12)
"""The columns of A, B and the percentage, as wide as the words that may stand there instead of a number."""

STYLES: Final[dict[Standing, str]] = {"reached": "bold green", "below": "bold red"}
"""Only a judgement is coloured."""


def render(document: KpiDocument, console: Console, *, explain: Iterable[PersonRow] = ()) -> None:
    """Print the report on ``console``, which decides about colour; ``explain`` adds the list of these people."""
    page = _Page(console, document.lang)
    _band(page, document)
    page.heading("kpi_part_figure")
    page.lines(document.fields)
    page.heading("kpi_part_beside")
    page.lines(document.beside)
    page.heading("kpi_part_units")
    _units(page, document)
    page.heading("kpi_part_counts")
    page.lines(document.counts)
    if document.overrides:
        _overrides(page, document)
    if document.unconfirmed:
        page.heading("kpi_unconfirmed_used")
        page.lines(document.unconfirmed)
    page.heading("kpi_part_definition")
    page.lines(document.definition)
    page.heading("kpi_part_source")
    page.lines(document.source)
    if rows := tuple(explain):
        page.heading("kpi_part_people")
        for row in rows:
            _person(page, row)


def to_terminal(document: KpiDocument, *, explain: Iterable[PersonRow] = (), width: int = 80) -> str:
    """The report as plain text without colour; ``explain`` is what ``explain_rows`` gives."""
    out = io.StringIO()
    console = Console(file=out, width=width, no_color=True, force_terminal=False, legacy_windows=False)
    render(document, console, explain=explain)
    return out.getvalue()


class _Page:
    """Prints laid-out lines in one language at one width."""

    def __init__(self, console: Console, lang: Lang) -> None:
        self.console, self.lang = console, lang
        self.width = max(MIN_WIDTH, min(console.width, MAX_WIDTH))

    def line(self, text: Text | str = "", style: str = "") -> None:
        printed = Text(text, style=style) if isinstance(text, str) else text
        printed.rstrip()
        self.console.print(printed, soft_wrap=True, highlight=False, markup=False, emoji=False)

    def heading(self, name: str) -> None:
        words = heading(name, self.lang)
        rule = "─" * max(2, self.width - cell_len(words) - 4)
        self.line()
        self.line(Text.assemble(("── ", "dim"), (words, "bold"), (f" {rule}", "dim")))

    def say(self, words: str, *, indent: str = INDENT, style: str = "") -> None:
        for paragraph in words.split("\n"):
            for part in wrap(paragraph, self.width - cell_len(indent)):
                self.line(Text.assemble(indent, (part, style)))

    def lines(self, lines: Sequence[Line]) -> None:
        """Labels in one column, values in the next; a long label or value goes on below itself."""
        wide = min(LABEL_CELLS, max((cell_len(one.label) for one in lines), default=0))
        for one in lines:
            mark = f" ({label('unconfirmed', self.lang)})" if one.unconfirmed else ""
            note = f" ({one.note})" if one.note else ""
            room = self.width - len(INDENT) - wide - 2
            words = f"{one.text}{mark}{note}"
            values = [part for paragraph in words.split("\n") for part in wrap(paragraph, room)]
            self.columns(wrap(one.label, wide), values, wide)

    def columns(self, names: Sequence[str], values: Sequence[str], wide: int) -> None:
        """Two columns side by side, each of its own number of lines."""
        for place in range(max(len(names), len(values))):
            name = names[place] if place < len(names) else ""
            value = values[place] if place < len(values) else ""
            self.line(Text.assemble(INDENT, (padded(name, wide), "dim"), "  ", value))


def _band(page: _Page, document: KpiDocument) -> None:
    told = document.headline
    style = STYLES.get(told.standing, "bold")
    rule = "━" * page.width
    page.line(rule, style=style)
    page.say(f"{document.title} · {document.state_word}", style="bold")
    page.say(f"{told.percent} · {told.of} · {told.judgement}", style=style)
    if told.needed:
        page.say(told.needed)
    for notice in document.notices:
        page.say(f"⚠ {notice}", style="yellow")
    page.line(rule, style=style)


def _units(page: _Page, document: KpiDocument) -> None:
    lang = page.lang
    if not document.units:
        page.say(label("kpi_no_units", lang))
        return
    wide = page.width - 2 * len(INDENT) - sum(NUMBER_CELLS)
    _unit(page, [heading("kpi_unit", lang)], ("A", "B", heading("kpi_percent", lang)), wide, style="dim")
    for row in document.units:
        _unit(page, wrap(row.name, wide), _numbers(row, lang), wide)
    _unit(page, [document.total.name], _numbers(document.total, lang), wide, style="bold")
    for note in dict.fromkeys(f"{row.b_text}: {row.note}" for row in document.units if row.note):
        page.say(note, style="dim")
    page.say(document.total.note, style="dim")


def _numbers(row: UnitRow, lang: Lang) -> tuple[str, str, str]:
    """A unit without data gets the short word, because a column is narrow."""
    no_data = label("kpi_standing_no_data", lang)
    return row.a_text, row.b_text, no_data if row.b == 0 else row.percent_text


def _unit(page: _Page, names: Sequence[str], numbers: Sequence[str], wide: int, style: str = "") -> None:
    pairs = zip(numbers, NUMBER_CELLS, strict=True)
    right = "".join(" " * (cells - cell_len(number)) + number for number, cells in pairs)
    page.line(Text.assemble(INDENT, (padded(names[0], wide), style), INDENT, (right, style)))
    for name in names[1:]:
        page.line(Text.assemble(INDENT, (name, style)))


def _overrides(page: _Page, document: KpiDocument) -> None:
    page.heading("kpi_part_overrides")
    for one in document.overrides:
        page.say(f"{one.at_text} · {one.by} · {one.about}")
        page.say(f"{one.change}: {one.reason}", indent=INDENT * 2)


def _person(page: _Page, row: PersonRow) -> None:
    lang = page.lang
    answers = {True: label("kpi_yes", lang), False: label("kpi_no", lang)}
    page.say(f"{row.shown} · {row.unit}", style="bold")
    words = dict.fromkeys((row.status_word, row.result_word if row.result else row.reason_word, row.reason_word))
    page.say(f"B: {answers[row.in_b]} · A: {answers[row.in_a]} · {' · '.join(words)}", indent=INDENT * 2)
    page.say(row.why, indent=INDENT * 2, style="dim")
