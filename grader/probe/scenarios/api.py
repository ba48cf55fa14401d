"""The app as a scenario sees it: requests in, answers out, and every way to be wrong named."""

import re
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NoReturn, Self

from grader.evidence import Exchange, Finding
from grader.probe import target as client
from grader.probe.jsontext import UnreadableJson
from grader.probe.scenarios.mismatch import Mismatch, shown_param, shown_value

MAX_PAGES = 200
MAX_WALK_BYTES = 6_000_000
"""Bytes that the answers of one walk over pages may have in all: they are all held at once."""
MAX_STEPS = 30

_UNREADABLE = {
    "too_deep": "response.too_deep",
    "long_number": "response.too_large",
    "too_many_values": "response.too_large",
}
_STEP = re.compile(r"([^.\[\]]+)|\[([0-9]+)\]")
_MISSING = object()


class Budget:
    """Wall time that the app's answers may take: in one test, and in all tests together. Seconds."""

    def __init__(self, *, per_test: float = 60.0, in_all: float = 240.0) -> None:
        self._per_test, self._in_all = per_test, in_all
        self._test = self._all = 0.0

    def begin_test(self) -> None:
        """Start counting one test from 0."""
        self._test = 0.0

    def spend(self, seconds: float) -> None:
        """Note the time that one answer took."""
        self._test += seconds
        self._all += seconds

    @property
    def spent(self) -> bool:
        """Whether no more requests may be made."""
        return self._test >= self._per_test or self._all >= self._in_all


class Api:
    """One test's way to the app."""

    def __init__(
        self,
        target: client.Target,
        *,
        check: str,
        budget: Budget | None = None,
        settle: Callable[[], None] = lambda: None,
    ) -> None:
        """``settle`` is called before each request: it waits until the app may no longer serve what it cached."""
        self._target, self._check = target, check
        self._budget, self._settle = budget or Budget(), settle
        self._steps: list[str] = []
        self.last: Answer | None = None
        self._last_exchange: Exchange | None = None

    def step(self, code: str) -> None:
        """Name what follows; ``code`` is shown to the trainee in the list of steps."""
        self._note(code)

    def get(self, path: str, /, **query: Any) -> "Answer":
        """A GET; None values of the query are left out, lists are repeated."""
        return self.request("GET", path, query=query)

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
    ) -> "Answer":
        """One request. Raises Mismatch when there is no acceptable answer at all."""
        if self._budget.spent:
            raise self.mismatch("response.slow", exchange=self._last_exchange, reason="time_spent")
        self._settle()
        started = time.monotonic()
        try:
            raw = self._target.send(method, path, query=query, headers=headers, json=json)
        except client.NoAnswer as problem:
            self._note(f"{method} {problem.exchange.path} -")
            self._last_exchange = problem.exchange
            raise self.mismatch(
                "app.no_answer", exchange=problem.exchange, operation=problem.operation, reason=problem.detail
            ) from None
        finally:
            self._budget.spend(time.monotonic() - started)
        self._note(f"{method} {raw.exchange.path} {raw.status}")
        self._last_exchange = raw.exchange
        if raw.guard_code is not None:
            raise self.mismatch(raw.guard_code, exchange=raw.exchange, operation=raw.operation, reason=raw.guard_detail)
        self.last = Answer(raw, self)
        return self.last

    def pages(self, path: str, /, **query: Any) -> list["Answer"]:
        """Every page of a list, following ``page.next_cursor`` to its end; each must be a 200."""
        answers: list[Answer] = []
        seen: set[str] = set()
        size = 0
        cursor: str | None = None
        while True:
            answer = self.get(path, **query if cursor is None else {**query, "cursor": cursor}).expect_status(200)
            answers.append(answer)
            size += len(answer.body)
            cursor = answer.next_cursor
            if cursor is None:
                return answers
            if cursor in seen or len(answers) >= MAX_PAGES:
                answer.fail("list.endless", at="page.next_cursor", pages=len(answers), repeated=cursor in seen)
            if size > MAX_WALK_BYTES:
                answer.fail("response.too_large", pages=len(answers), size=size)
            seen.add(cursor)

    def mismatch(
        self,
        code: str,
        *,
        exchange: Exchange | None = None,
        operation: str = "",
        at: str = "",
        expected: Any = None,
        got: Any = None,
        **params: Any,
    ) -> Mismatch:
        """A finding of this test, ready to be raised."""
        finding = Finding(
            check=self._check,
            code=code,
            operation=operation,
            at=at,
            expected=shown_value(expected),
            got=shown_value(got),
            params={name: shown_param(value) for name, value in params.items()},
            exchange=exchange,
            steps=tuple(self._steps),
        )
        return Mismatch(finding)

    def unexpected_shape(self, error: Exception) -> Mismatch | None:
        """The finding for a scenario that stumbled over the last answer; None when there was no answer yet."""
        if self.last is None:
            return None
        return self.mismatch(
            "response.unexpected_shape",
            exchange=self.last.exchange,
            operation=self.last.operation,
            error=type(error).__name__,
            detail=str(error),
        )

    def assertion(self, message: str) -> Mismatch:
        """The finding for a plain assert of a scenario."""
        operation = self.last.operation if self.last else ""
        return self.mismatch("scenario.assertion", exchange=self._last_exchange, operation=operation, message=message)

    def _note(self, step: str) -> None:
        self._steps = [*self._steps, step][-MAX_STEPS:]


class Answer:
    """One answer with the questions a scenario asks of it; each ``expect`` raises Mismatch or returns the answer."""

    def __init__(self, raw: client.Answer, api: Api) -> None:
        self._raw, self._api = raw, api
        self.status = raw.status
        self.headers = raw.headers
        self.body = raw.body
        self.exchange = raw.exchange
        self.operation = raw.operation

    @cached_property
    def json(self) -> Any:
        """The body as JSON."""
        try:
            return self._raw.json()
        except UnreadableJson as problem:
            self.fail(_UNREADABLE.get(problem.reason, "response.not_json"), reason=problem.reason)

    @property
    def data(self) -> Any:
        """What stands under ``data`` of the body."""
        return self.value("data", code="response.shape")

    @property
    def next_cursor(self) -> str | None:
        """``page.next_cursor``: a text, or None on the last page."""
        cursor = self.value("page.next_cursor", code="response.shape")
        if cursor is not None and not (isinstance(cursor, str) and cursor):
            self.fail("response.shape", at="page.next_cursor", expected="string|null", got=cursor)
        return cursor

    def value(self, path: str, *, code: str = "response.missing_field") -> Any:
        """What stands at ``a.b[0].c`` of the body."""
        found: Any = self.json
        walked = ""
        for match in _STEP.finditer(path):
            walked = f"{walked}{match[0]}" if match[2] or not walked else f"{walked}.{match[0]}"
            if not isinstance(found, list if match[2] else dict):
                self.fail("response.shape", at=walked, expected="array" if match[2] else "object", got=_kind(found))
            found = _entry(found, match)
            if found is _MISSING:
                self.fail(code, at=walked)
        return found

    def expect_status(self, status: int) -> Self:
        """The answer has this status."""
        if self.status != status:
            self.fail("response.status", expected=status, got=self.status)
        return self

    def expect_value(self, path: str, expected: Any) -> Self:
        """This value stands at ``path``, with its JSON type: text is no number, but 50 is 50.0."""
        got = self.value(path)
        if not same_value(got, expected):
            self.fail("response.value", at=path, expected=expected, got=got)
        return self

    def expect_absent(self, path: str) -> Self:
        """Nothing stands at ``path``."""
        found: Any = self.json
        for match in _STEP.finditer(path):
            found = _entry(found, match) if isinstance(found, list if match[2] else dict) else _MISSING
            if found is _MISSING:
                return self
        raise self.mismatch("response.value", at=path, got=_kind(found), absent=True)

    def fail(self, code: str, *, expected: Any = None, got: Any = None, at: str = "", **params: Any) -> NoReturn:
        """This answer is wrong in a way that ``code`` names."""
        raise self._api.mismatch(
            code, exchange=self.exchange, operation=self.operation, at=at, expected=expected, got=got, **params
        )

    def mismatch(self, code: str, *, expected: Any = None, got: Any = None, at: str = "", **params: Any) -> Mismatch:
        """The same as ``fail``, not raised, for those who gather several."""
        return self._api.mismatch(
            code, exchange=self.exchange, operation=self.operation, at=at, expected=expected, got=got, **params
        )


def same_value(got: Any, expected: Any) -> bool:
    """Equality of JSON values: no text equals a number, no boolean either, and 50 equals 50.0."""
    if isinstance(expected, dict):
        return (
            isinstance(got, dict)
            and got.keys() == expected.keys()
            and all(same_value(got[key], expected[key]) for key in expected)
        )
    if isinstance(expected, list | tuple):
        return isinstance(got, list) and len(got) == len(expected) and all(map(same_value, got, expected))
    if isinstance(got, bool) or isinstance(expected, bool):
        return got is expected
    if isinstance(expected, int | float):
        return isinstance(got, int | float) and got == expected
    return type(got) is type(expected) and bool(got == expected)


def _entry(found: Any, match: re.Match[str]) -> Any:
    if match[2]:
        return found[int(match[2])] if int(match[2]) < len(found) else _MISSING
    return found.get(match[1], _MISSING)


def _kind(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")
