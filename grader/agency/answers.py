"""What a REST agency answers: its description and rows, and what the fault of the moment makes of them."""

import base64
import binascii
import csv
import hmac
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote

from grader.agency.faults import Fault
from grader.agency.rows import Row, Rows
from grader.agency.wire import Head, Reply
from grader.packs.rest import PARAMETER, Auth, BatchRoute, ListRoute, OneRoute, RestDescription, Route, as_text

_MAX_PARAMETERS = 100
_MAX_DIGITS = 9


class _Refusal(Exception):
    """A request that the agency refuses."""

    def __init__(self, status: HTTPStatus, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.reply = problem(status, detail, **headers)


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What a route found: rows, or one row; ``more`` are the other members of a wrapped answer."""

    rows: Sequence[Row]
    single: bool = False
    total: int = 0
    more: Mapping[str, Any] | None = None


class Answers:
    """The routes of one description over its rows."""

    def __init__(self, description: RestDescription, rows: Rows, token: str) -> None:
        """``token`` is what the app must show when the description asks for a credential."""
        self._description, self._rows, self._token = description, rows, token
        # Literal paths first: /v1/persons/all is no person.
        ordered = sorted(description.routes.items(), key=lambda one: len(PARAMETER.findall(one[1].path)))
        self._patterns = [(name, route, _pattern(route.path)) for name, route in ordered]

    def route_of(self, head: Head) -> str:
        """The name of the route that a request means, or ""."""
        path = head.target.partition("?")[0]
        return next((name for name, route, _ in self._on(path) if _accepts(route, head.method)), "")

    def answer(self, head: Head, body: bytes, fault: Fault) -> Reply:
        """The answer to a request, with the faults in it that concern rows and their shape."""
        try:
            self._authorise(head)
            route, parameter = self._find(head)
            match route:
                case OneRoute():
                    return self._one(route, parameter, fault)
                case BatchRoute():
                    return _shaped(route, self._batch(route, _json_object(body), fault), fault)
                case ListRoute():
                    found = self._list(route, _parameters(route, head, body), fault)
                    if route.format == "csv" and fault.mode != "shape_change":
                        columns = self._description.tables[route.table].columns
                        return _csv_reply(route, columns, _altered(found.rows, fault))
                    return _shaped(route, found, fault)
        except _Refusal as refusal:
            return refusal.reply

    def _authorise(self, head: Head) -> None:
        auth = self._description.auth
        if auth is not None and not _shows(auth, head, self._token):
            challenge = {"www_authenticate": auth.scheme} if auth.scheme else {}
            raise _Refusal(HTTPStatus.UNAUTHORIZED, f"the header {auth.header} holds no valid credential", **challenge)

    def _on(self, path: str) -> Iterator[tuple[str, Route, str]]:
        """The routes with this path, with the value of the path's parameter."""
        for name, route, pattern in self._patterns:
            if found := pattern.fullmatch(path):
                yield name, route, unquote(found[1]) if found.groups() else ""

    def _find(self, head: Head) -> tuple[Route, str]:
        there = list(self._on(head.target.partition("?")[0]))
        if not there:
            raise _Refusal(HTTPStatus.NOT_FOUND, "there is nothing at this path")
        for _, route, parameter in there:
            if _accepts(route, head.method):
                return route, parameter
        allowed = ", ".join(route.method for _, route, _ in there)
        raise _Refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"this path has {allowed} only", allow=allowed)

    def _one(self, route: OneRoute, sought: str, fault: Fault) -> Reply:
        stale = fault.mode == "stale"
        places = self._rows.places(route.table, route.sought, sought, stale=stale)
        if places:
            rows = self._rows.of(route.table, stale=stale)
            return _shaped(route, _Found(rows=[rows[places[0]]], single=True), fault)
        missing = route.missing
        if missing.body is None:
            return problem(missing.status, "there is no such object")
        return json_reply(missing.status, dict(missing.body))

    def _batch(self, route: BatchRoute, body: Mapping[str, Any], fault: Fault) -> _Found:
        asked = body.get(route.asks)
        if not isinstance(asked, list) or not all(isinstance(one, str) for one in asked):
            raise _Refusal(HTTPStatus.BAD_REQUEST, f"{route.asks} is no list of texts")
        if len(asked) > route.limit:
            if route.over_limit == "refuse":
                raise _Refusal(
                    HTTPStatus.BAD_REQUEST, f"{len(asked)} {route.asks} asked, at most {route.limit} allowed"
                )
            asked = asked[: route.limit]
        column = route.column or self._description.tables[route.table].key
        stale = fault.mode == "stale"
        rows = self._rows.of(route.table, stale=stale)
        # In the order of the table: who takes the n-th row for the n-th key is wrong.
        places = {place for key in set(asked) for place in self._rows.places(route.table, column, key, stale=stale)}
        found = [rows[place] for place in sorted(places)]
        return _Found(rows=found, total=len(found))

    def _list(self, route: ListRoute, given: Mapping[str, str], fault: Fault) -> _Found:
        for name, value in route.fixed.items():
            if given.get(name) != value:
                raise _Refusal(HTTPStatus.BAD_REQUEST, f"{name} has to be {value}")
        rows = [
            row
            for row in self._rows.of(route.table, stale=fault.mode == "stale")
            if all(
                as_text(row[one.column]) == given[name]
                if one.by == "equal"
                else as_text(row[one.column]).startswith(given[name])
                for name, one in route.filters.items()
                if given.get(name)
            )
        ]
        style = route.paging.style
        if style == "none":
            return _Found(rows=rows, total=len(rows))
        limit = min(_number(given, "limit", route.paging.default), route.paging.maximum)
        if style == "offset":
            offset = _number(given, "offset", 0)
            more = {"total": len(rows), "limit": limit, "offset": offset}
            return _Found(rows=rows[offset : offset + limit], total=len(rows), more=more)
        start = _place(given.get("cursor", ""))
        following = _cursor(start + limit) if start + limit < len(rows) else None
        return _Found(rows=rows[start : start + limit], total=len(rows), more={"next_cursor": following})


def problem(status: int, detail: str, **headers: str) -> Reply:
    """A refusal as RFC 9457; ``headers`` with underscores for hyphens."""
    title = HTTPStatus(status).phrase if status in HTTPStatus.__members__.values() else str(status)
    value = {"type": "about:blank", "title": title, "status": int(status), "detail": detail}
    named = tuple((name.replace("_", "-").title(), text) for name, text in headers.items())
    return Reply(
        status=status,
        body=json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace"),
        headers=(("Content-Type", "application/problem+json"), *named),
    )


def json_reply(status: int, value: Any) -> Reply:
    """An answer whose body is ``value`` as JSON in UTF-8."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    return Reply(status=status, body=body, headers=(("Content-Type", "application/json"),))


def _pattern(path: str) -> re.Pattern[str]:
    literal = [re.escape(part) for part in PARAMETER.split(path)[::2]]
    return re.compile("([^/]+)".join(literal))


def _accepts(route: Route, method: str) -> bool:
    return method == route.method or (method == "HEAD" and route.method == "GET")


def _shows(auth: Auth, head: Head, token: str) -> bool:
    shown = head.header(auth.header.lower()) or ""
    if auth.scheme:
        scheme, _, shown = shown.partition(" ")
        if scheme.lower() != auth.scheme.lower():
            return False
    return hmac.compare_digest(shown.strip().encode(), token.encode())


def _parameters(route: ListRoute, head: Head, body: bytes) -> dict[str, str]:
    if route.reads_body:
        return {name: as_text(value) for name, value in _json_object(body).items()}
    try:
        return dict(parse_qsl(head.target.partition("?")[2], max_num_fields=_MAX_PARAMETERS))
    except ValueError:
        raise _Refusal(HTTPStatus.BAD_REQUEST, f"there are more than {_MAX_PARAMETERS} parameters") from None


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise _Refusal(HTTPStatus.BAD_REQUEST, "the body is no JSON") from None
    if not isinstance(value, dict):
        raise _Refusal(HTTPStatus.BAD_REQUEST, "the body is no JSON object")
    return value


def _number(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise _Refusal(HTTPStatus.BAD_REQUEST, f"{name} is no whole number")
    return int(text)


def _cursor(place: int) -> str:
    return base64.urlsafe_b64encode(f"row:{place}".encode()).decode()


def _place(cursor: str) -> int:
    if not cursor:
        return 0
    try:
        name, _, place = base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii").partition(":")
    except (ValueError, binascii.Error):
        name, place = "", ""
    if name != "row" or not (place.isdecimal() and len(place) <= _MAX_DIGITS):
        raise _Refusal(HTTPStatus.BAD_REQUEST, "the cursor is unknown")
    return int(place)


def _altered(rows: Sequence[Row], fault: Fault) -> list[Row]:
    """The rows of a list or batch that the fault leaves; a ``total`` goes on telling the truth."""
    if fault.mode == "row_cap":
        return list(rows[: fault.rows])
    if fault.mode == "short_answer":
        return list(rows[: max(0, len(rows) - (fault.rows or 0))])
    return list(rows)


def _shaped(route: Route, found: _Found, fault: Fault) -> Reply:
    """What was found in the shape of the route, or in the other one when the fault is ``shape_change``."""
    rows = list(found.rows) if found.single else _altered(found.rows, fault)
    value: Any = rows[0] if found.single else rows
    more = dict(found.more or {})
    if fault.mode == "shape_change":
        if route.wrap:
            return json_reply(HTTPStatus.OK, value)
        if not found.single:
            more = {"total": found.total, "limit": len(rows), "offset": 0} | more
        return json_reply(HTTPStatus.OK, {"data": value, **more})
    return json_reply(HTTPStatus.OK, {route.wrap: value, **more} if route.wrap else value)


def _csv_reply(route: ListRoute, columns: Sequence[str], rows: Sequence[Row]) -> Reply:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([as_text(row[column]) for column in columns] for row in rows)
    kind = f"text/csv; charset={route.charset}" if route.charset else "text/csv"
    return Reply(status=HTTPStatus.OK, body=text.getvalue().encode(route.encoding), headers=(("Content-Type", kind),))
