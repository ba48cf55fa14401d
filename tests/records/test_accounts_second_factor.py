"""The second factor: what lets somebody in beside a password, what does not, and what of it can be read where."""

from collections.abc import Callable
from typing import Any

import pytest

from grader.errors import UsageProblem
from grader.records import AuditEntry, HalfSignIn, SecondFactor
from grader.services import purging
from grader.services.accounts import (
    links,
    people,
    second_factor,
    second_step,
    sessions,
    signing_in,
)
from tests.fixtures.accounts import HERE, OTHER, PASSWORD, good, refused, somying
from tests.fixtures.keeping import rows
from tests.fixtures.records import CODE, Classroom, Clock
from tests.fixtures.second_steps import ISSUER, Device, first_step, second

# -- who is asked -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", people.ROLES)
def test_whoever_can_decide_is_asked_for_a_second_step_and_others_are_not(room: Classroom, role: str) -> None:
    """By the role alone, in one round or in all; where the setting says "optional", only who has a device."""
    people.grant(room.records, account=somying(room), role=role, by="admin")
    assert first_step(room).half is (role != "finance")
    assert first_step(room, required=False).half is False


def test_a_role_in_one_round_is_enough_to_be_asked(room: Classroom) -> None:
    """An instructor of one round changes results as well."""
    people.grant(room.records, account=somying(room), role="instructor", by="admin", round_code=CODE)
    assert first_step(room).half is True


def test_who_has_a_device_is_asked_whatever_the_setting_says(room: Classroom, clock: Clock) -> None:
    """Nobody takes the second step away from somebody who chose it."""
    assert first_step(room).half is False
    Device(room, clock).taken()
    assert first_step(room, required=False).half is True


# -- the two steps ----------------------------------------------------------------------------------------------------


def test_half_a_sign_in_is_no_session(room: Classroom, clock: Clock) -> None:
    """Nothing is opened by it; the session afterwards has an identifier of its own, and of the first none is left."""
    device = Device(room, clock)
    device.taken()
    half = first_step(room)
    assert half.half
    assert good(room, half.secret) == [False]
    assert half.secret not in str(rows(room.records))
    whole = second(room, half.secret, device.shows())
    assert whole != half.secret
    assert good(room, whole, half.secret) == [True, False]
    assert room.all(HalfSignIn) == []
    assert refused(second, room, half.secret, device.shows(steps=1)).code == "account.half_over"
    signed = sessions.session_of(room.records, whole)
    assert signed is not None
    assert (signed.way, signed.confirmed_at) == ("password", clock())
    (mine,) = sessions.sessions_of(room.records, somying(room))
    assert mine.agent == "Firefox"


def test_enrolling_at_the_first_sign_in(room: Classroom, clock: Clock) -> None:
    """Who has to have a device and has none gets one in the second step, and not twice."""
    people.grant(room.records, account=somying(room), role="instructor", by="admin")
    device, half = Device(room, clock), first_step(room)
    found = second_step.half_of(room.records, half.secret)
    assert found is not None
    assert (found.login, found.enrolled) == ("somying", False)
    assert refused(second, room, half.secret, device.shows()).code == "account.code_wrong", "nothing is enrolled yet"
    values = {"secret": half.secret, "sealed": device.offer.sealed, "network": HERE}
    assert refused(second_step.enrol, room.records, **values, code="000000").code == "account.code_wrong"
    elsewhere = first_step(room)
    whole, codes = second_step.enrol(room.records, **values, code=device.shows())
    assert good(room, whole) == [True]
    assert len(codes) == len(set(codes)) == 10
    clock.pass_by(30)
    again = {**values, "secret": elsewhere.secret, "code": device.shows()}
    assert refused(second_step.enrol, room.records, **again).code == "account.half_over", "a device is there already"
    assert good(room, second(room, elsewhere.secret, device.shows())) == [True]


def test_half_a_sign_in_ends_after_ten_minutes(room: Classroom, clock: Clock) -> None:
    """And is removed by the purge."""
    device = Device(room, clock)
    device.taken()
    half = first_step(room)
    clock.pass_by(10 * 60 - 1)
    assert second_step.half_of(room.records, half.secret) is not None
    clock.pass_by(1)
    assert second_step.half_of(room.records, half.secret) is None
    assert refused(second, room, half.secret, device.shows()).code == "account.half_over"
    clock.pass_by(1)
    purging.purge(room.records, by="cron", dry_run=False)
    assert room.all(HalfSignIn) == []


def _nothing(_room: Classroom) -> None:
    return


def _set_password(room: Classroom) -> None:
    links.use(room.records, secret=links.make(room.records, account=somying(room), by="admin"), password=OTHER)


def _change_password(room: Classroom) -> None:
    signing_in.change_password(room.records, account=somying(room), password=PASSWORD, new=OTHER, network=HERE)


def _disable(room: Classroom) -> None:
    people.disable(room.records, account=somying(room), by="admin")


def _disable_and_enable(room: Classroom) -> None:
    _disable(room)
    people.enable(room.records, account=somying(room), by="admin")


def _grant(room: Classroom) -> None:
    people.grant(room.records, account=somying(room), role="finance", by="admin")


def _reset(room: Classroom) -> None:
    second_factor.reset(room.records, account=somying(room), by="admin")


def _end_all(room: Classroom) -> None:
    sessions.end_all(room.records, account=somying(room), by="admin")


def _renew_codes(room: Classroom) -> None:
    second_factor.renew_codes(room.records, account=somying(room))


def _sign_in_elsewhere(room: Classroom) -> None:
    first_step(room)


def _somebody_else(room: Classroom) -> None:
    other = people.create(room.records, login="other", name="x", by="admin").id
    people.grant(room.records, account=other, role="admin", by="admin")


TRANSITIONS: tuple[tuple[Callable[[Classroom], None], bool, bool], ...] = (
    # what happens · a session of the account works on · half a sign-in can still be finished
    (_nothing, True, True),
    (_sign_in_elsewhere, True, True),
    (_renew_codes, True, True),
    (_somebody_else, True, True),
    (_set_password, False, False),
    (_change_password, False, False),
    (_disable, False, False),
    (_disable_and_enable, False, False),
    (_grant, False, False),
    (_reset, False, False),
    (_end_all, False, False),
)


@pytest.mark.parametrize(("action", "whole", "half"), TRANSITIONS, ids=lambda one: getattr(one, "__name__", None))
def test_which_identifiers_work_afterwards(
    room: Classroom,
    clock: Clock,
    action: Callable[[Classroom], None],
    whole: bool,  # noqa: FBT001 - a column of the table
    half: bool,  # noqa: FBT001 - same
) -> None:
    """Before: one session by both steps and one sign-in that is half done. What ends the one ends the other."""
    people.create(room.records, login="admin2", name="x", by="admin")
    device = Device(room, clock)
    device.taken()
    opened = second(room, first_step(room).secret, device.shows())
    clock.pass_by(30)
    waiting = first_step(room).secret
    action(room)
    assert good(room, opened) == [whole]
    assert (second_step.half_of(room.records, waiting) is not None) is half
    if not half:
        assert refused(second, room, waiting, device.shows()).code == "account.half_over"
    else:
        assert good(room, second(room, waiting, device.shows())) == [True]


def test_a_new_device_ends_all_other_sessions(room: Classroom, clock: Clock) -> None:
    """As a new password does; the code of the old device and its codes on paper open nothing any more."""
    old = Device(room, clock)
    paper = old.taken()
    mine, other = (second(room, first_step(room).secret, old.shows(steps=turn)) for turn in (0, 1))
    clock.pass_by(60)
    signed = sessions.session_of(room.records, mine)
    assert signed is not None
    new = Device(room, clock)
    second_factor.enrol(
        room.records, account=somying(room), sealed=new.offer.sealed, code=new.shows(), network=HERE,
        session_id=signed.session_id,
    )  # fmt: skip
    assert good(room, mine, other) == [True, False]
    clock.pass_by(30)
    half = first_step(room).secret
    for code in (old.shows(), paper[0]):
        assert refused(second, room, half, code).code == "account.code_wrong"
    assert good(room, second(room, half, new.shows())) == [True]


# -- codes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("steps", "right"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_counts_one_step_around_the_present_one(
    room: Classroom,
    clock: Clock,
    steps: int,
    right: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """Half a minute early or late, and no more."""
    device = Device(room, clock)
    device.taken()
    clock.pass_by(120)
    half, code = first_step(room).secret, device.shows(steps=steps)
    if right:
        assert good(room, second(room, half, code)) == [True]
    else:
        assert refused(second, room, half, code).code == "account.code_wrong"


def test_a_code_works_once(room: Classroom, clock: Clock) -> None:
    """Nor does an earlier one work after a later one, nor the one that enrolled the device."""
    device = Device(room, clock)
    first = device.shows()
    device.taken()
    halves = [first_step(room).secret for _ in range(3)]
    assert refused(second, room, halves[0], first).code == "account.code_wrong"
    later = device.shows(steps=1)
    assert good(room, second(room, halves[0], later)) == [True]
    assert refused(second, room, halves[1], later).code == "account.code_wrong"
    assert refused(second, room, halves[1], device.shows()).code == "account.code_wrong"
    clock.pass_by(60)
    assert good(room, second(room, halves[1], device.shows())) == [True]


def test_a_code_that_two_use_at_once_works_once(
    room: Classroom, clock: Clock, in_parallel: Callable[..., list[object]]
) -> None:
    """Exactly one of them is let in."""
    device = Device(room, clock)
    device.taken()
    halves, code = [first_step(room).secret for _ in range(4)], device.shows()

    def use(half: str) -> str:
        try:
            return "in" if second(room, half, code) else ""
        except UsageProblem as problem:
            return problem.code

    found = sorted(map(str, in_parallel(use, halves, threads=4)))
    assert found == ["account.code_wrong"] * 3 + ["in"]


def test_a_code_may_be_typed_in_any_way(room: Classroom, clock: Clock) -> None:
    """With a blank in the middle, in Thai digits, in those of East Asian keyboards."""
    device = Device(room, clock)
    device.taken()
    thai = str.maketrans("0123456789", "๐๑๒๓๔๕๖๗๘๙")
    wide = str.maketrans("0123456789", "０１２３４５６７８９")
    for change in (lambda code: f" {code[:3]} {code[3:]} ", lambda code: code.translate(thai),
                   lambda code: code.translate(wide)):  # fmt: skip
        assert good(room, second(room, first_step(room).secret, change(device.shows()))) == [True]
        clock.pass_by(30)


@pytest.mark.parametrize("code", ["", "0", "abcdef", "1" * 500, "\ud800", "' OR 1=1 --", "½½½½½½"])
def test_what_is_no_code_is_a_wrong_one(room: Classroom, clock: Clock, code: str) -> None:
    """Whatever is typed, the answer is the same."""
    Device(room, clock).taken()
    assert refused(second, room, first_step(room).secret, code).code == "account.code_wrong"


def test_a_recovery_code_works_once_in_place_of_the_device(room: Classroom, clock: Clock) -> None:
    """Typed in any case, with and without blanks; the audit says by what somebody came in."""
    device = Device(room, clock)
    codes = device.taken()
    assert good(room, second(room, first_step(room).secret, codes[3].upper().replace(" ", "-"))) == [True]
    half = first_step(room).secret
    assert refused(second, room, half, codes[3]).code == "account.code_wrong"
    assert good(room, second(room, half, codes[4])) == [True]
    with room.records.reading() as session:
        assert second_factor.standing(session, somying(room)).codes_left == 8
    ways = [one.after["second"] for one in room.all(AuditEntry) if one.action == "account.signed_in"]  # type: ignore[index]
    assert ways == ["recovery", "recovery"]


def test_new_recovery_codes_replace_the_old_ones(room: Classroom, clock: Clock) -> None:
    """And nobody has any who has no device."""
    assert refused(second_factor.renew_codes, room.records, account=somying(room)).code == "account.no_second_factor"
    old = Device(room, clock).taken()
    new = second_factor.renew_codes(room.records, account=somying(room))
    assert not set(old) & set(new)
    half = first_step(room).secret
    assert refused(second, room, half, old[0]).code == "account.code_wrong"
    assert good(room, second(room, half, new[0])) == [True]


def test_nobody_uses_the_codes_of_somebody_else(room: Classroom, clock: Clock) -> None:
    """Neither those of the device nor those on paper, nor an offer that was made to another."""
    device = Device(room, clock)
    codes = device.taken()
    other = people.create(room.records, login="other", name="x", by="admin").id
    links.use(room.records, secret=links.make(room.records, account=other, by="admin"), password=PASSWORD + "x")
    theirs = second_factor.offer(room.records, account=other, issuer=ISSUER)
    values: dict[str, Any] = {"account": other, "network": HERE, "session_id": ""}
    for sealed, code in ((device.offer.sealed, device.shows()), (theirs.sealed, device.shows())):
        assert refused(second_factor.enrol, room.records, **values, sealed=sealed, code=code).code in {
            "account.offer_over", "account.code_wrong",
        }  # fmt: skip
    secret = theirs.secret.replace(" ", "")
    second_factor.enrol(
        room.records, **values, sealed=theirs.sealed, code=second_factor.code_at(secret, clock())
    )  # fmt: skip
    clock.pass_by(30)
    half = signing_in.sign_in(room.records, login="other", password=PASSWORD + "x", network=HERE).secret
    for code in (device.shows(), codes[0]):
        assert refused(second, room, half, code).code == "account.code_wrong"


def test_codes_are_counted_apart_from_passwords(room: Classroom, clock: Clock) -> None:
    """A right password between wrong codes gives no further tries; a right code does, after the pause."""
    device = Device(room, clock)
    device.taken()
    found = []
    for _ in range(8):
        half = first_step(room).secret
        found.append(refused(second, room, half, "000000").code)
    assert found == ["account.code_wrong"] * 6 + ["account.slow_down"] * 2
    clock.pass_by(30)
    half = first_step(room).secret
    assert good(room, second(room, half, device.shows())) == [True]
    half = first_step(room).secret
    assert refused(second, room, half, "000000").code == "account.code_wrong", "forgotten by a right one"


def test_the_tries_of_enrolling_are_counted_as_well(room: Classroom, clock: Clock) -> None:
    """Nobody finds the code of a secret by asking the page where it is confirmed."""
    device = Device(room, clock)
    values: dict[str, Any] = {
        "account": somying(room),
        "sealed": device.offer.sealed,
        "network": HERE,
        "session_id": "",
    }
    found = [refused(second_factor.enrol, room.records, **values, code="000000").code for _ in range(8)]
    assert found == ["account.code_wrong"] * 6 + ["account.slow_down"] * 2


def test_an_offer_ends_after_a_quarter_of_an_hour(room: Classroom, clock: Clock) -> None:
    """And nothing else that we sealed is one: the secret of a device is not, as it stands in the database."""
    device = Device(room, clock)
    values: dict[str, Any] = {"account": somying(room), "network": HERE, "session_id": ""}
    clock.pass_by(15 * 60 + 1)
    over = {**values, "sealed": device.offer.sealed, "code": device.shows()}
    assert refused(second_factor.enrol, room.records, **over).code == "account.offer_over"
    assert second_factor.offered(room.records, account=somying(room), sealed=device.offer.sealed, issuer=ISSUER) is None
    device = Device(room, clock)
    device.taken()
    (kept,) = room.all(SecondFactor)
    for sealed in (kept.secret, "", "x", "ก"):
        wrong = {**values, "sealed": sealed, "code": device.shows()}
        assert refused(second_factor.enrol, room.records, **wrong).code == "account.offer_over"
