"""The report of one snapshot as one frozen document, in one language. Every format is made from it and from it alone.

Building it is pure: the same snapshot, particulars and report give the same document, and so the same bytes of a file.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Literal

from grader.errors import UsageProblem
from grader.evidence import Frozen
from grader.kpi import Figure, Report, Snapshot, State, UnitFigure
from grader.kpi.fiscal import Moment
from grader.reports.catalogue import Lang, label, sentence
from grader.reports.dates import BE_OFFSET, in_bangkok
from grader.reports.kpi.figure import Headline, beside, counts, fields, headline, notices, round_name
from grader.reports.kpi.lines import Line, count_line, days, heading, moment_line, words_line
from grader.reports.kpi.particulars import Override, Particulars
from grader.reports.kpi.people import PersonRow, explain_rows
from grader.reports.kpi.settings import setting_line
from grader.reports.plain import clean_line
from grader.reports.sorting import thai_key


class UnitRow(Frozen):
    """One unit, or the total. A hidden unit tells no number; ``b_text`` then says why, and ``note`` says it at length.

    Without anybody in B there is a row with zeros, and the percentage is "no data".
    """

    key: str
    name: str
    a: int | None
    b: int | None
    percent: Decimal | None
    a_text: str
    b_text: str
    percent_text: str
    hidden: Literal["small", "protects"] | None = None
    note: str = ""


class OverrideRow(Frozen):
    """A result that a person changed. ``about`` is the attempt, with the name of the person where it may be shown."""

    at: Moment
    at_text: str
    by: str
    about: str
    change: str
    reason: str


class KpiDocument(Frozen):
    """Everything that a report of a snapshot says, worded in ``lang``.

    ``fields`` are in the order that the department asks for. ``people`` is None for a reader who may not see names.
    ``unconfirmed`` is empty only when the office has confirmed every setting.
    """

    format: Literal["kpi-report/1"] = "kpi-report/1"
    lang: Lang
    title: str
    state: State
    state_word: str
    as_of: Moment
    headline: Headline
    notices: tuple[str, ...]
    fields: tuple[Line, ...]
    beside: tuple[Line, ...]
    unconfirmed: tuple[Line, ...]
    units: tuple[UnitRow, ...]
    total: UnitRow
    counts: tuple[Line, ...]
    overrides: tuple[OverrideRow, ...]
    definition: tuple[Line, ...]
    source: tuple[Line, ...]
    people: tuple[PersonRow, ...] | None
    sha256: str
    snapshot: Snapshot

    def field(self, key: str) -> Line:
        """One of ``fields``.

        Raises:
            KeyError: the report has no such field; the score is there only when levels are set.
        """
        return {line.key: line for line in self.fields}[key]


def kpi_document(snapshot: Snapshot, particulars: Particulars, report: Report, lang: Lang) -> KpiDocument:
    """The document of a snapshot and of how far its report is.

    Raises:
        UsageProblem: ``kpi.other_snapshot``: the report is of another snapshot.
    """
    sha256 = snapshot.sha256
    if report.snapshot != sha256:
        raise UsageProblem("kpi.other_snapshot", expected=report.snapshot, found=sha256)
    table = snapshot.units
    name = round_name(snapshot, particulars, lang)
    return KpiDocument(
        lang=lang,
        title=label("kpi_report", lang, year=snapshot.round.fy_be, round=name),
        state=report.state,
        state_word=label(f"value_state_{report.state}", lang),
        as_of=snapshot.as_of,
        headline=headline(snapshot, lang),
        notices=notices(snapshot, lang),
        fields=fields(snapshot, particulars, report, lang),
        beside=beside(snapshot, lang),
        unconfirmed=tuple(setting_line(key, snapshot.rules, lang) for key in snapshot.unconfirmed),
        units=_unit_rows(table.rows, particulars, snapshot.rules.kpi_small_number, lang),
        total=_unit_row("", heading("kpi_total", lang), table.total, lang, note=label("kpi_total_note", lang)),
        counts=counts(snapshot, lang),
        overrides=tuple(_override(one, particulars, lang) for one in sorted(particulars.overrides, key=_when)),
        definition=_definition(snapshot, particulars, lang),
        source=_source(snapshot, report, sha256, lang),
        people=None if particulars.names is None else explain_rows(snapshot, particulars, lang),
        sha256=sha256,
        snapshot=snapshot,
    )


def file_name(document: KpiDocument, ending: str) -> str:
    """What a file of the report is called: ``kpi_2570-r1_asof-25691122.xlsx`` for the ending ``xlsx``."""
    round_ = document.snapshot.round
    code = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in round_.code)
    local = in_bangkok(document.as_of)
    return f"kpi_{round_.fy_be}-{code}_asof-{local.year + BE_OFFSET}{local:%m%d}.{ending}"


def _unit_rows(
    rows: Iterable[UnitFigure], particulars: Particulars, small_number: int, lang: Lang
) -> tuple[UnitRow, ...]:
    """The units by the names that people read, which are not in the order of their ids."""
    named = [(clean_line(particulars.units.get(row.unit, row.unit)), row) for row in rows]
    return tuple(
        _unit_row(row.unit, name, row.figure, lang, hidden=row.hidden, small_number=small_number)
        for name, row in sorted(named, key=lambda pair: (thai_key(pair[0]), pair[1].unit))
    )


def _unit_row(
    key: str,
    name: str,
    figure: Figure | None,
    lang: Lang,
    *,
    hidden: Literal["small", "protects"] | None = None,
    small_number: int = 0,
    note: str = "",
) -> UnitRow:
    if figure is None:
        return UnitRow(
            key=key,
            name=name,
            a=None,
            b=None,
            percent=None,
            a_text="–",
            b_text=label(f"kpi_hidden_{hidden}", lang, count=small_number),
            percent_text="–",
            hidden=hidden,
            note=label(f"kpi_hidden_{hidden}_note", lang, count=small_number),
        )
    return UnitRow(
        key=key,
        name=name,
        a=figure.a,
        b=figure.b,
        percent=figure.percent,
        a_text=str(figure.a),
        b_text=str(figure.b),
        percent_text=label("kpi_no_data", lang) if figure.percent is None else str(figure.percent),
        note=note,
    )


def _when(override: Override) -> datetime:
    return override.at


def _override(one: Override, particulars: Particulars, lang: Lang) -> OverrideRow:
    name = clean_line((particulars.names or {}).get(one.person, ""))
    line = moment_line("at", "kpi_override_at", one.at, lang)
    return OverrideRow(
        at=one.at,
        at_text=line.text,
        by=clean_line(one.by),
        about=" · ".join(part for part in (name, clean_line(one.attempt)) if part),
        change=f"{label(f'kpi_outcome_{one.before}', lang)} → {label(f'kpi_outcome_{one.after}', lang)}",
        reason=clean_line(one.reason),
    )


def _definition(snapshot: Snapshot, particulars: Particulars, lang: Lang) -> tuple[Line, ...]:
    told = particulars.definition
    texts = ("definition", "a", "b", "formula", "owner", "source")
    return (
        words_line("name", "kpi_indicator", told.name, lang),
        *(words_line(key, f"kpi_define_{key}", getattr(told, key), lang) for key in texts),
        count_line("version", heading("kpi_define_version", lang), snapshot.definition_version),
    )


def _source(snapshot: Snapshot, report: Report, sha256: str, lang: Lang) -> tuple[Line, ...]:
    """Where the figure comes from, so that it can be obtained again; lines that do not apply are left out."""
    period = snapshot.period
    counted = label(f"value_count_by_{snapshot.rules.membership_count_by}", lang)
    despite = "\n".join(sentence(one.code, {"count": one.count}, lang) for one in report.despite)
    always = (
        words_line("state", "kpi_source_state", label(f"value_state_{report.state}", lang), lang),
        words_line("indicator", "kpi_source_indicator", snapshot.indicator, lang),
        words_line("round", "kpi_source_round", days(snapshot.round.start, snapshot.round.end, lang), lang),
        words_line("period", "kpi_source_period", days(period.first, period.last, lang), lang),
        moment_line("cutoff", "kpi_source_cutoff", snapshot.round.cutoff, lang),
        moment_line("as_of", "kpi_as_of", snapshot.as_of, lang),
        words_line("count_by", "kpi_source_count_by", counted, lang),
        count_line("settings", heading("kpi_source_settings", lang), snapshot.settings_version),
        words_line("format", "kpi_source_format", snapshot.format, lang),
        words_line("sha256", "kpi_source_sha256", sha256, lang),
    )
    replaces = snapshot.replaces
    perhaps = (
        ("replaces", replaces.sha256 if replaces else ""),
        ("replaces_reason", replaces.reason if replaces else ""),
        ("sent_back", report.sent_back_because),
        ("despite", despite),
        ("reason", report.reason),
    )
    return (*always, *(words_line(key, f"kpi_source_{key}", words, lang) for key, words in perhaps if words))
