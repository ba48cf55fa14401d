"""The control loop of the probe: commands in on stdin, events out on what was stdout, nothing else on either."""

import json
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pydantic import TypeAdapter, ValidationError

from grader.errors import InfrastructureFault, PackInvalid, Params
from grader.evidence import CheckEvidence
from grader.packs import build_world, load_pack, unpack_pack
from grader.probe import contract, privacy, scenarios, universal
from grader.probe.agencies import open_agency
from grader.probe.commands import (
    COMMAND,
    MAX_COMMAND_BYTES,
    Command,
    Examine,
    Load,
    OneRequest,
    Ping,
    Ready,
    Reply,
    Seed,
    Shutdown,
)
from grader.probe.events import Ask, Done, EventStream, Failed, Progress, Result
from grader.probe.exchanges import printable
from grader.probe.guard import HEALTH_PATH, Guard
from grader.probe.routes import Routes
from grader.probe.session import Emit, Session
from grader.probe.stage import HostStage
from grader.probe.target import NoAnswer, Target

FAMILIES: Mapping[str, Callable[[Session, Emit], None]] = {
    "contract": contract.examine,
    "scenarios": scenarios.examine,
    "universal": universal.examine,
    "privacy": privacy.examine,
}
"""The check families by the command that runs them."""

DEADLINE_VARIABLE = "PROBE_DEADLINE"
DEADLINE_SECONDS = 900.0
EXIT_FORGOTTEN = 75
_REPLY: TypeAdapter[Reply] = TypeAdapter(Reply)
_POLL_SECONDS = 0.1
_TEXT = 2_000


class Control:
    """Everything that lasts from one command to the next."""

    def __init__(self, stream: EventStream, folder: Path, replies: Callable[[], bytes]) -> None:
        """``replies`` waits for the host's next line; it is used only in the middle of a command."""
        self._stream, self._folder, self._replies = stream, folder, replies
        self._session: Session | None = None
        self._seeded = False
        self._loads = 0

    def handle(self, command: Command) -> dict[str, Any]:
        """Do one command and give the data of its ``done`` event."""
        data: dict[str, Any] = {}
        match command:
            case Load():
                data = self._load(command)
            case Seed():
                data = self._seed()
            case Ready():
                data = self._ready(command.timeout)
            case Examine():
                data = self._examine(command)
            case OneRequest():
                data = self._request(command)
            case Ping():
                data = {"loaded": self._session is not None, "families": sorted(FAMILIES)}
            case Reply():
                raise InfrastructureFault("infrastructure.command", problem="nothing was asked")
            case Shutdown():
                self.close()
        return data

    def close(self) -> None:
        """Let go of the app and the agencies."""
        if self._session is not None:
            self._session.target.close()
            self._session.guard.stop()
            for agency in self._session.agencies.values():
                agency.close()
        self._session, self._seeded = None, False

    def _load(self, command: Load) -> dict[str, Any]:
        self.close()
        self._loads += 1
        workdir = self._folder / f"work-{self._loads}"
        workdir.mkdir()
        pack = load_pack(unpack_pack(command.pack, self._folder / f"pack-{self._loads}"))
        world = build_world(pack, command.seed)
        routes = Routes((one.operation_id, one.method, one.path) for one in pack.operations)
        agencies = {
            name: open_agency(
                name,
                engine=access.engine,
                dsn=access.dsn,
                app_role=access.app_role,
                control=access.control,
                token=access.token,
            )
            for name, access in command.agencies.items()
        }
        guard = Guard(command.app, routes=routes, people=world.people)
        guard.start()
        self._session = Session(
            pack=pack,
            world=world,
            base_url=guard.base_url,
            guard=guard,
            target=Target(guard.base_url, routes=routes),
            agencies=agencies,
            workdir=workdir,
            stage=HostStage(
                self._ask,
                lambda seconds: bool(self._ready(seconds)["ready"]),
                seconds=pack.exercise.limits.start_seconds,
            ),
        )
        return {
            "env": {**world.env, "AS_OF": world.as_of},
            "quotas": [{"name": one.name, "minimum": one.minimum, "count": one.count} for one in world.quotas],
            "people": [
                {"cid": one.cid, "name": one.name, "identifiers": list(one.identifiers)} for one in world.people
            ],
            "digest": pack.digest,
        }

    def _seed(self) -> dict[str, Any]:
        session = self._loaded()
        rows = 0
        for name, agency in session.agencies.items():
            tables = session.world.tables.get(name, {})
            rows += sum(len(one) for one in tables.values())
            if self._seeded:
                agency.reset(tables)
            else:
                spec = session.pack.exercise.agencies[name]
                agency.create_schema((session.pack.root / spec.schema_file).read_text(encoding="utf-8"))
                agency.load(tables)
        self._seeded = True
        return {"rows": rows}

    def _ready(self, timeout: float) -> dict[str, Any]:
        session = self._loaded()
        session.guard.begin_run()
        give_up = time.monotonic() + timeout
        code, last = "start.not_ready", ""
        while True:
            try:
                answer = session.target.send("GET", HEALTH_PATH)
            except NoAnswer as problem:
                code, last = "start.not_ready", problem.detail
            else:
                if answer.status == 200:  # noqa: PLR2004 - the one status that means healthy
                    return {"ready": True, "code": "", "last": "200"}
                code, last = "start.unhealthy", answer.guard_code or str(answer.status)
            if time.monotonic() >= give_up:
                return {"ready": False, "code": code, "last": last}
            session.guard.begin_run()
            time.sleep(_POLL_SECONDS)

    def _examine(self, command: Examine) -> dict[str, Any]:
        session = self._loaded()
        session.guard.begin_run()
        FAMILIES[command.command](replace(session, only=command.only), self._emit)
        records = session.guard.exchanges
        asked = dict(sorted(session.guard.counts.items()))
        return {
            "exchanges": asked,
            "answer_seconds": round(sum(one.elapsed_ms for one in records) / 1_000, 3),
            "code": records[-1].violation if records else "",
        }

    def _ask(self, what: Literal["restart", "alive"], **fields: Any) -> dict[str, Any]:
        """Let the host do something while a command is under way."""
        self._stream.send(Ask(what=what, fields=fields))
        line = self._replies()
        try:
            return _REPLY.validate_json(line).reply
        except ValidationError as problem:
            raise InfrastructureFault(
                "infrastructure.no_reply", asked=what, got=printable(line[:200].decode("utf-8", "replace"))
            ) from problem

    def _request(self, command: OneRequest) -> dict[str, Any]:
        session = self._loaded()
        try:
            answer = session.target.send(
                command.method, command.path, headers=command.headers, body=command.body.encode()
            )
        except NoAnswer as problem:
            return {"status": None, "code": "app.no_answer", "exchange": problem.exchange.model_dump(mode="json")}
        exchange = answer.exchange.model_dump(mode="json")
        return {"status": answer.status, "code": answer.guard_code or "", "exchange": exchange}

    def _emit(self, what: CheckEvidence | Progress) -> None:
        self._stream.send(what if isinstance(what, Progress) else Result(result=what))

    def _loaded(self) -> Session:
        if self._session is None:
            raise InfrastructureFault("infrastructure.not_loaded")
        return self._session


class DeadMan:
    """Ends the process when nobody talks to it: a probe whose host died must not live on."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._since = seconds, time.monotonic()

    def start(self) -> None:
        """Watch from now on."""
        threading.Thread(target=self._watch, name="dead-man", daemon=True).start()

    def heard(self) -> None:
        """A command came, or one was finished."""
        self._since = time.monotonic()

    def _watch(self) -> None:
        while (left := self._since + self._seconds - time.monotonic()) > 0:
            time.sleep(min(left, 1.0))
        os._exit(EXIT_FORGOTTEN)


def serve(commands: BinaryIO, stream: EventStream, folder: Path, *, dead_man: DeadMan) -> None:
    """Do the commands one after the other until the input ends or ``shutdown`` was done."""
    control = Control(stream, folder, lambda: commands.readline(MAX_COMMAND_BYTES))
    try:
        while line := commands.readline(MAX_COMMAND_BYTES):
            dead_man.heard()
            name = _perform(control, line, stream)
            dead_man.heard()
            if name == "shutdown":
                return
    finally:
        control.close()


def _perform(control: Control, line: bytes, stream: EventStream) -> str:
    """Do one command; whatever happens, exactly one ``done`` or ``failed`` event ends it. Gives the command's name."""
    started, cpu = time.monotonic(), _cpu_seconds()
    name = ""
    try:
        command = COMMAND.validate_json(line)
        name = command.command
        data = control.handle(command)
        stream.send(
            Done(
                command=name,
                seconds=round(time.monotonic() - started, 3),
                cpu_seconds=round(_cpu_seconds() - cpu, 3),
                data=data,
            )
        )
    except ValidationError as problem:
        params: Params = {
            "problem": json.dumps(problem.errors(include_url=False, include_input=False, include_context=False))
        }
        stream.send(_failed(name, "infrastructure", "infrastructure.command", params))
    except PackInvalid as problem:
        stream.send(_failed(name, "pack", problem.code, problem.params))
    except InfrastructureFault as problem:
        stream.send(_failed(name, "infrastructure", problem.code, problem.params))
    except Exception as problem:  # noqa: BLE001 - a bug of ours is told, never taken for the trainee's
        sys.excepthook(type(problem), problem, problem.__traceback__)
        params = {"type": type(problem).__name__, "problem": str(problem)}
        stream.send(_failed(name, "infrastructure", "infrastructure.probe", params))
    return name


def _failed(command: str, kind: Any, code: str, params: Params) -> Failed:
    short = {name: printable(value)[:_TEXT] if isinstance(value, str) else value for name, value in params.items()}
    return Failed(command=command, kind=kind, code=code, params=short)


def _cpu_seconds() -> float:
    """CPU time of this process and of its children that are done."""
    used = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> int:
    """Take the standard descriptors for ourselves, so that no print of any library can break the stream."""
    events, commands = os.dup(1), os.dup(0)
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    dead_man = DeadMan(float(os.environ.get(DEADLINE_VARIABLE, DEADLINE_SECONDS)))
    dead_man.start()
    with tempfile.TemporaryDirectory(prefix="probe-", ignore_cleanup_errors=True) as folder:
        empty = Path(folder) / "empty"
        empty.mkdir()
        os.chdir(empty)
        with os.fdopen(commands, "rb") as lines:
            serve(lines, EventStream(events), Path(folder), dead_man=dead_man)
        os.chdir("/")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
