"""Plan of a contract test: the test copy of the contract and the tester's configuration, both deterministic.

The same pack and the same world give the same two files, byte for byte.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grader.probe.calls import BODY, JSON_MEDIA, METHODS, OPAQUE_NAME, Node, resolve

INVENTED_TOKENS = ("", "x", "AAAA", "MDAwMDA=", "bnVsbA==", "e30=", "-1", "%25", "ไม่มี", "' OR 1=1 --")
"""Tokens that no app made (Base64 of 00000, null and {} among them): each must be refused, none may crash it."""

THAI_TEXT = "สาธิต"
"""Sent to every free text parameter: what people here really type, and what a generator draws too rarely."""

HOOKS = "grader.probe.contract.hooks"
RECORDED_BYTES = 262_144
"""Bytes of a body that the tester writes down; longer ones are judged by the tester alone."""

MAX_DEPTH = 24
"""How deep a request schema is written out; a deeper one is recursive and keeps its reference."""

CONFIG = """\
# Written by the probe. Every line is there because verdicts differ between runs, or punish correct apps, without it.
suppress-health-check = ["all"]  # they measure time
seed = {seed}
continue-on-failure = true
workers = 1
request-timeout = 15.0  # the guard answers within 10 s
max-redirects = 0
hooks = "{hooks}"
[cache]
enabled = false
[analysis.constants]
enabled = false
[generation]
mode = "all"
max-examples = {max_examples}
deterministic = true
no-shrink = true
database = "none"
allow-x00 = false
allow-extra-parameters = false
codec = "utf-8"
[phases.examples]
fill-missing = false
[phases.examples.extra-data-sources]
responses = false
[phases.coverage]
unexpected-methods = []
generate-duplicate-query-parameters = false
[phases.coverage.extra-data-sources]
responses = false
[phases.fuzzing.error-feedback]
enabled = false
[phases.fuzzing.extra-data-sources]
responses = false
[phases.stateful]
enabled = false
[warnings]
display = []
[output.sanitization]
enabled = false
[output.truncation]
max-recorded-payload-size = {recorded}
[checks]
unsupported_method.enabled = false
allow_header_conformance.enabled = false
object_level_authorization.enabled = false
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 412, 422, 428, 429, "5xx"]
[checks.negative_data_rejection]
expected-statuses = ["4xx", "5xx"]
[checks.missing_required_header]
expected-statuses = ["4xx", "5xx"]
"""


def write_plan(
    folder: Path, *, contract: Node, examples: Mapping[str, Any], seed: int, max_examples: int
) -> tuple[Path, Path]:
    """Write the test copy and the configuration into ``folder``; gives their paths (contract, configuration)."""
    copy, config = folder / "contract.json", folder / "grade.toml"
    copy.write_text(json.dumps(copy_for_tests(contract, examples), ensure_ascii=False, indent=1), "utf-8")
    config.write_text(
        CONFIG.format(seed=seed, max_examples=max_examples, hooks=HOOKS, recorded=RECORDED_BYTES), "utf-8"
    )
    return copy, config


def copy_for_tests(contract: Node, examples: Mapping[str, Any]) -> dict[str, Any]:
    """The contract as the tester reads it: self-contained, without servers, with the world's real values as examples.

    Request bodies are closed (``additionalProperties: false``) so that no request holds a property the contract does
    not know: apps may refuse or ignore those.
    """
    paths: dict[str, Any] = {}
    for path, raw in contract.get("paths", {}).items():
        item = resolve(contract, raw)
        paths[path] = {
            method: _operation(contract, item, item[method], examples) for method in METHODS if method in item
        }
    copied = {key: value for key, value in contract.items() if key in {"openapi", "info", "components", "security"}}
    copied["paths"] = paths
    plain: dict[str, Any] = json.loads(json.dumps(copied, default=str))
    return plain


def _operation(contract: Node, item: Node, operation: Node, examples: Mapping[str, Any]) -> dict[str, Any]:
    sets = examples.get(operation.get("operationId", ""), ())
    parameters = {}
    for raw in (*item.get("parameters", ()), *operation.get("parameters", ())):
        parameter = dict(resolve(contract, raw))
        values = _distinct(one[parameter["name"]] for one in sets if parameter["name"] in one)
        if parameter["in"] == "query" and _is_free_text(parameter.get("schema", {})):
            values.append(THAI_TEXT)
        if parameter.get("x-opaque", parameter["name"] == OPAQUE_NAME):
            parameter["x-opaque"], values = True, list(INVENTED_TOKENS)
        if values:
            parameter.pop("example", None)
            parameter["examples"] = _named(values)
        parameters[parameter["name"], parameter["in"]] = parameter
    copied = {key: value for key, value in operation.items() if key not in {"servers", "callbacks"}}
    copied["parameters"] = list(parameters.values())
    if "requestBody" in operation:
        bodies = _distinct(one[BODY] for one in sets if BODY in one)
        copied["requestBody"] = _request(contract, resolve(contract, operation["requestBody"]), bodies)
    return copied


def _request(contract: Node, request: Node, bodies: list[Any]) -> dict[str, Any]:
    content = {}
    for media, raw in request.get("content", {}).items():
        copied = dict(raw)
        if "schema" in copied:
            copied["schema"] = _closed(contract, copied["schema"])
        if media == JSON_MEDIA and bodies:
            copied.pop("example", None)
            copied["examples"] = _named(bodies)
        content[media] = copied
    return {**request, "content": content}


def _closed(contract: Node, schema: Any, depth: int = 0) -> Any:
    if isinstance(schema, list):
        return [_closed(contract, one, depth + 1) for one in schema]
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        return schema
    resolved = resolve(contract, schema)
    copied = {key: _closed(contract, value, depth + 1) for key, value in resolved.items()}
    if "properties" in copied and not {"allOf", "anyOf", "oneOf"} & copied.keys():
        copied.setdefault("additionalProperties", False)
    return copied


def _is_free_text(schema: Node) -> bool:
    bound = schema.get("maxLength", len(THAI_TEXT)) >= len(THAI_TEXT) >= schema.get("minLength", 0)
    return schema.get("type") == "string" and bound and not {"pattern", "format", "enum", "const"} & schema.keys()


def _distinct(values: Any) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def _named(values: list[Any]) -> dict[str, Any]:
    return {f"world-{place}": {"value": value} for place, value in enumerate(values, 1)}
