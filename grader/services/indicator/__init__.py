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
    stamp_of,
)
from grader.services.indicator.certifying import (
    Candidate,
    certifier_candidates,
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
    DefinitionChange,
    Passage,
    confirm_definition,
    define,
    definition_of,
    history_of,
)
from grader.services.indicator.exporting import FORMATS, File, Reader, Wanted, document_of, export, people_of
from grader.services.indicator.overview import (
    Freshness,
    Overview,
    RoundFigure,
    current_round,
    overview,
    years_of,
)
from grader.services.indicator.people import Explained, explain, names_of, overrides, particulars
from grader.services.indicator.progress import Progress, progress
from grader.services.indicator.published import KeptReport, kept_reports
from grader.services.indicator.settings import SettingChange, changes_of, confirm, revise
from grader.services.indicator.snapshots import Kept, difference, freeze, kept, live, read
from grader.services.indicator.tallies import tally, tally_by_unit
from grader.services.indicator.units import SORTS, ExerciseCount, UnitCount, UnitPage, UnitRound, in_order, unit_page
from grader.services.standings import settings_of

__all__ = [
    "FORMATS",
    "PASSAGES",
    "SHIPPED",
    "SORTS",
    "Candidate",
    "Definition",
    "DefinitionChange",
    "ExerciseCount",
    "Explained",
    "File",
    "Freshness",
    "Kept",
    "KeptReport",
    "Overview",
    "Passage",
    "Progress",
    "Reader",
    "RoundFigure",
    "SettingChange",
    "UnitCount",
    "UnitPage",
    "UnitRound",
    "Wanted",
    "certifier_candidates",
    "certifiers",
    "certify",
    "changes_of",
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
    "history_of",
    "in_order",
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
    "progress",
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
    "stamp_of",
    "submit",
    "tally",
    "tally_by_unit",
    "unit_page",
    "write",
    "years_of",
]
