"""Work from git addresses: fetched from a real server by a real git, accepted like a file, refused in words."""

import functools
import json
import random
import socket
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.errors import EnvironmentProblem, GraderError
from grader.intake import receive
from grader.intake.limits import MIB
from grader.queue import (
    MOST_TRIES,
)
from grader.records import AuditEntry, Fetch, Seat, Submission
from grader.services import fetching
from grader.services.addresses import GitHosts, git_address, git_ref
from grader.services.purging import erase_person
from grader.services.receiving import receipt_of
from grader.worker import Fetcher, Source, git, trees
from grader.worker.git import Repository, addresses_of
from tests.fixtures.gits import PROJECT, GitServer, Made
from tests.fixtures.records import Classroom, Clock

EMBEDDED = pytest.mark.parametrize("engine_name", ["sqlite"], indirect=True)
"""For what git and the network do, and not the database."""


def ask(room: Classroom, server: GitServer, ref: str = "", name: str = "work.git", **more: str) -> Fetch:
    """Ask for the work of the first trainee."""
    url = more.pop("url", server.url(name))
    return fetching.ask(
        room.records, seat=room.seats[0], assignment=room.assignment, git_url=url, ref=ref, hosts=server.hosts,
        by="trainee0", idempotency_key=more.get("key", ""),
    )  # fmt: skip


def fetcher(room: Classroom, server: GitServer, stop: threading.Event | None = None) -> Fetcher:
    """One that may go to this server."""
    return Fetcher(room.records, Source(hosts=server.hosts), name="test/fetcher", stop=stop or threading.Event())


def fetched(room: Classroom, server: GitServer, ref: str = "", name: str = "work.git") -> Fetch:
    """Ask, let it be fetched, and give what became of it."""
    asked = ask(room, server, ref, name)
    assert fetcher(room, server).serve_one()
    return now(room, asked)


def now(room: Classroom, fetch: Fetch) -> Fetch:
    """The fetch as it is."""
    with room.records.reading() as session:
        return fetching.fetch_of(session, fetch.id)


def content(room: Classroom, fetch: Fetch) -> dict[str, bytes]:
    """What was handed in, by path, as the grader reads it."""
    with room.records.reading() as session:
        sha256 = session.get_one(Submission, fetch.submission_id).sha256
    with tempfile.TemporaryDirectory() as folder:
        workspace = receive(room.records.blobs.open(sha256), spool=Path(folder) / "work.tar")
        with tarfile.open(workspace.tar) as archive:
            return {one.name: archive.extractfile(one).read() for one in archive if one.isfile()}  # type: ignore[union-attr]


def refusal(work: Callable[[], object]) -> str:
    """The code with which something is refused."""
    with pytest.raises(GraderError) as caught:
        work()
    return caught.value.code


@EMBEDDED
@pytest.mark.parametrize("ref", ["", "main", "v1", "commit"])
def test_a_commit_becomes_a_submission(classroom: Classroom, git_server: GitServer, ref: str) -> None:
    """Branch, tag, hash or nothing: the same files as in a zip wait to be graded, and the receipt names the commit."""
    made = git_server.project()
    made.git("tag", "-a", "v1", "-m", "one", "main")
    done = fetched(classroom, git_server, made.head if ref == "commit" else ref)
    assert (done.state, done.code, done.commit_hash) == ("done", "", made.head)
    assert content(classroom, done) == PROJECT
    with classroom.records.reading() as session:
        receipt = receipt_of(session, done.submission_id or "")
    assert receipt.git is not None
    assert (receipt.git.commit, receipt.git.tree) == (made.head, made.git("rev-parse", "main^{tree}"))
    assert receipt.received_at == done.asked_at <= receipt.git.fetched_at
    assert receipt.genuine(classroom.records.keys)
    assert receipt.filename == f"work-{made.head[:12]}.zip"
    assert classroom.job(receipt.submission).state == "queued"
    entries = sorted(classroom.all(AuditEntry), key=lambda one: one.number)[-2:]
    assert [one.action for one in entries] == ["fetch.asked", "submission.received"]
    assert "work.git" not in json.dumps([one.after for one in entries])  # an address may hold a name


@EMBEDDED
def test_what_was_there_at_the_moment_of_fetching_is_what_is_graded(
    classroom: Classroom, git_server: GitServer
) -> None:
    """A push afterwards changes nothing, and an older commit is not brought along."""
    made = git_server.project()
    first = made.head
    made.commit(made.folder({**PROJECT, "more.py": b"x = 1\n"}))
    done = fetched(classroom, git_server, "main")
    made.commit(made.folder({"app.py": b"broken"}))
    assert set(content(classroom, done)) == {*PROJECT, "more.py"}
    again = fetched(classroom, git_server, first)
    assert (again.commit_hash, content(classroom, again)) == (first, PROJECT)


@EMBEDDED
def test_zip_and_git_are_the_same_work(classroom: Classroom, git_server: GitServer, tmp_path: Path) -> None:
    """What is left out by rule is left out, empty files stay, and the normalised tree is the one of an upload."""
    files = {"src/empty.py": b"", "node_modules/x/y.js": b"1", "src/__pycache__/z.pyc": b"2", "ไทย/ก.py": b"x = 1\n"}
    git_server.project(files=files)
    done = fetched(classroom, git_server)
    packed = tmp_path / "same.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for name, value in {**PROJECT, **files}.items():
            archive.writestr(name, value)
    with classroom.records.reading() as session:
        kept = classroom.records.blobs.open(session.get_one(Submission, done.submission_id).sha256)
    trees = [receive(one, spool=tmp_path / f"{number}.tar") for number, one in enumerate((packed, kept))]
    assert trees[0].tar.read_bytes() == trees[1].tar.read_bytes()
    assert {one.path for one in trees[1].receipt.dropped} == {"node_modules", "src/__pycache__"}


HOSTILE: dict[str, tuple[Callable[[Made], dict[str, bytes | tuple[str, str]]], str]] = {
    "a link out": (lambda made: {"x": ("120000", made.blob(b"/etc/passwd"))}, "archive.entry_type"),
    "a submodule": (lambda _: {"part": ("160000", "1" * 40)}, "git.submodule"),
    "a git folder": (lambda _: {".git/hooks/post-checkout": b"#!/bin/sh\n"}, "git.broken"),
    "a git folder in disguise": (lambda _: {"GIT~1/config": b"[core]\n"}, "git.broken"),
    "a way up": (lambda made: {"..": ("40000", made.folder({"x": b"1"}))}, "git.broken"),
    "a pointer to elsewhere": (
        lambda _: {"big.bin": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"}, "git.lfs",
    ),
    "a filter": (lambda _: {".gitattributes": b"* filter=x\n*.py export-ignore ident\n"}, ""),
    "no project": (lambda _: {"requirements.txt": ("160000", "1" * 40)}, "git.submodule"),
    "a huge file": (lambda _: {"big.bin": bytes(3 * MIB)}, "archive.unpacked_too_large"),
    "a file that cannot be packed": (lambda _: {"big.bin": random.Random(1).randbytes(3 * MIB)}, "git.too_large"),
}  # fmt: skip


@EMBEDDED
@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_repository_is_refused_or_harmless(
    classroom: Classroom, git_server: GitServer, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is checked out, so nothing runs; what no archive may hold is refused, and costs no attempt."""
    build, code = HOSTILE[case]
    monkeypatch.setattr(git, "FETCH_BYTES", 2 * MIB)
    monkeypatch.setattr(trees, "MAX_UNPACKED_BYTES", 2 * MIB)
    made = git_server.make()
    made.commit(made.folder({**PROJECT, **build(made)}))
    done = fetched(classroom, git_server)
    assert (done.state, done.code) == ("refused" if code else "done", code)
    assert len(classroom.all(Submission)) == (0 if code else 1)
    if case == "a filter":
        assert content(classroom, done)["app.py"] == PROJECT["app.py"]
    assert {path.split("/")[1] for path in git_server.asked} == {"work.git"}


@EMBEDDED
@pytest.mark.parametrize("levels", [0, 9], ids=["files", "folders of folders"])
def test_too_many_files_are_counted_before_they_are_read(
    classroom: Classroom, git_server: GitServer, levels: int
) -> None:
    """A hundred thousand entries, or ten folders of ten folders of …, which a few objects are enough for."""
    made = git_server.make()
    one = made.blob(b"1")
    tree = made.tree([("100644", one, f"f{number:06}") for number in range(10 if levels else 100_000)])
    for _ in range(levels):
        tree = made.tree([("40000", tree, f"d{number}") for number in range(10)])
    made.commit(tree)
    done = fetched(classroom, git_server)
    assert (done.state, done.code) == ("refused", "archive.too_many_files")


@EMBEDDED
def test_what_is_not_there_is_said(classroom: Classroom, git_server: GitServer) -> None:
    """No repository, no such branch or commit, nothing in it, and one that wants a password."""
    git_server.project()
    git_server.make("empty.git")
    git_server.answers["/private.git"] = (401, {"WWW-Authenticate": "Basic"})
    for ref, name, code in (
        ("", "none.git", "git.not_found"),
        ("nothing", "work.git", "git.ref_unknown"),
        ("1" * 40, "work.git", "git.ref_unknown"),
        ("", "empty.git", "git.ref_unknown"),
        ("", "private.git", "git.not_found"),
    ):
        done = fetched(classroom, git_server, ref, name)
        assert (done.state, done.code) == ("refused", code), (ref, name)


@EMBEDDED
def test_a_redirect_is_not_followed(classroom: Classroom, git_server: GitServer, tmp_path: Path) -> None:
    """Neither to another host nor on the same one; but the whole name of a repository is tried."""
    other = GitServer(tmp_path)
    try:
        git_server.answers["/task/info"] = (302, {"Location": f"http://{other.host}/x.git/info/refs"})
        done = fetched(classroom, git_server, name="task")
        assert (done.state, done.code, other.asked) == ("refused", "git.not_found", [])
        git_server.answers["/away.git"] = (301, {"Location": f"http://{other.host}/x.git/info/refs"})
        done = fetched(classroom, git_server, name="away.git")
        assert (done.state, done.code, other.asked) == ("refused", "git.redirected", [])
        git_server.project("task.git")
        assert fetched(classroom, git_server, name="task").state == "done"
    finally:
        other.close()


@EMBEDDED
def test_a_slow_server_is_given_up(
    classroom: Classroom, git_server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time the fetch ends, with all that it started."""
    git_server.project()
    git_server.slow = 3.0
    monkeypatch.setattr(git, "FETCH_SECONDS", 0.5)
    done = fetched(classroom, git_server)
    assert (done.state, done.code) == ("refused", "git.too_slow")


@EMBEDDED
def test_a_server_that_is_down_is_tried_again_and_then_given_up(timed: Classroom, clock: Clock) -> None:
    """The network is not the trainee's; neither is it asked for ever."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    hosts = GitHosts(private=(f"127.0.0.1:{port}",))
    asked = fetching.ask(
        timed.records, seat=timed.seats[0], assignment=timed.assignment, git_url=f"http://127.0.0.1:{port}/x.git",
        ref="", hosts=hosts, by="trainee0",
    )  # fmt: skip
    one = Fetcher(timed.records, Source(hosts=hosts), name="test/fetcher", stop=threading.Event())
    for number in range(MOST_TRIES):
        assert now(timed, asked).state == "waiting"
        assert one.serve_one()
        assert now(timed, asked).code == "git.unreachable", number
        assert not one.serve_one()
        clock.pass_by(61)
    assert now(timed, asked).state == "failed"
    assert timed.all(Submission) == []


ADDRESSES = {
    "--upload-pack=touch /tmp/x": "git.no_address",
    "ext::sh -c id": "git.no_address",
    "file:///etc": "git.no_address",
    "ssh://git.example.test/x.git": "git.no_address",
    "git@git.example.test:x.git": "git.no_address",
    "git://git.example.test/x.git": "git.no_address",
    "https://user:secret@git.example.test/x.git": "git.credentials",
    "https://git.example.test@other.test/x.git": "git.credentials",
    "https://git.example.test/x.git?a=b": "git.no_address",
    "https://git.example.test/x.git#a": "git.no_address",
    "https://git.example.test/../x.git": "git.no_address",
    "https://git.example.test": "git.no_address",
    "https://git.example.test/a b": "git.no_address",
    "https://git.example.test:99999/x": "git.no_address",
    "https://[::1/x": "git.no_address",
    "https://git.example.test/x%0a.git": "git.no_address",
    "http://git.example.test/x.git": "git.host",
    "https://git.example.test:8443/x.git": "git.host",
    "https://git.example.test.evil.test/x.git": "git.host",
    "https://127.0.0.1/x.git": "git.host",
    "https://2130706433/x.git": "git.host",
    "https://0x7f.1/x.git": "git.host",
    "https://[::1]/x.git": "git.host",
    "https://169.254.169.254/latest/meta-data": "git.host",
    "https://ｇit.example.test/x.git": "git.host",
    "": "git.no_address",
}


@pytest.mark.parametrize("typed", ADDRESSES)
def test_an_address_is_judged_before_anything_is_asked(typed: str) -> None:
    """Only https, only listed hosts, no passwords, nothing that a program could take for an option."""
    hosts = GitHosts(public=("git.example.test",))
    assert refusal(lambda: git_address(typed, hosts)) == ADDRESSES[typed]
    assert refusal(lambda: git_address(typed, GitHosts())) == "git.off"
    good = git_address(" https://GIT.example.test:443/a/b.git/ ", hosts)
    assert (good.url, good.name) == ("https://git.example.test/a/b.git", "b")


NO_REFERENCES = (
    "--upload-pack=touch", "-x", "a..b", "a b", "a:b", "+a:b", "a@{1}", "a^", "a~1", "*", "a.lock", "a/", "a//b", ".a",
    "a/.b", "x" * 201, "a\nb", "refs/heads/*",
)  # fmt: skip


@pytest.mark.parametrize("typed", NO_REFERENCES)
def test_a_reference_is_a_name_and_no_option(typed: str) -> None:
    """What git would take for more than one name is refused before git sees it."""
    assert refusal(lambda: git_ref(typed)) == "git.no_ref"
    assert [git_ref(one) for one in (" main ", "", "feature/ก-1", "v1.0+x", "a" * 40)] == [
        "main", "", "feature/ก-1", "v1.0+x", "a" * 40,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("told", "public"),
    [
        (["93.184.215.14"], True),
        (["2606:2800:21f:cb07:6820:80da:af6b:8b2c"], True),
        (["127.0.0.1"], False),
        (["10.0.0.8"], False),
        (["192.168.1.1"], False),
        (["100.64.0.1"], False),
        (["169.254.169.254"], False),
        (["0.0.0.0"], False),
        (["224.0.0.1"], False),
        (["::1"], False),
        (["fe80::1"], False),
        (["fd00::1"], False),
        (["::ffff:127.0.0.1"], False),
        (["64:ff9b::7f00:1"], False),
        (["2002:7f00:1::"], False),
        (["93.184.215.14", "10.0.0.8"], False),
    ],
)
def test_a_name_that_leads_inside_is_refused(told: list[str], public: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    """However a listed name is turned inwards, nothing is connected; a host of the office's own is listed as such."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (one, 443)) for one in told])
    listed = git_address("https://git.example.test/x", GitHosts(public=("git.example.test",)))
    inner = git_address("https://git.example.test/x", GitHosts(private=("git.example.test",)))
    assert addresses_of(inner) == tuple(told)
    if public:
        assert addresses_of(listed) == tuple(told)
    else:
        assert refusal(lambda: addresses_of(listed)) == "git.not_public"


def test_git_goes_to_the_address_that_was_looked_at(git_server: GitServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is asked once, and git does not ask again: a name that nobody knows leads where it was pinned."""
    made = git_server.project()
    port = int(git_server.host.rpartition(":")[2])
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("127.0.0.1", port))])
    address = git_address(git_server.url(), git_server.hosts)
    pinned = type(address)(scheme="http", host="pinned.invalid", port=port, path=address.path, private=True)
    with tempfile.TemporaryDirectory() as folder:
        assert Repository(Path(folder), give_up=threading.Event()).fetch(pinned, "").commit == made.head


@EMBEDDED
def test_nothing_of_this_machine_is_used(
    classroom: Classroom, git_server: GitServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No proxy, no setting of anybody's home, no credential helper and no hook: none of these leaves a trace."""
    trace = tmp_path / "trace"
    helper = tmp_path / "helper"
    helper.write_text(f"#!/bin/sh\ntouch {trace}\n", "utf-8")
    helper.chmod(0o755)
    tmp_path.chmod(0o777)
    (tmp_path / ".gitconfig").write_text(f"[credential]\n helper = {helper}\n[core]\n fsmonitor = {helper}\n", "utf-8")
    for name, value in (("HOME", str(tmp_path)), ("http_proxy", "http://127.0.0.1:9"), ("GIT_ASKPASS", str(helper)),
                        ("GIT_SSH_COMMAND", str(helper)), ("GIT_PROXY_COMMAND", str(helper))):  # fmt: skip
        monkeypatch.setenv(name, value)
    git_server.project()
    git_server.answers["/private.git"] = (401, {"WWW-Authenticate": "Basic"})
    assert fetched(classroom, git_server).state == "done"
    assert fetched(classroom, git_server, name="private.git").code == "git.not_found"
    assert not trace.exists()


def test_a_machine_without_git_says_what_to_install(
    classroom: Classroom, git_server: GitServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What waits goes on waiting, and uses up no try."""
    asked = ask(classroom, git_server)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentProblem) as caught:
        fetcher(classroom, git_server).serve_one()
    assert caught.value.code == "environment.git_missing"
    assert (now(classroom, asked).state, now(classroom, asked).tries) == ("waiting", 0)
    old = tmp_path / "git"
    old.write_text("#!/bin/sh\necho git version 2.30.2\n", "utf-8")
    old.chmod(0o755)
    assert refusal(git.need_git) == "environment.git_missing"


@EMBEDDED
def test_an_address_goes_with_its_person(classroom: Classroom, git_server: GitServer) -> None:
    """It may hold a name; while something of theirs is to be fetched, nobody is forgotten."""
    asked = ask(classroom, git_server, "feature-of-mine")
    with classroom.records.reading() as session:
        person = session.get_one(Seat, asked.seat_id).person_id
    forget = functools.partial(erase_person, classroom.records, person=person, by="admin", reason="1/2570")
    assert refusal(forget) == "purge.person_busy"
    fetching.cancel_fetch(classroom.records, fetch=asked.id, by="trainee0")
    forget()
    assert (now(classroom, asked).git_url, now(classroom, asked).git_ref) == ("", "")
