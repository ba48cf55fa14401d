"""The world's positive examples: requests with real values that a correct app answers with a documented 2xx."""

from collections.abc import Iterator
from urllib.parse import urlencode

from grader.errors import Params
from grader.probe.calls import Call, Described, example_calls
from grader.probe.contract.readings import Sent
from grader.probe.contract.report import Case
from grader.probe.guard import CODE_HEADER, DETAIL_HEADER, VIOLATION_STATUS
from grader.probe.session import Session
from grader.probe.target import NoAnswer

PHASE = "world"
"""The phase name of these cases, beside those of the tester."""


def send_examples(session: Session) -> Iterator[Case]:
    """Send each example once, in the order of the contract."""
    for operation, call in example_calls(session.pack.contract, session.world.examples):
        yield _case(session, operation, call)


def _case(session: Session, operation: Described, call: Call) -> Case:
    try:
        answer = session.target.send(call.method, call.path, query=call.query, headers=call.headers, json=call.json)
    except NoAnswer as silence:
        status, body, kept = VIOLATION_STATUS, b"", silence.exchange
        headers = {CODE_HEADER: "app.no_answer", DETAIL_HEADER: silence.detail}
    else:
        status, body, kept = answer.status, answer.body, answer.exchange
        headers = dict(answer.headers)
        if answer.guard_code is not None:
            headers |= {CODE_HEADER: answer.guard_code, DETAIL_HEADER: answer.guard_detail}
    return Case(
        label=f"{operation.method} {operation.path}",
        phase=PHASE,
        mode="positive",
        what="example",
        sent=Sent(
            method=call.method,
            uri=call.path + (f"?{urlencode(call.query)}" if call.query else ""),
            headers={name.lower(): value for name, value in call.headers.items()},
        ),
        status=status,
        headers=headers,
        body=body,
        elapsed_ms=kept.response.elapsed_ms if kept.response else 0.0,
        at=kept.at,
        kept=kept,
    )


def missing(operation: Described, cases: list[Case]) -> Params | None:
    """Why an operation counts as not there: every example got 404, 405 or 501; None when it is there or has none."""
    world = [case for case in cases if case.phase == PHASE and not case.guard_code]
    statuses = sorted({case.status for case in world})
    if not world or not set(statuses) <= {404, 405, 501}:
        return None
    return {"method": operation.method, "path": operation.path, "status": statuses[0]}
