"""The lines of a report about its figure: the fields in the order of the office, and what is read beside them."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from grader.evidence import Frozen
from grader.kpi import REASONS, Reason, Report, Snapshot, Standing, gap, more_passes_needed, standing
from grader.reports.catalogue import Lang, catalogue, label, labels, sentence
from grader.reports.dates import moment
from grader.reports.kpi.lines import Line, count_line, heading, moment_line, signed, words_line
from grader.reports.kpi.particulars import Particulars
from grader.reports.kpi.settings import setting_words
from grader.reports.plain import clean_line

BESIDE: Final[tuple[Reason, ...]] = ("no_show", "excluded", "grading", "grader_fault")
"""Reasons whose numbers stand beside every figure, so that it cannot hide them."""


class Headline(Frozen):
    """The figure in one glance.

    ``standing`` is its code and ``judgement`` its words with the distance to the target; ``needed`` says how many more
    must pass, and is empty unless the figure is judged to be below a target that somebody confirmed.
    """

    percent: str
    of: str
    standing: Standing
    judgement: str
    needed: str


def headline(snapshot: Snapshot, lang: Lang) -> Headline:
    """The figure in one glance; a target that nobody confirmed gets no judgement."""
    figure, target = snapshot.figure, snapshot.rules.kpi_target
    stands = standing(figure, target, confirmed="kpi.target" not in snapshot.unconfirmed, running=not snapshot.final)
    judgement, needed, missing = label(f"kpi_standing_{stands}", lang), "", gap(figure, target)
    if stands == "below" and missing is not None:
        judgement = label("kpi_below_by", lang, points=abs(missing))
        needed = _needed_words(snapshot, more_passes_needed(figure, target), lang)
    percent = figure.percent
    return Headline(
        percent=label("kpi_no_data", lang) if percent is None else label("kpi_percent_told", lang, percent=percent),
        of=label(f"kpi_of_{snapshot.rules.membership_count_by}", lang, a=figure.a, b=figure.b),
        standing=stands,
        judgement=judgement,
        needed=needed,
    )


def round_name(snapshot: Snapshot, particulars: Particulars, lang: Lang) -> str:
    """The round as people call it: what the records or the office say, else our words for its code, else the code."""
    known = labels().get(f"kpi_round_{snapshot.round.code}", {}).get(lang, snapshot.round.code)
    return clean_line(particulars.round_label or snapshot.round.label) or known


def fields(snapshot: Snapshot, particulars: Particulars, report: Report, lang: Lang) -> tuple[Line, ...]:
    """All fields of the report, in the order in which the department asks for them."""
    over = snapshot.round
    return (
        words_line("indicator", "kpi_indicator", clean_line(particulars.definition.name), lang),
        Line(
            key="fiscal_year",
            label=heading("kpi_fiscal_year", lang),
            text=str(over.fy_be),
            value=over.fy_be,
            kind="count",
        ),
        words_line("round", "kpi_round", round_name(snapshot, particulars, lang), lang),
        moment_line("as_of", "kpi_as_of", snapshot.as_of, lang),
        count_line("a", heading("kpi_a", lang), snapshot.a),
        count_line("b", heading("kpi_b", lang), snapshot.b),
        _measured("percent", heading("kpi_percent", lang), snapshot.percent, lang),
        *_against_target(snapshot, lang),
        *_scores(snapshot, lang),
        *_written(particulars, lang),
        *_signed_by(particulars, report, lang),
    )


def _measured(key: str, name: str, percent: Decimal | None, lang: Lang) -> Line:
    words = label("kpi_no_data", lang) if percent is None else str(percent)
    return Line(key=key, label=name, text=words, value=percent, kind="percent")


def _against_target(snapshot: Snapshot, lang: Lang) -> Iterator[Line]:
    target, open_ = snapshot.rules.kpi_target, "kpi.target" in snapshot.unconfirmed
    missing = gap(snapshot.figure, target)
    yield Line(
        key="target",
        label=catalogue(lang)["kpi.target"].title,
        text=setting_words("kpi.target", snapshot.rules, lang),
        value=target,
        kind="percent",
        unconfirmed=open_,
    )
    yield Line(
        key="gap",
        label=heading("kpi_gap", lang),
        text="–" if missing is None else label("kpi_points", lang, points=signed(missing)),
        value=missing,
        kind="points",
        unconfirmed=open_ and missing is not None,
    )


def _scores(snapshot: Snapshot, lang: Lang) -> Iterator[Line]:
    """Nothing unless levels are set; without data the score is a dash."""
    if snapshot.rules.kpi_scoring == "none":
        return
    open_ = bool({"kpi.scoring", "kpi.level_thresholds"}.intersection(snapshot.unconfirmed))
    values = [("score", snapshot.score)]
    if snapshot.rules.kpi_weight is not None:
        values.append(("weighted_score", snapshot.weighted_score))
    for key, value in values:
        yield Line(
            key=key,
            label=heading(f"kpi_{key}", lang),
            text="–" if value is None else str(value),
            value=value,
            kind="score",
            unconfirmed=open_ or (key == "weighted_score" and "kpi.weight" in snapshot.unconfirmed),
        )


def _written(particulars: Particulars, lang: Lang) -> Iterator[Line]:
    told = particulars.narrative
    yield words_line("results", "kpi_results", told.results, lang)
    yield words_line("problems", "kpi_problems", told.problems, lang)
    yield words_line("suggestions", "kpi_suggestions", told.suggestions, lang)
    pieces = tuple(
        " · ".join(part for part in (clean_line(one.title), clean_line(one.reference)) if part)
        for one in particulars.evidence
    )
    line = words_line("evidence", "kpi_evidence", "\n".join(pieces), lang, empty="kpi_none")
    yield Line.model_validate(dict(line) | {"items": pieces})


def _signed_by(particulars: Particulars, report: Report, lang: Lang) -> Iterator[Line]:
    yield words_line("reporter", "kpi_reporter", clean_line(particulars.prepared_by or report.prepared_by), lang)
    certifier = ""
    if report.state == "certified" and report.certified_at is not None:
        name = clean_line(particulars.certified_by or report.certified_by or "")
        certifier = label("kpi_certified_at", lang, name=name, at=moment(report.certified_at, lang))
    yield words_line("certifier", "kpi_certifier", certifier, lang, empty="kpi_not_certified")


def beside(snapshot: Snapshot, lang: Lang) -> tuple[Line, ...]:
    """What is printed beside the figure: the numbers that it could hide, and how many more passes the target asks."""
    figure, target = snapshot.figure, snapshot.rules.kpi_target
    needed = more_passes_needed(figure, target)
    lines = [count_line(one, catalogue(lang)[f"membership.{one}"].title, figure.count(one)) for one in BESIDE]
    return (
        *lines,
        Line(
            key="needed",
            label=heading("kpi_needed_label", lang),
            text="–" if needed is None else _needed_words(snapshot, needed, lang) if needed else "0",
            value=needed,
            kind="count",
            unconfirmed=needed is not None and "kpi.target" in snapshot.unconfirmed,
            note=label("kpi_needed_note", lang),
        ),
    )


def counts(snapshot: Snapshot, lang: Lang) -> tuple[Line, ...]:
    """The number of each reason that occurs, and all of them together: the whole roster."""
    figure = snapshot.figure
    found = [
        count_line(one, catalogue(lang)[f"membership.{one}"].title, figure.count(one))
        for one in REASONS
        if figure.count(one)
    ]
    return (*found, count_line("roster", heading("kpi_roster", lang), len(snapshot.members)))


def notices(snapshot: Snapshot, lang: Lang) -> tuple[str, ...]:
    """What a reader must know before believing the figure: it is not final, or somebody still waits for a result."""
    waiting = {"kpi.still_grading": "grading", "kpi.grader_faults": "grader_fault"}
    figure = snapshot.figure
    told = [] if snapshot.final else [sentence("kpi.round_running", {}, lang)]
    told += [
        sentence(code, {"count": figure.counts[reason]}, lang)
        for code, reason in waiting.items()
        if reason in figure.counts
    ]
    return tuple(told)


def _needed_words(snapshot: Snapshot, needed: int | None, lang: Lang) -> str:
    name = "kpi_needed" if snapshot.rules.membership_count_by == "person" else "kpi_needed_seat"
    return label(name, lang, count=needed)
