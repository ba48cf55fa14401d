"""A and B of a round as they are now, for screens that ask all the time and show nobody."""

from datetime import datetime

from grader.records import Records
from grader.services import figures
from grader.services.figures import Tally
from grader.services.indicator.calendar import counted_period
from grader.services.indicator.snapshots import moment_of
from grader.services.standings import settings_of


def tally(records: Records, fy_be: int, code: str, *, as_of: datetime | None = None) -> Tally:
    """A and B of a round: those of ``live``, without looking at everybody.

    Raises:
        UsageProblem: ``indicator.round_unknown``, ``indicator.as_of_future``.
    """
    with records.reading() as session:
        rules = settings_of(session).rules
        moment = moment_of(as_of, records.database.now(session))
        return figures.figure(session, rules, counted_period(session, rules, fy_be, code, as_of=moment))


def tally_by_unit(records: Records, fy_be: int, code: str, *, as_of: datetime | None = None) -> dict[str, Tally]:
    """The same for each unit that has anybody in B, by its id. Small numbers are for whoever shows it to hide.

    Raises:
        UsageProblem: ``indicator.round_unknown``, ``indicator.as_of_future``.
    """
    with records.reading() as session:
        rules = settings_of(session).rules
        moment = moment_of(as_of, records.database.now(session))
        return figures.by_unit(session, rules, counted_period(session, rules, fy_be, code, as_of=moment))
