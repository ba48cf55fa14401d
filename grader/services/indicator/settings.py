"""Settings of the indicator as they are kept: each change is a new version, and the standings follow it at once."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.exc import IntegrityError

from grader.errors import UsageProblem
from grader.kpi import KpiSettings
from grader.records import Change, Records, SettingsVersion
from grader.services import standings
from grader.services.standings import settings_of


def revise(records: Records, values: Mapping[str, Any], *, by: str) -> KpiSettings:
    """The next version, with these values by key; nobody has confirmed the changed ones. Others stay as they are.

    A change of what passing depends on makes all standings again, in the same transaction.

    Raises:
        UsageProblem: ``indicator.no_change``, ``indicator.changed_meanwhile``, ``kpi.setting_unknown``,
            ``kpi.setting_value``, ``kpi.thresholds``, ``kpi.pass_rule``.
    """
    with records.change(by=by) as change:
        now = settings_of(change.session)
        wanted = now.revise(values)
        other = {key: value for key, value in values.items() if wanted.setting(key).value != now.setting(key).value}
        if not other:
            raise UsageProblem("indicator.no_change")
        new = now.revise(other)  # a value that stays the same also stays confirmed
        _keep(change, new)
        if standings.fingerprint(new.rules) != standings.fingerprint(now.rules):
            standings.refresh_all(change.session)
        change.audit(
            "settings.revised",
            f"settings {new.version}",
            before={key: now.setting(key).value for key in other},
            after={key: new.setting(key).value for key in other},
        )
    return new


def confirm(records: Records, key: str, *, by: str, source: str, confirmed_by: str = "") -> KpiSettings:
    """The next version, in which a value is confirmed: by whom (default: ``by``) and in which document.

    Raises:
        UsageProblem: ``kpi.setting_unknown``, ``kpi.confirmation_incomplete``, ``indicator.changed_meanwhile``.
    """
    with records.change(by=by) as change:
        new = settings_of(change.session).confirm(key, by=confirmed_by or by, at=change.at, source=source)
        _keep(change, new)
        after = {"key": key, "value": new.setting(key).value, "by": confirmed_by or by, "source": source}
        change.audit("settings.confirmed", f"settings {new.version}", after=after)
    return new


def _keep(change: Change, new: KpiSettings) -> None:
    row = SettingsVersion(version=new.version, settings=new.model_dump(mode="json"), by=change.by, at=change.at)
    change.session.add(row)
    try:
        change.session.flush()
    except IntegrityError as problem:  # somebody made the same version of the same one before
        raise UsageProblem("indicator.changed_meanwhile") from problem
