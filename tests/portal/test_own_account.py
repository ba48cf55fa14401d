"""One's own account: everything about oneself in one file and nothing of others, another password, other sessions."""

import io
import json
import zipfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from grader.cli import app as command
from grader.errors import EnvironmentProblem, UsageProblem
from grader.records import Base, Person, Seat, Submission
from grader.services import exporting, purging
from grader.services.accounts import links, sessions, tokens
from grader.services.purging import erase_person
from portal.app import create_app
from tests.fixtures.portal import (
    OWNER_CANARY,
    PACK,
    PASSWORD,
    PEER_CANARY,
    Browser,
    World,
    grade,
    session_of,
    verdict_for,
    words_of,
)

NEW = "หมูปิ้ง-สามไม้-กับข้าวเหนียว"


def unpacked(content: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The tables of an export, and all its files."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert file.testzip() is None
        files = {name: file.read(name) for name in file.namelist()}
    return json.loads(files[exporting.DATA]), files


def exported(world: World, who: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What somebody gets who presses the button."""
    answer = world.browser(who).post("/my-data/export")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert "attachment" in answer.headers["content-disposition"]
    assert int(answer.headers["content-length"]) == len(answer.content)
    return unpacked(answer.content)


# -- what is in it ----------------------------------------------------------------------------------------------------


def test_every_table_is_written_or_has_a_reason() -> None:
    """The inventory of all tables: one that somebody adds stands in neither list, and fails here."""
    written = {*exporting.PARTS, "audit"}
    tables = Base.metadata.tables
    assert written | set(exporting.LEFT_OUT) == set(tables)
    assert written & set(exporting.LEFT_OUT) == set()
    assert all(len(why) > 10 for why in (*exporting.LEFT_OUT.values(), *exporting.WITHHELD.values()))
    assert {(table, column) for table, column in exporting.WITHHELD if column not in tables[table].columns} == set()


def test_what_leads_to_a_person_is_written() -> None:
    """A table that refers to a person, an account, a seat, a submission or a job is left out of no export."""
    people_of = {"person", "account", "seat", "submission", "job"}
    leading = {
        table.name
        for table in Base.metadata.sorted_tables
        if any(key.column.table.name in people_of for key in table.foreign_keys)
    }
    assert leading >= {"seat", "submission", "grading", "appeal", "portal_session", "identity"}
    assert leading - set(exporting.PARTS) == set()


def test_every_column_of_every_row_is_there(fresh_world: World) -> None:
    """What the database holds of the owner is in the file: rows counted by themselves, columns by the inventory."""
    data, _ = exported(fresh_world, "owner")
    tables = data["tables"]
    for name, rows in tables.items():
        wanted = {column.name for column in Base.metadata.tables[name].columns}
        wanted -= {column for table, column in exporting.WITHHELD if table == name}
        wanted |= {"archive"} if name == "submission" else set()
        assert all(set(row) == wanted for row in rows), name
    with fresh_world.records.reading() as session:
        seat = session.get_one(Seat, fresh_world.seats["owner"])
        work = {one.id for one in session.query(Submission).where(Submission.seat_id == seat.id)}
    assert {row["id"] for row in tables["submission"]} == work
    assert {row["id"] for row in tables["seat"]} == {seat.id}
    assert [row["text"] for row in tables["appeal"]] == ["ข้อนี้กำกวม"]
    assert [row["name"] for row in tables["person"]] == ["นางสาว owner สาธิต"]
    assert len(tables["certificate"]) == len(tables["portal_session"]) == len(tables["grading"]) == 1
    actions = {row["action"] for row in tables["audit"]}
    assert {"account.created", "submission.received", "appeal.made", "certificate.issued"} <= actions


def test_work_and_verdicts_are_files(fresh_world: World) -> None:
    """Archives are what was handed in, byte for byte; a verdict is whole."""
    data, files = exported(fresh_world, "owner")
    sent = {row["id"]: files[row["archive"]] for row in data["tables"]["submission"]}
    assert sent[fresh_world.work["owner.failed"]] == b"1"
    assert sent[fresh_world.work["owner.waiting"]] == b"5"
    (grading,) = data["tables"]["grading"]
    assert OWNER_CANARY in files[grading["verdict"]].decode()
    assert "ข้อมูลทั้งหมด" in files[exporting.README].decode()
    assert "Everything" in files[exporting.README].decode()


def test_nothing_of_others_and_nothing_that_opens_a_door_is_in_it(fresh_world: World) -> None:
    """Neither another trainee's ids and names, nor the name of who decided, nor a hash that proves who somebody is."""
    records, account = fresh_world.records, fresh_world.accounts["owner"].id
    link = links.make(records, account=account, by="admin")
    links.use(records, secret=link, password=PASSWORD)
    secret = session_of(records, account)
    token = tokens.make(records, account=account, name="t", scopes=["read"], by="owner", days=30)
    fresh_world.browsers["owner"] = Browser(fresh_world.app, secret)
    _, files = exported(fresh_world, "owner")
    everything = b"".join(files.values()).decode()
    with records.reading() as session:
        stored = session.get_one(type(fresh_world.accounts["owner"]), account)
        peer = session.get_one(Seat, fresh_world.seats["peer"]).person_id
    hidden = [secret, link, token, stored.password_hash, PEER_CANARY, peer, fresh_world.seats["peer"]]
    hidden += [fresh_world.work["peer.failed"], fresh_world.accounts["peer"].id, '"by": "setup"']
    from grader.services.accounts.identifiers import digest  # noqa: PLC0415 - only here

    hidden += [digest(one) for one in (secret, link, token)]
    assert [one for one in hidden if one in everything] == []
    assert exporting.OTHER in everything


def test_what_somebody_did_to_others_stays_theirs(fresh_world: World) -> None:
    """Staff read that they acted, and on which id; what they wrote about somebody is not in their file."""
    address = f"/review/{fresh_world.work['owner.failed']}"
    reason = "ดูแล้วถูกต้องตามโจทย์ข้อสาม"
    page = fresh_world.browser("instructor").get(address)
    assert page.status_code == 200
    from grader.services import overriding  # noqa: PLC0415 - only here

    overriding.override(
        fresh_world.records, submission=fresh_world.work["owner.failed"], to="pass", by="instructor", reason=reason
    )
    theirs, _ = exported(fresh_world, "instructor")
    line = next(one for one in theirs["tables"]["audit"] if one["action"] == "result.overridden")
    assert (line["by"], line["object"]) == ("instructor", fresh_world.work["owner.failed"])
    assert (line["before"], line["after"]) == (None, None)
    assert reason not in json.dumps(theirs, ensure_ascii=False)
    mine, _ = exported(fresh_world, "owner")
    assert [row["reason"] for row in mine["tables"]["override"]] == [reason]
    assert [row["by"] for row in mine["tables"]["override"]] == [exporting.OTHER]


def test_removed_work_is_said_to_be_gone(fresh_world: World) -> None:
    """A row without its file says so, and the rest is there all the same, also when a content was lost."""
    lost = fresh_world.work["other.passed"]
    with fresh_world.records.reading() as session:
        path = fresh_world.records.blobs.path(session.get_one(Submission, lost).sha256)
    path.unlink()
    data, files = exported(fresh_world, "other")
    assert [row["archive"] for row in data["tables"]["submission"]] == [None]
    assert not [name for name in files if name.startswith("work/")]
    peer = fresh_world.accounts["peer"].id
    with fresh_world.records.reading() as session:
        code = session.get_one(Seat, fresh_world.seats["peer"]).person.code
    erase_person(fresh_world.records, person=code, by="office", reason="ขอลบ")
    with fresh_world.records.reading() as session:
        login = session.get_one(type(fresh_world.accounts["peer"]), peer).login
        subject = exporting.subject_of(session, login)
    stream = io.BytesIO()
    exporting.write(fresh_world.records, subject, stream, by="office")
    data, _ = unpacked(stream.getvalue())
    assert [row["name"] for row in data["tables"]["person"]] == [""]


# -- who gets it ------------------------------------------------------------------------------------------------------


def test_it_is_noted_and_limited(fresh_world: World) -> None:
    """Each one leaves an entry, which the next one shows; whoever asks too often waits."""
    owner = fresh_world.browser("owner")
    assert owner.get("/my-data").status_code == 200
    exported(fresh_world, "owner")
    data, _ = exported(fresh_world, "owner")
    mine = fresh_world.accounts["owner"].id
    noted = [(one["by"], one["object"]) for one in data["tables"]["audit"] if one["action"] == "account.exported"]
    assert noted == [(mine, mine)] * 2
    codes = [owner.post("/my-data/export").status_code for _ in range(3)]
    assert codes == [200, 200, 429]


def test_without_its_entry_there_is_no_file(fresh_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An audit that cannot be written refuses the export before anything was read."""
    from grader.records import audit  # noqa: PLC0415 - only here

    def broken(*_given: object, **_named: object) -> None:
        raise EnvironmentProblem("records.unavailable", problem="x")

    monkeypatch.setattr(audit, "append", broken)
    answer = fresh_world.browser("owner").post("/my-data/export")
    assert answer.status_code == 503
    assert "zip" not in answer.headers["content-type"]


def test_half_a_letter_stays_in_it(fresh_world: World) -> None:
    """What an app answered may be no text that has bytes; the file is made all the same, and says what it was."""
    made = grade(fresh_world.records, verdict_for(PACK).model_copy(update={"log": ("half \ud800",)}))
    data, files = exported(fresh_world, "owner")
    (name,) = [one["verdict"] for one in data["tables"]["grading"] if one["submission_id"] == made]
    assert json.loads(files[name])["log"] == ["half \ud800"]


def test_the_command_writes_it_for_who_asked_on_paper(
    fresh_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By login, or by the code of somebody without an account; never over a file that is there."""
    records = fresh_world.records
    with records.change(by="setup") as change:
        unit = change.session.get_one(Seat, fresh_world.seats["owner"]).unit_id
        change.session.add(
            Person(id="per_alone", code="p-alone", name="นางสาว ไม่มี บัญชี", unit_id=unit, created_at=change.at)
        )
        change.audit("roster.imported", "test")
    monkeypatch.setenv("GRADER_DATA", str(records.folder))
    for name, table in (("owner", "account"), ("p-alone", "person")):
        target = tmp_path / f"{name}.zip"
        first, again = (CliRunner().invoke(command, ["account", "export", name, str(target)]) for _ in range(2))
        assert first.exit_code == 0, first.output
        assert getattr(again.exception, "code", "") == "account.export_exists"
        assert target.stat().st_mode & 0o077 == 0
        assert len(unpacked(target.read_bytes())[0]["tables"][table]) == 1
    missing = CliRunner().invoke(command, ["account", "export", "owner", str(tmp_path / "no" / "x.zip")])
    assert getattr(missing.exception, "code", "") == "account.export_failed"
    with records.reading() as session, pytest.raises(UsageProblem):
        exporting.subject_of(session, "nobody-there")


# -- password and sessions --------------------------------------------------------------------------------------------


def test_a_password_is_changed_by_who_knows_it(fresh_world: World) -> None:
    """With the present one; the session in which it is done stays, all others end, and nothing typed is shown again."""
    records, account = fresh_world.records, fresh_world.accounts["owner"].id
    links.use(records, secret=links.make(records, account=account, by="admin"), password=PASSWORD)
    here, there = (Browser(fresh_world.app, session_of(records, account)) for _ in range(2))
    for lang in ("th", "en"):
        assert here.get(f"/password?lang={lang}").status_code == 200
    for old, new in (("wrong-one-entirely", NEW), (PASSWORD, "short"), ("", "")):
        refused = here.post("/password", data={"password": old, "new": new})
        assert refused.status_code == 422
        assert not [one for one in (old, new) if one and one in refused.text]
    assert here.post("/password", data={"password": PASSWORD, "new": NEW}).status_code == 303
    assert (here.get("/").status_code, there.get("/").status_code) == (200, 303)
    stranger = fresh_world.browser("stranger")
    for password, status in ((PASSWORD, 422), (NEW, 303)):
        assert stranger.post("/sign-in", data={"login": "owner", "password": password}).status_code == status


def test_guessing_the_present_password_takes_longer_each_time(fresh_world: World) -> None:
    """Who found a browser open gets no more tries than at the door."""
    owner = fresh_world.browser("owner")
    codes = [owner.post("/password", data={"password": f"guess-{n}", "new": NEW}).status_code for n in range(7)]
    assert codes[0] == 422
    assert codes[-1] == 429


def test_all_others_end_and_this_one_stays(fresh_world: World) -> None:
    """The button is there when there is another; one's own browser goes on."""
    account = fresh_world.accounts["owner"].id
    owner = fresh_world.browser("owner")
    assert "/sessions/end-others" not in owner.get("/sessions").text
    other = Browser(fresh_world.app, sessions.open(fresh_world.records, account=account))
    peer = fresh_world.browser("peer")
    assert "/sessions/end-others" in owner.get("/sessions").text
    assert owner.post("/sessions/end-others").status_code == 303
    assert [one.get("/").status_code for one in (owner, other, peer)] == [200, 303, 200]


def test_who_found_a_browser_open_gets_neither(fresh_world: World) -> None:
    """A session whose owner proved nothing lately has to confirm first; no file leaves and no password changes."""
    records, account = fresh_world.records, fresh_world.accounts["owner"].id
    stale = Browser(fresh_world.app, sessions.open(records, account=account))
    before = {"data": {"password": PASSWORD, "new": NEW}}
    for address, form in (("/my-data/export", {}), ("/password", before)):
        answer = stale.post(address, **form)
        assert answer.status_code in {303, 403}, answer.status_code
        assert "zip" not in answer.headers.get("content-type", "")
    with records.reading() as session:
        assert session.get_one(type(fresh_world.accounts["owner"]), account).password_hash == ""


def test_a_token_reads_no_export(fresh_world: World) -> None:
    """A file on somebody's disk must not be enough for everything about them."""
    account = fresh_world.accounts["owner"].id
    token = tokens.make(fresh_world.records, account=account, name="t", scopes=["read"], by="owner", days=30)
    stranger = fresh_world.browser("stranger")
    answer = stranger.post("/my-data/export", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in")


def test_every_cookie_is_for_this_host_alone(fresh_world: World) -> None:
    """Whatever a page keeps in the browser: over TLS only, for no other host, and out of reach of scripts."""
    records, account = fresh_world.records, fresh_world.accounts["owner"].id
    links.use(records, secret=links.make(records, account=account, by="admin"), password=PASSWORD)
    stranger = fresh_world.browser("stranger")
    signed = stranger.post("/sign-in", data={"login": "owner", "password": PASSWORD})
    seen = signed.headers.get_list("set-cookie")
    seen += stranger.get("/help?lang=en").headers.get_list("set-cookie")
    seen += stranger.post("/preferences/theme", data={"theme": "dark"}).headers.get_list("set-cookie")
    out = fresh_world.browser("peer").post("/sign-out")
    assert out.headers["clear-site-data"] == '"cache"'
    seen += out.headers.get_list("set-cookie")
    names = {one.partition("=")[0] for one in seen}
    assert names >= {"__Host-sid", "__Host-lang", "__Host-theme", "__Host-flash"}
    for one in seen:
        parts = {part.strip().casefold() for part in one.split(";")[1:]}
        assert one.startswith("__Host-"), one
        assert {"secure", "httponly", "samesite=lax", "path=/"} <= parts, one
        assert not [part for part in parts if part.startswith("domain")], one


# -- the privacy notice -----------------------------------------------------------------------------------------------


def test_the_notice_says_what_removing_goes_by(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its figures are those of the settings and of the program; what the office has not said is marked so."""
    nothing = words_of(world.browser("stranger").get("/privacy?lang=en").text)
    assert nothing.count("unconfirmed") == 3
    assert f"{sessions.KEPT.days} days after their end" in nothing
    base = replace(world.settings.base, keep_code_days=181, keep_names_days=1826)
    told = Browser(create_app(world.records, replace(world.settings, base=base)))
    for lang in ("th", "en"):
        page = words_of(told.get(f"/privacy?lang={lang}").text)
        assert "181" in page
        assert "1826" in page
    assert "unconfirmed" not in words_of(told.get("/privacy?lang=en").text)
    monkeypatch.setattr(sessions, "KEPT", timedelta(days=77))
    assert "77 days after their end" in words_of(told.get("/privacy?lang=en").text)


def test_removing_goes_by_the_settings(fresh_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An age of the settings is the one of the command that gives none; one that is no number is refused."""
    seen = list[object]()
    monkeypatch.setattr(
        purging, "purge", lambda *_given, **named: seen.append(named) or purging.PurgeReport(dry_run=True)
    )
    monkeypatch.setenv("GRADER_DATA", str(fresh_world.records.folder))
    monkeypatch.setenv("GRADER_KEEP_CODE_DAYS", "181")
    for words in (["purge"], ["purge", "--code-older-than", "7", "--dry-run"]):
        assert CliRunner().invoke(command, words).exit_code == 0
    ages = [(one["code_older_than"], one["names_older_than"]) for one in cast("list[dict[str, object]]", seen)]
    assert ages == [(timedelta(days=181), None), (timedelta(days=7), None)]
    for wrong in ("0", "-1", "five", "\u0e51", "99999"):
        monkeypatch.setenv("GRADER_KEEP_NAMES_DAYS", wrong)
        assert getattr(CliRunner().invoke(command, ["purge"]).exception, "code", "") == "usage.bad_setting"
