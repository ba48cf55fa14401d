"""What the privacy family asks: every operation as it should be asked, and wrongly in each way that can show a row."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from grader.probe.calls import BODY, UNKNOWN_PATH, Call, Described, call_of, describe
from grader.probe.session import Session

MAX_EXAMPLES = 5
"""Examples of one operation that are asked: the other families asked all of them, and the watch saw the answers."""
NONSENSE = "'~ก"
"""Breaks numbers, dates, patterns and lists of values, and shows what an app says when its query fails."""
_METHODS = ("DELETE", "PATCH", "PUT", "POST")


def walk(session: Session) -> Iterator[Call]:
    """Examples, an unknown path, and each mistake that an operation can be asked with; nobody is named in them."""
    operations = describe(session.pack.contract)
    examples = session.world.examples
    for operation in operations:
        for example in islice(examples.get(operation.operation_id, ()), MAX_EXAMPLES):
            yield call_of(operation, example)
    yield Call(operation_id="", method="GET", path=UNKNOWN_PATH)
    for operation in operations:
        yield from _mistakes(operation, next(iter(examples.get(operation.operation_id, ())), {}))
    for path in dict.fromkeys(operation.path for operation in operations):
        here = [operation for operation in operations if operation.path == path]
        method = next((one for one in _METHODS if one not in {operation.method for operation in here}), None)
        if method is not None:
            good = call_of(here[0], next(iter(examples.get(here[0].operation_id, ())), {}))
            yield Call(operation_id="", method=method, path=good.path)


def is_safe(call: Call) -> bool:
    """Whether a call only reads, so that it may be sent once more for each caller."""
    return call.method in {"GET", "HEAD"}


def _mistakes(operation: Described, example: Mapping[str, Any]) -> Iterator[Call]:
    for parameter in operation.parameters:
        if parameter.where in {"path", "query"}:
            yield call_of(operation, {**example, parameter.name: NONSENSE})
    if operation.body is not None:
        yield call_of(operation, {**example, BODY: NONSENSE})
