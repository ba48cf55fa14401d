"""The report as a PDF to be printed, signed and kept: A4, tagged, with its own fonts and a text that can be copied.

The same document gives the same bytes: the only moment in a file is that of the data.
"""

from collections.abc import Iterator
from datetime import UTC
from typing import Final

from grader.reports.catalogue import label
from grader.reports.kpi.document import KpiDocument
from grader.reports.kpi.lines import Line, heading
from grader.reports.printing import pdf_of, style_of, templates_of

_PACKAGE: Final = "grader.reports.kpi"


def to_pdf(document: KpiDocument) -> bytes:
    """The report as a PDF/UA-1 file.

    Raises:
        EnvironmentProblem: ``environment.pango_missing``, ``environment.font_missing`` or ``environment.font_changed``.
    """
    return pdf_of(to_html(document))


def to_html(document: KpiDocument) -> str:
    """The page that is laid out; it is no web page, because its fonts have addresses that only the layout knows."""
    lang = document.lang
    # The name and the state stand at the top of the page already; what nobody wrote is left out.
    details = [line for line in (*document.definition[1:], *document.source[1:]) if line.value is not None]

    def word(name: str, **values: object) -> str:
        return label(name, lang, **values)

    def title(name: str, **values: object) -> str:
        return heading(name, lang, **values)

    return (
        templates_of(_PACKAGE)
        .get_template("report.html.j2")
        .render(
            document=document,
            rows=tuple(_rows(document)),
            details=tuple(line for line in details if line.key not in IN_LINE),
            in_line=tuple(line for line in details if line.key in IN_LINE),
            notes=tuple(dict.fromkeys(f"{row.b_text}: {row.note}" for row in document.units if row.note)),
            moment=document.as_of.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            word=word,
            title=title,
            style=style_of(_PACKAGE, "report.css"),
        )
    )


ROWS: Final = (
    ("indicator",),
    ("fiscal_year", "round", "as_of"),
    ("a", "b", "percent"),
    ("target", "gap"),
    ("score", "weighted_score"),
    ("results",),
    ("problems",),
    ("suggestions",),
    ("evidence",),
    ("reporter", "certifier"),
)
"""The fields that share a row of the page, in their order; one that a report does not have leaves no gap."""
IN_LINE: Final = frozenset(
    {"version", "indicator", "round", "period", "cutoff", "as_of", "count_by", "settings", "format"}
)
"""Lines of the definition and the source that are short enough to follow each other in one paragraph."""


def _rows(document: KpiDocument) -> Iterator[tuple[Line, ...]]:
    fields = {line.key: line for line in document.fields}
    for keys in ROWS:
        if row := tuple(fields[key] for key in keys if key in fields):
            yield row
