"""``grader serve``: the portal and a worker beside it, for one machine; both end together.

The portal is started as a program of its own: this one drives the container engine, and that one must never reach it.
"""

import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from grader.cli import demo
from grader.cli.options import Language, settings_for
from grader.cli.words import word
from grader.errors import EXIT_ENVIRONMENT, EXIT_OK
from grader.packs import list_packs
from grader.records import Records, create_records, open_records
from grader.records.store import SQLITE_FILE
from grader.services import rostering
from grader.services.accounts import links, people
from grader.settings import Settings

STOP_SECONDS: Final = 170.0
"""How long the worker has to finish or give back what it holds; see ``grader.worker.supervisor``."""
_LOOK_SECONDS: Final = 0.3

DEMO_STAFF: Final = (
    ("admin", "ผู้ดูแลระบบสาธิต", "admin"),
    ("instructor", "วิทยากรสาธิต", "instructor"),
    ("coordinator", "ผู้ดูแลรุ่นสาธิต", "coordinator"),
    ("executive", "ผู้บริหารสาธิต", "executive"),
)
DEMO_TRAINEE: Final = "demo24"
"""A trainee of the demonstration who has handed in nothing yet."""


def serve(
    demonstration: Annotated[
        bool, typer.Option("--demo", help="ใช้รุ่นสาธิตในโฟลเดอร์ demo · the demonstration round, in the folder demo")
    ] = False,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="ที่อยู่ที่ฟัง · address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", metavar="N", min=1, max=65535, help="พอร์ต · port")] = 8000,
    worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="ตรวจบนเครื่องนี้ด้วย · grade on this machine, too")
    ] = True,
    lang: Language = "",
) -> None:
    """เปิดเว็บและเครื่องตรวจบนเครื่องนี้ · Serve the portal and grade, until stopped.

    ครั้งแรกจะพิมพ์ลิงก์ใช้ครั้งเดียวสำหรับผู้ดูแลระบบ

    The first time it prints a one-time link for the administrator.
    """
    settings, language = settings_for(lang)
    address = os.environ.get("GRADER_PORTAL_ORIGIN") or f"http://{host}:{port}"
    folder = settings.home / "demo" if demonstration else settings.data
    url = "" if demonstration else settings.database_url
    with closing(_prepared(settings, folder, url, demonstration=demonstration)) as records:
        if demonstration:
            _print_demo(records, language)
        elif secret := links.first_admin(records, by="serve"):
            _say(f"{word('serve.first_admin', language)}: {address}/link/{secret}")
    _say(f"{word('serve.at', language)} {address}  ({word('serve.stop', language)})")
    surroundings = os.environ | {
        "GRADER_DATA": str(folder),
        "GRADER_DATABASE_URL": url,
        "GRADER_PORTAL_ORIGIN": address,
    }
    if demonstration:  # its passwords are printed for whoever looks: to demand a phone of them would protect nothing
        surroundings.setdefault("GRADER_SECOND_FACTOR", "optional")
    commands = [[sys.executable, "-m", "portal", "--host", host, "--port", str(port)]]
    if worker:
        commands.append([sys.executable, "-m", "grader", "worker"])
    raise typer.Exit(_run(commands, surroundings))


def _prepared(settings: Settings, folder: Path, url: str, *, demonstration: bool) -> Records:
    """The records to serve: those that are there, brought to this version, or new ones."""
    if not demonstration:
        return create_records(folder, url)
    if (folder / SQLITE_FILE).is_file():
        create_records(folder).close()
        return open_records(folder)
    records = demo.fresh_records(folder)
    pack = list_packs(settings.exercises)[0]
    demo.hand_in(records, pack, demo.open_round(records, pack))
    return records


def _print_demo(records: Records, language: str) -> None:
    """Accounts of the demonstration, each with a password made just now: none is the same twice, none is known."""
    table = Table(box=None, pad_edge=False)
    for heading in ("column.login", "column.password", "column.name"):
        table.add_column(word(heading, language))
    with records.reading() as session:
        seat = rostering.seat_of(session, round_code=demo.ROUND, person_code=DEMO_TRAINEE)
        trainee = (DEMO_TRAINEE, seat.person.name, seat.person_id)
    for login, name, role in DEMO_STAFF:
        table.add_row(login, _password(records, login, name, role=role), name)
    table.add_row(trainee[0], _password(records, trainee[0], trainee[1], person=trainee[2]), trainee[1])
    Console(highlight=False).print(table)


def _password(records: Records, login: str, name: str, *, role: str = "", person: str | None = None) -> str:
    with records.reading() as session:
        found = people.find(session, login)
    account = found or people.create(records, login=login, name=name, by="demo", person=person)
    if found is None and role:
        people.grant(records, account=account.id, role=role, by="demo")
    made = secrets.token_urlsafe(9)
    links.use(records, secret=links.make(records, account=account.id, by="demo"), password=made)
    return made


def _run(commands: Sequence[Sequence[str]], surroundings: dict[str, str]) -> int:
    """Run the programs until one ends or somebody stops us; then end them all, and wait for them."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    # Sessions of their own: Ctrl-C on the terminal reaches us alone, and we stop them in order.
    running = [subprocess.Popen(command, env=surroundings, start_new_session=True) for command in commands]
    while not stop.wait(_LOOK_SECONDS):
        if any(one.poll() is not None for one in running):
            break
    fell = any(one.poll() is not None for one in running)
    for one in running:
        if one.poll() is None:
            one.send_signal(signal.SIGTERM)
    for one in running:
        try:
            one.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            one.kill()
            one.wait()
    return EXIT_ENVIRONMENT if fell else EXIT_OK


def _say(text: str) -> None:
    Console(highlight=False, soft_wrap=True).print(text, markup=False)
