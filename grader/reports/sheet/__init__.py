"""The result sheet of one submission on paper: whose it is, what was found, and what proves it.

It says what the report on the screen says, from the same summary, and beside it what only the records know: the person,
the attempt, the receipt, and a result that an instructor decided.
"""

from datetime import UTC
from typing import Final

from grader.evidence import Frozen
from grader.kpi.fiscal import Moment
from grader.reports.catalogue import Lang, label
from grader.reports.dates import moment
from grader.reports.plain import clean, clean_line
from grader.reports.printing import pdf_of, style_of, templates_of
from grader.reports.summary import Report

_PACKAGE: Final = "grader.reports.sheet"


class Decision(Frozen):
    """A result that an instructor decided; ``before`` and ``after`` are outcomes."""

    before: str
    after: str
    at: Moment
    by: str
    reason: str


class Sheet(Frozen):
    """One submission. ``fingerprint`` is the SHA-256 of its receipt, ``key`` the id of the key that signed it.

    ``report`` is the summary of the verdict in the language of the sheet; ``name`` is "" for somebody forgotten.
    """

    submission: str
    name: str
    unit: str
    round_name: str
    number: int
    received_at: Moment
    late: bool
    file_sha256: str
    fingerprint: str
    key: str
    report: Report
    decisions: tuple[Decision, ...] = ()

    @property
    def lang(self) -> Lang:
        """The language of the sheet."""
        return self.report.lang

    @property
    def stands(self) -> str:
        """The outcome that an instructor decided last, or ""."""
        return self.decisions[-1].after if self.decisions else ""


def to_pdf(sheet: Sheet) -> bytes:
    """The sheet as a PDF/UA-1 file; the same sheet gives the same bytes.

    Raises:
        EnvironmentProblem: ``environment.pango_missing``, ``environment.font_missing`` or ``environment.font_changed``.
    """
    return pdf_of(to_html(sheet))


def to_html(sheet: Sheet) -> str:
    """The page that is laid out."""
    lang = sheet.lang

    def word(name: str, **values: object) -> str:
        return label(name, lang, **values)

    return (
        templates_of(_PACKAGE)
        .get_template("sheet.html.j2")
        .render(
            sheet=sheet,
            report=sheet.report,
            about=_about(sheet),
            proof=_proof(sheet),
            decisions=[_decided(one, lang) for one in sheet.decisions],
            moment=sheet.received_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            word=word,
            style=style_of(_PACKAGE, "sheet.css"),
        )
    )


def file_name(sheet: Sheet) -> str:
    """What the file is called: ``result_e1-2_sub_5d0c….pdf``; it names no person."""
    return f"result_{sheet.report.exercise_id.lower()}-{sheet.number}_{sheet.submission}.pdf"


def _about(sheet: Sheet) -> tuple[tuple[str, str], ...]:
    lang = sheet.lang
    received = moment(sheet.received_at, lang)
    if sheet.late:
        received = f"{received} · {label('sheet_late', lang)}"
    return (
        (label("sheet_trainee", lang), clean_line(sheet.name) or "–"),
        (label("sheet_unit", lang), clean_line(sheet.unit)),
        (label("sheet_round", lang), clean_line(sheet.round_name)),
        (label("sheet_exercise", lang), f"{sheet.report.exercise_id} {sheet.report.exercise_title}"),
        (label("sheet_attempt", lang), str(sheet.number)),
        (label("sheet_received", lang), received),
    )


def _proof(sheet: Sheet) -> tuple[tuple[str, str], ...]:
    lang = sheet.lang
    return (
        (label("sheet_submission", lang), sheet.submission),
        (label("sheet_file", lang), sheet.file_sha256),
        (label("sheet_fingerprint", lang), sheet.fingerprint),
        (label("sheet_key", lang), sheet.key),
    )


def _decided(one: Decision, lang: Lang) -> tuple[str, str]:
    change = label(
        "sheet_decided_from",
        lang,
        before=label(f"outcome_{one.before}", lang),
        after=label(f"outcome_{one.after}", lang),
        at=moment(one.at, lang),
        by=one.by,
    )
    return change, f"{label('sheet_reason', lang)}: {clean(one.reason)}"
