"""listFacilities while the register changes: a cursor is a place in the order, not a number of rows.

The pages that the app gave before the change are the measure, so that a row which is wrongly listed, lost or repeated
anyway counts for E1-S2 and not here. Requests are steps of their own; the changes are named in between.
"""

from collections import Counter

import pytest

LIMIT = 40


@pytest.mark.check("E1-S3")
def test_an_inserted_row_repeats_nothing(api, agencies, oracle):
    before, first = start(api)
    newcomer = oracle.newcomer()
    api.step(f"chospital + {newcomer['hoscode']}")
    agencies.facility.insert("chospital", newcomer)
    continue_after(api, first, before, touched=[])


@pytest.mark.check("E1-S3")
def test_closed_rows_lose_nothing(api, agencies, oracle, clock):
    before, first = start(api)
    closing = of_page(first, oracle)
    for hoscode in closing:
        api.step(f"chospital closed_date {hoscode}")
        agencies.facility.update("chospital", {"closed_date": f"{clock.today:%Y%m%d}"}, where={"hoscode": hoscode})
    continue_after(api, first, before, touched=closing)


@pytest.mark.check("E1-S3")
def test_a_deleted_row_loses_nothing(api, agencies, oracle):
    before, first = start(api)
    last = of_page(first, oracle)[-1]
    api.step(f"chospital - {last}")
    agencies.facility.delete("chospital", where={"hoscode": last})
    continue_after(api, first, before, touched=[last])


def start(api):
    """How often the app lists each hoscode now, and page 1 read again."""
    before = Counter(row["hoscode"] for answer in api.pages("/facilities", limit=LIMIT) for row in answer.data)
    first = api.get("/facilities", limit=LIMIT).expect_status(200)
    if not first.next_cursor:
        first.fail("response.value", expected="a cursor", got=None, at="page.next_cursor")
    return before, first


def of_page(first, oracle):
    """Two facilities of page 1 that really are in the register: one in the middle, and the last one."""
    known = [row["hoscode"] for row in first.data if oracle.knows(row["hoscode"])]
    if len(known) < 3:
        first.fail("list.unexpected", got=first.data[0]["hoscode"], at="data")
    return [known[len(known) // 2], known[-1]]


def continue_after(api, first, before, *, touched):
    """The pages after page 1 go on as before with every row that nobody touched."""
    seen = Counter(row["hoscode"] for row in first.data)
    answer = first
    for answer in api.pages("/facilities", limit=LIMIT, cursor=first.next_cursor):
        for row in answer.data:
            hoscode = row["hoscode"]
            seen[hoscode] += 1
            if hoscode in before and seen[hoscode] > before[hoscode]:
                answer.fail("list.duplicate", got=hoscode, at="data")
    lost = [hoscode for hoscode in before if hoscode not in seen and hoscode not in touched]
    if lost:
        answer.fail("list.missing", expected=lost[0], at="data")
