"""The completeness gate: a contract that was not really tested never passes, and a broken tester is never a failure."""

from collections.abc import Iterable, Iterator

from grader.errors import InfrastructureFault, PackInvalid, Param
from grader.evidence import Finding
from grader.probe.calls import Described
from grader.probe.contract.examples import PHASE
from grader.probe.contract.judge import CONTRACT, UNIVERSAL
from grader.probe.contract.play import Played
from grader.probe.contract.report import NETWORK_ERRORS, Case

APP_SHARE = 0.5
"""A run that reached its wall limit is blamed on the app when the app's own answers took at least this share of it."""


def trust(played: Played, operations: Iterable[Described], *, app_seconds: float) -> None:
    """Raise InfrastructureFault when the run says nothing about the app."""
    told, wanted = played.told, len(tuple(operations))
    runner = [error for error in told.errors if error[1] not in NETWORK_ERRORS]
    if told.fatal or runner:
        raise InfrastructureFault("infrastructure.tester_failed", problem=", ".join(runner[0]) if runner else "fatal")
    if told.errors:
        # The guard answers whatever the app does, so a broken connection is between two parts of ours.
        raise InfrastructureFault("infrastructure.guard_lost", problem=", ".join(told.errors[0]))
    if played.status is None:
        if app_seconds < played.seconds * APP_SHARE:
            raise InfrastructureFault("infrastructure.tester_timeout", seconds=round(played.seconds))
        return
    tested = told.summary.get("operations", {})
    if (
        played.status not in {0, 1}
        or not told.summary.get("complete", False)
        or told.summary.get("stop_reason") != "completed"
        or tested.get("total") != wanted
        or tested.get("tested") != wanted
    ):
        raise InfrastructureFault("infrastructure.tester_failed", problem=f"status {played.status}")


def untested(
    played: Played, operations: Iterable[Described], cases: Iterable[Case], *, minimum: int
) -> Iterator[Finding]:
    """``contract.not_tested`` for U1 and C of each operation that was not tested enough to say anything good of it."""
    by_label: dict[str, list[Case]] = {}
    for case in cases:
        by_label.setdefault(case.label, []).append(case)
    for operation in operations:
        own = by_label.get(f"{operation.method} {operation.path}", [])
        generated = sum(case.phase != PHASE for case in own)
        answered = sum(not case.guard_code and case.status > 0 for case in own)
        needed = minimum if operation.parameters or operation.body is not None else 1
        if generated < needed and played.status is not None:
            raise PackInvalid(
                "pack.contract_minimum",
                file="exercise.toml",
                where="contract.minimum_requests",
                problem=f"only {generated} different requests of {operation.operation_id} can be made, not {needed}",
                fix="lower minimum_requests or raise max_examples",
            )
        if generated >= needed and answered:
            continue
        params: dict[str, Param] = {"reason": "no_answer" if not answered else "time"}
        params |= {"requests": generated, "answered": answered, "needed": needed}
        shown = min(own, key=lambda case: case.weight).exchange() if own else None
        for check in (UNIVERSAL, CONTRACT):
            yield Finding(
                check=check,
                code="contract.not_tested",
                operation=operation.operation_id,
                params=params,
                exchange=shown,
                count=max(1, len(own)),
            )
