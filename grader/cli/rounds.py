"""``grader round …`` and ``grader roster …``: the work of a coordinator."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from sqlalchemy import func, select

from grader.cli.office import By, Reason, RoundCode, actor, day, moment, opened, say, show
from grader.cli.options import AsJson, Language, settings_for
from grader.errors import EXIT_INVALID, UsageProblem
from grader.packs import find_pack, load_pack
from grader.records import Assignment, Seat, TrainingRound
from grader.reports.catalogue import Lang, explain
from grader.rosters import RosterPreview, read_roster, write_csv, write_xlsx
from grader.services import rostering, rounds

round_app = typer.Typer(no_args_is_help=True, help="รุ่นอบรม · Training rounds and what they are given.")
roster_app = typer.Typer(no_args_is_help=True, help="รายชื่อผู้เข้าอบรม · Rosters: import, export, notes.")

Person = Annotated[str, typer.Argument(metavar="PERSON", help="รหัสบุคลากร · code of the person")]
Exercise = Annotated[str, typer.Argument(metavar="ID", help="รหัสแบบฝึกหัด · exercise id")]


@round_app.command("create")
def create(
    code: RoundCode,
    name: Annotated[str, typer.Option("--name", help="ชื่อรุ่น · name")] = "",
    starts: Annotated[str, typer.Option("--starts", metavar="DATE", help="วันแรก · first training day")] = "",
    ends: Annotated[str, typer.Option("--ends", metavar="DATE", help="วันสุดท้าย · last training day")] = "",
    sessions: Annotated[int, typer.Option("--sessions", min=0, help="จำนวนครั้งที่ลงเวลา · sessions")] = 0,
    by: By = "",
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """สร้างรุ่น · Make a training round."""
    settings, language = settings_for(lang)
    with opened(settings) as records:
        made = rounds.create_round(
            records, code=code, name=name, by=actor(by), starts_on=day(starts), ends_on=day(ends), sessions=sessions
        )
    say("round.created", language, as_json=as_json, code=made.code, id=made.id)


@round_app.command("list")
def list_rounds(lang: Language = "", as_json: AsJson = False) -> None:
    """รายชื่อรุ่น · All training rounds."""
    settings, language = settings_for(lang)
    with opened(settings) as records, records.reading() as session:
        people = dict(session.execute(select(Seat.round_id, func.count()).group_by(Seat.round_id)).all())
        given = session.execute(select(Assignment.round_id, Assignment.exercise).order_by(Assignment.exercise)).all()
        rows = [
            {
                "code": one.code,
                "name": one.name,
                "starts": one.starts_on,
                "ends": one.ends_on,
                "people": people.get(one.id, 0),
                "exercises": " ".join(exercise for training, exercise in given if training == one.id),
            }
            for one in session.scalars(select(TrainingRound).order_by(TrainingRound.code))
        ]
    show(rows, language, as_json=as_json, none="none.rounds")


@round_app.command("assign")
def assign(
    code: RoundCode,
    exercise: Annotated[str, typer.Argument(metavar="ID", help="รหัสหรือโฟลเดอร์ · exercise id or pack folder")],
    opens: Annotated[str, typer.Option("--opens", metavar="WHEN", help="เปิดรับ (เวลาไทย) · opens (Bangkok time)")] = "",
    closes: Annotated[str, typer.Option("--closes", metavar="WHEN", help="ปิดรับ (เวลาไทย) · closes")] = "",
    attempts: Annotated[int | None, typer.Option("--attempts", min=1, help="ส่งได้กี่ครั้ง · attempts")] = None,
    count_late: Annotated[bool, typer.Option("--count-late", help="นับงานที่ส่งช้าด้วย · late work counts, too")] = False,
    optional: Annotated[bool, typer.Option("--optional", help="ไม่บังคับ · not mandatory")] = False,
    by: By = "",
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """มอบแบบฝึกหัดให้รุ่น · Give an exercise to a round."""
    settings, language = settings_for(lang)
    pack = load_pack(find_pack(exercise, settings.exercises))
    with opened(settings) as records:
        given = rounds.assign(
            records,
            round_code=code,
            pack=pack,
            by=actor(by),
            opens_at=moment(opens),
            closes_at=moment(closes, end_of_day=True),
            attempts=attempts,
            late="count" if count_late else "mark",
            mandatory=not optional,
        )
    say("round.assigned", language, as_json=as_json, round=code, exercise=given.exercise, digest=given.digest)


@round_app.command("extend")
def extend(
    code: RoundCode,
    exercise: Exercise,
    person: Person,
    reason: Reason,
    closes: Annotated[str, typer.Option("--closes", metavar="WHEN", help="ปิดรับใหม่ · new closing time")] = "",
    attempts: Annotated[int | None, typer.Option("--attempts", min=1, help="เพิ่มกี่ครั้ง · so many more")] = None,
    by: By = "",
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """ขยายเวลาหรือจำนวนครั้งให้หนึ่งคน · More time or attempts for one person."""
    settings, language = settings_for(lang)
    with opened(settings) as records:
        with records.reading() as session:
            seat = rostering.seat_of(session, round_code=code, person_code=person).id
            assignment = rounds.assignment_of(session, code, exercise).id
        rounds.extend(
            records,
            assignment=assignment,
            seat=seat,
            by=actor(by),
            reason=reason,
            closes_at=moment(closes, end_of_day=True),
            attempts=attempts,
        )
    say("round.extended", language, as_json=as_json, round=code, exercise=exercise, person=person)


@roster_app.command("import")
def import_roster(
    code: RoundCode,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="ไฟล์ .csv หรือ .xlsx · the roster")],
    preview: Annotated[bool, typer.Option("--preview", help="ดูก่อน ไม่บันทึก · show only, change nothing")] = False,
    accept_renames: Annotated[
        bool, typer.Option("--accept-renames", help="ยืนยันชื่อที่เปลี่ยน · names that changed are right")
    ] = False,
    by: By = "",
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """นำเข้ารายชื่อ ทั้งหมดหรือไม่เลย · Import a roster, whole or not at all."""
    settings, language = settings_for(lang)
    try:
        read = read_roster(file.read_bytes(), file.name)
    except OSError as problem:
        raise UsageProblem("usage.path_unreadable", path=str(file), reason=problem.strerror or "") from problem
    _show_issues(read, language)
    if not read.ok:
        raise typer.Exit(EXIT_INVALID)
    with opened(settings) as records:
        if preview:
            with records.reading() as session:
                planned = rostering.plan(session, round_code=code, rows=read.rows)
        else:
            planned = rostering.import_roster(
                records, round_code=code, rows=read.rows, by=actor(by), accept_renames=accept_renames
            )
    say(
        "roster.planned" if preview else "roster.imported",
        language,
        as_json=as_json,
        added=len(planned.added),
        changed=len(planned.changed),
        missing=len(planned.missing),
        renamed=len(planned.renamed),
    )


@roster_app.command("export")
def export(
    code: RoundCode,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="ไฟล์ .csv หรือ .xlsx · where to write")],
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """ส่งออกรายชื่อ · Export a roster; importing it changes nothing."""
    settings, language = settings_for(lang)
    if file.suffix.lower() not in {".csv", ".xlsx"}:
        raise UsageProblem("usage.bad_setting", setting="FILE", value=file.name)
    with opened(settings) as records, records.reading() as session:
        rows = rostering.export(session, round_code=code)
    file.write_bytes(write_xlsx(rows) if file.suffix.lower() == ".xlsx" else write_csv(rows))
    say("roster.exported", language, as_json=as_json, file=str(file), people=len(rows))


@roster_app.command("note")
def note(
    code: RoundCode,
    person: Person,
    kind: Annotated[
        str,
        typer.Argument(metavar="NOTE", help="สถานะ เช่น check_in · check_in declined withdrew excluded …"),
    ],
    at: Annotated[str, typer.Option("--at", metavar="WHEN", help="เมื่อใด ไม่ระบุคือขณะนี้ · when; default: now")] = "",
    number: Annotated[int | None, typer.Option("--session", min=1, help="ครั้งที่ (check_in) · session")] = None,
    document: Annotated[str, typer.Option("--document", metavar="TEXT", help="เลขที่หนังสือ · document")] = "",
    reason: Reason = "",
    by: By = "",
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """บันทึกสถานะของผู้เข้าอบรม · Note what happened to a seat."""
    settings, language = settings_for(lang)
    with opened(settings) as records:
        with records.reading() as session:
            seat = rostering.seat_of(session, round_code=code, person_code=person).id
        rounds.note(
            records,
            seat=seat,
            kind=kind,
            by=actor(by),
            at=moment(at),
            reason=reason,
            document=document,
            session_number=number,
        )
    say("roster.noted", language, as_json=as_json, round=code, person=person, note=kind)


def _show_issues(read: RosterPreview, language: str) -> None:
    """Everything that is wrong or noteworthy, from the top of the file down."""
    lang: Lang = "en" if language == "en" else "th"
    console = Console(stderr=True, highlight=False)
    for mark, issues in (("✗", read.errors), ("!", read.warnings)):
        for issue in issues:
            text = explain(issue.code, issue.values, lang)
            console.print(f"{mark} {text.sentence} [{issue.code}]", markup=False)
