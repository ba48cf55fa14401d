"""``grader check``: grade one folder or archive here, without a database; what a trainee runs."""

import secrets
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from grader.cli.console import live_phases
from grader.cli.options import AsJson, Language, Seed, build_settings, settings_for
from grader.errors import EXIT_CHECKS_FAILED, EXIT_ENVIRONMENT, EXIT_INVALID, EXIT_OK, UsageProblem
from grader.grading import grade
from grader.packs import Pack, find_pack, load_pack
from grader.reports import RENDERERS, Lang, terminal
from grader.sandbox.docker import DockerDriver

EXIT_BY_OUTCOME = {
    "pass": EXIT_OK,
    "fail": EXIT_CHECKS_FAILED,
    "rejected": EXIT_INVALID,
    "build_failed": EXIT_INVALID,
    "start_failed": EXIT_INVALID,
    "infrastructure": EXIT_ENVIRONMENT,
}
MAX_SEED = 2**31


def check(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="โฟลเดอร์หรือไฟล์ .zip ของงาน · folder or .zip of the project")
    ],
    exercise: Annotated[
        str, typer.Option("--exercise", metavar="ID", help="รหัสหรือโฟลเดอร์ของแบบฝึกหัด · exercise id or pack folder")
    ],
    seed: Seed = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="CHECK", help="ตรวจเฉพาะรายการนี้ (ใช้ซ้ำได้) · only this check; may be repeated"),
    ] = None,
    as_json: AsJson = False,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="เขียนผลเป็น JUnit XML · write JUnit XML")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="เขียนผลเป็น HTML ไฟล์เดียว · write one HTML file")
    ] = None,
    lang: Language = "",
) -> None:
    """ตรวจงานบนเครื่องนี้ · Grade a project and say what to mend.

    ผลจบด้วยรหัส 0 ผ่าน, 1 ไม่ผ่าน, 3 งานนี้รันไม่ได้, 4 เครื่องนี้ยังไม่พร้อม

    Exit codes: 0 passed, 1 not passed, 3 the project cannot start, 4 this machine is not ready.
    """
    settings, language = settings_for(lang)
    pack = load_pack(find_pack(exercise, settings.exercises))
    chosen = _chosen(pack, only or [])
    for target in (junit, html):
        if target is not None and not target.resolve().parent.is_dir():
            raise UsageProblem("usage.no_such_folder", path=str(target.parent))
    driver = DockerDriver.on_this_machine(settings.sandboxes, build_settings(settings))
    driver.require_images()  # before anything is done
    with closing(driver), live_phases(language) as listen:
        verdict = grade(
            path,
            pack,
            driver,
            seed=secrets.randbelow(MAX_SEED) if seed is None else seed,
            listen=listen,
            only=chosen,
        )
    wording: Lang = "en" if language == "en" else "th"
    for kind, target in (("junit", junit), ("html", html)):
        if target is not None:
            target.write_text(RENDERERS[kind](verdict, pack, wording), encoding="utf-8")
    if as_json:
        print(RENDERERS["json"](verdict, pack, wording))
    else:
        terminal.render(verdict, pack, wording, Console(highlight=False))
    raise typer.Exit(EXIT_OK if verdict.succeeded else EXIT_BY_OUTCOME[verdict.outcome])


def _chosen(pack: Pack, only: list[str]) -> frozenset[str]:
    """The checks asked for, whatever their case; an unknown one is named with those that exist."""
    known = {check.upper(): check for check in pack.checks}
    unknown = [check for check in only if check.upper() not in known]
    if unknown:
        raise UsageProblem("usage.unknown_check", check=", ".join(unknown), known=", ".join(pack.checks))
    return frozenset(known[check.upper()] for check in only)
