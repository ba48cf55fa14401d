"""Fairness of the requests that Schemathesis generates: nothing is sent that a framework answers before the app does.

Loaded by Schemathesis (``hooks`` of its configuration) inside the tester process only.
"""

from typing import Any

import schemathesis

EXACT = 2**53
"""Whole floats below this are exact integers, so writing them as integers changes nothing."""


def plain_numbers(value: Any) -> Any:
    """``value`` with whole floats as integers: 91.0 is a valid JSON Schema integer that strict parsers refuse."""
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return int(value)
    if isinstance(value, list):
        return [plain_numbers(one) for one in value]
    if isinstance(value, dict):
        return {key: plain_numbers(one) for key, one in value.items()}
    return value


def holds_nul(value: Any) -> bool:
    """True when some text in ``value`` holds U+0000, which no text column of PostgreSQL can store or compare."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(holds_nul(key) or holds_nul(one) for key, one in value.items())
    return isinstance(value, list) and any(holds_nul(one) for one in value)


def routable(value: Any) -> bool:
    """False for a path segment that routers split, normalise or redirect, so that the app never sees it."""
    text = str(value)
    return bool(text.strip()) and text not in {".", ".."} and "/" not in text and "\\" not in text


@schemathesis.hook  # type: ignore[untyped-decorator]
def filter_case(context: Any, case: Any) -> bool:
    """Leave out NUL anywhere, and path segments that never reach a handler."""
    del context
    if not all(routable(value) for value in (case.path_parameters or {}).values()):
        return False
    return not any(holds_nul(part) for part in (case.path_parameters, case.query, case.headers, case.body))


def without_opaque(case: Any) -> dict[str, Any]:
    """The query of ``case`` with an invented token alone or not at all.

    An app refuses a token it never made, and rightly so; sent beside other parameters it would hide what the app makes
    of them.
    """
    definitions = [parameter.definition for parameter in case.operation.query]
    opaque = {one["name"] for one in definitions if one.get("x-opaque")}
    required = {one["name"] for one in definitions if one.get("required")}
    query = dict(case.query)
    target = getattr(case.meta.phase.data, "parameter", None) if case.meta is not None else None
    if target in opaque:
        return {name: value for name, value in query.items() if name == target or name in required}
    if set(query) - opaque - required:
        return {name: value for name, value in query.items() if name not in opaque or name in required}
    return query


@schemathesis.hook  # type: ignore[untyped-decorator]
def map_case(context: Any, case: Any) -> Any:
    """Write whole numbers without a fraction, and send invented tokens alone."""
    del context
    if case.query:
        case.query = plain_numbers(without_opaque(case))
    if case.path_parameters:
        case.path_parameters = plain_numbers(dict(case.path_parameters))
    if isinstance(case.body, dict | list | float):
        case.body = plain_numbers(case.body)
    return case
