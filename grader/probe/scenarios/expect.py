"""Expectations about whole lists, each way to be wrong with a code of its own."""

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from grader.probe.scenarios.api import Answer
from grader.probe.scenarios.mismatch import Mismatch

Key = str | Callable[[Any], Any]


def same_list(
    found: Sequence[Answer] | Sequence[Any],
    expected_keys: Iterable[Any],
    *,
    key: Key,
    answer: Answer | None = None,
    ordered: bool = True,
) -> None:
    """The rows are exactly the expected ones, each once and in this order.

    ``found`` are answers (their ``data`` are joined) or rows; rows need ``answer``, the one they came in. ``key`` is a
    column or a function of a row. Raises one Mismatch with up to four findings: list.duplicate, list.missing,
    list.unexpected, list.order. None of them shows more than one key.
    """
    rows = _rows(found, answer)
    expected = list(expected_keys)
    got = [(_key_of(row, key, page), page) for row, page in rows]
    counts = Counter(_identity(value) for value, _ in got)
    wanted = {_identity(value) for value in expected}
    last = rows[-1][1] if rows else answer or _last(found)
    problems: list[Mismatch] = []

    repeated = [(value, page) for value, page in got if counts[_identity(value)] > 1]
    if repeated:
        extra = sum(count - 1 for count in counts.values())
        value, page = repeated[-1]
        problems.append(page.mismatch("list.duplicate", at="data", got=value, count=extra))
    missing = [value for value in expected if _identity(value) not in counts]
    if missing:
        problems.append(
            last.mismatch("list.missing", at="data", expected=missing[0], count=len(missing), of=len(expected))
        )
    unexpected = [(value, page) for value, page in got if _identity(value) not in wanted]
    if unexpected:
        value, page = unexpected[0]
        problems.append(page.mismatch("list.unexpected", at="data", got=value, count=len(unexpected)))
    if ordered and (disorder := _disorder(got, expected, counts)):
        problems.append(disorder)
    if problems:
        raise Mismatch(*[finding for problem in problems for finding in problem.findings])


def _disorder(got: Sequence[tuple[Any, Answer]], expected: Sequence[Any], counts: Counter[Hashable]) -> Mismatch | None:
    """The first place where the rows that were rightly given stand in another order."""
    common = [value for value in expected if _identity(value) in counts]
    wanted = {_identity(value) for value in common}
    firsts: dict[Hashable, tuple[Any, Answer]] = {}
    for value, page in got:
        if _identity(value) in wanted:
            firsts.setdefault(_identity(value), (value, page))
    for place, (want, (value, page)) in enumerate(zip(common, firsts.values(), strict=True)):
        if _identity(want) != _identity(value):
            return page.mismatch("list.order", at="data", expected=want, got=value, position=place + 1)
    return None


def _rows(found: Sequence[Any], answer: Answer | None) -> list[tuple[Any, Answer]]:
    rows: list[tuple[Any, Answer]] = []
    for one in found:
        if not isinstance(one, Answer):
            if answer is None:
                message = "same_list needs answer= when it is given rows"
                raise RuntimeError(message)
            rows.append((one, answer))
            continue
        if not isinstance(one.data, list):
            one.fail("response.shape", at="data", expected="array")
        rows += [(row, one) for row in one.data]
    return rows


def _key_of(row: Any, key: Key, page: Answer) -> Any:
    if callable(key):
        return key(row)
    if not isinstance(row, dict):
        page.fail("response.shape", at="data[]", expected="object")
    if key not in row:
        page.fail("response.missing_field", at=f"data[].{key}")
    return row[key]


def _identity(value: Any) -> Hashable:
    """Equal for equal JSON only: the text "5" and the number 5 are two keys."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def _last(found: Sequence[Any]) -> Answer:
    if found and isinstance(found[-1], Answer):
        return found[-1]
    message = "same_list needs answer= when it is given rows"
    raise RuntimeError(message)
