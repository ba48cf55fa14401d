"""Passwords and the pauses between tries: what is refused, what it costs, and that all processes count together."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from grader.errors import UsageProblem
from grader.records import Account, AuditEntry, PortalSession, Records, Throttle, open_records
from grader.services.accounts import passwords, people, signing_in, throttling
from tests.fixtures.accounts import HERE, OTHER, PASSWORD, THERE, counted, refused, sign_in, somying
from tests.fixtures.records import Classroom, Clock

# -- passwords --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("kluay7", "account.password_short"),
        ("", "account.password_short"),
        ("กขคฆ" * 40, "account.password_long"),
        *(
            (one, "account.password_guessable")
            for one in (
                "password", "P@ssw0rd", "Password2570!", "qwertyuiop", "zaq12wsx", "1q2w3e4r", "12345678", "87654321",
                "20260101", "0812345678", "aaaaaaaaaa", "abcabcabc", "anamai2570", "Grader-Admin", "moph1234",
                "กรมอนามัย", "กรมอนามัย๒๕๗๐", "รหัสผ่าน123", "ฟหกดเ้่าสวง", "somying2570", "jaidee99", "        ",
            )
        ),
    ],
)  # fmt: skip
def test_a_password_that_is_guessed_first_is_refused(password: str, code: str) -> None:
    """Too short, too long, or nearly all of it words, names, years, rows of keys and repetitions."""
    assert refused(passwords.need_good, password, login="somying", name="Somying Jaidee").code == code


@pytest.mark.parametrize("password", ["baseball", "trustno1", "Jordan23", "cowboys1", "corvette"])
def test_a_password_that_was_stolen_somewhere_is_refused(password: str) -> None:
    """Whatever it is made of: the list holds far more than the three thousand that are tried first."""
    assert passwords.own_characters(password) >= passwords.LEAST_OWN, "the other rule would refuse it anyhow"
    assert refused(passwords.need_good, password).code == "account.password_guessable"
    assert len(passwords._stolen()) > 3000


@pytest.mark.parametrize(
    "password",
    [
        "kluay-khaek",
        "ข้าวเหนียวมะม่วง",
        "UPPERTREEHOUSE",
        "x7#Lq9w!",
        "épée-œuf-naïf",
        "a rather long sentence of more than sixty-four characters that fits",
    ],
)
def test_nothing_else_is_asked_of_a_password(password: str) -> None:
    """No digit, no sign, no capital: long enough and not near is good, in any script."""
    passwords.need_good(password, login="somying", name="สมหญิง ใจดี")


def test_a_password_is_the_same_from_any_keyboard() -> None:
    """The Thai vowel am can be typed as one sign or as two, an accent before or in its letter."""
    assert passwords.verify("น\u0e4d\u0e32แข็งไส", passwords.hashed("น\u0e33แข็งไส")) == (True, None)


def test_passwords_are_kept_as_argon2id_with_these_parameters() -> None:
    """What the table of controls asks for stands in every hash."""
    assert passwords.hashed(PASSWORD).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_what_no_version_wrote_is_no_password() -> None:
    """A broken row lets nobody in."""
    assert passwords.verify("plain", "plain") == (False, None)


def test_an_old_hash_is_made_anew_when_somebody_signs_in(room: Classroom) -> None:
    """Parameters may be raised without anybody choosing a new password."""
    weak = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),)).hash(PASSWORD)
    with room.records.upkeep() as session:
        session.get_one(Account, somying(room)).password_hash = weak
    sign_in(room)
    (kept,) = [one.password_hash for one in room.all(Account)]
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    sign_in(room)
    assert [one.password_hash for one in room.all(Account)] == [kept]


def test_only_a_few_passwords_are_compared_at_a_time(
    monkeypatch: pytest.MonkeyPatch, in_parallel: Callable[..., list[object]]
) -> None:
    """Each takes 19 MiB: fifty at once must not take a gigabyte."""
    kept, most, lock, running = passwords.hashed(PASSWORD), [0], threading.Lock(), [0]

    def watched(*_: object) -> tuple[bool, None]:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1
        return False, None

    monkeypatch.setattr(passwords._HASHER, "verify_and_update", watched)
    in_parallel(lambda _: passwords.verify("x", kept), range(24), threads=12)
    assert most[0] == passwords.AT_A_TIME == 4


@pytest.mark.parametrize("kind", ["unknown", "wrong", "disabled", "no_password", "too_long"])
def test_all_ways_to_be_wrong_are_answered_alike_after_the_same_work(room: Classroom, kind: str) -> None:
    """One comparison with the same parameters, one code and no value that tells them apart."""
    login, password = "somying", OTHER
    if kind == "unknown":
        login = "nobody"
    if kind == "disabled":
        people.disable(room.records, account=somying(room), by="admin")
        password = PASSWORD
    if kind == "no_password":
        login = people.create(room.records, login="fresh", name="x", by="admin").login
    if kind == "too_long":
        password = "x" * 5000
    with counted() as seen:
        problem = refused(sign_in, room, password, login=login)
    assert (problem.code, problem.params) == ("account.wrong", {})
    assert seen == ["$argon2id$v=19$m=19456,t=2,p=1"]
    assert room.all(PortalSession) == []


def test_a_failed_try_is_logged_without_what_was_typed(room: Classroom, caplog: pytest.LogCaptureFixture) -> None:
    """The account's id and the network, never the login: people type their password there."""
    with caplog.at_level(logging.WARNING, "grader"):
        refused(sign_in, room, OTHER)
        refused(sign_in, room, OTHER, login="my-secret-typed-here")
    facts = [(one.__dict__["account"], one.__dict__["network"]) for one in caplog.records]
    assert facts == [(somying(room), "192.0.2.0/24"), ("", "192.0.2.0/24")]
    assert "typed" not in caplog.text
    assert OTHER not in caplog.text
    assert "account.sign_in_failed" not in {one.action for one in room.all(AuditEntry)}


# -- pauses -----------------------------------------------------------------------------------------------------------


def test_who_fails_often_waits_longer_each_time_and_is_never_locked_out(room: Classroom, clock: Clock) -> None:
    """Five tries are free, then 1, 2, 4 … seconds up to five minutes; after any of them the right password works."""
    waits = []
    for _ in range(5):
        assert refused(sign_in, room, OTHER).code == "account.wrong"
    for _ in range(12):
        assert refused(sign_in, room, OTHER).code == "account.wrong"
        paused = refused(sign_in, room)
        assert paused.code == "account.slow_down", "also the right password has to wait"
        waits.append(int(str(paused.params["seconds"])))
        clock.pass_by(waits[-1])
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    sign_in(room)
    assert [refused(sign_in, room, OTHER).code for _ in range(6)] == ["account.wrong"] * 6, "a new beginning"


def test_a_pause_costs_no_comparison(room: Classroom) -> None:
    """Whoever has to wait makes us do nothing."""
    for _ in range(6):
        refused(sign_in, room, OTHER)
    with counted() as seen:
        refused(sign_in, room, OTHER)
    assert seen == []


def test_pauses_are_the_same_for_a_login_that_nobody_has(room: Classroom) -> None:
    """Else the pause would tell who has an account."""
    for login in ("somying", "nobody"):
        codes = [refused(sign_in, room, OTHER, login=login).code for _ in range(7)]
        assert codes == ["account.wrong"] * 6 + ["account.slow_down"]


def test_failures_are_forgotten_after_a_day(room: Classroom, clock: Clock) -> None:
    """Not after a pause: who tries one password each five minutes gets no further."""
    for _ in range(6):
        refused(sign_in, room, OTHER)
    clock.pass_by(23 * 3600)
    assert [refused(sign_in, room, OTHER).code for _ in range(2)] == ["account.wrong", "account.slow_down"]
    clock.pass_by(3600)
    assert [refused(sign_in, room, OTHER).code for _ in range(6)] == ["account.wrong"] * 6


def test_a_network_that_fails_often_waits_and_others_do_not(room: Classroom, clock: Clock) -> None:
    """Its count is not cleared by signing in, as an attacker with one account of his own would do."""
    for number in range(101):
        throttling.begin(room.records, login=f"guess{number}", network=HERE)
    assert refused(sign_in, room, login="unseen", network="192.0.2.250").code == "account.slow_down"
    sign_in(room, network=THERE)
    clock.pass_by(2)
    sign_in(room)
    assert refused(sign_in, room, OTHER, login="guess").code == "account.slow_down", "still counted"
    clock.pass_by(3600)
    assert [refused(sign_in, room, OTHER, login="guess").code for _ in range(3)] == ["account.wrong"] * 3


def test_a_class_that_signs_in_from_one_room_does_not_wait(room: Classroom) -> None:
    """What was right is no failure of the network."""
    for _ in range(3):
        throttling.begin(room.records, login="somying", network=HERE)
        with room.records.upkeep() as session:
            throttling.passed(session, login="somying", network=HERE)
    assert [one.count for one in room.all(Throttle)] == [0, 0]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("testclient", ""),
    ],
)
def test_networks_are_those_that_one_customer_has(address: str, network: str) -> None:
    """A /24 or a /64: another address of the same network is no new beginning."""
    assert throttling.network_of(address) == network


def test_no_login_and_no_address_is_kept_in_a_counter(room: Classroom) -> None:
    """Keys are hashes."""
    refused(sign_in, room, OTHER, login="typed-here")
    keys = [one.key for one in room.all(Throttle)]
    assert all(len(one) <= 96 for one in keys)
    assert not any(word in key for word in ("typed", "192", "somying") for key in keys)


@pytest.fixture
def second(room: Classroom, address: str, clock: Clock) -> Iterator[Records]:
    """The same records as another process has them."""
    with closing(open_records(room.records.folder, address, clock=clock)) as records:
        yield records


def test_pauses_hold_in_every_process(room: Classroom, second: Records) -> None:
    """What failed here makes wait there."""
    for number in range(6):
        where = (room.records, second)[number % 2]
        assert refused(signing_in.sign_in, where, login="somying", password=OTHER, network=HERE).code == "account.wrong"
    for where in (room.records, second):
        assert (
            refused(signing_in.sign_in, where, login="somying", password=PASSWORD, network=HERE).code
            == "account.slow_down"
        )


def test_tries_at_the_same_moment_are_all_counted(
    room: Classroom, second: Records, in_parallel: Callable[..., list[object]]
) -> None:
    """Forty at once are not forty free ones: six are judged, as one after the other."""

    def guess(number: int) -> str:
        records = (room.records, second)[number % 2]
        return refused(signing_in.sign_in, records, login="somying", password=OTHER, network=HERE).code

    found = in_parallel(guess, range(40), threads=12)
    assert (found.count("account.wrong"), found.count("account.slow_down")) == (6, 34)


def test_a_limit_holds_in_all_processes_together(
    room: Classroom, second: Records, in_parallel: Callable[..., list[object]]
) -> None:
    """Fifty at once with a limit of three: exactly three."""

    def ask(number: int) -> str:
        try:
            throttling.limit((room.records, second)[number % 2], key="u1", most=3, per=timedelta(hours=1))
        except UsageProblem as problem:
            return problem.code
        return "done"

    found = in_parallel(ask, range(50), threads=12)
    assert (found.count("done"), found.count("account.too_often")) == (3, 47)
    throttling.limit(room.records, key="u2", most=3, per=timedelta(hours=1))


@pytest.mark.parametrize("most", [1, 3, 7])
def test_a_limit_says_how_long_to_wait_and_means_it(room: Classroom, clock: Clock, most: int) -> None:
    """After that many seconds one more is let through, and not before; after the whole time all are."""
    hour = timedelta(hours=1)

    def ask() -> None:
        throttling.limit(room.records, key="x", most=most, per=hour)

    for _ in range(most):
        ask()
    for _ in range(3):
        wait = int(str(refused(ask).params["seconds"]))
        assert wait == pytest.approx(3600 / most, abs=2)
        clock.pass_by(wait - 2)
        refused(ask)
        clock.pass_by(2)
        ask()
    clock.pass_by(3600)
    for _ in range(most):
        ask()
    refused(ask)
