"""The privacy family and the guard's watch on real apps: who shows a person of the world, to whomever, is found."""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import pytest

from grader.errors import InfrastructureFault, PackInvalid
from grader.packs import Pack, Person
from grader.packs.model import Check, Text
from grader.people import People, Sighting, find_people
from grader.probe import privacy, scenarios
from grader.probe.guard import Guard
from grader.probe.guard_upstream import Question, Reply
from grader.probe.guard_watch import MAX_KEPT, Watch
from grader.probe.session import Session
from tests.fixtures import probing

OWN = "M-S3"
"""A check of the exercise about people, beside U3."""
_, WORLD = probing.mini()
SOMEONE, OTHER = WORLD.people
PEOPLE = People(WORLD.people)
LIST, ONE, NOWHERE = "/clinics", "/clinics/00712", "/__unknown"

Answering = Callable[[str, str, Mapping[str, str]], tuple[int, dict[str, str], bytes]]
"""From method, target and headers to status, headers and body."""


def serving(answering: Answering) -> Any:
    """An app in one function."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        target = scope["raw_path"].decode() + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")
        asked = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        status, headers, body = answering(scope["method"], target, asked)
        told = {"content-type": "application/json", "content-length": str(len(body)), **headers}
        pairs = [(name.encode(), value.encode()) for name, value in told.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    return app


def with_own_check(pack: Pack) -> Pack:
    """The mini exercise with a check of the family privacy, which no scenario belongs to."""
    words = Text(th="ไม่มีใคร", en="Nobody")
    own = Check(id=OWN, family="privacy", points=8, title=words)
    return pack.model_copy(update={"checks": {OWN: own, **pack.checks}})


@contextmanager
def watching(answering: Answering, folder: Path, only: frozenset[str] | None = None) -> Iterator[Session]:
    """A session with the check of its own before such an app."""
    with probing.asgi(serving(answering)) as url, probing.session(url, folder, only=only) as given:
        yield probing.replaced(given, pack=with_own_check(given.pack))


def examined(session: Session) -> probing.Heard:
    """What the family says now."""
    heard = probing.Heard()
    privacy.examine(session, heard)
    return heard


def says(
    body: str | bytes, *, at: str = LIST, status: int = 200, headers: Mapping[str, str] = MappingProxyType({})
) -> Answering:
    """One path shows something to everyone who reads it; every other answer is empty."""
    content = body if isinstance(body, bytes) else body.encode()

    def answering(method: str, target: str, _: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        here = method == "GET" and target.partition("?")[0] == at
        return (status, dict(headers), content) if here else (404, {}, b"{}")

    return answering


def dashed(cid: str) -> str:
    """As it is printed on a card."""
    return f"{cid[0]}-{cid[1:5]}-{cid[5:10]}-{cid[10:12]}-{cid[12]}"


LEAKS: dict[str, tuple[Answering, set[tuple[str, str]]]] = {
    "a number in a list": (says(f'{{"data":[{{"cid":"{SOMEONE.cid}"}}]}}'), {("listClinics", "body.cid")}),
    "a whole row": (
        says(json.dumps([SOMEONE.cid, SOMEONE.name, SOMEONE.identifiers[0]]), at=ONE),
        {("getClinic", "body.cid"), ("getClinic", "body.name"), ("getClinic", "body.identifier")},
    ),
    "a PID": (says(f'{{"pid":"00712:{SOMEONE.identifiers[1]}"}}'), {("listClinics", "body.identifier")}),
    "a PID as a number": (says(f'{{"pid":{SOMEONE.identifiers[0]}}}'), {("listClinics", "body.identifier")}),
    "Thai digits and dashes": (
        says(dashed(OTHER.cid).translate(str.maketrans("0123456789", "๐๑๒๓๔๕๖๗๘๙"))),
        {("listClinics", "body.cid")},
    ),
    "a name in the older Thai encoding": (says(OTHER.name.encode("cp874")), {("listClinics", "body.name")}),
    "an error page": (
        says(f"IntegrityError: {OTHER.cid}", at=NOWHERE, status=500),
        {("", "body.cid")},
    ),
    "a header": (says("{}", headers={"x-debug": f"row {OTHER.cid}"}), {("listClinics", "header.cid")}),
    "an encoded header": (
        says("{}", headers={"link": f"</p?n={quote(OTHER.name)}>"}),
        {("listClinics", "header.name")},
    ),
    "a megabyte, at its end": (
        says(json.dumps({"data": ["x" * 1_000_000, SOMEONE.cid]})),
        {("listClinics", "body.cid")},
    ),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_person_of_the_data_is_found_and_not_shown(leak: str, tmp_path: Path) -> None:
    """The exercise's check fails with one finding for each operation, place and kind; U3 is not about the data."""
    answering, expected = LEAKS[leak]
    with watching(answering, tmp_path) as session:
        heard = examined(session)
    assert heard.outcomes() == {OWN: "fail", "U3": "pass"}
    findings = heard.evidence[OWN].findings
    assert {(one.operation, one.at) for one in findings} == expected
    assert len(findings) == len(expected)
    assert {one.code for one in findings} == {"privacy.person_shown"}
    assert all(one.got for one in findings)
    assert find_people([heard.evidence[OWN].model_dump_json()], PEOPLE) == ()


HONEST: dict[str, Answering] = {
    "nobody": says('{"data":[]}'),
    "other people": says(json.dumps([Person(cid="1970200010174", name="").cid, "นางสาวสาธิต ทดสอบสาม"])),
    "pseudonyms, codes and times": says('["HXPDI4XVG6XDG3DJ", "970101", "2026-11-22T08:00:00.204700331+07:00"]'),
    "digests": says(
        f'{{"sum":"{SOMEONE.identifiers[0]}e{OTHER.cid[:12]}"}}', headers={"etag": f'"ab{SOMEONE.identifiers[0]}"'}
    ),
    "the request's own path": lambda _, target, __: (
        404,
        {"x-path": target},
        json.dumps({"instance": target}).encode(),
    ),
}


@pytest.mark.parametrize("honest", HONEST)
def test_an_honest_answer_is_not_accused(honest: str, tmp_path: Path) -> None:
    """What looks like a person, and what repeats a request, is neither leak nor echo."""
    with watching(HONEST[honest], tmp_path) as session:
        assert examined(session).outcomes() == {OWN: "pass", "U3": "pass"}


@pytest.mark.parametrize("framework", ["fastapi", "flask"])
def test_a_correct_app_passes(framework: str, tmp_path: Path) -> None:
    """An app that ignores the note passes, and every person was sent."""
    serve = probing.fastapi_clinics if framework == "fastapi" else probing.flask_clinics
    with serve() as url:
        heard = probing.examined(privacy.examine, url, tmp_path)
    assert heard.outcomes() == {"U3": "pass"}
    assert len(heard.progress) >= len(WORLD.people)


@pytest.mark.parametrize(("defect", "where"), [("leak", "body"), ("echo_headers", "header")])
def test_a_caller_who_comes_back_is_found_and_not_shown(defect: str, where: str, tmp_path: Path) -> None:
    """Number and name of a header in an answer fail U3 and the exercise's check; the evidence holds neither."""
    with probing.fastapi_clinics(defect) as url, probing.session(url, tmp_path) as given:
        heard = examined(probing.replaced(given, pack=with_own_check(given.pack)))
    assert heard.outcomes() == {OWN: "fail", "U3": "fail"}
    for evidence in heard.evidence.values():
        assert {one.code for one in evidence.findings} == {"privacy.person_in_answer"}
        assert {one.at for one in evidence.findings} == {f"{where}.cid", f"{where}.name"}
        assert find_people([evidence.model_dump_json()], PEOPLE) == ()


def test_a_person_in_the_data_is_no_echo_of_the_caller(tmp_path: Path) -> None:
    """Who stands in an answer anyway is not sent to it as caller, so that U3 is not failed by the data."""
    with watching(says(SOMEONE.cid, at=ONE), tmp_path) as session:
        heard = examined(session)
    assert {one.code for one in heard.evidence[OWN].findings} == {"privacy.person_shown"}
    assert heard.evidence["U3"].findings == ()


def test_who_asks_by_number_may_hear_it_again(tmp_path: Path) -> None:
    """A number in the path, the query or the body of a request is no leak of its answer; another person's is."""
    with watching(lambda _, target, __: (404, {}, json.dumps([target]).encode()), tmp_path) as session:
        session.target.send("GET", f"/people/{SOMEONE.cid}", query={"name": SOMEONE.name})
        assert session.guard.watch.take() == ()
    with watching(lambda *_: (200, {}, json.dumps([SOMEONE.cid, OTHER.cid]).encode()), tmp_path) as session:
        session.target.send("POST", "/reports", json={"cid": SOMEONE.cid})
        (leak,) = session.guard.watch.take()
    assert (leak.operation, leak.where, leak.kind, leak.count) == ("createReport", "body", "cid", 1)


def only_for_the_curious(method: str, target: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
    """Shows someone to a request that the family never thinks of by itself."""
    curious = method == "GET" and target == f"{LIST}?debug=yes%20please" and headers.get("x-trace") == "1"
    return 200, {}, SOMEONE.cid.encode() if curious else b"{}"


def test_what_another_family_was_shown_is_told_and_asked_again(tmp_path: Path) -> None:
    """The repeat on a fresh app sends the same request, so the leak shows again; a mended app shows nothing."""
    told: list[probing.Heard] = []
    broken = True

    def answering(*request: Any) -> tuple[int, dict[str, str], bytes]:
        return only_for_the_curious(*request) if broken else (200, {}, b"{}")

    with watching(answering, tmp_path) as session:
        session.target.send("GET", LIST, query={"debug": "yes please"}, headers={"X-Trace": "1"})
        for _ in range(2):
            session.guard.begin_run()
            told.append(examined(session))
        broken = False
        told.append(examined(session))
    assert [heard.outcomes()[OWN] for heard in told] == ["fail", "fail", "pass"]
    ((first,), (second,)) = [heard.evidence[OWN].findings for heard in told[:2]]
    assert first.fingerprint == second.fingerprint
    assert (first.count, second.count) == (2, 1)
    assert first.exchange is not None
    assert first.exchange.path == f"{LIST}?debug=yes%20please"


def test_a_request_body_is_sent_again(tmp_path: Path) -> None:
    """What leaked for a body leaks again in the repeat, because the body is the same."""
    asked: list[bytes] = []
    with (
        probing.asgi(
            serving(lambda method, *_: (400, {}, OTHER.cid.encode() * (method == "PATCH"))), heard=asked
        ) as url,
        probing.session(url, tmp_path) as given,
    ):
        session = probing.replaced(given, pack=with_own_check(given.pack))
        session.target.send("PATCH", ONE, json={"code": "ก"})
        assert examined(session).outcomes()[OWN] == "fail"
    again = [one for one in asked if one.startswith(b"PATCH /clinics/00712? ")]
    assert again == ['PATCH /clinics/00712? {"code": "ก"}'.encode()] * 2


def test_the_fingerprint_is_the_same_whoever_comes_first(tmp_path: Path) -> None:
    """One operation that leaks with several statuses is one finding, and the lowest status stands for all."""
    prints = []
    for queries in (["a=1", "b=1"], ["b=1", "a=1"]):

        def answering(_: str, target: str, __: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
            return (500 if "b=1" in target else 200 if "a=1" in target else 404), {}, SOMEONE.cid.encode()

        with watching(answering, tmp_path) as session:
            for query in queries:
                session.target.send("GET", f"{LIST}?{query}")
            findings = examined(session).evidence[OWN].findings
        prints.append(sorted(one.fingerprint for one in findings))
        (listed,) = [one for one in findings if one.operation == "listClinics"]
        assert listed.exchange is not None
        assert listed.exchange.response is not None
        assert listed.exchange.response.status == 200
    assert prints[0] == prints[1]


def test_nothing_is_dropped_when_many_ask_at_once(tmp_path: Path) -> None:
    """Every answer is counted before its asker has it, also when eight ask together."""
    with watching(says(f"{SOMEONE.cid} {OTHER.name}"), tmp_path) as session:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: session.target.send("GET", LIST), range(200)))
        leaks = session.guard.watch.take()
    assert {(leak.kind, leak.count) for leak in leaks} == {("cid", 200), ("name", 200)}


def reply(status: int = 200, body: bytes = b"", reason: bytes = b"") -> Reply:
    """An answer as the guard has it."""
    return Reply(status=status, headers=[], body=body, finished=0.0, reason=reason)


def question(path: bytes, body: bytes = b"") -> Question:
    """A request as the guard has it."""
    return Question(method=b"POST", target=path, headers=[(b"X-Odd", "ก".encode()), (b"X-Plain", b"1")], body=body)


def test_the_text_beside_the_status_is_looked_at() -> None:
    """A place that no tester is shown, but every client of the app may see."""
    watch = Watch(PEOPLE)
    watch.saw(question(b"/x"), reply(reason=f"no {SOMEONE.cid}".encode()), operation="", elapsed_ms=1.0, at=0.0)
    (leak,) = watch.take()
    assert (leak.where, leak.kind) == ("status", "cid")
    assert SOMEONE.cid not in leak.excerpt


def test_what_is_remembered_is_bounded_and_can_be_sent() -> None:
    """One request a leak and twenty in all, without huge bodies and without headers that no client would send."""
    watch = Watch(PEOPLE)
    for odd in (question(b"/huge", b"x" * 100_000), question(b"/" + b"x" * 40_000), question(b"*")):
        watch.saw(odd, reply(body=SOMEONE.cid.encode()), operation="odd", elapsed_ms=1.0, at=0.0)
    assert list(watch.kept) == []
    for number in range(50):
        asked = question(b"/%d" % number)
        for _ in range(2):
            watch.saw(asked, reply(body=SOMEONE.cid.encode()), operation=f"op{number}", elapsed_ms=1.0, at=0.0)
    assert [one.path for one in watch.kept] == [f"/{number}" for number in range(MAX_KEPT)]
    assert watch.kept[0].headers == {"X-Plain": "1"}
    assert sum(leak.count for leak in watch.take()) == 103
    assert watch.take() == ()


def test_a_cut_body_shows_no_half_number() -> None:
    """Evidence is masked before it is cut, so no digits of a person are left at its end."""
    watch = Watch(PEOPLE)
    for padding in range(1980, 2000):
        body = b"x" * padding + SOMEONE.cid.encode()
        watch.saw(question(b"/x"), reply(body=body), operation=str(padding), elapsed_ms=1.0, at=0.0)
    leaks = watch.take()
    assert len(leaks) == 20
    for leak in leaks:
        assert leak.exchange.response is not None
        assert SOMEONE.cid[:4] not in leak.exchange.response.body


class _Blind(People):
    def sightings(self, text: str) -> frozenset[Sighting]:
        """Fail as a bug of ours would."""
        raise ZeroDivisionError(len(text))


def test_a_watch_that_fails_is_our_fault_and_never_a_pass(tmp_path: Path) -> None:
    """The app's answer is handed on as it is; the family then says that nobody can have looked."""
    with probing.fastapi_clinics() as url, probing.session(url, tmp_path) as given:
        given.guard.watch = Watch(_Blind([]))
        assert given.target.send("GET", LIST).status == 200
        with pytest.raises(InfrastructureFault, match="watch_failed"):
            given.guard.watch.take()


def test_an_app_that_never_answers_is_not_run(tmp_path: Path) -> None:
    """Silence is no proof of discretion."""
    with probing.asgi(None, lifetime=0) as url:
        pass
    with probing.session(url, tmp_path) as given:
        heard = examined(probing.replaced(given, pack=with_own_check(given.pack)))
    assert heard.outcomes() == {OWN: "not_run", "U3": "not_run"}


@pytest.mark.parametrize("only", ["U3", OWN])
def test_only_what_was_asked_is_told(only: str, tmp_path: Path) -> None:
    """A run for one check says nothing about the other."""
    with watching(says("{}"), tmp_path, only=frozenset({only})) as session:
        assert examined(session).outcomes() == {only: "pass"}


def test_nothing_is_asked_for_other_checks(tmp_path: Path) -> None:
    """A run for a scenario alone leaves the app alone."""
    with watching(says("{}"), tmp_path, only=frozenset({"M-S1"})) as session:
        assert examined(session).outcomes() == {}
        assert session.guard.exchanges == ()


def test_a_check_about_people_needs_people(tmp_path: Path) -> None:
    """A world without anyone could never fail it: that is the author's, and it is said before anything is asked."""
    with probing.asgi(serving(says("{}"))) as url, probing.session(url, tmp_path) as given:
        empty = probing.replaced(given, pack=with_own_check(given.pack), world=probing.without_people(given.world))
        with pytest.raises(PackInvalid, match="nobody_to_find"):
            examined(empty)
        only_u3 = probing.replaced(empty, only=frozenset({"U3"}))
        assert examined(only_u3).outcomes() == {"U3": "pass"}


def test_scenarios_leave_it_to_the_engine(tmp_path: Path) -> None:
    """No scenario belongs to the check, and that is neither an author's mistake nor a result."""
    with probing.fastapi_clinics() as url, probing.session(url, tmp_path) as given:
        heard = probing.Heard()
        scenarios.examine(probing.replaced(given, pack=with_own_check(given.pack)), heard)
    assert heard.outcomes() == {"M-S1": "pass", "M-S2": "pass"}


def test_a_guard_without_people_watches_for_nobody() -> None:
    """The default of a guard in other tests: nothing is looked for and nothing is found."""
    watch = Guard("http://127.0.0.1:9").watch
    watch.saw(question(b"/x"), reply(body=SOMEONE.cid.encode()), operation="", elapsed_ms=1.0, at=0.0)
    assert watch.take() == ()
