"""U6: the same request twice gives byte-equal ``data``."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grader.evidence import Finding
from grader.probe.calls import Call, example_calls
from grader.probe.jsontext import UnreadableJson, parse_json
from grader.probe.session import Session
from grader.probe.target import Answer, NoAnswer

CHECK = "U6"
OK_LIMIT = 300
_BLANKS = " \t\r\n"


@dataclass(frozen=True, kw_only=True)
class Told:
    """One answer to an example: its status and the raw bytes of its ``data`` (None: there is none)."""

    answer: Answer
    data: bytes | None


def listen(session: Session) -> list[tuple[Call, Told | None]]:
    """Ask every safe example once; None where no answer came or the guard refused it."""
    return [
        (call, _ask(session, call))
        for operation, call in example_calls(session.pack.contract, session.world.examples)
        if operation.safe
    ]


def compare(first: list[tuple[Call, Told | None]], second: list[tuple[Call, Told | None]]) -> tuple[list[Finding], int]:
    """Findings, and how many examples could be compared."""
    found: dict[str, list[Finding]] = {}
    compared = 0
    for (call, before), (_, after) in zip(first, second, strict=True):
        if before is None or after is None or before.data is None:
            continue
        compared += 1
        if before.data == after.data and before.answer.status == after.answer.status:
            continue
        found.setdefault(call.operation_id, []).append(_finding(call, before, after))
    return [one.model_copy(update={"count": len(more) + 1}) for one, *more in found.values()], compared


def member(body: bytes, name: str) -> bytes | None:
    """The bytes of one member of a JSON object as they were sent, or None; raises UnreadableJson."""
    if not isinstance(parse_json(body), dict):
        return None
    text, decoder = body.decode("utf-8-sig"), json.JSONDecoder()
    place = _skip(text, _skip(text, 0) + 1)
    while text[place] != "}":
        key, place = decoder.raw_decode(text, place)
        start = _skip(text, _skip(text, place) + 1)
        _, end = decoder.raw_decode(text, start)
        if key == name:
            return text[start:end].encode()
        place = _skip(text, end)
        if text[place] == ",":
            place = _skip(text, place + 1)
    return None


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place] in _BLANKS:
        place += 1
    return place


def _ask(session: Session, call: Call) -> Told | None:
    try:
        answer = session.target.send(call.method, call.path, query=call.query, headers=call.headers)
    except NoAnswer:
        return None
    if answer.guard_code is not None:
        return None
    try:
        data = member(answer.body, "data") if answer.status < OK_LIMIT else None
    except UnreadableJson:
        data = None
    return Told(answer=answer, data=data)


def _finding(call: Call, before: Told, after: Told) -> Finding:
    rule, difference = _difference(before, after)
    at, expected, got = difference
    return Finding(
        check=CHECK,
        code="repeat.differs",
        operation=call.operation_id,
        at=at,
        params={"rule": rule},
        expected=expected,
        got=got,
        exchange=after.answer.exchange,
    )


def _difference(before: Told, after: Told) -> tuple[str, tuple[str, Any, Any]]:
    """What differs (``status``, ``value``, or only the ``bytes``), where, and both sides."""
    if before.answer.status != after.answer.status:
        return "status", ("", before.answer.status, after.answer.status)
    one, other = (json.loads(told.data) if told.data is not None else None for told in (before, after))
    found = next(_differences(one, other, "data"), None)
    return ("value", found) if found is not None else ("bytes", ("data", None, None))


def _differences(one: Any, other: Any, at: str) -> Iterator[tuple[str, Any, Any]]:
    """Where two values differ: path without row numbers, and both values (their types where they are no scalars)."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in [*one, *(key for key in other if key not in one)]:
            yield from _differences(one.get(key), other.get(key), f"{at}.{key}")
    elif isinstance(one, list) and isinstance(other, list):
        for left, right in zip(one, other, strict=False):
            yield from _differences(left, right, f"{at}[]")
        if len(one) != len(other):
            yield at, len(one), len(other)
    elif type(one) is not type(other) or one != other:
        yield at, _scalar(one), _scalar(other)


def _scalar(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | None) else type(value).__name__
