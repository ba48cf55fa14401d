"""Judge: what each answer breaks of the contract, and which check that belongs to. Pure: cases in, findings out.

U1 has answers that no contract allows (5xx, undocumented statuses, broken bodies below 400), C has inputs that were
treated wrongly and headers that are missing, U4 has error answers that are no problem+json.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from grader.errors import InfrastructureFault, Params
from grader.evidence import Finding
from grader.probe.calls import Described, Node, resolve
from grader.probe.contract.examples import PHASE, missing
from grader.probe.contract.plan import RECORDED_BYTES
from grader.probe.contract.readings import Reader
from grader.probe.contract.report import Case
from grader.probe.contract.schemas import Breach, Schemas
from grader.probe.contract.texts import typed
from grader.probe.jsontext import UnreadableJson, parse_json

UNIVERSAL, CONTRACT, ERRORS = "U1", "C", "U4"
BAD = 400
SERVER_ERROR = 500
FINE_REFUSALS = frozenset({401, 403, 404, 409, 412, 422, 428, 429})
"""Refusals that say something else than "your input has the wrong form"."""

_OF_ABSENCE = frozenset({"contract.example_refused", "contract.undocumented_status", "contract.rejects_valid"})
"""What an operation that is not there shows besides; saying it would blame one cause twice."""

_RESPONSE_CODES = frozenset({"ST104", "ST105", "ST106", "ST108", "ST109", "ST110", "ST111"})


@dataclass(frozen=True, kw_only=True)
class Blame:
    """One thing that is wrong with one answer."""

    check: str
    code: str
    at: str = ""
    expected: Any = None
    got: Any = None
    params: Params = field(default_factory=dict)


class Judge:
    """Judges the cases of one operation."""

    def __init__(self, contract: Node, operation: Described) -> None:
        self._contract, self._operation = contract, operation
        self._reader, self._schemas = Reader(contract, operation), Schemas(contract)

    def findings(self, cases: list[Case]) -> Iterator[Finding]:
        """One finding for each cause, with the smallest request that shows it and the number of requests that do."""
        absent = missing(self._operation, cases)
        grouped: dict[tuple[str, str], list[tuple[Case, Blame]]] = {}
        if absent is not None:
            seen = next(case for case in cases if case.phase == PHASE)
            blame = Blame(
                check=CONTRACT,
                code="contract.operation_missing",
                expected=self._documented(good=True),
                got={"status": seen.status},
                params=absent,
            )
            grouped[CONTRACT, blame.code] = [(seen, blame)]
        for case in cases:
            for blame in self.blames(case):
                if absent is not None and blame.code in _OF_ABSENCE:
                    continue
                grouped.setdefault((blame.check, blame.code), []).append((case, blame))
        for found in grouped.values():
            case, blame = min(found, key=lambda one: one[0].weight)
            yield Finding(
                check=blame.check,
                code=blame.code,
                operation=self._operation.operation_id,
                at=blame.at,
                params={**blame.params, **({"what": case.what} if case.what else {})},
                expected=blame.expected,
                got=blame.got,
                exchange=case.exchange(),
                count=len(found),
            )

    def blames(self, case: Case) -> Iterator[Blame]:
        """Everything that is wrong with one answer; raises InfrastructureFault when the guard itself gave up."""
        if case.guard_code.startswith("guard."):
            raise InfrastructureFault("infrastructure.guard_gave_up", guard=case.guard_code, path=case.sent.uri[:200])
        if case.status == 0:
            return  # never sent: the run was cut short, which the gate judges
        if case.guard_code:
            yield Blame(check=UNIVERSAL, code=case.guard_code, params={"detail": case.guard_detail})
        elif case.status >= SERVER_ERROR:
            yield Blame(
                check=UNIVERSAL,
                code="contract.server_error",
                expected=self._documented(),
                got={"status": case.status},
                params={"status": case.status},
            )
        elif self._operation.response(case.status) is None:
            yield Blame(
                check=UNIVERSAL,
                code="contract.undocumented_status",
                expected=self._documented(),
                got={"status": case.status},
                params={"status": case.status},
            )
        else:
            yield from self._answer(case)
        yield from self._treatment(case)

    def _treatment(self, case: Case) -> Iterator[Blame]:
        """Whether the input was treated as what it is."""
        good = not case.guard_code and case.status < BAD
        if case.phase == PHASE:
            if not good:
                yield Blame(
                    check=CONTRACT,
                    code="contract.example_refused",
                    expected=self._documented(good=True),
                    got={"status": case.status} if not case.guard_code else {"refused": case.guard_code},
                )
        elif good and case.mode == "negative" and not self._reader.acceptable(case.sent):
            wrong = next(self._reader.wrong(case.sent), None)
            if wrong is not None:
                breach = wrong.breach
                yield Blame(
                    check=CONTRACT,
                    code="contract.accepts_invalid",
                    at=".".join(part for part in (wrong.where, wrong.name, breach.at) if part),
                    expected=self._documented(good=False),
                    got={"status": case.status},
                    params={
                        "where": wrong.where,
                        "name": wrong.name or breach.at,
                        "rule": breach.rule,
                        **_told(breach),
                    },
                )
        elif (
            case.mode == "positive"
            and BAD <= case.status < SERVER_ERROR
            and case.status not in FINE_REFUSALS
            and self._reader.unambiguous(case.sent)
        ):
            yield Blame(
                check=CONTRACT,
                code="contract.rejects_valid",
                expected=self._documented(good=True),
                got={"status": case.status},
            )
        if any(flaw.code == "ST401" for flaw in case.flaws):
            yield Blame(
                check=CONTRACT,
                code="contract.accepts_invalid",
                at="auth",
                expected={"status": ["401", "403"]},
                got={"status": case.status},
                params={"where": "header", "name": "authorization", "rule": "auth"},
            )

    def _answer(self, case: Case) -> Iterator[Blame]:
        """Whether headers, media type and body of an answer are as documented for its status."""
        documented = self._operation.response(case.status) or {}
        yield from self._headers(case, documented)
        check, media_code, body_code = (
            (UNIVERSAL, "contract.content_type", "contract.schema")
            if case.status < BAD
            else (ERRORS, "error.not_problem_json", "error.problem_body")
        )
        content: Mapping[str, Any] = documented.get("content", {})
        received = case.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not content or case.sent.method == "HEAD":
            return
        params: Params = {"status": case.status}
        if received not in content:
            yield Blame(check=check, code=media_code, expected=sorted(content), got=received or None, params=params)
            return
        schema = content[received].get("schema")
        breach = self._body(schema, case) if schema is not None and "json" in received else None
        if breach is None and any(
            flaw.code in _RESPONSE_CODES and flaw.check != "response_headers_conformance" for flaw in case.flaws
        ):
            breach = Breach(at="", rule="schema", expected=None, got=None)
        if breach is not None:
            yield Blame(
                check=check,
                code=body_code,
                at=breach.at,
                expected=breach.expected,
                got=breach.got,
                params={**params, "rule": breach.rule},
            )

    def _body(self, schema: Node, case: Case) -> Breach | None:
        if len(case.body) >= RECORDED_BYTES and case.phase != PHASE:
            return None  # the tester kept only the beginning; its own verdict counts
        try:
            value = parse_json(case.body)
        except UnreadableJson as problem:
            return Breach(at="", rule="json", expected="JSON", got=problem.reason)
        return next(self._schemas.breaches(schema, value), None)

    def _headers(self, case: Case, documented: Node) -> Iterator[Blame]:
        for name, raw in documented.get("headers", {}).items():
            header, text = resolve(self._contract, raw), case.headers.get(name.lower())
            schema = resolve(self._contract, header.get("schema", {}))
            absent = text is None and header.get("required", False)
            broken = text is not None and not any(self._schemas.valid(schema, one) for one in typed(schema, text))
            if absent or broken:
                yield Blame(
                    check=CONTRACT,
                    code="contract.headers",
                    at=f"header.{name.lower()}",
                    expected=name,
                    got=text,
                    params={"name": name, "rule": "required" if absent else "schema"},
                )

    def _documented(self, *, good: bool | None = None) -> dict[str, list[str]]:
        statuses = sorted(self._operation.responses)
        if good is not None:
            statuses = [one for one in statuses if one.startswith(("2", "3") if good else "4")]
        return {"status": statuses}


def judge_cases(contract: Node, operations: Iterable[Described], cases: Iterable[Case]) -> list[Finding]:
    """All findings, operation by operation in the order of the contract."""
    by_label: dict[str, list[Case]] = {}
    for case in cases:
        by_label.setdefault(case.label, []).append(case)
    found: list[Finding] = []
    for operation in operations:
        found += Judge(contract, operation).findings(by_label.get(f"{operation.method} {operation.path}", []))
    return found


def _told(breach: Breach) -> Params:
    """The rule and the bound that were broken and the value that broke it, as texts that fit a sentence."""
    told = {"rule": breach.rule, "bound": breach.expected, "sent": breach.got}
    return {key: str(value)[:100] for key, value in told.items() if value is not None}
