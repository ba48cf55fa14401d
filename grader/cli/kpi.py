"""``grader kpi …``: the figure, what it is made of, and how it becomes a report."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from grader.cli.office import By, Reason, actor, day, moment, opened, say, show
from grader.cli.options import AsJson, Language, settings_for
from grader.errors import UsageProblem
from grader.kpi import Report, Round, Snapshot, bangkok_date, draft, fiscal_year
from grader.records import Records
from grader.reports import kpi as report
from grader.reports.catalogue import Lang
from grader.services import indicator
from grader.services.standings import settings_of

app = typer.Typer(
    invoke_without_command=True, help="ตัวชี้วัด · The indicator: figure, settings, rounds, snapshots, report."
)

Year = Annotated[
    int | None, typer.Option("--fiscal-year", metavar="BE", help="ปีงบประมาณ พ.ศ. ไม่ระบุคือปีนี้ · default: this one")
]
Code = Annotated[
    str, typer.Option("--round", metavar="CODE", help="รอบรายงาน ไม่ระบุคือรอบปัจจุบัน · default: the current one")
]
Digest = Annotated[str, typer.Argument(metavar="SHA256", help="รหัสของสรุปผล · digest of a snapshot")]


@app.callback()
def kpi(
    context: typer.Context,
    year: Year = None,
    code: Code = "",
    as_of: Annotated[str, typer.Option("--as-of", metavar="WHEN", help="ข้อมูล ณ · moment of the data")] = "",
    snapshot: Annotated[str, typer.Option("--snapshot", metavar="SHA256", help="สรุปผลที่เก็บไว้ · a kept snapshot")] = "",
    explain: Annotated[bool, typer.Option("--explain", help="เหตุผลรายคน · each person's reason")] = False,
    names: Annotated[bool, typer.Option("--names", help="แสดงชื่อคน (เฉพาะผู้มีสิทธิ์) · show names")] = False,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="เขียน CSV · write CSV")] = None,
    xlsx: Annotated[Path | None, typer.Option("--xlsx", metavar="FILE", help="เขียน XLSX · write XLSX")] = None,
    pdf: Annotated[Path | None, typer.Option("--pdf", metavar="FILE", help="เขียน PDF · write PDF")] = None,
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """ตัวชี้วัด พร้อม A และ B · The figure with its A and B.

    ค่าที่ยังไม่ยืนยันจะแสดงไว้เสมอ

    What nobody has confirmed is always named.
    """
    if context.invoked_subcommand is not None:
        return
    settings, language = settings_for(lang)
    for target in (csv, xlsx, pdf):
        if target is not None and not target.resolve().parent.is_dir():
            raise UsageProblem("usage.no_such_folder", path=str(target.parent))
    with opened(settings) as records:
        taken = _snapshot(records, year, code, moment(as_of), snapshot)
        document, rows = _document(records, taken, language, names=names or explain)
    for target, render in ((csv, report.to_csv), (xlsx, report.to_xlsx), (pdf, report.to_pdf)):
        if target is not None:
            target.write_bytes(render(document))
    if as_json:
        print(report.to_json(document))
        return
    report.render(document, Console(highlight=False), explain=rows if explain else ())


def print_figure(records: Records, language: str) -> None:
    """The figure of the current round, as ``grader kpi`` prints it."""
    document, _ = _document(records, _snapshot(records, None, "", None, ""), language, names=False)
    report.render(document, Console(highlight=False))


def _snapshot(records: Records, year: int | None, code: str, as_of: datetime | None, digest: str) -> Snapshot:
    if digest:
        with records.reading() as session:
            return indicator.read(session, digest)
    chosen = year or fiscal_year(_today())
    return indicator.live(records, chosen, code or _current(records, chosen), as_of=as_of)


def _document(
    records: Records, taken: Snapshot, language: str, *, names: bool
) -> tuple[report.KpiDocument, tuple[report.PersonRow, ...]]:
    lang: Lang = "en" if language == "en" else "th"
    with records.reading() as session:
        told = indicator.particulars(session, taken, names=names)
        kept = indicator.report_of(session, taken.sha256)
    of: Report = kept or draft(taken, by="–")
    return report.kpi_document(taken, told, of, lang), report.explain_rows(taken, told, lang)


def _current(records: Records, year: int) -> str:
    """The round of today, or the last one of a year that is over or has not begun."""
    with records.reading() as session:
        known = indicator.reporting_rounds(session, year)
    if not known:
        raise UsageProblem("indicator.round_missing", fiscal_year=year)
    running = [one for one in known if one.start <= _today() <= one.end]
    return (running or list(known))[0 if running else -1].code


def _today() -> date:
    return bangkok_date(datetime.now(UTC))


# -- what it is made of -----------------------------------------------------------------------------------------------


@app.command("settings")
def list_settings(lang: Language = "", as_json: AsJson = False) -> None:
    """ค่าที่ใช้ และใครยืนยัน · Every setting, and who confirmed it."""
    settings, language = settings_for(lang)
    with opened(settings) as records, records.reading() as session:
        now = settings_of(session)
    rows = [
        {
            "setting": key,
            "value": json.dumps(now.setting(key).value, ensure_ascii=False),
            "confirmed_by": now.setting(key).confirmed_by,
            "source": now.setting(key).source,
        }
        for key in (*now.changed, *(key for key in now.unconfirmed if key not in now.changed))
    ]
    show(rows, language, as_json=as_json, none="none.settings")


@app.command("set")
def set_value(
    values: Annotated[list[str], typer.Argument(metavar="KEY=VALUE", help="ค่าใหม่ (JSON) · new values, as JSON")],
    by: By = "",
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """เปลี่ยนค่า (กลับเป็นยังไม่ยืนยัน) · Change settings; they are unconfirmed again."""
    settings, language = settings_for(lang)
    wanted: dict[str, Any] = {}
    for pair in values:
        key, found, value = pair.partition("=")
        if not found:
            raise UsageProblem("usage.bad_setting", setting="KEY=VALUE", value=pair)
        wanted[key] = _plain(value)
    with opened(settings) as records:
        now = indicator.revise(records, wanted, by=actor(by))
    say("figure.set", language, as_json=as_json, version=now.version)


def _plain(value: str) -> Any:
    """JSON where it is JSON, but numbers stay text: 80.5 has no exact binary form."""
    try:
        return json.loads(value, parse_float=str)
    except ValueError:
        return value


@app.command("confirm")
def confirm(
    key: Annotated[str, typer.Argument(metavar="KEY", help="ค่า เช่น kpi.target · the setting")],
    source: Annotated[str, typer.Option("--source", metavar="TEXT", help="เลขที่หนังสือ · document")],
    confirmed_by: Annotated[str, typer.Option("--confirmed-by", metavar="NAME", help="ผู้ยืนยัน · who said so")] = "",
    by: By = "",
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """บันทึกว่าค่านี้ได้รับการยืนยัน · Note that a value was confirmed, and where."""
    settings, language = settings_for(lang)
    with opened(settings) as records:
        now = indicator.confirm(records, key, by=actor(by), source=source, confirmed_by=confirmed_by)
    say("figure.confirmed", language, as_json=as_json, setting=key, version=now.version)


@app.command("rounds")
def list_rounds(
    year: Year = None,
    propose: Annotated[bool, typer.Option("--propose", help="เพิ่มรอบตามแบบที่ตั้งไว้ · add those of the preset")] = False,
    by: By = "",
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """รอบรายงานของปี · The reporting rounds of a year."""
    settings, language = settings_for(lang)
    chosen = year or fiscal_year(_today())
    with opened(settings) as records:
        if propose:
            indicator.propose_rounds(records, chosen, by=actor(by))
        with records.reading() as session:
            known = indicator.reporting_rounds(session, chosen)
    rows = [
        {
            "code": one.code,
            "starts": one.start,
            "ends": one.end,
            "cutoff": one.cutoff_at,
            "report_due": one.report_due,
        }
        for one in known
    ]
    show(rows, language, as_json=as_json, none="none.reporting_rounds")


@app.command("cutoff")
def cutoff(
    code: Annotated[str, typer.Argument(metavar="CODE", help="รหัสรอบ · code of the reporting round")],
    at: Annotated[str, typer.Option("--at", metavar="WHEN", help="ตัดยอดเมื่อ (เวลาไทย) · cut-off (Bangkok)")] = "",
    due: Annotated[str, typer.Option("--due", metavar="DATE", help="กำหนดส่งรายงาน · report due")] = "",
    year: Year = None,
    by: By = "",
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """กำหนดวันตัดยอดและวันส่งรายงาน · Set when a round is cut off and its report due."""
    settings, language = settings_for(lang)
    chosen = year or fiscal_year(_today())
    with opened(settings) as records:
        with records.reading() as session:
            known = indicator.reporting_round(session, chosen, code)
        values = {"cutoff_at": moment(at, end_of_day=True), "report_due": day(due)}
        indicator.set_round(records, Round(**{**dict(known), **values}), by=actor(by))
    say(
        "figure.cutoff",
        language,
        as_json=as_json,
        code=code,
        cutoff=values["cutoff_at"],
        report_due=values["report_due"],
    )


# -- snapshots and report ---------------------------------------------------------------------------------------------


@app.command("freeze")
def freeze(
    year: Year = None,
    code: Code = "",
    replaces: Annotated[str, typer.Option("--replaces", metavar="SHA256", help="แก้ฉบับใด · which it corrects")] = "",
    reason: Reason = "",
    by: By = "",
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """เก็บสรุปผลของรอบแบบแก้ไม่ได้ · Keep the figure of a round for ever."""
    settings, language = settings_for(lang)
    chosen = year or fiscal_year(_today())
    with opened(settings) as records:
        made = indicator.freeze(
            records, chosen, code or _current(records, chosen), by=actor(by), replaces=replaces, reason=reason
        )
    say("figure.frozen", language, as_json=as_json, sha256=made.sha256, a=made.a, b=made.b, percent=made.percent)


@app.command("snapshots")
def snapshots(year: Year = None, code: Code = "", lang: Language = "", as_json: AsJson = False) -> None:
    """สรุปผลที่เก็บไว้ · The snapshots that are kept."""
    settings, language = settings_for(lang)
    with opened(settings) as records, records.reading() as session:
        rows = [
            {"sha256": one.sha256, "year": one.fy_be, "code": one.code, "as_of": one.as_of, "replaces": one.replaces}
            for one in indicator.kept(session, year, code)
        ]
    show(rows, language, as_json=as_json, none="none.snapshots")


@app.command("difference")
def difference(
    old: Digest,
    new: Annotated[str, typer.Argument(metavar="SHA256", help="รหัสของสรุปผลใหม่ · the newer one")],
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """ใครเข้าออก A หรือ B ระหว่างสองฉบับ · Who entered or left A or B between two snapshots."""
    settings, language = settings_for(lang)
    with opened(settings) as records, records.reading() as session:
        found = indicator.difference(session, old, new)
    rows = [
        {"person": one.key, "moves": " ".join(one.moves), "before": one.before, "after": one.after}
        for one in found.changes
    ]
    show(rows, language, as_json=as_json, none="none.changes")


@app.command("grant")
def grant(
    who: Annotated[str, typer.Argument(metavar="NAME", help="ผู้รับรอง · who may certify")],
    revoke: Annotated[bool, typer.Option("--revoke", help="ถอนสิทธิ์ · take it back")] = False,
    by: By = "",
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """ให้หรือถอนสิทธิ์รับรองรายงาน · Give or take back the right to certify."""
    settings, language = settings_for(lang)
    with opened(settings) as records:
        (indicator.revoke_certifier if revoke else indicator.grant_certifier)(records, who, by=actor(by))
    say("figure.revoked" if revoke else "figure.granted", language, as_json=as_json, person=who)


@app.command("report")
def move_report(
    digest: Digest,
    action: Annotated[
        str, typer.Argument(metavar="ACTION", help="ร่าง ส่ง ส่งกลับ รับรอง · draft submit send-back certify")
    ],
    reason: Reason = "",
    by: By = "",
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """เดินรายงานของสรุปผลไปข้างหน้า · Move the report of a snapshot on."""
    settings, language = settings_for(lang)
    with opened(settings) as records:
        if action == "draft":
            now = indicator.draft(records, digest, by=actor(by))
        elif action == "submit":
            now = indicator.submit(records, digest, by=actor(by))
        elif action == "send-back":
            now = indicator.send_back(records, digest, by=actor(by), reason=reason)
        elif action == "certify":
            now = indicator.certify(records, digest, by=actor(by), reason=reason)
        else:
            raise UsageProblem("usage.bad_setting", setting="ACTION", value=action)
    say("figure.report", language, as_json=as_json, state=now.state, sha256=digest)
