"""A verdict as a reader sees it, in one language: the one view that terminal and web page lay out.

Everything in it is plain, safe text; nothing is computed again by a renderer.
"""

from collections.abc import Iterable
from typing import Literal, TypeAlias

from grader.evidence import Frozen, Outcome
from grader.packs import Pack
from grader.reports.cards import Card, failure_cards, intermittent_cards
from grader.reports.catalogue import Explanation, Lang, explain, label, labels
from grader.reports.dates import moment
from grader.reports.logs import readable
from grader.reports.plain import clean_line
from grader.verdict import CheckVerdict, Verdict

Tone: TypeAlias = Literal["pass", "fail", "error", "neutral"]
"""How a result is coloured, always beside a mark and a word."""


class CheckLine(Frozen):
    """One check in a list. ``share`` is in words, "" when its points are all or nothing."""

    id: str
    title: str
    mandatory: bool
    outcome: Outcome
    mark: str
    word: str
    points: int
    max: int
    share: str


class Group(Frozen):
    """Checks that are counted together, with their points."""

    name: str
    letter: str
    points: int
    max: int
    checks: tuple[CheckLine, ...]


class Fault(Frozen):
    """Why a grading stopped before its end, with the last lines of the log that belongs to it."""

    explanation: Explanation
    log: tuple[str, ...]


class Report(Frozen):
    """The whole report. ``partial`` marks a run of chosen checks, which is neither a pass nor a failure."""

    lang: Lang
    exercise_id: str
    exercise_title: str
    tone: Tone
    mark: str
    word: str
    partial: bool
    score: str
    points: int
    max: int
    pass_points: int
    pass_rule: str
    confirmed: bool
    counts: str
    reason: Explanation | None
    fault: Fault | None
    groups: tuple[Group, ...]
    cards: tuple[Card, ...]
    intermittent: tuple[Card, ...]
    not_run: tuple[CheckLine, ...]
    not_run_note: str
    errors: tuple[CheckLine, ...]
    notes: tuple[Explanation, ...]
    phases: tuple[tuple[str, float], ...]
    facts: tuple[tuple[str, str], ...]


def summarise(verdict: Verdict, pack: Pack, lang: Lang) -> Report:
    """Put a verdict into words and order."""
    partial = bool(verdict.facts.only) and verdict.outcome in {"pass", "fail"}
    word = label("outcome_partial" if partial else f"outcome_{verdict.outcome}", lang)
    tone = _tone(verdict, partial=partial)
    lines = [_line(check, pack, lang) for check in verdict.checks]
    why = explain(verdict.code, verdict.params, lang) if verdict.code else None
    stopped = verdict.outcome not in {"pass", "fail"} or (verdict.code or "").startswith("run.")
    exercise = pack.exercise
    return Report(
        lang=lang,
        exercise_id=verdict.exercise.id.upper(),
        exercise_title=exercise.title.th if lang == "th" else exercise.title.en,
        tone=tone,
        mark=label(f"mark_{tone}" if tone != "neutral" else "mark_not_run", lang),
        word=word,
        partial=partial,
        score=label("score", lang, points=verdict.points, max=verdict.max),
        points=verdict.points,
        max=verdict.max,
        pass_points=verdict.pass_points,
        pass_rule=label("pass_rule", lang, points=verdict.pass_points),
        confirmed=verdict.pass_confirmed,
        counts=_counts(verdict, lang),
        reason=None if stopped else why,
        fault=Fault(explanation=why, log=readable(verdict.log, lang)) if why and stopped else None,
        groups=_groups(lines, pack, lang),
        cards=failure_cards(verdict, pack, lang),
        intermittent=intermittent_cards(verdict, pack, lang),
        not_run=tuple(line for line in lines if line.outcome == "not_run"),
        not_run_note=label("not_asked_note" if partial else "not_run_note", lang),
        errors=tuple(line for line in lines if line.outcome == "error"),
        notes=tuple(explain(note.code, note.params, lang) for note in verdict.facts.notes),
        phases=_phases(verdict, lang),
        facts=_facts(verdict, lang),
    )


def _tone(verdict: Verdict, *, partial: bool) -> Tone:
    if partial:
        return "fail" if any(check.outcome == "fail" for check in verdict.checks) else "neutral"
    if verdict.outcome == "infrastructure":
        return "error"
    return "pass" if verdict.outcome == "pass" else "fail"


def _line(judged: CheckVerdict, pack: Pack, lang: Lang) -> CheckLine:
    check = pack.checks[judged.id]
    share = judged.share
    return CheckLine(
        id=judged.id,
        title=check.title.th if lang == "th" else check.title.en,
        mandatory=judged.mandatory,
        outcome=judged.outcome,
        mark=label(f"mark_{judged.outcome}", lang),
        word=label(f"check_{judged.outcome}", lang),
        points=judged.points,
        max=judged.max,
        share=label(_share_label(judged), lang, done=share[0], total=share[1]) if share else "",
    )


def _share_label(judged: CheckVerdict) -> str:
    return "share_contract" if judged.family == "contract" else "share"


def _groups(lines: Iterable[CheckLine], pack: Pack, lang: Lang) -> tuple[Group, ...]:
    by_name: dict[str, list[CheckLine]] = {}
    for line in lines:
        by_name.setdefault(pack.checks[line.id].group, []).append(line)
    letters = {"universal": "U", "contract": "C"}
    return tuple(
        Group(
            name=label(f"group_{name}", lang),
            letter=letters.get(name, "S"),
            points=sum(line.points for line in members),
            max=sum(line.max for line in members),
            checks=tuple(members),
        )
        for name, members in by_name.items()
    )


def _counts(verdict: Verdict, lang: Lang) -> str:
    numbers = dict.fromkeys(("pass", "fail", "not_run", "error"), 0)
    for check in verdict.checks:
        numbers[check.outcome] += 1
    parts = [label("counts", lang, passed=numbers["pass"], total=len(verdict.checks))]
    if numbers["fail"]:
        parts.append(label("counts_fail", lang, failed=numbers["fail"]))
    if numbers["not_run"]:
        parts.append(label("counts_not_run", lang, not_run=numbers["not_run"]))
    if numbers["error"]:
        parts.append(label("counts_error", lang, errors=numbers["error"]))
    return " · ".join(parts)


def _phases(verdict: Verdict, lang: Lang) -> tuple[tuple[str, float], ...]:
    """What took how long; all phases of the confirming repeat (their names end in ``-again``) count as one."""
    seconds: dict[str, float] = {}
    for phase in verdict.facts.phases:
        name = "confirm" if phase.name.endswith("-again") else phase.name
        seconds[name] = seconds.get(name, 0.0) + phase.seconds
    return tuple((_phase_name(name, lang), spent) for name, spent in seconds.items() if spent)


def _phase_name(name: str, lang: Lang) -> str:
    known = f"phase_{name}"
    return label(known, lang) if known in labels() else clean_line(name)


def _facts(verdict: Verdict, lang: Lang) -> tuple[tuple[str, str], ...]:
    facts = verdict.facts
    rows = [
        (label("fact_exercise", lang), f"{verdict.exercise.id} {verdict.exercise.version}"),
        (label("fact_version", lang), verdict.exercise.digest),
        (label("fact_submission", lang), facts.submission or "–"),
        (label("fact_seed", lang), str(facts.seed)),
        (label("fact_started", lang), moment(facts.started_at, lang)),
        (label("fact_grader", lang), facts.grader_version),
    ]
    rows += [(label("fact_image", lang, name=name), digest) for name, digest in sorted(facts.images.items())]
    return tuple((name, clean_line(value)) for name, value in rows)
