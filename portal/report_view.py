"""The report of an attempt as its reader asks for it: some checks, in groups, beside another attempt. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from grader.packs import Pack
from grader.reports.catalogue import Lang, explain
from grader.reports.summary import CheckLine, Report
from grader.services.desk import Handed
from grader.verdict import Verdict

SHOWN: Final = ("all", "fail", "pass", "not_run", "error")
"""Which checks: all, or those with one outcome."""
GROUPS: Final = ("part", "cause", "operation", "task")
"""By what: the part of the grading, the cause, the endpoint, or the task of the brief."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Grouped:
    """Checks that belong together; ``name`` is "" for those that belong to none of the others."""

    name: str
    lines: tuple[CheckLine, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """What is shown. ``counts`` are of all checks, whatever is shown; an unknown word of the address asks for all."""

    show: str
    by: str
    counts: Mapping[str, int]
    groups: tuple[Grouped, ...]


def view(report: Report, verdict: Verdict, pack: Pack, lang: Lang, *, show: str = "", by: str = "") -> View:
    """The checks that were asked for, in their groups; a check with two causes stands under both."""
    chosen, grouped = show if show in SHOWN else "all", by if by in GROUPS else "part"
    lines = [line for group in report.groups for line in group.checks]
    counts = {name: sum(name in {"all", line.outcome} for line in lines) for name in SHOWN}
    wanted = {line.id for line in lines if chosen in {"all", line.outcome}}
    if grouped == "part":
        pairs = [(group.name, line) for group in report.groups for line in group.checks]
    else:
        named = _names(verdict, pack, lang, grouped)
        pairs = [(name, line) for line in lines for name in named.get(line.id) or ("",)]
    return View(show=chosen, by=grouped, counts=counts, groups=_together(pairs, wanted))


def other_attempt(attempts: Sequence[Handed], number: int, wanted: str) -> Handed | None:
    """The attempt to compare with: the one that was asked for, else the last one before that has a result."""
    graded = [one for one in attempts if one.outcome and one.number != number]
    before = [one for one in graded if one.number < number]
    return next((one for one in graded if one.id == wanted), before[-1] if before else None)


def _names(verdict: Verdict, pack: Pack, lang: Lang, by: str) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for check in verdict.checks:
        if by == "task":
            task = pack.checks[check.id].task
            found[check.id] = (str(task),) if task else ()
        elif by == "operation":
            found[check.id] = _once(one.operation for one in check.findings if one.operation)
        else:
            found[check.id] = _once(explain(one.code, one.params, lang).title for one in check.findings)
    return found


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _together(pairs: Iterable[tuple[str, CheckLine]], wanted: set[str]) -> tuple[Grouped, ...]:
    """In the order in which the names come first; what has no name stands last."""
    found: dict[str, list[CheckLine]] = {}
    for name, line in pairs:
        if line.id in wanted:
            found.setdefault(name, []).append(line)
    rest = found.pop("", [])
    named = [Grouped(name=name, lines=tuple(lines)) for name, lines in found.items()]
    return (*named, Grouped(name="", lines=tuple(rest))) if rest else tuple(named)
