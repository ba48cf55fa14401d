"""``grader login`` and ``grader submit --server``: hand work in to a server, follow it, and print what came of it."""

import getpass
import secrets
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from grader.cli.check import EXIT_BY_OUTCOME
from grader.cli.client import Answer, ProjectRefused, Server, ServerProblem, ServerRefusal, origin_of
from grader.cli.console import ERRORS, Listener, live_phases
from grader.cli.office import say
from grader.cli.options import AsJson, Language, settings_for
from grader.cli.tokens import keep, need_token, token_for
from grader.cli.words import word
from grader.errors import EXIT_CHECKS_FAILED, EXIT_SERVER, GraderError, UsageProblem
from grader.intake import as_archive
from grader.packs import Pack, find_pack, load_pack
from grader.reports import Lang, terminal
from grader.reports.json import written
from grader.settings import Settings
from grader.verdict import Verdict

API: Final = "/api/v1"
POLL_SECONDS: Final = 2.0

ServerAddress = Annotated[
    str, typer.Option("--server", metavar="URL", help="ที่อยู่ของระบบ · address of the server", show_default=False)
]


def login(
    server: Annotated[str, typer.Option("--server", metavar="URL", help="ที่อยู่ของระบบ · address of the server")],
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """เก็บโทเคนของระบบไว้ใช้ส่งงาน · Keep the token with which work is handed in.

    โทเคนอ่านจาก GRADER_TOKEN หรือจากที่พิมพ์หรือส่งเข้ามาทาง stdin ไม่รับเป็นตัวเลือกของคำสั่ง

    The token comes from GRADER_TOKEN or from stdin, and never from the command line, which others can see.
    """
    settings, language = settings_for(lang)
    address = origin_of(server)
    token = need_token(token_for("") or _typed(language))
    me = Server(address, token, ca_bundle=settings.ca_bundle, language=language).get(f"{API}/me").json()
    file = keep(address, token)
    say("signed_in", language, as_json=as_json, server=address, login=_text(me, "login"), path=str(file))


def submit_to(
    server: str,
    *,
    path: Path | None,
    git_url: str,
    git_ref: str,
    exercise: str,
    round_code: str,
    key: str,
    settings: Settings,
    language: str,
    as_json: bool,
) -> None:
    """Hand work in to a server, as a file or as the address of it; ends with the exit code of the verdict."""
    address = origin_of(server)
    if not key.isascii() or not key.isprintable():
        raise UsageProblem("usage.bad_setting", setting="--key", value=key)
    token = token_for(address)
    if not token:
        raise UsageProblem("server.no_token", server=address)
    lang: Lang = "en" if language == "en" else "th"
    way = Server(address, need_token(token), ca_bundle=settings.ca_bundle, language=lang)
    pack = _local(exercise, settings)
    assignment = _assignment(way, pack.id if pack else exercise, round_code)
    key = key or secrets.token_hex(16)
    if path is None:
        submission = _fetched(way, assignment, git_url, git_ref, key, lang)
    else:
        with as_archive(path) as archive:
            content = archive.read()
        name = path.name if path.is_file() else f"{path.resolve().name}.zip"
        submission = _text(_handed_in(way, assignment, name, content, key), "submission")
    ERRORS.print(f"✓ {word('submitted', lang)}: {submission}", markup=False)
    with live_phases(lang) as listen:
        state = _followed(way, submission, listen)
    if not state.get("outcome"):
        page = f"{address}{_text(state, 'page')}"
        raise ServerProblem("server.unfinished", submission=submission, state=_text(state, "state"), page=page)
    _tell(way, submission, pack, lang, as_json=as_json)


def _fetched(way: Server, assignment: str, git_url: str, git_ref: str, key: str, lang: Lang) -> str:
    """Let the server fetch the work; gives the submission that it became."""
    wanted = {"assignment": assignment, "git_url": git_url, "git_ref": git_ref}
    state = _object(way.post_json(f"{API}/fetches", wanted, key=key))
    place = f"{API}/fetches/{_text(state, 'id')}"
    ERRORS.print(f"{word('fetching', lang)}: {way.address}{_text(state, 'page')}", markup=False)
    while not state.get("finished"):
        time.sleep(POLL_SECONDS)
        state = _object(way.get(place))
    if state.get("state") != "done":
        said = {"code": state.get("code"), "detail": state.get("reason")}
        raise (ServerRefusal if state.get("state") == "failed" else ProjectRefused)(422, said)
    ERRORS.print(f"{word('fetched', lang)}: {_text(state, 'commit')}", markup=False)
    return _text(state, "submission")


def _handed_in(way: Server, assignment: str, name: str, content: bytes, key: str) -> Any:
    try:
        return way.post_file(
            f"{API}/submissions", {"assignment": assignment}, name=name, content=content, key=key
        ).json()
    except ServerProblem as problem:
        if problem.code == "server.unreachable":  # it may have arrived all the same: the key tells
            problem.params["key"] = key
        raise


def _typed(language: str) -> str:
    """What somebody types without its being shown, or what another program sends."""
    if sys.stdin.isatty():
        return getpass.getpass(f"{word('token', language)}: ")
    return sys.stdin.readline()


def _local(exercise: str, settings: Settings) -> Pack | None:
    """The exercise as it is on this machine; handing in does not need it."""
    try:
        return load_pack(find_pack(exercise, settings.exercises))
    except GraderError:
        return None


def _assignment(way: Server, exercise: str, round_code: str) -> str:
    """The id of the exercise in the round of whoever asks."""
    mine: list[Any] = []
    cursor = ""
    while True:
        page = way.get(f"{API}/assignments?limit=200{f'&cursor={cursor}' if cursor else ''}").json()
        mine += [one for one in _items(page) if one.get("state") is not None]
        cursor = page.get("next_cursor") or ""
        if not cursor:
            break
    fit = [one for one in mine if one.get("exercise") == exercise and round_code in {"", one.get("round")}]
    if not fit:
        known = ", ".join(sorted({str(one.get("exercise")) for one in mine}))
        raise UsageProblem("server.not_given", exercise=exercise, known=known)
    open_now = [one for one in fit if not one.get("refusal")] or fit
    if len(open_now) > 1:
        known = ", ".join(sorted(str(one.get("round")) for one in open_now))
        raise UsageProblem("server.which_round", exercise=exercise, known=known)
    return _text(open_now[0], "id")


def _followed(way: Server, submission: str, listen: Listener) -> dict[str, Any]:
    """Ask until it is finished; each phase is told once, in order, also those that went by between two looks."""
    told: set[tuple[int, str]] = set()
    state: dict[str, Any] = {}
    tag = ""
    while True:
        answer = way.get(f"{API}/submissions/{submission}", **({"If-None-Match": tag} if tag else {}))
        if answer.body:
            state, tag = _object(answer), answer.headers.get("etag", "")
            _tell_phases(state, told, listen)
        if state.get("finished"):
            return state
        time.sleep(answer.wait or POLL_SECONDS)


def _tell_phases(state: dict[str, Any], told: set[tuple[int, str]], listen: Listener) -> None:
    if state.get("ahead") is not None:
        listen("queue", str(state["ahead"]))
    tries = int(state.get("tries") or 0)
    for phase in state.get("phases") or ():
        name = (tries, str(phase.get("key")))
        if phase.get("state") not in {"waiting", "not_run"} and name not in told:
            told.add(name)
            listen(name[1], str(phase.get("what") or ""))


def _tell(way: Server, submission: str, pack: Pack | None, lang: Lang, *, as_json: bool) -> None:
    """Print the verdict as ``grader check`` does. The words of another version of the exercise are the server's."""
    document = _object(way.get(f"{API}/submissions/{submission}/verdict"))
    if as_json:
        print(written(document), end="")
    elif pack is not None and pack.digest == document.get("exercise", {}).get("digest"):
        terminal.render(Verdict.from_json(document), pack, lang, Console(highlight=False))
    else:
        text = way.get(f"{API}/submissions/{submission}/report").body.decode(errors="replace")
        print(text, end="")
    outcome = document.get("outcome", "")
    known = EXIT_BY_OUTCOME.get(outcome, EXIT_CHECKS_FAILED)
    raise typer.Exit(EXIT_SERVER if outcome == "infrastructure" else known)


def _object(answer: Answer) -> dict[str, Any]:
    found = answer.json()
    if not isinstance(found, dict):
        raise ServerProblem("server.unreadable", status=answer.status)
    return found


def _items(page: Any) -> list[dict[str, Any]]:
    items = page.get("items") if isinstance(page, dict) else None
    if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
        raise ServerProblem("server.unreadable", status=200)
    return items


def _text(document: Any, key: str) -> str:
    if not isinstance(document, dict) or not isinstance(document.get(key), str):
        raise ServerProblem("server.unreadable", status=200)
    return str(document[key])
