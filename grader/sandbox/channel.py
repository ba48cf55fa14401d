"""The host's end of the probe: one command at a time over a pipe, and what the probe asks for while it works."""

import json
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, TypeAlias

from grader.errors import InfrastructureFault, PackInvalid
from grader.evidence import CheckEvidence
from grader.sandbox.driver import Examination
from grader.sandbox.engine import GuardedClient, Lines, Pipe

COMMAND_SECONDS = {"contract": 420, "scenarios": 600, "universal": 240, "privacy": 240}
"""How long the probe may take for a family before we call it broken (ours): about ten times what it needs."""
DEFAULT_COMMAND_SECONDS = 60

Report: TypeAlias = Callable[[str, str], None]
Serve: TypeAlias = Callable[[str, Mapping[str, Any]], dict[str, Any]]
"""Does what the probe asks for (its name and fields) and gives the reply."""


class ProbeChannel:
    """The pipe to one probe. ``attach`` before the container is started, so that nothing it says is missed."""

    def __init__(self) -> None:
        self._pipe: Pipe | None = None
        self._lines: Lines | None = None

    def attach(self, client: GuardedClient, container: str) -> None:
        """Take the container's standard streams."""
        self._pipe = Pipe(client, container)
        self._lines = Lines(self._pipe)

    def close(self) -> None:
        """Let go of the pipe; the probe ends when its input does."""
        if self._pipe is not None:
            self._pipe.close()
        self._pipe = self._lines = None

    def command(
        self,
        name: str,
        *,
        seconds: float | None = None,
        report: Report = lambda _phase, _what: None,
        serve: Serve | None = None,
        **fields: Any,
    ) -> Examination:
        """Send one command and collect what it found until it says that it is done.

        Raises:
            InfrastructureFault: the probe is missing, silent, broken or says that we are at fault.
            PackInvalid: the probe says that the exercise is.
        """
        if self._pipe is None or self._lines is None:
            raise InfrastructureFault("infrastructure.probe_missing", command=name)
        deadline = monotonic() + (seconds or COMMAND_SECONDS.get(name, DEFAULT_COMMAND_SECONDS))
        self._say({"command": name, **fields})
        results: list[CheckEvidence] = []
        while True:
            line = self._lines.read(deadline)
            if line is None:
                detail = self._lines.complaints[-1500:]
                raise InfrastructureFault("infrastructure.probe_died", command=name, detail=detail)
            try:
                event = json.loads(line)
                kind = event["event"]
                if kind == "result":
                    results.append(CheckEvidence.model_validate(event["result"]))
            except (ValueError, KeyError, TypeError) as error:
                raise InfrastructureFault("infrastructure.probe_event", command=name, detail=line[:300]) from error
            if kind == "progress":
                report(str(event.get("phase", name)), f"{event.get('done', 0)}/{event.get('total', 0)}")
            elif kind == "ask":
                self._say({"command": "reply", "reply": _served(serve, event, name)})
            elif kind == "failed":
                raise _failure(event, name)
            elif kind == "done":
                return Examination(
                    results=tuple(results),
                    data=dict(event.get("data") or {}),
                    seconds=float(event.get("seconds", 0)),
                    cpu_seconds=float(event.get("cpu_seconds", 0)),
                )

    def _say(self, message: Mapping[str, Any]) -> None:
        assert self._pipe is not None
        self._pipe.send(json.dumps(message).encode() + b"\n")


def _served(serve: Serve | None, event: Mapping[str, Any], command: str) -> dict[str, Any]:
    if serve is None:
        raise InfrastructureFault("infrastructure.probe_event", command=command, detail=f"asked {event.get('what')}")
    return serve(str(event.get("what", "")), dict(event.get("fields") or {}))


def _failure(event: Mapping[str, Any], command: str) -> Exception:
    params = dict(event.get("params") or {})
    code = str(event.get("code", "infrastructure.probe"))
    if event.get("kind") == "pack":
        return PackInvalid(
            code,
            file=str(params.get("file", "")),
            problem=str(params.get("problem", code)),
            fix=str(params.get("fix", "")),
            where=str(params.get("where", "")),
        )
    return InfrastructureFault(code, command=command, detail=json.dumps(params, ensure_ascii=False)[:1500])
