"""Bodies that mean harm, on a real server: each is refused in words, costs nobody an attempt, and leaves nothing."""

import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from grader.records import Submission, create_records
from grader.services.admitting import allowance
from grader.services.cancelling import cancel_submission
from portal.app import create_app
from portal.bodies import FILE_BODY, LINGER_BYTES, MOST_LARGE, SMALL_BODY, BodyLimits, Pace
from tests.fixtures.browser import served
from tests.fixtures.portal import World, build_world
from tests.fixtures.serving import BOUNDARY, MULTIPART, Answer, Sender, ask, blobs_of, form, left_in, part, token
from tests.fixtures.slots import until
from tests.portal.test_portal_first import project

API: Final = "/api/v1/submissions"
QUICK: Final = Pace(silence=1.5, grace=1.5, least=4096, whole=6)
"""The same rule as when it is served, with less patience."""


@dataclass(kw_only=True)
class Target:
    """A portal that listens, where its forms are put meanwhile, and programs of its trainees."""

    world: World
    app: FastAPI
    port: int
    files: Path
    shown: dict[str, dict[str, str]]

    def sender(self, who: str = "peer", key: str = "hostile", **headers: str) -> Sender:
        """A request of somebody (of nobody: "") that has begun to hand work in."""
        given = {**self.shown.get(who, {}), **MULTIPART, "Idempotency-Key": key, **headers}
        return Sender(self.port, API, {name.replace("_", "-"): value for name, value in given.items()})

    def hand_in(self, body: bytes, who: str = "peer", key: str = "hostile", **headers: str) -> Answer:
        """A whole request."""
        given = {**self.shown[who], **MULTIPART, "Idempotency-Key": key, **headers}
        return ask(self.port, "POST", API, {name.replace("_", "-"): value for name, value in given.items()}, body)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """One for all of these: whoever harms it harms those that come after."""
    folder, files = tmp_path_factory.mktemp("hostile") / "data", tmp_path_factory.mktemp("files")
    records = create_records(folder)
    world = build_world(records, folder)
    before, tempfile.tempdir = tempfile.tempdir, str(files)
    try:
        app = create_app(records, world.settings, pace=QUICK)
        with served(app) as address:
            port = urlsplit(address).port
            assert port
            shown = {who: token(world, who) for who in ("owner", "peer", "other")}
            yield Target(world=world, app=app, port=port, files=files, shown=shown)
    finally:
        tempfile.tempdir = before
        records.close()


@pytest.fixture
def nothing_remains(target: Target) -> Iterator[None]:
    """Whatever a test does: no attempt, no submission, no content, no file, and the portal answers."""

    def state() -> tuple[object, ...]:
        world = target.world
        with world.records.reading() as session:
            now = world.records.database.now(session)
            used = allowance(session, world.seats["peer"], world.assignments["r1"], now).used
            return session.scalar(select(func.count(Submission.id))), used, blobs_of(world.records)

    before = state()
    yield
    deadline = time.monotonic() + 10
    while left_in(target.files) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left_in(target.files) == []
    assert state() == before
    assert ask(target.port, "GET", "/healthz").status == 200


pytestmark = pytest.mark.filterwarnings(
    # Starlette does not close the file of a part that never ends; it is gone with the request all the same.
    "ignore:Unclosed file <tempfile.SpooledTemporaryFile:ResourceWarning"
)
HARMLESS = pytest.mark.usefixtures("nothing_remains")


def refused(answer: Answer | None, status: int, code: str) -> None:
    """In words, by the rules of the API."""
    assert answer is not None, "cut off without a word"
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json"), answer
    assert answer.json()["code"] == code
    assert answer.json()["detail"]


def opened(target: Target) -> bytes:
    """A form up to the first byte of the file."""
    return form(target.world.assignments["r1"], b"").rpartition(b"\r\n--")[0]


# -- size -------------------------------------------------------------------------------------------------------------


@HARMLESS
def test_two_gigabytes_that_are_announced_are_refused_at_once(target: Target) -> None:
    """Before anything of them is read."""
    with target.sender(Content_Length=str(2 * 1024**3)) as sender:
        refused(sender.answer(), 413, "api.too_large")


@pytest.mark.parametrize("who", ["peer", ""])
@HARMLESS
def test_two_gigabytes_without_a_length_are_cut_off(target: Target, who: str) -> None:
    """At the limit of the address, of a stranger at that of a form; whoever goes on sending is hung up on."""
    piece, sent, answers = b"100000\r\n" + b"x" * 0x100000 + b"\r\n", 0, list[Answer | None]()
    with target.sender(who, Transfer_Encoding="chunked") as sender:
        reader = threading.Thread(target=lambda: answers.append(sender.answer()))
        reader.start()
        body = opened(target)
        assert sender.send(b"%x\r\n%b\r\n" % (len(body), body))
        while sent < 2 * 1024**3 and sender.send(piece):
            sent += 0x100000
        reader.join(30)
    most = (FILE_BODY if who else SMALL_BODY) + LINGER_BYTES + 16 * 1024**2  # what lies in buffers on the way
    assert sent < most, f"{sent >> 20} MB were taken"
    refused(answers[0], *((413, "api.too_large") if who else (401, "api.sign_in")))


@HARMLESS
def test_so_many_large_bodies_at_a_time_are_enough(target: Target) -> None:
    """The next is told to come again; when they are through there is room."""
    limits = limits_of(target)
    limits.large = MOST_LARGE
    answer = target.hand_in(form(target.world.assignments["r1"], b"x" * 2 * SMALL_BODY))
    refused(answer, 503, "api.busy")
    assert int(answer.headers["retry-after"]) > 0
    limits.large = 0
    refused(target.hand_in(form(target.world.assignments["r1"], b"x" * 2 * SMALL_BODY)), 422, "archive.not_zip")
    until(lambda: limits.large == 0)  # each gives its place back, a moment after its answer was read


def limits_of(target: Target) -> BodyLimits:
    """The part of the application that counts bodies."""
    one: Any = target.app.middleware_stack
    while not isinstance(one, BodyLimits):
        one = one.app
    return one


# -- time -------------------------------------------------------------------------------------------------------------


def crawl(sender: Sender, pause: float, pieces: int, stop: threading.Event) -> None:
    """Send so many bytes with a pause before each."""
    for _ in range(pieces):
        if stop.wait(pause) or not sender.send(b"x"):
            return


@HARMLESS
def test_a_body_that_crawls_is_ended(target: Target) -> None:
    """One byte a tenth of a second is never silent, and still too slow; who says nothing at all as well."""
    for pause, pieces in ((0.1, 600), (60.0, 1)):
        begun, stop = time.monotonic(), threading.Event()
        with target.sender(Content_Length="100000") as sender:
            assert sender.send(opened(target))
            thread = threading.Thread(target=crawl, args=(sender, pause, pieces, stop))
            thread.start()
            answer = sender.answer()
            stop.set()
            thread.join()
        refused(answer, 408, "api.too_slow")
        assert 1 < time.monotonic() - begun < 10


@HARMLESS
def test_many_that_crawl_keep_nobody_waiting(target: Target) -> None:
    """Sixty at once hold no thread: who asks meanwhile is answered in less than half a second."""
    stop, took = threading.Event(), []
    with ExitStack() as stack:
        many = [target.sender(key=f"slow-{number}", Content_Length="60000") for number in range(60)]
        senders = [stack.enter_context(one) for one in many]
        assert all(one.send(opened(target)) for one in senders)

        def all_crawl() -> None:
            while not stop.wait(0.25):
                for one in senders:
                    one.send(b"x")

        thread = threading.Thread(target=all_crawl)
        thread.start()
        for _ in range(40):
            begun = time.perf_counter()
            assert ask(target.port, "GET", "/healthz").status == 200
            took.append(time.perf_counter() - begun)
            time.sleep(0.02)
        with ThreadPoolExecutor(60) as pool:
            answers = list(pool.map(Sender.answer, senders))
        stop.set()
        thread.join()
    assert sorted(took)[37] < 0.5, f"p95 {sorted(took)[37]:.3f} s"
    assert {one.status if one else None for one in answers} == {408}


def test_the_usual_patience_lets_slow_lines_through() -> None:
    """50 MB over 256 kbit/s are taken; a byte a second, and a day for it, are not."""
    pace, megabyte = Pace(), 1024**2
    assert pace.left(passed=50 * megabyte * 8 / 256_000, came=50 * megabyte) > 0
    assert pace.left(passed=21, came=21) < 0.1
    assert pace.left(passed=1801, came=50 * megabyte) <= 0
    assert pace.left(passed=0, came=0) == 20


# -- lengths that lie -------------------------------------------------------------------------------------------------


@HARMLESS
def test_a_length_that_is_too_small(target: Target) -> None:
    """The form is cut where it was said to end; what follows is no second request of ours."""
    body = form(target.world.assignments["r1"], project())
    with target.sender(Content_Length=str(len(body) // 2)) as sender:
        assert sender.send(body)
        refused(sender.answer(), 422, "api.invalid")
        sender.socket.shutdown(socket.SHUT_WR)
        rest = sender.socket.recv(65536)
        assert rest.startswith(b"HTTP/1.1 400") or rest == b""
        assert b"202" not in rest


@HARMLESS
def test_a_length_that_is_too_large(target: Target) -> None:
    """Who waits is told; who hangs up is forgotten."""
    body = form(target.world.assignments["r1"], project())
    length = str(len(body) + 1000)
    with target.sender(Content_Length=length) as waiting:
        assert waiting.send(body)
        refused(waiting.answer(), 408, "api.too_slow")
    for end in (len(body), len(body) // 2, 10):
        with target.sender(Content_Length=length) as gone:
            assert gone.send(body[:end])
    with target.sender(Content_Length=length) as half:
        assert half.send(body)
        half.socket.shutdown(socket.SHUT_WR)
        answer = half.answer()
        assert answer is None or answer.status == 400


# -- forms ------------------------------------------------------------------------------------------------------------


def _parts(count: int) -> bytes:
    one = b'--%b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' % BOUNDARY.encode()
    return one * count + b"--%b--\r\n" % BOUNDARY.encode()


def _files(assignment: str) -> bytes:
    return form(assignment, b"x")[:-16] + part(b"x", b"a.zip") * 1001 + b"--%b--\r\n" % BOUNDARY.encode()


def _head(assignment: str) -> bytes:
    return form(assignment, project()).replace(b"Content-Type: application/zip", b"X: " + b"x" * 1024**2)


def _heads(assignment: str) -> bytes:
    many = b"\r\n".join(b"X-%d: x" % number for number in range(5000))
    return form(assignment, project()).replace(b"Content-Type: application/zip", many)


def _nested(assignment: str) -> bytes:
    inner = part(project(), b"work.zip").replace(BOUNDARY.encode(), b"inner") + b"--inner--\r\n"
    return form(assignment, inner).replace(b"application/zip", b"multipart/mixed; boundary=inner", 1)


FORMS: Final[dict[str, tuple[Callable[[str], bytes], int, str]]] = {
    "10,000 parts": (lambda _: _parts(10_000), 400, "api.unreadable"),
    "1,002 files": (_files, 400, "api.unreadable"),
    "a header of 1 MB": (_head, 400, "api.unreadable"),
    "5,000 headers of a part": (_heads, 400, "api.unreadable"),
    "a form within a form": (_nested, 422, "archive.ambiguous"),
    "another boundary": (lambda one: form(one, b"x").replace(BOUNDARY.encode(), b"no-boundary"), 400, "api.unreadable"),
    "no end": (lambda one: form(one, project())[:-60], 422, "api.invalid"),
    "no form": (lambda _: b"\0" * 1000, 400, "api.unreadable"),
    "nothing": (lambda _: b"", 422, "api.invalid"),
    "only line ends": (lambda _: b"\r\n" * 100_000, 422, "api.invalid"),
}


@pytest.mark.parametrize("case", FORMS)
@HARMLESS
def test_a_form_that_means_harm(target: Target, case: str) -> None:
    """It is refused soon and in words."""
    made, status, code = FORMS[case]
    begun = time.monotonic()
    answer = target.hand_in(made(target.world.assignments["r1"]))
    assert time.monotonic() - begun < 5
    assert answer.status in {400, 413, 422}
    refused(answer, answer.status, answer.json()["code"])
    assert (answer.status, answer.json()["code"]) == (status, code)


TYPES: Final = (
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "multipart/form-data; boundary=" + "b" * 5000,
    "multipart/mixed; boundary=a-boundary",
    "text/plain",
)


@pytest.mark.parametrize("kind", TYPES, ids=range(len(TYPES)))
@HARMLESS
def test_a_type_that_fits_no_form(target: Target, kind: str) -> None:
    """Without a boundary, with one that is too long, or of another kind."""
    answer = target.hand_in(form(target.world.assignments["r1"], project()), Content_Type=kind)
    assert answer.status in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


# -- names ------------------------------------------------------------------------------------------------------------

NAMES: Final[dict[str, tuple[bytes, str]]] = {
    "a path": (b"../../../etc/cron.d/work.zip", "work.zip"),
    "a path of Windows": (b"C:\\\\Users\\\\x\\\\work.zip", "work.zip"),
    "an absolute path": (b"/dev/shm/work.zip", "work.zip"),
    "a zero byte": (b"work.zip\0.png", "work.zip.png"),
    "300 letters": (b"a" * 300 + b".zip", "a" * 251 + ".zip"),
    "writing turned round": ("งาน\u202epiz.exe".encode(), "งานpiz.exe"),
    "encoded line ends": (b"a%0D%0ASet-Cookie: x=y.zip", "a%0D%0ASet-Cookie: x=y.zip"),
    "only dots": (b"..", ".."),
    "half a letter": (b"a\xe0\xb8.zip", ""),
}


def test_a_name_stays_a_name(target: Target) -> None:
    """No name leads anywhere, and what is kept of it can be shown and put into a header."""
    other = target.world.assignments["r2"]
    for case, (sent, kept) in NAMES.items():
        answer = target.hand_in(form(other, project(), sent), who="other", key=f"name-{len(case)}-{len(sent)}")
        assert answer.status == 202, (case, answer.body)
        found = answer.json()
        if kept:
            assert found["filename"] == kept, case
        assert found["filename"].isprintable()
        place = found["submission"]
        file = ask(target.port, "GET", f"/submissions/{place}/work.zip", _page(target, "other"))
        assert file.status == 200
        assert "set-cookie" not in file.headers
        assert file.headers["content-disposition"].startswith("attachment; filename=")
        cancel_submission(target.world.records, submission=place, by="other", counts=False)  # so many may wait
    assert left_in(target.files) == []


@HARMLESS
def test_a_name_that_breaks_the_line_is_refused(target: Target) -> None:
    """Real line ends in a name make headers of a part that are none."""
    for name in (b'a.zip"\r\nX-Evil: 1\r\nY: "', b"a\r\n\r\nb.zip", b"a\nb.zip"):
        answer = target.hand_in(form(target.world.assignments["r1"], b"no archive", name))
        assert answer.status in {400, 422}, name
        assert b"X-Evil" not in answer.body
        assert "x-evil" not in answer.headers


def _page(target: Target, who: str) -> dict[str, str]:
    return {"Cookie": target.world.browser(who).headers["Cookie"]}
