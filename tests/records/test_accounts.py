"""Accounts, roles, identities and tokens: who there is, what they may do, and that all of it can end and be erased."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from typer.testing import CliRunner

from grader.cli import app
from grader.errors import UsageProblem
from grader.records import (
    Account,
    AccountRole,
    ApiToken,
    AuditEntry,
    Identity,
    OneTimeLink,
    PortalSession,
    Records,
    Seat,
)
from grader.services.accounts import links, oidc, people, sessions, signing_in, throttling, tokens
from grader.services.keeping import backup
from grader.services.purging import erase_person, purge
from tests.fixtures.keeping import broken, restored, rows
from tests.fixtures.records import CODE, Classroom, Clock

PASSWORD = "kluay-khaek-seven"
HERE = "192.0.2.7"


def account(records: Records, login: str = "somying", **also: Any) -> str:
    """The id of a new account."""
    return people.create(records, login=login, name=also.pop("name", "สมหญิง"), by="admin", **also).id


def equipped(records: Records, login: str = "somying", **also: Any) -> str:
    """The id of a new account with a password."""
    made = account(records, login, **also)
    links.use(records, secret=links.make(records, account=made, by="admin"), password=PASSWORD)
    return made


def refused(work: Callable[..., object], *values: Any, **named: Any) -> str:
    """The code with which something is refused."""
    with pytest.raises(UsageProblem) as caught:
        work(*values, **named)
    return caught.value.code


def audit(records: Records) -> list[AuditEntry]:
    """The whole audit."""
    with records.reading() as session:
        return list(session.scalars(select(AuditEntry).order_by(AuditEntry.number)))


def people_of(room: Classroom) -> list[str]:
    """The ids of the people in a round, in the order of their seats."""
    person = {seat.id: seat.person_id for seat in room.all(Seat)}
    return [person[seat] for seat in room.seats]


def roles(records: Records, of: str) -> tuple[tuple[str, str | None], ...]:
    """The roles of an account now."""
    with records.reading() as session:
        return people.roles_of(session, of)


# -- accounts ---------------------------------------------------------------------------------------------------------


def test_a_login_is_one_whatever_its_capitals_and_blanks(records: Records) -> None:
    """It is kept casefolded, found however it is typed, and taken for everybody who types it otherwise."""
    made = account(records, "  SomYing ")
    with records.reading() as session:
        assert people.account_by_login(session, "SOMYING").id == made
        assert session.get_one(Account, made).login == "somying"
        assert refused(people.account_by_login, session, "somchai") == "account.unknown"
    assert refused(account, records, "sOMYING") == "account.exists"


@pytest.mark.parametrize("login", ["", "  ", "a" * 65, "a\x00b", "a\u202eb"])
def test_a_login_that_cannot_be_typed_is_refused(records: Records, login: str) -> None:
    """Nothing empty, endless or invisible."""
    assert refused(account, records, login) == "account.login"


def test_an_account_speaks_a_language_of_the_pages(records: Records) -> None:
    """Thai unless it is said otherwise."""
    assert refused(account, records, language="fr") == "usage.bad_language"
    with records.reading() as session:
        assert people.accounts(session) == []


def test_a_person_has_one_account(classroom: Classroom) -> None:
    """The account shows the person's name and keeps no copy of it; there is no second one and none of nobody."""
    person = people_of(classroom)[0]
    made = account(classroom.records, "t0000", name="", person=person)
    with classroom.records.reading() as session:
        found = people.account_of_person(session, person)
        assert found is not None
        assert (found.id, found.name, found.shown_name) == (made, "", "ผู้เรียน 0")
    assert refused(account, classroom.records, "other", person=person) == "account.person_taken"
    assert refused(account, classroom.records, "other", person="per_0") == "records.not_found"


def test_two_who_make_the_same_account_at_once_make_one(
    records: Records, in_parallel: Callable[..., list[object]]
) -> None:
    """One is made, the other one is told that there is one."""

    def make(_: int) -> str:
        try:
            account(records)
        except UsageProblem as problem:
            return problem.code
        return "made"

    assert sorted(map(str, in_parallel(make, range(6), threads=6))) == ["account.exists"] * 5 + ["made"]


def test_no_name_or_address_is_in_the_audit(records: Records) -> None:
    """Entries hold ids: of the account, the person, the round."""
    made = account(records, email="somying@example.go.th")
    people.grant(records, account=made, role="executive", by="admin")
    said = json.dumps([[one.action, one.object, one.before, one.after] for one in audit(records)], ensure_ascii=False)
    assert "account.created" in said
    assert not any(word in said for word in ("สมหญิง", "somying", "example"))


# -- roles ------------------------------------------------------------------------------------------------------------


def test_the_last_administrator_stays(records: Records, in_parallel: Callable[..., list[object]]) -> None:
    """Neither role nor account goes while nobody else could give roles, also when all go at the same moment."""
    admins = [account(records, f"admin-{number}") for number in range(4)]
    for one in admins:
        people.grant(records, account=one, role="admin", by="operator")

    def leave(number: int) -> str:
        try:
            if number % 2:
                people.disable(records, account=admins[number], by="operator")
            else:
                people.revoke(records, account=admins[number], role="admin", by="operator")
        except UsageProblem as problem:
            return problem.code
        return "left"

    found = sorted(map(str, in_parallel(leave, range(4), threads=4)))
    assert found == ["account.last_admin", "left", "left", "left"]


def test_roles_are_given_in_all_rounds_or_in_one(classroom: Classroom) -> None:
    """Both can be held at the same time; each is taken away for itself."""
    records, made = classroom.records, account(classroom.records)
    everywhere = people.grant(records, account=made, role="instructor", by="admin")
    here = people.grant(records, account=made, role="instructor", by="admin", round_code=CODE)
    assert everywhere.round_id is None
    assert roles(records, made) == (("instructor", None), ("instructor", here.round_id))
    people.revoke(records, account=made, role="instructor", by="admin")
    assert roles(records, made) == (("instructor", here.round_id),)
    assert refused(people.revoke, records, account=made, role="instructor", by="admin") == "account.has_no_role"
    actions = [one.action for one in audit(records) if one.object == made]
    assert actions == ["account.created", "account.granted", "account.granted", "account.revoked"]


@pytest.mark.parametrize(
    ("role", "training", "code"),
    [
        ("trainee", "", "account.role"),
        ("certifier", "", "account.role"),
        ("finance", CODE, "account.role_whole"),
        ("executive", CODE, "account.role_whole"),
        ("admin", CODE, "account.role_whole"),
        ("coordinator", "r9", "round.unknown"),
    ],
)
def test_a_role_that_cannot_be_given_is_refused(classroom: Classroom, role: str, training: str, code: str) -> None:
    """Only what the table of roles has, and only instructors and coordinators for a single round."""
    records, made = classroom.records, account(classroom.records)
    assert refused(people.grant, records, account=made, role=role, by="a", round_code=training) == code


@pytest.mark.parametrize("training", ["", CODE])
def test_a_role_is_held_once(classroom: Classroom, training: str, in_parallel: Callable[..., list[object]]) -> None:
    """Also when several give it at the same moment, with a round and without one."""
    records, made = classroom.records, account(classroom.records)

    def give(_: int) -> str:
        try:
            people.grant(records, account=made, role="coordinator", by="admin", round_code=training)
        except UsageProblem as problem:
            return problem.code
        return "given"

    assert sorted(map(str, in_parallel(give, range(5), threads=5))) == ["account.has_role"] * 4 + ["given"]
    assert len(roles(records, made)) == 1


def test_the_engine_itself_refuses_a_role_twice_and_a_role_that_is_none(records: Records) -> None:
    """Whatever the program forgets: NULL is no way around the constraint."""
    made = account(records)
    for name, role in (("grt_1", "admin"), ("grt_2", "admin"), ("grt_3", "root")):
        row = AccountRole(id=name, account_id=made, role=role, round_id=None, by="x", at=audit(records)[0].at)
        if name == "grt_1":
            with records.upkeep() as session:
                session.add(row)
        else:
            with pytest.raises(IntegrityError), records.upkeep() as session:
                session.add(row)


# -- accounts of a roster, and the first one --------------------------------------------------------------------------


def test_every_trainee_of_a_round_gets_an_account_once(classroom: Classroom) -> None:
    """The login is the code; asked again nothing is made, and with ``again`` who set no password gets a new link."""
    records = classroom.records
    made = links.accounts_for_roster(records, round_code=CODE, by="coordinator")
    assert [login for login, _ in made] == ["t0000", "t0001", "t0002", "t0003"]
    links.use(records, secret=made[0][1], password=PASSWORD)
    assert links.accounts_for_roster(records, round_code=CODE, by="coordinator") == []
    anew = links.accounts_for_roster(records, round_code=CODE, by="coordinator", again=True)
    assert [login for login, _ in anew] == ["t0001", "t0002", "t0003"]
    assert links.peek(records, made[1][1]) is None, "the link before it stopped working"
    invited = links.peek(records, anew[0][1])
    assert invited is not None
    assert (invited.login, invited.name, invited.purpose) == ("t0001", "ผู้เรียน 1", "set_password")
    assert refused(links.accounts_for_roster, records, round_code="r9", by="c") == "round.unknown"


def test_a_login_that_is_somebody_elses_is_not_given_to_a_trainee(classroom: Classroom) -> None:
    """An account that nobody's person belongs to is never adopted, and nothing is made half."""
    account(classroom.records, "t0002")
    assert refused(links.accounts_for_roster, classroom.records, round_code=CODE, by="c") == "account.exists"
    assert len(classroom.all(Account)) == 1


def test_links_for_a_roster_are_made_once_by_two_who_ask_at_once(
    classroom: Classroom, in_parallel: Callable[..., list[object]]
) -> None:
    """Nobody gets two accounts."""

    def ask(_: int) -> int:
        try:
            return len(links.accounts_for_roster(classroom.records, round_code=CODE, by="coordinator"))
        except (UsageProblem, IntegrityError):
            return 0

    assert sum(int(str(one)) for one in in_parallel(ask, range(4), threads=4)) == 4
    assert len(classroom.all(Account)) == 4


def test_there_is_one_first_administrator(records: Records, in_parallel: Callable[..., list[object]]) -> None:
    """Whoever asks first gets the link; afterwards there is nothing to get."""
    found = in_parallel(lambda _: links.first_admin(records, by="operator"), range(4), threads=4)
    (secret,) = [one for one in found if one]
    invited = links.peek(records, str(secret))
    assert invited is not None
    assert (invited.login, invited.purpose) == ("admin", "first_admin")
    assert roles(records, invited.account_id) == (("admin", None),)
    assert links.first_admin(records, by="operator") is None


# -- identities -------------------------------------------------------------------------------------------------------

ISSUER = "https://sso.example.go.th"


def test_who_arrives_by_a_sign_in_service_has_no_role(records: Records) -> None:
    """The first time an account is made, the next time it is that one; the key is the service with its id."""
    made = oidc.arrive(records, issuer=ISSUER, subject="1", name="สมชาย")
    assert oidc.arrive(records, issuer=ISSUER, subject="1", name="อีกชื่อ").id == made.id
    assert oidc.arrive(records, issuer="https://other.example", subject="1", name="สมชาย").id != made.id
    assert roles(records, made.id) == ()
    signed = sessions.session_of(records, sessions.open(records, account=made.id))
    assert signed is not None
    assert (signed.name, signed.roles, signed.person_id) == ("สมชาย", (), None)


def test_who_arrives_twice_at_once_has_one_account(records: Records, in_parallel: Callable[..., list[object]]) -> None:
    """Both come in by the same one."""
    found = in_parallel(lambda _: oidc.arrive(records, issuer=ISSUER, subject="1", name="x").id, range(5), threads=5)
    assert len(set(found)) == 1


def test_an_identity_belongs_to_one_account(records: Records) -> None:
    """It is linked by somebody, and never taken over."""
    first, second = account(records), account(records, "other")
    oidc.link_identity(records, account=first, issuer=ISSUER, subject="9", by="admin")
    again = refused(oidc.link_identity, records, account=second, issuer=ISSUER, subject="9", by="x")
    assert again == "account.identity_taken"
    assert refused(oidc.arrive, records, issuer=ISSUER, subject="", name="x") == "account.identity"
    with records.reading() as session:
        found = oidc.account_of_identity(session, ISSUER, "9")
        assert found is not None
        assert found.id == first
        assert oidc.account_of_identity(session, ISSUER, "10") is None


def test_a_disabled_account_does_not_come_in_by_a_sign_in_service(records: Records) -> None:
    """The service does not know who may come in here."""
    made = oidc.arrive(records, issuer=ISSUER, subject="1", name="x")
    people.disable(records, account=made.id, by="admin")
    assert oidc.arrive(records, issuer=ISSUER, subject="1", name="x").id == made.id
    assert refused(sessions.open, records, account=made.id) == "account.wrong"


# -- tokens -----------------------------------------------------------------------------------------------------------


def test_a_token_does_what_it_was_made_for(timed: Classroom, clock: Clock) -> None:
    """It is kept as a hash, its use is noted at most once a minute, and roles are those of the account now."""
    records, made = timed.records, account(timed.records)
    secret = tokens.make(records, account=made, name="สคริปต์", scopes=["submit", "read"], by="somying", days=1)
    assert secret.startswith("gt_")
    bearer = tokens.verify(records, secret)
    assert bearer is not None
    assert (bearer.account_id, bearer.scopes, bearer.roles) == (made, {"submit", "read"}, ())
    used = [one.last_used_at for one in timed.all(ApiToken)]
    clock.pass_by(30)
    tokens.verify(records, secret)
    assert [one.last_used_at for one in timed.all(ApiToken)] == used
    clock.pass_by(31)
    people.grant(records, account=made, role="executive", by="admin")
    again = tokens.verify(records, secret)
    assert again is not None
    assert again.roles == (("executive", None),)
    assert [one.last_used_at for one in timed.all(ApiToken)] == [clock()]
    assert not any(secret in str(value) for table in rows(records).values() for row in table for value in row)
    clock.pass_by(24 * 3600)
    assert tokens.verify(records, secret) is None, "it lasts a day"


@pytest.mark.parametrize("secret", ["", "gt_", "gt_unknown", "x"])
def test_what_is_no_token_opens_nothing(records: Records, secret: str) -> None:
    """Nobody comes in by a text that was never given out."""
    assert tokens.verify(records, secret) is None


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"name": " "}, "token.name"),
        ({"name": "x" * 101}, "token.name"),
        ({"scopes": []}, "token.scopes"),
        ({"scopes": ["read", "admin"]}, "token.scopes"),
        ({"days": 0}, "token.lasts"),
    ],
)
def test_a_token_that_cannot_be_made_is_refused(records: Records, values: dict[str, Any], code: str) -> None:
    """Scopes are those of the list, and every token has a name that tells it from others."""
    made = account(records)
    asked = {"name": "x", "scopes": ["read"], "account": made, "by": "x"} | values
    assert refused(tokens.make, records, **asked) == code


def test_a_token_is_revoked_by_its_account_alone(records: Records) -> None:
    """Somebody else's is answered like one that does not exist."""
    made, other = account(records), account(records, "other")
    secret = tokens.make(records, account=made, name="x", scopes=["read"], by="x")
    with records.reading() as session:
        (one,) = tokens.tokens_of(session, made)
        assert tokens.tokens_of(session, other) == []
    assert refused(tokens.revoke, records, account=other, token_id=one.id, by="other") == "records.not_found"
    tokens.revoke(records, account=made, token_id=one.id, by="x")
    assert tokens.verify(records, secret) is None
    assert refused(tokens.revoke, records, account=made, token_id=one.id, by="x") == "token.revoked"
    with records.reading() as session:
        assert tokens.tokens_of(session, made) == []


# -- erased, purged, backed up ----------------------------------------------------------------------------------------


def furnished(room: Classroom) -> str:
    """The account of the first trainee, with something in every table of an account; returns its id."""
    records = room.records
    (_, secret), *_ = links.accounts_for_roster(records, round_code=CODE, by="coordinator")
    made = links.use(records, secret=secret, password=PASSWORD)
    oidc.link_identity(records, account=made, issuer=ISSUER, subject="somchai", by="admin")
    tokens.make(records, account=made, name="ของสมชาย", scopes=["submit"], by="t0000")
    signing_in.sign_in(records, login="t0000", password=PASSWORD, network=HERE, agent="Firefox ของสมชาย")
    links.make(records, account=made, by="admin")
    return made


def test_an_erased_person_has_an_account_that_says_nothing(timed: Classroom) -> None:
    """What stays is a row by which nobody comes in; nothing of it leads back, and it cannot be enabled again."""
    records, made = timed.records, furnished(timed)
    person = people_of(timed)[0]
    erase_person(records, person=person, by="office", reason="ขอลบ")
    with records.reading() as session:
        left = session.get_one(Account, made)
        assert left.login.startswith("erased-")
        assert (left.name, left.email, left.password_hash) == ("", "", "")
        assert left.disabled_at is not None
        for table in (Identity, ApiToken, PortalSession, OneTimeLink):
            assert session.scalars(select(table).where(table.account_id == made)).all() == []
    assert refused(people.enable, records, account=made, by="admin") == "account.person_taken"
    assert refused(signing_in.sign_in, records, login="t0000", password=PASSWORD, network=HERE) == "account.wrong"
    assert len(timed.all(Account)) == 11, "everybody else keeps theirs"
    assert broken(records) == []


def test_what_is_over_for_long_is_purged(timed: Classroom, clock: Clock) -> None:
    """Sessions, links and counters go thirty days (a day) after they were of any use, and nothing before."""
    records, made = timed.records, furnished(timed)
    secret = signing_in.sign_in(records, login="t0000", password=PASSWORD, network=HERE).secret
    throttling.limit(records, key="x", most=3, per=timedelta(hours=1))
    sessions.end(records, secret)
    clock.pass_by(29 * 24 * 3600)
    purge(records, by="operator", dry_run=False)
    assert (len(timed.all(PortalSession)), len(timed.all(OneTimeLink))) == (2, 12)
    fresh = sessions.open(records, account=made)
    clock.pass_by(32 * 24 * 3600 - 29 * 24 * 3600)
    purge(records, by="operator", dry_run=True)
    assert len(timed.all(PortalSession)) == 3
    purge(records, by="operator", dry_run=False)
    assert [one.id for one in timed.all(PortalSession)] != []
    assert len(timed.all(PortalSession)) == 1
    assert sessions.session_of(records, fresh) is None, "it ended, and can still be looked at"
    with records.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM throttle")) == 0


def test_accounts_come_back_from_a_backup(
    classroom: Classroom, tmp_path: Path, engine_name: str, other: Callable[[str], str]
) -> None:
    """On both engines, each into the other: passwords, roles, tokens and sessions work as before."""
    records, made = classroom.records, furnished(classroom)
    people.grant(records, account=made, role="instructor", by="admin", round_code=CODE)
    token = tokens.make(records, account=made, name="x", scopes=["read"], by="x")
    secret = sessions.open(records, account=made, agent="Firefox")
    saved = backup(records, tmp_path / "b.tar").file
    elsewhere = {"sqlite": "postgresql", "postgresql": "sqlite"}[engine_name]
    with restored(saved, tmp_path / "new", other(elsewhere)) as back:
        signed, bearer = sessions.session_of(back, secret), tokens.verify(back, token)
        assert signed is not None
        assert bearer is not None
        assert (signed.login, signed.name, len(signed.roles)) == ("t0000", "ผู้เรียน 0", 1)
        signing_in.sign_in(back, login="t0000", password=PASSWORD, network=HERE)
        assert broken(back) == []


# -- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(classroom: Classroom, address: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Call the command on the records of the round; returns its JSON, or the exception that it ended with."""
    monkeypatch.setenv("GRADER_DATA", str(classroom.records.folder))
    monkeypatch.setenv("GRADER_DATABASE_URL", address)

    def call(*words: str) -> Any:
        done = CliRunner().invoke(app, ["account", *words, "--json"])
        if done.exception is not None:
            return getattr(done.exception, "code", done.exception)
        return json.loads(done.stdout)

    return call


def test_the_command_does_all_that_an_administrator_needs(classroom: Classroom, run: Callable[..., Any]) -> None:
    """From the first administrator to disabling somebody, with a secret that works and is printed once."""
    first = run("first-admin")
    assert first["login"] == "admin"
    assert run("first-admin") == {}
    links.use(classroom.records, secret=first["path"].removeprefix("/link/"), password=PASSWORD)
    assert run("create", "Somying", "--name", "สมหญิง", "--language", "en")["login"] == "somying"
    assert run("create", "t0001", "--person", "t0001")["login"] == "t0001"
    assert run("create", "x", "--person", "t9999") == "records.not_found"
    assert run("grant", "somying", "coordinator", "--round", CODE)["round"] == CODE
    assert run("grant", "somying", "executive")["role"] == "executive"
    assert [(one["login"], one["name"], one["roles"], one["has_password"], one["disabled"]) for one in run("list")] == [
        ("admin", "admin", "admin", True, None),
        ("somying", "สมหญิง", f"coordinator:{CODE} executive", False, None),
        ("t0001", "ผู้เรียน 1", "", False, None),
    ]
    assert run("revoke", "somying", "executive")["role"] == "executive"
    assert run("revoke", "nobody", "executive") == "account.unknown"
    path = run("link", "somying", "--hours", "48")["path"]
    assert links.peek(classroom.records, path.removeprefix("/link/")) is not None
    assert run("disable", "somying")["login"] == "somying"
    assert run("link", "somying") == "account.disabled"
    assert run("enable", "somying")["login"] == "somying"
    assert [one["login"] for one in run("roster", CODE)] == ["t0000", "t0002", "t0003"]
    assert run("roster", CODE) == []
    assert len(run("roster", CODE, "--again", "--days", "3")) == 4
    assert run("roster", CODE, "--again", "--days", "90") == "account.link_lasts"
