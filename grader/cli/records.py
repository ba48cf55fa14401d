"""``grader init`` and ``grader verify``: the records of this installation."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from grader.cli.office import opened, say
from grader.cli.options import AsJson, Language, settings_for
from grader.cli.words import word
from grader.errors import EXIT_CHECKS_FAILED, EnvironmentProblem
from grader.records import create_records, schema
from grader.sandbox.engine import connect
from grader.sandbox.reaper import runs_in
from grader.services import standings
from grader.services.verifying import Promise
from grader.services.verifying import verify as verify_records


def init(lang: Language = "", as_json: AsJson = False) -> None:
    """เตรียมหรือปรับรุ่นที่เก็บข้อมูล · Make the records, or bring them up to this version.

    ทำซ้ำได้ ข้อมูลเดิมไม่หาย

    May be repeated; nothing that is there is lost.
    """
    settings, language = settings_for(lang)
    records = create_records(settings.data, settings.database_url)
    with records.upkeep() as session:
        standings.mend(session)  # what a new version reads otherwise is worked out again
    facts = {"folder": str(settings.data), "database": records.database.dialect, "revision": schema.head()}
    records.close()
    say("init.done", language, as_json=as_json, **facts)


def verify(
    canary: Annotated[
        list[str] | None, typer.Option("--canary", metavar="TEXT", help="ข้อความที่ต้องไม่พบ · a text that must not be kept")
    ] = None,
    checkpoints: Annotated[
        Path | None,
        typer.Option("--checkpoints", metavar="FILE", help="สำเนาจุดตรวจนอกเครื่อง · copy from another machine"),
    ] = None,
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """ตรวจว่าข้อมูลครบและไม่ถูกแก้ · Check that nothing is lost and nothing was changed.

    อ่านอย่างเดียว ใช้ได้ทั้งขณะระบบทำงานและหยุด

    Read-only; works with the services up or down.
    """
    settings, language = settings_for(lang)
    with opened(settings) as records:
        promises = verify_records(records, engine_runs=_engine_runs, canaries=canary or (), off_host=checkpoints)
    if as_json:
        print(json.dumps([{**one.model_dump(), "holds": one.holds} for one in promises], ensure_ascii=False))
    else:
        for one in promises:
            Console(highlight=False).print(_line(one, language), markup=False)
    if not all(one.holds for one in promises):
        raise typer.Exit(EXIT_CHECKS_FAILED)


def _engine_runs() -> list[tuple[str, bool]] | None:
    try:
        return runs_in(connect())
    except EnvironmentProblem:
        return None


def _line(one: Promise, language: str) -> str:
    title = word(f"promise.{one.id}", language)
    if one.checked is None:
        return f"– {one.id} {title}: {word('promise.not_asked', language)}"
    if one.holds:
        return f"✓ {one.id} {title}: {one.checked}"
    return f"✗ {one.id} {title}: {one.wrong}/{one.checked} · {', '.join(one.examples)}"
