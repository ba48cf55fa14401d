"""DOPA is asked in batches, and without a complete answer of DOPA there is none of ours.

The app is started after the agency was prepared, so that what it may ask before the first request counts as well, and
so that no complete answer from before helps it.
"""

import re

import pytest

MOST = 12
CALLS = {"getFirstVisitRate": "/anc/first-visit", "listReconciliation": "/anc/reconciliation"}
FAULTS = {
    "unreachable": {},
    "status": {"status": 503},
    "partial": {"status": 503, "after": 2},
}
SECONDS_OR_DATE = r"[0-9]+|[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT"


def ask(api, oracle, operation):
    query = {"fy_be": oracle.years[1]} if operation == "getFirstVisitRate" else {}
    return api.get(CALLS[operation], **query)


@pytest.mark.check("E3-S8")
@pytest.mark.parametrize("operation", list(CALLS))
def test_the_registry_is_asked_in_batches(api, app, agencies, oracle, operation):
    agencies.dopa.forget()
    app.restart()
    answer = ask(api, oracle, operation).expect_status(200)
    asked, per_person = len(agencies.dopa.requests()), len(agencies.dopa.requests(route="person"))
    if asked > MOST or per_person:
        answer.fail("agency.too_many_requests", expected=MOST, got=asked, asked=asked, most=MOST, per_person=per_person)


@pytest.mark.check("E3-S10")
def test_no_figure_without_the_whole_registry(api, app, agencies, oracle):
    healthy = ask(api, oracle, "getFirstVisitRate").expect_status(200)
    break_registry(api, agencies, "unreachable")
    app.restart()
    for fault in FAULTS:
        break_registry(api, agencies, fault)
        for operation in CALLS:
            refused(ask(api, oracle, operation))
    api.step("DOPA heals")
    agencies.dopa.heal()
    healed = ask(api, oracle, "getFirstVisitRate").expect_status(200)
    # Compared with what the app says by itself, so that a wrong rate counts for E3-S1 and not here.
    for name in ("a", "b", "not_linked"):
        healed.expect_value(f"data.{name}", healthy.value(f"data.{name}"))


def break_registry(api, agencies, fault):
    api.step(f"DOPA {fault}")
    agencies.dopa.fault("unreachable" if fault == "unreachable" else "status", **FAULTS[fault])


def refused(answer):
    """503 as problem+json with Retry-After."""
    answer.expect_status(503)
    media = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/problem+json":
        answer.fail("error.not_problem_json", expected="application/problem+json", got=media or None)
    wait = answer.headers.get("retry-after")
    if wait is None or not re.fullmatch(SECONDS_OR_DATE, wait.strip()):
        answer.fail("response.header", expected="Retry-After: 30", got=wait, at="retry-after")
