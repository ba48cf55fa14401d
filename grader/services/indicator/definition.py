"""The indicator in words: what it is called, what A and B are, who owns it; one set of texts for each fiscal year.

Each text is confirmed or not for itself. A change is a new version and never rewrites an old one; version 1 is what is
shipped, in ``definition.toml``.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any, Final

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.evidence import Frozen
from grader.kpi.fiscal import Moment
from grader.records import Change, IndicatorVersion, Records, new_id

UNNUMBERED: Final = "indicator"
"""What a snapshot calls the indicator while the office has given it no code."""


class Passage(Frozen):
    """One text. ``source`` is the document that states it; without one nobody confirmed it."""

    text: str = ""
    source: str = ""
    confirmed_by: str = ""
    confirmed_at: Moment | None = None

    @property
    def confirmed(self) -> bool:
        """Whether somebody said that this is right."""
        return bool(self.source)


class Definition(Frozen):
    """One version of the definition for a fiscal year; the texts that nobody wrote yet are empty.

    ``code`` is the number of the indicator as text ("065.3"), ``collection`` and ``data_source`` how and from where the
    data come.
    """

    version: int = Field(default=1, ge=1)
    code: Passage = Passage()
    name: Passage = Passage()
    owner: Passage = Passage()
    target_group: Passage = Passage()
    definition: Passage = Passage()
    unit: Passage = Passage()
    a: Passage = Passage()
    b: Passage = Passage()
    formula: Passage = Passage()
    collection: Passage = Passage()
    data_source: Passage = Passage()
    contact: Passage = Passage()

    @property
    def indicator(self) -> str:
        """What a snapshot calls it."""
        return self.code.text or UNNUMBERED

    def passage(self, name: str) -> Passage:
        """One text by its name.

        Raises:
            UsageProblem: ``indicator.passage_unknown``.
        """
        if name not in PASSAGES:
            raise UsageProblem("indicator.passage_unknown", passage=name, known=", ".join(PASSAGES))
        found: Passage = getattr(self, name)
        return found

    @property
    def unconfirmed(self) -> tuple[str, ...]:
        """The names of the texts that nobody confirmed."""
        return tuple(name for name in PASSAGES if not self.passage(name).confirmed)


PASSAGES: Final = tuple(name for name in Definition.model_fields if name != "version")

SHIPPED: Final = Definition.model_validate(
    tomllib.loads(files("grader.services.indicator").joinpath("definition.toml").read_text(encoding="utf-8"))
)


def definition_of(session: Session, fy_be: int) -> Definition:
    """The definition for a fiscal year as it is now."""
    latest = (
        select(IndicatorVersion.definition)
        .where(IndicatorVersion.fy_be == fy_be)
        .order_by(IndicatorVersion.version.desc())
        .limit(1)
    )
    found = session.scalar(latest)
    return SHIPPED if found is None else Definition.model_validate(found)


@dataclass(frozen=True, kw_only=True, slots=True)
class DefinitionChange:
    """One version of a year's definition, and the names of the texts in which it differs from the one before."""

    definition: Definition
    by: str
    at: datetime
    changed: tuple[str, ...]


def history_of(session: Session, fy_be: int) -> tuple[DefinitionChange, ...]:
    """Every version that somebody made for a year, the newest first; what is shipped is version 1 and nobody's."""
    before, found = SHIPPED, []
    rows = select(IndicatorVersion).where(IndicatorVersion.fy_be == fy_be).order_by(IndicatorVersion.version)
    for row in session.scalars(rows):
        now = Definition.model_validate(row.definition)
        changed = tuple(name for name in PASSAGES if now.passage(name) != before.passage(name))
        found.append(DefinitionChange(definition=now, by=row.by, at=row.at, changed=changed))
        before = now
    return tuple(reversed(found))


def define(records: Records, fy_be: int, texts: Mapping[str, str], *, by: str, seen: int | None = None) -> Definition:
    """The next version for a fiscal year, with these texts by name; nobody has confirmed the changed ones.

    ``seen`` is the version that was looked at: when there is a later one, nothing is written.

    Raises:
        UsageProblem: ``indicator.passage_unknown``, ``indicator.no_change``, ``indicator.changed_meanwhile``.
    """
    with records.change(by=by) as change:
        now = _seen(definition_of(change.session, fy_be), seen)
        other = {name: text.strip() for name, text in texts.items() if now.passage(name).text != text.strip()}
        if not other:
            raise UsageProblem("indicator.no_change")
        new = _next(change, fy_be, now, {name: Passage(text=text) for name, text in other.items()})
        before = {name: now.passage(name).text for name in other}
        change.audit("definition.changed", f"definition {fy_be} {new.version}", before=before, after=other)
    return new


def confirm_definition(
    records: Records, fy_be: int, name: str, *, by: str, source: str, confirmed_by: str = "", seen: int | None = None
) -> Definition:
    """The next version, in which a text is confirmed: by whom (default: ``by``) and in which document.

    ``seen`` is the version that was looked at: nobody confirms a text that they did not see.

    Raises:
        UsageProblem: ``indicator.passage_unknown``, ``indicator.passage_empty``, ``kpi.confirmation_incomplete``,
            ``indicator.changed_meanwhile``.
    """
    who = confirmed_by or by
    if not source.strip():
        raise UsageProblem("kpi.confirmation_incomplete", key=name, missing="source")
    with records.change(by=by) as change:
        now = _seen(definition_of(change.session, fy_be), seen)
        text = now.passage(name).text
        if not text:
            raise UsageProblem("indicator.passage_empty", passage=name)
        stated = Passage(text=text, source=source.strip(), confirmed_by=who, confirmed_at=change.at)
        new = _next(change, fy_be, now, {name: stated})
        after = {"passage": name, "by": who, "source": stated.source}
        change.audit("definition.confirmed", f"definition {fy_be} {new.version}", after=after)
    return new


def _seen(now: Definition, seen: int | None) -> Definition:
    if seen not in {None, now.version}:
        raise UsageProblem("indicator.changed_meanwhile")
    return now


def _next(change: Change, fy_be: int, now: Definition, passages: Mapping[str, Passage]) -> Definition:
    values: dict[str, Any] = dict(now) | dict(passages) | {"version": now.version + 1}
    new = Definition.model_validate(values)
    row = IndicatorVersion(
        id=new_id("ind"),
        fy_be=fy_be,
        version=new.version,
        definition=new.model_dump(mode="json"),
        by=change.by,
        at=change.at,
    )
    change.session.add(row)
    try:
        change.session.flush()
    except IntegrityError as problem:  # somebody made the same version of the same one before
        raise UsageProblem("indicator.changed_meanwhile") from problem
    return new
