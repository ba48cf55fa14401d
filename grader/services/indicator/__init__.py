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
from grader.services.indicator.people import Explained, explain, names_of, overrides, particulars
from grader.services.indicator.settings import confirm, revise
from grader.services.indicator.snapshots import Kept, difference, freeze, kept, live, read
from grader.services.indicator.tallies import tally, tally_by_unit
from grader.services.standings import settings_of

__all__ = [
    "PASSAGES",
    "SHIPPED",
    "Definition",
    "Explained",
    "Kept",
    "Passage",
    "certifiers",
    "certify",
    "confirm",
    "confirm_definition",
    "counted_period",
    "define",
    "definition_of",
    "difference",
    "draft",
    "explain",
    "freeze",
    "grant_certifier",
    "kept",
    "live",
    "names_of",
    "obstacles",
    "overrides",
    "overrode",
    "particulars",
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
]
