"""The probe's side of an agency's control protocol: faults, counts, and the rows of a REST agency.

An agency that does not answer, or not as agreed, is ours; a call that it refuses with 400 is the exercise's mistake.
"""

import http.client
import json
import time
from collections.abc import Mapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from grader.errors import InfrastructureFault, PackInvalid
from grader.probe.agencies.handle import AgencyRequest, Script

START_SECONDS = 40.0
"""How long an agency that is still starting is waited for."""

CALL_SECONDS = 30.0
MAX_ANSWER_BYTES = 64_000_000
_RETRY_SECONDS = 0.05
_TOKEN_HEADER = "X-Control-Token"  # noqa: S105 - the name of a header
_SCENARIOS = frozenset({"insert", "update", "delete", "fetch", "faults", "requests"})
_FIXES = {
    "create_schema": "mend the description; docs/packs.md has every key",
    "faults": "use a mode that docs/scenarios.md lists for this kind of agency, with its parameters",
    "requests": "name a route as the agency's description does",
}
_FIX = "use the tables and columns of the agency's description, and values that JSON has"
_REQUESTS: TypeAdapter[list[AgencyRequest]] = TypeAdapter(list[AgencyRequest])

Answer: TypeAlias = Mapping[str, Any]


class AgencyControl:
    """Calls the control side of one agency. Holds no connection between calls, so it survives a fork."""

    def __init__(self, agency: str, *, url: str, token: str, start_seconds: float = START_SECONDS) -> None:
        """``url`` such as ``http://dopa:9000``; ``start_seconds`` is how long its first answer may take."""
        parts = urlsplit(url)
        self._agency, self._host, self._port = agency, parts.hostname or "", parts.port or 0
        self._token, self._start_seconds = token, start_seconds
        self._met = False

    def play(self, script: Script) -> None:
        """Begin this script of faults now; the return is its start."""
        self.call("faults", "PUT", "/faults", {"script": [dict(step) for step in script]})

    def heal(self) -> None:
        """Be well from now on."""
        self.call("heal", "DELETE", "/faults")

    def requests(self) -> list[AgencyRequest]:
        """The latest requests, oldest first."""
        try:
            return _REQUESTS.validate_python(self._ledger().get("requests"))
        except ValidationError as problem:
            raise self._broken("requests", "no list of requests") from problem

    def requests_in_all(self) -> int:
        """How many requests came, those included that are not kept one by one any more."""
        counts = self._ledger().get("counts")
        if not isinstance(counts, dict) or not all(isinstance(one, int) for one in counts.values()):
            raise self._broken("requests", "no counts")
        return sum(counts.values())

    def connections(self) -> int:
        """How many connections were accepted."""
        count = self._ledger().get("connections")
        if not isinstance(count, int):
            raise self._broken("connections", "no count")
        return count

    def forget(self) -> None:
        """Count requests and connections from 0."""
        self.call("forget", "DELETE", "/ledger")

    def call(self, action: str, method: str, path: str, body: Any = None) -> Answer:
        """One call; ``action`` is what the exercise wanted, for whoever reads of its failure.

        Raises:
            PackInvalid: ``pack.agency_data`` or ``pack.agency_fault``: the agency cannot do this.
            InfrastructureFault: ``infrastructure.agency``: no answer, or none as agreed.
        """
        try:
            content = b"" if body is None else json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError) as problem:
            raise self.refused(action, f"{type(problem).__name__}: {problem}") from problem
        status, answer = self._asked(action, method, path, content)
        if status == http.client.BAD_REQUEST:
            raise self.refused(action, str(answer.get("problem")), where=str(answer.get("where") or ""))
        if status != http.client.OK:
            raise self._broken(action, f"status {status}: {answer.get('problem', '')}")
        return answer

    def refused(self, action: str, problem: str, *, where: str = "") -> PackInvalid:
        """The exercise's mistake in what it asked of this agency."""
        return PackInvalid(
            "pack.agency_fault" if action == "faults" else "pack.agency_data",
            file="scenarios" if action in _SCENARIOS else f"agencies.{self._agency}",
            where=f"{self._agency}.{action}{' ' if where else ''}{where}",
            problem=problem[:500],
            fix=_FIXES.get(action, _FIX),
        )

    def _ledger(self) -> Answer:
        return self.call("ledger", "GET", "/ledger")

    def _asked(self, action: str, method: str, path: str, content: bytes) -> tuple[int, Answer]:
        """Status and JSON object; until the agency answered for the first time, it may still be starting."""
        give_up = time.monotonic() + (0.0 if self._met else self._start_seconds)
        while True:
            try:
                status, body = self._exchange(method, path, content)
                break
            except (OSError, http.client.HTTPException) as problem:
                if time.monotonic() >= give_up:
                    raise self._broken(action, f"{type(problem).__name__}: {problem}") from problem
                time.sleep(_RETRY_SECONDS)
        self._met = True
        try:
            answer = json.loads(body)
        except ValueError as problem:
            raise self._broken(action, "no JSON") from problem
        if not isinstance(answer, dict):
            raise self._broken(action, "no JSON object")
        return status, answer

    def _exchange(self, method: str, path: str, content: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=CALL_SECONDS)
        try:
            headers = {_TOKEN_HEADER: self._token, "Content-Type": "application/json"}
            connection.request(method, path, body=content or None, headers=headers)
            response = connection.getresponse()
            return response.status, response.read(MAX_ANSWER_BYTES)
        finally:
            connection.close()

    def _broken(self, action: str, problem: str) -> InfrastructureFault:
        return InfrastructureFault(
            "infrastructure.agency", agency=self._agency, action=action, problem=problem[:500], sqlstate=None
        )


class BehindDoor:
    """What every database agency has in common: faults and connections of its door. It counts no requests.

    Without a control side (``None``: a database of a test) there is no door either, and nothing to heal.
    """

    name: str

    def __init__(self, control: AgencyControl | None) -> None:
        self._control = control

    def faults(self, script: Script) -> None:
        """Begin this script of faults now."""
        self._door("faults").play(script)

    def heal(self) -> None:
        """Be well from now on."""
        if self._control is not None:
            self._control.heal()

    def requests(self, route: str | None = None) -> list[AgencyRequest]:
        """Always PackInvalid: a database is not asked by routes."""
        raise PackInvalid(
            "pack.agency_data",
            file="scenarios",
            where=f"{self.name}.requests{f' {route}' if route else ''}",
            problem="only a REST agency counts requests one by one",
            fix="count a database's statements() or connections()",
        )

    def connections(self) -> int:
        """How many connections the app opened since the last forget."""
        return self._door("connections").connections()

    def _forget_connections(self) -> None:
        if self._control is not None:
            self._control.forget()

    def _door(self, action: str) -> AgencyControl:
        if self._control is None:
            raise InfrastructureFault(
                "infrastructure.agency", agency=self.name, action=action, problem="no control side", sqlstate=None
            )
        return self._control
