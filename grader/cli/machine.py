"""``grader setup`` and ``grader doctor``: prepare this machine, and say what holds on it."""

import json
import time
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from grader.cli.console import ERRORS
from grader.cli.options import AsJson, Language, settings_for
from grader.cli.words import word
from grader.errors import EXIT_ENVIRONMENT
from grader.reports.catalogue import Lang, explain
from grader.sandbox import layers, reaper
from grader.sandbox.doctor import examine_host
from grader.sandbox.host import ensure_engine
from grader.sandbox.images import ImageStore


def setup(
    lang: Language = "",
    forget_layers: Annotated[
        bool, typer.Option("--forget-layers", help="ลบชั้นแพ็กเกจที่เก็บไว้ · remove cached dependency layers")
    ] = False,
) -> None:
    """เตรียมเครื่อง: engine และ image ทั้งหมด (ทำซ้ำได้) · Prepare the engine and the images; can be repeated."""
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
    ImageStore(client, settings.sandboxes, settings.build).build_all(lambda name, what: say(f"{name}: {what}"))
    say(word("setup.done", language))


def doctor(lang: Language = "", as_json: AsJson = False) -> None:
    """บอกว่าเครื่องนี้พร้อมแค่ไหน และต้องทำอะไร · Say what holds on this host and what to do about the rest."""
    settings, language = settings_for(lang)
    lines = examine_host(settings.sandboxes, settings.build)
    if as_json:
        print(json.dumps({"schema": "doctor/1", "lines": [asdict(line) for line in lines]}, ensure_ascii=False))
    else:
        console = Console(highlight=False)
        wording: Lang = "en" if language == "en" else "th"
        for line in lines:
            state = word(f"state.{line.state}", language)
            console.print(f"{state:<12} {line.topic:<10} {line.detail}", markup=False)
            if line.advice:
                console.print(f"             → {explain(line.advice, {}, wording).next_step}", markup=False)
    if any(line.state == "fail" for line in lines):
        raise typer.Exit(EXIT_ENVIRONMENT)
