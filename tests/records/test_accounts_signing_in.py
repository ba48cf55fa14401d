"""Sessions and links: which identifiers work, until when, and what a link may do; each rule seen to refuse."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from grader.errors import UsageProblem
from grader.records import Account, AuditEntry, OneTimeLink, PortalSession
from grader.services.accounts import links, passwords, people, sessions, signing_in, tokens
from tests.fixtures.accounts import HERE, OTHER, PASSWORD, good, refused, sign_in, somying
from tests.fixtures.keeping import rows
from tests.fixtures.records import Classroom, Clock

# -- sessions ---------------------------------------------------------------------------------------------------------


def test_signing_in_says_who_it_is(room: Classroom) -> None:
    """With a fresh identifier each time, of which only the hash is kept; the audit names account and session."""
    first, second = sign_in(room, agent="Firefox"), sign_in(room, login=" SOMYING ", agent="x" * 999)
    assert first != second
    assert min(len(first), len(second)) >= 43, "256 bits"
    signed = sessions.session_of(room.records, first)
    assert signed is not None
    assert (signed.login, signed.name, signed.language, signed.person_id) == ("somying", "สมหญิง", "th", None)
    kept = str(rows(room.records))
    assert not any(one in kept for one in (first, second, PASSWORD))
    assert [len(one.agent) for one in room.all(PortalSession) if one.agent != "Firefox"] == [255]
    entries = [one for one in room.all(AuditEntry) if one.action == "account.signed_in"]
    assert [(one.by, one.object, one.after["way"]) for one in entries] == [
        (somying(room), somying(room), "password")
    ] * 2  # type: ignore[index]


@pytest.mark.parametrize("secret", ["", "x", "A" * 43, "' OR 1=1 --", "\ud800"])
def test_an_identifier_that_was_not_issued_is_never_adopted(room: Classroom, secret: str) -> None:
    """Whatever a browser brings along: nobody is signed in by it, before and after somebody signs in with it."""
    before = len(room.all(PortalSession))
    assert good(room, secret) == [False]
    sessions.end(room.records, secret)
    made = sign_in(room)
    assert made != secret
    assert good(room, secret, made) == [False, True]
    assert len(room.all(PortalSession)) == before + 1


def _nothing(_room: Classroom, _own: str, _id: str) -> None:
    return


def _sign_in_again(room: Classroom, _own: str, _id: str) -> None:
    sign_in(room)


def _sign_out(room: Classroom, own: str, _id: str) -> None:
    sessions.end(room.records, own)


def _end_own_others(room: Classroom, _own: str, session_id: str) -> None:
    sessions.end_all(room.records, account=somying(room), by="somying", but=session_id)


def _end_all(room: Classroom, _own: str, _id: str) -> None:
    assert sessions.end_all(room.records, account=somying(room), by="admin") == 2


def _end_one(room: Classroom, _own: str, session_id: str) -> None:
    sessions.end_one(room.records, account=somying(room), session_id=session_id, by="somying")


def _change_password(room: Classroom, _own: str, session_id: str) -> None:
    signing_in.change_password(
        room.records, account=somying(room), password=PASSWORD, new=OTHER, network=HERE, session_id=session_id
    )


def _set_password_by_link(room: Classroom, _own: str, _id: str) -> None:
    links.use(room.records, secret=links.make(room.records, account=somying(room), by="admin"), password=OTHER)


def _link_unused(room: Classroom, _own: str, _id: str) -> None:
    links.make(room.records, account=somying(room), by="admin")


def _disable(room: Classroom, _own: str, _id: str) -> None:
    people.disable(room.records, account=somying(room), by="admin")


def _disable_and_enable(room: Classroom, _own: str, _id: str) -> None:
    people.disable(room.records, account=somying(room), by="admin")
    people.enable(room.records, account=somying(room), by="admin")


def _grant(room: Classroom, _own: str, _id: str) -> None:
    people.grant(room.records, account=somying(room), role="admin", by="admin")


def _grant_and_revoke(room: Classroom, _own: str, _id: str) -> None:
    people.grant(room.records, account=somying(room), role="executive", by="admin")
    people.revoke(room.records, account=somying(room), role="executive", by="admin")


def _somebody_else(room: Classroom, _own: str, _id: str) -> None:
    other = people.create(room.records, login="other", name="x", by="admin").id
    people.grant(room.records, account=other, role="executive", by="admin")
    people.disable(room.records, account=other, by="admin")


TRANSITIONS: tuple[tuple[Callable[[Classroom, str, str], None], bool, bool], ...] = (
    # what happens · the session it is done in works on · another session of the account works on
    (_nothing, True, True),
    (_sign_in_again, True, True),
    (_sign_out, False, True),
    (_end_one, False, True),
    (_end_own_others, True, False),
    (_end_all, False, False),
    (_change_password, True, False),
    (_set_password_by_link, False, False),
    (_link_unused, True, True),
    (_disable, False, False),
    (_disable_and_enable, False, False),
    (_grant, False, False),
    (_grant_and_revoke, False, False),
    (_somebody_else, True, True),
)


@pytest.mark.parametrize(("action", "own", "other"), TRANSITIONS, ids=lambda one: getattr(one, "__name__", None))
def test_which_identifiers_work_afterwards(
    room: Classroom,
    action: Callable[[Classroom, str, str], None],
    own: bool,  # noqa: FBT001 - a column of the table
    other: bool,  # noqa: FBT001 - same
) -> None:
    """Each row of the table: before, what happened, and which identifiers still work at the next request."""
    mine, elsewhere = sign_in(room), sign_in(room)
    signed = sessions.session_of(room.records, mine)
    assert signed is not None
    assert good(room, mine, elsewhere) == [True, True]
    action(room, mine, signed.session_id)
    assert good(room, mine, elsewhere) == [own, other]


@pytest.mark.parametrize("every", [7, 59])
def test_a_session_that_is_used_lasts_twelve_hours(room: Classroom, clock: Clock, every: int) -> None:
    """However busy it is, it ends then."""
    secret, minutes = sign_in(room), 0
    while minutes + every < 12 * 60:
        clock.pass_by(every * 60)
        minutes += every
        assert good(room, secret) == [True], minutes
    clock.pass_by((12 * 60 - minutes) * 60)
    assert good(room, secret) == [False]


def test_a_session_that_is_not_used_lasts_an_hour(room: Classroom, clock: Clock) -> None:
    """And does not come back."""
    secret = sign_in(room)
    clock.pass_by(60 * 60)
    assert good(room, secret) == [False]
    clock.pass_by(-10 * 60)
    assert good(room, secret) == [True], "looking in vain did not touch it"


def test_last_seen_is_written_once_a_minute(room: Classroom, clock: Clock) -> None:
    """Not every request writes."""
    secret, begun = sign_in(room), clock()
    seen = []
    for _ in range(5):
        clock.pass_by(25)
        assert good(room, secret) == [True]
        seen.append([(one.seen_at - begun).total_seconds() for one in room.all(PortalSession)])
    assert seen == [[0], [0], [75], [75], [75]]


def test_what_is_read_of_an_account_is_as_it_is_now(room: Classroom) -> None:
    """Roles come from the records at each request, not from the session."""
    people.grant(room.records, account=somying(room), role="instructor", by="admin")
    secret = sign_in(room)
    before = sessions.session_of(room.records, secret)
    with room.records.upkeep() as session:  # without the service, which would end the session
        for one in session.scalars(select(people.AccountRole)):
            session.delete(one)
    after = sessions.session_of(room.records, secret)
    assert before is not None
    assert after is not None
    assert (before.roles, after.roles) == ((("instructor", None),), ())


def test_people_see_and_end_their_own_sessions_only(room: Classroom, clock: Clock) -> None:
    """The list has those that are open; another account's id is answered like one that does not exist."""
    first, second = sign_in(room, agent="a"), sign_in(room, agent="b")
    clock.pass_by(120)
    assert good(room, second) == [True]
    assert [one.agent for one in sessions.sessions_of(room.records, somying(room))] == ["b", "a"]
    sessions.end(room.records, first)
    (left,) = sessions.sessions_of(room.records, somying(room))
    other = people.create(room.records, login="other", name="x", by="admin").id
    for account, session_id in ((other, left.id), (somying(room), "ses_0")):
        problem = refused(sessions.end_one, room.records, account=account, session_id=session_id, by="x")
        assert problem.code == "records.not_found"
    assert good(room, second) == [True]


def test_disabling_ends_everything_that_lets_in(room: Classroom) -> None:
    """Sessions, tokens and links, at once; afterwards the password alone works again."""
    records, made = room.records, somying(room)
    secret = sign_in(room)
    token = tokens.make(records, account=made, name="x", scopes=["read"], by="x")
    link = links.make(records, account=made, by="admin")
    people.disable(records, account=made, by="admin")
    assert refused(people.disable, records, account=made, by="admin").code == "account.disabled_already"
    for _ in range(2):
        assert good(room, secret) == [False]
        assert tokens.verify(records, token) is None
        assert links.peek(records, link) is None
        with records.reading() as session:
            if session.get_one(Account, made).disabled_at is not None:
                people.enable(records, account=made, by="admin")
    assert refused(people.enable, records, account=made, by="admin").code == "account.not_disabled"
    assert good(room, sign_in(room)) == [True]


def test_a_sign_in_that_a_disabling_overtakes_opens_nothing(room: Classroom, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was proved a moment ago is looked at again in the transaction that opens the session."""
    real = passwords.verify

    def slow(password: str, kept: str) -> tuple[bool, str | None]:
        found = real(password, kept)
        people.disable(room.records, account=somying(room), by="admin")
        return found

    monkeypatch.setattr(passwords, "verify", slow)
    assert refused(sign_in, room).code == "account.wrong"
    assert room.all(PortalSession) == []


def test_a_password_is_proved_once_more_before_what_cannot_be_taken_back(room: Classroom) -> None:
    """The right one passes, a wrong one counts like a failed sign-in."""
    me = {"account": somying(room), "network": HERE}
    signing_in.confirm(room.records, password=PASSWORD, **me)
    assert [refused(signing_in.confirm, room.records, password=OTHER, **me).code for _ in range(7)] == [
        "account.wrong"
    ] * 6 + ["account.slow_down"]


def test_changing_a_password_needs_the_old_one_and_a_good_new_one(room: Classroom) -> None:
    """A session that somebody left open is not enough."""
    values = {"account": somying(room), "network": HERE}
    for password, new, code in ((OTHER, "other-words-here", "wrong"), (PASSWORD, "somying1", "password_guessable")):
        problem = refused(signing_in.change_password, room.records, password=password, new=new, **values)
        assert problem.code == f"account.{code}"
    signing_in.change_password(room.records, password=PASSWORD, new=OTHER, **values)
    assert refused(sign_in, room).code == "account.wrong"
    assert good(room, sign_in(room, OTHER)) == [True]


# -- links ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("purpose", "hours", "lasts"),
    [("first_admin", None, 24 * 3600), ("set_password", None, 15 * 60), ("set_password", 72, 72 * 3600)],
)
def test_a_link_lasts_as_long_as_it_says(
    room: Classroom, clock: Clock, purpose: Any, hours: float | None, lasts: int
) -> None:
    """A second before its end it works, then no more; nothing is set by one that is over."""
    secret = links.make(room.records, account=somying(room), by="admin", purpose=purpose, hours=hours)
    clock.pass_by(lasts - 1)
    assert links.peek(room.records, secret) is not None
    clock.pass_by(1)
    assert links.peek(room.records, secret) is None
    assert refused(links.use, room.records, secret=secret, password=OTHER).code == "account.link_over"
    sign_in(room)


def test_a_link_works_once(room: Classroom) -> None:
    """A bad password does not use it up; a good one does, and a newer link makes older ones void."""
    older = links.make(room.records, account=somying(room), by="admin")
    secret = links.make(room.records, account=somying(room), by="admin")
    assert secret not in str(rows(room.records))
    assert refused(links.use, room.records, secret=secret, password="short").code == "account.password_short"
    links.use(room.records, secret=secret, password=OTHER)
    for one in (older, secret, "unknown"):
        assert refused(links.use, room.records, secret=one, password=PASSWORD).code == "account.link_over"
    assert good(room, sign_in(room, OTHER)) == [True]


def test_a_link_that_two_use_at_once_works_once(room: Classroom, in_parallel: Callable[..., list[object]]) -> None:
    """Exactly one of the passwords is the account's."""
    secret = links.make(room.records, account=somying(room), by="admin")
    chosen = [f"khao-niao-number-{name}" for name in ("one", "two", "six", "ten")]

    def use(password: str) -> str:
        try:
            links.use(room.records, secret=secret, password=password)
        except UsageProblem as problem:
            return problem.code
        return password

    found = list(map(str, in_parallel(use, chosen, threads=4)))
    (won,) = [one for one in found if one in chosen]
    assert sorted(found) == sorted(["account.link_over"] * 3 + [won])
    sign_in(room, won)
    assert len([one for one in room.all(OneTimeLink) if one.used_at is not None]) == 2, "this and the first one"


@pytest.mark.parametrize("hours", [0, -1, 61 * 24])
def test_a_link_cannot_last_for_ever(room: Classroom, hours: float) -> None:
    """Not longer than two months, and longer than nothing."""
    problem = refused(links.make, room.records, account=somying(room), by="admin", hours=hours)
    assert problem.code == "account.link_lasts"
