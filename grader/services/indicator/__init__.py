"""The indicator as people use it: settings, definition, reporting rounds, snapshots, and reports up to certifying.

What counts and how is ``grader.kpi``; here it meets the records. Whoever only reads gives a session, whoever changes
something gives the records and a name.
"""

from grader.services.indicator.calendar import (
    counted_period,
    propose_rounds,
    reporting_round,
    reporting_rounds,
    set_round,
)
from grader.services.indicator.certifying import (
    certifiers,
    certify,
    draft,
    grant_certifier,
    obstacles,
    overrode,
    report_of,
    revoke_certifier,
    send_back,
    submit,
    write,
)
from grader.services.indicator.definition import (
    PASSAGES,
    SHIPPED,
    Definition,
    Passage,
    confirm_definition,
    define,
    definition_of,
)
from grader.services.indicator.exporting import FORMATS, File, Reader, Wanted, document_of, export, people_of
from grader.services.indicator.overview import (
    KeptReport,
    Overview,
    RoundFigure,
    UnitCount,
    current_round,
    kept_reports,
    overview,
    years_of,
)
from grader.services.indicator.people import Explained, explain, names_of, overrides, particulars
from grader.services.indicator.settings import confirm, revise
from grader.services.indicator.snapshots import Kept, difference, freeze, kept, live, read
from grader.services.indicator.tallies import tally, tally_by_unit
from grader.services.standings import settings_of

__all__ = [
    "FORMATS",
    "PASSAGES",
    "SHIPPED",
    "Definition",
    "Explained",
    "File",
    "Kept",
    "KeptReport",
    "Overview",
    "Passage",
    "Reader",
    "RoundFigure",
    "UnitCount",
    "Wanted",
    "certifiers",
    "certify",
    "confirm",
    "confirm_definition",
    "counted_period",
    "current_round",
    "define",
    "definition_of",
    "difference",
    "document_of",
    "draft",
    "explain",
    "export",
    "freeze",
    "grant_certifier",
    "kept",
    "kept_reports",
    "live",
    "names_of",
    "obstacles",
    "overrides",
    "overrode",
    "overview",
    "particulars",
    "people_of",
    "propose_rounds",
    "read",
    "report_of",
    "reporting_round",
    "reporting_rounds",
    "revise",
    "revoke_certifier",
    "send_back",
    "set_round",
    "settings_of",
    "submit",
    "tally",
    "tally_by_unit",
    "write",
    "years_of",
]
