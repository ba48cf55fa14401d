"""The report on a terminal: 80 columns are enough, colour only adds to marks and words.

Lines are laid out here and printed as they are, so Rich never reads markup in them and never breaks a Thai word.
"""

import io
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from grader.packs import Pack
from grader.reports.cards import Card, CheckTag
from grader.reports.catalogue import Explanation, Lang, label
from grader.reports.page import INDENT, Page
from grader.reports.summary import CheckLine, Fault, Group, Report, Tone, summarise
from grader.reports.wrapping import folded, padded, wrap
from grader.verdict import Verdict

STYLES: Final[dict[Tone, str]] = {"pass": "bold green", "fail": "bold red", "error": "bold yellow", "neutral": "bold"}
CHECK_STYLES: Final = {"pass": "green", "fail": "red", "error": "yellow", "not_run": "dim"}


def render(verdict: Verdict, pack: Pack, lang: Lang, console: Console) -> None:
    """Print the whole report on ``console``, which decides about colour (NO_COLOR, not a terminal)."""
    page = Page(console, lang)
    report = summarise(verdict, pack, lang)
    _band(page, report)
    if report.fault:
        _fault(page, report.fault)
    _groups(page, report.groups)
    if report.cards:
        page.heading(f"{label('to_mend', lang)} ({len(report.cards)})")
        for place, card in enumerate(report.cards):
            _card(page, card, first=place == 0)
    if report.intermittent:
        page.heading(f"{label('intermittent', lang)} ({len(report.intermittent)})")
        page.say(label("intermittent_note", lang))
        for card in report.intermittent:
            _card(page, card, first=False, once=True)
    _errors(page, report.errors)
    _not_run(page, report)
    _notes(page, report.notes)
    _phases(page, report)
    _last_line(page, report)


def text(verdict: Verdict, pack: Pack, lang: Lang) -> str:
    """The report as plain text of 80 columns, without colour."""
    out = io.StringIO()
    render(verdict, pack, lang, Console(file=out, width=80, no_color=True, force_terminal=False, legacy_windows=False))
    return out.getvalue()


def _band(page: Page, report: Report) -> None:
    style = STYLES[report.tone]
    rule = "━" * page.width
    page.line(rule, style=style)
    result = Text.assemble(INDENT, (f"{report.mark} {report.word}", style), f"   {report.score}")
    rule_of = _rule_of(report)
    if cell_len(result.plain) + cell_len(rule_of.plain) + 3 <= page.width:
        page.line(result.append("   ").append(rule_of))
    else:
        page.line(result)
        page.line(Text.assemble(INDENT, rule_of))
    page.say(f"{report.exercise_id} {report.exercise_title} · {report.counts}")
    if report.reason:
        page.say(report.reason.sentence)
        page.say(report.reason.next_step, style="dim")
    page.line(rule, style=style)


def _rule_of(report: Report) -> Text:
    words = Text(f"({report.pass_rule}", style="dim")
    if not report.confirmed:
        words.append(f" · {label('unconfirmed', report.lang)}", style="yellow")
    return words.append(")", style="dim")


def _fault(page: Page, fault: Fault) -> None:
    page.line()
    _explained(page, fault.explanation)
    if fault.log:
        page.labelled("log_tail", "")
        page.verbatim(fault.log)


def _explained(page: Page, words: Explanation) -> None:
    page.line(Text.assemble(INDENT, (words.title, "bold"), (f"  [{words.code}]", "dim")))
    page.say(words.sentence)
    page.labelled("next_step", words.next_step)


def _groups(page: Page, groups: tuple[Group, ...]) -> None:
    page.heading(label("points_by_group", page.lang))
    for group in groups:
        points = f"{group.points}/{group.max}"
        name = padded(f"{group.letter}  {group.name}", 26)
        page.line(Text.assemble(INDENT, name, (padded(points, 8), "bold"), _bar(group.points, group.max)))
        row = Text(INDENT * 3)
        for check in group.checks:
            shown = f"{check.mark} {check.id}{'★' if check.mandatory else ''}"
            if cell_len(row.plain) + cell_len(shown) + 2 > page.width:
                page.line(_stripped(row))
                row = Text(INDENT * 3)
            row.append(f"{shown}  ", style=CHECK_STYLES[check.outcome])
        page.line(_stripped(row))
    page.line(f"{INDENT}{_legend(groups, page.lang)}", style="dim")


def _stripped(row: Text) -> Text:
    row.rstrip()
    return row


def _legend(groups: tuple[Group, ...], lang: Lang) -> str:
    """What the marks that occur mean, in words."""
    marks = dict.fromkeys((check.mark, check.word) for group in groups for check in group.checks)
    return " · ".join([*(f"{mark} {word}" for mark, word in marks), label("mandatory_legend", lang)])


def _bar(points: int, most: int) -> str:
    filled = round(10 * points / most) if most else 0
    return "■" * filled + "□" * (10 - filled)


def _card(page: Page, card: Card, *, first: bool, once: bool = False) -> None:
    lang = page.lang
    page.line()
    if first:
        page.line(f"{INDENT}▶ {label('start_here', lang)}", style="bold")
    _card_head(page, card, once=once)
    if not card.alike:
        page.say(card.explanation.title, style="bold")
    page.say(card.explanation.sentence)
    for step in card.steps:
        page.say(f"{'✗' if step.failed else '✓'} {step.text}", indent=INDENT * 2)
    _differences(page, card)
    _exchange(page, card)
    if card.log:
        page.labelled("service_log", label("log_lines", lang, start=card.log_start, end=card.log_end))
        page.verbatim(card.log)
    if not card.alike:
        page.labelled("next_step", card.explanation.next_step)
    if card.count_more:
        page.say(label("count_more", lang, count=card.count_more), style="dim")
    if card.again:
        return  # the earlier card of this check has both
    if card.hint:
        page.labelled("hint", card.hint)
    page.labelled("retry", "")
    page.line(f"{INDENT * 2}{card.retry}", style="cyan")


def _card_head(page: Page, card: Card, *, once: bool) -> None:
    lang = page.lang
    mark = Text("⚠ ", style="bold yellow") if once else Text("✗ ", style="bold red")
    if card.alike:
        page.line(Text.assemble(mark, (" ".join(_name(check) for check in card.checks), "bold"), _note("alike", lang)))
    elif len(card.checks) == 1:
        _card_title(page, mark, card, once=once)
    else:
        shared = label("same_cause", lang, count=len(card.checks))
        page.line(Text.assemble(mark, (shared, "bold"), _lost(0 if once else card.lost, lang)))
        for check in card.checks:
            page.say(_title(check), indent=INDENT * 2)


def _exchange(page: Page, card: Card) -> None:
    """What was sent and what came back; of a card like an earlier one only the command to try it."""
    if not card.request_line:
        return
    if not card.alike:
        page.labelled("request", card.request_line)
        page.verbatim(card.request_body.split("\n") if card.request_body else ())
        page.labelled("answer", card.status or label("no_answer", page.lang))
        page.verbatim(card.answer_body.split("\n") if card.answer_body else ())
    page.labelled("try_request", "")
    page.line(f"{INDENT * 2}{card.curl}", style="cyan")


def _card_title(page: Page, mark: Text, card: Card, *, once: bool) -> None:
    """The check's line: mark, id, title, and what it lost (said once, however many causes it has)."""
    check = card.checks[0]
    note = _lost(0 if once else check.lost, page.lang)
    if card.again:
        note = _note("again", page.lang)
    lead = Text.assemble(mark, (_title(check), "bold"))
    if cell_len(lead.plain) + cell_len(note.plain) <= page.width:
        page.line(lead.append(note))
        return
    for place, part in enumerate(wrap(_title(check), page.width - len(INDENT))):
        page.line(Text.assemble(INDENT if place else mark, (part, "bold")))
    page.line(note)


def _title(check: CheckTag) -> str:
    return f"{_name(check)} {check.title}"


def _name(check: CheckTag | CheckLine) -> str:
    return f"{check.id}{'★' if check.mandatory else ''}"


def _note(name: str, lang: Lang) -> Text:
    return Text(f"  {label(name, lang)}", style="dim")


def _lost(points: int, lang: Lang) -> Text:
    if not points:
        return Text(f"  {label('no_points_lost', lang)}", style="dim")
    return Text(f"  {label('lost', lang, points=points)}", style="red")


def _differences(page: Page, card: Card) -> None:
    lang = page.lang
    names = (label("expected", lang), label("got", lang))
    names_width = max(cell_len(name) for name in names)
    for unlike in card.differences:
        if unlike.at:
            page.line(Text.assemble(INDENT * 2, (unlike.at, "bold")))
        for mark, name, value in zip("−+", names, (unlike.expected, unlike.got), strict=True):
            lead = f"{INDENT * 2}{mark} {padded(name, names_width)}  "
            shown = label("nothing", lang) if value is None else value
            for place, part in enumerate(folded(shown, page.width - cell_len(lead))):
                page.line(f"{lead if place == 0 else ' ' * cell_len(lead)}{part}")
    if card.more_differences:
        page.say(label("more_differences", lang, count=card.more_differences), indent=INDENT * 2, style="dim")


def _errors(page: Page, lines: tuple[CheckLine, ...]) -> None:
    if not lines:
        return
    page.heading(f"{label('errors', page.lang)} ({len(lines)})")
    page.say(label("errors_note", page.lang))
    for line in lines:
        page.say(f"{line.mark} {_name(line)} {line.title}", indent=INDENT * 2)


def _not_run(page: Page, report: Report) -> None:
    """Their names alone: a grading that stopped early has many, and they must not push the reason off the screen."""
    if not report.not_run:
        return
    page.heading(f"{label('not_run', page.lang)} ({len(report.not_run)})")
    page.say(report.not_run_note)
    page.say(" ".join(_name(line) for line in report.not_run), indent=INDENT * 2)


def _notes(page: Page, notes: tuple[Explanation, ...]) -> None:
    if not notes:
        return
    page.heading(f"{label('notes', page.lang)} ({len(notes)})")
    page.say(label("notes_note", page.lang), style="dim")
    for note in notes:
        page.say(f"• {note.sentence}", indent=INDENT * 2)
        page.say(note.next_step, indent=INDENT * 3, style="dim")


def _phases(page: Page, report: Report) -> None:
    if not report.phases:
        return
    page.heading(label("phases", page.lang))
    parts = [_together(f"{name} {seconds:.1f}") for name, seconds in report.phases]
    total = label("seconds", page.lang, seconds=f"{sum(seconds for _, seconds in report.phases):.1f}")
    page.say("\N{NO-BREAK SPACE}· ".join([*parts, _together(f"{label('total', page.lang)} {total}")]))


def _together(words: str) -> str:
    """The words on one line of the paragraph."""
    return words.replace(" ", "\N{NO-BREAK SPACE}")


def _last_line(page: Page, report: Report) -> None:
    """The most important lines once more, because the end is what stays on the screen."""
    page.line()
    page.line(Text.assemble((f"{report.mark} {report.word}", STYLES[report.tone]), f"   {report.score}"))
    if report.fault:
        page.say(report.fault.explanation.sentence)
        page.labelled("next_step", report.fault.explanation.next_step)
