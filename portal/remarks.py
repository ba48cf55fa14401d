"""Remarks as pages show them: their Markdown made safe, as that of an exercise's text."""

from dataclasses import dataclass

from markupsafe import Markup
from sqlalchemy.orm import Session

from grader.records import Remark
from grader.services.remarking import remarks_of
from portal.access.door import Door
from portal.markdown import html_of


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownRemark:
    """A remark with its text as HTML."""

    remark: Remark
    html: Markup


def shown_remarks(session: Session, door: Door, *, withdrawn: bool = False) -> list[ShownRemark]:
    """The remarks on the submission of the door."""
    found = remarks_of(session, door.id, withdrawn=withdrawn)
    return [ShownRemark(remark=one, html=preview_of(door, one.text)) for one in found]


def preview_of(door: Door, text: str) -> Markup:
    """What a remark will look like."""
    # An exercise's first line is its title, which the page shows by itself; a remark has none.
    return html_of("\n" + text, door.visit.word("remark.table")) if text.strip() else Markup()
