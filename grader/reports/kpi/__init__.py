"""The report of one ``grader.kpi.Snapshot`` for people, in Thai or English.

``kpi_document`` words a snapshot once, with what the records know beside it; each format prints that document and
nothing else, so that all of them say the same. ``explain_rows`` is the list behind the figure, person by person.
"""

from grader.reports.kpi.csv import people_to_csv, to_csv, units_to_csv
from grader.reports.kpi.document import KpiDocument, OverrideRow, UnitRow, file_name, kpi_document
from grader.reports.kpi.figure import Headline
from grader.reports.kpi.json import to_json
from grader.reports.kpi.lines import Line
from grader.reports.kpi.particulars import Definition, EvidenceItem, Narrative, Override, Particulars
from grader.reports.kpi.pdf import to_pdf
from grader.reports.kpi.people import PersonRow, explain_rows
from grader.reports.kpi.terminal import render, to_terminal
from grader.reports.kpi.xlsx import to_xlsx

__all__ = [
    "Definition",
    "EvidenceItem",
    "Headline",
    "KpiDocument",
    "Line",
    "Narrative",
    "Override",
    "OverrideRow",
    "Particulars",
    "PersonRow",
    "UnitRow",
    "explain_rows",
    "file_name",
    "kpi_document",
    "people_to_csv",
    "render",
    "to_csv",
    "to_json",
    "to_pdf",
    "to_terminal",
    "to_xlsx",
    "units_to_csv",
]
