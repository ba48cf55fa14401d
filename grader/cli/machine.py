"""``grader setup`` and ``grader doctor``: prepare this machine, and say what holds on it."""

import json
import time
from dataclasses import asdict
from typing import Annotated

import typer
from rich.cells import cell_len, set_cell_size
from rich.console import Console

from grader.cli.console import ERRORS
from grader.cli.options import AsJson, Language, build_settings, settings_for
from grader.cli.words import word
from grader.errors import EXIT_ENVIRONMENT, EnvironmentProblem
from grader.reports.catalogue import Lang, explain
from grader.reports.wrapping import wrap
from grader.sandbox import layers, reaper
from grader.sandbox.doctor import Diagnosis, examine_host
from grader.sandbox.host import ensure_engine
from grader.sandbox.images import ImageStore
from grader.services.addresses import GitHosts
from grader.worker.git import need_git

STATE_CELLS, TOPIC_CELLS, MIN_WORDS_CELLS = 13, 12, 20
"""Widths of the doctor's columns."""


def setup(
    lang: Language = "",
    forget_layers: Annotated[
        bool, typer.Option("--forget-layers", help="ลบชั้นแพ็กเกจที่เก็บไว้ · remove cached dependency layers")
    ] = False,
) -> None:
    """เตรียม engine และ image · Prepare the engine and the images.

    สั่งซ้ำได้ ทำเฉพาะส่วนที่ยังขาด

    Can be repeated; only what is missing is made.
    """
    settings, language = settings_for(lang)
    started = time.monotonic()

    def say(what: str) -> None:
        ERRORS.print(f"{time.monotonic() - started:6.1f} s  {what}"[: ERRORS.width], markup=False, soft_wrap=True)

    client = ensure_engine(say)
    removed = reaper.reap(client)
    if removed:
        say(f"removed {removed} leftovers of killed gradings")
    if forget_layers:
        say(f"removed {layers.remove_layers(client)} dependency layers")
    images = ImageStore(client, settings.sandboxes, build_settings(settings))
    images.build_all(lambda name, what: say(f"{name}: {what}"))
    say(word("setup.done", language))


def doctor(lang: Language = "", as_json: AsJson = False) -> None:
    """ดูว่าเครื่องนี้พร้อมหรือไม่ · Say what holds on this host.

    บอกสิ่งที่ต้องทำสำหรับส่วนที่ยังไม่พร้อม

    For what does not hold, it says what to do.
    """
    settings, language = settings_for(lang)
    lines = [*examine_host(settings.sandboxes, build_settings(settings)), *examine_git(settings.git)]
    if as_json:
        print(json.dumps({"schema": "doctor/1", "lines": [asdict(line) for line in lines]}, ensure_ascii=False))
    else:
        console = Console(highlight=False)
        wording: Lang = "en" if language == "en" else "th"
        for line in lines:
            state = word(f"state.{line.state}", language)
            _columns(console, state, line.topic, line.detail)
            if line.advice:
                _columns(console, "", "", f"→ {explain(line.advice, {}, wording).next_step}")
    if any(line.state == "fail" for line in lines):
        raise typer.Exit(EXIT_ENVIRONMENT)


def examine_git(hosts: GitHosts) -> list[Diagnosis]:
    """Whether this machine can fetch work, where it is to; nothing is said where it is not."""
    if not hosts.names:
        return []
    try:
        program = need_git()
    except EnvironmentProblem as problem:
        return [
            Diagnosis(topic="git", state="fail", detail=str(problem.params.get("found") or ""), advice=problem.code)
        ]
    return [Diagnosis(topic="git", state="ok", detail=f"{program}; {', '.join(hosts.names)}")]


def _columns(console: Console, state: str, topic: str, words: str) -> None:
    """One line of the doctor; Thai marks take no column, and a long text hangs below its own beginning."""
    lead = set_cell_size(state, STATE_CELLS) + set_cell_size(topic, TOPIC_CELLS)
    for place, part in enumerate(wrap(words, max(MIN_WORDS_CELLS, console.width - cell_len(lead)))):
        console.print(f"{lead if place == 0 else ' ' * cell_len(lead)}{part}", markup=False, soft_wrap=True)
