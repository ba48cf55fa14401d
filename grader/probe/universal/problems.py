"""U4: errors are RFC 9457 problem+json, also those that the framework makes by itself."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from grader.evidence import Finding
from grader.probe.calls import UNKNOWN_PATH, Call, Described, Parameter, call_of, describe
from grader.probe.jsontext import UnreadableJson, parse_json
from grader.probe.session import Session
from grader.probe.target import Answer, NoAnswer

CHECK = "U4"
PROBLEM_MEDIA = "application/problem+json"
BAD_REQUEST, NOT_FOUND, NOT_ALLOWED = 400, 404, 405
_NONSENSE = ("x", "!", "~ ~", "ก", "0" * 300)
"""Texts of which at least one breaks any bound, pattern, format or list of values that a query parameter can have."""

_METHODS = ("DELETE", "PATCH", "PUT", "POST")


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A request that is wrong in one way, and the status that says so."""

    call: Call
    status: int


def problems(session: Session) -> list[Finding]:
    """Make each kind of mistake and judge the answers; one finding for each cause and operation."""
    found: dict[tuple[str, str, str], list[Finding]] = {}
    missed: list[Finding] = []
    refused = False
    for mistake in mistakes(session):
        call = mistake.call
        try:
            answer = session.target.send(call.method, call.path, query=call.query, headers=call.headers, json=call.json)
        except NoAnswer as silence:
            blame = Finding(check=CHECK, code="app.no_answer", operation=call.operation_id, exchange=silence.exchange)
        else:
            refused = refused or answer.status == BAD_REQUEST
            accepted = mistake.status == BAD_REQUEST and answer.status != BAD_REQUEST and answer.guard_code is None
            judged = _wrong_status(mistake, answer) if accepted else judge(mistake, answer)
            if judged is None:
                continue
            if accepted:
                missed.append(judged)
                continue
            blame = judged
        found.setdefault((blame.code, blame.operation, blame.at), []).append(blame)
    findings = [first.model_copy(update={"count": len(more) + 1}) for first, *more in found.values()]
    # Accepting a bad value is for the contract check; here it only counts when no mistake at all gives a 400.
    return findings + ([] if refused else missed[:1])


def mistakes(session: Session) -> Iterator[Mistake]:
    """An unknown path; for each path that can be read, an invalid query value and a method that it does not have.

    A path whose first example is not answered with 2xx is left out: that it does not work is for other checks.
    """
    operations = describe(session.pack.contract)
    yield Mistake(call=Call(operation_id="", method="GET", path=UNKNOWN_PATH), status=NOT_FOUND)
    tried: set[str] = set()
    for operation in operations:
        sets = session.world.examples.get(operation.operation_id, ())
        good = call_of(operation, sets[0] if sets else {})
        if not operation.safe or not _works(session, good):
            continue
        invalid = _invalid(operation)
        if invalid is not None:
            yield Mistake(call=replace(good, query={**good.query, **invalid}), status=BAD_REQUEST)
        used = {one.method for one in operations if one.path == operation.path}
        method = next((one for one in _METHODS if one not in used), None)
        if operation.path not in tried and method is not None:
            tried.add(operation.path)
            yield Mistake(call=Call(operation_id=good.operation_id, method=method, path=good.path), status=NOT_ALLOWED)


def _works(session: Session, call: Call) -> bool:
    try:
        answer = session.target.send(call.method, call.path, query=call.query, headers=call.headers)
    except NoAnswer:
        return False
    return answer.status < BAD_REQUEST


def judge(mistake: Mistake, answer: Answer) -> Finding | None:
    """What is wrong with the answer to a mistake, or None."""
    if answer.guard_code is not None:
        return _finding(mistake, answer, answer.guard_code, at="", expected=None, got=answer.guard_detail)
    if answer.status != mistake.status:
        return _wrong_status(mistake, answer)
    media = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != PROBLEM_MEDIA:
        return _finding(mistake, answer, "error.not_problem_json", at="", expected=PROBLEM_MEDIA, got=media or None)
    broken = _broken_member(answer)
    if broken is None:
        return None
    at, expected, got = broken
    return _finding(mistake, answer, "error.problem_body", at=at, expected=expected, got=got)


def _broken_member(answer: Answer) -> tuple[str, object, object] | None:
    """Where a problem's body is wrong, what was expected there and what was found; None when it is fine."""
    try:
        body = parse_json(answer.body)
    except UnreadableJson as problem:
        return "", "JSON", problem.reason
    if not isinstance(body, dict):
        return "", "object", type(body).__name__
    title, status = body.get("title"), body.get("status")
    if not isinstance(title, str) or not title.strip():
        return "title", "text", title
    if status != answer.status or isinstance(status, bool):
        return "status", answer.status, status
    return None


def _wrong_status(mistake: Mistake, answer: Answer) -> Finding:
    return _finding(mistake, answer, "response.status", at="", expected=mistake.status, got=answer.status)


def _finding(mistake: Mistake, answer: Answer, code: str, *, at: str, expected: object, got: object) -> Finding:
    return Finding(
        check=CHECK,
        code=code,
        operation=mistake.call.operation_id,
        at=at,
        params={"status": mistake.status},
        expected=expected,
        got=got if isinstance(got, str | int | float | bool | None) else type(got).__name__,
        exchange=answer.exchange,
    )


def _invalid(operation: Described) -> dict[str, str] | None:
    """A query parameter with a value that breaks its schema, or None when every text is fine."""
    for parameter in operation.parameters:
        if parameter.where == "query" and not parameter.opaque:
            value = next((one for one in _NONSENSE if _breaks(parameter, one)), None)
            if value is not None:
                return {parameter.name: value}
    return None


def _breaks(parameter: Parameter, text: str) -> bool:
    schema = parameter.schema
    kinds = schema.get("type", "string")
    kinds = {kinds} if isinstance(kinds, str) else set(kinds)
    if not kinds & {"string", "array", "object"}:
        return not text.isdigit()
    if "string" not in kinds:
        return False
    if "enum" in schema:
        return all(text != one for one in schema["enum"])
    if "pattern" in schema:
        return re.search(schema["pattern"], text) is None
    if schema.get("format") in {"date", "date-time", "uuid", "time"}:
        return not text.isdigit()
    return len(text) > int(schema.get("maxLength", len(text)))
