"""The contract family: the exercise's own contract, tried by Schemathesis and by the world's examples (U1, C, U4).

Three steps: *plan* writes a test copy of the contract, *play* sends the requests, *judge* says what the answers break.
"""

import tempfile
import time
from pathlib import Path

from grader.evidence import CheckEvidence, Finding
from grader.probe.calls import describe
from grader.probe.contract.examples import send_examples
from grader.probe.contract.gate import trust, untested
from grader.probe.contract.judge import CONTRACT, ERRORS, UNIVERSAL, judge_cases
from grader.probe.contract.plan import write_plan
from grader.probe.contract.play import build_tables, cool_down, run_plan, warm_up
from grader.probe.events import Progress
from grader.probe.session import Emit, Session

__all__ = ["build_tables", "cool_down", "examine", "warm_up"]


def examine(session: Session, emit: Emit) -> None:
    """Give evidence for U1, C and U4; raises InfrastructureFault when the tester failed, PackInvalid for its pack."""
    wanted = [check for check in (UNIVERSAL, CONTRACT, ERRORS) if session.wants(check)]
    if not wanted:
        return
    started = time.monotonic()
    warm_up()
    contract, budget = session.pack.contract, session.pack.exercise.contract
    operations = describe(contract)
    total = len(operations) + sum(len(sets) for sets in session.world.examples.values())
    emit(Progress(phase="contract", done=0, total=total))
    cases = list(send_examples(session))
    emit(Progress(phase="contract", done=len(cases), total=total))
    folder = Path(tempfile.mkdtemp(prefix="contract-", dir=session.workdir))
    copy, config = write_plan(
        folder,
        contract=contract,
        examples=session.world.examples,
        seed=budget.seed,
        max_examples=budget.max_examples,
    )
    before = _app_seconds(session)
    played = run_plan(folder, contract=copy, config=config, base_url=session.base_url, operations=len(operations))
    trust(played, operations, app_seconds=_app_seconds(session) - before)
    cases += played.told.cases
    findings = judge_cases(contract, operations, cases)
    findings += untested(played, operations, cases, minimum=budget.minimum_requests)
    emit(Progress(phase="contract", done=total, total=total))
    seconds = round(time.monotonic() - started, 3)
    for check in wanted:
        emit(_evidence(check, findings, operations=len(operations), seconds=seconds))


def _evidence(check: str, findings: list[Finding], *, operations: int, seconds: float) -> CheckEvidence:
    own = tuple(finding for finding in findings if finding.check == check)
    flawed = {finding.operation for finding in own}
    return CheckEvidence(
        check=check,
        outcome="fail" if own else "pass",
        findings=own,
        share=(operations - len(flawed), operations) if check == CONTRACT else None,
        seconds=seconds,
    )


def _app_seconds(session: Session) -> float:
    return sum(record.elapsed_ms for record in session.guard.exchanges) / 1000
