"""``grader backup``, ``restore`` and ``purge``: the work of an operator."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from grader.cli.office import By, Reason, actor, opened, say, show
from grader.cli.options import AsJson, Language, settings_for
from grader.errors import EXIT_CHECKS_FAILED, UsageProblem
from grader.services import keeping, purging, restoring

Days = int | None


def backup(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="ไฟล์หรือโฟลเดอร์ปลายทาง · file or folder to write to")],
    check: Annotated[bool, typer.Option("--check", help="ตรวจไฟล์สำรอง ไม่สำรองใหม่ · prove a backup instead")] = False,
    key: Annotated[str, typer.Option("--key", metavar="ID", help="รหัสกุญแจที่จดไว้ · the key's id you noted")] = "",
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """สำรองข้อมูลทั้งหมดเป็นไฟล์เดียว · Back up everything into one file.

    ไฟล์มีกุญแจลงนามอยู่ด้วย เก็บไว้ในที่ปลอดภัย

    The file holds the signing key; keep it safe.
    """
    settings, language = settings_for(lang)
    if check:
        proof = keeping.check_backup(path, key=key)
        rows = [{"part": wrong.partition(" ")[0], "problem": wrong.partition(" ")[2]} for wrong in proof.wrong]
        show(rows, language, as_json=as_json, none="kept.holds")
        raise typer.Exit(EXIT_CHECKS_FAILED if rows else 0)
    with opened(settings) as records:
        made = keeping.backup(records, path)
    say(
        "kept.backed_up",
        language,
        as_json=as_json,
        file=str(made.file),
        as_of=made.as_of,
        rows=sum(made.rows.values()),
        blobs=made.blobs,
        bytes=made.bytes,
        manifest=made.digest,
        key=made.key,
    )


def restore(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="ไฟล์สำรอง · the backup")],
    by: By = "",
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """กู้ข้อมูลลงที่ว่าง แล้วตรวจทุกข้อ · Restore into an empty place, then check every promise."""
    settings, language = settings_for(lang)
    made = restoring.restore(path, settings.data, settings.database_url, by=actor(by))
    say(
        "kept.restored",
        language,
        as_json=as_json,
        folder=str(made.folder),
        as_of=made.as_of,
        lost=str(made.lost),
        seconds=round(made.seconds, 1),
        rows=made.rows,
        blobs=made.blobs,
    )


def purge(
    code: Annotated[
        Days, typer.Option("--code-older-than", metavar="DAYS", min=1, help="ลบโค้ดที่เก่ากว่า (วัน) · code older than")
    ] = None,
    names: Annotated[
        Days, typer.Option("--names-older-than", metavar="DAYS", min=1, help="ลบชื่อที่เก่ากว่า (วัน) · names older than")
    ] = None,
    person: Annotated[str, typer.Option("--person", metavar="CODE", help="ลบข้อมูลคนเดียว · forget one person")] = "",
    reason: Reason = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="ดูก่อน ไม่ลบ · show only, remove nothing")] = False,
    by: By = "",
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """ลบข้อมูลที่พ้นกำหนดเก็บ · Remove what need not be kept any longer.

    ไม่มีอะไรถูกลบจนกว่าจะระบุอายุหรือบุคคล หรือตั้งค่าระยะเก็บไว้

    Nothing of people goes unless an age or a person is named, or the settings say how long it is kept.
    """
    settings, language = settings_for(lang)
    if person and (code or names):
        raise UsageProblem("usage.bad_setting", setting="--person", value=person)
    # An age that was given counts; else the one that the office confirmed, which the privacy notice tells people.
    code = settings.keep_code_days if code is None else code
    names = settings.keep_names_days if names is None else names
    with opened(settings) as records:
        if person:
            made = purging.erase_person(records, person=person, by=actor(by), reason=reason, dry_run=dry_run)
        else:
            made = purging.purge(
                records,
                by=actor(by),
                code_older_than=None if code is None else timedelta(days=code),
                names_older_than=None if names is None else timedelta(days=names),
                dry_run=dry_run,
            )
    say(
        "kept.planned" if dry_run else "kept.removed",
        language,
        as_json=as_json,
        submissions=len(made.submissions),
        people=len(made.people),
        files=made.files,
        bytes=made.bytes,
        waiting=made.waiting,
        left=", ".join(made.left),
    )
