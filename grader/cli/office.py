"""What the commands on the records share: opening them, who acts, moments as people type them, and plain tables."""

import getpass
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from grader.cli.words import word
from grader.errors import UsageProblem
from grader.kpi.fiscal import BANGKOK, midnight
from grader.records import Records, open_records
from grader.settings import Settings

By = Annotated[
    str, typer.Option("--by", metavar="NAME", help="ผู้ทำรายการ ไม่ระบุคือผู้ใช้เครื่องนี้ · who acts; default: this user")
]
RoundCode = Annotated[str, typer.Argument(metavar="ROUND", help="รหัสรุ่น · code of the training round")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="เหตุผล · the reason")]


@contextmanager
def opened(settings: Settings) -> Iterator[Records]:
    """The records of this installation."""
    records = open_records(settings.data, settings.database_url)
    try:
        yield records
    finally:
        records.close()


def actor(by: str) -> str:
    """Who acts: the name that was given, or the user of this machine."""
    return by.strip() or getpass.getuser()


def day(value: str) -> date | None:
    """A day as it was typed; "" is none.

    Raises:
        UsageProblem: ``round.date_unreadable``.
    """
    if not value:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError as problem:
        raise UsageProblem("round.date_unreadable", value=value) from problem


def moment(value: str, *, end_of_day: bool = False) -> datetime | None:
    """A moment as it was typed, in Bangkok unless it names a zone; a day alone is its first or last moment.

    Raises:
        UsageProblem: ``round.date_unreadable``.
    """
    if not value:
        return None
    try:
        if len(value) == len("2026-11-22"):
            found = midnight(date.fromisoformat(value))
            return (found + timedelta(days=1, microseconds=-1) if end_of_day else found).astimezone(UTC)
        found = datetime.fromisoformat(value)
    except ValueError as problem:
        raise UsageProblem("round.date_unreadable", value=value) from problem
    return (found if found.tzinfo else found.replace(tzinfo=BANGKOK)).astimezone(UTC)


def show(rows: Sequence[dict[str, Any]], language: str, *, as_json: bool, none: str) -> None:
    """Rows as one JSON document, or as a table whose headings are the keys in words; ``none`` names an empty list."""
    if as_json:
        print(json.dumps(list(rows), ensure_ascii=False, default=str))
        return
    console = Console(highlight=False)
    if not rows:
        console.print(word(none, language), markup=False)
        return
    table = Table(box=None, pad_edge=False)
    for key in rows[0]:
        table.add_column(word(f"column.{key}", language), overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    console.print(table)


def say(name: str, language: str, *, as_json: bool, **facts: Any) -> None:
    """One line that something was done, with its facts; as JSON the facts alone."""
    if as_json:
        print(json.dumps(facts, ensure_ascii=False, default=str))
        return
    shown = {key: value for key, value in facts.items() if value is not None and value != ""}
    detail = " · ".join(f"{word(f'column.{key}', language)} {_cell(value)}" for key, value in shown.items())
    Console(highlight=False).print(f"✓ {word(name, language)}{': ' if detail else ''}{detail}", markup=False)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return value.astimezone(BANGKOK).strftime("%Y-%m-%d %H:%M")
    return "✓" if value is True else "–" if value is False else str(value)
