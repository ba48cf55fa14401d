"""case_id depends on the pregnancy and on the whole key, and on nothing else."""

import pytest


@pytest.mark.check("E3-S9")
def test_case_ids_survive_a_restart(api, app, oracle):
    before = listed(api)
    known = oracle.dirtied("elsewhere")[0]
    api.get(f"/anc/cases/{known}").expect_status(200)
    app.restart()
    answer = api.get("/anc/reconciliation", limit=100).expect_status(200)
    for place, case_id in enumerate(before):
        answer.expect_value(f"data[{place}].case_id", case_id)


@pytest.mark.check("E3-S9")
def test_case_ids_change_with_every_part_of_the_key(api, app, world, oracle):
    other = world.env["PSEUDONYM_KEY"][::-1] + "-and-more"
    known = next(one.target for one in world.mutations if one.mutator == "elsewhere")
    before = set(listed(api))
    app.restart(PSEUDONYM_KEY=other)
    answer = api.get("/anc/reconciliation", limit=100).expect_status(200)
    for row in answer.data:
        if row["case_id"] in before:
            answer.fail("response.value", expected="another case_id", got=row["case_id"], at="data[].case_id")
    # Found under the name that the whole key gives it: a key that was cut or hashed with something else gives another.
    api.get(f"/anc/cases/{oracle.case_id(known, other)}").expect_status(200)


def listed(api):
    """The case_ids of the first page as the app gives them now."""
    answer = api.get("/anc/reconciliation", limit=100).expect_status(200)
    return [row["case_id"] for row in answer.data]
