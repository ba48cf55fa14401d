"""Findings as cards: one card a cause, with everything a person needs to mend it, in the order to mend them.

A card is plain, safe text without any markup, so that each renderer only has to lay it out.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from grader.evidence import Finding, Frozen
from grader.packs import Check, Pack
from grader.reports.catalogue import Explanation, Lang, explain, label
from grader.reports.curl import local_curl
from grader.reports.differences import Difference, as_json, brief, differences, json_type
from grader.reports.logs import MAX_LINE_SHOWN, readable, tells
from grader.reports.plain import clean, clean_line, shorten
from grader.verdict import CheckVerdict, Verdict

MAX_BODY_LINES = 12
MAX_BODY_SHOWN = 600

_GUARD_CODES: Final = frozenset({
    f"response.{reason}"
    for reason in (
        "too_large", "too_deep", "slow", "headers_too_large", "protocol", "encoded", "redirect", "not_json"
    )
})  # fmt: skip
"""Causes of a whole operation, whatever check happened to see them."""

_ANSWERED: Final = re.compile(r"^([A-Z]+ /.*) (\d{3})$")
"""A step that is a request, with the status that answered it."""

Cause = tuple[str, ...]


class CheckTag(Frozen):
    """A check that a card belongs to. ``lost`` is what it lost in all, whatever the number of its causes."""

    id: str
    title: str
    mandatory: bool
    lost: int
    task: str


class Step(Frozen):
    """One step of a scenario; ``failed`` is the one that showed the cause."""

    text: str
    failed: bool


class Card(Frozen):
    """One cause. ``again`` says that an earlier card is about the same check, so the points are counted there.

    ``alike`` says that the earlier card even has the same code: what to do about it is said there.
    """

    checks: tuple[CheckTag, ...]
    again: bool
    alike: bool
    explanation: Explanation
    steps: tuple[Step, ...] = ()
    differences: tuple[Difference, ...] = ()
    more_differences: int = 0
    request_line: str = ""
    request_body: str = ""
    status: str = ""
    answer_body: str = ""
    answer_size: int | None = None
    curl: str = ""
    log: tuple[str, ...] = ()
    log_start: int = 0
    log_end: int = 0
    hint: str = ""
    retry: str = ""
    count_more: int = 0

    @property
    def lost(self) -> int:
        """Points that all checks of the card lost together."""
        return sum(check.lost for check in self.checks)


def failure_cards(verdict: Verdict, pack: Pack, lang: Lang) -> tuple[Card, ...]:
    """The cards of everything that failed, in the order to mend: what breaks all, ★, many points, report order."""
    failed = [check for check in verdict.checks if check.outcome == "fail"]
    causes = _by_cause((finding or _silent(check), check) for check in failed for finding in check.findings or (None,))
    return _cards(causes, verdict, pack, lang)


def intermittent_cards(verdict: Verdict, pack: Pack, lang: Lang) -> tuple[Card, ...]:
    """The cards of what was seen once and not confirmed."""
    causes = _by_cause((finding, check) for check in verdict.checks for finding in check.intermittent)
    return _cards(causes, verdict, pack, lang)


def finding_values(finding: Finding) -> dict[str, object]:
    """The values of a finding's sentence: its own params, and what every finding knows."""
    exchange = finding.exchange
    response = exchange.response if exchange else None
    status = phrase(response.status) if response else ""
    values: dict[str, object] = {
        "method": exchange.method if exchange else "",
        "path": shorten(clean_line(exchange.path), 72) if exchange else "",
        "status": status,
        "operation": finding.operation,
        "at": finding.at,
        "expected": brief(finding.expected),
        "got": brief(finding.got),
        "count": finding.count,
    }
    values |= {key: value for key, value in finding.params.items() if value not in {None, ""}}
    values["status"] = phrase(values["status"])
    if finding.code == "response.status":
        values["expected"] = phrase(values["expected"])
        values["got"] = phrase(values["got"]) or status
    return values


def phrase(status: object) -> str:
    """A status with its name, such as ``409 Conflict``; anything that is no known status stays as it is."""
    text = str(status)
    try:
        return f"{text} {HTTPStatus(int(text)).phrase}"
    except ValueError:
        return text


def retry_command(verdict: Verdict, checks: Iterable[str]) -> str:
    """The command that repeats only these checks with the same data."""
    only = " ".join(f"--only {check}" for check in checks)
    return f"grader check . --exercise {verdict.exercise.id} {only} --seed {verdict.facts.seed}"


def _silent(check: CheckVerdict) -> Finding:
    """What stands for a failed check that left no finding, so that it is never invisible."""
    return Finding(check=check.id, code="verdict.no_detail")


def _by_cause(pairs: Iterable[tuple[Finding, CheckVerdict]]) -> list[list[tuple[Finding, CheckVerdict]]]:
    causes: dict[Cause, list[tuple[Finding, CheckVerdict]]] = {}
    for finding, check in pairs:
        causes.setdefault(_cause(finding), []).append((finding, check))
    return list(causes.values())


def _cause(finding: Finding) -> Cause:
    """What makes findings of different checks one cause.

    A service that is down is down everywhere; a broken answer belongs to its operation; a wrong answer belongs to its
    request, because two scenarios that differ in what they expect are two things to mend.
    """
    code, exchange = finding.code, finding.exchange
    if code.startswith("app."):
        return (code,)
    path = exchange.path if exchange else ""
    where = finding.operation or (f"{exchange.method} {path.partition('?')[0]}" if exchange else "")
    if code in _GUARD_CODES and where:
        return (code, where)
    status = str(exchange.response.status // 100) if exchange and exchange.response else ""
    if code.startswith("contract.") and where:
        return (code, where, status, finding.at)
    if exchange is None:
        return (code, finding.fingerprint)
    return (code, where, status, finding.at, exchange.method, path, str(finding.expected))


def _cards(
    causes: list[list[tuple[Finding, CheckVerdict]]], verdict: Verdict, pack: Pack, lang: Lang
) -> tuple[Card, ...]:
    order = {check.id: place for place, check in enumerate(verdict.checks)}

    def urgency(cause: list[tuple[Finding, CheckVerdict]]) -> tuple[bool, bool, int, int]:
        finding, first = cause[0]
        everywhere = finding.code.startswith("app.")
        mandatory = any(check.mandatory for _, check in cause)
        lost = sum(check.max - check.points for check in {check.id: check for _, check in cause}.values())
        return (not everywhere, not mandatory, -lost, order[first.id])

    seen: set[tuple[str, str]] = set()
    cards = []
    for cause in sorted(causes, key=urgency):
        code = cause[0][0].code
        ids = list(dict.fromkeys(check.id for _, check in cause))
        again = {check for check, _ in seen} >= set(ids)
        alike = seen >= {(check, code) for check in ids}
        cards.append(_card(cause, verdict, pack, lang, again=again, alike=alike))
        seen.update((check, code) for check in ids)
    return tuple(cards)


def _card(
    cause: list[tuple[Finding, CheckVerdict]], verdict: Verdict, pack: Pack, lang: Lang, *, again: bool, alike: bool
) -> Card:
    finding, first = cause[0]
    checks = {check.id: check for _, check in cause}
    unlike, more = _unlike(finding, lang)
    exchange, window = finding.exchange, finding.log if finding.log and tells(finding) else None
    return Card(
        checks=tuple(_tag(check, pack.checks[check.id], lang) for check in checks.values()),
        again=again,
        alike=alike,
        explanation=explain(finding.code, finding_values(finding), lang),
        steps=_steps(finding),
        differences=unlike,
        more_differences=more,
        request_line=clean_line(f"{exchange.method} {exchange.path}") if exchange else "",
        request_body=_excerpt(exchange.request.body) if exchange else "",
        status=phrase(exchange.response.status) if exchange and exchange.response else "",
        answer_body=_excerpt(exchange.response.body) if exchange and exchange.response else "",
        answer_size=exchange.response.size if exchange and exchange.response else None,
        curl=local_curl(exchange) if exchange else "",
        log=readable(window.lines, lang) if window else (),
        log_start=window.start if window else 0,
        log_end=window.end if window else 0,
        hint=_in(lang, pack.checks[first.id]),
        retry=retry_command(verdict, checks),
        count_more=max(found.count for found, _ in cause) - 1,
    )


def _steps(finding: Finding) -> tuple[Step, ...]:
    """The steps up to the last one; the failed one is that of the finding's own exchange, else the last."""
    exchange = finding.exchange
    answer = exchange.response.status if exchange and exchange.response else "–"
    asked = f"{exchange.method} {exchange.path} {answer}" if exchange else ""
    last = len(finding.steps) - 1
    failed = last - finding.steps[::-1].index(asked) if asked in finding.steps else last
    return tuple(
        Step(
            text=shorten(clean_line(_ANSWERED.sub(r"\1 → \2", step)), MAX_LINE_SHOWN),
            failed=place == failed,
        )
        for place, step in enumerate(finding.steps)
    )


def _unlike(finding: Finding, lang: Lang) -> tuple[tuple[Difference, ...], int]:
    """What differs; a value of the wrong type is shown with both types, because ``97100`` alone says too little."""
    types = finding.expected
    if finding.params.get("rule") != "type" or not isinstance(types, list | str):
        return differences(finding.expected, finding.got, finding.at)
    wanted = label("of_type", lang, types=" | ".join([types] if isinstance(types, str) else map(str, types)))
    got = finding.got
    return (Difference(at=clean_line(finding.at), expected=wanted, got=f"{as_json(got)}  ({json_type(got)})"),), 0


def _tag(judged: CheckVerdict, check: Check, lang: Lang) -> CheckTag:
    return CheckTag(
        id=check.id,
        title=check.title.th if lang == "th" else check.title.en,
        mandatory=check.mandatory,
        lost=judged.max - judged.points,
        task=check.task,
    )


def _in(lang: Lang, check: Check) -> str:
    if check.hint is None:
        return ""
    return check.hint.th if lang == "th" else check.hint.en


def _excerpt(body: str) -> str:
    lines = clean(body).strip("\n").split("\n")
    cut = [shorten(line.rstrip(), MAX_LINE_SHOWN) for line in lines[:MAX_BODY_LINES]]
    if len(lines) > MAX_BODY_LINES:
        cut.append("…")
    return shorten("\n".join(cut), MAX_BODY_SHOWN)
