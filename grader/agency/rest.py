"""The generic REST agency: serves what a description says over the world's rows, and fails as it is told to."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError

from grader.agency.answers import Answers, problem
from grader.agency.control import Control, Handler, Misuse
from grader.agency.faults import Fault, FaultClock
from grader.agency.ledger import Ledger, Record
from grader.agency.rows import Rows
from grader.agency.server import HttpServer
from grader.agency.wire import Head, Limits, Manner, Reply
from grader.packs.rest import RestDescription, RowMisfit

REST_PORT = 8080
_HTML = """<!doctype html>
<html lang="th"><head><meta charset="utf-8"><title>ปิดปรับปรุงระบบ</title></head>
<body><h1>ปิดปรับปรุงระบบชั่วคราว</h1><p>The service is under maintenance.</p></body></html>
"""


class RestServer:
    """One REST agency: its door to the app, its description and rows, its faults and its ledger."""

    def __init__(
        self,
        *,
        token: str,
        clock: FaultClock | None = None,
        limits: Limits | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``token`` is the app's credential."""
        self.clock, self.ledger = clock or FaultClock(), Ledger()
        self.door = HttpServer(self, limits=limits)
        self.sleep = sleep
        self._applying = asyncio.Lock()
        self._token = token
        self._description: RestDescription | None = None
        self._rows: Rows | None = None
        self.answers: Answers | None = None

    def control(self, token: str) -> Control:
        """The control side of this agency; ``token`` is the grader's."""
        more = {
            ("PUT", "description"): self._describe,
            ("PUT", "rows"): _fitting(self._load),
            ("POST", "rows"): _fitting(self._post),
            ("PATCH", "rows"): _fitting(self._patch),
        }
        return Control(kind="rest", token=token, clock=self.clock, ledger=self.ledger, apply=self.apply, more=more)

    async def apply(self) -> None:
        """Open or close the door as the fault of the moment wants it."""
        async with self._applying:
            fault = self.clock.current()
            if fault.mode != "unreachable":
                await self.door.accept_again()
            elif fault.after:
                self.door.stop_listening()  # the requests that were promised an answer still get it
            else:
                self.door.refuse()

    # -- what the door asks for ---------------------------------------------------------------------------------------

    def connected(self) -> None:
        """The app opened a connection."""
        self.ledger.connected()

    def asked(self, head: Head) -> "_Turn":
        """The app sent a request's head."""
        route = self.answers.route_of(head) if self.answers is not None else ""
        record = self.ledger.asked(head.method, head.target, route=route, headers=head.headers)
        return _Turn(self, head, self.clock.take(), record)

    # -- what the control side asks for -------------------------------------------------------------------------------

    def _describe(self, _: str, body: Any) -> Any:
        try:
            description = RestDescription.model_validate(body)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise Misuse(first["msg"], where=".".join(map(str, first["loc"]))) from error
        if description != self._description:
            self._description, self._rows = description, Rows(description)
            self.answers = Answers(description, self._rows, self._token)
        return {}

    def _load(self, _: str, body: Any) -> Any:
        self._filled().load(body)
        return {}

    def _post(self, path: str, body: Any) -> Any:
        table, _, action = path.partition("/")
        if action == "delete":
            return {"count": self._filled().delete(table, _member(body, "where"))}
        if action:
            raise Misuse(f"rows have no {action}", where=path)
        self._filled().insert(table, _member(body, "row"))
        return {"count": 1}

    def _patch(self, table: str, body: Any) -> Any:
        return {"count": self._filled().update(table, _member(body, "values"), _member(body, "where"))}

    def _filled(self) -> Rows:
        if self._rows is None:
            raise Misuse("the agency has no description yet")
        return self._rows


class _Turn:
    """One request of the app."""

    def __init__(self, agency: RestServer, head: Head, fault: Fault, record: Record) -> None:
        self._agency, self._head, self._fault, self._record = agency, head, fault, record

    async def answer(self, body: bytes) -> Reply:
        """The answer, or what the fault that acted when the request came makes of it."""
        reply = await self._reply(body)
        if self._agency.clock.current().mode == "unreachable":
            await self._agency.apply()
        return reply

    def done(self, status: int | None) -> None:
        """Record what became of it."""
        self._record.status = status

    async def _reply(self, body: bytes) -> Reply:
        fault = self._fault
        if fault.mode == "latency":
            await self._agency.sleep((fault.ms or 0) / 1_000)
        if fault.mode in {"status", "rate_limit"}:
            status = fault.status or HTTPStatus.TOO_MANY_REQUESTS
            wait = {} if fault.retry_after is None else {"retry_after": str(fault.retry_after)}
            return problem(status, "the agency cannot answer now", **wait)
        if fault.mode == "html_200":
            return Reply(
                status=HTTPStatus.OK, body=_HTML.encode(), headers=(("Content-Type", "text/html; charset=utf-8"),)
            )
        if self._agency.answers is None:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "the agency has no description yet")
        reply = self._agency.answers.answer(self._head, body, fault)
        if fault.mode == "cut_body":
            return replace(reply, manner=Manner.HALF)
        if fault.mode == "timeout_after_effect":
            return replace(reply, manner=Manner.SILENCE)
        return reply


def _fitting(change: Handler) -> Handler:
    """``change``, with rows that do not fit told as the exercise's mistake."""

    def told(path: str, body: Any) -> Any:
        try:
            return change(path, body)
        except RowMisfit as misfit:
            raise Misuse(misfit.problem, where=misfit.where) from misfit

    return told


def _member(body: Any, name: str) -> Any:
    if not isinstance(body, dict) or name not in body:
        raise Misuse(f"{name} is missing", where=name)
    return body[name]


async def serve(environment: Mapping[str, str]) -> None:
    """Serve the app on AGENCY_ADDRESS and the grader on VERIFY_ADDRESS until cancelled."""
    agency = RestServer(token=environment["APP_PASSWORD"])
    await agency.door.open(environment["AGENCY_ADDRESS"], REST_PORT)
    await agency.control(environment["GRADER_PASSWORD"]).serve(environment["VERIFY_ADDRESS"])
