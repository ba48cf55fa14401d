"""Options that several commands share."""

from typing import Annotated

import typer

from grader.errors import UsageProblem
from grader.sandbox.images import BuildSettings
from grader.settings import Settings, read_settings

Language = Annotated[
    str, typer.Option("--lang", metavar="th|en", help="ภาษาของข้อความ · language of the texts", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="พิมพ์ JSON หนึ่งเอกสาร · one JSON document on stdout")]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed", metavar="N", min=0, help="เลขตั้งต้นของข้อมูล ไม่ระบุคือสุ่ม · seed of the data; default: a fresh one"
    ),
]
Jobs = Annotated[int, typer.Option("--jobs", metavar="N", min=1, max=8, help="ตรวจพร้อมกันกี่งาน · gradings at a time")]


def settings_for(language: str) -> tuple[Settings, str]:
    """The settings, and the language that was asked for or set."""
    settings = read_settings()
    if language not in {"", "th", "en"}:
        raise UsageProblem("usage.bad_language", value=language)
    return settings, language or settings.language


def build_settings(settings: Settings) -> BuildSettings:
    """What building images depends on. Settings do not know it, because the portal reads them and never builds."""
    return BuildSettings(
        constraints=settings.home / "constraints.txt",
        ca_bundle=settings.ca_bundle,
        index_url=settings.index_url,
        npm_registry_url=settings.npm_registry_url,
        composer_repository_url=settings.composer_repository_url,
    )
