"""The API whole: who comes in, what is refused and how, lists that stay in place, and work that arrives once."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jsonschema
import pytest
from sqlalchemy import func, select

from grader.records import Submission
from grader.services import indicator, overriding, receiving, rounds
from grader.services.accounts import people, tokens
from grader.services.admitting import MOST_WAITING
from portal.api.cursors import pack
from portal.bodies import SMALL_BODY
from tests.fixtures.portal import OWNER_CANARY, PACK, Browser, World, grade, verdict_for
from tests.portal.test_portal_first import project

API = "/api/v1"


class Program:
    """Somebody's program: shows a token, sends no cookie, comes from nowhere."""

    def __init__(self, world: World, who: str, *scopes: str, token: str = "") -> None:
        self.token = token or tokens.make(
            world.records,
            account=world.accounts[who].id,
            name="test",
            scopes=scopes or ("submit", "read", "kpi.read"),
            by="setup",
        )
        self.browser = Browser(world.app)
        self.browser.headers = {"Authorization": f"Bearer {self.token}"}

    def get(self, path: str, **headers: str) -> Any:
        """Ask."""
        return self.browser.get(API + path, headers=headers)

    def post(self, path: str, *, headers: dict[str, str] | None = None, **options: Any) -> Any:
        """Send."""
        return self.browser.post(API + path, headers=headers or {}, **options)

    def hand_in(self, assignment: str, key: str, content: bytes | None = None) -> Any:
        """Hand work in."""
        files = {"work": ("งาน.zip", project() if content is None else content, "application/zip")}
        return self.post("/submissions", data={"assignment": assignment}, files=files, headers={"Idempotency-Key": key})


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """A problem as RFC 9457 has it, with this status and code."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    wanted = {"type", "title", "status", "detail", "instance", "code", "errors", "request_id"}
    assert set(found) == wanted
    assert (found["status"], found["code"]) == (status, code)
    assert found["request_id"] == answer.headers["x-request-id"]
    assert found["title"]
    assert found["detail"]
    return found


# -- who comes in -----------------------------------------------------------------------------------------------------


def test_a_token_says_who_comes_and_a_wrong_one_never_falls_back(world: World) -> None:
    """A wrong token is 401 also when a good cookie comes with it; each answer says how to come in."""
    me = Program(world, "owner").get("/me").json()
    assert (me["login"], me["trainee"], me["scopes"]) == ("owner", True, ["kpi.read", "read", "submit"])
    stranger = problem(Browser(world.app).get(f"{API}/me"), 401, "api.sign_in")
    assert stranger["instance"] == f"{API}/me"
    for wrong in ("Bearer gt_nobody", "Bearer", "Basic b3duZXI6eA==", "", "gt_x"):
        answer = world.browser("owner").get(f"{API}/me", headers={"Authorization": wrong})
        problem(answer, 401, "api.token")
        assert answer.headers["www-authenticate"].startswith('Bearer realm="grader"')
    cookie = world.browser("owner").get(f"{API}/me")
    assert cookie.json()["scopes"] is None


def test_a_token_opens_no_page(world: World) -> None:
    """It is for the API: pages know only sessions, so a token that leaks changes no password and makes no token."""
    program = Program(world, "owner")
    for address in ("/", "/sessions", "/tokens", f"/submissions/{world.work['owner.failed']}"):
        assert program.browser.get(address).status_code == 303, address


def test_a_token_does_what_its_scopes_say_and_no_more(fresh_world: World) -> None:
    """Each route asks for its own scope, and a decision about a result for a person."""
    owner, failed = "owner", fresh_world.work["owner.failed"]
    reads, sends = Program(fresh_world, owner, "read"), Program(fresh_world, owner, "submit")
    assert reads.get("/submissions").status_code == 200
    problem(sends.get("/submissions"), 403, "api.scope")
    problem(sends.get(f"/submissions/{failed}"), 403, "api.scope")
    problem(reads.hand_in(fresh_world.assignments["r1"], "k"), 403, "api.scope")
    problem(reads.post(f"/submissions/{failed}/appeals", json={"text": "x"}), 403, "api.scope")
    assert sends.hand_in(fresh_world.assignments["r1"], "k").status_code == 202
    problem(Program(fresh_world, "coordinator", "read").get("/kpi/2570/q1"), 403, "api.scope")
    problem(Program(fresh_world, "owner", "kpi.read").get("/kpi/2570/q1"), 403, "api.forbidden")
    override = Program(fresh_world, "instructor").post(
        f"/submissions/{failed}/overrides", json={"outcome": "pass", "reason": "x"}, headers={"If-Match": "*"}
    )
    assert problem(override, 403, "api.scope")["detail"]


def test_a_token_is_over_at_once(fresh_world: World) -> None:
    """Revoked, or its account disabled: the next request is refused."""
    program, account = Program(fresh_world, "peer"), fresh_world.accounts["peer"]
    assert program.get("/me").status_code == 200
    with fresh_world.records.reading() as session:
        (held,) = tokens.tokens_of(session, account.id)
    tokens.revoke(fresh_world.records, account=account.id, token_id=held.id, by="peer")
    problem(program.get("/me"), 401, "api.token")
    again = Program(fresh_world, "peer")
    people.disable(fresh_world.records, account=account.id, by="admin")
    problem(again.get("/me"), 401, "api.token")


def test_what_is_not_yours_looks_like_what_is_not_there(world: World) -> None:
    """Another's submission, one that does not exist, and a name that none can have."""
    peer = Program(world, "peer")
    for part in ("", "/verdict", "/report", "/receipt"):
        for name in (world.work["owner.failed"], "sub_0000000000000000", "%00", "x" * 300):
            answer = peer.get(f"/submissions/{name}{part}")
            problem(answer, 404, "api.not_found")
            assert OWNER_CANARY not in answer.text
    problem(Program(world, "instructor").get("/rounds/r2/roster"), 404, "api.not_found")


def test_another_site_cannot_use_a_session(world: World) -> None:
    """A browser that another page sends is refused, as a problem."""
    answer = world.browser("owner").post(
        f"{API}/submissions/{world.work['owner.failed']}/appeals",
        headers={"Sec-Fetch-Site": "cross-site"},
        json={"text": "x"},
    )
    problem(answer, 403, "api.elsewhere")


# -- what is refused --------------------------------------------------------------------------------------------------


def test_every_refusal_is_a_problem(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown paths, methods, values and bodies, too large ones, and a fault of ours; in the language asked for."""
    owner = Program(world, "owner")
    failed = world.work["owner.failed"]
    for path in ("/nothing", "", "/submissions/"):
        problem(owner.get(path), 404, "api.not_found") if path != "/submissions/" else None
    problem(Browser(world.app).get("/api/other"), 404, "api.not_found")
    wrong = owner.browser._send("DELETE", f"{API}/submissions")
    problem(wrong, 405, "api.method")
    assert wrong.headers["allow"] == "GET, POST"
    found = problem(owner.get("/submissions?limit=201&page=2"), 422, "api.invalid")
    assert [one["pointer"] for one in found["errors"]] == ["/query/page"]
    (mistake,) = problem(owner.get("/submissions?limit=201"), 422, "api.invalid")["errors"]
    assert (mistake["pointer"], mistake["code"]) == ("/query/limit", "less_than_equal")
    unknown = owner.post(f"/submissions/{failed}/appeals", json={"text": "x", "also": 1})
    assert problem(unknown, 422, "api.invalid")["errors"][0]["pointer"] == "/body/also"
    for text in ("", "  \n", "a\x00b"):
        problem(owner.post(f"/submissions/{failed}/appeals", json={"text": text}), 422, "api.invalid")
    broken = owner.post(f"/submissions/{failed}/appeals", content="{", headers={"Content-Type": "application/json"})
    problem(broken, 422, "api.invalid")
    large = owner.post(f"/submissions/{failed}/appeals", json={"text": "x" * (SMALL_BODY + 1)})
    problem(large, 413, "api.too_large")
    english = owner.get("/nothing", **{"Accept-Language": "de, en-GB;q=0.8, th;q=0.2"})
    assert problem(english, 404, "api.not_found")["title"] == "Not found"
    assert english.headers["content-language"] == "en"

    def broken_service(*_: object, **__: object) -> None:
        raise RuntimeError(OWNER_CANARY)

    monkeypatch.setattr(overriding, "appeal", broken_service)
    fault = owner.post(f"/submissions/{failed}/appeals", json={"text": "x"})
    assert OWNER_CANARY not in json.dumps(problem(fault, 500, "api.fault"))


def test_a_code_has_an_address_that_explains_it(world: World) -> None:
    """The type of a problem leads to its words, for everybody, in both languages."""
    stranger = Browser(world.app)
    address = problem(stranger.get(f"{API}/me"), 401, "api.sign_in")["type"]
    for lang, words in {"th": "ต้องแสดงตัวก่อน", "en": "Nobody is signed in"}.items():
        assert stranger.get(address, headers={"Accept-Language": lang}).json()["title"] == words
    problem(stranger.get(f"{API}/problems/no.such_code"), 404, "api.not_found")


# -- handing in -------------------------------------------------------------------------------------------------------


def test_work_arrives_once_however_often_it_is_sent(fresh_world: World) -> None:
    """The same key gives the same receipt, and another body under it is refused; without a key nothing is taken."""
    owner, assignment = Program(fresh_world, "owner"), fresh_world.assignments["r1"]
    first = owner.hand_in(assignment, "key-1")
    assert first.status_code == 202, first.text
    schema = _description(fresh_world)
    jsonschema.validate(first.json(), {**schema["components"]["schemas"]["ReceiptOut"], "components": {}})
    place = first.headers["location"]
    assert place == f"{API}/submissions/{first.json()['submission']}"
    assert owner.hand_in(assignment, "key-1").json() == first.json()
    problem(owner.hand_in(assignment, "key-1", project() + b"\0"), 422, "submission.key_reused")
    problem(
        owner.post("/submissions", data={"assignment": assignment}, files={"work": ("a", b"x")}), 400, "api.key_missing"
    )
    state = owner.browser.get(place)
    assert (state.json()["state"], state.headers["retry-after"]) == ("queued", "2")
    assert state.json()["ahead"] == 1
    assert receiving.Receipt.model_validate(first.json()).genuine(fresh_world.records.keys)
    assert owner.browser.get(f"{place}/receipt").json() == first.json()


def test_work_that_cannot_be_graded_is_refused(fresh_world: World) -> None:
    """A file that is no archive, an exercise of another round, one that is not open, and no more attempts."""
    records, assignment = fresh_world.records, fresh_world.assignments["r1"]
    peer = Program(fresh_world, "peer")
    problem(peer.hand_in(assignment, "a", b"no zip"), 422, "archive.not_zip")
    problem(peer.hand_in(fresh_world.assignments["r2"], "b"), 404, "api.not_found")
    problem(peer.hand_in("asg_0000000000000000", "c"), 404, "api.not_found")
    problem(Program(fresh_world, "instructor").hand_in(assignment, "d"), 403, "api.forbidden")
    rounds.assign(records, round_code="r1", pack=PACK, by="setup", attempts=2)
    refused = problem(peer.hand_in(assignment, "e"), 409, "submission.no_attempts_left")
    assert refused["instance"] == f"{API}/submissions"
    (given,) = peer.get("/assignments").json()["items"]
    assert (given["used"], given["left"], given["refusal"]) == (2, 0, "submission.no_attempts_left")


def test_fifty_at_once_get_no_more_than_the_limit(fresh_world: World) -> None:
    """Fifty programs of one person hand in together: so many are taken as may wait, and all others are told."""
    assignment, other = fresh_world.assignments["r2"], Program(fresh_world, "other")

    def one(number: int) -> Any:
        return Program(fresh_world, "other", token=other.token).hand_in(assignment, f"key-{number}")

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(one, range(50)))
    taken = [answer for answer in answers if answer.status_code == 202]
    assert len(taken) == MOST_WAITING
    for answer in answers:
        if answer not in taken:
            problem(answer, 429, "submission.too_many_waiting")
            assert answer.headers["retry-after"]
    with fresh_world.records.reading() as session:
        mine = select(func.count()).where(Submission.seat_id == fresh_world.seats["other"])
        assert session.scalar(mine) == 1 + MOST_WAITING
    assert sorted(answer.json()["number"] for answer in taken) == [2, 3, 4]


# -- reading ----------------------------------------------------------------------------------------------------------


def test_a_submission_is_followed_to_its_result(fresh_world: World) -> None:
    """Nothing is sent twice while nothing changed; then the verdict, in the document and in words."""
    owner, waiting = Program(fresh_world, "owner"), fresh_world.work["owner.waiting"]
    first = owner.get(f"/submissions/{waiting}")
    same = owner.get(f"/submissions/{waiting}", **{"If-None-Match": f'"x", W/{first.headers["etag"]}'})
    assert (same.status_code, same.content) == (304, b"")
    early = owner.get(f"/submissions/{waiting}/verdict")
    problem(early, 409, "api.not_ready")
    assert early.headers["retry-after"]
    assert grade(fresh_world.records, verdict_for(PACK, failing=("C",), canary=OWNER_CANARY)) == waiting
    now = owner.get(f"/submissions/{waiting}", **{"If-None-Match": first.headers["etag"]})
    told = now.json()
    assert (told["finished"], told["outcome"], told["result"]) == (True, "fail", "fail")
    assert "retry-after" not in now.headers
    assert {one["state"] for one in told["phases"]} <= {"pass", "not_run"}
    document = owner.get(f"/submissions/{waiting}/verdict").json()
    assert (document["schema"], document["points"]) == ("verdict/1", told["points"])
    report = owner.get(f"/submissions/{waiting}/report", **{"Accept-Language": "en"})
    assert report.headers["content-type"].startswith("text/plain")
    assert "not passed" in report.text.lower() or "fail" in report.text.lower()


def test_a_verdict_with_half_a_letter_is_sent(fresh_world: World) -> None:
    """What an app answered may be no text that has bytes: the verdict comes all the same, and says what it was."""
    made = grade(fresh_world.records, verdict_for(PACK).model_copy(update={"log": ("half \ud800",)}))
    answer = Program(fresh_world, "owner").get(f"/submissions/{made}/verdict")
    assert answer.status_code == 200
    assert b"half \\ud800" in answer.content
    assert "half \ud800" in json.dumps(json.loads(answer.content), ensure_ascii=False)


def test_pages_stay_in_place_when_something_comes_in(fresh_world: World) -> None:
    """What is handed in between two pages moves nothing: every earlier submission is seen once."""
    owner, assignment = Program(fresh_world, "owner"), fresh_world.assignments["r1"]
    while True:  # room for more
        before = owner.hand_in(assignment, f"first-{len(owner.get('/submissions').json()['items'])}")
        if before.status_code != 202:
            break
    everything = [one["id"] for one in owner.get("/submissions").json()["items"]]
    assert len(everything) == 4
    first = owner.get("/submissions?limit=2")
    assert first.headers["link"] == f'<{API}/submissions?limit=2&cursor={first.json()["next_cursor"]}>; rel="next"'
    grade(fresh_world.records, verdict_for(PACK))
    assert owner.hand_in(assignment, "between").status_code == 202
    seen, cursor = [one["id"] for one in first.json()["items"]], first.json()["next_cursor"]
    while cursor:
        page = owner.get(f"/submissions?limit=1&cursor={cursor}").json()
        seen += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert seen == everything
    assert len(owner.get("/submissions").json()["items"]) == 5


@pytest.mark.parametrize(
    "cursor",
    ["x", "é", "W10", pack("rounds", "r1"), pack("submissions", "1"), pack("submissions", "no day", "x"), "[" * 500],
)
def test_a_cursor_that_was_not_given_is_no_page(world: World, cursor: str) -> None:
    """It is refused, whatever it is, and never a fault."""
    problem(Program(world, "owner").get(f"/submissions?cursor={cursor}"), 404, "api.cursor")


def test_the_staff_reads_rounds_rosters_and_the_queue(world: World) -> None:
    """Their own rounds alone, a page at a time."""
    staff = Program(world, "instructor")
    assert [one["code"] for one in staff.get("/rounds").json()["items"]] == ["r1"]
    assert staff.get("/rounds/r1").json()["seats"] == 2
    first = staff.get("/rounds/r1/roster?limit=1").json()
    second = staff.get(f"/rounds/r1/roster?limit=1&cursor={first['next_cursor']}").json()
    assert [one["items"][0]["person"] for one in (first, second)] == ["owner", "peer"]
    assert second["next_cursor"] is None
    assert staff.get("/queue").json()["waiting"] == 1
    assert [one["state"] for one in staff.get("/assignments").json()["items"]] == [None]
    problem(Program(world, "owner").get("/rounds"), 403, "api.forbidden")


def test_the_figure_for_another_system(fresh_world: World) -> None:
    """A, B and the units of a round, for those who count; a round that is not there is no round."""
    indicator.propose_rounds(fresh_world.records, 2570, by="setup", preset="quarters")
    found = Program(fresh_world, "executive", "kpi.read").get("/kpi/2570/q1")
    assert found.status_code == 200, found.text
    live = indicator.live(fresh_world.records, 2570, "q1")
    assert (found.json()["a"], found.json()["b"]) == (live.a, live.b)
    problem(Program(fresh_world, "executive", "kpi.read").get("/kpi/2570/q9"), 404, "indicator.round_unknown")
    problem(Program(fresh_world, "executive", "kpi.read").get("/kpi/2013/q1"), 422, "api.invalid")


# -- deciding ---------------------------------------------------------------------------------------------------------


def test_a_result_is_decided_only_as_it_was_seen(fresh_world: World) -> None:
    """Without the tag of what was read it is 428, with an old one 412; two who decide do not overrun each other."""
    instructor, failed = fresh_world.browser("instructor"), fresh_world.work["owner.failed"]
    address = f"{API}/submissions/{failed}"
    seen = instructor.get(address).headers["etag"]

    def decide(outcome: str, **headers: str) -> Any:
        return instructor.post(f"{address}/overrides", json={"outcome": outcome, "reason": "ตรวจแล้ว"}, headers=headers)

    problem(decide("pass"), 428, "api.match_missing")
    problem(decide("pass", **{"If-Match": '"other"'}), 412, "api.changed")
    made = decide("pass", **{"If-Match": seen})
    assert made.status_code == 201, made.text
    assert (made.json()["before"], made.json()["outcome"]) == ("fail", "pass")
    problem(decide("fail", **{"If-Match": seen}), 412, "api.changed")
    problem(decide("pass", **{"If-Match": instructor.get(address).headers["etag"]}), 409, "override.no_change")
    assert instructor.get(address).json()["decisions"] == 1


def test_an_appeal_is_made_once(fresh_world: World) -> None:
    """It is kept and shown; a second one while it is open is a conflict, as is one without a result."""
    peer, failed = Program(fresh_world, "peer"), fresh_world.work["peer.failed"]
    made = peer.post(f"/submissions/{failed}/appeals", json={"text": "C กำกวม"})
    assert (made.status_code, made.json()["state"]) == (201, "open")
    problem(peer.post(f"/submissions/{failed}/appeals", json={"text": "อีกครั้ง"}), 409, "appeal.open_already")
    assert [one["text"] for one in peer.get(f"/submissions/{failed}").json()["appeals"]] == ["C กำกวม"]
    waiting = fresh_world.work["owner.waiting"]
    early = Program(fresh_world, "owner").post(f"/submissions/{waiting}/appeals", json={"text": "x"})
    problem(early, 409, "appeal.no_result")


def _description(world: World) -> dict[str, Any]:
    found: dict[str, Any] = Browser(world.app).get("/api/openapi.json").json()
    return found


def test_the_description_tells_of_every_route_and_no_page(world: World) -> None:
    """It is OpenAPI 3.1, and each operation says how it is refused."""
    document = _description(world)
    assert document["openapi"].startswith("3.1")
    assert all(path.startswith(API) for path in document["paths"])
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert len(operations) >= 16
    for one in operations:
        refusals = {status: told for status, told in one["responses"].items() if int(status) >= 400}
        assert refusals
        for told in refusals.values():
            assert list(told["content"]) == ["application/problem+json"]
