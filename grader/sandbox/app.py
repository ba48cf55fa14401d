"""The submission in its container: started, restarted, watched and stopped. One at a time, each fresh."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from grader.errors import InfrastructureFault, StartFailed
from grader.packs.model import Limits
from grader.sandbox import golden, networks
from grader.sandbox.agency_set import AgencySet
from grader.sandbox.diagnosis import SourceFault, blamed, read_faults
from grader.sandbox.driver import AppExit, AppImage, LogLine
from grader.sandbox.engine import GuardedClient, engine_call

READY_SLICE_SECONDS = 2.0
LOG_LINES = 50_000
LOG_LINES_SHOWN = 60
"""How much of its log is kept of an app that did not start: the last lines, where the cause stands."""
NOTICE_SECONDS = 1.0
RESTART_SECONDS = 2
"""How long an app may take to stop when a scenario restarts it; whether it stops in time is judged elsewhere (U5)."""
DIAGNOSE_SECONDS = 60


class App:
    """The app containers of one grading, on the networks of its agencies."""

    def __init__(
        self,
        client: GuardedClient,
        agencies: AgencySet,
        limits: Limits,
        marks: Mapping[str, str],
        env: Mapping[str, str],
    ) -> None:
        self._client, self._agencies, self._limits = client, agencies, limits
        self._labels, self._environment = dict(marks), dict(env)
        self._image: AppImage | None = None
        self._container: str | None = None
        self._spent = 0.0
        self._earlier: tuple[LogLine, ...] = ()
        self._read_well = False
        self.broken = False
        """Whether its last connection broke: it may have ended with it, and the engine needs a moment to notice."""

    @property
    def running(self) -> str:
        """Its container; InfrastructureFault when no app was started."""
        if self._container is None:
            raise InfrastructureFault("infrastructure.no_app")
        return self._container

    def start(self, image: AppImage) -> None:
        """Start a fresh app and wait until it is healthy; StartFailed when it never is."""
        self.remove()
        self._image, self._earlier, self.broken = image, (), False
        self._run({})
        self._wait_healthy(image)

    def restart(self, changes: Mapping[str, str]) -> bool:
        """End the app and start it again with ``changes`` to its environment; False when it had ended by itself.

        Whether it is healthy again is for the probe to find out.
        """
        if not self.alive():
            return False
        self._note_cpu()
        with engine_call("restart the app"):
            self._client.stop(self.running, timeout=RESTART_SECONDS)
        self._earlier = (*self._earlier, *self._log())[-LOG_LINES:]
        self.remove()
        self.broken = False
        self._run(changes)
        return True

    def alive(self) -> bool:
        """Whether its process is still running."""
        deadline = time.monotonic() + (NOTICE_SECONDS if self.broken else 0.0)
        while running := bool(self._state().get("Running")):
            if time.monotonic() >= deadline:
                break
            time.sleep(0.1)
        return running

    def stop(self) -> AppExit:
        """SIGTERM, ten seconds, SIGKILL; judged by how the process ended and not by a stopwatch alone."""
        died = not self.alive()
        if not died:
            self._note_cpu()
        started = time.monotonic()
        if not died:
            with engine_call("stop the app"):
                self._client.stop(self.running, timeout=golden.STOP_SECONDS)
        seconds = time.monotonic() - started
        state = self._state()
        code = int(state.get("ExitCode", -1))
        killed = not died and code == 137 and seconds >= golden.STOP_SECONDS  # noqa: PLR2004 - 128 + SIGKILL
        log = (*self._earlier, *self._log())
        self._remove_stopped()
        return AppExit(
            exit_code=code,
            seconds=seconds,
            killed=killed,
            died=died,
            out_of_memory=bool(state.get("OOMKilled")),
            log=log,
        )

    def remove(self) -> None:
        """End it at once, if there is one."""
        if self._container is None:
            return
        if self._state().get("Running"):
            self._note_cpu()
        self._remove_stopped()

    def cpu_seconds(self) -> float:
        """What all apps of this grading used so far."""
        return self._spent + (cpu_seconds(self._client, self._container) if self._container is not None else 0.0)

    def _run(self, changes: Mapping[str, str]) -> None:
        assert self._image is not None
        shape = golden.app_shape(
            uid=golden.APP_UID_BASE + self._agencies.slot.number,
            start=self._image.start,
            environment={
                "PORT": str(golden.APP_PORT),
                "TZ": "Asia/Bangkok",
                "HOME": "/tmp",  # noqa: S108 - inside the container
                **self._environment,
                **changes,
            },
            memory=self._limits.memory_mb,
            cpus=self._limits.cpus,
        )
        with engine_call("start the app"):
            self._container = self._agencies.create(
                shape,
                self._image.ident,
                host=networks.APP_HOST,
                pair=("front", "agency"),
                seen="agency",
                marks=self._labels,
            )
            self._client.start(self._container)

    def _wait_healthy(self, image: AppImage) -> None:
        """Readiness is a real answer; an app that ended is not waited for."""
        seconds = self._limits.start_seconds
        deadline = time.monotonic() + seconds
        last: dict[str, Any] = {}
        while time.monotonic() < deadline:
            timeout = min(READY_SLICE_SECONDS, max(0.2, deadline - time.monotonic()))
            last = self._agencies.channel.command("ready", seconds=timeout + 30, timeout=timeout).data
            if last.get("ready"):
                self._need_readable(image)
                return
            if not self.alive():
                raise self._explain_exit(image)
        raise self._explain_silence(image, last)

    def _need_readable(self, image: AppImage) -> None:
        """A server that reads its start file at each request may answer 200 without a word although it cannot read it.

        Looked for once: the source does not change.
        """
        if not image.lazy or self._read_well:
            return
        for fault in self._diagnose(image):
            if fault.file in image.start:
                raise _unreadable(fault, _end_of(self._log()))
        self._read_well = True

    def _explain_silence(self, image: AppImage, last: Mapping[str, Any]) -> StartFailed:
        """Why an app that runs was not healthy in time; ``last`` is what the probe got last.

        A server that loads a broken file lives on and answers 500, or watches a child that ended.
        """
        printed = self._log()
        log, seconds = _end_of(printed), int(self._limits.start_seconds)
        if fault := blamed(self._diagnose(image), printed):
            return _unreadable(fault, log)
        answer = str(last.get("last", ""))
        if last.get("code") == "start.unhealthy" and answer != "app.no_answer":
            return StartFailed("start.unhealthy", log=log, status=answer, seconds=seconds)
        return StartFailed("start.not_ready", log=log, seconds=seconds, port=golden.APP_PORT)

    def _explain_exit(self, image: AppImage) -> StartFailed:
        """Why an app ended before it was healthy."""
        state = self._state()
        printed = self._log()
        log = _end_of(printed)
        if state.get("OOMKilled"):
            return StartFailed("start.out_of_memory", log=log, limit_mb=self._limits.memory_mb)
        faults = self._diagnose(image)
        # It ended, and something of it cannot be read: that is the cause even where the log does not say so.
        if fault := blamed(faults, printed) or next(iter(faults), None):
            return _unreadable(fault, log)
        return StartFailed("start.exited", log=log, exit_code=int(state.get("ExitCode", -1)))

    def _diagnose(self, image: AppImage) -> tuple[SourceFault, ...]:
        """Read the source in a container of its own, to name the file and line that cannot be read."""
        uid = golden.APP_UID_BASE + self._agencies.slot.number
        config = golden.container_config(
            golden.diagnose_shape(user=f"{uid}:{uid}", command=image.diagnose),
            image=image.ident,
            network="none",
            address=None,
            hosts={},
            labels=self._labels,
        )
        with engine_call("diagnose the app"):
            container = str(self._client.create_container_from_config(config)["Id"])
            self._client.start(container)
            self._client.wait(container, timeout=DIAGNOSE_SECONDS)
            said = self._client.logs(container, stdout=True, stderr=False, tail=5)
            self._client.remove_container(container, force=True, v=True)
        return read_faults(said)

    def _state(self) -> dict[str, Any]:
        with engine_call("inspect the app"):
            return dict(self._client.inspect_container(self.running)["State"])

    def _log(self) -> tuple[LogLine, ...]:
        """What the app printed; bounded by the engine's log limits and by LOG_LINES."""
        with engine_call("read the app's log"):
            raw = self._client.logs(self.running, timestamps=True, tail=LOG_LINES)
        return log_lines(raw.decode("utf-8", "backslashreplace"))

    def _remove_stopped(self) -> None:
        with engine_call("remove the app"):
            self._client.remove_container(self.running, force=True, v=True)
        self._container = None

    def _note_cpu(self) -> None:
        """Count the running app's CPU time while it can be read: a stopped container has no statistics."""
        self._spent += cpu_seconds(self._client, self.running)


def cpu_seconds(client: GuardedClient, container: str) -> float:
    """CPU seconds of a running container so far; 0 of one that is not running."""
    with engine_call("read CPU time"):
        stats = client.stats(container, stream=False, one_shot=True)
    return int(stats.get("cpu_stats", {}).get("cpu_usage", {}).get("total_usage", 0)) / 1e9


def _unreadable(fault: SourceFault, log: tuple[str, ...]) -> StartFailed:
    return StartFailed("start.syntax_error", log=log, file=fault.file, line=fault.line, message=fault.message)


def _end_of(log: Sequence[LogLine]) -> tuple[str, ...]:
    return tuple(line.text for line in log[-LOG_LINES_SHOWN:])


def log_lines(printed: str) -> tuple[LogLine, ...]:
    """The lines of a log of the engine in the order of their times (nanoseconds in UTC before each line).

    The engine reads standard output and standard error side by side and keeps them as they arrive, which may be a
    fraction of a millisecond the wrong way round. A line without a time goes on from the line before it.
    """
    lines: list[LogLine] = []
    for raw in printed.splitlines():
        stamp, _, text = raw.partition(" ")
        try:
            at = datetime.fromisoformat(stamp[:26].rstrip("Z")).replace(tzinfo=UTC).timestamp()
        except ValueError:
            at, text = lines[-1].at if lines else 0.0, raw
        lines.append(LogLine(at=at, text=text))
    return tuple(sorted(lines, key=lambda line: line.at))
