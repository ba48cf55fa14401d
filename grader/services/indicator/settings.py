"""Settings of the indicator as they are kept: each change is a new version, and the standings follow it at once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.kpi import KpiSettings
from grader.records import Change, Records, SettingsVersion
from grader.services import standings
from grader.services.standings import settings_of


@dataclass(frozen=True, kw_only=True, slots=True)
class SettingChange:
    """A version in which a setting came to be another one, or came to be confirmed: what it was since then."""

    version: int
    at: datetime
    by: str
    value: Any
    confirmed_by: str
    source: str


def changes_of(session: Session, key: str) -> tuple[SettingChange, ...]:
    """Every change of a setting, the newest first; what it was shipped with is no change.

    Raises:
        UsageProblem: ``kpi.setting_unknown``.
    """
    before = KpiSettings().setting(key)
    found = []
    for row in session.scalars(select(SettingsVersion).order_by(SettingsVersion.version)):
        now = KpiSettings.model_validate(row.settings).setting(key)
        told = (now.value, now.confirmed_by, now.confirmed_at)
        if told != (before.value, before.confirmed_by, before.confirmed_at):
            found.append(
                SettingChange(
                    version=row.version,
                    at=row.at,
                    by=row.by,
                    value=now.value,
                    confirmed_by=now.confirmed_by or "" if now.confirmed else "",
                    source=now.source if now.confirmed else "",
                )
            )
        before = now
    return tuple(reversed(found))


def revise(records: Records, values: Mapping[str, Any], *, by: str, seen: int | None = None) -> KpiSettings:
    """The next version, with these values by key; nobody has confirmed the changed ones. Others stay as they are.

    ``seen`` is the version that was looked at: when one of these settings changed since, nothing is written.
    A change of what passing depends on makes all standings again, in the same transaction.

    Raises:
        UsageProblem: ``indicator.no_change``, ``indicator.changed_meanwhile``, ``kpi.setting_unknown``,
            ``kpi.setting_value``, ``kpi.thresholds``, ``kpi.pass_rule``.
    """
    with records.change(by=by) as change:
        now = settings_of(change.session)
        _need_same(change.session, now, values, seen)
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


def confirm(
    records: Records, key: str, *, by: str, source: str, confirmed_by: str = "", seen: int | None = None
) -> KpiSettings:
    """The next version, in which a value is confirmed: by whom (default: ``by``) and in which document.

    ``seen`` is the version that was looked at: nobody confirms a value that they did not see.

    Raises:
        UsageProblem: ``kpi.setting_unknown``, ``kpi.confirmation_incomplete``, ``indicator.changed_meanwhile``.
    """
    with records.change(by=by) as change:
        now = settings_of(change.session)
        _need_same(change.session, now, (key,), seen)
        new = now.confirm(key, by=confirmed_by or by, at=change.at, source=source)
        _keep(change, new)
        after = {"key": key, "value": new.setting(key).value, "by": confirmed_by or by, "source": source}
        change.audit("settings.confirmed", f"settings {new.version}", after=after)
    return new


def _need_same(session: Session, now: KpiSettings, keys: Iterable[str], seen: int | None) -> None:
    if seen is None or seen == now.version:
        return
    if any(change.version > seen for key in keys for change in changes_of(session, key)):
        raise UsageProblem("indicator.changed_meanwhile")


def _keep(change: Change, new: KpiSettings) -> None:
    row = SettingsVersion(version=new.version, settings=new.model_dump(mode="json"), by=change.by, at=change.at)
    change.session.add(row)
    try:
        change.session.flush()
    except IntegrityError as problem:  # somebody made the same version of the same one before
        raise UsageProblem("indicator.changed_meanwhile") from problem
