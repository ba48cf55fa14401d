"""The results of people of a round as a table for a spreadsheet: what was typed is text, never a formula."""

from collections.abc import Collection
from typing import Final, Literal, TypeAlias

from grader.errors import UsageProblem
from grader.kpi.fiscal import BANGKOK
from grader.records import Records
from grader.reports.catalogue import Lang, label
from grader.rosters.delimited import written
from grader.rosters.writing import table_xlsx
from grader.services.overview import Cell, Overview, overview
from grader.services.rounds import round_of

Format: TypeAlias = Literal["csv", "xlsx"]

COLUMNS: Final = ("state", "points", "max", "tries", "received", "decided")
"""Of each exercise: what stands, the points of the try that counts, and of how many."""


def export(records: Records, *, code: str, seats: Collection[str], by: str, form: Format, lang: Lang) -> bytes:
    """The results of these seats of a round; that they left the portal is in the audit.

    Raises:
        UsageProblem: ``selection.nobody``, ``round.unknown``.
    """
    with records.change(by=by) as change:
        seen = overview(change.session, code, change.at)
        rows = rows_of(seen, seats, lang)
        if len(rows) == 1:
            raise UsageProblem("selection.nobody")
        change.audit(
            "results.exported", round_of(change.session, code).id, after={"format": form, "seats": len(rows) - 1}
        )
    return (
        written([[_text(one) for one in row] for row in rows])
        if form == "csv"
        else table_xlsx(rows, sheet=label("results_sheet", lang))
    )


def rows_of(seen: Overview, seats: Collection[str], lang: Lang) -> list[list[str | int | None]]:
    """The headings, then a row for each of these seats in the order of their codes."""
    heads: list[str | int | None] = [label(f"results_{one}", lang) for one in ("code", "name", "unit", "part")]
    for column in seen.columns:
        heads += [f"{column.exercise.upper()} {label(f'results_{one}', lang)}" for one in COLUMNS]
    body: list[list[str | int | None]] = [
        [
            *(line.code, line.name, line.unit, label(f"results_part_{line.part}", lang)),
            *(value for cell in line.cells for value in _cell(cell, lang)),
        ]
        for line in seen.lines
        if line.seat in seats
    ]
    return [heads, *body]


def _cell(cell: Cell, lang: Lang) -> list[str | int | None]:
    best = cell.best
    return [
        label(f"results_{cell.state}", lang),
        best.points if best else None,
        best.max if best else None,
        len(cell.handed),
        best.received_at.astimezone(BANGKOK).strftime("%Y-%m-%d %H:%M") if best else "",
        label("results_yes", lang) if best and best.decided else "",
    ]


def _text(value: str | int | None) -> str:
    return "" if value is None else str(value)
