"""Our own API under the tool that grades the APIs of trainees: every check, as a trainee, as staff, and on real things.

What is expected beside the tool's defaults, and why:

* a request that fits its schema may still be refused with 422, 412 or 428: no schema can say "a zip archive" or "the
  tag of what you read";
* a missing ``If-Match`` is 428, as RFC 6585 has it, and so is no "missing header" of the description.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema

from grader.services import indicator
from grader.services.accounts import tokens
from portal.api.description import ADDRESS
from tests.fixtures.portal import ORIGIN, World

SEED: Final = 2570
EXAMPLES: Final = 4
CHECKS: Final = {
    "positive_data_acceptance": {
        "expected-statuses": ["2xx", "3xx", "401", "403", "404", "409", "412", "422", "428", "429"]
    },
    "negative_data_rejection": {"expected-statuses": ["4xx"]},
}


EVERY: Final = frozenset({
    "allow_header_conformance", "content_type_conformance", "ensure_resource_availability", "ignored_auth",
    "missing_required_header", "negative_data_rejection", "not_a_server_error", "object_level_authorization",
    "positive_data_acceptance", "response_headers_conformance", "response_schema_conformance",
    "status_code_conformance", "unsupported_method", "use_after_free",
})  # fmt: skip
"""All checks of the tool but the one of time, which says nothing on a busy machine."""


def configured(token: str, things: dict[str, Any]) -> SchemathesisConfig:
    """All checks and phases, the same examples every time."""
    return SchemathesisConfig.from_dict({
        "seed": SEED,
        "base-url": ORIGIN,
        "headers": {"Authorization": f"Bearer {token}"},
        "parameters": things,
        "generation": {"max-examples": EXAMPLES, "deterministic": True, "database": "none"},
        "continue-on-failure": True,
        "checks": CHECKS,
        "phases": {"stateful": {"generation": {"max-examples": 5}}},
    })  # fmt: skip


def run(
    world: World, token: str, things: dict[str, Any], *, change: Callable[[Any], Any] = lambda schema: schema
) -> tuple[list[str], Counter[str], Counter[int]]:
    """What failed; how often each check was made; and how often each status came."""
    host = {"Host": "127.0.0.1:8000"}
    schema = schemathesis.openapi.from_asgi(ADDRESS, world.app, config=configured(token, things), headers=host)
    wrong: list[str] = []
    made: Counter[str] = Counter()
    statuses: Counter[int] = Counter()
    for event in from_schema(change(schema)).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            wrong.append(repr(getattr(event, "exception", event)))
        if not isinstance(event, events.ScenarioFinished):
            continue
        for one in event.recorder.interactions.values():
            if one.response is not None:
                statuses[one.response.status_code] += 1
        for case, checks in event.recorder.checks.items():
            for check in checks:
                made[check.name] += 1
                if check.status is Status.FAILURE and check.failure_info is not None:
                    asked = event.recorder.cases[case].value
                    wrong.append(f"{check.name}: {asked.method} {asked.formatted_path}: {check.failure_info.failure}")
    return wrong, made, statuses


@pytest.mark.parametrize(
    ("who", "ids"), [("owner", "made up"), ("owner", "real"), ("instructor", "real"), ("coordinator", "real")]
)
def test_our_api_passes_every_check(fresh_world: World, who: str, ids: str) -> None:
    """No check fails, with ids that are made up and with those of things that are there."""
    indicator.propose_rounds(fresh_world.records, 2570, by="setup", preset="quarters")
    token = tokens.make(
        fresh_world.records, account=fresh_world.accounts[who].id, name="x", scopes=tokens.SCOPES, by="setup"
    )
    things = {
        "path.submission": fresh_world.work["owner.failed"],
        "path.fetch": fresh_world.work["owner.fetch"],
        "path.assignment": fresh_world.assignments["r1"],
        "path.round": "r1",
        "path.year": 2570,
        "path.code": "q1",
    }
    wrong, made, statuses = run(fresh_world, token, things if ids == "real" else {})
    assert not wrong, "\n".join(sorted(set(wrong)))
    assert made.keys() >= EVERY
    assert {200, 401, 404, 422} <= statuses.keys()


def test_a_description_that_is_not_true_is_found(fresh_world: World) -> None:
    """One word of the description is changed, and the same run says so: it is no run that finds nothing."""
    token = tokens.make(
        fresh_world.records, account=fresh_world.accounts["owner"].id, name="x", scopes=["read"], by="setup"
    )

    def untrue(schema: Any) -> Any:
        schema.raw_schema["components"]["schemas"]["Me"]["properties"]["login"]["type"] = "integer"
        return schema.include(path="/api/v1/me")

    wrong, _, _ = run(fresh_world, token, {}, change=untrue)
    assert any(one.startswith("response_schema_conformance: GET /api/v1/me") for one in wrong)
