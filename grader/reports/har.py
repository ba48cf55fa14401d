"""The exchanges that are evidence in a verdict as HAR 1.2, which browsers and proxies open.

They are as they were kept: secrets masked, long bodies cut, and only those that show why a check failed.
"""

import json
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl

from grader import __version__
from grader.evidence import Exchange
from grader.reports.curl import LOCAL_BASE
from grader.verdict import Verdict

HTTP: Final = "HTTP/1.1"
UNKNOWN: Final = -1
"""What the format has for sizes that nobody measured."""


def document(verdict: Verdict) -> dict[str, Any]:
    """Every exchange of the findings, once, in the order in which they were sent."""
    seen: dict[str, tuple[Exchange, list[str]]] = {}
    for check in verdict.checks:
        for finding in (*check.findings, *check.intermittent):
            if finding.exchange is not None:
                # json writes half a letter, which an answer may hold, as an escape; UTF-8 has no bytes for it
                key = json.dumps(finding.exchange.model_dump(), sort_keys=True)
                seen.setdefault(key, (finding.exchange, []))[1].append(f"{check.id} {finding.code}")
    entries = [
        _entry(exchange, whose, verdict.facts.started_at)
        for exchange, whose in sorted(seen.values(), key=lambda one: one[0].at)
    ]
    creator = {"name": "anamai-api-grader", "version": __version__}
    return {"log": {"version": "1.2", "creator": creator, "entries": entries}}


def _entry(exchange: Exchange, whose: list[str], began: datetime) -> dict[str, Any]:
    elapsed = exchange.response.elapsed_ms if exchange.response else 0.0
    sent = datetime.fromtimestamp(exchange.at, UTC) if exchange.at else began
    return {
        "startedDateTime": sent.isoformat(),
        "time": elapsed,
        "request": _request(exchange),
        "response": _response(exchange),
        "cache": {},
        "timings": {"send": 0, "wait": elapsed, "receive": 0},
        "comment": "; ".join(dict.fromkeys(whose)),
    }


def _request(exchange: Exchange) -> dict[str, Any]:
    sent = exchange.request
    made: dict[str, Any] = {
        "method": sent.method,
        "url": LOCAL_BASE + sent.path,
        "httpVersion": HTTP,
        "cookies": [],
        "headers": _pairs(sent.headers),
        "queryString": [
            {"name": name, "value": value}
            for name, value in parse_qsl(sent.path.partition("#")[0].partition("?")[2], keep_blank_values=True)
        ],
        "headersSize": UNKNOWN,
        "bodySize": len(sent.body.encode("utf-8", "surrogatepass")),
    }
    if sent.body:
        made["postData"] = {"mimeType": _type(sent.headers), "text": sent.body}
    return made


def _response(exchange: Exchange) -> dict[str, Any]:
    came = exchange.response
    return {
        "status": came.status if came else 0,  # 0: no answer
        "statusText": "",
        "httpVersion": HTTP,
        "cookies": [],
        "headers": _pairs(came.headers) if came else [],
        "content": {
            "size": came.size if came else 0,
            "mimeType": _type(came.headers) if came else "",
            "text": came.body if came else "",
        },
        "redirectURL": "",
        "headersSize": UNKNOWN,
        "bodySize": came.size if came else UNKNOWN,
    }


def _pairs(headers: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers.items()]


def _type(headers: dict[str, str]) -> str:
    return next((value for name, value in headers.items() if name.lower() == "content-type"), "")
