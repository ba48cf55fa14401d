"""listReconciliation: every pregnancy has one outcome, and none is lost on the way."""

import pytest

from grader.probe.scenarios.expect import same_list

OUTCOMES = ["no_cid", "invalid_cid", "not_found", "conflict", "dead", "moved_out"]


@pytest.mark.check("E3-S2")
@pytest.mark.parametrize("query", [{}, {"limit": 1}, {"outcome": "not_found"}, {"outcome": "linked", "limit": 100}])
def test_counts_are_over_all_pregnancies(api, oracle, query):
    answer = api.get("/anc/reconciliation", **query).expect_status(200)
    for outcome, count in oracle.counts().items():
        answer.expect_value(f"meta.counts.{outcome}", count)


@pytest.mark.check("E3-S2")
def test_counts_are_the_same_on_every_page(api, oracle):
    first = api.get("/anc/reconciliation", limit=100).expect_status(200)
    if not first.next_cursor:
        first.fail("response.value", expected="a cursor", got=None, at="page.next_cursor")
    second = api.get("/anc/reconciliation", limit=100, cursor=first.next_cursor).expect_status(200)
    second.expect_value("meta.counts", oracle.counts())


@pytest.mark.check("E3-S2")
@pytest.mark.parametrize("limit", [100, 67])
def test_all_pages_are_all_pregnancies_in_order(api, oracle, limit):
    same_list(api.pages("/anc/reconciliation", limit=limit), oracle.case_ids(), key="case_id")


@pytest.mark.check("E3-S2")
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_filter_gives_the_pregnancies_with_this_outcome(api, oracle, outcome):
    pages = api.pages("/anc/reconciliation", outcome=outcome, limit=100)
    same_list(pages, oracle.case_ids(outcome), key="case_id")


@pytest.mark.check("E3-S2")
@pytest.mark.parametrize("area", ["97", "9701"])
def test_not_linked_is_that_of_the_whole_province(api, oracle, area):
    expected = oracle.rate(oracle.years[1])
    answer = api.get("/anc/first-visit", fy_be=expected["fy_be"], area=area).expect_status(200)
    answer.expect_value("data.not_linked", expected["not_linked"])
