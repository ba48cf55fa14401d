"""Who is accepted as the woman in the registry, and what her record says."""

import pytest

LINKING = ["birth_unknown_both", "birth_unknown_hdc", "birth_unknown_dopa", "birth_unknown_day"]
CONTRADICTING = ["birth_other_day", "birth_other_month", "birth_other_year", "birth_other_year_unknown"]


@pytest.mark.check("E3-S3")
@pytest.mark.parametrize("place", range(4))
def test_a_wrong_third_digit_is_a_conflict(api, oracle, place):
    case_id = oracle.dirtied("third_digit")[place]
    answer = api.get(f"/anc/cases/{case_id}").expect_status(200)
    answer.expect_value("data.outcome", "conflict").expect_value("data.registry", None)


@pytest.mark.check("E3-S3")
def test_a_wrong_third_digit_is_never_linked(api, oracle):
    wrong = set(oracle.dirtied("third_digit"))
    for answer in api.pages("/anc/reconciliation", outcome="linked", limit=100):
        for row in answer.data:
            if row["case_id"] in wrong:
                answer.fail("list.unexpected", got=row["case_id"], at="data")


@pytest.mark.check("E3-S5")
@pytest.mark.parametrize("kind", LINKING)
def test_an_unknown_part_of_a_birth_date_is_not_compared(api, oracle, kind):
    for case_id in oracle.dirtied(kind):
        api.get(f"/anc/cases/{case_id}").expect_status(200).expect_value("data.outcome", "linked")


@pytest.mark.check("E3-S5")
@pytest.mark.parametrize("kind", CONTRADICTING)
def test_a_known_part_of_a_birth_date_is_compared(api, oracle, kind):
    for case_id in oracle.dirtied(kind):
        api.get(f"/anc/cases/{case_id}").expect_status(200).expect_value("data.outcome", "conflict")


@pytest.mark.check("E3-S6")
@pytest.mark.parametrize("place", range(2))
def test_the_leap_day_of_a_be_year(api, oracle, place):
    case_id = oracle.dirtied("leap_day")[place]
    answer = api.get(f"/anc/cases/{case_id}").expect_status(200)
    answer.expect_value("data.registry.event_date", "2024-02-29")
