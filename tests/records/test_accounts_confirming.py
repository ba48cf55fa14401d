"""What is kept of a second factor, how it is lost, and how somebody proves once more who they are."""

import base64
import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from grader.errors import EnvironmentProblem
from grader.records import Account, AuditEntry, HalfSignIn, RecoveryCode, SecondFactor, create_records, open_records
from grader.records.seals import SEAL_FILE, Seals, Unsealable
from grader.services import purging
from grader.services.accounts import (
    confirming,
    links,
    oidc,
    people,
    second_factor,
    second_step,
    sessions,
    signing_in,
    throttling,
)
from grader.services.keeping import backup
from grader.services.restoring import restore
from tests.fixtures.accounts import HERE, OTHER, PASSWORD, good, refused, sign_in, somying
from tests.fixtures.keeping import rows
from tests.fixtures.records import CODE, Classroom, Clock
from tests.fixtures.second_steps import ISSUER, Device, actions, first_step, second

# -- what is kept -----------------------------------------------------------------------------------------------------


def test_no_table_holds_a_secret_or_a_code(room: Classroom, clock: Clock) -> None:
    """The device's secret is sealed, the codes are hashed; without the file of the key the tables give nothing."""
    device = Device(room, clock)
    codes = device.taken()
    kept = str(rows(room.records))
    raw = base64.b32decode(device.secret)
    for one in (
        device.secret,
        raw.hex(),
        base64.b64encode(raw).decode(),
        *codes,
        *(one.replace(" ", "") for one in codes),
    ):
        assert one not in kept
    (row,) = room.all(SecondFactor)
    stranger = Seals([Fernet.generate_key()])
    with pytest.raises(Unsealable):
        stranger.open(row.secret, purpose="factor", owner=somying(room), at=clock())
    assert room.records.seals.open(row.secret, purpose="factor", owner=somying(room), at=clock()) == device.secret
    for purpose, owner in (("offer", somying(room)), ("factor", "acc_0")):
        with pytest.raises(Unsealable):
            room.records.seals.open(row.secret, purpose=purpose, owner=owner, at=clock())
    assert len({one.hash for one in room.all(RecoveryCode)}) == 10
    assert device.secret not in repr(device.offer)


def test_the_key_is_a_file_of_its_own_that_only_its_owner_reads(tmp_path: Path) -> None:
    """Made with the records, also when they are of before; another one in front of it still opens what is there."""
    create_records(tmp_path / "data").close()
    file = tmp_path / "data" / SEAL_FILE
    assert file.stat().st_mode & 0o777 == 0o600
    first = file.read_bytes()
    create_records(tmp_path / "data").close()
    assert file.read_bytes() == first
    at = datetime.fromisoformat("2026-11-22T09:00:00+00:00")
    sealed = Seals.read(tmp_path / "data").seal("x", purpose="p", owner="o", at=at)
    file.write_bytes(Fernet.generate_key() + b"\n" + first)
    assert Seals.read(tmp_path / "data").open(sealed, purpose="p", owner="o", at=at) == "x"


@pytest.mark.parametrize(
    "content", [None, b"", b"no key", Fernet.generate_key()], ids=["gone", "empty", "nonsense", "of another"]
)
def test_without_its_key_no_code_is_judged(room: Classroom, clock: Clock, content: bytes | None) -> None:
    """It says which file is missing; nobody is let in, and nobody is told that their code is wrong."""
    device = Device(room, clock)
    device.taken()
    file = room.records.folder / SEAL_FILE
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    room.records.__dict__.pop("seals", None)
    half = first_step(room).secret
    with pytest.raises(EnvironmentProblem, match=r"records\.seal_unusable"):
        second(room, half, device.shows())
    second_factor.reset(room.records, account=somying(room), by="admin")


def test_a_backup_brings_second_factors_back(room: Classroom, clock: Clock, tmp_path: Path) -> None:
    """With the key that they are kept under; whoever restores need not reset everybody."""
    device = Device(room, clock)
    device.taken()
    saved = backup(room.records, tmp_path / "saved.tar").file
    restore(saved, tmp_path / "back", by="admin", clock=clock)
    records = open_records(tmp_path / "back", clock=clock)
    half = signing_in.sign_in(records, login="somying", password=PASSWORD, network=HERE)
    assert half.half
    assert second_step.finish(records, secret=half.secret, code=device.shows(), network=HERE)
    records.close()


# -- losing it --------------------------------------------------------------------------------------------------------


def test_an_administrator_resets_it(room: Classroom, clock: Clock) -> None:
    """Sessions end, codes stop working, the audit names who did it; there must be something to reset."""
    codes = Device(room, clock).taken()
    assert first_step(room, required=False).half
    second_factor.reset(room.records, account=somying(room), by="boss")
    assert room.all(SecondFactor) == room.all(RecoveryCode) == []
    half = first_step(room, required=False)
    assert not half.half
    entry = next(one for one in room.all(AuditEntry) if one.action == "account.second_factor_reset")
    assert (entry.by, entry.object) == ("boss", somying(room))
    assert not any(code in str(entry.after) for code in codes)
    problem = refused(second_factor.reset, room.records, account=somying(room), by="boss")
    assert (problem.code, problem.params["login"]) == ("account.no_second_factor", "somying")


def test_the_command_resets_it(tmp_path: Path) -> None:
    """``grader account reset-second-factor`` does the same, and says what it did."""
    records = create_records(tmp_path / "data")
    made = people.create(records, login="somying", name="x", by="admin").id
    offer = second_factor.offer(records, account=made, issuer=ISSUER)
    with records.reading() as session:
        code = second_factor.code_at(offer.secret.replace(" ", ""), records.database.now(session))
    second_factor.enrol(records, account=made, sealed=offer.sealed, code=code, network=HERE, session_id="")
    records.close()
    command = [sys.executable, "-m", "grader", "account", "reset-second-factor", "somying", "--json"]
    surroundings = {"GRADER_DATA": str(tmp_path / "data"), "PATH": "/usr/bin:/bin"}
    first, again = (subprocess.run(command, env=surroundings, capture_output=True, check=False) for _ in range(2))
    assert json.loads(first.stdout) == {"login": "somying"}
    assert again.returncode != 0
    with open_records(tmp_path / "data").reading() as session:
        assert session.get(SecondFactor, made) is None


# -- proving oneself once more ----------------------------------------------------------------------------------------


def signed_in(room: Classroom, secret: str) -> sessions.Signed:
    """Who is signed in by it."""
    found = sessions.session_of(room.records, secret)
    assert found is not None
    return found


def test_a_session_is_confirmed_by_the_password_of_who_has_no_device(room: Classroom, clock: Clock) -> None:
    """The time is kept, the identifier stays, and a wrong password changes nothing."""
    secret = sign_in(room)
    begun = clock()
    clock.pass_by(1200)
    me = signed_in(room, secret)
    assert me.confirmed_at == begun
    assert refused(confirming.confirm, room.records, me, typed=OTHER, network=HERE).code == "account.wrong"
    assert signed_in(room, secret).confirmed_at == begun
    confirming.confirm(room.records, me, typed=PASSWORD, network=HERE)
    assert signed_in(room, secret).confirmed_at == clock()
    assert actions(room)[-1] == "account.confirmed"


def test_a_session_is_confirmed_by_a_code_of_who_has_a_device(room: Classroom, clock: Clock) -> None:
    """The password is not enough then; each code confirms once."""
    device = Device(room, clock)
    device.taken()
    secret = second(room, first_step(room).secret, device.shows())
    clock.pass_by(1200)
    me = signed_in(room, secret)
    for typed in (PASSWORD, "", "000000"):
        assert refused(confirming.confirm, room.records, me, typed=typed, network=HERE).code == "account.code_wrong"
    confirming.confirm(room.records, me, typed=device.shows(), network=HERE)
    assert signed_in(room, secret).confirmed_at == clock()
    assert (
        refused(confirming.confirm, room.records, me, typed=device.shows(), network=HERE).code == "account.code_wrong"
    )


def test_confirming_is_throttled(room: Classroom, clock: Clock) -> None:
    """As signing in is."""
    me = signed_in(room, sign_in(room))
    found = [refused(confirming.confirm, room.records, me, typed=OTHER, network=HERE).code for _ in range(7)]
    assert found == ["account.wrong"] * 6 + ["account.slow_down"]
    clock.pass_by(throttling.ACCOUNT.longest.total_seconds())
    confirming.confirm(room.records, me, typed=PASSWORD, network=HERE)


def test_a_session_by_a_service_is_confirmed_there_and_nowhere_else(room: Classroom, clock: Clock) -> None:
    """By the same person, who proved it to the service just now; how long it knew them before counts for nothing."""
    oidc.link_identity(room.records, account=somying(room), issuer="https://id", subject="7", by="admin")
    secret = sessions.open(room.records, account=somying(room))
    me = signed_in(room, secret)
    assert (me.way, me.confirmed_at) == ("identity", None)
    assert (
        refused(confirming.confirm, room.records, me, typed=PASSWORD, network=HERE).code == "account.confirm_elsewhere"
    )
    for subject, ago, code in (("8", 0, "other"), ("7", 301, "not_fresh"), ("7", None, "not_fresh")):
        proved = None if ago is None else clock() - timedelta(seconds=ago)
        problem = refused(
            confirming.confirm_identity, room.records, me, issuer="https://id", subject=subject, proved_at=proved
        )
        assert problem.code == f"account.sso_{code}"
    assert signed_in(room, secret).confirmed_at is None
    before = clock() - timedelta(seconds=60)
    confirming.confirm_identity(room.records, me, issuer="https://id", subject="7", proved_at=before)
    assert signed_in(room, secret).confirmed_at == before
    ahead = clock() + timedelta(days=1)
    assert signed_in(room, sessions.open(room.records, account=somying(room), proved_at=ahead)).confirmed_at == clock()


def test_a_session_that_ended_meanwhile_is_not_confirmed(room: Classroom) -> None:
    """It stays ended."""
    secret = sign_in(room)
    me = signed_in(room, secret)
    sessions.end(room.records, secret)
    confirming.confirm(room.records, me, typed=PASSWORD, network=HERE)
    assert good(room, secret) == [False]


def test_an_erased_person_leaves_no_second_factor(timed: Classroom, clock: Clock) -> None:
    """Nor a code, nor half a sign-in."""
    records = timed.records
    (_, secret), *_ = links.accounts_for_roster(records, round_code=CODE, by="coordinator")
    made = links.use(records, secret=secret, password=PASSWORD)
    offer = second_factor.offer(records, account=made, issuer=ISSUER)
    code = second_factor.code_at(offer.secret.replace(" ", ""), clock())
    second_factor.enrol(records, account=made, sealed=offer.sealed, code=code, network=HERE, session_id="")
    assert signing_in.sign_in(records, login="t0000", password=PASSWORD, network=HERE).half
    tables = (SecondFactor, RecoveryCode, HalfSignIn)
    assert all(timed.all(table) for table in tables)
    with records.reading() as session:
        person = session.get_one(Account, made).person_id
    assert person is not None
    purging.erase_person(records, person=person, by="office", reason="ขอลบ")
    assert [timed.all(table) for table in tables] == [[], [], []]
