"""``grader account …``: who may sign in to the portal, and with which roles."""

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import select

from grader.cli.office import By, RoundCode, actor, opened, say, show
from grader.cli.options import AsJson, Language, settings_for
from grader.errors import UsageProblem
from grader.records import Account, AccountRole, Person, Records
from grader.services import exporting
from grader.services.accounts import links, people, second_factor

app = typer.Typer(no_args_is_help=True, help="บัญชีผู้ใช้ของเว็บ · Accounts of the portal and their roles.")

Login = Annotated[str, typer.Argument(metavar="LOGIN", help="ชื่อผู้ใช้ · the login")]
RoleName = Annotated[
    str,
    typer.Argument(metavar="ROLE", help="บทบาท · instructor, coordinator, finance, executive or admin"),
]
OneRound = Annotated[
    str, typer.Option("--round", metavar="CODE", help="เฉพาะรุ่นนี้ ไม่ระบุคือทุกรุ่น · this round only; default: all")
]


@app.command("create")
def create(
    login: Login,
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="ชื่อที่แสดง · the name that is shown")] = "",
    email: Annotated[str, typer.Option("--email", metavar="ADDRESS", help="อีเมล · address")] = "",
    person: Annotated[
        str, typer.Option("--person", metavar="CODE", help="รหัสบุคลากรในรายชื่อ · code of somebody on a roster")
    ] = "",
    speaks: Annotated[
        str, typer.Option("--language", metavar="th|en", help="ภาษาของหน้าเว็บ · language of the pages")
    ] = "th",
    by: By = "",
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """สร้างบัญชี ยังไม่มีรหัสผ่านและบทบาท · Make an account, without password and role."""
    settings, language = settings_for(lang)
    with opened(settings) as records:
        made = people.create(
            records,
            login=login,
            name=name,
            by=actor(by),
            email=email,
            person=_person(records, person) if person else None,
            language=speaks,
        )
    say("account.created", language, as_json=as_json, login=made.login, id=made.id)


@app.command("list")
def list_accounts(lang: Language = "", as_json: AsJson = False) -> None:
    """บัญชีทั้งหมดพร้อมบทบาท · All accounts with their roles."""
    settings, language = settings_for(lang)
    with opened(settings) as records, records.reading() as session:
        held = dict[str, list[str]]()
        for one in session.scalars(select(AccountRole).order_by(AccountRole.role)):
            held.setdefault(one.account_id, []).append(f"{one.role}:{one.round.code}" if one.round else one.role)
        rows = [
            {
                "login": one.login,
                "name": one.shown_name,
                "roles": " ".join(sorted(held.get(one.id, ()))),
                "has_password": bool(one.password_hash),
                "disabled": one.disabled_at,
                "id": one.id,
            }
            for one in people.accounts(session)
        ]
    show(rows, language, as_json=as_json, none="none.accounts")


@app.command("grant")
def grant(
    login: Login, role: RoleName, training: OneRound = "", by: By = "", lang: Language = "", as_json: AsJson = False
) -> None:
    """ให้บทบาท ผู้ใช้ต้องเข้าสู่ระบบใหม่ · Give a role; the account signs in again."""
    settings, language = settings_for(lang)
    with opened(settings) as records:
        account = _account(records, login)
        people.grant(records, account=account.id, role=role, by=actor(by), round_code=training)
    say("account.granted", language, as_json=as_json, login=account.login, role=role, round=training)


@app.command("revoke")
def revoke(
    login: Login, role: RoleName, training: OneRound = "", by: By = "", lang: Language = "", as_json: AsJson = False
) -> None:
    """ถอนบทบาท มีผลทันที · Take a role away, at once."""
    settings, language = settings_for(lang)
    with opened(settings) as records:
        account = _account(records, login)
        people.revoke(records, account=account.id, role=role, by=actor(by), round_code=training)
    say("account.revoked", language, as_json=as_json, login=account.login, role=role, round=training)


@app.command("disable")
def disable(login: Login, by: By = "", lang: Language = "", as_json: AsJson = False) -> None:
    """ระงับบัญชี มีผลทันที · Let nobody in by this account any more, at once."""
    settings, language = settings_for(lang)
    with opened(settings) as records:
        account = _account(records, login)
        people.disable(records, account=account.id, by=actor(by))
    say("account.disabled", language, as_json=as_json, login=account.login)


@app.command("enable")
def enable(login: Login, by: By = "", lang: Language = "", as_json: AsJson = False) -> None:
    """เปิดใช้บัญชีอีกครั้ง · Let somebody in again."""
    settings, language = settings_for(lang)
    with opened(settings) as records:
        account = _account(records, login)
        people.enable(records, account=account.id, by=actor(by))
    say("account.enabled", language, as_json=as_json, login=account.login)


@app.command("link")
def link(
    login: Login,
    hours: Annotated[
        float | None, typer.Option("--hours", metavar="N", help="ใช้ได้กี่ชั่วโมง · how long it lasts; default: 15 minutes")
    ] = None,
    by: By = "",
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """ลิงก์ตั้งรหัสผ่าน ใช้ได้ครั้งเดียว · A link to set the password, once."""
    settings, language = settings_for(lang)
    with opened(settings) as records:
        account = _account(records, login)
        secret = links.make(records, account=account.id, by=actor(by), hours=hours)
    say("account.link", language, as_json=as_json, login=account.login, path=_path(secret))


@app.command("reset-second-factor")
def reset_second_factor(login: Login, by: By = "", lang: Language = "", as_json: AsJson = False) -> None:
    """ล้างขั้นที่สอง ผู้ใช้ตั้งใหม่เมื่อเข้าสู่ระบบ · Forget the second factor of who lost it."""
    settings, language = settings_for(lang)
    with opened(settings) as records:
        account = _account(records, login)
        second_factor.reset(records, account=account.id, by=actor(by))
    say("account.second_factor_reset", language, as_json=as_json, login=account.login)


@app.command("first-admin")
def first_admin(by: By = "", lang: Language = "", as_json: AsJson = False) -> None:
    """ผู้ดูแลระบบคนแรก · The first administrator: an account, and a link to set its password.

    ถ้ามีผู้ดูแลระบบแล้วจะไม่ทำอะไร

    Does nothing when somebody is administrator already.
    """
    settings, language = settings_for(lang)
    with opened(settings) as records:
        secret = links.first_admin(records, by=actor(by))
    if secret is None:
        say("account.admin_exists", language, as_json=as_json)
    else:
        say("account.link", language, as_json=as_json, login=links.FIRST_LOGIN, path=_path(secret))


@app.command("roster")
def roster(
    code: RoundCode,
    days: Annotated[float, typer.Option("--days", metavar="N", help="ลิงก์ใช้ได้กี่วัน · how long the links last")] = 7,
    again: Annotated[
        bool, typer.Option("--again", help="ลิงก์ใหม่ให้ผู้ที่ยังไม่ตั้งรหัสผ่าน · new links for who set no password")
    ] = False,
    by: By = "",
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """บัญชีและลิงก์ของผู้เข้าอบรมทั้งรุ่น · Accounts and links for all trainees of a round.

    ผู้ที่มีบัญชีแล้วจะไม่เปลี่ยน

    Who has an account already keeps it as it is.
    """
    settings, language = settings_for(lang)
    with opened(settings) as records:
        made = links.accounts_for_roster(records, round_code=code, by=actor(by), days=days, again=again)
    rows = [{"login": login, "path": _path(secret)} for login, secret in made]
    show(rows, language, as_json=as_json, none="none.new_accounts")


@app.command("export")
def export(
    login: Annotated[
        str, typer.Argument(metavar="LOGIN", help="ชื่อผู้ใช้ หรือรหัสบุคลากร · a login, or the code of a person")
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="ไฟล์ ZIP ใหม่ · the ZIP to write; must not be there yet")],
    by: By = "",
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """ทุกอย่างที่มีเกี่ยวกับคนหนึ่ง สำหรับคนนั้น · Everything about one person, for that person."""
    settings, language = settings_for(lang)
    with opened(settings) as records:
        with records.reading() as session:
            subject = exporting.subject_of(session, login)
        made = exporting.write_file(records, subject, file, by=actor(by))
    rows = sum(made.rows.values())
    say("account.exported", language, as_json=as_json, file=str(file), rows=rows, archives=made.archives)


def _account(records: Records, login: str) -> Account:
    with records.reading() as session:
        return people.account_by_login(session, login)


def _person(records: Records, code: str) -> str:
    with records.reading() as session:
        found = session.scalar(select(Person.id).where(Person.code == code))
    if found is None:
        raise UsageProblem("records.not_found", what=code)
    return found


def _path(secret: str) -> str:
    """Where the portal takes a link; its address stands before it."""
    return f"/link/{secret}"
